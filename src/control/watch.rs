//! Tells of a changed boot file.
//!
//! Watches the folder, not the file: editors and configuration management replace a file by
//! renaming another one to its name, and mounted configuration changes a link beside it. What
//! counts is whether the content differs from what was read last.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// A file that is watched.
#[derive(Debug)]
pub(crate) struct Watch {
    path: PathBuf,
    content: Option<Vec<u8>>,
    /// There was an event since the file was read.
    is_unread: bool,
    events: mpsc::Receiver<()>,
    /// Stops watching when dropped.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches `path`.
    pub(crate) fn new(path: &Path) -> notify::Result<Self> {
        // One waiting event says all: the file is read when it is taken.
        let (sender, events) = mpsc::channel(1);
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                if event.is_ok_and(|event| !event.kind.is_access()) {
                    let _ = sender.try_send(());
                }
            })?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        watcher.watch(folder.unwrap_or(Path::new(".")), RecursiveMode::NonRecursive)?;
        let content = fs::read(path).ok();
        Ok(Self { path: path.to_owned(), content, is_unread: false, events, _watcher: watcher })
    }

    /// Waits until the file has another content, and has had it for a moment. May be dropped and
    /// called again without missing a change.
    pub(crate) async fn changed(&mut self) {
        loop {
            if !self.is_unread && self.events.recv().await.is_none() {
                // The watcher is gone: never.
                std::future::pending::<()>().await;
            }
            self.is_unread = true;
            self.settle().await;
            self.is_unread = false;
            let content = fs::read(&self.path).ok();
            // A file that is away for a moment is about to be replaced.
            if content.is_some() && content != self.content {
                self.content = content;
                return;
            }
        }
    }

    /// Waits until nothing has happened for a moment: a file is written in several steps.
    async fn settle(&mut self) {
        while tokio::time::timeout(SETTLED, self.events.recv()).await.is_ok_and(|one| one.is_some())
        {
        }
    }
}

const SETTLED: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests {
    use super::*;

    fn wait_for_change(change: impl FnOnce(&Path)) {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("gateway.toml");
        fs::write(&path, "one").expect("written");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let mut watch = Watch::new(&path).expect("watched");
            change(&path);
            watch.changed().await;
            assert_eq!(watch.content.as_deref(), Some(b"two".as_slice()));
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
    fn a_neighbour_and_the_same_content_are_no_change() {
        wait_for_change(|path| {
            fs::write(path.with_extension("other"), "two").expect("written");
            fs::write(path, "one").expect("written");
            fs::write(path, "two").expect("written");
        });
    }
}
