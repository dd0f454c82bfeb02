//! A zip of code as files in a folder.
//!
//! What a zip says of itself is not believed: what comes out is counted, paths stay inside, links
//! lead nowhere else, and of modes nothing but the permission bits is taken. The rule a newcomer
//! would break: links come last, so that nothing is ever written through one.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Cursor, Read, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;

/// Why a zip was not unpacked. The folder has whatever came before.
#[derive(Debug, thiserror::Error)]
pub enum UnzipError {
    /// It is no zip, or not one that is taken.
    #[error("{0}")]
    Malformed(String),
    /// There is more in it than may be.
    #[error("it holds more than {UNZIPPED_BYTES_MAX} bytes or {ENTRIES_COUNT_MAX} entries")]
    TooLarge,
    /// The disk.
    #[error(transparent)]
    Disk(io::Error),
}

/// Writes what is in `zip` to `folder`, which is there and empty. Returns how many entries it had.
///
/// # Errors
///
/// A zip that is none, that leads out of the folder, or in which there is too much; or the disk.
pub fn unpack(zip: &[u8], folder: &Path) -> Result<usize, UnzipError> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).map_err(malformed)?;
    if archive.len() > ENTRIES_COUNT_MAX {
        return Err(UnzipError::TooLarge);
    }
    let mut unpacker = Unpacker { folder, room_bytes: UNZIPPED_BYTES_MAX, links: Vec::new() };
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(malformed)?;
        unpacker.add(&mut entry)?;
    }
    unpacker.make_links()?;
    Ok(archive.len())
}

struct Unpacker<'u> {
    folder: &'u Path,
    room_bytes: u64,
    links: Vec<Link>,
}

/// A link that is still to be made.
struct Link {
    path: PathBuf,
    target: String,
}

impl Unpacker<'_> {
    fn add<R: Read>(&mut self, entry: &mut ZipFile<'_, R>) -> Result<(), UnzipError> {
        let name = entry.name().map_err(malformed)?.into_owned();
        let path = entry_path(&name)?;
        let mode = entry.unix_mode().unwrap_or(FILE_MODE);
        match mode & KIND_BITS {
            _ if name.ends_with('/') => self.make_folder(&path),
            LINK => {
                let target = self.read_text(entry)?;
                check_target(&path, &target)?;
                self.links.push(Link { path, target });
                Ok(())
            }
            FOLDER => self.make_folder(&path),
            0 | REGULAR => self.write_file(&path, mode, entry),
            _ => Err(UnzipError::Malformed(format!("{name} is neither a file nor a link"))),
        }
    }

    fn make_folder(&self, path: &Path) -> Result<(), UnzipError> {
        fs::create_dir_all(self.folder.join(path)).map_err(of_the_path)
    }

    fn write_file(
        &mut self,
        path: &Path,
        mode: u32,
        content: &mut impl Read,
    ) -> Result<(), UnzipError> {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap_or(self.folder)).map_err(of_the_path)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(of_the_path)?;
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            let count = content.read(&mut buffer).map_err(malformed)?;
            if count == 0 {
                break;
            }
            self.take_room(count)?;
            file.write_all(&buffer[..count]).map_err(UnzipError::Disk)?;
        }
        // Who runs it must be able to read it, whatever the zip says.
        let mode = mode & PERMISSION_BITS | 0o400;
        file.set_permissions(Permissions::from_mode(mode)).map_err(UnzipError::Disk)
    }

    fn read_text(&mut self, content: &mut impl Read) -> Result<String, UnzipError> {
        let mut bytes = Vec::new();
        content.take(TARGET_BYTES_MAX + 1).read_to_end(&mut bytes).map_err(malformed)?;
        self.take_room(bytes.len())?;
        if bytes.len() as u64 > TARGET_BYTES_MAX {
            return Err(UnzipError::Malformed("the target of a link is too long".to_owned()));
        }
        String::from_utf8(bytes).map_err(malformed)
    }

    fn take_room(&mut self, count: usize) -> Result<(), UnzipError> {
        let left = self.room_bytes.checked_sub(count as u64);
        self.room_bytes = left.ok_or(UnzipError::TooLarge)?;
        Ok(())
    }

    /// All folders of links are there before the first link, so that each is a real one.
    fn make_links(&self) -> Result<(), UnzipError> {
        for Link { path, .. } in &self.links {
            self.make_folder(path.parent().unwrap_or(Path::new("")))?;
        }
        for Link { path, target } in &self.links {
            symlink(target, self.folder.join(path)).map_err(of_the_path)?;
        }
        Ok(())
    }
}

