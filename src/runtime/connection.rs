//! A connection on which a runtime speaks the Runtime API.

use std::rc::Rc;
use std::sync::Arc;

use super::body::BodyEnd;
use super::call::{CallState, FunctionAnswer};
use super::process::{Given, NextSlot};
use super::registry::Runtimes;
use super::streamed_answer::{Parts, StreamedAnswer};
use crate::base::limits::HEADERS_COUNT_MAX;
use crate::coord::{EndReason, HostMessage, RuntimeConnection, RuntimeProcess};
use crate::lambda::{RuntimeReply, RuntimeRequest};
use crate::proto::{BodyFraming, FieldName, HeadLimits, HeadScanner, RequestHead};
use crate::rt::Stream;

/// A connection and what was read of it.
pub(super) struct Connection {
    runtimes: Rc<Runtimes>,
    process: Arc<RuntimeProcess>,
    stream: Stream,
    /// `[..start]` is used up.
    input: Vec<u8>,
    start: usize,
    head: RequestHead,
    /// Replies that were not sent, as the next request had come with the one that they are to: they leave
    /// with what that is answered.
    waiting_out: Vec<u8>,
}

/// What a request asked for, once all of it that is at hand was looked at.
enum Asked {
    Next,
    /// To take what ends this call.
    Answer(Option<Rc<CallState>>),
    Error(Option<Rc<CallState>>),
    InitError,
    Unknown,
}

/// The connection ends, or belongs to another shard now.
struct Over;

impl Connection {
    /// One that was accepted for this shard, or moved to it. `None` if it cannot be taken over.
    pub(super) fn open(runtimes: &Rc<Runtimes>, from: RuntimeConnection) -> Option<Self> {
        let RuntimeConnection { process, fd, mut unread, .. } = from;
        let stream = Stream::from_std_tcp(fd.into()).ok()?;
        unread.reserve(INPUT_BYTES.saturating_sub(unread.len()));
        Some(Self {
            runtimes: Rc::clone(runtimes),
            process,
            stream,
            input: unread,
            start: 0,
            head: RequestHead::new(),
            waiting_out: Vec::new(),
        })
    }

    /// Serves it to its end. `waits` says that it has asked for an event already.
    pub(super) async fn serve(mut self, mut waits: bool) {
        loop {
            let served = if waits { self.wait().await } else { Ok(()) };
            let Ok(()) = served else { return };
            match self.serve_request().await {
                Ok(is_next) => waits = is_next,
                Err(Over) => return,
            }
            if waits && self.process.shard() != self.runtimes.shard() {
                return self.leave(true).await;
            }
        }
    }

    /// Waits for an event, and writes it.
    async fn wait(&mut self) -> Result<(), Over> {
        let Some(runtime) = self.runtimes.runtime(&self.process) else { return Err(Over) };
        let slot = NextSlot::new(self.stream.clone());
        if runtime.asks(Rc::clone(&slot)) {
            self.runtimes.waits(&runtime);
        } else if runtime.is_gone() {
            return Err(Over);
        }
        match slot.given().await {
            Given::Event(answer) => {
                let mut out = std::mem::take(&mut self.waiting_out);
                if out.is_empty() {
                    out = answer;
                } else {
                    out.extend_from_slice(&answer);
                }
                if self.stream.write_all(out, 0).await.0.is_ok() {
                    return Ok(());
                }
                // Nothing of it can have been acted on: no runtime acts on a part of an answer.
                self.runtimes.not_given(&self.process);
                Err(Over)
            }
            Given::Move => {
                self.leave(true).await;
                Err(Over)
            }
            Given::Close => Err(Over),
        }
    }

