//! The driver of an HTTP/1 connection.
//!
//! While a connection is idle its task is small and holds no buffer: it waits for something to
//! read. Then a worker (`edge::worker`) takes buffers from the shard's stock, serves what has come,
//! and gives them back when nothing is left to do.

mod input;
mod output;
mod requests;
mod work;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

pub(super) use output::linger;
use work::{Work, WorkBuffers};

use super::refusal::Refusal;
use super::request_rate::RequestRate;
use super::worker::Job;
use super::{Workers, h2};
use crate::base::{Fault, Nanos};
use crate::model::ProxyProtocol;
use crate::observe::DeadlineKind;
use crate::pipeline::{
    DISCARD_TIMEOUT, ListenerContext, Persistence, ShardState, Upload, write_fault,
};
use crate::proto::HeadScanner;
use crate::rt::{Deadline, Peer, Stream, now};
use crate::transport::Transport;

/// Serves a client's connection to its end; `held` is dropped then. The connection's state is
/// made before the task, which so holds little: an idle connection keeps its task in memory.
pub fn serve_connection<H>(
    state: Rc<ShardState>,
    workers: Rc<Workers>,
    stream: Transport,
    peer: Peer,
    listener: Rc<ListenerContext>,
    held: H,
) -> impl Future<Output = ()> + use<H> {
    let deadline = state.deadlines.watch(stream.raw_fd());
    // Over TLS it came before the handshake.
    let awaits_proxy_header = matches!(stream, Transport::Plain(_))
        && listener.listener.proxy_protocol == ProxyProtocol::Required;
    let connection = Rc::new(Http1 {
        peer: Cell::new(peer),
        awaits_proxy_header: Cell::new(awaits_proxy_header),
        requests_count: Cell::new(0),
        rate: RequestRate::default(),
        answer_started: Cell::new(false),
        waiting_bytes: Cell::new(0),
        rescued: Cell::default(),
        must_reset: Cell::new(false),
        upload: RefCell::default(),
        state,
        stream,
        deadline,
        listener,
    });
    async move {
        let _held = &held;
        connection.run(&workers).await;
        if connection.stream.has_unsent() {
            connection.deadline.set(now().plus(DISCARD_TIMEOUT));
            let _ = Box::pin(connection.stream.flush()).await;
        }
        if connection.must_reset.get() {
            return connection.stream.reset_on_close();
        }
        if connection.stream.tls().is_some() {
            connection.deadline.set(now().plus(DISCARD_TIMEOUT));
            // An end without a word of it is a connection that was cut (RFC 8446 section 6.1).
            Box::pin(connection.stream.shutdown_write()).await;
        }
        // An operation in flight, if any, returns and lets the descriptor go.
        connection.stream.shutdown_both();
    }
}

/// Answers a connection that is not served with `fault`, and closes it.
pub async fn refuse_connection(
    state: Rc<ShardState>,
    stream: Stream,
    peer: Peer,
    listener: Rc<ListenerContext>,
    fault: Fault,
) {
    let deadline = state.deadlines.watch(stream.raw_fd());
    let started = now();
    deadline.set(started.plus(DISCARD_TIMEOUT));
    let mut out = Vec::new();
    let (id, date) = (state.next_request_id(), state.http_date());
    let answer_bytes = write_fault(&mut out, fault, None, id, Persistence::Close, true, &date);
    let source_ip = listener.source_ip(peer, None);
    Refusal { id, fault, source_ip, tls: None, understood: None, answer_bytes, started }
        .log(&state);
    let stream = Transport::from(stream);
    if stream.write_all(out, 0).await.0.is_ok() {
        linger(&state, &stream).await;
    }
    stream.shutdown_both();
}

pub(super) struct Http1 {
    state: Rc<ShardState>,
    stream: Transport,
    deadline: Deadline,
    listener: Rc<ListenerContext>,
    peer: Cell<Peer>,
    awaits_proxy_header: Cell<bool>,
    requests_count: Cell<u64>,
    rate: RequestRate,
    answer_started: Cell<bool>,
    /// See [`crate::pipeline::Http1Link::waiting_bytes`].
    waiting_bytes: Cell<usize>,
    /// Answers that waited to be sent when a later request panicked, or what was read of a
    /// connection that goes on as HTTP/2.
    rescued: Cell<Vec<u8>>,
    must_reset: Cell<bool>,
    /// Still sends a body to a target, and reads from the client.
    upload: RefCell<Option<Rc<Upload>>>,
}

/// What the connection does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Next {
    /// Waits for the next request; the instant is the end of the last one.
    Idle(Nanos),
    /// Closes.
    Close,
    /// Closes after reading what the client still sends, so that the answer is not lost.
    Linger,
    /// Goes on as HTTP/2; what was read of it is in `rescued`.
    Http2,
}

impl Job for Http1 {
    type Done = Next;

    /// Serves what has come, to the point where the connection is idle again or ends.
    async fn work(&self) -> Next {
        let mut work = Work {
            buffers: WorkBuffers::new(self),
            head: self.state.take_request_head(),
            scanner: HeadScanner::new(),
            start: 0,
            answers_count: 0,
            at: Nanos(0),
            head_since: None,
        };
        let next = self.serve_requests(&mut work).await;
        self.state.put_request_head(work.head);
        next
    }
}

impl Http1 {
    async fn run(self: &Rc<Self>, workers: &Rc<Workers>) {
        let mut idle_since = now();
        loop {
            let idle_timeout_ms = self.state.plan().plan.limits.idle_timeout_ms;
            self.deadline.set(idle_since.plus(Nanos::from_millis(idle_timeout_ms)));
            // A connection that has not asked anything yet is not idle: its request may be on its way.
            self.deadline.set_idle(self.requests_count.get() > 0);
            if self.state.draining.get() && self.requests_count.get() > 0 {
                return;
            }
            if self.stream.readable().await.is_err() || self.deadline.passed() {
                // Draining ends idle connections the same way.
                if self.deadline.passed() && !self.state.draining.get() {
                    self.state.recorder.deadline_fired(DeadlineKind::Idle);
                }
                return;
            }
            self.deadline.set_idle(false);
            match workers.http1.work(self).await {
                Ok(Next::Idle(at)) => idle_since = at,
                Ok(Next::Close) => return,
                Ok(Next::Linger) => return Box::pin(self.linger()).await,
                Ok(Next::Http2) => return Box::pin(self.serve_http2(workers)).await,
                Err(_) => return Box::pin(self.answer_panic()).await,
            }
        }
    }
}

impl Http1 {
    /// Serves a client that began with HTTP/2.
    async fn serve_http2(&self, workers: &Rc<Workers>) {
        self.deadline.clear();
        let connection = h2::Http2::new(
            Rc::clone(&self.state),
            self.stream.clone(),
            self.peer.get(),
            Rc::clone(&self.listener),
        );
        connection.run(workers, self.rescued.take()).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn future_bytes<A, B, C, D, E, H, F>(_: impl Fn(A, B, C, D, E, H) -> F) -> usize {
        size_of::<F>()
    }

    /// What 100,000 idle connections cost is decided here: a value held across the wait for the
    /// next request, or a task that keeps its arguments, is paid for by each of them.
    #[test]
    fn an_idle_connection_is_small() {
        assert!(future_bytes(serve_connection::<Rc<()>>) <= 192, "the task's future");
        assert!(size_of::<Http1>() <= 160, "what it shares with its worker");
    }
}
