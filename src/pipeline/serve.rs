//! The whole life of a request, in order. Phases are called here and nowhere else; a phase never
//! calls the next one.

use std::rc::Rc;

use super::acme;
use super::body::RequestBody;
use super::client::Client;
use super::exchange::{Exchange, Form, Relayed, Routed};
use super::grpc::GrpcForm;
use super::request::Request;
use super::respond::{
    Persistence, fault_message, without_port, write_fault, write_mock, write_redirect,
    write_request_id,
};
use super::state::{ShardPlan, ShardStage, ShardState};
use crate::base::{Fault, Method, Nanos, ThrottleScope};
use crate::coord::Decision;
use crate::observe::access_log::AccessRecord;
use crate::observe::{DeadlineKind, RequestEnd};
use crate::plan::{HostMatch, IntegrationPlan, MockPlan, PathSpans, RoutePlan};
use crate::proto::FieldName;
use crate::proto::uri::{PathForm, is_normal_path, normalise_path};
use crate::rt::now;
use crate::tls::ClientVerdict;

/// The order of the phases, for the test that pins it and for the documentation.
pub const PHASES: &[&str] = &["admit", "route", "limit_body", "throttle", "integrate", "record"];

/// How a request ended, for the connection's driver.
#[derive(Clone, Copy, Debug)]
pub struct Served {
    /// The connection may carry another request.
    pub goes_on: bool,
    /// When the answer was complete.
    pub ended: Nanos,
}

/// Serves one request. What is to be sent is written to the client, or left in `out` when it is
/// short: the driver sends it with the answers of the requests that follow.
pub async fn serve(
    state: &Rc<ShardState>,
    client: &Client<'_>,
    request: &Request<'_>,
    body: &mut RequestBody<'_>,
    out: &mut Vec<u8>,
) -> Served {
    let plan = state.plan(); // one epoch per request, even across awaits
    #[cfg(test)]
    assert!(!request.path().starts_with(b"/panics"), "asked for by a test");
    let is_normal = is_normal_path(request.path());
    // Most paths are normal already and need no buffer.
    let mut normal_path = if is_normal { Vec::new() } else { state.head_buffers.take() };
    let path = if is_normal { Ok(request.path()) } else { normalise(request, &mut normal_path) };
    let mut log = Log { path, stage_index: None, route_index: None, target: None };
    let result = phases(state, &plan, client, request, body, out, &mut log).await;
    let answered = match result {
        Ok(answered) => answered,
        Err(fault) => refuse(state, client, request, body, out, fault),
    };
    let request_bytes = body.received_bytes();
    record(state, &plan, client, request, request_bytes, &log, &answered);
    if !is_normal {
        state.head_buffers.put(normal_path);
    }
    Served { goes_on: answered.goes_on, ended: answered.ended }
}

/// What a request came to.
struct Answered {
    status: u16,
    fault: Option<Fault>,
    goes_on: bool,
    answer_bytes: u64,
    upstream: Option<Nanos>,
    upstream_status: Option<u16>,
    is_tunnel: bool,
    ended: Nanos,
}

/// Where a request went, filled in as far as it came.
struct Log<'m> {
    /// In its normal form, or why it has none.
    path: Result<&'m [u8], Fault>,
    stage_index: Option<u32>,
    route_index: Option<u32>,
    /// The target that was asked last.
    target: Option<Rc<str>>,
}

