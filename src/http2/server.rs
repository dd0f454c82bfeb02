//! A client's connection: takes its requests in, one after the other, and ends it in good order.

use std::cell::Cell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::Reason;
use h2::server::{Builder, Connection};

use super::Incoming;
use super::drive::{Link, LinkTimeouts};
use super::pipe::Pipe;
use crate::base::Nanos;
use crate::model::Http2Limits;
use crate::proto::http2::{Flood, FrameWatch};
use crate::rt::{Buffers, Deadline, Deadlines, now};
use crate::transport::Transport;

/// What a connection is served with.
pub struct ServerOptions<'o> {
    /// The bounds on what the client may have the gateway do.
    pub limits: &'o Http2Limits,
    /// Longest head as the text of HTTP/1.1, in bytes.
    pub head_bytes_max: u32,
    /// How long the client may take.
    pub timeouts: LinkTimeouts,
    /// How long a connection may have no request under way.
    pub idle_timeout: Nanos,
    /// The shard's deadlines.
    pub deadlines: &'o Deadlines,
    /// The shard's buffers.
    pub buffers: &'o Buffers,
}

/// What a connection and the tasks of its streams tell each other.
#[derive(Debug, Default)]
pub struct ServerControl {
    /// Requests under way.
    pub streams_count: Cell<u32>,
    /// No more requests are wanted.
    pub ends: Cell<bool>,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ServerEnd {
    /// In good order, or the client went away.
    Done,
    /// It was idle for too long.
    Idle,
    /// The client sent too much of something; it was told to calm down.
    Flood(Flood),
    /// The client broke the protocol, or a bound of `h2` itself.
    Protocol,
    /// The preface or a head took too long.
    HeadTimeout,
    /// The client did not take what was sent.
    WriteTimeout,
}

/// Serves the connection to its end. `early` is what was read of it before; `take` gets each
/// request, and has to count it in `control`.
pub async fn serve(
    transport: &Transport,
    early: Vec<u8>,
    options: &ServerOptions<'_>,
    control: &ServerControl,
    is_draining: impl Fn() -> bool,
    take: impl FnMut(Incoming),
) -> ServerEnd {
    let shard = (options.deadlines, options.buffers);
    let watch = (FrameWatch::of_client(), options.limits.frames);
    let pipe = Pipe::default();
    pipe.fill(early);
    let link = Link::new(transport, shard, options.timeouts, watch, pipe);
    let serving = async {
        let shaking = builder(options).handshake::<_, Bytes>(link.pipe.clone()).await;
        let Ok(connection) = shaking else {
            if link.flood.get().is_some() {
                link.pipe.push(&CALM_DOWN); // `h2` has no connection yet that could say it
            }
            return Some(Closing::Failed);
        };
        let mut serving = Serving {
            connection,
            link: &link,
            options,
            control,
            is_draining,
            take,
            pause: options.deadlines.alarm(),
            last_word: options.deadlines.watch(transport.raw_fd()),
            was_idle: false,
            closing: None,
        };
        serving.time_pause();
        let is_failed = poll_fn(|context| serving.poll(context)).await;
        serving.closing.or(is_failed.then_some(Closing::Failed))
    };
    let closing = link.drive(serving).await;
    match (link.flood.get(), closing) {
        (Some(flood), _) => ServerEnd::Flood(flood),
        _ if link.is_head_late() => ServerEnd::HeadTimeout,
        _ if link.is_write_late() => ServerEnd::WriteTimeout,
        (_, Some(Closing::Idle)) => ServerEnd::Idle,
        (_, Some(Closing::Failed)) => ServerEnd::Protocol,
        (_, Some(Closing::Asked) | None) => ServerEnd::Done,
    }
}

fn builder(options: &ServerOptions<'_>) -> Builder {
    let limits = options.limits;
    let mut builder = h2::server::Builder::new();
    builder
        .max_concurrent_streams(limits.streams_per_connection_max)
        .initial_window_size(limits.stream_window_bytes)
        .initial_connection_window_size(limits.connection_window_bytes)
        // Beyond its own bound the parser answers, and the log tells; far beyond, `h2` does.
        .max_header_list_size(options.head_bytes_max.saturating_mul(4))
        .max_send_buffer_size(STREAM_SEND_BYTES_MAX)
        .max_pending_accept_reset_streams(limits.frames.resets_per_second_max as usize + 1)
        .enable_connect_protocol();
    builder
}

/// What of one stream may wait to be sent.
const STREAM_SEND_BYTES_MAX: usize = 64 * 1024;

/// GOAWAY with ENHANCE_YOUR_CALM, before any stream.
const CALM_DOWN: [u8; 17] = [0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 11];

/// How long a client has to say goodbye once it was told to.
const GOODBYE: Nanos = Nanos::from_millis(2_000);

/// A connection without pause is looked at this often.
const BUSY: Nanos = Nanos::from_millis(3_600_000);

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Closing {
    Idle,
    Asked,
    Failed,
}

struct Serving<'s, 'l, D, T> {
    connection: Connection<Pipe, Bytes>,
    link: &'s Link<'l>,
    options: &'s ServerOptions<'s>,
    control: &'s ServerControl,
    is_draining: D,
    take: T,
    /// Passes when nothing was asked for too long, and when the process drains.
    pause: Deadline,
    /// Ends the connection if the client does not.
    last_word: Deadline,
    was_idle: bool,
    closing: Option<Closing>,
}

impl<D: Fn() -> bool, T: FnMut(Incoming)> Serving<'_, '_, D, T> {
    /// Whether the connection has ended, and by an error.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<bool> {
        if self.link.flood.get().is_some() && self.closing != Some(Closing::Failed) {
            self.closing = Some(Closing::Failed);
            self.connection.abrupt_shutdown(Reason::ENHANCE_YOUR_CALM);
        }
        self.end_if_due(context);
        loop {
            match self.connection.poll_accept(context) {
                Poll::Ready(None) => return Poll::Ready(false),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(is_of_protocol(&error)),
                Poll::Ready(Some(Ok((request, respond)))) => {
                    let (head, body) = request.into_parts();
                    (self.take)(Incoming { head, body, respond });
                }
                Poll::Pending => break,
            }
        }
        let is_idle = self.control.streams_count.get() == 0;
        if is_idle != self.was_idle {
            self.was_idle = is_idle;
            self.time_pause();
            if is_idle && self.closing.is_some() {
                self.last_word.set(now().plus(GOODBYE));
            }
        }
        Poll::Pending
    }

    /// Says goodbye when it is time to.
    fn end_if_due(&mut self, context: &Context<'_>) {
        if self.closing.is_some() {
            return;
        }
        let is_idle = self.control.streams_count.get() == 0;
        self.closing = match self.pause.poll_passed(context) {
            _ if self.control.ends.get() || (self.is_draining)() => Some(Closing::Asked),
            Poll::Ready(()) if is_idle => Some(Closing::Idle),
            Poll::Ready(()) => {
                self.pause = self.options.deadlines.alarm();
                self.time_pause();
                let _ = self.pause.poll_passed(context);
                None
            }
            Poll::Pending => None,
        };
        if self.closing.is_some() {
            self.connection.graceful_shutdown();
            if is_idle {
                self.last_word.set(now().plus(GOODBYE));
            }
        }
    }

    fn time_pause(&self) {
        self.pause.set_idle(true);
        let span = if self.was_idle { self.options.idle_timeout } else { BUSY };
        self.pause.set(now().plus(span));
    }
}

/// Whether the client is to blame, rather than the network.
fn is_of_protocol(error: &h2::Error) -> bool {
    !error.is_io() && error.reason() != Some(Reason::NO_ERROR)
}
