//! Forwards a request to a target and its answer to the client.
//!
//! A try begins on a connection of the pool or a new one. Until a byte of an answer has been
//! passed on, a try that failed may be followed by another: always if the request was never sent,
//! else only if the method is idempotent and the body is still at hand. A connection goes back to
//! the pool only when its answer was read to its end and nothing came after it.

use std::net::IpAddr;
use std::rc::Rc;

use super::body::{BodyFate, RequestBody};
use super::chunk_frames::{append_chunk, append_last_chunk};
use super::client::Client;
use super::forward::{
    Inbound, Outbound, write_interim_head, write_request_head, write_response_head,
};
use super::relay::{BodyRelay, framing_for_client};
use super::request::Request;
use super::respond::Persistence;
use super::state::{ShardPlan, ShardState};
use super::tunnel::tunnel;
use super::upload::{BodyLeft, Upload, UploadState, UploadTask};
use crate::base::limits::{HEAD_BYTES_CEILING, HEADERS_COUNT_MAX, INTERIM_ANSWERS_MAX};
use crate::base::{Fault, Nanos};
use crate::model::{Balance, HashKey};
use crate::observe::{DeadlineKind, GroupRecorder, UpstreamEnd, UpstreamFailure};
use crate::plan::{PathSpans, ProxyPlan};
use crate::proto::{
    BodyFraming, ChunkedDecoder, FieldName, HeadLimits, HeadScanner, ResponseHead, Version,
};
use crate::rt::now;
use crate::upstream::{Connection, Group, Lease, Outcome, TargetId, stable_hash};

/// One request on its way through a target group.
pub(crate) struct Exchange<'x, 'b> {
    pub(crate) state: &'x Rc<ShardState>,
    pub(crate) plan: &'x Rc<ShardPlan>,
    pub(crate) client: &'x Client<'x>,
    pub(crate) request: &'x Request<'x>,
    pub(crate) proxy: &'x ProxyPlan,
    pub(crate) spans: &'x PathSpans,
    pub(crate) routed_path: &'x [u8],
    pub(crate) body: &'x mut RequestBody<'b>,
    pub(crate) out: &'x mut Vec<u8>,
    /// Where the latest try went.
    pub(crate) target: Option<Rc<str>>,
}

/// An answer that was passed on whole.
pub(crate) struct Relayed {
    pub(crate) status: u16,
    pub(crate) goes_on: bool,
    pub(crate) answer_bytes: u64,
    /// From the request sent to the answer's head.
    pub(crate) upstream: Nanos,
    pub(crate) is_tunnel: bool,
    pub(crate) ended: Nanos,
}

/// A target's final answer, its head parsed, before anything was passed on.
struct Answer {
    connection: Connection,
    head: Box<ResponseHead>,
    /// What was read: `[..start]` is used up, the head follows, then the body's beginning.
    buffer: Vec<u8>,
    start: usize,
    /// All that was to be sent at once was sent; a connection that took less is worn out.
    sent_whole: bool,
    /// When its head was complete.
    came: Nanos,
}

