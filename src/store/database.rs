//! The open file: opened, closed for a successor, opened again after the disk failed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use redb::{Database, DatabaseError, backends::InMemoryBackend};

use super::error::StoreError;
use super::schema::{self, MIGRATIONS, Migration};

/// A database that may be closed at the moment.
#[derive(Debug)]
pub(super) struct DatabaseSlot {
    /// `None` for one in memory, which closing would lose.
    path: Option<PathBuf>,
    state: RwLock<State>,
}

#[derive(Debug)]
enum State {
    Open(Arc<Database>),
    /// For a successor.
    Closed,
    /// The disk failed; whoever wants the file next tries to open it again.
    Failed,
}

impl DatabaseSlot {
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let database = open_file(path, MIGRATIONS)?;
        let state = RwLock::new(State::Open(Arc::new(database)));
        Ok(Self { path: Some(path.to_owned()), state })
    }

    pub(super) fn in_memory() -> Result<Self, StoreError> {
        let database = Database::builder()
            .create_with_backend(InMemoryBackend::new())
            .map_err(StoreError::storage("opened"))?;
        schema::prepare(&database, Path::new("in memory"), MIGRATIONS)?;
        Ok(Self { path: None, state: RwLock::new(State::Open(Arc::new(database))) })
    }

    pub(super) fn get(&self) -> Result<Arc<Database>, StoreError> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Open(database) => return Ok(Arc::clone(database)),
            State::Closed => return Err(StoreError::Closed),
            State::Failed => {}
        }
        self.reopen()
    }

    /// Closes the file for a successor.
    pub(super) fn close(&self) {
        self.leave(State::Closed);
    }

    /// Opens the file anew, now or when somebody wants it next: a file is only to be trusted after
    /// a failed write once opening it has repaired it.
    pub(super) fn recover(&self) {
        self.leave(State::Failed);
        if let Err(error) = self.get() {
            tracing::error!(%error, "the store cannot be opened");
        }
    }

    /// Closes the file once its readers, who hold it for moments, are done.
    fn leave(&self, next: State) {
        if self.path.is_none() {
            return;
        }
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let State::Open(mut database) = std::mem::replace(&mut *state, next) else { return };
        drop(state);
        let deadline = Instant::now() + READERS_LIMIT;
        loop {
            match Arc::try_unwrap(database) {
                Ok(database) => return drop(database),
                Err(held) if Instant::now() < deadline => database = held,
                Err(_) => {
                    tracing::error!("the store is still being read; its file stays open");
                    return;
                }
            }
            wait_a_little();
        }
    }

    pub(super) fn reopen(&self) -> Result<Arc<Database>, StoreError> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        if let State::Open(database) = &*state {
            return Ok(Arc::clone(database));
        }
        let path = self.path.as_ref().ok_or(StoreError::Closed)?;
        let database = Arc::new(open_file(path, MIGRATIONS)?);
        *state = State::Open(Arc::clone(&database));
        Ok(database)
    }
}

/// Opens the file, and brings it to the version that `migrations` lead to.
pub(super) fn open_file(path: &Path, migrations: &[Migration]) -> Result<Database, StoreError> {
    let deadline = Instant::now() + IN_USE_LIMIT;
    let database = loop {
        match Database::builder().set_cache_size(CACHE_BYTES).create(path) {
            // A predecessor that hands over closes it about now.
            Err(DatabaseError::DatabaseAlreadyOpen) if Instant::now() < deadline => {
                wait_a_little();
            }
            Err(DatabaseError::DatabaseAlreadyOpen) => {
                return Err(StoreError::InUse(path.to_owned()));
            }
            Err(error) => {
                let reason = format!("{}: {error}", path.display());
                return Err(StoreError::Storage { doing: "opened", reason });
            }
            Ok(database) => break database,
        }
    };
    schema::prepare(&database, path, migrations)?;
    // The file's name must survive a crash as its content does.
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::File::open(folder)?.sync_all()?;
    }
    Ok(database)
}

/// Gives whoever has the file a moment: nobody tells when a file's lock is given up.
#[expect(
    clippy::disallowed_methods,
    reason = "on the side thread's pool or at the start, never on a shard"
)]
fn wait_a_little() {
    thread::sleep(READERS_POLL);
}

/// Pages that redb keeps in memory; the kernel keeps the file's anyway.
const CACHE_BYTES: usize = 4 * 1024 * 1024;
/// How long an open file of another process is waited for.
const IN_USE_LIMIT: Duration = Duration::from_secs(2);
/// How long readers may hold a file that is closed.
const READERS_LIMIT: Duration = Duration::from_secs(5);
const READERS_POLL: Duration = Duration::from_millis(2);
