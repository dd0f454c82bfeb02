//! A route of an HTTP API: its integration answers, and parameter mappings change what passes.

use std::cell::Cell;
use std::net::IpAddr;

use super::super::collect::collect_request;
use super::super::exchange::{AnswerUse, Exchange, Form, Translation};
use super::super::forward::{copy_fields, field_line, write_client_ip};
use super::super::respond::{REQUEST_ID_HEADER, without_port, write_request_id};
use super::super::trace_id::TRACE_ID_HEADER;
use super::cors::{is_configured, is_of_cors, write_cors};
use super::facts::{AnswerFacts, Call, CallFacts};
use super::function;
use super::mock::refused;
use super::rest::of_mapping;
use super::rest_answer::{has_line, write_status};
use super::{Done, Failed, Work, query};
use crate::base::{Fault, Method, Nanos};
use crate::expr::{
    Action, Facts as _, HttpResponseMapping, MappingFault, NameCase, Pick, RequestTarget,
    ResponseTarget, Scratch,
};
use crate::plan::deployed::{HttpRouteIntegration, HttpRoutePlan, HttpRouteProxyPlan};
use crate::proto::{BodyFraming, Field, FieldName, ResponseHead};

/// Serves a request to a route.
pub(super) async fn serve(
    call: &Call<'_>,
    route: &HttpRoutePlan,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    let plan = match &route.integration {
        HttpRouteIntegration::Proxy(plan) => plan,
        HttpRouteIntegration::Function(plan) => return function::serve(call, plan, work).await,
        HttpRouteIntegration::NotServed(refusal) => return Err(refused(refusal)),
    };
    let Work { state, plan: shard_plan, stage, body, out, target, .. } = work;
    if plan.collects_request {
        collect_request(state, shard_plan, call.client, body).await?;
    }
    let method = plan.method.unwrap_or(call.method);
    let mut head = state.head_buffers.take();
    let facts = CallFacts::new(call, body.collected.as_deref());
    if let Err(fault) = write_request(&facts, plan, method, &mut head) {
        state.head_buffers.put(head);
        return Err(of_mapping(fault));
    }
    let translation = HttpTranslation { call, plan, method, head: &head, status: Cell::new(0) };
    let mut exchange = Exchange {
        state,
        plan: shard_plan,
        client: call.client,
        request: call.request,
        group: stage.group(plan.group),
        timeout: Nanos::from_millis(plan.timeout_ms),
        form: Form::Deployed(&translation),
        body,
        out,
        target: None,
        web: None,
    };
    let relayed = exchange.relay().await;
    *target = exchange.target;
    state.head_buffers.put(head);
    relayed.map(Done::Relayed).map_err(Failed::from)
}

/// Appends the request line and the field lines, without those that frame the body.
fn write_request(
    facts: &CallFacts<'_>,
    plan: &HttpRouteProxyPlan,
    method: Method,
    out: &mut Vec<u8>,
) -> Result<(), MappingFault> {
    let (call, mut scratch) = (facts.call, Scratch::new());
    match method.token() {
        Some(token) => out.extend_from_slice(token.as_bytes()),
        None => out.extend_from_slice(call.method_token()),
    }
    out.push(b' ');
    write_path(facts, plan, &mut scratch, out)?;
    write_query(facts, plan, &mut scratch, out)?;
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let changes = Changes::of_request(facts, plan, &mut scratch)?;
    if !has_line(&changes.lines, b"host") {
        let host = plan.host.as_deref().map(str::as_bytes);
        field_line(out, b"host", host.unwrap_or(call.request.authority()));
    }
    let (head, bytes) = (call.request.head, call.request.bytes);
    copy_fields(out, &head.fields, bytes, |field| {
        !is_rewritten(field) && !changes.has(field.name.of(bytes))
    });
    out.extend_from_slice(&changes.lines);
    write_forwarded(call, out);
    out.extend_from_slice(b"via: ");
    for field in head.fields.iter().filter(|field| field.known == FieldName::Via) {
        out.extend_from_slice(field.value.of(bytes));
        out.extend_from_slice(b", ");
    }
    out.extend_from_slice(b"HTTP/1.1 AmazonAPIGateway\r\n");
    field_line(out, TRACE_ID_HEADER, call.arrival.trace_id.as_bytes());
    // AWS, "Known issues": an empty body with a length gets a type.
    if head.framing == BodyFraming::Length(0) && head.field(FieldName::ContentType).is_none() {
        field_line(out, b"content-type", b"application/octet-stream");
    }
    Ok(())
}

