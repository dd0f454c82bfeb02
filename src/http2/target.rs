//! A connection to a target, which many requests share.

use std::cell::{Cell, OnceCell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{Error, Reason, RecvStream};
use http::Response;

use super::drive::{Link, LinkTimeouts};
use super::heads::{read_request, write_response};
use super::pipe::Pipe;
use super::{ReceiveBody, SendBody, StreamGone};
use crate::base::Nanos;
use crate::base::limits::{BUFFER_BYTES, HEAD_BYTES_CEILING};
use crate::proto::http2::{FrameLimits, FrameWatch};
use crate::rt::{Buffers, Deadline, Deadlines, now};
use crate::transport::Transport;

/// What a connection to a target is driven with.
#[derive(Clone, Debug)]
pub struct TargetOptions {
    /// How long the target may take.
    pub timeouts: LinkTimeouts,
    /// The shard's deadlines.
    pub deadlines: Deadlines,
}

/// A connection that is there for requests.
pub struct TargetConnection {
    send: RefCell<SendRequest<Bytes>>,
    scheme: &'static str,
    standing: Rc<Standing>,
    /// Requests under way.
    calls_count: Cell<usize>,
    requests_count: Cell<u64>,
    idle_since: Cell<Nanos>,
}

/// What is known of a connection beside its streams.
#[derive(Default)]
struct Standing {
    is_over: Cell<bool>,
    /// The target has said how many requests it takes at once.
    is_greeted: Cell<bool>,
    /// Who waits for that.
    waiters: RefCell<Vec<Waker>>,
}

impl Standing {
    fn greet(&self) {
        if !self.is_greeted.replace(true) {
            self.waiters.take().into_iter().for_each(Waker::wake);
        }
    }
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallFailure {
    /// The request cannot be written in HTTP/2.
    Malformed,
    /// The target has not looked at the request and never will: it is safe to send it elsewhere.
    Refused,
    /// The connection or the stream ended.
    Reset,
    /// The target broke the protocol.
    BadAnswer,
    /// The deadline passed.
    TimedOut,
}

/// Begins HTTP/2 on `transport`: the connection, and what drives it, a task to spawn.
pub async fn connect(
    transport: Transport,
    options: TargetOptions,
) -> Result<(Rc<TargetConnection>, impl Future<Output = ()> + 'static), StreamGone> {
    let pipe = Pipe::default();
    let mut builder = h2::client::Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(UNTOLD_STREAMS_COUNT)
        .initial_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .max_header_list_size(HEAD_BYTES_CEILING as u32)
        .max_send_buffer_size(STREAM_SEND_BYTES_MAX);
    let shaken = builder.handshake::<_, Bytes>(pipe.clone()).await;
    let (send, connection) = shaken.map_err(|_| StreamGone)?;
    let standing = Rc::new(Standing::default());
    let target = TargetConnection {
        send: RefCell::new(send),
        scheme: if transport.tls().is_some() { "https" } else { "http" },
        standing: Rc::clone(&standing),
        calls_count: Cell::new(0),
        requests_count: Cell::new(0),
        idle_since: Cell::new(now()),
    };
    let driver = async move {
        let over = Over { standing, transport };
        let buffers = Buffers::new(BUFFER_BYTES, 1);
        let shard = (&options.deadlines, &buffers);
        let watch = (FrameWatch::of_server(), TARGET_FRAMES);
        let link = Link::new(&over.transport, shard, options.timeouts, watch, pipe);
        let mut connection = pin!(connection);
        let serving = poll_fn(|context| {
            let polled = connection.as_mut().poll(context);
            if connection.max_concurrent_send_streams() != UNTOLD_STREAMS_COUNT {
                over.standing.greet();
            }
            polled
        });
        if let Err(error) = link.drive(serving).await {
            tracing::debug!(%error, "an HTTP/2 connection to a target ended");
        }
    };
    Ok((Rc::new(target), driver))
}

/// Says that a connection is over, however its driver ends.
struct Over {
    standing: Rc<Standing>,
    transport: Transport,
}

impl Drop for Over {
    fn drop(&mut self) {
        self.standing.is_over.set(true);
        self.standing.greet(); // nobody need wait any longer
        self.transport.shutdown_both();
    }
}

/// Stands for the number of requests that a target takes at once, until it has said one.
const UNTOLD_STREAMS_COUNT: usize = usize::MAX - 1;

/// What a target may send of one body before a client takes it.
const STREAM_WINDOW_BYTES: u32 = 256 * 1024;

/// What a target may send of all bodies before clients take them.
const CONNECTION_WINDOW_BYTES: u32 = 4 * 1024 * 1024;

/// What of one body may wait to be sent.
const STREAM_SEND_BYTES_MAX: usize = 64 * 1024;

/// Targets are configured, not strangers: only what would not end is bounded.
const TARGET_FRAMES: FrameLimits = FrameLimits {
    resets_per_second_max: u32::MAX,
    control_frames_per_second_max: 100_000,
    continuation_frames_max: 64,
    window_updates_per_second_max: u32::MAX,
    tiny_data_frames_per_second_max: u32::MAX,
};

impl TargetConnection {
    /// Whether it is not known yet how many requests the target takes at once. One more than that
    /// would be refused, or wait behind the others.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        !self.standing.is_greeted.get()
    }

    /// Waits until that is known, or the connection is over.
    pub(crate) fn poll_told(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_untold() {
            self.standing.waiters.borrow_mut().push(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(())
    }

    /// Whether one more request may be sent now.
    #[must_use]
    pub fn has_room(&self) -> bool {
        if self.standing.is_over.get() || self.is_untold() {
            return false;
        }
        let mut send = self.send.borrow_mut();
        let ready = send.poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Ok(())))
            && self.calls_count.get() < send.current_max_send_streams()
    }

    /// Whether it is of no more use: its end is known, or the target takes no more requests.
    #[must_use]
    pub fn is_over(&self) -> bool {
        let mut send = self.send.borrow_mut();
        let ready = send.poll_ready(&mut Context::from_waker(Waker::noop()));
        self.standing.is_over.get() || matches!(ready, Poll::Ready(Err(_)))
    }

    /// Since when no request is under way, if none is.
    #[must_use]
    pub fn idle_since(&self) -> Option<Nanos> {
        (self.calls_count.get() == 0).then(|| self.idle_since.get())
    }

    /// Requests that it has carried.
    #[must_use]
    pub fn requests_count(&self) -> u64 {
        self.requests_count.get()
    }

    /// Sends the request whose head is `text`, which has no body if it `ends`. `deadline` is an alarm.
    pub fn call(
        self: &Rc<Self>,
        text: &[u8],
        ends: bool,
        deadline: Deadline,
    ) -> Result<Call, CallFailure> {
        let request = read_request(text, self.scheme).map_err(|_| CallFailure::Malformed)?;
        let sent = self.send.borrow_mut().send_request(request, ends);
        let (response, stream) = sent.map_err(|error| {
            // What remains are requests that HTTP/2 does not have.
            let is_of_connection = error.is_io() || error.is_go_away() || error.is_reset();
            if is_of_connection { CallFailure::Refused } else { CallFailure::Malformed }
        })?;
        self.calls_count.set(self.calls_count.get() + 1);
        self.requests_count.set(self.requests_count.get() + 1);
        Ok(Call {
            response: RefCell::new(response),
            send: Rc::new(SendBody::new(stream)),
            body: OnceCell::new(),
            deadline,
            connection: Rc::clone(self),
        })
    }
}

/// One request on its way, and its answer. Dropped before that is complete, it is given up.
pub struct Call {
    response: RefCell<ResponseFuture>,
    send: Rc<SendBody>,
    /// From the head of the final answer on.
    body: OnceCell<ReceiveBody>,
    /// An alarm; what it bounds is the caller's to say.
    pub deadline: Deadline,
    connection: Rc<TargetConnection>,
}

impl Call {
    /// The request's body.
    #[must_use]
    pub fn send(&self) -> &Rc<SendBody> {
        &self.send
    }

    /// The answer's body, once its head is there.
    #[must_use]
    pub fn body(&self) -> Option<&ReceiveBody> {
        self.body.get()
    }

    /// Waits for the next head, interim or final, and appends it as the text of HTTP/1.1.
    pub async fn head(&self, out: &mut Vec<u8>) -> Result<(), CallFailure> {
        let head = poll_fn(|context| {
            match self.poll_head(context) {
                Poll::Pending => {}
                ready => return ready,
            }
            self.deadline.poll_passed(context).map(|()| Err(CallFailure::TimedOut))
        });
        let (head, body) = head.await?.into_parts_of_answer();
        write_response(out, &head);
        if let Some(body) = body {
            let _ = self.body.set(ReceiveBody::new(body));
        }
        Ok(())
    }

    fn poll_head(&self, context: &mut Context<'_>) -> Poll<Result<Head, CallFailure>> {
        let mut response = self.response.borrow_mut();
        if let Poll::Ready(Some(interim)) = response.poll_informational(context) {
            return Poll::Ready(interim.map(Head::Interim).map_err(|error| failure(&error)));
        }
        std::pin::Pin::new(&mut *response)
            .poll(context)
            .map(|answer| answer.map(Head::Final).map_err(|error| failure(&error)))
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if Rc::strong_count(&self.send) > 1 {
            // Whoever still sends would keep the stream open; `h2` gives up what nobody holds.
            self.send.cancel();
        }
        let connection = &self.connection;
        connection.calls_count.set(connection.calls_count.get().saturating_sub(1));
        connection.idle_since.set(now());
    }
}

enum Head {
    Interim(Response<()>),
    Final(Response<RecvStream>),
}

impl Head {
    fn into_parts_of_answer(self) -> (Response<()>, Option<RecvStream>) {
        match self {
            Self::Interim(head) => (head, None),
            Self::Final(answer) => {
                let (parts, body) = answer.into_parts();
                (Response::from_parts(parts, ()), Some(body))
            }
        }
    }
}

fn failure(error: &Error) -> CallFailure {
    match error.reason() {
        Some(Reason::REFUSED_STREAM) if error.is_remote() => CallFailure::Refused,
        // It names the last request that it looked at, and this is a later one.
        _ if error.is_go_away() && error.is_remote() => CallFailure::Refused,
        _ if error.is_library() => CallFailure::BadAnswer,
        _ => CallFailure::Reset,
    }
}
