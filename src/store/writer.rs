//! The one thread that writes: decides which proposals conflict, and commits those that wait
//! together as one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use redb::{Database, ReadableTable as _};

use super::database::DatabaseSlot;
use super::error::StoreError;
use super::history::{History, ReadSet};
use super::key::Key;
use super::schema::DOCUMENTS;
use super::transaction::Writes;
use super::{Document, OnCommit};

/// What is asked of the writer.
#[derive(Debug)]
pub(super) enum Proposal {
    /// To write, if nothing that was read has changed since commit `base`.
    Change { base: u64, reads: ReadSet, writes: Writes },
    /// To replace everything.
    Replace { writes: Vec<(Key, Document)> },
}

type Answer = SyncSender<Result<(), StoreError>>;

/// The thread's handle. It ends when this is dropped.
#[derive(Debug)]
pub(super) struct Writer {
    /// The number of the last commit that is on disk.
    committed: Arc<AtomicU64>,
    proposals: Mutex<Option<Sender<(Proposal, Answer)>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Writer {
    pub(super) fn start(
        database: Arc<DatabaseSlot>,
        on_commit: OnCommit,
    ) -> Result<Self, StoreError> {
        let committed = Arc::new(AtomicU64::new(0));
        let (proposals, inbox) = channel();
        let work = Work {
            database,
            committed: Arc::clone(&committed),
            history: History::default(),
            on_commit,
        };
        let thread =
            thread::Builder::new().name("store".to_owned()).spawn(move || work.run(&inbox))?;
        Ok(Self {
            committed,
            proposals: Mutex::new(Some(proposals)),
            thread: Mutex::new(Some(thread)),
        })
    }

    /// The number of the last commit that is on disk: whoever reads after asking sees at least it.
    pub(super) fn committed(&self) -> u64 {
        self.committed.load(Ordering::Acquire)
    }

    /// Waits until the proposal is on disk, or refused.
    pub(super) fn commit(&self, proposal: Proposal) -> Result<(), StoreError> {
        let (answer, wait) = sync_channel(1);
        {
            let proposals = self.proposals.lock().unwrap_or_else(PoisonError::into_inner);
            let sender = proposals.as_ref().ok_or(StoreError::Closed)?;
            sender.send((proposal, answer)).map_err(|_| StoreError::Closed)?;
        }
        wait.recv().map_err(|_| StoreError::Closed)?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.proposals.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take() {
            // It says itself, in the log, when it panics.
            let _ = thread.join();
        }
    }
}

struct Work {
    database: Arc<DatabaseSlot>,
    committed: Arc<AtomicU64>,
    history: History,
    on_commit: OnCommit,
}

impl Work {
    fn run(mut self, inbox: &Receiver<(Proposal, Answer)>) {
        while let Ok(first) = inbox.recv() {
            let mut batch = vec![first];
            batch.extend(inbox.try_iter().take(BATCH_COUNT_MAX - 1));
            self.commit(batch);
        }
    }

    /// Commits what does not conflict, and answers everyone.
    fn commit(&mut self, batch: Vec<(Proposal, Answer)>) {
        let first = self.committed.load(Ordering::Relaxed) + 1;
        let (mut accepted, mut changed) = (Vec::new(), Vec::new());
        let written = self
            .database
            .get()
            .and_then(|database| self.write(&database, batch, first, &mut accepted, &mut changed));
        match written {
            Ok(sequence) => {
                self.committed.store(sequence, Ordering::Release);
                // Before the answers: who has one may count on it that the change was told.
                if !changed.is_empty() {
                    (self.on_commit)(&changed);
                }
                for answer in accepted {
                    // Who asked may be gone.
                    let _ = answer.send(Ok(()));
                }
            }
            Err(error) => {
                self.history.remove_from(first);
                // Whoever is told of the failure may go on at once.
                if !matches!(error, StoreError::Closed) {
                    self.recover(&error);
                }
                let reason = error.to_string();
                for answer in accepted {
                    let error = match error {
                        StoreError::Closed => StoreError::Closed,
                        _ => StoreError::Storage { doing: "written", reason: reason.clone() },
                    };
                    let _ = answer.send(Err(error));
                }
            }
        }
    }

