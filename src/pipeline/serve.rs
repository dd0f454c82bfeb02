//! The whole life of a request, in order. Phases are called here and nowhere else; a phase never
//! calls the next one.

use std::rc::Rc;

use super::acme;
use super::body::RequestBody;
use super::client::Client;
use super::deployed::{self, Arrival, Call, Done, Refusal, write_refusal};
use super::exchange::{Exchange, Form, Relayed, Routed as RoutedForm};
use super::grpc::GrpcForm;
use super::request::Request;
use super::respond::{
    Persistence, fault_message, without_port, write_fault, write_mock, write_redirect,
    write_request_id,
};
use super::state::{ShardPlan, ShardStage, ShardState};
use crate::base::{Fault, Method, Nanos, ThrottleScope};
use crate::coord::{Decision, TrialStep};
use crate::model::ApiProtocol;
use crate::observe::access_log::AccessRecord;
use crate::observe::{DeadlineKind, RequestEnd};
use crate::plan::{
    AddressMatch, AddressQuery, AddressRefusal, HostMatch, IntegrationPlan, MockPlan, PathSpans,
    RoutePlan,
};
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
    let mut log = Log {
        path,
        stage_index: None,
        route_index: None,
        method: request.head.method,
        spans: PathSpans::default(),
        routed_path: b"/",
        arrival: None,
        refused_by: None,
        detail: None,
        target: None,
    };
    let result = phases(state, &plan, client, request, body, out, &mut log).await;
    let answered = match result {
        Ok(answered) => answered,
        Err(fault) => refuse(state, &plan, client, request, body, out, (fault, &log)),
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
    /// What it is routed by.
    method: Method,
    /// The parameters of its route, in `routed_path`.
    spans: PathSpans,
    /// The path that routes see.
    routed_path: &'m [u8],
    /// What is known of a request to a deployed API.
    arrival: Option<Arrival>,
    /// The kind of API that refused it before a stage was found.
    refused_by: Option<ApiProtocol>,
    /// What there is to say beside a fault.
    detail: Option<String>,
    /// The target that was asked last.
    target: Option<Rc<str>>,
}

async fn phases<'m>(
    state: &Rc<ShardState>,
    plan: &Rc<ShardPlan>,
    client: &Client<'_>,
    request: &Request<'m>,
    body: &mut RequestBody<'_>,
    out: &mut Vec<u8>,
    log: &mut Log<'m>,
) -> Result<Answered, Fault> {
    admit(plan, client, request)?;
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
    let (stage, route) = match route(state, plan, client, request, log)? {
        Routed::To(stage, route) => (stage, route),
        Routed::Preflight => {
            let (goes_on, persistence) = persistence(state, client, request, body);
            if let Some(call) = log.call(state, plan, client, request) {
                deployed::write_preflight(&call, persistence, out);
            }
            return Ok(made_here(request, 204, goes_on, 0));
        }
        Routed::Health => {
            let healthy = acme::text_answer("healthy");
            return Ok(answer_mock(state, client, request, body, out, &healthy));
        }
    };
    body.bytes_max = route.body_bytes_max;
    body.check_length()?;
    throttle(plan, stage, route, request.started)?;
    match &route.integration {
        IntegrationPlan::Mock(mock) => Ok(answer_mock(state, client, request, body, out, mock)),
        IntegrationPlan::Redirect(redirect) => {
            let (goes_on, persistence) = persistence(state, client, request, body);
            let (spans, path, date) = (&log.spans, log.routed_path, state.http_date());
            write_redirect(out, redirect, request, spans, path, persistence, &date);
            Ok(made_here(request, redirect.status, goes_on, 0))
        }
        IntegrationPlan::Proxy(proxy) => {
            let mut exchange = Exchange {
                state,
                plan,
                client,
                request,
                group: stage.group(proxy.group),
                timeout: Nanos::from_millis(proxy.timeout_ms),
                form: Form::Routed(RoutedForm { proxy, spans: &log.spans, path: log.routed_path }),
                body,
                out,
                target: None,
                web: None,
            };
            let relayed = exchange.relay().await;
            log.target = exchange.target;
            relayed.map(Answered::from)
        }
        integration @ (IntegrationPlan::Method(_) | IntegrationPlan::HttpRoute(_)) => {
            // Kept out of the future of requests that need none of it.
            Box::pin(integrate(state, plan, client, request, body, out, log, (stage, integration)))
                .await
        }
    }
}

