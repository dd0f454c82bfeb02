//! The event that a function gets of a request.

use std::io::Write as _;

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

/// Appends the event of `call`, whose body is `body`.
pub(super) fn write_event(
    call: &Call<'_>,
    plan: &FunctionPlan,
    body: &[u8],
    scratch: &mut EventScratch,
    out: &mut Vec<u8>,
) {
    let facts = CallFacts::new(call, None);
    let context = |variable: ContextVariable| {
        let mut text = Vec::new();
        facts.context(&variable, &mut text);
        text
    };
    let as_text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (domain_name, domain_prefix) =
        (context(ContextVariable::DomainName), context(ContextVariable::DomainPrefix));
    let path_with_stage = decoded(&context(ContextVariable::Path));
    let path = match call.arrival.address.form {
        AddressForm::Domain { .. } => path_with_stage.clone(),
        AddressForm::DefaultHost | AddressForm::Path => decoded(call.path),
    };
    let source_ip = as_text(&context(ContextVariable::IdentitySourceIp));
    let request_id = as_text(&context(ContextVariable::RequestId));
    let time = as_text(&context(ContextVariable::RequestTime));
    let stage = as_text(&context(ContextVariable::Stage));
    let (head, bytes) = (call.request.head, call.request.bytes);
    let added = added_headers(call, plan.format);
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
        for line in added.split(|byte| *byte == b'\n') {
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
    let extended_request_id = as_text(call.request.id.as_bytes());
    let request = ProxyRequest {
        route_key,
        resource,
        resource_id: method.map(|method| &*method.resource_id),
        method: call.method_token(),
        path: &path,
        path_with_stage: &path_with_stage,
        protocol: head.version.as_str(),
        headers: &headers,
        query: query.strip_prefix(b"?").unwrap_or(query),
        path_parameters: &path_parameters,
        stage_variables: call.deployed.stage_variables.as_deref(),
        account_id: &call.deployed.account_id,
        api_id: &call.stage.labels.api_id,
        deployment_id: Some(&*call.deployed.deployment_id),
        domain_name: &domain_name,
        domain_prefix: &domain_prefix,
        request_id: &request_id,
        extended_request_id: &extended_request_id,
        stage: &stage,
        operation_name: method.and_then(|method| method.operation_name.as_deref()),
        is_canary: call.deployed.is_canary.then_some(true),
        time: &time,
        time_epoch_ms: call.state.unix_millis_at(call.request.started),
        identity: Identity {
            source_ip: &source_ip,
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

/// What the gateway says of the connection, as lines: how the request came, and what ties it to other
/// hops.
fn added_headers(call: &Call<'_>, format: PayloadFormat) -> Vec<u8> {
    let mut lines = Vec::new();
    write_forwarded(call, |_| false, &mut lines);
    lines.extend_from_slice(TRACE_ID_HEADER);
    lines.extend_from_slice(b": ");
    lines.extend_from_slice(call.arrival.trace_id.as_bytes());
    lines.push(b'\n');
    if format != PayloadFormat::Rest || call.request.head.field(FieldName::Host).is_some() {
        return lines;
    }
    // A request over HTTP/2, or by an absolute target, has its host elsewhere.
    let _ = lines.write_all(b"Host: "); // a Vec takes all
    lines.extend_from_slice(without_port(call.request.authority()));
    lines.push(b'\n');
    lines
}

fn decoded(path: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(path.len());
    if percent_decode(path, &mut text).is_err() {
        text.clear();
        text.extend_from_slice(path);
    }
    text
}