    /// Writes the proposals of `batch` that do not conflict, as commits `first` and following, and
    /// returns the number of the last. `accepted` are those whose answer depends on the disk.
    fn write(
        &mut self,
        database: &Database,
        batch: Vec<(Proposal, Answer)>,
        first: u64,
        accepted: &mut Vec<Answer>,
        changed: &mut Vec<Key>,
    ) -> Result<u64, StoreError> {
        let mut sequence = first - 1;
        let mut batch = batch.into_iter();
        let result = (|| {
            let transaction = database.begin_write().map_err(StoreError::storage("written"))?;
            {
                let mut table =
                    transaction.open_table(DOCUMENTS).map_err(StoreError::storage("written"))?;
                for (proposal, answer) in batch.by_ref() {
                    if let Proposal::Change { base, reads, .. } = &proposal
                        && self.history.has_changed(*base, reads)
                    {
                        let _ = answer.send(Err(StoreError::Conflict));
                        continue;
                    }
                    accepted.push(answer);
                    sequence += 1;
                    let keys = match proposal {
                        Proposal::Change { writes, .. } => {
                            let keys: Vec<Key> = writes.keys().cloned().collect();
                            self.history.add(sequence, keys.clone());
                            apply(&mut table, writes)?;
                            keys
                        }
                        Proposal::Replace { writes } => {
                            let mut keys = clear(&mut table)?;
                            keys.extend(writes.iter().map(|(key, _)| key.clone()));
                            self.history.forget_all(sequence);
                            let writes = writes.into_iter();
                            apply(&mut table, writes.map(|(key, one)| (key, Some(one))))?;
                            keys
                        }
                    };
                    changed.extend(keys);
                }
            }
            if accepted.is_empty() {
                return transaction.abort().map_err(StoreError::storage("written"));
            }
            transaction.commit().map_err(StoreError::storage("written"))
        })();
        // Those that were not come to share the failure.
        accepted.extend(batch.map(|(_, answer)| answer));
        result.map(|()| sequence)
    }

    /// After a failed write the file is only to be trusted once it was opened anew, which repairs it.
    fn recover(&mut self, error: &StoreError) {
        tracing::error!(%error, "the store refused a change; its file is opened anew");
        self.database.recover();
        // What is on disk is known from now on.
        self.history.forget_all(self.committed.load(Ordering::Relaxed));
    }
}

type Table<'txn> = redb::Table<'txn, &'static str, &'static [u8]>;

fn apply(
    table: &mut Table<'_>,
    writes: impl IntoIterator<Item = (Key, Option<Document>)>,
) -> Result<(), StoreError> {
    for (key, document) in writes {
        match document {
            Some(document) => {
                let bytes =
                    serde_json::to_vec(&document).map_err(StoreError::storage("written"))?;
                table
                    .insert(key.as_str(), bytes.as_slice())
                    .map_err(StoreError::storage("written"))?;
            }
            None => {
                table.remove(key.as_str()).map_err(StoreError::storage("written"))?;
            }
        }
    }
    Ok(())
}

fn clear(table: &mut Table<'_>) -> Result<Vec<Key>, StoreError> {
    let mut keys = Vec::new();
    for entry in table.iter().map_err(StoreError::storage("read"))? {
        let (key, _) = entry.map_err(StoreError::storage("read"))?;
        keys.push(Key::from_stored(key.value()));
    }
    for key in &keys {
        table.remove(key.as_str()).map_err(StoreError::storage("written"))?;
    }
    Ok(keys)
}

/// Proposals that one commit takes.
const BATCH_COUNT_MAX: usize = 256;
