//! What is defined, for whoever runs functions and for stages that name them.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::code::{folder, load_zip, zip_hash};
use super::folders::{CodeFolder, CodeFolders};
use super::policy::{statements, stored_policy_key};
use super::unzip::UnzipError;
use crate::control::management::resource::document::{table, text};
use crate::model::{FunctionName, FunctionPlace};
use crate::store::{Document, Key, Store, StoreError};

/// A function as it is defined: `$LATEST`, or one of its versions.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredFunction {
    /// All of it, with the version: what tells one from another.
    pub(crate) name: FunctionName,
    pub(crate) code: CodePlace,
    pub(crate) runtime: FunctionRuntime,
    pub(crate) handler: String,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) timeout_ms: u64,
    pub(crate) memory_mb: u64,
    /// How many calls may run at once, of all versions together; `None` does not say.
    pub(crate) reserved_concurrency: Option<u64>,
}

/// Where code is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum CodePlace {
    /// In the store: what it is unpacked to never changes.
    Zip { sha256: String },
    /// On this machine, and it may change.
    Folder(PathBuf),
}

/// What runs a function.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum FunctionRuntime {
    /// The installed Node calls a handler.
    Node,
    /// The installed Python calls a handler.
    Python,
    /// `bootstrap`, a program in the code, speaks the Runtime API.
    Provided,
}

/// A function that something names by a name, a version or an alias.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct FoundFunction {
    pub(crate) function: StoredFunction,
    /// What lets API Gateway call what was named.
    pub(crate) permissions: Vec<StoredPermission>,
}

/// A statement that lets API Gateway call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct StoredPermission {
    /// A pattern for the ARN of the method or route that calls; `None` takes all.
    pub(crate) source_arn: Option<String>,
    pub(crate) source_account: Option<String>,
}

/// The functions of the store, with their code.
#[derive(Clone, Debug)]
pub(crate) struct FunctionStore {
    store: Store,
    folders: Arc<CodeFolders>,
    account_id: String,
}

/// A folder with the code of a function; it stays while this lives.
#[derive(Debug)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "for whoever runs functions, which nobody does yet")
)]
pub(crate) struct FunctionFolder {
    pub(crate) path: PathBuf,
    /// `None` where it is not ours to remove.
    _held: Option<CodeFolder>,
}

impl FunctionRuntime {
    /// What runs a runtime of this identifier, if something does.
    pub(super) fn of(identifier: &str) -> Option<Self> {
        let kinds =
            [("nodejs", Self::Node), ("python", Self::Python), ("provided", Self::Provided)];
        kinds.into_iter().find_map(|(prefix, kind)| {
            let version = identifier.strip_prefix(prefix)?;
            let is_fit = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'.';
            (version.len() <= 16 && version.bytes().all(is_fit)).then_some(kind)
        })
    }
}

impl FunctionStore {
    pub(in crate::control::management) fn new(
        account_id: String,
        store: Store,
        folders: Arc<CodeFolders>,
    ) -> Self {
        Self { store, folders, account_id }
    }

    /// All functions and versions of all regions.
    pub(crate) fn definitions(&self) -> Result<Vec<StoredFunction>, StoreError> {
        let snapshot = self.store.snapshot()?;
        let mut definitions = Vec::new();
        // By ids, which steps over the code: there is much of it.
        for region in snapshot.roots()? {
            let functions = Key::new(&[&region, "functions"]);
            for name in snapshot.child_ids(&functions, None, usize::MAX)? {
                let key = functions.child(&name);
                let Some(latest) = snapshot.get(&key)? else { continue };
                let full_name =
                    |version: &str| full_name(&region, &self.account_id, &name, version);
                definitions.extend(StoredFunction::read(full_name(LATEST), &latest, &latest));
                let versions = key.child("versions");
                for version in snapshot.child_ids(&versions, None, usize::MAX)? {
                    let document = snapshot.get(&versions.child(&version))?.unwrap_or_default();
                    let name = full_name(&version);
                    definitions.extend(StoredFunction::read(name, &document, &latest));
                }
            }
        }
        Ok(definitions)
    }

    /// The folder with the function's code, unpacked if it is not yet. Blocks.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "for whoever runs functions, which nobody does yet")
    )]
    pub(crate) fn code_folder(&self, function: &StoredFunction) -> io::Result<FunctionFolder> {
        let sha256 = match &function.code {
            CodePlace::Folder(path) => {
                return Ok(FunctionFolder { path: path.clone(), _held: None });
            }
            CodePlace::Zip { sha256 } => sha256,
        };
        let region = function.name.place.as_ref().map_or("", |place| &place.region);
        let key = Key::new(&[region, "functions", &function.name.name]);
        let folder = self.folders.unpacked(sha256, || {
            let zip = load_zip(&self.store.snapshot()?, &key, sha256)?;
            zip.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "its code is gone"))
        })?;
        Ok(FunctionFolder { path: folder.path(), _held: Some(folder) })
    }

    /// Removes folders of code that no function has any more and that nobody holds.
    pub(in crate::control::management) fn sweep(&self) {
        let swept = self.folders.sweep(|| {
            let all = self.definitions()?.into_iter();
            let hashes = all.filter_map(|one| match one.code {
                CodePlace::Zip { sha256 } => Some(sha256),
                CodePlace::Folder(_) => None,
            });
            Ok::<_, StoreError>(hashes.collect::<BTreeSet<_>>())
        });
        if let Err(error) = swept {
            tracing::warn!(%error, "unused code is not removed");
        }
    }
}

