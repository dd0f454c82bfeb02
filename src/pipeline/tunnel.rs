//! Two connections joined after a 101: bytes both ways, each direction ended on its own.

use std::cell::Cell;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::client::{Client, ClientLink};
use super::state::ShardState;
use crate::base::Nanos;
use crate::http2::ServerStream;
use crate::rt::{Contained, Deadline, DeadlineMover, now, spawn};
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
    let client_end = || match &client.link {
        ClientLink::Http1(link) => End::Socket(link.stream.clone()),
        ClientLink::Http2(stream) => End::Stream(Rc::clone(stream), state.deadlines.alarm()),
    };
    let target_end = || End::Socket(connection.stream.clone());
    let ended = Rc::new(Ended::default());
    let upward = Direction {
        state: Rc::clone(state),
        from: client_end(),
        to: target_end(),
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
        from: target_end(),
        to: client_end(),
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
    from: End,
    to: End,
    /// Of both sockets: either direction's traffic keeps both alive.
    deadlines: [DeadlineMover; 2],
    idle_timeout: Nanos,
}

impl Direction {
    /// Relays to the end of file, which it passes on. An idle direction holds no buffer.
    async fn run(self, first: Vec<u8>) -> u64 {
        let mut relayed_bytes = first.len() as u64;
        let mut alive = first.is_empty() || self.to.write(first, self.idle_timeout).await.0;
        while alive {
            self.stay_alive();
            if !self.from.readable(self.idle_timeout).await {
                break;
            }
            let buffer = self.state.head_buffers.take();
            let (count, buffer) = self.from.read(buffer).await;
            if count == 0 {
                self.state.head_buffers.put(buffer);
                break;
            }
            relayed_bytes += count as u64;
            self.stay_alive();
            let (written, buffer) = self.to.write(buffer, self.idle_timeout).await;
            self.state.head_buffers.put(buffer);
            alive = written;
        }
        if alive {
            self.to.end().await;
        } else {
            // Nobody takes what the sender sends: end that direction too, or it would wait for ever.
            self.from.cut();
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

/// One of the two that are joined.
enum End {
    Socket(Transport),
    /// A stream of an HTTP/2 client (RFC 8441), and what bounds its silence.
    Stream(Rc<ServerStream>, Deadline),
}

impl End {
    /// Waits until a read would return at once; `false` if there is nothing to wait for.
    async fn readable(&self, idle_timeout: Nanos) -> bool {
        match self {
            Self::Socket(socket) => socket.readable().await.is_ok(),
            Self::Stream(stream, alarm) => {
                alarm.set(now().plus(idle_timeout));
                stream.body().readable(alarm).await.is_ok()
            }
        }
    }

    /// Reads once behind what is in `buffer`; 0 is the end.
    async fn read(&self, mut buffer: Vec<u8>) -> (usize, Vec<u8>) {
        match self {
            Self::Socket(socket) => {
                let (result, buffer) = socket.read_append(buffer).await;
                (result.unwrap_or(0), buffer)
            }
            Self::Stream(stream, alarm) => {
                let result = stream.body().read(&mut buffer, usize::MAX, alarm).await;
                (result.unwrap_or(0), buffer)
            }
        }
    }

    /// Writes `buffer`; whether all of it was taken.
    async fn write(&self, buffer: Vec<u8>, idle_timeout: Nanos) -> (bool, Vec<u8>) {
        match self {
            Self::Socket(socket) => {
                let (written, buffer) = socket.write_all(buffer, 0).await;
                (written.is_ok(), buffer)
            }
            Self::Stream(stream, alarm) => {
                let sent = stream.send(&buffer, false, alarm, idle_timeout).await;
                (sent.is_ok(), buffer)
            }
        }
    }

    /// Says that nothing more will be sent.
    async fn end(&self) {
        match self {
            Self::Socket(socket) => socket.shutdown_write().await,
            // A stream that is gone need not be told.
            Self::Stream(stream, _) => drop(stream.end(b"")),
        }
    }

    /// Ends both directions.
    fn cut(&self) {
        match self {
            Self::Socket(socket) => socket.shutdown_both(),
            Self::Stream(stream, _) => stream.give_up(),
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
