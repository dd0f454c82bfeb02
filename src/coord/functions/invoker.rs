//! Calls functions of this machine from outside of the shards.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{FunctionBoard, Invocation, LocalFunction};
use crate::coord::{Sender, ShardMessage};

/// Sends calls to shards, one after the other.
#[derive(Debug)]
pub struct Invoker {
    board: Arc<FunctionBoard>,
    /// The mailboxes of all shards.
    shards: Vec<Sender<ShardMessage>>,
    turn: AtomicUsize,
}

impl Invoker {
    #[must_use]
    pub fn new(board: Arc<FunctionBoard>, shards: Vec<Sender<ShardMessage>>) -> Self {
        Self { board, shards, turn: AtomicUsize::new(0) }
    }

    /// Where functions are found.
    #[must_use]
    pub fn board(&self) -> &Arc<FunctionBoard> {
        &self.board
    }

    /// The function of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<LocalFunction>> {
        self.board.find(name)
    }

    /// Sends a call to a shard whose mail has room. Its answer comes by [`Invocation::answer`], which
    /// is dropped if the shard ends.
    ///
    /// # Errors
    ///
    /// No shard takes it now: it is given back.
    pub fn send(&self, invocation: Invocation) -> Result<(), Box<Invocation>> {
        let first = self.turn.fetch_add(1, Ordering::Relaxed);
        let mut message = ShardMessage::Invoke(Box::new(invocation));
        for step in 0..self.shards.len() {
            let shard = &self.shards[first.wrapping_add(step) % self.shards.len()];
            match shard.try_send(message) {
                Ok(()) => return Ok(()),
                Err(back) => message = back,
            }
        }
        match message {
            ShardMessage::Invoke(invocation) => Err(invocation),
            _ => unreachable!("what was sent is given back"),
        }
    }
}