impl From<UnzipError> for StoreError {
    fn from(error: UnzipError) -> Self {
        Self::Io(error.into())
    }
}

/// The function that `name` stands for in a region of the account, if it is there.
pub(in crate::control::management) fn find_function<E>(
    mut get: impl FnMut(&Key) -> Result<Option<Document>, E>,
    (region, account_id): (&str, &str),
    name: &FunctionName,
) -> Result<Option<FoundFunction>, E> {
    let region = match &name.place {
        Some(place) if place.account_id != account_id => return Ok(None),
        Some(place) => &place.region,
        None => region,
    };
    let key = Key::new(&[region, "functions", &name.name]);
    let Some(latest) = get(&key)? else { return Ok(None) };
    let qualifier = name.qualifier.as_deref();
    let Some(document) = resolve(&mut get, &key, qualifier)? else {
        return Ok(None);
    };
    let version = text(&document, "Version").unwrap_or(LATEST);
    let full_name = full_name(region, account_id, &name.name, version);
    let Some(function) = StoredFunction::read(full_name, &document, &latest) else {
        return Ok(None);
    };
    let policy = get(&stored_policy_key(&key, qualifier))?.unwrap_or_default();
    let permissions = statements(&policy);
    let permissions = permissions.iter().filter_map(StoredPermission::read).collect();
    Ok(Some(FoundFunction { function, permissions }))
}

/// The document of the function at `key`, or of a version or alias of it.
pub(super) fn resolve<E>(
    mut get: impl FnMut(&Key) -> Result<Option<Document>, E>,
    key: &Key,
    qualifier: Option<&str>,
) -> Result<Option<Document>, E> {
    let Some(qualifier) = qualifier.filter(|one| *one != LATEST) else { return get(key) };
    let version = key.child("versions").child(qualifier);
    if let Some(version) = get(&version)? {
        return Ok(Some(version));
    }
    let Some(alias) = get(&key.child("aliases").child(qualifier))? else { return Ok(None) };
    match text(&alias, "FunctionVersion") {
        None | Some(LATEST) => get(key),
        Some(version) => get(&key.child("versions").child(version)),
    }
}

fn full_name(region: &str, account_id: &str, name: &str, version: &str) -> FunctionName {
    let [partition, region, account_id] = ["aws", region, account_id].map(str::to_owned);
    FunctionName {
        place: Some(FunctionPlace { partition, region, account_id }),
        name: name.to_owned(),
        qualifier: Some(version.to_owned()),
    }
}

impl StoredFunction {
    /// `latest` says what holds for all versions.
    fn read(name: FunctionName, document: &Document, latest: &Document) -> Option<Self> {
        let number =
            |document: &Document, member: &str| document.get(member).and_then(Value::as_u64);
        let code = match (zip_hash(document), folder(document)) {
            (Some(sha256), _) => CodePlace::Zip { sha256: sha256.to_owned() },
            (None, Some(folder)) => CodePlace::Folder(folder.into()),
            (None, None) => return None,
        };
        let variables = table(document, "Environment").and_then(|one| table(one, "Variables"));
        let variables = variables.into_iter().flatten();
        let environment = variables
            .map(|(name, value)| (name.clone(), value.as_str().unwrap_or_default().to_owned()));
        Some(Self {
            name,
            code,
            runtime: FunctionRuntime::of(text(document, "Runtime")?)?,
            handler: text(document, "Handler")?.to_owned(),
            environment: environment.collect(),
            timeout_ms: number(document, "Timeout")?.saturating_mul(1_000),
            memory_mb: number(document, "MemorySize")?,
            reserved_concurrency: number(latest, "reservedConcurrency"),
        })
    }
}

impl StoredPermission {
    /// A statement, if it is for API Gateway and for invoking.
    fn read(statement: &Value) -> Option<Self> {
        let principal = &statement["Principal"];
        let is_gateway = *principal == "*" || principal["Service"] == "apigateway.amazonaws.com";
        let action = statement["Action"].as_str()?;
        let is_invoke = matches!(action, "lambda:InvokeFunction" | "lambda:*" | "*");
        let conditions = statement["Condition"].as_object().into_iter().flatten();
        let (mut source_arn, mut source_account) = (None, None);
        for (key, value) in conditions.filter_map(|(_, one)| one.as_object()).flatten() {
            let value = value.as_str().map(str::to_owned);
            match key.as_str() {
                "AWS:SourceArn" => source_arn = value,
                "AWS:SourceAccount" => source_account = value,
                // What API Gateway never says of itself.
                _ => return None,
            }
        }
        (is_gateway && is_invoke).then_some(Self { source_arn, source_account })
    }
}

/// The version that changes.
pub(super) const LATEST: &str = "$LATEST";