/// Fields of a client that are written anew, or that are for the gateway alone.
fn is_rewritten(field: &Field) -> bool {
    field.hop_by_hop
        || matches!(
            field.known,
            FieldName::Host
                | FieldName::ContentLength
                | FieldName::Expect
                | FieldName::Via
                | FieldName::Forwarded
                | FieldName::XForwardedFor
                | FieldName::XForwardedHost
                | FieldName::XForwardedPort
                | FieldName::XForwardedProto
                | FieldName::XAmznTraceId
        )
}

/// `Forwarded` (RFC 7239): what the client sent of it, what it sent as `X-Forwarded-For`, and itself.
fn write_forwarded(call: &Call<'_>, out: &mut Vec<u8>) {
    let (head, bytes) = (call.request.head, call.request.bytes);
    out.extend_from_slice(b"forwarded: ");
    for field in head.fields.iter().filter(|field| field.known == FieldName::Forwarded) {
        let value = field.value.of(bytes);
        if !value.is_empty() && quotes_end(value) {
            out.extend_from_slice(value);
            out.extend_from_slice(b", ");
        }
    }
    for field in head.fields.iter().filter(|field| field.known == FieldName::XForwardedFor) {
        let hops = field.value.of(bytes).split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        let is_fit = |hop: &&[u8]| !hop.is_empty() && memchr::memchr2(b'"', b'\\', hop).is_none();
        for hop in hops.filter(is_fit) {
            write_node(hop, out);
            out.extend_from_slice(b", ");
        }
    }
    match call.client.ip() {
        ip @ IpAddr::V4(_) => {
            out.extend_from_slice(b"for=");
            write_client_ip(out, ip);
        }
        ip @ IpAddr::V6(_) => {
            out.extend_from_slice(b"for=\"[");
            write_client_ip(out, ip);
            out.extend_from_slice(b"]\"");
        }
    }
    let host = without_port(call.request.authority());
    if !host.is_empty() && !host.starts_with(b"[") {
        out.extend_from_slice(b";host=");
        out.extend_from_slice(host);
    }
    out.extend_from_slice(b";proto=");
    out.extend_from_slice(call.client.listener.scheme.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Whether each quoted string in the text ends in it: in an open one, what the gateway itself says
/// behind it would be lost.
fn quotes_end(text: &[u8]) -> bool {
    let (mut is_quoted, mut is_escaped) = (false, false);
    for byte in text {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ => {}
        }
    }
    !is_quoted
}

/// An address with colons is quoted (RFC 7239 section 6).
fn write_node(node: &[u8], out: &mut Vec<u8>) {
    let needs_brackets = node.contains(&b':') && !node.starts_with(b"[") && !node.contains(&b'.');
    let is_plain = node.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(byte));
    out.extend_from_slice(b"for=");
    match (is_plain, needs_brackets) {
        (true, _) => out.extend_from_slice(node),
        (false, true) => out.extend([b"\"[", node, b"]\""].concat()),
        (false, false) => out.extend([b"\"", node, b"\""].concat()),
    }
}

fn write_path(
    facts: &CallFacts<'_>,
    plan: &HttpRouteProxyPlan,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), MappingFault> {
    for operation in plan.request.operations() {
        if *operation.target() == RequestTarget::Path
            && operation.write_value(facts, scratch, out)?
        {
            return Ok(());
        }
    }
    match &plan.uri {
        Some(uri) if plan.appends_path => {
            uri.write_path(facts, scratch, out)?;
            if out.last() == Some(&b'/') {
                out.pop();
            }
            out.extend_from_slice(facts.call.path);
            Ok(())
        }
        Some(uri) => uri.write_path(facts, scratch, out),
        None => {
            // A private integration gets the path as it came, with the stage of a default endpoint.
            facts.write_private_path(out);
            Ok(())
        }
    }
}

