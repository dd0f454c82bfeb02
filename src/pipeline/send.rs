//! Sends a request to a target: its head, what of the body is at hand, and the rest by an upload.

use std::cell::RefCell;
use std::rc::Rc;

use super::body::{BodyFate, RequestBody};
use super::chunk_frames::{append_last_chunk, append_payload};
use super::client::{Client, ClientLink, Http1Link};
use super::exchange::{Answer, Exchange, Failure, Form, TryStage};
use super::forward::{Outbound, write_framing, write_request_head};
use super::grpc::{self, GrpcForm, NotBase64, TextDecoder};
use super::respond::write_number_line;
use super::upload::{BodyLeft, BodySink, BodySource, Upload, UploadState, UploadTask};
use crate::base::{Fault, Nanos};
use crate::http2::{Call, CallFailure, TargetConnection};
use crate::proto::{BodyFraming, ChunkedDecoder, FieldName};
use crate::rt::{Deadline, DeadlineMover, Deadlines, now};
use crate::upstream::{Connection, Lease, Outcome};

impl Exchange<'_, '_> {
    /// Sends the request on `connection` and reads the head of the final answer.
    pub(super) async fn send(
        &mut self,
        lease: &Lease,
        mut connection: Connection,
        at: Nanos,
    ) -> Result<Answer, Failure> {
        let state = self.state;
        connection.due_max = self.due_max(lease, at);
        let mut wire = state.head_buffers.take();
        self.write_head(&mut wire, lease, false);
        let early = match self.append_early_body(&mut wire, true) {
            Ok(early) => early,
            Err(fault) => {
                state.head_buffers.put(wire);
                return Err(not_sent_by_us(fault));
            }
        };
        let timeout = self.timeout;
        connection.set_due(at.plus(timeout));
        let (written, wire) = connection.stream.write_all(wire, 0).await;
        state.head_buffers.put(wire);
        // A target may answer and close before it has read everything: its answer counts.
        let sent_whole = written.is_ok();
        match early.left {
            Some(left) if sent_whole => {
                let as_chunks = matches!(left, BodyLeft::Chunked { .. });
                let sink = BodySink::Http1 { target: connection.stream.clone(), as_chunks };
                let target = (connection.deadline.mover(), connection.due_max);
                self.start_upload(left, sink, target, timeout).await?;
            }
            Some(_) => self.body.fate = BodyFate::Abandoned,
            None => {}
        }
        self.read_answer(connection, sent_whole).await
    }

    /// The end of the time for the whole of a try that began at `at`. A streamed answer has no more
    /// time than the integration.
    fn due_max(&self, lease: &Lease, at: Nanos) -> Nanos {
        let due_max = lease.due_max(at);
        if self.stream_idle_timeout().is_some() {
            due_max.min(at.plus(self.timeout))
        } else {
            due_max
        }
    }

    /// Sends the request on a stream of `connection` and reads the head of the final answer.
    pub(super) async fn send_http2(
        &mut self,
        lease: &Lease,
        connection: &Rc<TargetConnection>,
        at: Nanos,
    ) -> Result<Answer, Failure> {
        let state = self.state;
        let form = GrpcForm::of_request(self.request.head, self.request.bytes);
        let translates = lease.group().with_settings(|settings| settings.grpc_web);
        let is_routed = matches!(self.form, Form::Routed(_));
        self.web = form.filter(|form| form.is_web() && translates && is_routed);
        let patience = form.and_then(|_| grpc::timeout(self.request));
        let due = patience.map_or(Nanos::NEVER, |patience| self.request.started.plus(patience));
        let due_max = self.due_max(lease, at).min(due);
        let timeout = self.timeout;
        let mut payload = state.head_buffers.take();
        let due = at.plus(timeout).min(due_max);
        let sent = match self.start_call(lease, connection, due, &mut payload) {
            Ok((call, early)) => self.send_body(call, early, &payload, timeout, due_max).await,
            Err(failure) => Err(failure),
        };
        state.head_buffers.put(payload);
        let (call, sent_whole) = sent?;
        self.read_http2_answer(call, due_max, sent_whole).await
    }

