//! One request of an HTTP/2 connection, from its head to the end of its answer.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::rc::Rc;
use std::task::Poll;

use super::{Counted, Http2};
use crate::base::{Fault, Nanos, RequestId};
use crate::edge::refusal::{Refusal, Understood};
use crate::edge::worker::Job;
use crate::edge::{SMALL_BODY_BYTES, Workers, head_limits};
use crate::http2::{Incoming, ServerStream};
use crate::observe::DeadlineKind;
use crate::pipeline::{
    BodyFate, Client, ClientLink, GrpcForm, Persistence, Request, RequestBody, ShardState,
    chunks_of, serve, write_fault,
};
use crate::proto::{BodyFraming, RequestHead, Version};
use crate::rt::{Deadline, now};

/// A request whose head was understood.
pub(in crate::edge) struct Http2Request {
    connection: Rc<Http2>,
    stream: Rc<ServerStream>,
    id: RequestId,
    started: Nanos,
    head: HeadText,
    /// Of the answer's writes, and of a short body.
    deadline: Deadline,
    answer_started: Cell<bool>,
}

/// A head as text, and what it means. Both go back to their stocks.
struct HeadText {
    state: Rc<ShardState>,
    text: Vec<u8>,
    head: Option<Box<RequestHead>>,
}

impl HeadText {
    fn new(state: &Rc<ShardState>) -> Self {
        let (text, head) = (state.head_buffers.take(), Some(state.take_request_head()));
        Self { state: Rc::clone(state), text, head }
    }

    fn head(&self) -> Option<&RequestHead> {
        self.head.as_deref()
    }
}

impl Drop for HeadText {
    fn drop(&mut self) {
        self.state.head_buffers.put(std::mem::take(&mut self.text));
        if let Some(head) = self.head.take() {
            self.state.put_request_head(head);
        }
    }
}

/// Serves one request to its end.
pub(super) async fn serve_request(counted: Counted, workers: Rc<Workers>, incoming: Incoming) {
    let connection = Rc::clone(&counted.connection);
    let state = &connection.state;
    let (started, id) = (now(), state.next_request_id());
    let mut head = HeadText::new(state);
    let understood = read_head(&connection, &incoming, &mut head, started);
    let request = Rc::new(Http2Request {
        stream: Rc::new(incoming.into_stream()),
        id,
        started,
        head,
        deadline: state.deadlines.alarm(),
        answer_started: Cell::new(false),
        connection: Rc::clone(&connection),
    });
    if let Err((fault, is_understood)) = understood {
        return request.refuse(fault, is_understood).await;
    }
    let mut work = pin!(workers.http2.work(&request));
    let done = poll_fn(|context| {
        if let Poll::Ready(done) = work.as_mut().poll(context) {
            return Poll::Ready(Some(done));
        }
        request.stream.poll_given_up(context).map(|()| None)
    })
    .await;
    match done {
        Some(Ok(())) => {}
        Some(Err(_)) => {
            state.recorder.panicked();
            request.refuse(Fault::Panicked, false).await;
        }
        None => {
            counted.is_given_up.set(true);
            request.refuse(Fault::ClientGone, true).await;
        }
    }
}

/// Reads the head; why it is refused, and whether it was understood.
fn read_head(
    connection: &Http2,
    incoming: &Incoming,
    text: &mut HeadText,
    started: Nanos,
) -> Result<(), (Fault, bool)> {
    let plan = connection.state.plan();
    let limits = &plan.plan.limits;
    let random = || [connection.state.next_random(), connection.state.next_random()];
    incoming.write_head(&mut text.text, random).map_err(|fault| (fault, false))?;
    let Some(head) = text.head.as_deref_mut() else { return Ok(()) };
    head.parse(&text.text, &head_limits(limits)).map_err(|fault| (fault, false))?;
    head.version = Version::Http2;
    connection.admit(started, limits).map_err(|fault| (fault, true))
}

impl Job for Http2Request {
    type Done = ();

