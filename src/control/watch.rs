//! Tells of changed files: the boot file, and those that it names.
//!
//! Watches folders, not files: editors and configuration management replace a file by renaming
//! another one to its name, and mounted configuration changes a link on the way to it
//! ([`Ways`]). What counts is whether the content differs from what was read last ([`Snapshot`]).

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::{mpsc, watch};

use super::link_walk::Ways;
use super::owned_task::OwnedTask;
use super::snapshot::Snapshot;

/// Files and folders that are watched. Ends when it is dropped.
pub(crate) struct Watch {
    changes: mpsc::Receiver<()>,
    _task: OwnedTask,
}

/// Tells the watch what was read: from then on it watches that, and nothing else.
#[derive(Clone, Debug)]
pub(crate) struct WatchedFiles(watch::Sender<Snapshot>);

impl WatchedFiles {
    /// A configuration was read, or was tried to: `snapshot` is of its files before that.
    pub(crate) fn replace(&self, snapshot: Snapshot) {
        self.0.send_replace(snapshot);
    }
}

impl Watch {
    /// Watches the paths of `snapshot`. Needs the runtime of the side thread.
    pub(crate) fn start(snapshot: Snapshot) -> notify::Result<(Self, WatchedFiles)> {
        let (told, changes) = mpsc::channel(1);
        let (sender, mut replaced) = watch::channel(snapshot);
        let snapshot = replaced.borrow_and_update().clone();
        let look = Look::start(snapshot)?;
        let _task = OwnedTask::spawn(look.run(replaced, told));
        Ok((Self { changes, _task }, WatchedFiles(sender)))
    }

    /// Waits until something has another content, and has had it for a moment. May be dropped and
    /// called again without missing a change.
    pub(crate) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            // The task is gone: never.
            std::future::pending::<()>().await;
        }
    }
}

/// The task's own.
struct Look {
    snapshot: Snapshot,
    ways: Arc<Mutex<Ways>>,
    folders: BTreeSet<PathBuf>,
    events: mpsc::Receiver<()>,
    watcher: RecommendedWatcher,
}

impl Look {
    fn start(snapshot: Snapshot) -> notify::Result<Self> {
        // One waiting event says all: everything is read when it is taken.
        let (sender, events) = mpsc::channel(1);
        let ways = Arc::new(Mutex::new(Ways::default()));
        let concerned = Arc::clone(&ways);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| concerns(&concerned, &event)) {
                let _ = sender.try_send(());
            }
        })?;
        let mut look = Self { snapshot, ways, folders: BTreeSet::new(), events, watcher };
        look.watch_ways();
        Ok(look)
    }

    async fn run(mut self, mut replaced: watch::Receiver<Snapshot>, told: mpsc::Sender<()>) {
        loop {
            tokio::select! {
                event = self.events.recv() => match event {
                    Some(()) => self.settle().await,
                    None => return,
                },
                result = replaced.changed() => match result {
                    Ok(()) => self.snapshot = replaced.borrow_and_update().clone(),
                    Err(_) => return,
                },
            }
            // First watched, then read: what changes in between is read now or tells of itself.
            self.watch_ways();
            if self.has_changed().await && told.send(()).await.is_err() {
                return;
            }
        }
    }

    /// Waits until nothing has happened for a moment, as a file is written in several steps; but
    /// not for ever.
    async fn settle(&mut self) {
        let quiet = async {
            while tokio::time::timeout(SETTLED, self.events.recv())
                .await
                .is_ok_and(|one| one.is_some())
            {}
        };
        // Who writes all the time is read amid it, and again later.
        let _ = tokio::time::timeout(SETTLED_MAX, quiet).await;
    }

    /// Watches the folders on the ways as they are now. A folder that was replaced has the same
    /// name and must be watched anew, so all are.
    fn watch_ways(&mut self) {
        let ways = Ways::of(self.snapshot.paths());
        let folders = ways.folders.clone();
        *self.ways.lock().unwrap_or_else(PoisonError::into_inner) = ways;
        for folder in self.folders.difference(&folders) {
            // It may be gone, and its watch with it.
            let _ = self.watcher.unwatch(folder);
        }
        for folder in &folders {
            if let Err(error) = self.watcher.watch(folder, RecursiveMode::NonRecursive) {
                let is_new = !self.folders.contains(folder);
                report_unwatched(folder, &error, is_new);
            }
        }
        self.folders = folders;
    }

    async fn has_changed(&mut self) -> bool {
        let paths: Vec<_> = self.snapshot.paths().map(Path::to_owned).collect();
        // There may be thousands, on a disk that is slow.
        match tokio::task::spawn_blocking(move || Snapshot::of(paths)).await {
            Ok(newer) => self.snapshot.update(newer),
            Err(_) => false,
        }
    }
}

