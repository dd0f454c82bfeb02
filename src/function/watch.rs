//! Tells of changed code: anything in the folders of plain handlers, at any depth, but for what
//! interpreters and editors write beside it.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Folders that are watched. Ends when it is dropped.
#[derive(Debug)]
pub(super) struct CodeWatch {
    folders: mpsc::UnboundedSender<Folders>,
}

/// Who has code in each folder.
type Folders = BTreeMap<PathBuf, Vec<String>>;

impl CodeWatch {
    /// Tells `changed` the names of those whose code has changed. Needs the runtime of the side
    /// thread.
    pub(super) fn start(changed: impl Fn(&[String]) + Send + 'static) -> Self {
        let (folders, told) = mpsc::unbounded_channel();
        tokio::spawn(Look::run(told, changed));
        Self { folders }
    }

    /// Watches these folders from now on and no others.
    pub(super) fn set_folders(&self, folders: Folders) {
        // The task ends after this only.
        let _ = self.folders.send(folders);
    }
}

/// The task's own.
struct Look {
    watcher: RecommendedWatcher,
    folders: Folders,
    touched: Arc<Mutex<Touched>>,
}

/// What the watcher's thread leaves for the task.
#[derive(Debug, Default)]
struct Touched {
    watched: BTreeSet<PathBuf>,
    folders: BTreeSet<PathBuf>,
}

impl Look {
    async fn run(mut told: mpsc::UnboundedReceiver<Folders>, changed: impl Fn(&[String])) {
        // One waiting event says all.
        let (sender, mut events) = mpsc::channel(1);
        let touched = Arc::new(Mutex::new(Touched::default()));
        let seen = Arc::clone(&touched);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| lock(&seen).note(&event)) {
                let _ = sender.try_send(());
            }
        });
        let watcher = match watcher {
            Ok(watcher) => watcher,
            Err(error) => return tracing::warn!(%error, "code of functions is not watched"),
        };
        let mut look = Self { watcher, folders: Folders::new(), touched };
        loop {
            tokio::select! {
                folders = told.recv() => match folders {
                    Some(folders) => look = look.watch_all(folders).await,
                    None => return,
                },
                Some(()) = events.recv() => {
                    settle(&mut events).await;
                    let folders = std::mem::take(&mut lock(&look.touched).folders);
                    for names in folders.iter().filter_map(|folder| look.folders.get(folder)) {
                        changed(names);
                    }
                    // One that was replaced has the same name and must be watched anew.
                    look = look.watch_anew(folders).await;
                }
            }
        }
    }

    async fn watch_all(mut self, folders: Folders) -> Self {
        let gone: Vec<_> =
            self.folders.keys().filter(|one| !folders.contains_key(*one)).cloned().collect();
        let new: BTreeSet<_> =
            folders.keys().filter(|one| !self.folders.contains_key(*one)).cloned().collect();
        for folder in gone {
            // It may be gone, and its watch with it.
            let _ = self.watcher.unwatch(&folder);
        }
        lock(&self.touched).watched = folders.keys().cloned().collect();
        self.folders = folders;
        self.watch_anew(new).await
    }

    /// There may be thousands of folders in one, on a disk that is slow.
    async fn watch_anew(mut self, folders: BTreeSet<PathBuf>) -> Self {
        let watch = move || {
            for folder in &folders {
                let _ = self.watcher.unwatch(folder);
                let around = folder
                    .parent()
                    .map(|parent| self.watcher.watch(parent, RecursiveMode::NonRecursive));
                let inside = self.watcher.watch(folder, RecursiveMode::Recursive);
                if let Err(error) = around.unwrap_or(Ok(())).and(inside) {
                    tracing::warn!(%error, folder = %folder.display(), "code is not watched");
                }
            }
            self
        };
        tokio::task::spawn_blocking(watch).await.expect("watching does not panic")
    }
}