/// Why a try failed.
struct Failure {
    fault: Fault,
    outcome: Outcome,
    /// How much of the exchange had happened.
    stage: TryStage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum TryStage {
    /// The request was not sent.
    NotSent,
    /// It was sent, in part or whole; no byte of an answer came.
    Sent,
    /// An answer began.
    Answering,
}

/// The tries of one request so far.
#[derive(Default)]
struct Tries {
    /// Where they went. Allocates only once one has failed.
    targets: Vec<TargetId>,
    /// Those that reached a target.
    sent_count: u32,
    /// Those that did not.
    unsent_count: u32,
}

impl Tries {
    fn count(&mut self, target: TargetId, stage: TryStage) {
        self.targets.push(target);
        match stage {
            TryStage::NotSent => self.unsent_count += 1,
            TryStage::Sent | TryStage::Answering => self.sent_count += 1,
        }
    }
}

impl Exchange<'_, '_> {
    /// Forwards the request, tries again where that is safe, and passes the answer on.
    pub(crate) async fn relay(&mut self) -> Result<Relayed, Fault> {
        self.flush_out().await?;
        self.client.deadline.clear();
        let (mut lease, answer, sent) = self.answer().await?;
        let status = answer.head.status;
        let upstream = answer.came.since(sent);
        let came = answer.came;
        let result = self.pass_on(&mut lease, answer).await;
        match result {
            Ok(passed) => {
                lease.report(Outcome::Answered(status), passed.ended);
                Ok(Relayed {
                    status,
                    goes_on: passed.goes_on,
                    answer_bytes: passed.answer_bytes,
                    upstream,
                    is_tunnel: status == 101,
                    ended: passed.ended,
                })
            }
            Err(fault) => {
                // What the client's own failure did to the connection says nothing of the target.
                let (fault, outcome) = match self.upload_fault() {
                    Some(fault) => (fault, Outcome::Abandoned),
                    None => (fault, outcome_of(fault, status)),
                };
                lease.report(outcome, came);
                Err(fault)
            }
        }
    }

    /// Sends answers to earlier requests that are still waiting in `out`.
    async fn flush_out(&mut self) -> Result<(), Fault> {
        if self.out.is_empty() {
            return Ok(());
        }
        self.client.answer_started.set(true); // until it is out, nothing else may be said
        let out = std::mem::take(self.out);
        let (result, out) = self.client.write(out, 0, self.request.started).await;
        *self.out = out;
        self.out.clear();
        self.client.waiting_bytes.set(0);
        self.client.answer_started.set(result.is_err());
        result
    }

    /// Tries targets until one answers or no further try is allowed.
    async fn answer(&mut self) -> Result<(Lease, Answer, Nanos), Fault> {
        let group = Rc::clone(self.plan.group(self.proxy.group));
        let hash = self.hash(&group);
        let mut tries = Tries::default();
        let mut at = self.request.started;
        loop {
            let mut lease = group.lease(at, hash, &tries.targets).inspect_err(|fault| {
                if *fault == Fault::CircuitOpen {
                    self.recorder().circuit_opened();
                }
            })?;
            self.target = Some(lease.shown());
            self.recorder().request_sent();
            let is_retry = tries.sent_count + tries.unsent_count > 0;
            let failure = match self.try_target(&lease, at).await {
                Ok(answer) => {
                    let (status, came) = (answer.head.status, answer.came);
                    self.attempt_ended(Ok(status), came.since(at), is_retry);
                    tries.sent_count += 1;
                    // A 502, 503 or 504 that the group's settings say to try elsewhere.
                    if !self.is_unwanted(&group, &answer)
                        || !self.may_retry(&group, TryStage::Answering, came, &tries)
                    {
                        return Ok((lease, answer, at));
                    }
                    lease.report(Outcome::Answered(status), came);
                    tries.targets.push(lease.target());
                    at = came;
                    self.state.put_response_head(answer.head);
                    self.state.head_buffers.put(answer.buffer);
                    continue;
                }
                Err(failure) => failure,
            };
            let failed = now();
            self.attempt_ended(Err(failure_kind(failure.outcome)), failed.since(at), is_retry);
            at = failed;
            lease.report(failure.outcome, at);
            tries.count(lease.target(), failure.stage);
            if !self.may_send_again(failure.stage)
                || !self.may_retry(&group, failure.stage, at, &tries)
            {
                return Err(failure.fault);
            }
        }
    }

    fn recorder(&self) -> &GroupRecorder {
        self.plan.recorder.group(self.proxy.group)
    }

    fn attempt_ended(&self, outcome: Result<u16, UpstreamFailure>, latency: Nanos, is_retry: bool) {
        let recorder = self.recorder();
        recorder.request_settled();
        recorder.attempt_ended(&UpstreamEnd { outcome, latency, is_retry });
    }

