//! Listening sockets on their way to the shards.
//!
//! The side thread binds (or inherits) the sockets of an epoch before it is published, and puts
//! them here; each shard takes its own while it prepares. What is not taken is closed with the
//! next clearing.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::model::ListenerAddress;
use crate::rt::ListenerSocket;

/// Sockets by shard and address. The lock is held for the length of a map operation, by the side
/// thread and by shards that prepare an epoch, never for a request.
#[derive(Debug, Default)]
pub struct SocketBoard {
    sockets: Mutex<HashMap<(usize, ListenerAddress), ListenerSocket>>,
}

impl SocketBoard {
    /// An empty board.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the socket on which shard `shard` shall listen at `address`; one that was there is
    /// closed.
    pub fn put(&self, shard: usize, address: ListenerAddress, socket: ListenerSocket) {
        self.lock().insert((shard, address), socket);
    }

    /// Takes the socket of shard `shard` at `address`.
    #[must_use]
    pub fn take(&self, shard: usize, address: &ListenerAddress) -> Option<ListenerSocket> {
        self.lock().remove(&(shard, address.clone()))
    }

    /// Closes what nobody took.
    pub fn clear(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(usize, ListenerAddress), ListenerSocket>> {
        // The map is whole at every point where its holder could panic.
        self.sockets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
