//! The driver of an HTTP/2 connection of a client.
//!
//! The connection's task has `http2` read frames and hand over requests; each request is a task of its
//! own, which borrows a worker as an HTTP/1 connection does.

mod request;

use std::cell::Cell;
use std::rc::Rc;

pub(super) use request::Http2Request;

use super::Workers;
use super::h1::linger;
use super::request_rate::RequestRate;
use crate::base::{Fault, Nanos};
use crate::http2::{LinkTimeouts, ServerControl, ServerEnd, ServerOptions, serve};
use crate::model::Limits;
use crate::observe::DeadlineKind;
use crate::pipeline::{DISCARD_TIMEOUT, ListenerContext, ShardState};
use crate::rt::{Peer, now, spawn};
use crate::transport::Transport;

/// An HTTP/2 connection.
pub(super) struct Http2 {
    state: Rc<ShardState>,
    transport: Transport,
    peer: Peer,
    listener: Rc<ListenerContext>,
    control: ServerControl,
    requests_count: Cell<u64>,
    rate: RequestRate,
}

impl Http2 {
    pub(super) fn new(
        state: Rc<ShardState>,
        transport: Transport,
        peer: Peer,
        listener: Rc<ListenerContext>,
    ) -> Rc<Self> {
        Rc::new(Self {
            state,
            transport,
            peer,
            listener,
            control: ServerControl::default(),
            requests_count: Cell::new(0),
            rate: RequestRate::default(),
        })
    }

    /// Serves the connection to its end; `early` was read of it before.
    pub(super) async fn run(self: &Rc<Self>, workers: &Rc<Workers>, early: Vec<u8>) {
        let state = &self.state;
        let plan = state.plan();
        let limits = &plan.plan.limits;
        let millis = Nanos::from_millis;
        let options = ServerOptions {
            limits: &limits.http2,
            head_bytes_max: limits.head_bytes_max,
            timeouts: LinkTimeouts {
                head: millis(limits.head_timeout_ms),
                write: millis(limits.write_timeout_ms),
            },
            idle_timeout: millis(limits.idle_timeout_ms),
            deadlines: &state.deadlines,
            buffers: &state.head_buffers,
        };
        state.recorder.http2_opened();
        let mut open = Open { connection: self, end: ServerEnd::Done };
        let take = |incoming| {
            let (connection, workers) = (Rc::clone(self), Rc::clone(workers));
            let counted = Counted::new(connection);
            spawn(request::serve_request(counted, workers, incoming));
        };
        let is_draining = || state.draining.get();
        let end = serve(&self.transport, early, &options, &self.control, is_draining, take).await;
        open.end = end;
        drop(open);
        if matches!(end, ServerEnd::Flood(_) | ServerEnd::Protocol | ServerEnd::HeadTimeout) {
            // What it was told must not be lost to a reset.
            let deadline = state.deadlines.watch(self.transport.raw_fd());
            deadline.set(now().plus(DISCARD_TIMEOUT));
            linger(state, &self.transport).await;
        }
    }

    /// Ends the connection in good order.
    pub(super) async fn close(&self) {
        let deadline = self.state.deadlines.watch(self.transport.raw_fd());
        deadline.set(now().plus(DISCARD_TIMEOUT));
        self.transport.shutdown_write().await;
        self.transport.shutdown_both();
    }

    fn count(&self, end: ServerEnd) {
        let recorder = &self.state.recorder;
        recorder.http2_ended(end);
        match end {
            ServerEnd::Done | ServerEnd::Flood(_) | ServerEnd::Protocol => {}
            ServerEnd::Idle => recorder.deadline_fired(DeadlineKind::Idle),
            ServerEnd::HeadTimeout => recorder.deadline_fired(DeadlineKind::Head),
            ServerEnd::WriteTimeout => recorder.deadline_fired(DeadlineKind::Write),
        }
        if !matches!(end, ServerEnd::Done | ServerEnd::Idle) {
            tracing::debug!(peer = ?self.peer, ?end, "an HTTP/2 connection was ended");
        }
    }

    /// Counts a request; whether the connection may ask so often.
    fn admit(&self, at: Nanos, limits: &Limits) -> Result<(), Fault> {
        self.requests_count.set(self.requests_count.get() + 1);
        let requests_max = limits.requests_per_connection_max;
        if requests_max != 0 && self.requests_count.get() >= requests_max {
            self.control.ends.set(true);
        }
        self.rate.admit(at, limits)
    }
}

/// A connection, counted for as long as it is open, also if its task is dropped.
struct Open<'c> {
    connection: &'c Http2,
    end: ServerEnd,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.connection.count(self.end);
    }
}

/// A request under way, counted for as long as it is.
struct Counted {
    connection: Rc<Http2>,
    is_given_up: Cell<bool>,
}

impl Counted {
    fn new(connection: Rc<Http2>) -> Self {
        let count = &connection.control.streams_count;
        count.set(count.get() + 1);
        connection.state.recorder.http2_stream_opened();
        Self { connection, is_given_up: Cell::new(false) }
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        let count = &self.connection.control.streams_count;
        count.set(count.get().saturating_sub(1));
        self.connection.state.recorder.http2_stream_closed(self.is_given_up.get());
    }
}
