//! The folders that code is unpacked in, beside the store: one for each zip, named by its hash.
//!
//! The store has the zips, so a folder that is missing is made again; one that is there is whole. The
//! rule a newcomer would break: who counts on a folder holds a [`CodeFolder`], from before it is
//! asked for until it is needed no more.

use std::collections::{BTreeSet, HashMap};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::super::ids;
use super::unzip::{UnzipError, unpack};
use crate::sys::sync_file_system;

/// All of them.
#[derive(Debug)]
pub(crate) struct CodeFolders {
    root: PathBuf,
    /// How many count on each.
    held: Mutex<HashMap<String, usize>>,
}

/// A folder that stays while this lives.
#[derive(Debug)]
pub(crate) struct CodeFolder {
    folders: Arc<CodeFolders>,
    name: String,
}

impl CodeFolders {
    /// Those beside `store`.
    pub(crate) fn beside(store: &Path) -> Self {
        let mut root = store.as_os_str().to_owned();
        root.push(".functions");
        Self { root: root.into(), held: Mutex::default() }
    }

    /// The folder of the zip with this hash, which is unpacked if it is not yet. Blocks.
    pub(super) fn unpacked<B: AsRef<[u8]>, E: From<UnzipError>>(
        self: &Arc<Self>,
        sha256: &str,
        load: impl FnOnce() -> Result<B, E>,
    ) -> Result<CodeFolder, E> {
        let folder = self.hold(sha256);
        if folder.path().is_dir() {
            return Ok(folder);
        }
        let zip = load()?;
        let made = self.hold(&format!("{UNFINISHED}{}", ids::uuid()));
        let result = self.make(zip.as_ref(), made.path(), folder.path());
        if result.is_err() {
            // What cannot be removed now is by the next sweep.
            let _ = fs::remove_dir_all(made.path());
        }
        result.map(|()| folder).map_err(E::from)
    }

    /// What is under the final name is whole, whenever the machine stops.
    fn make(&self, zip: &[u8], made: PathBuf, name: PathBuf) -> Result<(), UnzipError> {
        fs::create_dir_all(&made).map_err(UnzipError::Disk)?;
        let entries_count = unpack(zip, &made)?;
        let root = File::open(&self.root).map_err(UnzipError::Disk)?;
        // All that is on the file system waits for the disk then, whoever wrote it.
        let synced = match entries_count {
            0..=FEW_COUNT => sync_all(&made),
            _ => sync_file_system(&root),
        };
        synced.map_err(UnzipError::Disk)?;
        match fs::rename(&made, &name) {
            Ok(()) => root.sync_all().map_err(UnzipError::Disk),
            // Another request was faster with the same zip.
            Err(_) if name.is_dir() => fs::remove_dir_all(&made).map_err(UnzipError::Disk),
            Err(error) => Err(UnzipError::Disk(error)),
        }
    }

    /// Removes folders that nobody holds and that are not among those that `find_used` tells.
    pub(super) fn sweep<E>(
        &self,
        find_used: impl FnOnce() -> Result<BTreeSet<String>, E>,
    ) -> Result<(), E> {
        // Nobody comes to hold a folder, or stops to, before it is known which are in use.
        let held = self.lock();
        let Ok(entries) = fs::read_dir(&self.root) else { return Ok(()) };
        let used = find_used()?;
        let mut unused = Vec::new();
        for entry in entries.flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            if held.contains_key(&name) || used.contains(&name) {
                continue;
            }
            // By its new name nobody takes it for whole while it is removed.
            let away = self.root.join(format!("{UNFINISHED}{}", ids::uuid()));
            if fs::rename(entry.path(), &away).is_ok() {
                unused.push(away);
            }
        }
        drop(held);
        for folder in unused {
            if let Err(error) = fs::remove_dir_all(&folder) {
                tracing::warn!(%error, folder = %folder.display(), "unused code is not removed");
            }
        }
        Ok(())
    }

    fn hold(self: &Arc<Self>, name: &str) -> CodeFolder {
        *self.lock().entry(name.to_owned()).or_default() += 1;
        CodeFolder { folders: Arc::clone(self), name: name.to_owned() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CodeFolder {
    /// Where it is.
    pub(crate) fn path(&self) -> PathBuf {
        self.folders.root.join(&self.name)
    }
}

impl Drop for CodeFolder {
    fn drop(&mut self) {
        let mut held = self.folders.lock();
        if let Some(count) = held.get_mut(&self.name) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.name);
            }
        }
    }
}