/// Has the integration of a deployed API answer.
#[allow(clippy::too_many_arguments)]
async fn integrate(
    state: &Rc<ShardState>,
    plan: &Rc<ShardPlan>,
    client: &Client<'_>,
    request: &Request<'_>,
    body: &mut RequestBody<'_>,
    out: &mut Vec<u8>,
    log: &mut Log<'_>,
    (stage, integration): (&ShardStage, &IntegrationPlan),
) -> Result<Answered, Fault> {
    let (goes_on, persistence) = persistence(state, client, request, body);
    let mut target = None;
    let call = log.call(state, plan, client, request).ok_or(Fault::ApiConfiguration)?;
    let work = deployed::Work { state, plan, stage, body, out, target: &mut target, persistence };
    let done = deployed::serve(&call, integration, work).await;
    log.target = target;
    match done {
        Ok(Done::Relayed(relayed)) => Ok(Answered::from(relayed)),
        Ok(Done::Made(status, body_bytes)) => Ok(made_here(request, status, goes_on, body_bytes)),
        Err(failed) => {
            log.detail = failed.detail;
            Err(failed.fault)
        }
    }
}

/// Whether the connection may carry the request at all: what the handshake settled holds for the
/// domain that it was for, and a request for another one would go around it. What is asked of clients
/// is what the plan says now: the connection may be older than the domain.
fn admit(plan: &ShardPlan, client: &Client<'_>, request: &Request<'_>) -> Result<(), Fault> {
    let Some(facts) = client.tls else { return Ok(()) };
    if facts.verdict.as_ref().is_some_and(|verdict| !matches!(verdict, ClientVerdict::Trusted)) {
        return Err(Fault::ClientCertificateRefused);
    }
    let Some(domain) = &facts.domain else { return Ok(()) };
    let host = std::str::from_utf8(without_port(request.authority()));
    let host = host.map_err(|_| Fault::BadHost)?;
    match plan.plan.tls.server.may_serve(domain, host) {
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

/// Where a request goes.
enum Routed<'p> {
    /// To a route.
    To(&'p ShardStage, &'p RoutePlan),
    /// Nowhere: a browser asks what it may do.
    Preflight,
    /// Nowhere: somebody asks whether a custom domain is there.
    Health,
}

fn route<'p, 'm>(
    state: &ShardState,
    plan: &'p ShardPlan,
    client: &Client<'_>,
    request: &Request<'m>,
    log: &mut Log<'m>,
) -> Result<Routed<'p>, Fault> {
    let path = log.path?;
    if matches!(request.head.method, Method::Trace | Method::Connect) {
        return Err(Fault::NotImplemented);
    }
    let (stage_index, prefix_bytes) = match find_address(plan, client, request, path) {
        AddressMatch::NotOurs => match plan.plan.hosts.find(request.authority(), path) {
            HostMatch::Found { stage_index, prefix_bytes } => (stage_index, prefix_bytes),
            HostMatch::NoHost => return Err(Fault::MisdirectedRequest),
            HostMatch::NoPath => return Err(Fault::NotFound),
        },
        AddressMatch::Found(address) => {
            log.arrival = Some(Arrival::new(state, request, address));
            let stage_index = canary_or_self(state, plan, client, request, address.stage_index);
            (stage_index, address.prefix_bytes)
        }
        AddressMatch::Health { .. } => return Ok(Routed::Health),
        AddressMatch::Refused(refusal) => return Err(log.refuse(refusal)),
    };
    log.stage_index = Some(stage_index);
    let stage: &ShardStage = plan.stage(stage_index).ok_or(Fault::NotFound)?;
    let path = path.get(usize::from(prefix_bytes)..).unwrap_or_default();
    log.routed_path = if path.is_empty() { b"/" } else { path };
    if let Some(deployed) = &stage.plan.deployed {
        log.method = deployed::routed_method(&deployed.dialect, request);
        let call = log.call(state, plan, client, request);
        if call.is_some_and(|call| deployed::is_preflight(&call)) {
            return Ok(Routed::Preflight);
        }
    }
    let route_index = stage.plan.router.find(log.method, log.routed_path, &mut log.spans);
    let route_index = route_index.ok_or(Fault::NotFound)?;
    log.route_index = Some(route_index);
    let route = stage.plan.routes.get(route_index as usize).ok_or(Fault::NotFound)?;
    Ok(Routed::To(stage, route))
}

/// The stage of a deployed API that a request is addressed to.
fn find_address(
    plan: &ShardPlan,
    client: &Client<'_>,
    request: &Request<'_>,
    path: &[u8],
) -> AddressMatch {
    let Some(addresses) = &plan.plan.addresses else { return AddressMatch::NotOurs };
    let query = AddressQuery {
        host: request.authority(),
        path,
        is_private_source: client.is_private_source(request),
        handshake: client.handshake_name(),
        is_mutual_tls: client.tls.is_some_and(|facts| facts.verdict.is_some()),
    };
    let header = |name: &str| {
        let field = request.head.field_by_name(request.bytes, name.as_bytes())?;
        Some(field.value.of(request.bytes))
    };
    match addresses.find(&query, header) {
        // Nobody else answers: AWS's own words are the best there are.
        AddressMatch::NotOurs if plan.plan.hosts.is_empty() => {
            AddressMatch::Refused(AddressRefusal::UnknownApi)
        }
        found => found,
    }
}

