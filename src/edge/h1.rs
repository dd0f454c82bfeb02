//! The driver of an HTTP/1 connection.
//!
//! While a connection is idle its task is small and holds no buffer: it waits for something to
//! read. Then a worker ([`super::worker`]) takes buffers from the shard's stock, serves what has come,
//! and gives them back when nothing is left to do.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::rc::Rc;

use super::proxied::read_proxy_header;
use super::refusal::{Refusal, Understood};
use super::worker::{Job, Stock};
use crate::base::limits::{BUFFER_BYTES, HEAD_BYTES_CEILING, REQUESTS_PER_TURN_MAX};
use crate::base::{Fault, Nanos, RequestId, ThrottleScope};
use crate::model::{Limits, ProxyProtocol};
use crate::observe::DeadlineKind;
use crate::pipeline::{
    BodyFate, Client, DISCARD_BYTES_MAX, DISCARD_TIMEOUT, ListenerContext, Persistence, Request,
    RequestBody, ShardState, Upload, serve, write_fault,
};
use crate::proto::{BodyFraming, HeadLimits, HeadScanner, RequestHead};
use crate::rt::{Deadline, Peer, Stream, now};
use crate::transport::Transport;

/// A shard's stock of what connections borrow while they have something to serve.
#[derive(Debug, Default)]
pub struct Workers(Stock<Http1>);

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
        second: Cell::new((0, 0)),
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
    let answer_bytes = write_fault(&mut out, fault, id, Persistence::Close, true, &date);
    let source_ip = listener.source_ip(peer, None);
    Refusal { id, fault, source_ip, understood: None, answer_bytes, started }.log(&state);
    let stream = Transport::from(stream);
    if stream.write_all(out, 0).await.0.is_ok() {
        linger(&state, &stream).await;
    }
    stream.shutdown_both();
}

struct Http1 {
    state: Rc<ShardState>,
    stream: Transport,
    deadline: Deadline,
    listener: Rc<ListenerContext>,
    peer: Cell<Peer>,
    awaits_proxy_header: Cell<bool>,
    requests_count: Cell<u64>,
    /// The second since start that is being counted, and the requests in it.
    second: Cell<(u64, u32)>,
    answer_started: Cell<bool>,
    /// See [`Client::waiting_bytes`].
    waiting_bytes: Cell<usize>,
    /// Answers that waited to be sent when a later request panicked.
    rescued: Cell<Vec<u8>>,
    must_reset: Cell<bool>,
    /// Still sends a body to a target, and reads from the client.
    upload: RefCell<Option<Rc<Upload>>>,
}

/// What the connection does next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    /// Waits for the next request; the instant is the end of the last one.
    Idle(Nanos),
    /// Closes.
    Close,
    /// Closes after reading what the client still sends, so that the answer is not lost.
    Linger,
}

/// A connection at work.
struct Work<'c> {
    buffers: WorkBuffers<'c>,
    head: Box<RequestHead>,
    scanner: HeadScanner,
    /// Where in the input the next request begins.
    start: usize,
    /// Answers in the output.
    answers_count: u32,
    /// When the latest read or answer was done.
    at: Nanos,
    /// When the first bytes of the head that is being read came; set by the first read that leaves
    /// it incomplete.
    head_since: Option<Nanos>,
}

/// Its buffers. They go back to their stock however the work ends.
struct WorkBuffers<'c> {
    /// What was read and not yet used up.
    input: Vec<u8>,
    /// Answers that were not yet sent.
    output: Vec<u8>,
    connection: &'c Http1,
}

impl<'c> WorkBuffers<'c> {
    fn new(connection: &'c Http1) -> Self {
        let stock = &connection.state.head_buffers;
        Self { input: stock.take(), output: stock.take(), connection }
    }
}