    /// Whether a try that came as far as `stage` may be followed by another one. One that reached no
    /// target has put no load on any, so only the others count against the budget: else a dead
    /// target would cost errors as soon as its share is above the budget's.
    fn may_retry(&self, group: &Group, stage: TryStage, at: Nanos, tries: &Tries) -> bool {
        if stage == TryStage::NotSent {
            return group.may_retry_unsent(tries.unsent_count - 1, &tries.targets);
        }
        let retries_count = tries.sent_count - 1;
        let attempts_max = group.with_settings(|settings| settings.retry.attempts_max);
        if retries_count >= attempts_max {
            return false;
        }
        let may = group.may_retry(at, retries_count);
        if !may {
            self.recorder().retry_denied();
        }
        may
    }

    /// What a consistent hash is taken over, hashed; 0 where the group does not ask.
    fn hash(&self, group: &Group) -> u64 {
        group.with_settings(|settings| {
            let Balance::ConsistentHash(key) = &settings.balance else { return 0 };
            let by_ip = || match self.client.ip() {
                IpAddr::V4(ip) => stable_hash(&ip.octets()),
                IpAddr::V6(ip) => stable_hash(&ip.octets()),
            };
            let (head, bytes) = (self.request.head, self.request.bytes);
            match key {
                HashKey::SourceIp => by_ip(),
                HashKey::Path => stable_hash(self.request.path()),
                HashKey::Header(name) => head
                    .field_by_name(bytes, name.as_bytes())
                    .map_or_else(by_ip, |field| stable_hash(field.value.of(bytes))),
            }
        })
    }

    /// Whether the request may be sent once more after a try that came as far as `stage`.
    fn may_send_again(&self, stage: TryStage) -> bool {
        let body_at_hand = matches!(self.body.fate, BodyFate::Untouched);
        match stage {
            TryStage::NotSent => body_at_hand,
            TryStage::Sent => body_at_hand && self.request.head.method.is_idempotent(),
            TryStage::Answering => false,
        }
    }

    fn is_unwanted(&self, group: &Group, answer: &Answer) -> bool {
        matches!(answer.head.status, 502..=504)
            && group.with_settings(|settings| settings.retry.on_gateway_status)
            && self.may_send_again(TryStage::Sent)
    }

    /// One try: on an idle connection, and if that turns out to have been closed, on a new one.
    async fn try_target(&mut self, lease: &Lease, at: Nanos) -> Result<Answer, Failure> {
        if let Some(connection) = lease.idle_connection() {
            self.recorder().connection_reused();
            match self.send(lease, connection, at).await {
                Err(failure)
                    if failure.outcome == Outcome::Reset
                        && failure.stage == TryStage::Sent
                        && self.may_send_again(TryStage::Sent) => {}
                other => return other,
            }
        }
        let state = self.state;
        let recorder = self.recorder();
        let connected = lease.connect(&state.deadlines, at, recorder).await;
        let connection = connected.map_err(|fault| Failure {
            fault,
            outcome: match fault {
                Fault::ConnectTimeout => {
                    state.recorder.deadline_fired(DeadlineKind::Connect);
                    Outcome::ConnectTimeout
                }
                _ => Outcome::ConnectFailed,
            },
            stage: TryStage::NotSent,
        })?;
        self.send(lease, connection, at).await
    }