    /// Sends the head of the request, and puts what of the body is at hand into `payload`.
    fn start_call(
        &mut self,
        lease: &Lease,
        connection: &Rc<TargetConnection>,
        due: Nanos,
        payload: &mut Vec<u8>,
    ) -> Result<(Call, EarlyBody), Failure> {
        let early = self.append_early_body(payload, false);
        let early = early.and_then(|early| self.decode_web_text(early, payload));
        let early = early.map_err(not_sent_by_us)?;
        let ends = early.left.is_none() && payload.is_empty() && early.trailers.is_empty();
        let deadline = self.state.deadlines.alarm();
        deadline.set(due);
        let mut wire = self.state.head_buffers.take();
        self.write_head(&mut wire, lease, true);
        let call = connection.call(&wire, ends, deadline).map_err(call_failure);
        self.state.head_buffers.put(wire);
        Ok((call?, early))
    }

    /// Makes a body of gRPC-Web in base64 the bytes that it stands for.
    fn decode_web_text(
        &self,
        mut early: EarlyBody,
        payload: &mut Vec<u8>,
    ) -> Result<EarlyBody, Fault> {
        if self.web != Some(GrpcForm::WebText) {
            return Ok(early);
        }
        let (mut decoder, text) = (TextDecoder::default(), payload.clone());
        payload.clear();
        let decoded = decoder.decode(&text, payload);
        decoded.map_err(|NotBase64| Fault::BadBody)?;
        if early.left.is_none() && !decoder.is_complete() {
            return Err(Fault::BadBody);
        }
        early.decoder = Some(decoder);
        Ok(early)
    }

    /// Sends what of the body is at hand, and has the rest follow; whether the target took it.
    async fn send_body(
        &mut self,
        call: Call,
        early: EarlyBody,
        payload: &[u8],
        timeout: Nanos,
        due_max: Nanos,
    ) -> Result<(Call, bool), Failure> {
        let body = call.send();
        let is_last = early.left.is_none() && early.trailers.is_empty();
        let mut sent_whole = true;
        if !payload.is_empty() {
            let alarm = self.state.deadlines.alarm();
            let patience = timeout.min(due_max.since(now()));
            sent_whole = body.send(payload, is_last, &alarm, patience).await.is_ok();
        }
        if !early.trailers.is_empty() {
            sent_whole = sent_whole && body.end(&early.trailers).is_ok();
        }
        match early.left {
            Some(left) if sent_whole => {
                let sink = BodySink::Http2 {
                    target: Rc::clone(body),
                    alarm: self.state.deadlines.alarm(),
                    timeout,
                    decoder: early.decoder.map(RefCell::new),
                };
                let target = (call.deadline.mover(), due_max);
                self.start_upload(left, sink, target, timeout).await?;
            }
            Some(_) => self.body.fate = BodyFate::Abandoned,
            None => {}
        }
        Ok((call, sent_whole))
    }

    fn write_head(&self, wire: &mut Vec<u8>, lease: &Lease, to_http2: bool) {
        let routed = match &self.form {
            Form::Routed(routed) => routed,
            Form::Deployed(translation) => {
                translation.write_request(wire, to_http2);
                match (self.collected(), self.framing_for_target()) {
                    // None was sent, and none was made.
                    (Some([]), BodyFraming::None) => {}
                    (Some(body), _) => {
                        write_number_line(wire, b"content-length", body.len() as u64);
                    }
                    (None, framing) => write_framing(wire, framing),
                }
                wire.extend_from_slice(b"\r\n");
                return;
            }
        };
        let outbound = Outbound {
            request: self.request,
            client: self.client,
            proxy: routed.proxy,
            spans: routed.spans,
            routed_path: routed.path,
            forwarding: &self.plan.plan.forwarding,
            upgrade: self.wants_upgrade() && !to_http2,
            to_http2,
            web: self.web,
        };
        write_request_head(wire, &outbound, |out| lease.write_host(out));
    }

