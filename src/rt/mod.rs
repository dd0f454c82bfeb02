//! The runtime facade, the only importer of monoio: run, spawn, listen, connect, read, write,
//! sleep, deadlines.
//!
//! A shard runs on a ring of our own (`ring`), or, where io_uring is refused, on monoio's epoll
//! driver; nobody above knows which. For monoio's sake some rules hold for everybody:
//! 1. A read or accept in flight is never dropped to cancel it: bytes could be lost. A deadline
//!    calls `shutdown(2)` on the socket instead ([`Deadline`]).
//! 2. Nobody wakes itself to yield: [`yield_now`] is there for that.
//! 3. No splice, no buffered writer, no cancelable operations but accept.
//! 4. An idle connection waits with [`Stream::readable`] and holds no buffer.

mod buffers;
mod clock;
mod connect;
mod deadline;
mod driver;
mod listener;
mod panic;
mod ring;
mod stream;

use std::future::Future;
use std::time::Duration;

pub use buffers::{Buffers, BuffersCount};
pub use clock::{now, unix_millis};
pub use connect::{connect_tcp, connect_unix};
pub use deadline::{Deadline, DeadlineMover, Deadlines};
pub use driver::{DriverChoice, DriverReport, RingOptions, probe, run};
pub use listener::{Accepted, Listener, ListenerSocket};
pub use panic::{Contained, Panicked, poll_contained};
pub use stream::{Peer, Stream};

/// Starts a task on this shard. It runs to its end; nobody waits for it unless the caller keeps
/// count. A panic ends the task and nothing else.
pub fn spawn(task: impl Future<Output = ()> + 'static) {
    if ring::is_current() {
        return ring::spawn(task);
    }
    let task = Contained::new(task);
    monoio::spawn(async {
        if task.await.is_err() {
            tracing::error!("a task panicked and was ended");
        }
    });
}

/// Waits at least `span`, to the precision of the runtime's timer (1 ms).
pub async fn sleep(span: Duration) {
    if ring::is_current() {
        return ring::sleep(span).await;
    }
    monoio::time::sleep(span).await;
}

/// Lets every other task of the shard, and the ring, have a turn.
pub async fn yield_now() {
    if ring::is_current() {
        return ring::yield_now().await;
    }
    monoio::time::sleep(Duration::from_micros(1)).await;
}