impl From<UnzipError> for io::Error {
    fn from(error: UnzipError) -> Self {
        match error {
            UnzipError::Disk(error) => error,
            other => Self::new(io::ErrorKind::InvalidData, other.to_string()),
        }
    }
}

/// Waits until the folder and all in it is on disk.
fn sync_all(folder: &Path) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            sync_all(&entry.path())?;
        } else if kind.is_file() {
            File::open(entry.path())?.sync_all()?;
        }
    }
    File::open(folder)?.sync_all()
}

/// So few files are put on disk one by one.
const FEW_COUNT: usize = 32;
/// How the names of folders begin that are being made or removed.
const UNFINISHED: &str = ".";

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Write as _};

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn zip() -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        writer.start_file("index.js", SimpleFileOptions::default()).expect("started");
        writer.write_all(b"exports.handler = async () => 1").expect("written");
        writer.finish().expect("finished").into_inner()
    }

    fn names(root: &Path) -> Vec<String> {
        let entries = fs::read_dir(root).expect("read").flatten();
        let mut names: Vec<_> =
            entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn folders_are_made_once_and_go_when_nobody_needs_them() {
        let folder = tempfile::tempdir().expect("a folder");
        let folders = Arc::new(CodeFolders::beside(&folder.path().join("state.redb")));
        let root = folder.path().join("state.redb.functions");
        let made = folders.unpacked("a", || Ok::<_, UnzipError>(zip())).expect("unpacked");
        assert!(made.path().join("index.js").is_file());
        let again =
            folders.unpacked("a", || -> Result<Vec<u8>, UnzipError> { panic!("it is there") });
        drop(again.expect("it is there"));
        let other = folders.unpacked("b", || Ok::<_, UnzipError>(zip())).expect("unpacked");
        drop(other);
        fs::create_dir(root.join(".left-by-a-crash")).expect("made");
        assert_eq!(names(&root), [".left-by-a-crash", "a", "b"]);

        let used = |names: &[&str]| Ok::<_, ()>(names.iter().map(|&one| one.to_owned()).collect());
        folders.sweep(|| used(&["b"])).expect("swept");
        assert_eq!(names(&root), ["a", "b"], "one is held, the other used");
        drop(made);
        folders.sweep(|| used(&[])).expect("swept");
        assert!(names(&root).is_empty());
        let made = folders.unpacked("a", || Ok::<_, UnzipError>(zip())).expect("made again");
        assert!(made.path().join("index.js").is_file());
    }

    #[test]
    fn a_bad_zip_leaves_nothing() {
        let folder = tempfile::tempdir().expect("a folder");
        let folders = Arc::new(CodeFolders::beside(&folder.path().join("s")));
        let result = folders.unpacked("a", || Ok::<_, UnzipError>(b"no zip".to_vec()));
        assert!(result.is_err());
        assert!(names(&folder.path().join("s.functions")).is_empty());
    }

    #[test]
    fn requests_with_the_same_zip_do_not_disturb_each_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let folders = Arc::new(CodeFolders::beside(&folder.path().join("s")));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    let made = folders.unpacked("a", || Ok::<_, UnzipError>(zip()));
                    assert!(made.expect("unpacked").path().join("index.js").is_file());
                });
            }
        });
        assert_eq!(names(&folder.path().join("s.functions")), ["a"]);
    }
}