async fn phases(
    state: &Rc<ShardState>,
    plan: &Rc<ShardPlan>,
    client: &Client<'_>,
    request: &Request<'_>,
    body: &mut RequestBody<'_>,
    out: &mut Vec<u8>,
    log: &mut Log<'_>,
) -> Result<Answered, Fault> {
    admit(client, request)?;
    if request.head.asterisk && request.head.method == Method::Options {
        return Ok(answer_options(state, client, request, body, out));
    }
    if !state.challenges.is_empty()
        && let Some(answer) =
            acme::find_answer(&state.challenges, request.head.method, request.path())
    {
        return Ok(answer_mock(state, client, request, body, out, &answer));
    }
    if let Some(redirect) = &client.listener.redirect_to_https {
        let path = log.path?;
        let (goes_on, persistence) = persistence(state, client, request, body);
        let (spans, date) = (PathSpans::default(), state.http_date());
        write_redirect(out, redirect, request, &spans, path, persistence, &date);
        return Ok(made_here(request, redirect.status, goes_on, 0));
    }
    let matched = route(plan, request, log.path?, log)?;
    body.bytes_max = matched.route.body_bytes_max;
    body.check_length()?;
    throttle(plan, matched.stage, matched.route, request.started)?;
    match &matched.route.integration {
        IntegrationPlan::Mock(mock) => Ok(answer_mock(state, client, request, body, out, mock)),
        IntegrationPlan::Redirect(redirect) => {
            let (goes_on, persistence) = persistence(state, client, request, body);
            let (spans, path, date) = (&matched.spans, matched.path, state.http_date());
            write_redirect(out, redirect, request, spans, path, persistence, &date);
            Ok(made_here(request, redirect.status, goes_on, 0))
        }
        IntegrationPlan::Proxy(proxy) => {
            let mut exchange = Exchange {
                state,
                plan,
                client,
                request,
                group: matched.stage.group(proxy.group),
                timeout: Nanos::from_millis(proxy.timeout_ms),
                form: Form::Routed(Routed { proxy, spans: &matched.spans, path: matched.path }),
                body,
                out,
                target: None,
                web: None,
            };
            let relayed = exchange.relay().await;
            log.target = exchange.target;
            relayed.map(Answered::from)
        }
    }
}

/// Whether the connection may carry the request at all: what the handshake settled holds for the
/// domain that it was for, and a request for another one would go around it.
fn admit(client: &Client<'_>, request: &Request<'_>) -> Result<(), Fault> {
    let Some(facts) = client.tls else { return Ok(()) };
    if facts.verdict.as_ref().is_some_and(|verdict| !matches!(verdict, ClientVerdict::Trusted)) {
        return Err(Fault::ClientCertificateRefused);
    }
    let (Some(domain), Some(tls)) = (&facts.domain, &client.listener.tls) else { return Ok(()) };
    let host = std::str::from_utf8(without_port(request.authority()));
    let host = host.map_err(|_| Fault::BadHost)?;
    match tls.server.may_serve(domain, host) {
        true => Ok(()),
        false => Err(Fault::MisdirectedRequest),
    }
}

/// The path that routes are looked up by and that targets see: in its normal form, so that no
/// spelling of a path reaches a target by another route than the path itself.
fn normalise<'m>(request: &Request<'m>, normal_path: &'m mut Vec<u8>) -> Result<&'m [u8], Fault> {
    let path = request.path();
    if path.is_empty() {
        return Ok(b"/"); // an absolute-form target may have none
    }
    match normalise_path(path, normal_path) {
        PathForm::AsReceived => Ok(path),
        PathForm::Rewritten => Ok(normal_path),
        PathForm::Refused => Err(Fault::BadTarget),
    }
}

/// The route that takes a request, with the parameters of its path.
struct Matched<'m> {
    stage: &'m ShardStage,
    route: &'m RoutePlan,
    spans: PathSpans,
    /// The path without base path and stage.
    path: &'m [u8],
}

fn route<'m>(
    plan: &'m ShardPlan,
    request: &Request<'m>,
    path: &'m [u8],
    log: &mut Log<'_>,
) -> Result<Matched<'m>, Fault> {
    if matches!(request.head.method, Method::Trace | Method::Connect) {
        return Err(Fault::NotImplemented);
    }
    let (stage_index, prefix_bytes) = match plan.plan.hosts.find(request.authority(), path) {
        HostMatch::Found { stage_index, prefix_bytes } => (stage_index, prefix_bytes),
        HostMatch::NoHost => return Err(Fault::MisdirectedRequest),
        HostMatch::NoPath => return Err(Fault::NotFound),
    };
    log.stage_index = Some(stage_index);
    let stage: &ShardStage = plan.stage(stage_index).ok_or(Fault::NotFound)?;
    let path = path.get(usize::from(prefix_bytes)..).unwrap_or_default();
    let mut spans = PathSpans::default();
    let routed_path = if path.is_empty() { b"/" } else { path };
    let route_index = stage.plan.router.find(request.head.method, routed_path, &mut spans);
    let route_index = route_index.ok_or(Fault::NotFound)?;
    log.route_index = Some(route_index);
    let route = stage.plan.routes.get(route_index as usize).ok_or(Fault::NotFound)?;
    Ok(Matched { stage, route, spans, path: routed_path })
}

