//! Passes a final answer on to the client: its head, its body in the framing that the client
//! understands, or, after a 101, whatever comes.

use super::body::BodyFate;
use super::client::ClientLink;
use super::exchange::{Answer, Exchange, Form};
use super::forward::{Inbound, write_framing, write_response_head};
use super::grpc::GrpcForm;
use super::relay::{BodyRelay, framing_for_client};
use super::respond::{Persistence, status_lines};
use super::tunnel::tunnel;
use super::upload::UploadState;
use crate::base::{Fault, Method, Nanos};
use crate::observe::{DeadlineKind, ShardRecorder};
use crate::proto::{BodyFraming, FieldName, ResponseHead};
use crate::rt::now;
use crate::upstream::{Connection, Lease, TargetLink};

impl Exchange<'_, '_> {
    /// Passes the answer on under `status`, and makes sure that the client notices if it was cut.
    pub(super) async fn pass_on(
        &mut self,
        lease: &mut Lease,
        answer: Answer,
        status: u16,
    ) -> Result<Passed, Fault> {
        let mut answer = answer;
        let is_grpc = is_grpc(&answer);
        self.web = self.web.filter(|_| is_grpc);
        let is_long = matches!(answer.head.framing, BodyFraming::Length(_));
        if self.web.is_some() && is_long && !answer.link.ends_by_length() {
            answer.head.framing = BodyFraming::UntilClose; // it will have another length
        }
        let framing = framing_for_client(answer.head.framing, self.request.head.version);
        let result = self.pass_on_in(framing, lease, answer, status).await;
        if let Err(fault) = &result
            && !(is_grpc && self.end_by_status(*fault))
            && framing == BodyFraming::UntilClose
            && let ClientLink::Http1(link) = &self.client.link
        {
            link.must_reset.set(true);
        }
        result
    }

    /// Ends an answer of gRPC that was cut with the status that says so, where the client has
    /// trailers: it is no whole answer to anyone. Whether it did.
    fn end_by_status(&self, fault: Fault) -> bool {
        let has_trailers = matches!(self.client.link, ClientLink::Http2(_)) && self.web.is_none();
        // The client's own failure is told by the end of its stream.
        let fault = self.upload_fault().unwrap_or(fault);
        has_trailers
            && self.client.answer_started.get()
            && fault != Fault::ClientGone
            && self.client.end(&status_lines(fault)).is_ok()
    }

    /// Passes the answer on in this framing: the head, what came with it, and the rest as it comes.
    async fn pass_on_in(
        &mut self,
        framing: BodyFraming,
        lease: &mut Lease,
        answer: Answer,
        status: u16,
    ) -> Result<Passed, Fault> {
        let Answer { link, head, mut buffer, start, sent_whole, came } = answer;
        let version = self.request.head.version;
        let goes_on = self.client.may_go_on(self.state, self.request)
            && self.is_body_sent()
            && framing != BodyFraming::UntilClose;
        let head_end = start + head.head_bytes;
        let (head_bytes, persistence) =
            (&buffer[start..head_end], Persistence::of(version, goes_on));
        match &self.form {
            Form::Routed(_) => {
                let inbound = Inbound {
                    head: &head,
                    bytes: head_bytes,
                    request_method: self.request.head.method,
                    framing,
                    id: self.request.id,
                    persistence,
                    via: self.plan.plan.forwarding.via.as_deref(),
                    web: self.web,
                };
                write_response_head(self.out, &inbound);
            }
            Form::Deployed(translation) => {
                translation.write_answer(self.out, &head, head_bytes);
                self.write_deployed_framing(framing, &head, head_bytes, status);
                self.out.extend_from_slice(persistence.line());
                self.out.extend_from_slice(b"\r\n");
            }
        }
        self.client.answer_started.set(true);
        let idle_timeout = self.idle_timeout(lease);
        if let (101, TargetLink::Http1(connection)) = (head.status, &link) {
            let result = self.tunnel(connection, &buffer[head_end..], came).await;
            self.state.put_response_head(head);
            self.state.head_buffers.put(buffer);
            return Ok(Passed { status, goes_on: false, answer_bytes: result?, ended: now() });
        }
        // The head is here; how long the client takes to read is not the target's fault.
        link.clear_due();
        let mut relay = BodyRelay { exchange: self, link, idle_timeout, answer_bytes: 0, at: came };
        let whole = match head.framing {
            BodyFraming::None => relay.end(&buffer[head_end..]).await,
            BodyFraming::Length(length) => relay.length(&buffer[head_end..], length).await,
            BodyFraming::Chunked => relay.chunked(&mut buffer[head_end..], framing).await,
            BodyFraming::UntilClose => relay.until_close(&buffer[head_end..], framing).await,
        };
        let BodyRelay { link, answer_bytes, at, .. } = relay;
        let keep_alive = head.keep_alive;
        self.state.put_response_head(head);
        self.state.head_buffers.put(buffer);
        let whole = whole?;
        let may_keep = whole && keep_alive && sent_whole && self.is_body_sent();
        keep(lease, link, may_keep, at);
        let goes_on = self.finish_upload() && goes_on;
        Ok(Passed { status, goes_on, answer_bytes, ended: at })
    }