/// A path that stays inside of its folder, whatever is there.
fn entry_path(name: &str) -> Result<PathBuf, UnzipError> {
    let refused = |reason: &str| Err(UnzipError::Malformed(format!("{name:?} {reason}")));
    if name.starts_with('/') {
        return refused("is an absolute path");
    }
    if name.contains('\0') {
        return refused("has a NUL in it");
    }
    let mut path = PathBuf::new();
    for segment in name.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
        if segment == ".." {
            return refused("leaves its folder");
        }
        path.push(segment);
    }
    if path.as_os_str().is_empty() && !name.ends_with('/') {
        return refused("names no file");
    }
    Ok(path)
}

/// Refuses a link that could lead out. It may go up at its beginning alone, and no further than to
/// the top: the folders there are real ones, and from then on it goes down, perhaps by other links,
/// for which the same holds.
fn check_target(path: &Path, target: &str) -> Result<(), UnzipError> {
    let mut depth = path.components().count().saturating_sub(1);
    let mut goes_down = false;
    let mut is_inside = !target.is_empty() && !target.starts_with('/') && !target.contains('\0');
    for segment in target.split('/').filter(|segment| !matches!(*segment, "" | ".")) {
        if segment == ".." {
            is_inside &= !goes_down && depth > 0;
            depth = depth.saturating_sub(1);
        } else {
            goes_down = true;
        }
    }
    if is_inside {
        return Ok(());
    }
    let shown = path.display();
    Err(UnzipError::Malformed(format!("the link {shown} may lead out of its folder: {target:?}")))
}

fn malformed(error: impl std::fmt::Display) -> UnzipError {
    UnzipError::Malformed(error.to_string())
}

/// What a path in a zip can be to blame for, or else the disk.
fn of_the_path(error: io::Error) -> UnzipError {
    match error.kind() {
        io::ErrorKind::AlreadyExists
        | io::ErrorKind::InvalidFilename
        | io::ErrorKind::InvalidInput
        | io::ErrorKind::IsADirectory
        | io::ErrorKind::NotADirectory => malformed(error),
        _ => UnzipError::Disk(error),
    }
}

/// Lambda's quota ("Lambda quotas": deployment package, unzipped).
pub const UNZIPPED_BYTES_MAX: u64 = 250 * 1024 * 1024;
/// Each takes an inode.
const ENTRIES_COUNT_MAX: usize = 100_000;
const TARGET_BYTES_MAX: u64 = 4_096;
const BUFFER_BYTES: usize = 64 * 1024;
const KIND_BITS: u32 = 0o170_000;
const REGULAR: u32 = 0o100_000;
const FOLDER: u32 = 0o040_000;
const LINK: u32 = 0o120_000;
const PERMISSION_BITS: u32 = 0o777;
/// Of files in zips that know no modes.
const FILE_MODE: u32 = 0o644;