    /// The body that was read whole, if it is sent at all.
    fn collected(&self) -> Option<&[u8]> {
        let is_sent = !matches!(&self.form, Form::Deployed(form) if !form.sends_body());
        self.body.collected.as_deref().filter(|_| is_sent)
    }

    /// How the body lies before the target, if one is sent at all.
    fn framing_for_target(&self) -> BodyFraming {
        match &self.form {
            Form::Deployed(translation) if !translation.sends_body() => BodyFraming::None,
            Form::Deployed(_) | Form::Routed(_) => self.body.framing,
        }
    }

    pub(super) fn wants_upgrade(&self) -> bool {
        if matches!(self.form, Form::Deployed(_)) {
            return false; // AWS passes none on
        }
        let head = self.request.head;
        // An Upgrade with a body would leave the body's bytes to be taken for the new protocol
        // (CVE-2026-58055); one to HTTP/2 would hide requests from the gateway.
        head.upgrade
            && head.framing == BodyFraming::None
            && head.fields.iter().filter(|field| field.known == FieldName::Upgrade).all(|field| {
                let value = field.value.of(self.request.bytes);
                !value.split(|byte| *byte == b',').any(|protocol| {
                    let protocol = protocol.trim_ascii().to_ascii_lowercase();
                    protocol.starts_with(b"h2")
                        || protocol.starts_with(b"http")
                        || protocol.starts_with(b"tls")
                })
            })
    }

    /// Appends what of the body came with the head, chunks as chunks or bare.
    fn append_early_body(
        &mut self,
        wire: &mut Vec<u8>,
        as_chunks: bool,
    ) -> Result<EarlyBody, Fault> {
        if let Some(body) = self.collected() {
            wire.extend_from_slice(body);
            return Ok(EarlyBody::default());
        }
        match self.framing_for_target() {
            BodyFraming::None | BodyFraming::UntilClose => Ok(EarlyBody::default()),
            BodyFraming::Length(length) => {
                let early = self.body.early.len() as u64;
                if let Some(whole) = self.body.whole_length() {
                    wire.extend_from_slice(&self.body.early[..whole]);
                    return Ok(EarlyBody::default());
                }
                wire.extend_from_slice(self.body.early);
                let left = Some(BodyLeft::Length(length - early));
                Ok(EarlyBody { left, ..EarlyBody::default() })
            }
            BodyFraming::Chunked => self.append_early_chunks(wire, as_chunks),
        }
    }

    /// Decodes a copy of the early bytes, so that a further try finds them as they came.
    fn append_early_chunks(
        &mut self,
        wire: &mut Vec<u8>,
        as_chunks: bool,
    ) -> Result<EarlyBody, Fault> {
        let mut scratch = self.state.body_buffers.take();
        scratch.extend_from_slice(self.body.early);
        let mut decoder = ChunkedDecoder::new();
        let decoded = decoder.decode(&mut scratch);
        if let Ok(decoded) = &decoded {
            append_payload(wire, &scratch[..decoded.payload_bytes], as_chunks);
        }
        self.state.body_buffers.put(scratch);
        let decoded = decoded?;
        if decoded.payload_bytes as u64 > self.body.bytes_max {
            return Err(Fault::BodyTooLarge);
        }
        self.body.chunked_bytes = decoded.payload_bytes as u64;
        if decoded.done {
            self.body.chunked_end.set(Some(decoded.consumed_bytes));
            if as_chunks {
                append_last_chunk(wire, decoder.trailers());
                return Ok(EarlyBody::default());
            }
            let trailers = decoder.trailers().to_vec();
            return Ok(EarlyBody { trailers, ..EarlyBody::default() });
        }
        let left_max = self.body.bytes_max - decoded.payload_bytes as u64;
        let left = Some(BodyLeft::Chunked { decoder: Box::new(decoder), left_max });
        Ok(EarlyBody { left, ..EarlyBody::default() })
    }