    /// Reads one request and answers it, but for one for an event: whether it was that.
    async fn serve_request(&mut self) -> Result<bool, Over> {
        let head_bytes = self.read_head().await?;
        if self.process.shard() != self.runtimes.shard() {
            self.leave(false).await;
            return Err(Over);
        }
        let bytes = &self.input[self.start..self.start + head_bytes];
        if self.head.parse(bytes, &HEAD_LIMITS).is_err() {
            return self.refuse("its request cannot be read").await;
        }
        let asked = self.asked(bytes);
        let streams = self
            .head
            .field_by_name(bytes, b"lambda-runtime-function-response-mode")
            .is_some_and(|field| field.value.of(bytes).eq_ignore_ascii_case(b"streaming"));
        let continues = self.head.field(FieldName::Expect).is_some();
        let (framing, keep_alive) = (self.head.framing, self.head.keep_alive);
        self.start += head_bytes;
        let mut parts = self.parts(framing);
        if continues && parts.is_awaited() {
            self.send_waiting().await?;
            let interim = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
            self.stream.write_all(interim, 0).await.0.map_err(|_| Over)?;
        }
        let reply = match asked {
            Asked::Next => {
                let is_empty = read_off(&mut parts).await;
                self.take_back(parts);
                // A runtime that closes its connection after each answer cannot be given an event.
                return if is_empty && keep_alive { Ok(true) } else { self.ask_once().await };
            }
            Asked::Answer(Some(call)) if streams && call.wants_stream => {
                let (body, handed_back) = StreamedAnswer::hand_out(parts);
                call.answer(FunctionAnswer::Streamed(body));
                parts = handed_back.parts().await;
                self.runtimes.answered(&self.process);
                read_off(&mut parts).await;
                RuntimeReply::Accepted
            }
            Asked::Answer(Some(call)) => self.take_answer(&call, &mut parts).await?,
            Asked::Error(Some(call)) => self.take_error(&call, &mut parts).await?,
            Asked::InitError => {
                let error = read_whole(&mut parts).await.unwrap_or_default();
                let error = String::from_utf8_lossy(&error).into_owned();
                let process = Arc::clone(&self.process);
                self.process.function.tell_host(HostMessage::InitFailed { process, error });
                RuntimeReply::Accepted
            }
            Asked::Answer(None) | Asked::Error(None) => RuntimeReply::UnknownRequest,
            Asked::Unknown => RuntimeReply::NotFound,
        };
        let is_read = read_off(&mut parts).await;
        self.take_back(parts);
        self.reply(reply, keep_alive && is_read).await?;
        Ok(false)
    }

    /// Reads an answer whole, and ends the call with it.
    async fn take_answer(&self, call: &CallState, parts: &mut Parts) -> Result<RuntimeReply, Over> {
        let reply = match read_whole(parts).await {
            Err(Unread::Broken) => return Err(Over),
            Err(Unread::TooLong) => {
                call.fail("Function.ResponseSizeTooLarge", TOO_LONG);
                RuntimeReply::TooLarge { bytes_max: ANSWER_BYTES_MAX }
            }
            Err(Unread::Failed(error)) => {
                call.failed(error);
                RuntimeReply::Accepted
            }
            Ok(body) => {
                call.answer(FunctionAnswer::Whole(body));
                RuntimeReply::Accepted
            }
        };
        self.runtimes.answered(&self.process);
        Ok(reply)
    }

    /// Reads an error, and ends the call with it.
    async fn take_error(&self, call: &CallState, parts: &mut Parts) -> Result<RuntimeReply, Over> {
        match read_whole(parts).await {
            Err(Unread::Broken) => return Err(Over),
            Err(_) => call.fail("Function.ResponseSizeTooLarge", TOO_LONG),
            Ok(error) => call.failed(error),
        }
        self.runtimes.answered(&self.process);
        Ok(RuntimeReply::Accepted)
    }

    /// What the parsed head asks for.
    fn asked(&self, bytes: &[u8]) -> Asked {
        let path = self.head.path.of(bytes);
        let call = |request_id| self.runtimes.call_under_way(&self.process, request_id);
        match RuntimeRequest::parse(self.head.method, path) {
            Some(RuntimeRequest::Next) => Asked::Next,
            Some(RuntimeRequest::Response { request_id }) => Asked::Answer(call(request_id)),
            Some(RuntimeRequest::InvocationError { request_id }) => Asked::Error(call(request_id)),
            Some(RuntimeRequest::InitError) => Asked::InitError,
            None => Asked::Unknown,
        }
    }

    /// A request for an event, of a client that wants the connection closed behind the answer.
    async fn ask_once(&mut self) -> Result<bool, Over> {
        self.wait().await?;
        // What was left to the ring must be out before the end.
        let _ = self.stream.flush().await;
        self.stream.shutdown_write();
        Err(Over)
    }

    /// Reads until there is a whole head; how long it is.
    async fn read_head(&mut self) -> Result<usize, Over> {
        let mut scanner = HeadScanner::new();
        loop {
            match scanner.find_end(&self.input[self.start..], &HEAD_LIMITS) {
                Ok(Some(head_bytes)) => return Ok(head_bytes),
                Ok(None) => {}
                Err(_) => {
                    self.refuse("its request is no HTTP").await?;
                }
            }
            self.send_waiting().await?;
            if self.start > 0 {
                self.input.drain(..self.start);
                self.start = 0;
            }
            if self.input.len() == self.input.capacity() {
                self.input.reserve(INPUT_BYTES);
            }
            let input = std::mem::take(&mut self.input);
            let (result, input) = self.stream.read_append(input).await;
            self.input = input;
            match result {
                Ok(count) if count > 0 => {}
                _ => return Err(Over),
            }
        }
    }