/// The query: that of the URI, and the request's with its changes.
fn write_query(
    facts: &CallFacts<'_>,
    plan: &HttpRouteProxyPlan,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), MappingFault> {
    let mark = out.len();
    out.push(b'?');
    if let Some(uri) = &plan.uri
        && uri.write_query(facts, scratch, out)?
    {
        out.push(b'&');
    }
    let own = facts.call.request.query();
    let operations = || {
        plan.request.operations().iter().filter_map(|operation| match operation.target() {
            RequestTarget::Query(name) => Some((operation, &**name)),
            RequestTarget::Header(_) | RequestTarget::Path => None,
        })
    };
    if operations().next().is_none() {
        out.extend_from_slice(own.strip_prefix(b"?").unwrap_or(own));
    } else {
        let mut decoded = Vec::new();
        for (raw_name, raw_value) in query::pairs(own) {
            decoded.clear();
            query::decode(raw_name, &mut decoded);
            let is_replaced = operations().any(|(operation, name)| {
                operation.action() != Action::Append && name.as_bytes() == decoded
            });
            if !is_replaced {
                out.extend_from_slice(raw_name);
                out.push(b'=');
                out.extend_from_slice(raw_value);
                out.push(b'&');
            }
        }
        for (operation, _) in operations() {
            if operation.write_value(facts, scratch, out)? {
                out.push(b'&');
            }
        }
    }
    if matches!(out.last(), Some(b'&' | b'?')) {
        out.pop();
    }
    debug_assert!(out.len() >= mark);
    Ok(())
}

/// Headers that a mapping changes: their names, and the lines that stand in their place.
#[derive(Default)]
struct Changes<'p> {
    names: Vec<&'p str>,
    lines: Vec<u8>,
}

impl<'p> Changes<'p> {
    fn of_request(
        facts: &CallFacts<'_>,
        plan: &'p HttpRouteProxyPlan,
        scratch: &mut Scratch,
    ) -> Result<Self, MappingFault> {
        let mut changes = Self::default();
        for operation in plan.request.operations() {
            if let RequestTarget::Header(name) = operation.target() {
                // A request has one host, and not that of the gateway.
                let is_host = name.eq_ignore_ascii_case("host");
                if is_host && has_line(&changes.lines, b"host") {
                    continue;
                }
                let existing = |out: &mut Vec<u8>| {
                    !is_host && facts.request_header(name, NameCase::Ignored, Pick::Joined, out)
                };
                changes.change(name, operation.action(), existing, |out| {
                    operation.write_value(facts, scratch, out)
                })?;
            }
        }
        Ok(changes)
    }

    fn of_answer(
        facts: &CallFacts<'_>,
        mapping: &'p HttpResponseMapping,
        scratch: &mut Scratch,
    ) -> Result<Self, MappingFault> {
        let mut changes = Self::default();
        for operation in mapping.operations() {
            if let ResponseTarget::Header(name) = operation.target() {
                let existing = |out: &mut Vec<u8>| {
                    facts.answer_header(name, NameCase::Ignored, Pick::Joined, out)
                };
                changes.change(name, operation.action(), existing, |out| {
                    operation.write_value(facts, scratch, out)
                })?;
            }
        }
        Ok(changes)
    }

    /// Notes one change. `existing` appends what is there, `value` what is given.
    fn change(
        &mut self,
        name: &'p str,
        action: Action,
        existing: impl FnOnce(&mut Vec<u8>) -> bool,
        value: impl FnOnce(&mut Vec<u8>) -> Result<bool, MappingFault>,
    ) -> Result<(), MappingFault> {
        let start = self.lines.len();
        self.lines.extend_from_slice(name.as_bytes());
        self.lines.extend_from_slice(b": ");
        // What was there stays in front of what is appended, unless it was changed before.
        if action == Action::Append && !self.has(name.as_bytes()) && existing(&mut self.lines) {
            self.lines.push(b',');
        }
        let is_given = value(&mut self.lines)?;
        match is_given {
            true => self.lines.extend_from_slice(b"\r\n"),
            false => self.lines.truncate(start),
        }
        if is_given || action == Action::Remove {
            self.names.push(name);
        }
        Ok(())
    }

