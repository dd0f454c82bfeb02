//! The event that a function gets of a request.

use std::ops::Range;

use super::super::forward::field_line;
use super::super::respond::without_port;
use super::super::trace_id::TRACE_ID_HEADER;
use super::facts::{Call, CallFacts, Route};
use super::headers::write_forwarded;
use crate::expr::{ContextVariable, Facts as _};
use crate::lambda::{
    EventBody, EventScratch, Flavour, Identity, ProxyRequest, event_v1, event_v2, is_http_api_text,
};
use crate::plan::AddressForm;
use crate::plan::deployed::{FunctionPlan, PayloadFormat};
use crate::proto::FieldName;
use crate::proto::uri::percent_decode;

/// Memory of the events of one shard, kept from one request to the next.
#[derive(Debug, Default)]
pub(in crate::pipeline) struct FunctionScratch {
    event: EventScratch,
    /// What is told of the request and stands nowhere as it is told.
    texts: Vec<u8>,
    /// What the gateway says of the connection, as field lines.
    lines: Vec<u8>,
}

/// Appends the event of `call`, whose body is `body`.
pub(super) fn write_event(
    call: &Call<'_>,
    plan: &FunctionPlan,
    body: &[u8],
    scratch: &mut FunctionScratch,
    out: &mut Vec<u8>,
) {
    let FunctionScratch { event: scratch, texts, lines } = scratch;
    let facts = CallFacts::new(call, None);
    let told = Told::write(&facts, plan.format, texts, lines);
    write_added(call, plan.format, lines);
    let (texts, lines) = (&*texts, &*lines);
    let text = |range: &Range<usize>| texts.get(range.clone()).unwrap_or_default();
    let word = |range: &Range<usize>| std::str::from_utf8(text(range)).unwrap_or_default();
    let path = match &told.path {
        Some(decoded) => text(decoded),
        None => call.path,
    };
    let (head, bytes) = (call.request.head, call.request.bytes);
    let headers = each(|visit| {
        for field in &head.fields {
            let is_ours = matches!(
                field.known,
                FieldName::XForwardedFor
                    | FieldName::XForwardedPort
                    | FieldName::XForwardedProto
                    | FieldName::XAmznTraceId
            );
            if !is_ours && (!field.hop_by_hop || field.known == FieldName::Te) {
                visit(field.name.of(bytes), field.value.of(bytes));
            }
        }
        for line in lines.split(|byte| *byte == b'\n') {
            let Some(colon) = memchr::memchr(b':', line) else { continue };
            visit(&line[..colon], line[colon + 1..].trim_ascii());
        }
    });
    let query = call.request.query();
    let names = call.route().map(|route| route.parameter_names()).unwrap_or_default();
    let path_parameters = each(|visit| {
        for (index, name) in names.iter().enumerate() {
            if let Some(value) = call.spans.raw(index, call.path) {
                visit(name.as_bytes(), value);
            }
        }
    });
    let route_key = facts.route_key().unwrap_or_default();
    let method = match call.route() {
        Some(Route::Method(method)) => Some(method),
        _ => None,
    };
    let resource = match method {
        Some(method) => &*method.resource_path,
        None => route_key.split_once(' ').map_or(route_key, |(_, path)| path),
    };
    let certificate = call.client.tls.and_then(|facts| facts.client_certificate.as_deref());
    let content_type = call.header(FieldName::ContentType);
    let is_binary = match plan.format {
        PayloadFormat::Rest => plan.binary_media_types.content_type(content_type),
        PayloadFormat::HttpV1 | PayloadFormat::HttpV2 => !is_http_api_text(content_type, body),
    };
    let request = ProxyRequest {
        route_key,
        resource,
        resource_id: method.map(|method| &*method.resource_id),
        method: call.method_token(),
        path,
        path_with_stage: text(&told.path_with_stage),
        protocol: head.version.as_str(),
        headers: &headers,
        query: query.strip_prefix(b"?").unwrap_or(query),
        path_parameters: &path_parameters,
        stage_variables: call.deployed.stage_variables.as_deref(),
        account_id: &call.deployed.account_id,
        api_id: &call.stage.labels.api_id,
        deployment_id: Some(&*call.deployed.deployment_id),
        domain_name: text(&told.domain_name),
        domain_prefix: text(&told.domain_prefix),
        request_id: word(&told.request_id),
        extended_request_id: std::str::from_utf8(call.request.id.as_bytes()).unwrap_or_default(),
        stage: word(&told.stage),
        operation_name: method.and_then(|method| method.operation_name.as_deref()),
        is_canary: call.deployed.is_canary.then_some(true),
        time: word(&told.time),
        time_epoch_ms: call.state.unix_millis_at(call.request.started),
        identity: Identity {
            source_ip: word(&told.source_ip),
            user_agent: call.header(FieldName::UserAgent),
            ..Identity::default()
        },
        client_certificate: certificate,
        authorizer: None,
        body: EventBody::new(body, is_binary),
    };
    match plan.format {
        PayloadFormat::Rest => event_v1(&request, Flavour::Rest, scratch, out),
        PayloadFormat::HttpV1 => event_v1(&request, Flavour::Http, scratch, out),
        PayloadFormat::HttpV2 => event_v2(&request, scratch, out),
    }
}