    /// Lets a second task send the rest of the body while this one waits for the answer. `target` is
    /// how its deadline is moved, and how far.
    async fn start_upload(
        &mut self,
        left: BodyLeft,
        sink: BodySink,
        target: (DeadlineMover, Nanos),
        timeout: Nanos,
    ) -> Result<(), Failure> {
        self.body.fate = BodyFate::Abandoned;
        ask_for_body(self.client, self.body).await.map_err(not_sent_by_us)?;
        let (source, client_deadline) = body_source(self.client, &self.state.deadlines, left);
        let task = UploadTask {
            state: Rc::clone(self.state),
            source,
            client_deadline,
            body_timeout: Nanos::from_millis(self.plan.plan.limits.body_timeout_ms),
            sink: Rc::new(sink),
            target_deadline: target.0,
            target_timeout: timeout,
            target_due_max: target.1,
        };
        self.body.fate = BodyFate::Uploading(task.start());
        Ok(())
    }

    pub(super) fn upload(&self) -> Option<&Upload> {
        match &self.body.fate {
            BodyFate::Uploading(upload) => Some(upload),
            BodyFate::Untouched | BodyFate::TakenWhole(_) | BodyFate::Abandoned => None,
        }
    }

    /// Why the client's part failed, if it did.
    pub(super) fn upload_fault(&self) -> Option<Fault> {
        match self.upload()?.state() {
            UploadState::Failed(fault) => Some(fault),
            UploadState::Running | UploadState::Done | UploadState::Refused => None,
        }
    }

    /// Whether nothing of the body is left to be sent.
    pub(super) fn is_body_sent(&self) -> bool {
        self.body.is_taken()
    }
}

/// What of a body came with the head.
#[derive(Default)]
struct EarlyBody {
    /// What is still to come, if anything.
    left: Option<BodyLeft>,
    /// Trailers that did not go with the payload.
    trailers: Vec<u8>,
    /// For what is still to come of a body in base64.
    decoder: Option<TextDecoder>,
}

/// Tells a client that waits for it that its body is wanted.
pub(super) async fn ask_for_body(client: &Client<'_>, body: &RequestBody<'_>) -> Result<(), Fault> {
    match body.awaits_continue {
        true => client.write_interim(b"HTTP/1.1 100 Continue\r\n\r\n".to_vec()).await,
        false => Ok(()),
    }
}

/// Where what is left of a body comes from, with a deadline for its client.
pub(super) fn body_source(
    client: &Client<'_>,
    deadlines: &Deadlines,
    left: BodyLeft,
) -> (BodySource, Deadline) {
    match &client.link {
        ClientLink::Http1(Http1Link { stream, .. }) => {
            let client = (*stream).clone();
            let deadline = deadlines.watch(stream.raw_fd());
            (BodySource::Http1 { client, left }, deadline)
        }
        ClientLink::Http2(stream) => {
            let left_max = match left {
                BodyLeft::Length(left) => left,
                BodyLeft::Chunked { left_max, .. } => left_max,
            };
            let stream = Rc::clone(stream);
            (BodySource::Http2 { stream, left_max }, deadlines.alarm())
        }
    }
}

/// The request cannot be sent on, and no target is to blame.
fn not_sent_by_us(fault: Fault) -> Failure {
    Failure { fault, outcome: Outcome::Abandoned, stage: TryStage::Answering }
}

/// What it means that a request did not get through over HTTP/2, before any answer.
pub(super) fn call_failure(failure: CallFailure) -> Failure {
    let (fault, outcome, stage) = match failure {
        CallFailure::Malformed => (Fault::BadTarget, Outcome::Abandoned, TryStage::Answering),
        CallFailure::Refused => (Fault::UpstreamReset, Outcome::Reset, TryStage::NotSent),
        CallFailure::Reset => (Fault::UpstreamReset, Outcome::Reset, TryStage::Sent),
        CallFailure::BadAnswer => {
            (Fault::BadUpstreamAnswer, Outcome::BadAnswer, TryStage::Answering)
        }
        CallFailure::TimedOut => (Fault::UpstreamTimeout, Outcome::Timeout, TryStage::Answering),
    };
    Failure { fault, outcome, stage }
}
