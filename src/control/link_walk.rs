//! Where on disk a path leads: every link and folder on the way, so that a change of any of them
//! can be told of.
//!
//! A mounted secret is a file behind a link (`..data`) to a folder that is replaced as a whole; a
//! certificate of certbot's is a link into an archive. The file at the end never changes there.

use std::collections::{BTreeSet, VecDeque};
use std::ffi::OsString;
use std::fs;
use std::path::{Component, Path, PathBuf};

/// What lies on the ways of some paths.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Ways {
    /// Everything that was passed, without links before its last name.
    pub(super) nodes: BTreeSet<PathBuf>,
    /// The folders in which nodes stand.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Folders of which every entry counts.
    pub(super) whole: BTreeSet<PathBuf>,
}

impl Ways {
    /// The ways of all `paths`; of a folder, also those of the links in it.
    pub(super) fn of<'p>(paths: impl IntoIterator<Item = &'p Path>) -> Self {
        let mut ways = Self::default();
        for path in paths {
            let end = ways.walk(path);
            if end.is_dir() {
                ways.enter(end);
            }
        }
        ways
    }

    /// Whether a change of `path` may change what some path leads to.
    pub(super) fn concern(&self, path: &Path) -> bool {
        self.nodes.contains(path) || path.parent().is_some_and(|folder| self.whole.contains(folder))
    }

    fn enter(&mut self, folder: PathBuf) {
        let entries = fs::read_dir(&folder).into_iter().flatten().map_while(Result::ok);
        for entry in entries.take(ENTRIES_COUNT_MAX) {
            if entry.file_type().is_ok_and(|kind| kind.is_symlink()) {
                self.walk(&entry.path());
            }
        }
        self.folders.insert(folder.clone());
        self.whole.insert(folder);
    }

    /// Goes the way of `path`; where it ends.
    fn walk(&mut self, path: &Path) -> PathBuf {
        let Ok(path) = std::path::absolute(path) else { return path.to_owned() };
        let mut place = PathBuf::from("/");
        let mut rest = steps(&path);
        let mut links_count = 0;
        while let Some(step) = rest.pop_front() {
            let name = match step {
                Step::Root => {
                    place = PathBuf::from("/");
                    continue;
                }
                Step::Up => {
                    place.pop();
                    continue;
                }
                Step::Into(name) => name,
            };
            let node = place.join(name);
            if place.is_dir() {
                self.folders.insert(place.clone());
            }
            self.nodes.insert(node.clone());
            match fs::read_link(&node) {
                Ok(target) if links_count < LINKS_COUNT_MAX => {
                    links_count += 1;
                    let mut further = steps(&target);
                    further.append(&mut rest);
                    rest = further;
                }
                _ => place = node,
            }
        }
        place
    }
}

enum Step {
    Root,
    Up,
    Into(OsString),
}

fn steps(path: &Path) -> VecDeque<Step> {
    let step = |component: Component<'_>| match component {
        Component::RootDir | Component::Prefix(_) => Some(Step::Root),
        Component::CurDir => None,
        Component::ParentDir => Some(Step::Up),
        Component::Normal(name) => Some(Step::Into(name.to_owned())),
    };
    path.components().filter_map(step).collect()
}

/// As many as Linux follows (path_resolution(7)).
const LINKS_COUNT_MAX: usize = 40;
/// Entries of a folder that are looked at: above what a folder of certificates may hold.
const ENTRIES_COUNT_MAX: usize = 100_000;

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().canonicalize().expect("it is there");
        (folder, path)
    }

    fn of(path: &Path) -> Ways {
        Ways::of([path])
    }

    #[test]
    fn every_link_on_the_way_counts_and_no_neighbour() {
        let (_held, at) = folder();
        fs::create_dir(at.join("..1")).expect("made");
        fs::write(at.join("..1/tls.crt"), "one").expect("written");
        symlink("..1", at.join("..data")).expect("linked");
        symlink("..data/tls.crt", at.join("tls.crt")).expect("linked");
        let ways = of(&at.join("tls.crt"));
        for part in ["tls.crt", "..data", "..1", "..1/tls.crt"] {
            assert!(ways.concern(&at.join(part)), "{part} in {ways:?}");
        }
        for part in ["..2", "other", "..1/other"] {
            assert!(!ways.concern(&at.join(part)), "{part} in {ways:?}");
        }
        assert!(ways.folders.contains(&at) && ways.folders.contains(&at.join("..1")));
        assert!(!ways.folders.contains(&at.join("..data")), "by its own name alone");
    }

    #[test]
    fn links_may_climb_and_be_absolute() {
        let (_held, at) = folder();
        fs::create_dir_all(at.join("live/a")).expect("made");
        fs::create_dir_all(at.join("archive")).expect("made");
        fs::write(at.join("archive/a1.pem"), "one").expect("written");
        symlink("../../archive/a1.pem", at.join("live/a/cert.pem")).expect("linked");
        symlink(at.join("live"), at.join("current")).expect("linked");
        let ways = of(&at.join("current/a/cert.pem"));
        for part in ["current", "live", "live/a", "live/a/cert.pem", "archive", "archive/a1.pem"] {
            assert!(ways.concern(&at.join(part)), "{part} in {ways:?}");
        }
    }

    #[test]
    fn a_folder_counts_with_all_its_entries_and_what_they_lead_to() {
        let (_held, at) = folder();
        fs::create_dir_all(at.join("certificates")).expect("made");
        fs::write(at.join("real.pem"), "one").expect("written");
        symlink("../real.pem", at.join("certificates/a.pem")).expect("linked");
        let ways = of(&at.join("certificates"));
        for part in ["certificates", "certificates/new.pem", "certificates/a.pem", "real.pem"] {
            assert!(ways.concern(&at.join(part)), "{part} in {ways:?}");
        }
        assert!(!ways.concern(&at.join("other.pem")));
    }

    #[test]
    fn what_is_not_there_and_links_in_circles_end() {
        let (_held, at) = folder();
        symlink("two", at.join("one")).expect("linked");
        symlink("one", at.join("two")).expect("linked");
        assert!(of(&at.join("one/x")).concern(&at.join("two")));
        let ways = of(&at.join("none/a.pem"));
        assert!(ways.concern(&at.join("none")), "it may come to be");
        assert!(ways.folders.contains(&at) && !ways.folders.contains(&at.join("none")));
    }
}