impl Drop for WorkBuffers<'_> {
    fn drop(&mut self) {
        let connection = self.connection;
        let stock = &connection.state.head_buffers;
        stock.put(std::mem::take(&mut self.input));
        let mut output = std::mem::take(&mut self.output);
        let waiting_bytes = connection.waiting_bytes.replace(0);
        if std::thread::panicking() && output.len() >= waiting_bytes {
            // The answers to the requests before the one that panicked are whole: they are sent.
            output.truncate(waiting_bytes);
            connection.rescued.set(output);
            stock.ledger().write_off();
        } else {
            stock.put(output);
        }
    }
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
    async fn run(self: &Rc<Self>, workers: &Workers) {
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
            match workers.0.work(self).await {
                Ok(Next::Idle(at)) => idle_since = at,
                Ok(Next::Close) => return,
                Ok(Next::Linger) => return Box::pin(self.linger()).await,
                Err(_) => return Box::pin(self.answer_panic()).await,
            }
        }
    }

    async fn serve_requests(&self, work: &mut Work<'_>) -> Next {
        if let Err(next) = self.read(work).await {
            return next;
        }
        if self.awaits_proxy_header.get()
            && let Err(next) = self.take_proxy_header(work).await
        {
            return next;
        }
        loop {
            let plan = self.state.plan();
            let limits = &plan.plan.limits;
            let head_limits = head_limits(limits);
            let found = work.scanner.find_end(&work.buffers.input[work.start..], &head_limits);
            let next = match found {
                Err(fault) => Some(self.refuse(work, fault, None)),
                Ok(Some(head_bytes)) => self.serve_one(work, head_bytes, limits).await,
                Ok(None) => {
                    if let Err(next) = self.flush(work).await {
                        return next;
                    }
                    match self.read_head(work, limits).await {
                        Ok(()) => continue,
                        Err(next) => Some(next),
                    }
                }
            };
            if let Some(next) = next {
                return match self.flush(work).await {
                    Ok(()) => next,
                    Err(next) => next,
                };
            }
            let is_idle = work.start == work.buffers.input.len();
            if (is_idle || work.answers_count >= REQUESTS_PER_TURN_MAX)
                && let Err(next) = self.flush(work).await
            {
                return next;
            }
            if is_idle {
                return Next::Idle(work.at);
            }
        }
    }

    /// Serves the request whose head lies at the front of the input. `Some` ends the connection or
    /// its turn.
    async fn serve_one(
        &self,
        work: &mut Work<'_>,
        head_bytes: usize,
        limits: &Limits,
    ) -> Option<Next> {
        let head_end = work.start + head_bytes;
        let parsed =
            work.head.parse(&work.buffers.input[work.start..head_end], &head_limits(limits));
        if let Err(fault) = parsed {
            return Some(self.refuse(work, fault, None));
        }
        if let Err(fault) = self.check_rate(work.at, limits) {
            return Some(self.refuse(work, fault, Some(head_end)));
        }
        if let Err(next) = self.complete_small_body(work, head_end, limits).await {
            return Some(next);
        }
        self.requests_count.set(self.requests_count.get() + 1);
        self.answer_started.set(false);
        let (before, after) = work.buffers.input.split_at_mut(work.start + head_bytes);
        let request = Request {
            head: &work.head,
            bytes: &before[work.start..],
            id: self.state.next_request_id(),
            started: work.at,
        };
        let mut body = RequestBody {
            framing: work.head.framing,
            early: after,
            awaits_continue: work.head.expect_continue,
            bytes_max: limits.body_bytes_max,
            fate: BodyFate::Untouched,
            chunked_bytes: 0,
            chunked_end: Cell::new(None),
        };
        let requests_max = limits.requests_per_connection_max;
        let client = Client {
            stream: &self.stream,
            deadline: &self.deadline,
            peer: self.peer.get(),
            listener: &self.listener,
            write_timeout: Nanos::from_millis(limits.write_timeout_ms),
            may_persist: requests_max == 0 || self.requests_count.get() < requests_max,
            answer_started: &self.answer_started,
            waiting_bytes: &self.waiting_bytes,
            must_reset: &self.must_reset,
        };
        let served =
            serve(&self.state, &client, &request, &mut body, &mut work.buffers.output).await;
        work.at = served.ended;
        work.answers_count += 1;
        self.waiting_bytes.set(work.buffers.output.len());
        let RequestBody { fate, chunked_end, .. } = body;
        if let BodyFate::Uploading(upload) = &fate {
            self.upload.replace(Some(Rc::clone(upload)));
        }
        if !served.goes_on {
            let has_body = work.head.framing != BodyFraming::None;
            return Some(if has_body { Next::Linger } else { Next::Close });
        }
        self.step_over_body(work, head_end, fate, chunked_end.get()).await
    }

    /// Moves the input behind the body of the request that was just served.
    async fn step_over_body(
        &self,
        work: &mut Work<'_>,
        head_end: usize,
        fate: BodyFate,
        chunked_end: Option<usize>,
    ) -> Option<Next> {
        work.scanner = HeadScanner::new();
        work.head_since = None;
        work.start = head_end;
        match fate {
            BodyFate::TakenWhole(surplus) => {
                work.buffers.input.clear();
                work.buffers.input.extend_from_slice(&surplus);
                work.start = 0;
                None
            }
            BodyFate::Abandoned | BodyFate::Uploading(_) => Some(Next::Linger),
            BodyFate::Untouched => match work.head.framing {
                BodyFraming::None | BodyFraming::UntilClose => None,
                BodyFraming::Length(length) => self.skip_length(work, length).await.err(),
                // It lies whole in the input, or the answer would have closed the connection.
                BodyFraming::Chunked => match chunked_end {
                    Some(bytes) => {
                        work.start += bytes;
                        None
                    }
                    None => Some(Next::Linger),
                },
            },
        }
    }

    /// Skips a body of known length, reading the rest of it if need be; answers that wait are sent
    /// first.
    async fn skip_length(&self, work: &mut Work<'_>, length: u64) -> Result<(), Next> {
        let early = (work.buffers.input.len() - work.start) as u64;
        if length <= early {
            work.start += usize::try_from(length).unwrap_or(usize::MAX);
            return Ok(());
        }
        debug_assert!(length - early <= DISCARD_BYTES_MAX);
        self.flush(work).await?;
        let mut left = length - early;
        work.start = 0;
        while left > 0 {
            work.buffers.input.clear();
            self.deadline.set_read(work.at.plus(DISCARD_TIMEOUT));
            let bytes_max = usize::try_from(left).unwrap_or(usize::MAX);
            let input = std::mem::take(&mut work.buffers.input);
            let (result, input) = self.stream.read_append_up_to(input, bytes_max).await;
            work.buffers.input = input;
            match result {
                Ok(count) if count > 0 => left -= count as u64,
                _ => {
                    self.count_passed(DeadlineKind::Body);
                    return Err(Next::Close);
                }
            }
        }
        work.buffers.input.clear();
        work.at = now();
        Ok(())
    }

    /// Reads a short body to its end before the request is served, so that it can be sent again
    /// should a target fail.
    async fn complete_small_body(
        &self,
        work: &mut Work<'_>,
        head_end: usize,
        limits: &Limits,
    ) -> Result<(), Next> {
        let BodyFraming::Length(length) = work.head.framing else {
            return Ok(());
        };
        let early = work.buffers.input.len() - head_end;
        if length <= early as u64 || length > SMALL_BODY_BYTES || work.head.expect_continue {
            return Ok(());
        }
        self.flush(work).await?;
        let body_bytes = usize::try_from(length).unwrap_or(usize::MAX);
        let end = head_end + body_bytes;
        if end > work.buffers.input.capacity() {
            work.buffers.input.reserve(end - work.buffers.input.len());
        }
        while work.buffers.input.len() < end {
            let due = now().plus(Nanos::from_millis(limits.body_timeout_ms));
            self.deadline.set_read(due);
            let input = std::mem::take(&mut work.buffers.input);
            let (result, input) = self.stream.read_append(input).await;
            work.buffers.input = input;
            if !matches!(result, Ok(count) if count > 0) {
                return Err(self.end_of_input(work, DeadlineKind::Body, Some(head_end)));
            }
        }
        Ok(())
    }

    /// Reads once. At the end of input the connection closes without a word.
    async fn read(&self, work: &mut Work<'_>) -> Result<(), Next> {
        let input = std::mem::take(&mut work.buffers.input);
        let (result, input) = self.stream.read_append(input).await;
        work.buffers.input = input;
        work.at = now();
        match result {
            Ok(count) if count > 0 => Ok(()),
            _ => Err(Next::Close),
        }
    }

    /// Reads more of a head that is not complete.
    async fn read_head(&self, work: &mut Work<'_>, limits: &Limits) -> Result<(), Next> {
        if work.start > 0 {
            work.buffers.input.drain(..work.start);
            work.start = 0;
        }
        if work.buffers.input.len() == work.buffers.input.capacity() {
            let bytes_max = HEAD_BYTES_CEILING + BUFFER_BYTES;
            work.buffers.input.reserve(bytes_max.saturating_sub(work.buffers.input.len()).max(1));
        }
        let head_timeout = Nanos::from_millis(limits.head_timeout_ms);
        let head_since = *work.head_since.get_or_insert(work.at);
        self.deadline.set_read(head_since.plus(head_timeout));
        let was_empty = work.buffers.input.is_empty();
        match self.read(work).await {
            Ok(()) => Ok(()),
            Err(_) if was_empty => Err(Next::Close),
            Err(_) => Err(self.end_of_input(work, DeadlineKind::Head, None)),
        }
    }

    /// The input ended in the middle of a request: an answer if it was slow, else nothing.
    fn end_of_input(
        &self,
        work: &mut Work<'_>,
        kind: DeadlineKind,
        head_end: Option<usize>,
    ) -> Next {
        if self.count_passed(kind) {
            self.refuse(work, Fault::RequestTimeout, head_end);
        } else {
            self.state.recorder.connection_fault(Fault::ClientGone);
            let id = self.state.next_request_id();
            self.log_refusal(work, Fault::ClientGone, id, head_end, 0);
        }
        Next::Close
    }

    /// Counts the connection's deadline as `kind` if it has passed; whether it has.
    fn count_passed(&self, kind: DeadlineKind) -> bool {
        let has_passed = self.deadline.passed();
        if has_passed {
            self.state.recorder.deadline_fired(kind);
        }
        has_passed
    }

    async fn take_proxy_header(&self, work: &mut Work<'_>) -> Result<(), Next> {
        // Whoever is not the proxy could claim any address: not a word to them.
        if !self.is_from_trusted_proxy() {
            self.state.recorder.connection_fault(Fault::BadProxyHeader);
            return Err(Next::Close);
        }
        let limits = self.state.plan().plan.limits.head_timeout_ms;
        self.deadline.set_read(work.at.plus(Nanos::from_millis(limits)));
        let input = std::mem::take(&mut work.buffers.input);
        let (result, input) = read_proxy_header(&self.stream, input).await;
        work.buffers.input = input;
        match result {
            Ok(source) => {
                if let Some(source) = source {
                    self.peer.set(source);
                }
                self.awaits_proxy_header.set(false);
                self.deadline.clear();
                Ok(())
            }
            Err(fault) => {
                // Whoever speaks no PROXY protocol here is not the proxy: not a word to them.
                self.count_passed(DeadlineKind::Head);
                self.state.recorder.connection_fault(fault);
                Err(Next::Close)
            }
        }
    }

    /// Whether the socket's peer may say who the client is. Only this machine reaches a unix socket.
    fn is_from_trusted_proxy(&self) -> bool {
        match self.peer.get() {
            Peer::Tcp(address) => self.listener.trusts(address.ip().to_canonical()),
            Peer::Unix => true,
        }
    }

    /// Appends the answer to a request that cannot be served; the connection ends with it.
    /// `head_end` is where its head ends in the input, if it was understood.
    fn refuse(&self, work: &mut Work<'_>, fault: Fault, head_end: Option<usize>) -> Next {
        self.state.recorder.connection_fault(fault);
        let id: RequestId = self.state.next_request_id();
        // The table may still hold the request before: only the bytes tell what this one is.
        let has_body = !work.buffers.input[work.start..].starts_with(b"HEAD ");
        let (date, out) = (self.state.http_date(), &mut work.buffers.output);
        let answer_bytes = write_fault(out, fault, id, Persistence::Close, has_body, &date);
        self.log_refusal(work, fault, id, head_end, answer_bytes);
        Next::Linger
    }

    /// Writes the access-log line of a request that comes to no phase.
    fn log_refusal(
        &self,
        work: &Work<'_>,
        fault: Fault,
        id: RequestId,
        head_end: Option<usize>,
        answer_bytes: usize,
    ) {
        let input = &work.buffers.input;
        let understood = head_end.map(|end| Understood {
            head: &work.head,
            bytes: &input[work.start..end],
            early_bytes: input.len() - end,
        });
        let head = understood.map(|one| (one.head, one.bytes));
        let source_ip = self.listener.source_ip(self.peer.get(), head);
        let started = work.head_since.unwrap_or(work.at);
        Refusal { id, fault, source_ip, understood, answer_bytes, started }.log(&self.state);
    }

    /// Counts requests per second of this connection.
    fn check_rate(&self, at: Nanos, limits: &Limits) -> Result<(), Fault> {
        let requests_max = limits.requests_per_connection_per_second_max;
        if requests_max == 0 {
            return Ok(());
        }
        let this_second = at.as_millis() / 1_000;
        let (second, count) = self.second.get();
        let count = if second == this_second { count + 1 } else { 1 };
        self.second.set((this_second, count));
        if count <= requests_max {
            return Ok(());
        }
        let retry_after_ms = 1_000 - u32::try_from(at.as_millis() % 1_000).unwrap_or(0);
        Err(Fault::Throttled { scope: ThrottleScope::Connection, retry_after_ms })
    }

    /// Sends the answers that wait.
    async fn flush(&self, work: &mut Work<'_>) -> Result<(), Next> {
        if work.buffers.output.is_empty() {
            return Ok(());
        }
        let plan = self.state.plan();
        let write_timeout = Nanos::from_millis(plan.plan.limits.write_timeout_ms);
        self.answer_started.set(true); // until it is out, nothing else may be said
        let mut output = std::mem::take(&mut work.buffers.output);
        let mut written = 0;
        while written < output.len() {
            self.deadline.set(work.at.plus(write_timeout));
            let (result, same_output) = self.stream.write_some(output, written).await;
            output = same_output;
            match result {
                Ok(count) => written += count,
                Err(_) => {
                    self.count_passed(DeadlineKind::Write);
                    return Err(Next::Close);
                }
            }
            if written < output.len() {
                work.at = now();
            }
        }
        output.clear();
        work.buffers.output = output;
        work.answers_count = 0;
        self.waiting_bytes.set(0);
        self.answer_started.set(false);
        Ok(())
    }

    async fn linger(&self) {
        // With an upload in flight the end of file must do: its read keeps the socket open.
        if self.must_reset.get() && self.upload.borrow().is_none() {
            return;
        }
        self.must_reset.set(false);
        self.deadline.set(now().plus(DISCARD_TIMEOUT));
        // Two tasks must not read from one socket.
        let upload = self.upload.take().filter(|upload| !upload.has_ended());
        if let Some(upload) = upload {
            self.stream.shutdown_write().await;
            return upload.discard().await;
        }
        linger(&self.state, &self.stream).await;
    }

    /// Sends the answers that waited and a 500 after a panic, if no answer had begun.
    async fn answer_panic(&self) {
        self.state.recorder.panicked();
        let (id, fault) = (self.state.next_request_id(), Fault::Panicked);
        let source_ip = self.listener.source_ip(self.peer.get(), None);
        let (understood, started) = (None, now());
        let mut line = Refusal { id, fault, source_ip, understood, answer_bytes: 0, started };
        if self.answer_started.get() {
            return line.log(&self.state);
        }
        let (mut out, date) = (self.rescued.take(), self.state.http_date());
        line.answer_bytes = write_fault(&mut out, fault, id, Persistence::Close, true, &date);
        line.log(&self.state);
        self.deadline.set(now().plus(DISCARD_TIMEOUT));
        if self.stream.write_all(out, 0).await.0.is_ok() {
            self.linger().await;
        }
    }
}

/// Ends the sending direction and reads on for a while: closing with unread input would reset the
/// connection and could take the answer away from the client (RFC 9112 section 9.6). The caller has
/// set a deadline.
pub(super) async fn linger(state: &ShardState, stream: &Transport) {
    stream.shutdown_write().await;
    let mut buffer = state.body_buffers.take();
    let mut left = 16 * DISCARD_BYTES_MAX;
    loop {
        buffer.clear();
        let (result, same_buffer) = stream.read_append(buffer).await;
        buffer = same_buffer;
        match result {
            Ok(count) if count > 0 && left > count as u64 => left -= count as u64,
            _ => break,
        }
    }
    state.body_buffers.put(buffer);
}

/// Bodies up to this length are read whole before the request is forwarded.
const SMALL_BODY_BYTES: u64 = 16 * 1024;

fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        request_line_bytes_max: limits.request_line_bytes_max,
        head_bytes_max: limits.head_bytes_max,
        headers_count_max: limits.headers_count_max,
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