    /// Answers what is no request, and has the process ended: it cannot be understood any more.
    async fn refuse(&mut self, reason: &str) -> Result<bool, Over> {
        // It may be gone already.
        let _ = self.reply(RuntimeReply::Malformed, false).await;
        self.runtimes.end_process(&self.process, EndReason::Protocol(reason.to_owned()));
        Err(Over)
    }

    async fn reply(&mut self, reply: RuntimeReply, goes_on: bool) -> Result<(), Over> {
        let mut out = std::mem::take(&mut self.waiting_out);
        reply.write(!goes_on, &mut out);
        if goes_on && self.start < self.input.len() {
            self.waiting_out = out;
            return Ok(());
        }
        let (result, _) = self.stream.write_all(out, 0).await;
        if result.is_ok() && goes_on {
            return Ok(());
        }
        let _ = self.stream.flush().await;
        Err(Over)
    }

    async fn send_waiting(&mut self) -> Result<(), Over> {
        if self.waiting_out.is_empty() {
            return Ok(());
        }
        let out = std::mem::take(&mut self.waiting_out);
        self.stream.write_all(out, 0).await.0.map_err(|_| Over)
    }

    fn parts(&mut self, framing: BodyFraming) -> Parts {
        let input = std::mem::take(&mut self.input);
        Parts::new(self.stream.clone(), input, self.start, framing)
    }

    fn take_back(&mut self, parts: Parts) {
        self.start = parts.start;
        self.input = parts.input;
        if self.start == self.input.len() {
            self.input.clear();
            self.start = 0;
            self.input.shrink_to(INPUT_BYTES);
        }
    }

    /// Sends the connection to the shard that its process is on.
    async fn leave(&mut self, waits: bool) {
        let unread = self.input.split_off(self.start);
        if self.send_waiting().await.is_err() {
            return;
        }
        let detached = self.stream.clone();
        // The clone that stays behind is not used again.
        if let Ok((fd, received)) = detached.detach().await {
            let unread = [unread, received].concat();
            let process = Arc::clone(&self.process);
            let connection = RuntimeConnection { process, fd, unread, waits };
            self.runtimes.send_connection(connection).await;
        }
    }
}

/// Why a body is not there whole.
enum Unread {
    TooLong,
    Broken,
    /// The function failed while it answered: the JSON of its error.
    Failed(Vec<u8>),
}

/// Reads a body whole.
async fn read_whole(parts: &mut Parts) -> Result<Vec<u8>, Unread> {
    let known = usize::try_from(parts.bytes_known()).unwrap_or(usize::MAX);
    if known > ANSWER_BYTES_MAX {
        return Err(Unread::TooLong);
    }
    let mut body = Vec::with_capacity(known);
    while parts.next(&mut body).await {
        if body.len() > ANSWER_BYTES_MAX {
            return Err(Unread::TooLong);
        }
    }
    match parts.end() {
        Some(BodyEnd::Whole) => Ok(body),
        Some(BodyEnd::FunctionFailed { error, .. }) => Err(Unread::Failed(error.clone())),
        Some(BodyEnd::Broken) | None => Err(Unread::Broken),
    }
}

/// Reads what is left of a body and forgets it; whether all of it came, and it was not too much.
async fn read_off(parts: &mut Parts) -> bool {
    let (mut piece, mut bytes_count) = (Vec::new(), 0);
    while parts.next(&mut piece).await {
        bytes_count += piece.len();
        piece.clear();
        if bytes_count > DISCARDED_BYTES_MAX {
            return false;
        }
    }
    !matches!(parts.end(), Some(BodyEnd::Broken) | None)
}

/// Longest answer that is read whole: the payload quota of Amazon API Gateway.
const ANSWER_BYTES_MAX: usize = 10 * 1024 * 1024;
const TOO_LONG: &str =
    "Response payload size exceeded maximum allowed payload size (10485760 bytes).";
/// What a runtime may send of an answer that nobody wants before its connection is closed.
const DISCARDED_BYTES_MAX: usize = 64 * 1024 * 1024;
/// A head, and a short answer with it.
const INPUT_BYTES: usize = 8 * 1024;
const HEAD_LIMITS: HeadLimits = HeadLimits {
    request_line_bytes_max: 4_096,
    // `Lambda-Runtime-Function-XRay-Error-Cause` may be long.
    head_bytes_max: 56 * 1024,
    headers_count_max: HEADERS_COUNT_MAX as u32,
};