/// Gives the closure the type that events ask for.
fn each<'e, F: Fn(&mut dyn FnMut(&'e [u8], &'e [u8]))>(fields: F) -> F {
    fields
}

/// Where the texts of an event are in its scratch.
struct Told {
    domain_name: Range<usize>,
    domain_prefix: Range<usize>,
    path_with_stage: Range<usize>,
    /// The path of the event; `None` for the path that was routed, as it came.
    path: Option<Range<usize>>,
    source_ip: Range<usize>,
    request_id: Range<usize>,
    time: Range<usize>,
    stage: Range<usize>,
}

impl Told {
    /// `raw` is scratch for what is to be decoded.
    fn write(
        facts: &CallFacts<'_>,
        format: PayloadFormat,
        texts: &mut Vec<u8>,
        raw: &mut Vec<u8>,
    ) -> Self {
        let call = facts.call;
        texts.clear();
        raw.clear();
        facts.context(&ContextVariable::Path, raw);
        let path_with_stage = match format {
            // This format decodes it by itself.
            PayloadFormat::HttpV2 => push(raw, texts),
            PayloadFormat::Rest | PayloadFormat::HttpV1 => push_decoded(raw, texts),
        };
        let path = match call.arrival.address.form {
            AddressForm::Domain { .. } => Some(path_with_stage.clone()),
            AddressForm::DefaultHost | AddressForm::Path => {
                call.path.contains(&b'%').then(|| push_decoded(call.path, texts))
            }
        };
        let mut tell = |variable: ContextVariable| {
            let start = texts.len();
            facts.context(&variable, texts);
            start..texts.len()
        };
        Self {
            domain_name: tell(ContextVariable::DomainName),
            domain_prefix: tell(ContextVariable::DomainPrefix),
            path_with_stage,
            path,
            source_ip: tell(ContextVariable::IdentitySourceIp),
            request_id: tell(ContextVariable::RequestId),
            time: tell(ContextVariable::RequestTime),
            stage: tell(ContextVariable::Stage),
        }
    }
}

/// Writes what the gateway says of the connection, as lines: how the request came, and what ties it
/// to other hops.
fn write_added(call: &Call<'_>, format: PayloadFormat, lines: &mut Vec<u8>) {
    lines.clear();
    write_forwarded(call, |_| false, lines);
    field_line(lines, TRACE_ID_HEADER, call.arrival.trace_id.as_bytes());
    // A request over HTTP/2, or by an absolute target, has its host elsewhere.
    if format == PayloadFormat::Rest && call.request.head.field(FieldName::Host).is_none() {
        field_line(lines, b"Host", without_port(call.request.authority()));
    }
}

fn push(text: &[u8], out: &mut Vec<u8>) -> Range<usize> {
    let start = out.len();
    out.extend_from_slice(text);
    start..out.len()
}

/// Appends `path` decoded; where a percent sign encodes nothing, as it stands.
fn push_decoded(path: &[u8], out: &mut Vec<u8>) -> Range<usize> {
    let start = out.len();
    if percent_decode(path, out).is_err() {
        out.truncate(start);
        out.extend_from_slice(path);
    }
    start..out.len()
}
