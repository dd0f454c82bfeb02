//! Forwards a request to a target and its answer to the client.
//!
//! A try begins on a connection of the pool or a new one. Until a byte of an answer has been
//! passed on, a try that failed may be followed by another: always if the request was never sent,
//! else only if the method is idempotent and the body is still at hand. A connection goes back to
//! the pool only when its answer was read to its end and nothing came after it.

use std::net::IpAddr;
use std::rc::Rc;

use super::body::{BodyFate, RequestBody};
use super::client::{Client, ClientLink};
use super::grpc::GrpcForm;
use super::request::Request;
use super::state::{ShardPlan, ShardState};
use crate::base::{Fault, Method, Nanos};
use crate::model::{Balance, HashKey};
use crate::observe::{DeadlineKind, GroupRecorder, UpstreamEnd, UpstreamFailure};
use crate::plan::{PathSpans, ProxyPlan};
use crate::proto::ResponseHead;
use crate::rt::now;
use crate::upstream::{Group, Lease, Outcome, TargetId, TargetLink, stable_hash};

/// One request on its way through a target group.
pub(crate) struct Exchange<'x, 'b> {
    pub(crate) state: &'x Rc<ShardState>,
    pub(crate) plan: &'x Rc<ShardPlan>,
    pub(crate) client: &'x Client<'x>,
    pub(crate) request: &'x Request<'x>,
    /// Who answers.
    pub(crate) group: &'x Rc<Group>,
    /// From the request's last byte sent to the answer's first byte.
    pub(crate) timeout: Nanos,
    /// What the target is told, and the client of its answer.
    pub(crate) form: Form<'x>,
    pub(crate) body: &'x mut RequestBody<'b>,
    pub(crate) out: &'x mut Vec<u8>,
    /// Where the latest try went.
    pub(crate) target: Option<Rc<str>>,
    /// The form of gRPC-Web that is translated for the target.
    pub(crate) web: Option<GrpcForm>,
}

/// How a request is written for the target, and the answer for the client.
#[derive(Clone, Copy)]
pub(crate) enum Form<'x> {
    /// As a route of the boot file has it: both pass with little change.
    Routed(Routed<'x>),
    /// As an integration of a deployed API has it.
    Deployed(&'x dyn Translation),
}

/// What a route of the boot file makes of a request.
#[derive(Clone, Copy)]
pub(crate) struct Routed<'x> {
    pub(crate) proxy: &'x ProxyPlan,
    pub(crate) spans: &'x PathSpans,
    /// The path that was routed: base path and stage stripped.
    pub(crate) path: &'x [u8],
}

/// What an integration of a deployed API makes of a request and of the answer to it.
pub(crate) trait Translation {
    /// The method that the target is asked with.
    fn method(&self) -> Method;

    /// Whether the request's body is sent on.
    fn sends_body(&self) -> bool;

    /// How long a streamed answer may bring nothing; `None` for answers that are not.
    fn stream_idle_timeout(&self) -> Option<Nanos> {
        None
    }

    /// Appends the request line and the field lines, but for those that frame the body, and without
    /// the empty line.
    fn write_request(&self, out: &mut Vec<u8>, to_http2: bool);

    /// Looks at the head of the final answer, which is `bytes`. A fault is told to the client in its
    /// place.
    fn judge(&self, head: &ResponseHead, bytes: &[u8]) -> Result<AnswerUse, Fault>;

    /// Appends status line and field lines for the client, but for those that frame the body and
    /// say what becomes of the connection, and without the empty line.
    fn write_answer(&self, out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]);

    /// The same for an answer whose body was collected, and the body that the client gets.
    fn write_collected(
        &self,
        out: &mut Vec<u8>,
        head: &ResponseHead,
        bytes: &[u8],
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), Fault>;
}

/// What becomes of an answer's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AnswerUse {
    /// It is passed on as it comes, under this status.
    PassOn(u16),
    /// It is read whole first, up to the longest that an API may have.
    Collect,
}

/// An answer that was passed on whole.
pub(crate) struct Relayed {
    /// What the client saw.
    pub(crate) status: u16,
    /// What the target said.
    pub(crate) upstream_status: u16,
    pub(crate) goes_on: bool,
    pub(crate) answer_bytes: u64,
    /// From the request sent to the answer's head.
    pub(crate) upstream: Nanos,
    pub(crate) is_tunnel: bool,
    pub(crate) ended: Nanos,
}

