//! Two connections joined after a 101: bytes both ways, each direction ended on its own.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::client::Client;
use super::state::ShardState;
use crate::base::Nanos;
use crate::rt::{Contained, DeadlineMover, now, spawn};
use crate::transport::Transport;
use crate::upstream::Connection;

/// Relays between `client` and the target until both directions have ended; `early` is what the
/// client sent behind its request. Returns how many bytes went to the client.
pub(super) async fn tunnel(
    state: &Rc<ShardState>,
    client: &Client<'_>,
    connection: &Connection,
    early: Vec<u8>,
    idle_timeout: Nanos,
) -> u64 {
    let deadlines = || [client.deadline.mover(), connection.deadline.mover()];
    let ended = Rc::new(Ended::default());
    let upward = Direction {
        state: Rc::clone(state),
        from: client.stream.clone(),
        to: connection.stream.clone(),
        deadlines: deadlines(),
        idle_timeout,
    };
    let upward_ended = Rc::clone(&ended);
    let (recorder, target) = (state.recorder.clone(), connection.stream.clone());
    let upward = Contained::new(upward.run(early));
    spawn(async move {
        if upward.await.is_err() {
            recorder.panicked();
            target.shutdown_both();
        }
        upward_ended.set();
    });
    let downward = Direction {
        state: Rc::clone(state),
        from: connection.stream.clone(),
        to: client.stream.clone(),
        deadlines: deadlines(),
        idle_timeout,
    };
    let relayed_bytes = downward.run(Vec::new()).await;
    ended.wait().await;
    relayed_bytes
}

/// One direction of a tunnel.
struct Direction {
    state: Rc<ShardState>,
    from: Transport,
    to: Transport,
    /// Of both sockets: either direction's traffic keeps both alive.
    deadlines: [DeadlineMover; 2],
    idle_timeout: Nanos,
}

impl Direction {
    /// Relays to the end of file, which it passes on. An idle direction holds no buffer.
    async fn run(self, first: Vec<u8>) -> u64 {
        let mut relayed_bytes = first.len() as u64;
        let mut alive = first.is_empty() || self.to.write_all(first, 0).await.0.is_ok();
        while alive {
            self.stay_alive();
            if self.from.readable().await.is_err() {
                break;
            }
            let buffer = self.state.head_buffers.take();
            let (result, buffer) = self.from.read_append(buffer).await;
            let count = result.unwrap_or(0);
            if count == 0 {
                self.state.head_buffers.put(buffer);
                break;
            }
            relayed_bytes += count as u64;
            self.stay_alive();
            let (written, buffer) = self.to.write_all(buffer, 0).await;
            self.state.head_buffers.put(buffer);
            alive = written.is_ok();
        }
        if alive {
            self.to.shutdown_write().await;
        } else {
            // Nobody takes what the sender sends: end that direction too, or it would wait for ever.
            self.from.shutdown_both();
        }
        relayed_bytes
    }

    fn stay_alive(&self) {
        let due = now().plus(self.idle_timeout);
        for deadline in &self.deadlines {
            deadline.set(due);
        }
    }
}

/// Tells one task that another has ended.
#[derive(Default)]
struct Ended {
    is_set: Cell<bool>,
    waiter: Cell<Option<Waker>>,
}

impl Ended {
    fn set(&self) {
        self.is_set.set(true);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }

    async fn wait(&self) {
        poll_fn(|context| {
            if self.is_set.get() {
                return Poll::Ready(());
            }
            self.waiter.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
