//! Durable control-plane state: documents under keys, in one file of redb.
//!
//! Owns transactions, durability, the version of the file, backups. Refuses to know what documents
//! mean: to it an API is a key with bytes. Every change is a [`Transaction`] that ran on a
//! consistent snapshot and is committed only if nothing that it read has changed since; commits
//! that wait at the same moment reach the disk together. The rule a newcomer would break: what
//! [`Store::transact`] has answered is on disk, and what it refused is nowhere.

mod backup;
mod database;
mod error;
mod history;
mod key;
mod schema;
mod snapshot;
#[cfg(test)]
mod tests;
mod transaction;
mod writer;

pub use backup::{BACKUP_MEDIA_TYPE, Restored};
pub use error::StoreError;
pub use key::Key;
pub use schema::{Migration, SCHEMA_VERSION};
pub use snapshot::Snapshot;
pub use transaction::Transaction;

use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};

use database::DatabaseSlot;
use writer::{Proposal, Writer};

/// What a resource of the control plane is stored as.
pub use crate::model::Document;

/// The store. Clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    database: Arc<DatabaseSlot>,
    writer: Arc<Writer>,
    /// Shared by attempts that may conflict; held alone by one that has conflicted often enough.
    turnstile: Arc<RwLock<()>>,
}

/// Told the keys that a commit changed, once it is on disk.
pub type OnCommit = Box<dyn Fn(&[Key]) + Send>;

impl Store {
    /// Opens the file at `path`, or makes it. A file of a newer version is refused; an older one
    /// is migrated first.
    pub fn open(path: &Path, on_commit: OnCommit) -> Result<Self, StoreError> {
        Self::new(DatabaseSlot::open(path)?, on_commit)
    }

    /// A store that is gone with the process, for tests.
    pub fn in_memory(on_commit: OnCommit) -> Result<Self, StoreError> {
        Self::new(DatabaseSlot::in_memory()?, on_commit)
    }

    fn new(database: DatabaseSlot, on_commit: OnCommit) -> Result<Self, StoreError> {
        let database = Arc::new(database);
        let writer = Arc::new(Writer::start(Arc::clone(&database), on_commit)?);
        Ok(Self { database, writer, turnstile: Arc::default() })
    }

    /// Runs `work` on a snapshot and commits what it wrote, all of it or nothing. `work` runs again
    /// if somebody else changed what it read; an error of `work` changes nothing.
    pub fn transact<T, E: From<StoreError>>(
        &self,
        mut work: impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<T, E> {
        for _ in 0..SHARED_ATTEMPTS_COUNT {
            let _shared = self.turnstile.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(value) = self.attempt(&mut work)? {
                return Ok(value);
            }
        }
        let _alone = self.turnstile.write().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..LONE_ATTEMPTS_COUNT {
            if let Some(value) = self.attempt(&mut work)? {
                return Ok(value);
            }
        }
        Err(StoreError::Conflict.into())
    }

    /// `None` if somebody else changed what `work` read.
    fn attempt<T, E: From<StoreError>>(
        &self,
        work: &mut impl FnMut(&mut Transaction) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        let base = self.writer.committed();
        let mut transaction = Transaction::new(self.snapshot()?);
        let value = work(&mut transaction)?;
        let (reads, writes) = transaction.into_parts();
        if writes.is_empty() {
            return Ok(Some(value));
        }
        match self.writer.commit(Proposal::Change { base, reads, writes }) {
            Ok(()) => Ok(Some(value)),
            Err(StoreError::Conflict) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Everything as it is now; commits that follow do not change it.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        Snapshot::new(&*self.database.get()?)
    }

    /// Replaces everything by `writes` in one commit.
    fn replace(&self, writes: Vec<(Key, Document)>) -> Result<(), StoreError> {
        self.writer.commit(Proposal::Replace { writes })
    }

    /// Removes everything.
    pub fn clear(&self) -> Result<(), StoreError> {
        self.replace(Vec::new())
    }

    /// Closes the file, so that another process may open it. What is asked meanwhile is refused.
    pub fn close(&self) {
        self.database.close();
    }

    /// Opens the file again after [`Store::close`].
    pub fn reopen(&self) -> Result<(), StoreError> {
        self.database.reopen().map(|_| ())
    }
}

/// How often work may find that somebody else was faster before it is let run alone.
const SHARED_ATTEMPTS_COUNT: u32 = 4;
/// Only a restore still comes between.
const LONE_ATTEMPTS_COUNT: u32 = 4;