/// A target's final answer, its head parsed, before anything was passed on.
pub(super) struct Answer {
    pub(super) link: TargetLink,
    pub(super) head: Box<ResponseHead>,
    /// What was read: `[..start]` is used up, the head follows, then the body's beginning.
    pub(super) buffer: Vec<u8>,
    pub(super) start: usize,
    /// All that was to be sent at once was sent; a connection that took less is worn out.
    pub(super) sent_whole: bool,
    /// When its head was complete.
    pub(super) came: Nanos,
}

impl Answer {
    /// The bytes of the head.
    pub(super) fn head_bytes(&self) -> &[u8] {
        self.buffer.get(self.start..self.start + self.head.head_bytes).unwrap_or_default()
    }
}

/// Why a try failed.
pub(super) struct Failure {
    pub(super) fault: Fault,
    pub(super) outcome: Outcome,
    /// How much of the exchange had happened.
    pub(super) stage: TryStage,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum TryStage {
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

/// A try under way, counted for as long as it is, however it ends.
struct Outstanding<'r>(&'r GroupRecorder);

impl<'r> Outstanding<'r> {
    fn new(recorder: &'r GroupRecorder) -> Self {
        recorder.request_sent();
        Self(recorder)
    }
}

impl Drop for Outstanding<'_> {
    fn drop(&mut self) {
        self.0.request_settled();
    }
}

/// Sends answers to earlier requests that still wait in `out`, before this one is waited for.
pub(super) async fn flush_earlier(
    client: &Client<'_>,
    out: &mut Vec<u8>,
    at: Nanos,
) -> Result<(), Fault> {
    if out.is_empty() {
        return Ok(());
    }
    client.answer_started.set(true); // until it is out, nothing else may be said
    let (result, sent) = client.write(std::mem::take(out), 0, at, false).await;
    *out = sent;
    out.clear();
    if let ClientLink::Http1(link) = &client.link {
        link.waiting_bytes.set(0);
    }
    client.answer_started.set(result.is_err());
    result
}

