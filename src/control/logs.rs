//! The access log in force.

use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::observe::access_log::{AccessLog, AccessLogCounts, ShardLogSink};

/// Holds the log that the plan in force names. Shared with the admin listener, which reads its
/// counts.
#[derive(Debug, Default)]
pub(crate) struct Logs(Mutex<Option<OpenLog>>);

#[derive(Debug)]
struct OpenLog {
    path: String,
    log: AccessLog,
}

/// The log of a plan that is not in force yet.
#[derive(Debug)]
pub(crate) enum LogChange {
    /// The same file as before, or none as before.
    Keep,
    /// Another file.
    Open {
        /// As the configuration has it.
        path: String,
        /// Opened.
        log: AccessLog,
    },
    /// No log any more.
    Close,
}

impl Logs {
    /// Opens the log at `path` if it is not the one in force.
    pub(crate) fn prepare(&self, path: Option<&str>) -> io::Result<LogChange> {
        let current = self.lock().as_ref().map(|one| one.path.clone());
        Ok(match path {
            _ if path == current.as_deref() => LogChange::Keep,
            None => LogChange::Close,
            Some(path) => LogChange::Open { path: path.to_owned(), log: AccessLog::open(path)? },
        })
    }

    /// A sink of the log as it is after `change`, for one shard.
    pub(crate) fn sink(&self, change: &LogChange) -> Option<ShardLogSink> {
        match change {
            LogChange::Keep => self.lock().as_ref().map(|one| one.log.shard_sink()),
            LogChange::Open { log, .. } => Some(log.shard_sink()),
            LogChange::Close => None,
        }
    }

    /// Puts `change` in force, after the shards have let go of the old log's sinks. Answers with
    /// the old log: dropping it waits for its disk.
    #[must_use]
    pub(crate) fn commit(&self, change: LogChange) -> Option<AccessLog> {
        let next = match change {
            LogChange::Keep => return None,
            LogChange::Open { path, log } => Some(OpenLog { path, log }),
            LogChange::Close => None,
        };
        std::mem::replace(&mut *self.lock(), next).map(|old| old.log)
    }

    /// Opens the file anew by its name.
    pub(crate) fn reopen(&self) {
        if let Some(open) = self.lock().as_ref() {
            open.log.reopen();
        }
    }

    /// What became of the lines.
    pub(crate) fn counts(&self) -> Option<AccessLogCounts> {
        self.lock().as_ref().map(|open| open.log.counts())
    }

    /// Writes what was handed over and closes the log.
    pub(crate) fn close(&self) {
        let open = self.lock().take();
        if let Some(open) = open {
            open.log.close();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<OpenLog>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_opened_when_its_path_changes_and_kept_otherwise() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let logs = Logs::default();
        assert!(matches!(logs.prepare(None).expect("nothing"), LogChange::Keep));

        let change = logs.prepare(Some(&path("a.log"))).expect("opened");
        assert!(logs.sink(&change).is_some() && logs.counts().is_none());
        assert!(logs.commit(change).is_none());
        assert!(matches!(logs.prepare(Some(&path("a.log"))).expect("same"), LogChange::Keep));

        let change = logs.prepare(Some(&path("b.log"))).expect("opened");
        assert!(logs.commit(change).is_some(), "the old log is to be closed");
        let change = logs.prepare(None).expect("closed");
        assert!(logs.sink(&change).is_none());
        assert!(logs.commit(change).is_some());
        assert!(logs.counts().is_none());
    }

    #[test]
    fn a_log_that_cannot_be_opened_changes_nothing() {
        let logs = Logs::default();
        assert!(logs.prepare(Some("/nonexistent/folder/a.log")).is_err());
        assert!(logs.counts().is_none());
    }
}