    /// Sends the request on `connection` and reads the head of the final answer.
    async fn send(
        &mut self,
        lease: &Lease,
        mut connection: Connection,
        at: Nanos,
    ) -> Result<Answer, Failure> {
        let state = self.state;
        connection.due_max = lease.due_max(at);
        let mut wire = state.head_buffers.take();
        let upgrade = self.wants_upgrade();
        let outbound = Outbound {
            request: self.request,
            client: self.client,
            proxy: self.proxy,
            spans: self.spans,
            routed_path: self.routed_path,
            forwarding: &self.plan.plan.forwarding,
            upgrade,
        };
        write_request_head(&mut wire, &outbound, |out| lease.write_host(out));
        let left = match self.append_early_body(&mut wire) {
            Ok(left) => left,
            Err(fault) => {
                state.head_buffers.put(wire);
                let stage = TryStage::Answering;
                return Err(Failure { fault, outcome: Outcome::Abandoned, stage });
            }
        };
        let timeout = Nanos::from_millis(self.proxy.timeout_ms);
        connection.set_due(at.plus(timeout));
        let (written, wire) = connection.stream.write_all(wire, 0).await;
        state.head_buffers.put(wire);
        // A target may answer and close before it has read everything: its answer counts.
        let sent_whole = written.is_ok();
        match left {
            Some(left) if sent_whole => self.start_upload(left, &connection, timeout).await?,
            Some(_) => self.body.fate = BodyFate::Abandoned,
            None => {}
        }
        self.read_answer(connection, sent_whole).await
    }

