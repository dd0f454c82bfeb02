//! The request that an endpoint of a REST API's integration gets.

use super::super::forward::{copy_fields, field_line};
use super::super::trace_id::TRACE_ID_HEADER;
use super::facts::CallFacts;
use super::headers::{has, is_dropped, write_forwarded};
use super::rest::has_body;
use crate::base::Method;
use crate::expr::{MappingFault, Scratch};
use crate::plan::deployed::RestHttpPlan;
use crate::proto::FieldName;

/// Appends the request line and the field lines, without those that frame the body.
pub(super) fn write_request(
    facts: &CallFacts<'_>,
    plan: &RestHttpPlan,
    method: Method,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), MappingFault> {
    let call = facts.call;
    match method.token() {
        Some(token) => out.extend_from_slice(token.as_bytes()),
        None => out.extend_from_slice(call.method_token()),
    }
    out.push(b' ');
    plan.uri.write_path(facts, scratch, out)?;
    write_query(facts, plan, scratch, out)?;
    out.extend_from_slice(b" HTTP/1.1\r\n");
    let mapped = MappedHeaders::write(facts, plan, scratch)?;
    if !mapped.has(plan, b"host") {
        field_line(out, b"Host", plan.host.as_bytes());
    }
    let (head, bytes) = (call.request.head, call.request.bytes);
    if plan.is_proxy {
        copy_fields(out, &head.fields, bytes, |field| {
            !is_dropped(field, bytes) && !mapped.has(plan, field.name.of(bytes))
        });
        write_forwarded(call, |name| mapped.has(plan, name), out);
    }
    out.extend_from_slice(&mapped.lines);
    write_defaults(facts, plan, method, &mapped, out);
    Ok(())
}

/// What is sent where nothing else says it.
fn write_defaults(
    facts: &CallFacts<'_>,
    plan: &RestHttpPlan,
    method: Method,
    mapped: &MappedHeaders,
    out: &mut Vec<u8>,
) {
    let call = facts.call;
    let head = call.request.head;
    let is_there =
        |known, name: &[u8]| (plan.is_proxy && has(head, known)) || mapped.has(plan, name);
    let api_id = call.stage.labels.api_id.as_bytes();
    if !is_there(FieldName::Accept, b"accept") {
        out.extend_from_slice(b"Accept: application/json\r\n");
    }
    if !is_there(FieldName::UserAgent, b"user-agent") {
        out.extend_from_slice(b"User-Agent: AmazonAPIGateway_");
        out.extend_from_slice(api_id);
        out.extend_from_slice(b"\r\n");
    }
    if has_body(method) && !is_there(FieldName::ContentType, b"content-type") {
        // The client's own; a template was chosen as for JSON where there is none.
        let is_made = !plan.templates.by_type.is_empty();
        let assumed = is_made.then_some(&b"application/json"[..]);
        if let Some(content_type) = call.header(FieldName::ContentType).or(assumed) {
            field_line(out, b"Content-Type", content_type);
        }
    }
    field_line(out, TRACE_ID_HEADER, call.arrival.trace_id.as_bytes());
    field_line(out, b"X-Amzn-Apigateway-Api-Id", api_id);
}

/// The query: that of the URI, that of a request that passes, and what is mapped.
fn write_query(
    facts: &CallFacts<'_>,
    plan: &RestHttpPlan,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), MappingFault> {
    let mark = out.len();
    out.push(b'?');
    let mut is_empty = !plan.uri.write_query(facts, scratch, out)?;
    let own = facts.call.request.query();
    let own = own.strip_prefix(b"?").unwrap_or(own);
    if plan.is_proxy && !own.is_empty() {
        separate(&mut is_empty, out);
        out.extend_from_slice(own);
    }
    for parameter in plan.request.query() {
        let (start, was_empty) = (out.len(), is_empty);
        separate(&mut is_empty, out);
        if !parameter.write_pairs(facts, scratch, out)? {
            out.truncate(start);
            is_empty = was_empty;
        }
    }
    if is_empty {
        out.truncate(mark);
    }
    Ok(())
}

fn separate(is_empty: &mut bool, out: &mut Vec<u8>) {
    if !*is_empty {
        out.push(b'&');
    }
    *is_empty = false;
}

/// Whether the header is about the connection or the framing of what is sent, which is the gateway's
/// to say: a mapped one would stand beside its own.
pub(super) fn is_of_connection(name: &str) -> bool {
    let known = FieldName::of(name.as_bytes());
    known.is_hop_by_hop() || matches!(known, FieldName::Expect | FieldName::Trailer)
}

/// The headers that a mapping gives, as lines. Those without a value are not among them.
struct MappedHeaders {
    lines: Vec<u8>,
    /// By place in the mapping: whether it has a value.
    given: Vec<bool>,
}

impl MappedHeaders {
    fn write(
        facts: &CallFacts<'_>,
        plan: &RestHttpPlan,
        scratch: &mut Scratch,
    ) -> Result<Self, MappingFault> {
        let (mut lines, mut given) = (Vec::new(), Vec::new());
        for header in plan.request.headers() {
            let start = lines.len();
            lines.extend_from_slice(header.name().as_bytes());
            lines.extend_from_slice(b": ");
            let is_fit = !is_of_connection(header.name());
            let found = is_fit && header.write_value(facts, scratch, &mut lines)?;
            match found {
                true => lines.extend_from_slice(b"\r\n"),
                false => lines.truncate(start),
            }
            given.push(found);
        }
        Ok(Self { lines, given })
    }

    fn has(&self, plan: &RestHttpPlan, name: &[u8]) -> bool {
        let headers = plan.request.headers().iter().zip(&self.given);
        let mut given = headers.filter(|(_, given)| **given).map(|(header, _)| header);
        given.any(|header| header.name().as_bytes().eq_ignore_ascii_case(name))
    }
}