impl Exchange<'_, '_> {
    /// Forwards the request, tries again where that is safe, and passes the answer on.
    pub(crate) async fn relay(&mut self) -> Result<Relayed, Fault> {
        let (mut lease, answer, sent) = self.ask().await?;
        let status = answer.head.status;
        let upstream = answer.came.since(sent);
        let came = answer.came;
        let result = match self.answer_use(&answer) {
            Ok(AnswerUse::PassOn(status)) => self.pass_on(&mut lease, answer, status).await,
            Ok(AnswerUse::Collect) => {
                let due = sent.plus(self.timeout);
                Box::pin(self.collect(&lease, answer, due)).await
            }
            Err(fault) => Err(fault),
        };
        match result {
            Ok(passed) => {
                lease.report(Outcome::Answered(status), passed.ended);
                Ok(Relayed {
                    status: passed.status,
                    upstream_status: status,
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

    /// Forwards the request, tries again where that is safe, and leaves the answer to the caller.
    pub(super) async fn ask(&mut self) -> Result<(Lease, Answer, Nanos), Fault> {
        flush_earlier(self.client, self.out, self.request.started).await?;
        self.client.deadline.clear();
        self.answer().await
    }

    fn answer_use(&self, answer: &Answer) -> Result<AnswerUse, Fault> {
        match &self.form {
            Form::Routed(_) => Ok(AnswerUse::PassOn(answer.head.status)),
            Form::Deployed(translation) => translation.judge(&answer.head, answer.head_bytes()),
        }
    }

    /// How long a streamed answer may bring nothing; `None` for answers that are not.
    pub(super) fn stream_idle_timeout(&self) -> Option<Nanos> {
        match &self.form {
            Form::Routed(_) => None,
            Form::Deployed(translation) => translation.stream_idle_timeout(),
        }
    }

    /// How long the answer's body may bring nothing.
    pub(super) fn idle_timeout(&self, lease: &Lease) -> Nanos {
        self.stream_idle_timeout().unwrap_or_else(|| {
            Nanos::from_millis(lease.group().with_settings(|settings| settings.idle_timeout_ms))
        })
    }

    /// The method that the target is asked with.
    pub(super) fn method(&self) -> Method {
        match &self.form {
            Form::Routed(_) => self.request.head.method,
            Form::Deployed(translation) => translation.method(),
        }
    }

    /// Tries targets until one answers or no further try is allowed.
    async fn answer(&mut self) -> Result<(Lease, Answer, Nanos), Fault> {
        let group = self.group;
        let hash = self.hash(group);
        let mut tries = Tries::default();
        let mut at = self.request.started;
        loop {
            let mut lease = group.lease(at, hash, &tries.targets).inspect_err(|fault| {
                if *fault == Fault::CircuitOpen {
                    self.recorder().circuit_opened();
                }
            })?;
            self.target = Some(lease.shown());
            let outstanding = Outstanding::new(group.recorder());
            let is_retry = tries.sent_count + tries.unsent_count > 0;
            let tried = self.try_target(&lease, at).await;
            drop(outstanding);
            let failure = match tried {
                Ok(answer) => {
                    let (status, came) = (answer.head.status, answer.came);
                    self.attempt_ended(Ok(status), came.since(at), is_retry);
                    tries.sent_count += 1;
                    // A 502, 503 or 504 that the group's settings say to try elsewhere.
                    if !self.is_unwanted(group, &answer)
                        || !self.may_retry(group, TryStage::Answering, came, &tries)
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
                || !self.may_retry(group, failure.stage, at, &tries)
            {
                return Err(failure.fault);
            }
        }
    }

    fn recorder(&self) -> &GroupRecorder {
        self.group.recorder()
    }

    fn attempt_ended(&self, outcome: Result<u16, UpstreamFailure>, latency: Nanos, is_retry: bool) {
        self.recorder().attempt_ended(&UpstreamEnd { outcome, latency, is_retry });
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
    pub(super) fn may_send_again(&self, stage: TryStage) -> bool {
        let body_at_hand =
            matches!(self.body.fate, BodyFate::Untouched) || self.body.collected.is_some();
        match stage {
            TryStage::NotSent => body_at_hand,
            TryStage::Sent => body_at_hand && self.method().is_idempotent(),
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
        if lease.is_http2() {
            return Box::pin(self.try_http2(lease, at)).await;
        }
        if let Some(connection) = lease.idle_connection() {
            self.recorder().connection_reused();
            match self.send(lease, connection, at).await {
                Err(failure) if self.met_a_closed_connection(&failure) => {}
                other => return other,
            }
        }
        let state = self.state;
        let connected = lease.connect(&state.deadlines, at, self.recorder()).await;
        let connection = connected.map_err(|fault| self.not_connected(fault))?;
        self.send(lease, connection, at).await
    }

    /// The same over HTTP/2: on a connection that others use too.
    async fn try_http2(&mut self, lease: &Lease, at: Nanos) -> Result<Answer, Failure> {
        let state = self.state;
        for tries_left in (0..SHARED_TRIES_MAX).rev() {
            let shared = lease.share_connection(&state.deadlines, at, self.recorder()).await;
            let (connection, is_new) = shared.map_err(|fault| self.not_connected(fault))?;
            if !is_new {
                self.recorder().connection_reused();
            }
            match self.send_http2(lease, &connection, at).await {
                Err(failure)
                    if tries_left > 0 && !is_new && self.met_a_closed_connection(&failure) => {}
                other => return other,
            }
        }
        Err(self.not_connected(Fault::ConnectFailed))
    }

    /// Whether a try on a connection that was used before failed as one does whose connection the
    /// target had closed, and may be made again.
    fn met_a_closed_connection(&self, failure: &Failure) -> bool {
        failure.outcome == Outcome::Reset
            && failure.stage != TryStage::Answering
            && self.may_send_again(failure.stage)
    }

    fn not_connected(&self, fault: Fault) -> Failure {
        let outcome = match fault {
            Fault::ConnectTimeout => {
                self.state.recorder.deadline_fired(DeadlineKind::Connect);
                Outcome::ConnectTimeout
            }
            _ => Outcome::ConnectFailed,
        };
        Failure { fault, outcome, stage: TryStage::NotSent }
    }
}

/// Tries of one request on connections to one target that others use too. A target that refuses
/// streams does so again; one that lets fewer at once than it was sent says so with the first.
const SHARED_TRIES_MAX: u32 = 3;

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
pub(super) fn outcome_of(fault: Fault, status: u16) -> Outcome {
    match fault {
        Fault::UpstreamTimeout => Outcome::Timeout,
        Fault::UpstreamReset => Outcome::Reset,
        Fault::BadUpstreamAnswer => Outcome::BadAnswer,
        _ => Outcome::Answered(status),
    }
}