impl Touched {
    /// Notes whose code an event is about; answers whether it is anyone's.
    fn note(&mut self, event: &notify::Event) -> bool {
        if event.need_rescan() {
            // Events were lost.
            self.folders.clone_from(&self.watched);
            return true;
        }
        if event.kind.is_access() {
            return false;
        }
        let concerns = |folder: &&PathBuf| event.paths.iter().any(|path| is_code(path, folder));
        let folders: Vec<_> = self.watched.iter().filter(concerns).cloned().collect();
        let is_any = !folders.is_empty();
        self.folders.extend(folders);
        is_any
    }
}

/// Whether a path is of the code in `folder`, which it may be itself.
fn is_code(path: &Path, folder: &Path) -> bool {
    let Ok(inner) = path.strip_prefix(folder) else { return false };
    !inner.iter().any(is_beside_code)
}

/// What Python compiles, what version control keeps, and what editors write for a moment.
fn is_beside_code(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name == "__pycache__"
        || name.starts_with('.')
        || [".pyc", "~", ".swp", ".swx", ".tmp", ".log"].iter().any(|end| name.ends_with(end))
        || name == "4913"
}

/// Waits until nothing has happened for a moment, as files are written in several steps; but not for
/// ever.
async fn settle(events: &mut mpsc::Receiver<()>) {
    let quiet = async {
        while tokio::time::timeout(SETTLED, events.recv()).await.is_ok_and(|one| one.is_some()) {}
    };
    let _ = tokio::time::timeout(SETTLED_MAX, quiet).await;
}

fn lock(touched: &Mutex<Touched>) -> MutexGuard<'_, Touched> {
    touched.lock().unwrap_or_else(PoisonError::into_inner)
}

const SETTLED: Duration = Duration::from_millis(100);
const SETTLED_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    async fn names_after(prepare: impl FnOnce(&Path), change: impl Fn(&Path)) -> Vec<String> {
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = folder.path().join("code");
        fs::create_dir_all(at.join("lib")).expect("made");
        prepare(&at);
        let (sender, mut changed) = mpsc::unbounded_channel();
        let watch = CodeWatch::start(move |names| {
            let _ = sender.send(names.to_vec());
        });
        watch.set_folders(BTreeMap::from([(at.clone(), vec!["orders".to_owned()])]));
        // Until the watch is there, a change may go by.
        loop {
            change(&at);
            let told = tokio::time::timeout(Duration::from_millis(500), changed.recv()).await;
            if let Ok(names) = told {
                return names.expect("the watch lives");
            }
        }
    }

    #[tokio::test]
    async fn a_file_that_is_written_at_any_depth_has_changed() {
        let names = names_after(|_| {}, |at| fs::write(at.join("lib/a.js"), "1").expect("written"));
        assert_eq!(names.await, ["orders"]);
    }

    #[tokio::test]
    async fn a_folder_that_is_replaced_has_changed() {
        let replace = |at: &Path| {
            let new = at.with_extension("new");
            let _ = fs::create_dir(&new);
            let _ = fs::remove_dir_all(at.with_extension("old"));
            fs::rename(at, at.with_extension("old")).expect("renamed");
            fs::rename(new, at).expect("renamed");
        };
        assert_eq!(names_after(|_| {}, replace).await, ["orders"]);
    }

    #[test]
    fn what_lies_beside_code_is_none() {
        let folder = Path::new("/code/a");
        for path in ["/code/a/index.js", "/code/a", "/code/a/lib/x.json", "/code/a/new-folder"] {
            assert!(is_code(Path::new(path), folder), "{path}");
        }
        for path in [
            "/code/ab/index.js",
            "/code",
            "/code/a/__pycache__/app.cpython-311.pyc",
            "/code/a/.git/index",
            "/code/a/index.js~",
            "/code/a/.index.js.swp",
        ] {
            assert!(!is_code(Path::new(path), folder), "{path}");
        }
    }
}