    fn has(&self, name: &[u8]) -> bool {
        self.names.iter().any(|one| one.as_bytes().eq_ignore_ascii_case(name))
    }
}

/// What a route makes of a request and its answer.
struct HttpTranslation<'t> {
    call: &'t Call<'t>,
    plan: &'t HttpRouteProxyPlan,
    method: Method,
    head: &'t [u8],
    /// What the client sees; found out when the answer's head is there.
    status: Cell<u16>,
}

impl HttpTranslation<'_> {
    fn write_head(
        &self,
        out: &mut Vec<u8>,
        answer: AnswerFacts<'_>,
        status: u16,
    ) -> Result<(), MappingFault> {
        let (head, bytes) = (answer.head, answer.bytes);
        let facts = CallFacts { answer: Some(answer), ..CallFacts::new(self.call, None) };
        let changes = match self.plan.responses.find(head.status) {
            Some(mapping) => Changes::of_answer(&facts, mapping, &mut Scratch::new())?,
            None => Changes::default(),
        };
        if status == head.status {
            out.extend_from_slice(b"HTTP/1.1 ");
            out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
            out.push(b' ');
            out.extend_from_slice(head.reason.of(bytes));
            out.extend_from_slice(b"\r\n");
        } else {
            write_status(out, status);
        }
        let has_cors = is_configured(self.call);
        copy_fields(out, &head.fields, bytes, |field| {
            let name = field.name.of(bytes);
            let is_ours = name.eq_ignore_ascii_case(REQUEST_ID_HEADER)
                || has_cors && is_of_cors(name)
                || changes.has(name);
            !field.hop_by_hop && field.known != FieldName::ContentLength && !is_ours
        });
        out.extend_from_slice(&changes.lines);
        if head.field(FieldName::Date).is_none() {
            field_line(out, b"date", &self.call.state.http_date());
        }
        write_cors(self.call, out);
        write_request_id(out, self.call.request.id);
        Ok(())
    }
}

impl Translation for HttpTranslation<'_> {
    fn method(&self) -> Method {
        self.method
    }

    fn sends_body(&self) -> bool {
        true
    }

    fn write_request(&self, out: &mut Vec<u8>, _: bool) {
        out.extend_from_slice(self.head);
    }

    fn judge(&self, head: &ResponseHead, bytes: &[u8]) -> Result<AnswerUse, Fault> {
        let mapping = self.plan.responses.find(head.status);
        let answer = AnswerFacts { head, bytes, body: None };
        let facts = CallFacts { answer: Some(answer), ..CallFacts::new(self.call, None) };
        let status = mapping.and_then(|mapping| mapping.status(&facts, &mut Scratch::new()));
        let status = status.unwrap_or(head.status);
        self.status.set(status);
        let client_method = self.call.request.head.method;
        let is_dropped = matches!(status, 204 | 304) && head.status != status
            || client_method == Method::Head && self.method != Method::Head;
        let collects = is_dropped || mapping.is_some_and(HttpResponseMapping::needs_answer_body);
        Ok(if collects { AnswerUse::Collect } else { AnswerUse::PassOn(status) })
    }

    fn write_answer(&self, out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
        let start = out.len();
        let answer = AnswerFacts { head, bytes, body: None };
        if self.write_head(out, answer, self.status.get()).is_err() {
            // A value that is fit for no header is left out rather than the answer lost.
            out.truncate(start);
            write_status(out, self.status.get());
            write_request_id(out, self.call.request.id);
        }
    }

    fn write_collected(
        &self,
        out: &mut Vec<u8>,
        head: &ResponseHead,
        bytes: &[u8],
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), Fault> {
        let answer = AnswerFacts { head, bytes, body: Some(&body) };
        let facts = CallFacts { answer: Some(answer), ..CallFacts::new(self.call, None) };
        let mapping = self.plan.responses.find(head.status);
        let status = mapping.and_then(|mapping| mapping.status(&facts, &mut Scratch::new()));
        let status = status.unwrap_or(self.status.get());
        self.write_head(out, answer, status).map_err(|_| Fault::ApiConfiguration)?;
        Ok((status, body))
    }
}
