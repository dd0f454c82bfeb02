//! What files and folders held when a configuration was read from them.

use std::collections::BTreeMap;
use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// Files and folders by what they held; a hash of it, for some of it is secret. To be taken before
/// they are read for use: what changes in between then counts as a change.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Snapshot(BTreeMap<PathBuf, Option<u64>>);

impl Snapshot {
    /// Reads them all; it may take a while.
    pub(crate) fn of(paths: impl IntoIterator<Item = PathBuf>) -> Self {
        Self(paths.into_iter().map(|path| (path.clone(), content_hash(&path))).collect())
    }

    /// What it knows of.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.0.keys().map(PathBuf::as_path)
    }

    /// With the paths of both.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.0.extend(other.0);
        self
    }

    /// Takes over what `newer` has of the same paths; whether anything was otherwise. What is away
    /// is about to be replaced, and is no change.
    pub(crate) fn update(&mut self, newer: Self) -> bool {
        let mut has_changed = false;
        for (path, content) in newer.0 {
            let Some(own) = self.0.get_mut(&path) else { continue };
            if content.is_some() && *own != content {
                *own = content;
                has_changed = true;
            }
        }
        has_changed
    }
}

/// `None` if there is nothing that can be read.
fn content_hash(path: &Path) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    if !path.is_dir() {
        read(path)?.hash(&mut hasher);
        return Some(hasher.finish());
    }
    let entries = fs::read_dir(path).ok()?.map_while(Result::ok).map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| is_of_certificates(path)).collect();
    files.sort();
    for file in files.iter().take(FILES_COUNT_MAX) {
        (file.file_name(), read(file)).hash(&mut hasher);
    }
    Some(hasher.finish())
}

/// What a file begins with; `None` for what is none: a pipe would be waited for.
fn read(path: &Path) -> Option<Vec<u8>> {
    if !path.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(FILE_BYTES_MAX).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

/// Whether a file of a folder of certificates can be a part of one.
fn is_of_certificates(path: &Path) -> bool {
    let extension = path.extension().and_then(OsStr::to_str);
    matches!(extension, Some("pem" | "crt" | "cer" | "key" | "ocsp"))
}

/// Above the bound of any file that is watched.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
/// Above the parts of as many certificates as a folder may hold.
const FILES_COUNT_MAX: usize = 40_000;

#[cfg(test)]
mod tests {
    use super::*;

    fn paths_in(folder: &Path) -> [PathBuf; 2] {
        [folder.join("a.pem"), folder.to_owned()]
    }

    #[test]
    fn another_content_is_a_change_and_a_missing_file_is_none() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, _] = paths_in(folder.path());
        fs::write(&file, "one").expect("written");
        let now = || Snapshot::of([file.clone()]);
        let mut kept = now();
        assert!(!kept.update(now()));
        fs::remove_file(&file).expect("removed");
        assert!(!kept.update(now()), "it is away");
        fs::write(&file, "one").expect("written");
        assert!(!kept.update(now()), "it is back as it was");
        fs::write(&file, "two").expect("written");
        assert!(kept.update(now()));
        assert!(!kept.update(now()), "told once");
        fs::remove_file(&file).expect("removed");
        let mut without = now();
        fs::write(&file, "two").expect("written");
        assert!(without.update(now()), "it came to be");
    }

    #[test]
    fn a_folder_changes_with_the_certificates_in_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, path] = paths_in(folder.path());
        let now = || Snapshot::of([path.clone()]);
        let mut kept = now();
        for (change, expected) in [
            (Box::new(|| fs::write(&file, "one")) as Box<dyn Fn() -> std::io::Result<()>>, true),
            (Box::new(|| fs::write(&file, "two")), true),
            (Box::new(|| fs::write(path.join("notes.txt"), "three")), false),
            (Box::new(|| fs::rename(&file, path.join("b.pem"))), true),
            (Box::new(|| fs::remove_file(path.join("b.pem"))), true),
        ] {
            change().expect("done");
            assert_eq!(kept.update(now()), expected);
        }
    }

    #[test]
    fn only_its_own_paths_count() {
        let folder = tempfile::tempdir().expect("a folder");
        let [file, path] = paths_in(folder.path());
        fs::write(&file, "one").expect("written");
        let mut kept = Snapshot::of([file.clone()]);
        assert!(!kept.update(Snapshot::of([path.clone()])));
        let both = kept.with(Snapshot::of([path.clone()]));
        assert_eq!(both.paths().collect::<Vec<_>>(), [&*path, &*file]);
    }
}
