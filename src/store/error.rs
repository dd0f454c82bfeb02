//! What can go wrong with a store.

use std::io;
use std::path::PathBuf;

/// Why the store did not do what was asked. Nothing was changed then.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Others changed what the transaction had read, again and again.
    #[error("others changed the same documents at the same time")]
    Conflict,
    /// The file is of a newer version of the program.
    #[error(
        "the store {} has version {found}, and this program knows up to {known}: \
         it was written by a newer one", path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest that this program knows.
        known: u32,
    },
    /// Another process has the file open.
    #[error("the store {} is in use by another process", .0.display())]
    InUse(PathBuf),
    /// The store is closed: a successor takes over, or the disk failed and it could not be opened
    /// again.
    #[error("the store is closed")]
    Closed,
    /// The disk or the file.
    #[error("the store cannot be {doing}: {reason}")]
    Storage {
        /// What was being done: "opened", "read", "written".
        doing: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// A backup that cannot be restored, with the line where it goes wrong.
    #[error("the backup cannot be restored: line {line}: {reason}")]
    Backup {
        /// From 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A file beside the store.
    #[error(transparent)]
    Io(#[from] io::Error),
}

impl StoreError {
    /// For `map_err`: `error` happened while the store was being `doing`.
    pub(super) fn storage<E: std::fmt::Display>(doing: &'static str) -> impl FnOnce(E) -> Self {
        move |error| Self::Storage { doing, reason: error.to_string() }
    }
}
