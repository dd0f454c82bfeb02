//! The code of functions: as it comes with a request, and as the store keeps it.
//!
//! A zip lies under its function in pieces, as text that documents can hold, so that one commit has
//! both and a backup too.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::folders::{CodeFolder, CodeFolders};
use super::unzip::{UNZIPPED_BYTES_MAX, UnzipError};
use crate::control::management::call::Call;
use crate::control::management::error::{ApiError, Code};
use crate::control::management::resource::document::{table, text};
use crate::control::management::resource::{Context, Result};
use crate::sign::sha256;
use crate::store::{Document, Key, Snapshot, StoreError};

/// What a request brought.
#[derive(Debug)]
pub(in crate::control::management) enum UploadedCode {
    /// It was unpacked, so that it is known to be good.
    Zip { hash: [u8; 32], bytes: Vec<u8>, _folder: CodeFolder },
    /// A folder of this machine, which may change.
    Folder(PathBuf),
}

impl UploadedCode {
    /// Takes the code out of a request that has one, and unpacks it. `allows_folders`: whether it
    /// may be a folder.
    pub(in crate::control::management) fn take(
        call: &mut Call,
        folders: &Arc<CodeFolders>,
        allows_folders: bool,
    ) -> Result<Option<Self>> {
        let given = match call.operation.name {
            "CreateFunction" => match call.body.get_mut("Code") {
                Some(Value::Object(code)) => code,
                _ => return Ok(None),
            },
            "UpdateFunctionCode" => &mut call.body,
            _ => return Ok(None),
        };
        let zip = given.remove("ZipFile");
        if given.contains_key("ImageUri") {
            return Err(ApiError::invalid_parameter(
                "Container images are not available in this version: PackageType must be Zip",
            ));
        }
        let is_s3 = ["S3Bucket", "S3Key"].iter().any(|name| given.contains_key(*name));
        match (zip, is_s3) {
            (Some(Value::String(_)), true) => Err(ApiError::invalid_parameter(
                "Please do not provide other FunctionCode parameters when providing a ZipFile.",
            )),
            (Some(Value::String(zip)), false) => Self::of_zip(zip, folders).map(Some),
            (_, true) => Self::of_folder(given, allows_folders).map(Some),
            (_, false) => {
                Err(ApiError::invalid_parameter("Please provide a source for function code."))
            }
        }
    }

    fn of_zip(zip: String, folders: &Arc<CodeFolders>) -> Result<Self> {
        let bytes = STANDARD.decode(&zip).map_err(|_| unreadable())?;
        drop(zip);
        if bytes.is_empty() {
            return Err(ApiError::invalid_parameter("Uploaded file must be a non-empty zip"));
        }
        let hash = sha256(&bytes);
        let folder = folders.unpacked(&hex(&hash), || Ok::<_, UnzipError>(&bytes));
        let folder = folder.map_err(refused)?;
        Ok(Self::Zip { hash, bytes, _folder: folder })
    }

    fn of_folder(given: &Document, is_allowed: bool) -> Result<Self> {
        let (bucket, key) = (text(given, "S3Bucket"), text(given, "S3Key"));
        if bucket != Some(FOLDER_BUCKET) {
            return Err(ApiError::invalid_parameter(
                "Code from S3 is not available in this version: provide a ZipFile",
            ));
        }
        if !is_allowed {
            return Err(ApiError::invalid_parameter(
                "Code in folders is not allowed: the settings need function_folders = true under \
                 [management]",
            ));
        }
        let folder = Path::new(key.unwrap_or_default());
        if !folder.is_absolute() || !folder.is_dir() {
            let message = format!("{} is not the absolute path of a folder", folder.display());
            return Err(ApiError::invalid_parameter(message));
        }
        Ok(Self::Folder(folder.to_owned()))
    }