fn concerns(ways: &Mutex<Ways>, event: &notify::Event) -> bool {
    if event.kind.is_access() {
        return false;
    }
    let ways = ways.lock().unwrap_or_else(PoisonError::into_inner);
    // Events were lost where it says that all is to be read again.
    event.need_rescan() || event.paths.iter().any(|path| ways.concern(path))
}

/// Once for each folder. One that may not be listed is passed on the way all the same; a link in it
/// that changes goes unnoticed.
fn report_unwatched(folder: &Path, error: &notify::Error, is_new: bool) {
    if is_new {
        tracing::warn!(%error, folder = %folder.display(), "a folder is not watched");
    }
}

const SETTLED: Duration = Duration::from_millis(100);
const SETTLED_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Waits for the change that `change` makes to `boot.toml` in a folder.
    fn wait_for_change(change: impl FnOnce(&Path)) {
        wait_for_change_of(
            "boot.toml",
            |folder| {
                fs::write(folder.join("boot.toml"), "one").expect("written");
            },
            |folder| change(&folder.join("boot.toml")),
        );
    }

    fn wait_for_change_of(name: &str, prepare: impl FnOnce(&Path), change: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join(name);
        prepare(folder.path());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let (mut watch, _files) = Watch::start(Snapshot::of([path.clone()])).expect("watched");
            change(folder.path());
            watch.changed().await;
        });
    }

    #[test]
    fn a_file_that_is_written_has_changed() {
        wait_for_change(|path| fs::write(path, "two").expect("written"));
    }

    #[test]
    fn a_file_that_is_replaced_has_changed() {
        wait_for_change(|path| {
            let other = path.with_extension("new");
            fs::write(&other, "two").expect("written");
            fs::rename(&other, path).expect("renamed");
        });
    }

    #[test]
    fn a_link_on_the_way_has_changed() {
        let prepare = |at: &Path| {
            for (folder, text) in [("..1", "one"), ("..2", "two")] {
                fs::create_dir(at.join(folder)).expect("made");
                fs::write(at.join(folder).join("tls.crt"), text).expect("written");
            }
            symlink("..1", at.join("..data")).expect("linked");
            symlink("..data/tls.crt", at.join("tls.crt")).expect("linked");
        };
        wait_for_change_of("tls.crt", prepare, |at| {
            symlink("..2", at.join("..new")).expect("linked");
            fs::rename(at.join("..new"), at.join("..data")).expect("swapped");
        });
    }

    #[test]
    fn a_folder_that_is_replaced_is_watched_on() {
        let prepare = |at: &Path| {
            fs::create_dir(at.join("all")).expect("made");
            fs::write(at.join("all/a.pem"), "one").expect("written");
        };
        let folder = tempfile::tempdir().expect("temporary folder");
        let at = folder.path();
        prepare(at);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let snapshot = Snapshot::of([at.join("all")]);
            let (mut watch, _files) = Watch::start(snapshot).expect("watched");
            fs::rename(at.join("all"), at.join("old")).expect("renamed");
            fs::create_dir(at.join("all")).expect("made");
            fs::write(at.join("all/a.pem"), "two").expect("written");
            watch.changed().await;
            fs::write(at.join("all/b.pem"), "three").expect("written");
            watch.changed().await;
        });
    }

    #[test]
    fn what_was_read_meanwhile_is_watched_from_then_on() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::write(&old, "one").expect("written");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let (mut watch, files) = Watch::start(Snapshot::of([old.clone()])).expect("watched");
            let before = Snapshot::of([new.clone()]);
            // Between the snapshot and the watch there is no gap.
            fs::write(&new, "two").expect("written");
            files.replace(before);
            watch.changed().await;
        });
    }

    #[test]
    fn a_neighbour_and_the_same_content_are_no_change() {
        wait_for_change(|path| {
            fs::write(path.with_extension("other"), "two").expect("written");
            fs::write(path, "one").expect("written");
            fs::write(path, "two").expect("written");
        });
    }
}