    async fn work(&self) {
        let Some(head) = self.head.head() else { return };
        let state = &self.connection.state;
        let mut early = match self.read_small_body(head).await {
            Ok(early) => early,
            Err(fault) => return self.refuse(fault, true).await,
        };
        let plan = state.plan();
        let limits = &plan.plan.limits;
        let request = Request { head, bytes: &self.head.text, id: self.id, started: self.started };
        let mut body = RequestBody {
            framing: head.framing,
            early: &mut early,
            awaits_continue: head.expect_continue,
            bytes_max: limits.body_bytes_max,
            fate: BodyFate::Untouched,
            chunked_bytes: 0,
            chunked_end: Cell::new(None),
            collected: None,
        };
        let client = Client {
            link: ClientLink::Http2(&self.stream),
            tls: self.connection.transport.tls(),
            deadline: &self.deadline,
            peer: self.connection.peer,
            listener: &self.connection.listener,
            write_timeout: Nanos::from_millis(limits.write_timeout_ms),
            answer_started: &self.answer_started,
        };
        let mut out = state.head_buffers.take();
        serve(state, &client, &request, &mut body, &mut out).await;
        if !out.is_empty() {
            let write_timeout = Nanos::from_millis(limits.write_timeout_ms);
            // A client that is gone need not be answered.
            let _ = self.stream.send(&out, true, &self.deadline, write_timeout).await;
        }
        state.head_buffers.put(out);
        self.stream.cut();
        self.stream.refuse_rest();
    }
}

impl Http2Request {
    /// Reads a short body to its end before the request is served, so that it can be sent again
    /// should a target fail.
    async fn read_small_body(&self, head: &RequestHead) -> Result<Vec<u8>, Fault> {
        if head.framing == BodyFraming::Chunked && !head.expect_continue {
            return self.take_present_body();
        }
        let BodyFraming::Length(length) = head.framing else { return Ok(Vec::new()) };
        if length == 0 || length > SMALL_BODY_BYTES || head.expect_continue {
            return Ok(Vec::new());
        }
        let body_timeout_ms = self.connection.state.plan().plan.limits.body_timeout_ms;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let mut body = Vec::with_capacity(length);
        while body.len() < length {
            self.deadline.set(now().plus(Nanos::from_millis(body_timeout_ms)));
            let room = length - body.len();
            let read = self.stream.body().read(&mut body, room, &self.deadline).await;
            if !matches!(read, Ok(count) if count > 0) {
                if self.deadline.passed() {
                    self.connection.state.recorder.deadline_fired(DeadlineKind::Body);
                    return Err(Fault::RequestTimeout);
                }
                return Err(Fault::ClientGone);
            }
        }
        self.deadline.clear();
        Ok(body)
    }

    /// Takes what of a body of unknown length has come with the head, as chunks. Where that is all of
    /// it (most calls of gRPC) it can be sent again, and needs no task of its own.
    fn take_present_body(&self) -> Result<Vec<u8>, Fault> {
        let mut payload = Vec::new();
        let bytes_max = usize::try_from(SMALL_BODY_BYTES).unwrap_or(usize::MAX);
        let taken = self.stream.body().take_present(&mut payload, bytes_max);
        let is_whole = taken.map_err(|_| Fault::ClientGone)?;
        if !is_whole {
            return Ok(chunks_of(&payload, None));
        }
        let trailers = self.stream.body().trailers_now().map_err(|_| Fault::ClientGone)?;
        Ok(chunks_of(&payload, Some(&trailers)))
    }

    /// Ends a request that came to no phase, or not to the end of them: answered with `fault` if that
    /// can be told, and logged.
    async fn refuse(&self, fault: Fault, is_understood: bool) {
        let state = &self.connection.state;
        state.recorder.connection_fault(fault);
        let head = self.head.head().filter(|_| is_understood);
        let understood =
            head.map(|head| Understood { head, bytes: &self.head.text, early_bytes: 0 });
        let mut answer_bytes = 0;
        if fault != Fault::ClientGone && !self.stream.has_begun() {
            let mut out = Vec::new();
            let (date, keeps) = (state.http_date(), Persistence::Persist);
            let has_body = !self.head.text.starts_with(b"HEAD ");
            let form = head.and_then(|head| GrpcForm::of_request(head, &self.head.text));
            answer_bytes = write_fault(&mut out, fault, form, self.id, keeps, has_body, &date);
            let timeout = Nanos::from_millis(state.plan().plan.limits.write_timeout_ms);
            let alarm = state.deadlines.alarm();
            let _ = self.stream.send(&out, true, &alarm, timeout).await;
        }
        self.stream.cut();
        self.stream.refuse_rest();
        let known = understood.map(|one| (one.head, one.bytes));
        let source_ip = self.connection.listener.source_ip(self.connection.peer, known);
        let (id, started, tls) = (self.id, self.started, self.connection.transport.tls());
        Refusal { id, fault, source_ip, tls, understood, answer_bytes, started }.log(state);
    }
}
