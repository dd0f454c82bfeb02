//! Drives the socket of a connection and its `h2` in one task.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use super::pipe::Pipe;
use crate::base::Nanos;
use crate::proto::http2::{Flood, FrameLimits, FrameWatch};
use crate::rt::{Buffers, Deadline, Deadlines, now};
use crate::transport::Transport;

/// How long a peer may take.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LinkTimeouts {
    /// From the first byte of the preface, a frame or a block of fields to its last.
    pub head: Nanos,
    /// Between two parts of what is sent that it takes.
    pub write: Nanos,
}

/// One end of a connection.
pub(super) struct Link<'l> {
    transport: &'l Transport,
    buffers: &'l Buffers,
    timeouts: LinkTimeouts,
    pub(super) pipe: Pipe,
    watch: RefCell<FrameWatch>,
    limits: FrameLimits,
    /// What the peer sent too much of; nothing more is taken from it.
    pub(super) flood: Cell<Option<Flood>>,
    head_deadline: Deadline,
    write_deadline: Deadline,
    is_inside_head: Cell<bool>,
    is_sending: Cell<bool>,
}

impl<'l> Link<'l> {
    /// A link whose peer's frames are held to `limits`; what was read of it before lies in `pipe`.
    pub(super) fn new(
        transport: &'l Transport,
        (deadlines, buffers): (&Deadlines, &'l Buffers),
        timeouts: LinkTimeouts,
        (watch, limits): (FrameWatch, FrameLimits),
        pipe: Pipe,
    ) -> Self {
        Self {
            transport,
            buffers,
            timeouts,
            pipe,
            watch: RefCell::new(watch),
            limits,
            flood: Cell::new(None),
            head_deadline: deadlines.watch(transport.raw_fd()),
            write_deadline: deadlines.watch(transport.raw_fd()),
            is_inside_head: Cell::new(false),
            is_sending: Cell::new(false),
        }
    }

    /// Runs `serving`, which talks to the other end of the pipe, until it is done and all that it
    /// wanted to send was sent.
    pub(super) async fn drive<F: Future>(&self, serving: F) -> F::Output {
        let (mut receiving, mut sending) = (pin!(self.receive()), pin!(self.send()));
        let mut serving = pin!(serving);
        let (mut is_received, mut is_broken, mut output) = (false, false, None);
        poll_fn(|context| {
            loop {
                is_received = is_received || receiving.as_mut().poll(context).is_ready();
                if output.is_none()
                    && let Poll::Ready(done) = serving.as_mut().poll(context)
                {
                    output = Some(done);
                }
                self.time_head();
                // What was read makes room; asking again is what waits for more.
                if !is_received && !self.pipe.has_incoming() {
                    is_received = receiving.as_mut().poll(context).is_ready();
                    if output.is_none() && (is_received || self.pipe.has_incoming()) {
                        continue;
                    }
                }
                let was_full = self.pipe.is_full();
                let was_broken = is_broken;
                is_broken = is_broken || sending.as_mut().poll(context).is_ready();
                if output.is_some() && (is_broken || self.is_all_sent()) {
                    return output.take().map_or(Poll::Pending, Poll::Ready);
                }
                let goes_on = (was_full && !self.pipe.is_full()) || (is_broken && !was_broken);
                if !goes_on || output.is_some() {
                    return Poll::Pending;
                }
            }
        })
        .await
    }

    /// Whether what the peer began to send took too long.
    pub(super) fn is_head_late(&self) -> bool {
        self.head_deadline.passed()
    }

    /// Whether the peer took too long to take what was sent.
    pub(super) fn is_write_late(&self) -> bool {
        self.write_deadline.passed()
    }

    fn is_all_sent(&self) -> bool {
        !self.is_sending.get() && !self.pipe.has_outgoing()
    }

    async fn receive(&self) {
        let early = self.pipe.take_buffer();
        if !early.is_empty() {
            self.take(early);
        }
        while self.flood.get().is_none() {
            poll_fn(|_| if self.pipe.has_incoming() { Poll::Pending } else { Poll::Ready(()) })
                .await;
            self.put_buffer();
            if self.transport.readable().await.is_err() {
                break;
            }
            let (result, buffer) = self.transport.read_append(self.buffers.take()).await;
            if !matches!(result, Ok(count) if count > 0) {
                self.buffers.put(buffer);
                break;
            }
            self.take(buffer);
        }
        self.pipe.end();
    }

    fn take(&self, bytes: Vec<u8>) {
        let flood = self.watch.borrow_mut().take(&bytes, now(), &self.limits);
        self.flood.set(flood);
        match flood {
            None => self.pipe.fill(bytes),
            Some(_) => self.buffers.put(bytes),
        }
    }

    fn put_buffer(&self) {
        let buffer = self.pipe.take_buffer();
        if buffer.capacity() > 0 {
            self.buffers.put(buffer);
        }
    }

    /// A head that was begun must come whole in time.
    fn time_head(&self) {
        let is_inside = self.watch.borrow().is_inside_head();
        if is_inside == self.is_inside_head.replace(is_inside) {
            return;
        }
        match is_inside {
            true => self.head_deadline.set_read(now().plus(self.timeouts.head)),
            false => self.head_deadline.clear(),
        }
    }

    /// Sends what is to leave; ends when nothing more can.
    async fn send(&self) {
        loop {
            poll_fn(|_| if self.pipe.has_outgoing() { Poll::Ready(()) } else { Poll::Pending })
                .await;
            self.is_sending.set(true);
            let (mut bytes, mut sent) = (self.pipe.take_outgoing(), 0);
            while sent < bytes.len() {
                self.write_deadline.set(now().plus(self.timeouts.write));
                let (result, same) = self.transport.write_some(bytes, sent).await;
                bytes = same;
                match result {
                    Ok(count) => sent += count,
                    Err(_) => return self.pipe.break_off(),
                }
            }
            self.is_sending.set(false);
            self.write_deadline.clear();
            bytes.clear();
            if bytes.capacity() <= KEPT_BYTES_MAX {
                self.pipe.put_outgoing(bytes);
            }
        }
    }
}

impl Drop for Link<'_> {
    fn drop(&mut self) {
        self.put_buffer();
    }
}

/// An idle connection keeps a buffer of at most this.
const KEPT_BYTES_MAX: usize = 16 * 1024;