    /// The field line that frames the body of an answer to a deployed API's client. To HEAD and with
    /// 304 the length says what a GET would have got (RFC 9110 section 8.6).
    fn write_deployed_framing(
        &mut self,
        framing: BodyFraming,
        head: &ResponseHead,
        bytes: &[u8],
        status: u16,
    ) {
        let is_bodiless = matches!(status, 204 | 304) || self.request.head.method == Method::Head;
        match framing {
            BodyFraming::None if !is_bodiless => write_framing(self.out, BodyFraming::Length(0)),
            BodyFraming::None if status != 204 => {
                if let Some(field) = head.field(FieldName::ContentLength) {
                    self.out.extend_from_slice(b"content-length: ");
                    self.out.extend_from_slice(field.value.of(bytes));
                    self.out.extend_from_slice(b"\r\n");
                }
            }
            other => write_framing(self.out, other),
        }
    }

    /// Settles what became of the request's body: whether it was taken whole. What is still being
    /// uploaded is left to the connection's driver, which throws it away.
    pub(super) fn finish_upload(&mut self) -> bool {
        let Some(upload) = self.upload() else {
            return true;
        };
        let payload_bytes = upload.payload_bytes();
        let whole = (upload.state() == UploadState::Done).then(|| upload.take_surplus());
        self.body.chunked_bytes += payload_bytes;
        let is_whole = whole.is_some();
        if let Some(surplus) = whole {
            self.body.fate = BodyFate::TakenWhole(surplus);
        }
        is_whole
    }

    /// Joins client and target after a 101 until both have ended.
    async fn tunnel(
        &mut self,
        connection: &Connection,
        from_target: &[u8],
        at: Nanos,
    ) -> Result<u64, Fault> {
        self.out.extend_from_slice(from_target);
        let out = std::mem::take(self.out);
        let (result, out) = self.client.write(out, 0, at, false).await;
        *self.out = out;
        self.out.clear();
        result?;
        self.body.fate = BodyFate::Abandoned;
        let idle_timeout = Nanos::from_millis(self.plan.plan.limits.tunnel_idle_timeout_ms);
        let early = self.body.early.to_vec();
        let recorder = &self.state.recorder;
        let standing = Standing::new(recorder);
        let relayed = tunnel(self.state, self.client, connection, early, idle_timeout);
        let relayed_bytes = Box::pin(relayed).await;
        drop(standing);
        if self.client.deadline.passed() || connection.deadline.passed() {
            recorder.deadline_fired(DeadlineKind::Tunnel);
        }
        Ok(relayed_bytes)
    }
}

/// Keeps the connection that an answer came on, if it may be used again.
pub(super) fn keep(lease: &Lease, link: TargetLink, may_keep: bool, at: Nanos) {
    if let TargetLink::Http1(connection) = link
        && may_keep
        && !connection.deadline.passed()
        && !connection.stream.has_unsent()
    {
        lease.keep(connection, at);
    }
}

/// Whether what came is gRPC, rather than a page of something in between.
fn is_grpc(answer: &Answer) -> bool {
    let bytes = answer.buffer.get(answer.start..).unwrap_or_default();
    let form = GrpcForm::of_field(answer.head.field(FieldName::ContentType), bytes);
    form.is_some_and(|(form, _)| form == GrpcForm::Native)
}

/// A tunnel, counted for as long as it stands, however it ends.
struct Standing<'r>(&'r ShardRecorder);

impl<'r> Standing<'r> {
    fn new(recorder: &'r ShardRecorder) -> Self {
        recorder.tunnel_opened();
        Self(recorder)
    }
}

impl Drop for Standing<'_> {
    fn drop(&mut self) {
        self.0.tunnel_closed();
    }
}

/// An answer that was passed on.
pub(super) struct Passed {
    /// What the client saw.
    pub(super) status: u16,
    pub(super) goes_on: bool,
    pub(super) answer_bytes: u64,
    pub(super) ended: Nanos,
}