    /// The members of a function's document that tell of it.
    pub(super) fn describe(&self, document: &mut Document) {
        let (hash, size, code) = match self {
            Self::Zip { hash, bytes, .. } => (*hash, bytes.len(), json!({"sha256": hex(hash)})),
            Self::Folder(path) => {
                let path = path.to_string_lossy();
                (sha256(path.as_bytes()), 0, json!({"folder": path}))
            }
        };
        document.insert("CodeSha256".into(), STANDARD.encode(hash).into());
        document.insert("CodeSize".into(), size.into());
        document.insert("code".into(), code);
    }

    /// Puts it into the store under its function, unless it is there.
    pub(super) fn put(&self, context: &mut Context<'_>, function: &Key) -> Result<()> {
        let Self::Zip { hash, bytes, .. } = self else { return Ok(()) };
        let key = zip_key(function, &hex(hash));
        if context.document(&key)?.is_some() {
            return Ok(());
        }
        let pieces = bytes.chunks(PIECE_BYTES).map(|piece| STANDARD.encode(piece));
        let mut count = 0;
        for piece in pieces {
            let document = Document::from_iter([("data".to_owned(), piece.into())]);
            context.put(&piece_key(&key, count), &document);
            count += 1;
        }
        context.put(&key, &Document::from_iter([("piecesCount".to_owned(), count.into())]));
        Ok(())
    }
}

/// The hash of the zip of a function or a version, if it has one.
pub(super) fn zip_hash(document: &Document) -> Option<&str> {
    text(table(document, "code")?, "sha256")
}

/// The folder that a function or a version runs from, if it has one.
pub(super) fn folder(document: &Document) -> Option<&str> {
    text(table(document, "code")?, "folder")
}

/// The zip with this hash that a function has.
pub(super) fn load_zip(
    snapshot: &Snapshot,
    function: &Key,
    hash: &str,
) -> std::result::Result<Option<Vec<u8>>, StoreError> {
    let key = zip_key(function, hash);
    let Some(head) = snapshot.get(&key)? else { return Ok(None) };
    let count = head.get("piecesCount").and_then(Value::as_u64).unwrap_or(0);
    let mut zip = Vec::new();
    for index in 0..count {
        let Some(piece) = snapshot.get(&piece_key(&key, index))? else { return Ok(None) };
        let data = text(&piece, "data").unwrap_or_default();
        if STANDARD.decode_vec(data, &mut zip).is_err() {
            return Ok(None);
        }
    }
    Ok(Some(zip))
}

/// Removes zips that neither the function nor one of its versions has any more.
pub(super) fn remove_unused_zips(context: &mut Context<'_>, function: &Key) -> Result<()> {
    let mut used = Vec::new();
    let latest = context.document(function)?;
    let versions = context.children(&function.child("versions"))?;
    for document in latest.iter().chain(versions.iter().map(|(_, version)| version)) {
        used.extend(zip_hash(document).map(str::to_owned));
    }
    let zips = function.child("zips");
    for (hash, _) in context.children(&zips)? {
        if !used.contains(&hash) {
            context.transaction.remove(&zips.child(&hash))?;
        }
    }
    Ok(())
}

fn zip_key(function: &Key, hash: &str) -> Key {
    function.child("zips").child(hash)
}

fn piece_key(zip: &Key, index: u64) -> Key {
    zip.child(&format!("{index:05}"))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn refused(error: UnzipError) -> ApiError {
    match error {
        UnzipError::Malformed(reason) => {
            tracing::info!(reason, "the code of a function is refused");
            unreadable()
        }
        UnzipError::TooLarge => ApiError::invalid_parameter(format!(
            "Unzipped size must be smaller than {UNZIPPED_BYTES_MAX} bytes"
        )),
        UnzipError::Disk(error) => {
            ApiError::new(Code::Service, format!("the code cannot be unpacked: {error}"))
        }
    }
}

fn unreadable() -> ApiError {
    ApiError::invalid_parameter(
        "Could not unzip uploaded file. Please check your file, then try to upload again.",
    )
}

/// The bucket that stands for the folders of this machine.
const FOLDER_BUCKET: &str = "hot-reload";
/// Of a zip, in one document.
const PIECE_BYTES: usize = 1024 * 1024;