#[cfg(test)]
mod tests {
    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    /// What an entry is.
    enum Entry<'e> {
        File(&'e str, u32),
        Link(&'e str, &'e str),
        Folder(&'e str),
    }
    use Entry::{File as F, Folder, Link as L};

    fn zip_of(entries: &[Entry<'_>]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for entry in entries {
            let options = SimpleFileOptions::default();
            match entry {
                F(name, mode) => {
                    writer.start_file(*name, options.unix_permissions(*mode)).expect("started");
                    writer.write_all(name.as_bytes()).expect("written");
                }
                L(name, target) => writer.add_symlink(*name, *target, options).expect("added"),
                Folder(name) => writer.add_directory(*name, options).expect("added"),
            }
        }
        writer.finish().expect("finished").into_inner()
    }

    /// Unpacks into `inside` of a new folder, beside which nothing may appear.
    fn unpacked(zip: &[u8]) -> (tempfile::TempDir, Result<usize, UnzipError>) {
        let outer = tempfile::tempdir().expect("a folder");
        let inner = outer.path().join("a/inside");
        fs::create_dir_all(&inner).expect("made");
        let result = unpack(zip, &inner);
        let beside: Vec<_> = fs::read_dir(outer.path().join("a")).expect("read").collect();
        assert_eq!(beside.len(), 1, "something is beside: {beside:?}");
        assert_eq!(fs::read_dir(outer.path()).expect("read").count(), 1);
        (outer, result)
    }

    #[test]
    fn files_keep_their_content_and_permissions() {
        let (folder, result) = unpacked(&zip_of(&[
            F("bootstrap", 0o755),
            Folder("empty/"),
            F("lib/./index.js", 0o4640),
            L("lib/again.js", "index.js"),
            L("node_modules/.bin/tool", "../../lib/index.js"),
            F("unreadable", 0o000),
        ]));
        result.expect("unpacked");
        let inside = folder.path().join("a/inside");
        let mode =
            |name: &str| fs::metadata(inside.join(name)).expect(name).permissions().mode() & 0o7777;
        assert_eq!(mode("bootstrap"), 0o755);
        assert_eq!(mode("lib/index.js"), 0o640, "no bit but those of permissions");
        assert_eq!(mode("unreadable"), 0o400);
        assert!(inside.join("empty").is_dir());
        for name in ["lib/again.js", "node_modules/.bin/tool"] {
            assert_eq!(fs::read_to_string(inside.join(name)).expect(name), "lib/./index.js");
        }
    }

    #[test]
    fn nothing_gets_out_of_the_folder() {
        let attacks: &[&[Entry<'_>]] = &[
            &[F("../evil", 0o644)],
            &[F("a/../../evil", 0o644)],
            &[F("a/../b", 0o644)],
            &[F("/tmp/shardgate-evil", 0o644)],
            &[Folder("../evil/")],
            &[L("out", "..")],
            &[L("out", "/etc")],
            &[L("a/out", "../../x")],
            &[L("out", "")],
            // A link that goes up after it went down by another link.
            &[Folder("d/e/"), L("d/e/top", "../.."), L("out", "d/e/top/..")],
            // A file, or a link, through a link.
            &[L("through", "real"), Folder("real/"), F("through/f", 0o644)],
            &[L("d/e/f", "../.."), L("d/e/f/c", "../../../z")],
            &[F("f", 0o644), L("./f", "g")],
            &[F("f", 0o644), F("f/g", 0o644)],
        ];
        for (index, attack) in attacks.iter().enumerate() {
            let (_, result) = unpacked(&zip_of(attack));
            assert!(matches!(result, Err(UnzipError::Malformed(_))), "{index}: {result:?}");
        }
        assert!(!Path::new("/tmp/shardgate-evil").exists());
    }

    #[test]
    fn a_bomb_is_stopped() {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let zeros = vec![0; 1024 * 1024];
        writer.start_file("zeros", SimpleFileOptions::default()).expect("started");
        for _ in 0..251 {
            writer.write_all(&zeros).expect("written");
        }
        let zip = writer.finish().expect("finished").into_inner();
        assert!(zip.len() < 1024 * 1024);
        let (_, result) = unpacked(&zip);
        assert!(matches!(result, Err(UnzipError::TooLarge)), "{result:?}");
    }

    #[test]
    fn what_is_no_whole_zip_is_refused() {
        let good = zip_of(&[F("index.js", 0o644), F("lib/a", 0o644)]);
        for bytes in [&b""[..], b"PK", b"no zip at all", &good[..good.len() / 2], &good[10..]] {
            let (_, result) = unpacked(bytes);
            assert!(matches!(result, Err(UnzipError::Malformed(_))), "{result:?}");
        }
        // One bit of each byte: whatever it makes of the zip, nothing gets out and nothing panics.
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1 << (at % 8);
            let (_, result) = unpacked(&bad);
            assert!(!matches!(result, Err(UnzipError::Disk(_))), "byte {at}: {result:?}");
        }
    }
}