/// Takes one token of each bucket of the route, or none of any, so that a refused request costs
/// nothing elsewhere. All are asked before any is taken from: a token that was taken from a pool
/// cannot always be put back.
fn throttle(
    plan: &ShardPlan,
    stage: &ShardStage,
    route: &RoutePlan,
    now: Nanos,
) -> Result<(), Fault> {
    let account = plan.account_bucket().map(|bucket| (ThrottleScope::Account, bucket));
    let own = route.throttles.iter().map(|(scope, slot)| (*scope, stage.bucket(*slot)));
    let buckets = own.chain(account);
    if route.throttles.len() + usize::from(account.is_some()) > 1 {
        for (scope, bucket) in buckets.clone() {
            admitted(bucket.borrow().peek(now), scope)?;
        }
    }
    for (index, (scope, bucket)) in buckets.clone().enumerate() {
        let decision = bucket.borrow_mut().take(now);
        if let Err(fault) = admitted(decision, scope) {
            // Another shard took the last token since.
            for (_, taken) in buckets.take(index) {
                taken.borrow_mut().untake();
            }
            return Err(fault);
        }
    }
    Ok(())
}

fn admitted(decision: Decision, scope: ThrottleScope) -> Result<(), Fault> {
    match decision {
        Decision::Grant => Ok(()),
        Decision::Reject { retry_after_ms } => Err(Fault::Throttled { scope, retry_after_ms }),
    }
}

/// Whether the connection may go on after an answer that leaves the body unread, and what the
/// answer says of it.
fn persistence(
    state: &ShardState,
    client: &Client<'_>,
    request: &Request<'_>,
    body: &RequestBody<'_>,
) -> (bool, Persistence) {
    let goes_on = request.head.keep_alive
        && client.may_persist()
        && !state.draining.get()
        && body.is_cheap_to_discard(&state.body_buffers);
    (goes_on, Persistence::of(request.head.version, goes_on))
}

fn made_here(request: &Request<'_>, status: u16, goes_on: bool, answer_bytes: usize) -> Answered {
    Answered {
        status,
        fault: None,
        goes_on,
        answer_bytes: answer_bytes as u64,
        upstream: None,
        upstream_status: None,
        is_tunnel: false,
        ended: request.started,
    }
}

/// Answers with what is known beforehand.
fn answer_mock(
    state: &ShardState,
    client: &Client<'_>,
    request: &Request<'_>,
    body: &RequestBody<'_>,
    out: &mut Vec<u8>,
    mock: &MockPlan,
) -> Answered {
    let (goes_on, persistence) = persistence(state, client, request, body);
    let has_body = request.head.method != Method::Head;
    write_mock(out, mock, request.id, persistence, has_body, &state.http_date());
    let body_bytes = if has_body { mock.body.len() } else { 0 };
    made_here(request, mock.status, goes_on, body_bytes)
}

/// Answers `OPTIONS *`, which asks about the server as a whole (RFC 9110 section 9.3.7).
fn answer_options(
    state: &ShardState,
    client: &Client<'_>,
    request: &Request<'_>,
    body: &RequestBody<'_>,
    out: &mut Vec<u8>,
) -> Answered {
    let (goes_on, persistence) = persistence(state, client, request, body);
    out.extend_from_slice(b"HTTP/1.1 204 No Content\r\nallow: ");
    out.extend_from_slice(b"GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\ndate: ");
    out.extend_from_slice(&state.http_date());
    out.extend_from_slice(b"\r\n");
    write_request_id(out, request.id);
    out.extend_from_slice(persistence.line());
    out.extend_from_slice(b"\r\n");
    made_here(request, 204, goes_on, 0)
}