/// The canary of a stage for its share of requests, else the stage.
fn canary_or_self(
    state: &ShardState,
    plan: &ShardPlan,
    client: &Client<'_>,
    request: &Request<'_>,
    stage_index: u32,
) -> u32 {
    let Some(Some(split)) = plan.plan.canaries.get(stage_index as usize) else {
        return stage_index;
    };
    // The upper half of the bits, of which each is as good as any.
    let labels = plan.stage(stage_index).map(|stage| &*stage.plan.labels);
    let draw = match labels.filter(|_| split.is_sticky) {
        None => (state.next_random() >> 32) as u32,
        Some(labels) => client.stable_draw(request, labels),
    };
    if split.takes(draw) { split.stage_index } else { stage_index }
}

impl<'m> Log<'m> {
    /// The request as one of a deployed API, if it is.
    fn call<'c>(
        &'c self,
        state: &'c ShardState,
        plan: &'c ShardPlan,
        client: &'c Client<'c>,
        request: &'c Request<'c>,
    ) -> Option<Call<'c>> {
        let stage = &plan.stage(self.stage_index?)?.plan;
        Some(Call {
            state,
            plan: &plan.plan,
            client,
            request,
            stage,
            deployed: stage.deployed.as_deref()?,
            route_index: self.route_index,
            spans: &self.spans,
            path: self.routed_path,
            whole_path: self.path.ok()?,
            method: self.method,
            arrival: self.arrival.as_ref()?,
        })
    }

    /// Notes who refuses the request, and answers with the fault.
    fn refuse(&mut self, refusal: AddressRefusal) -> Fault {
        let (protocol, fault) = match refusal {
            AddressRefusal::NoSuchStage { protocol: ApiProtocol::Http }
            | AddressRefusal::EndpointDisabled { protocol: ApiProtocol::Http } => {
                (ApiProtocol::Http, Fault::NotFound)
            }
            AddressRefusal::OtherName => (ApiProtocol::Rest, Fault::MisdirectedRequest),
            AddressRefusal::NoSuchStage { .. }
            | AddressRefusal::EndpointDisabled { .. }
            | AddressRefusal::UnknownApi
            | AddressRefusal::PrivateOnly
            | AddressRefusal::ClientCertificateRequired
            | AddressRefusal::NoMapping => (ApiProtocol::Rest, Fault::EndpointRefused),
        };
        self.refused_by = Some(protocol);
        fault
    }
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
    let goes_on = client.may_go_on(state, request) && body.is_cheap_to_discard(&state.body_buffers);
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
    plan: &ShardPlan,
    client: &Client<'_>,
    request: &Request<'_>,
    body: &RequestBody<'_>,
    out: &mut Vec<u8>,
    (fault, log): (Fault, &Log<'_>),
) -> Answered {
    if let Some(trial) = &state.trial {
        let detail = log.detail.clone();
        trial.add(TrialStep::Refused { fault, detail });
    }
    let (may_go_on, _) = persistence(state, client, request, body);
    if fault == Fault::ClientGone && client.deadline.passed() {
        state.recorder.deadline_fired(DeadlineKind::Write);
    }
    let is_late = client.answer_started.get() || fault == Fault::ClientGone;
    let goes_on = may_go_on && !is_late && !fault.closes_connection();
    let (mut status, mut body_bytes) = (fault.status(), 0);
    if !is_late {
        let persistence = Persistence::of(request.head.version, goes_on);
        let has_body = request.head.method != Method::Head;
        let date = state.http_date();
        let call = log.call(state, plan, client, request);
        let protocol = call.as_ref().map(Call::protocol).or(log.refused_by);
        if let Some(protocol) = protocol {
            let uuid = log.arrival.as_ref().map_or_else(|| state.next_uuid(), |one| one.uuid);
            let (call, detail) = (call.as_ref(), log.detail.as_deref());
            let (uuid, id, http_date) = (&uuid, request.id, date);
            let refusal = Refusal { fault, detail, call, protocol, uuid, id, http_date };
            (status, body_bytes) = write_refusal(&refusal, persistence, has_body, out);
        } else {
            let form = GrpcForm::of_request(request.head, request.bytes);
            body_bytes = write_fault(out, fault, form, request.id, persistence, has_body, &date);
        }
    }
    let ended = if fault_waited(fault) { now() } else { request.started };
    Answered { fault: Some(fault), ended, ..made_here(request, status, goes_on, body_bytes) }
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
        error_message: answered
            .fault
            .map(|fault| log.detail.as_deref().unwrap_or(fault_message(fault))),
        request_uuid: log.arrival.as_ref().map(Arrival::uuid),
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