    fn wants_upgrade(&self) -> bool {
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

    /// Appends what of the body came with the head; says what is still to come, if anything.
    fn append_early_body(&mut self, wire: &mut Vec<u8>) -> Result<Option<BodyLeft>, Fault> {
        match self.body.framing {
            BodyFraming::None | BodyFraming::UntilClose => Ok(None),
            BodyFraming::Length(length) => {
                let early = self.body.early.len() as u64;
                if let Some(whole) = self.body.whole_length() {
                    wire.extend_from_slice(&self.body.early[..whole]);
                    return Ok(None);
                }
                wire.extend_from_slice(self.body.early);
                Ok(Some(BodyLeft::Length(length - early)))
            }
            BodyFraming::Chunked => self.append_early_chunks(wire),
        }
    }

    /// Decodes a copy of the early bytes, so that a further try finds them as they came.
    fn append_early_chunks(&mut self, wire: &mut Vec<u8>) -> Result<Option<BodyLeft>, Fault> {
        let mut scratch = self.state.body_buffers.take();
        scratch.extend_from_slice(self.body.early);
        let mut decoder = ChunkedDecoder::new();
        let decoded = decoder.decode(&mut scratch);
        if let Ok(decoded) = &decoded {
            append_chunk(wire, &scratch[..decoded.payload_bytes]);
        }
        self.state.body_buffers.put(scratch);
        let decoded = decoded?;
        if decoded.payload_bytes as u64 > self.body.bytes_max {
            return Err(Fault::BodyTooLarge);
        }
        self.body.chunked_bytes = decoded.payload_bytes as u64;
        if decoded.done {
            self.body.chunked_end.set(Some(decoded.consumed_bytes));
            append_last_chunk(wire, decoder.trailers());
            return Ok(None);
        }
        let left_max = self.body.bytes_max - decoded.payload_bytes as u64;
        Ok(Some(BodyLeft::Chunked { decoder: Box::new(decoder), left_max }))
    }

    /// Lets a second task send the rest of the body while this one waits for the answer.
    async fn start_upload(
        &mut self,
        left: BodyLeft,
        connection: &Connection,
        timeout: Nanos,
    ) -> Result<(), Failure> {
        self.body.fate = BodyFate::Abandoned;
        if self.body.awaits_continue {
            let interim = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
            let (result, _) = self.client.write(interim, 0, now()).await;
            result.map_err(|fault| Failure {
                fault,
                outcome: Outcome::Abandoned,
                stage: TryStage::Answering,
            })?;
        }
        let task = UploadTask {
            state: Rc::clone(self.state),
            client: self.client.stream.clone(),
            client_deadline: self.state.deadlines.watch(self.client.stream.raw_fd()),
            body_timeout: Nanos::from_millis(self.plan.plan.limits.body_timeout_ms),
            target: connection.stream.clone(),
            target_deadline: connection.deadline.mover(),
            target_timeout: timeout,
            target_due_max: connection.due_max,
            left,
        };
        self.body.fate = BodyFate::Uploading(task.start());
        Ok(())
    }

    fn upload(&self) -> Option<&Upload> {
        match &self.body.fate {
            BodyFate::Uploading(upload) => Some(upload),
            BodyFate::Untouched | BodyFate::TakenWhole(_) | BodyFate::Abandoned => None,
        }
    }

    /// Why the client's part failed, if it did.
    fn upload_fault(&self) -> Option<Fault> {
        match self.upload()?.state() {
            UploadState::Failed(fault) => Some(fault),
            UploadState::Running | UploadState::Done | UploadState::Refused => None,
        }
    }

    /// Whether nothing of the body is left to be sent.
    fn is_body_sent(&self) -> bool {
        match &self.body.fate {
            BodyFate::Untouched | BodyFate::TakenWhole(_) => true,
            BodyFate::Uploading(upload) => upload.state() == UploadState::Done,
            BodyFate::Abandoned => false,
        }
    }

    /// Reads up to the end of the final answer's head; passes interim answers on.
    async fn read_answer(
        &mut self,
        connection: Connection,
        sent_whole: bool,
    ) -> Result<Answer, Failure> {
        let mut head = self.state.take_response_head();
        // While the target thinks, no buffer is held. An error shows when it is read.
        let _ = connection.readable().await;
        let mut reading = HeadReading::new(self.state.head_buffers.take());
        loop {
            let (result, buffer) = connection.read(reading.make_room()).await;
            if !matches!(result, Ok(count) if count > 0) {
                self.state.head_buffers.put(buffer);
                self.state.put_response_head(head);
                return Err(self.read_failure(&connection, &reading));
            }
            reading.buffer = buffer;
            match self.take_heads(&mut head, &mut reading).await {
                Ok(true) => {
                    if let Some(upload) = self.upload() {
                        upload.answer_came();
                    }
                    let HeadReading { buffer, start, .. } = reading;
                    return Ok(Answer { connection, head, buffer, start, sent_whole, came: now() });
                }
                Ok(false) => {}
                Err(failure) => {
                    self.state.head_buffers.put(reading.buffer);
                    self.state.put_response_head(head);
                    return Err(failure);
                }
            }
        }
    }

    /// Parses the heads that are complete, and passes interim ones on. Whether the last one is
    /// final; it then lies at `reading.start`.
    async fn take_heads(
        &mut self,
        head: &mut ResponseHead,
        reading: &mut HeadReading,
    ) -> Result<bool, Failure> {
        let bad = |_| Failure {
            fault: Fault::BadUpstreamAnswer,
            outcome: Outcome::BadAnswer,
            stage: TryStage::Answering,
        };
        loop {
            let unread = &reading.buffer[reading.start..];
            let found = reading.scanner.find_end(unread, &ANSWER_HEAD_LIMITS).map_err(bad)?;
            let Some(head_bytes) = found else { return Ok(false) };
            let head_bytes = &unread[..head_bytes];
            head.parse(head_bytes, self.request.head.method).map_err(bad)?;
            let is_switch = head.status == 101;
            if is_switch && !self.wants_upgrade() {
                return Err(bad(Fault::BadUpstreamAnswer));
            }
            if head.status >= 200 || is_switch {
                return Ok(true);
            }
            reading.interim_count += 1;
            if reading.interim_count > INTERIM_ANSWERS_MAX {
                return Err(bad(Fault::BadUpstreamAnswer));
            }
            self.pass_interim(head, head_bytes).await.map_err(|fault| Failure {
                fault,
                outcome: Outcome::Abandoned,
                stage: TryStage::Answering,
            })?;
            reading.start += head_bytes.len();
            reading.scanner = HeadScanner::for_response();
        }
    }

    /// Why no answer came: the upload's own failure explains it, else the deadline, else the
    /// target closed.
    fn read_failure(&self, connection: &Connection, reading: &HeadReading) -> Failure {
        if let Some(fault) = self.upload_fault() {
            return Failure { fault, outcome: Outcome::Abandoned, stage: TryStage::Answering };
        }
        if connection.deadline.passed() {
            self.upstream_deadline_fired(connection, DeadlineKind::FirstByte);
            let fault = Fault::UpstreamTimeout;
            return Failure { fault, outcome: Outcome::Timeout, stage: TryStage::Answering };
        }
        // A head that was cut has gone nowhere; an interim answer has.
        let has_begun = reading.interim_count > 0;
        let stage = if has_begun { TryStage::Answering } else { TryStage::Sent };
        Failure { fault: Fault::UpstreamReset, outcome: Outcome::Reset, stage }
    }

    /// Counts the deadline of `connection` that passed: the bound on the whole, or `kind`.
    pub(super) fn upstream_deadline_fired(&self, connection: &Connection, kind: DeadlineKind) {
        let is_total = now() >= connection.due_max;
        let kind = if is_total { DeadlineKind::Total } else { kind };
        self.state.recorder.deadline_fired(kind);
    }

    /// Passes an interim answer on to a client that can understand it. A 100 ends here: the gateway
    /// has sent its own.
    async fn pass_interim(&mut self, head: &ResponseHead, bytes: &[u8]) -> Result<(), Fault> {
        if head.status == 100 || self.request.head.version == Version::Http10 {
            return Ok(());
        }
        let mut out = Vec::with_capacity(bytes.len());
        write_interim_head(&mut out, head, bytes);
        self.client.write(out, 0, now()).await.0
    }

    /// Passes the answer on, and makes sure that the client notices if it was cut.
    async fn pass_on(&mut self, lease: &mut Lease, answer: Answer) -> Result<Passed, Fault> {
        let framing = framing_for_client(answer.head.framing, self.request.head.version);
        let result = self.pass_on_in(framing, lease, answer).await;
        if result.is_err() && framing == BodyFraming::UntilClose {
            self.client.must_reset.set(true);
        }
        result
    }

    /// Passes the answer on in this framing: the head, what came with it, and the rest as it comes.
    async fn pass_on_in(
        &mut self,
        framing: BodyFraming,
        lease: &mut Lease,
        answer: Answer,
    ) -> Result<Passed, Fault> {
        let Answer { connection, head, mut buffer, start, sent_whole, came } = answer;
        let version = self.request.head.version;
        let goes_on = self.request.head.keep_alive
            && self.client.may_persist
            && !self.state.draining.get()
            && self.is_body_sent()
            && framing != BodyFraming::UntilClose;
        let head_end = start + head.head_bytes;
        let inbound = Inbound {
            head: &head,
            bytes: &buffer[start..head_end],
            request_method: self.request.head.method,
            framing,
            id: self.request.id,
            persistence: Persistence::of(version, goes_on),
            via: self.plan.plan.forwarding.via.as_deref(),
        };
        write_response_head(self.out, &inbound);
        self.client.answer_started.set(true);
        let idle_timeout =
            Nanos::from_millis(lease.group().with_settings(|settings| settings.idle_timeout_ms));
        if head.status == 101 {
            let result = self.tunnel(connection, &buffer[head_end..], came).await;
            self.state.put_response_head(head);
            self.state.head_buffers.put(buffer);
            return Ok(Passed { goes_on: false, answer_bytes: result?, ended: now() });
        }
        // The head is here; how long the client takes to read is not the target's fault.
        connection.clear_due();
        let mut relay =
            BodyRelay { exchange: self, connection, idle_timeout, answer_bytes: 0, at: came };
        let whole = match head.framing {
            BodyFraming::None => relay.end(&buffer[head_end..]).await,
            BodyFraming::Length(length) => relay.length(&buffer[head_end..], length).await,
            BodyFraming::Chunked => relay.chunked(&mut buffer[head_end..], framing).await,
            BodyFraming::UntilClose => relay.until_close(&buffer[head_end..], framing).await,
        };
        let BodyRelay { connection, answer_bytes, at, .. } = relay;
        let keep_alive = head.keep_alive;
        self.state.put_response_head(head);
        self.state.head_buffers.put(buffer);
        let whole = whole?;
        let may_keep = whole && keep_alive && sent_whole && self.is_body_sent();
        if may_keep && !connection.deadline.passed() && !connection.stream.has_unsent() {
            lease.keep(connection, at);
        }
        let goes_on = self.finish_upload() && goes_on;
        Ok(Passed { goes_on, answer_bytes, ended: at })
    }

    /// Settles what became of the request's body: whether it was taken whole. What is still being
    /// uploaded is left to the connection's driver, which throws it away.
    fn finish_upload(&mut self) -> bool {
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
        connection: Connection,
        from_target: &[u8],
        at: Nanos,
    ) -> Result<u64, Fault> {
        self.out.extend_from_slice(from_target);
        let out = std::mem::take(self.out);
        let (result, out) = self.client.write(out, 0, at).await;
        *self.out = out;
        self.out.clear();
        result?;
        self.body.fate = BodyFate::Abandoned;
        let idle_timeout = Nanos::from_millis(self.plan.plan.limits.tunnel_idle_timeout_ms);
        let early = self.body.early.to_vec();
        let recorder = &self.state.recorder;
        recorder.tunnel_opened();
        let relayed = tunnel(self.state, self.client, &connection, early, idle_timeout);
        let relayed_bytes = Box::pin(relayed).await;
        recorder.tunnel_closed();
        if self.client.deadline.passed() || connection.deadline.passed() {
            recorder.deadline_fired(DeadlineKind::Tunnel);
        }
        Ok(relayed_bytes)
    }
}

/// A target's heads as they come in.
struct HeadReading {
    /// What was read. `[..start]` is used up.
    buffer: Vec<u8>,
    start: usize,
    scanner: HeadScanner,
    interim_count: u32,
}

impl HeadReading {
    fn new(buffer: Vec<u8>) -> Self {
        let scanner = HeadScanner::for_response();
        Self { buffer, start: 0, scanner, interim_count: 0 }
    }