/// Answers with a fault, unless an answer has begun or nobody is there to read it.
fn refuse(
    state: &ShardState,
    client: &Client<'_>,
    request: &Request<'_>,
    body: &RequestBody<'_>,
    out: &mut Vec<u8>,
    fault: Fault,
) -> Answered {
    let (may_go_on, _) = persistence(state, client, request, body);
    if fault == Fault::ClientGone && client.deadline.passed() {
        state.recorder.deadline_fired(DeadlineKind::Write);
    }
    let is_late = client.answer_started.get() || fault == Fault::ClientGone;
    let goes_on = may_go_on && !is_late && !fault.closes_connection();
    let mut body_bytes = 0;
    if !is_late {
        let persistence = Persistence::of(request.head.version, goes_on);
        let has_body = request.head.method != Method::Head;
        let form = GrpcForm::of_request(request.head, request.bytes);
        let date = state.http_date();
        body_bytes = write_fault(out, fault, form, request.id, persistence, has_body, &date);
    }
    let ended = if fault_waited(fault) { now() } else { request.started };
    Answered {
        fault: Some(fault),
        ended,
        ..made_here(request, fault.status(), goes_on, body_bytes)
    }
}

/// Whether time may have passed before the fault came, so that the clock must be read again.
fn fault_waited(fault: Fault) -> bool {
    !matches!(fault, Fault::NotFound | Fault::MisdirectedRequest)
        && !matches!(
            fault,
            Fault::Throttled {
                scope: ThrottleScope::Account | ThrottleScope::Stage | ThrottleScope::Route,
                ..
            }
        )
}

/// Counts the request, and writes its line of the access log.
fn record(
    state: &ShardState,
    plan: &ShardPlan,
    client: &Client<'_>,
    request: &Request<'_>,
    request_bytes: u64,
    log: &Log<'_>,
    answered: &Answered,
) {
    let latency = answered.ended.since(request.started);
    plan.recorder.request_ended(&RequestEnd {
        version: request.head.version,
        stage: log.stage_index,
        route: log.route_index,
        status: answered.status,
        fault: answered.fault,
        latency,
        upstream: answered.upstream,
        request_bytes,
        answer_bytes: answered.answer_bytes,
        is_tunnel: answered.is_tunnel,
    });
    let (Some(format), Some(sink)) = (&plan.log_format, &mut *state.access_log.borrow_mut()) else {
        return;
    };
    let (head, bytes) = (request.head, request.bytes);
    let query = request.query();
    let labels = log.stage_index.and_then(|index| plan.stage(index)).map(|one| &*one.plan.labels);
    let route_key = labels.zip(log.route_index);
    let route_key = route_key.and_then(|(one, index)| one.route_keys.get(index as usize));
    let record = AccessRecord {
        request_id: request.id,
        connection_id: None,
        source_ip: client.source_ip(request),
        method: head.method_token.of(bytes),
        path: request.path(),
        query: query.strip_prefix(b"?"),
        protocol: head.version.as_str(),
        host: request.authority(),
        user_agent: head.field(FieldName::UserAgent).map(|field| field.value.of(bytes)),
        api_id: labels.map(|labels| &*labels.api_id),
        stage: labels.map(|labels| &*labels.stage_name),
        route_key: route_key.map(|key| &**key),
        status: answered.status,
        request_bytes,
        response_bytes: answered.answer_bytes,
        request_time_unix_ms: state.unix_millis_at(request.started),
        latency,
        integration_latency: answered.upstream,
        integration_status: answered.upstream_status,
        target: log.target.as_deref(),
        tls: client.tls,
        fault: answered.fault,
        error_message: answered.fault.map(fault_message),
    };
    sink.line(|line| format.render(&record, line));
}

impl From<Relayed> for Answered {
    fn from(relayed: Relayed) -> Self {
        Self {
            status: relayed.status,
            fault: None,
            goes_on: relayed.goes_on,
            answer_bytes: relayed.answer_bytes,
            upstream: Some(relayed.upstream),
            upstream_status: Some(relayed.upstream_status),
            is_tunnel: relayed.is_tunnel,
            ended: relayed.ended,
        }
    }
}