    /// The buffer with what is not used up at its front, and room behind.
    fn make_room(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if self.start > 0 {
            buffer.drain(..self.start);
            self.start = 0;
        }
        if buffer.len() == buffer.capacity() {
            buffer.reserve(HEAD_BYTES_CEILING - buffer.len().min(HEAD_BYTES_CEILING - 1));
        }
        buffer
    }
}

/// An answer that was passed on.
struct Passed {
    goes_on: bool,
    answer_bytes: u64,
    ended: Nanos,
}

/// What a failed try counts as.
fn failure_kind(outcome: Outcome) -> UpstreamFailure {
    match outcome {
        Outcome::ConnectFailed => UpstreamFailure::Connect,
        Outcome::ConnectTimeout => UpstreamFailure::ConnectTimeout,
        Outcome::Reset => UpstreamFailure::Reset,
        Outcome::Timeout => UpstreamFailure::Timeout,
        Outcome::BadAnswer => UpstreamFailure::BadAnswer,
        Outcome::Abandoned | Outcome::Answered(_) => UpstreamFailure::Abandoned,
    }
}

/// What a failure after the answer's head says of the target.
fn outcome_of(fault: Fault, status: u16) -> Outcome {
    match fault {
        Fault::UpstreamTimeout => Outcome::Timeout,
        Fault::UpstreamReset => Outcome::Reset,
        Fault::BadUpstreamAnswer => Outcome::BadAnswer,
        _ => Outcome::Answered(status),
    }
}

/// The bounds on a target's head: what the buffers can take.
const ANSWER_HEAD_LIMITS: HeadLimits = HeadLimits {
    request_line_bytes_max: 8_192,
    head_bytes_max: HEAD_BYTES_CEILING as u32,
    headers_count_max: HEADERS_COUNT_MAX as u32,
};
