//! What a client of a REST API gets of an integration's answer.

use std::cell::{Cell, RefCell};

use super::super::exchange::{AnswerUse, Translation};
use super::super::forward::{copy_fields, field_line};
use super::super::trace_id::TRACE_ID_HEADER;
use super::facts::{AnswerFacts, Call, CallFacts};
use super::headers::{is_dropped_from_answer, remapped, remapped_by_mapping};
use super::mock::NO_RESPONSE;
use super::{Answered, Failed};
use crate::base::{Fault, Method, Nanos, reason_phrase};
use crate::coord::TrialStep;
use crate::expr::Scratch;
use crate::plan::deployed::{BodyTemplate, RestHttpPlan, RestResponsePlan};
use crate::proto::{Field, FieldName, ResponseHead};
use crate::rt::now;

/// What an HTTP integration makes of a request and its answer.
pub(super) struct RestTranslation<'t> {
    call: &'t Call<'t>,
    plan: &'t RestHttpPlan,
    method: Method,
    sends_body: bool,
    /// The request's head, but for what frames its body.
    head: &'t [u8],
    /// The response that was selected, by its place.
    selected: Cell<Option<usize>>,
    detail: RefCell<Option<String>>,
}

impl<'t> RestTranslation<'t> {
    pub(super) fn new(
        call: &'t Call<'t>,
        plan: &'t RestHttpPlan,
        method: Method,
        sends_body: bool,
        head: &'t [u8],
    ) -> Self {
        let (selected, detail) = (Cell::new(None), RefCell::new(None));
        Self { call, plan, method, sends_body, head, selected, detail }
    }

    /// What there is to say of a fault.
    pub(super) fn into_detail(self) -> Option<String> {
        self.detail.into_inner()
    }

    fn selected(&self) -> Option<&RestResponsePlan> {
        self.plan.responses.responses.get(self.selected.get()?)
    }

    fn fail(&self, fault: Fault, detail: &str) -> Fault {
        self.detail.replace(Some(detail.to_owned()));
        fault
    }

    fn has_body(&self, status: u16) -> bool {
        self.call.request.head.method != Method::Head && !matches!(status, 204 | 304)
    }
}

impl Translation for RestTranslation<'_> {
    fn method(&self) -> Method {
        self.method
    }

    fn sends_body(&self) -> bool {
        self.sends_body
    }

    fn stream_idle_timeout(&self) -> Option<Nanos> {
        let limits = &self.call.plan.limits;
        self.plan.transfer.idle_timeout_ms(limits).map(Nanos::from_millis)
    }

    fn write_request(&self, out: &mut Vec<u8>, to_http2: bool) {
        out.extend_from_slice(self.head);
        if !to_http2 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
    }

    fn judge(&self, head: &ResponseHead, bytes: &[u8]) -> Result<AnswerUse, Fault> {
        let trial = self.call.state.trial.as_deref();
        if let Some(trial) = trial {
            trial.add(TrialStep::EndpointAnswer { head: bytes.to_vec(), at: now() });
        }
        let is_dropped = head.status != 204 && self.method != Method::Head && !self.has_body(200);
        if self.plan.is_proxy {
            return Ok(if is_dropped || trial.is_some() {
                AnswerUse::Collect
            } else {
                AnswerUse::PassOn(head.status)
            });
        }
        self.selected.set(self.plan.responses.place_of(head.status));
        let response = self.selected();
        let response = response.ok_or_else(|| self.fail(Fault::ApiConfiguration, NO_RESPONSE))?;
        let collects = is_dropped
            || trial.is_some()
            || response.collects_answer()
            || !self.has_body(response.status);
        Ok(if collects { AnswerUse::Collect } else { AnswerUse::PassOn(response.status) })
    }

    fn write_answer(&self, out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
        let Some(response) = self.selected() else {
            return write_passed(self.call, out, head, bytes);
        };
        let start = out.len();
        let answer = AnswerFacts { head, bytes, body: None };
        if write_mapped_head(self.call, response, answer, None, out).is_err() {
            // A value that is fit for no header is left out rather than the answer lost.
            out.truncate(start);
            write_status(out, response.status);
            write_body_head(self.call, None, start, out);
        }
    }

    fn write_collected(
        &self,
        out: &mut Vec<u8>,
        head: &ResponseHead,
        bytes: &[u8],
        body: Vec<u8>,
    ) -> Result<(u16, Vec<u8>), Fault> {
        if let Some(trial) = &self.call.state.trial {
            trial.add(TrialStep::EndpointAnswerBody(body.clone()));
        }
        let Some(response) = self.selected() else {
            write_passed(self.call, out, head, bytes);
            return Ok((head.status, body));
        };
        write_selected(self.call, response, (head, bytes), body, out).map_err(|failed| {
            self.detail.replace(failed.detail);
            failed.fault
        })
    }
}

/// Appends status line and field lines of what `response` makes of an integration's answer that was
/// read whole; its status, and the body that the client gets.
pub(super) fn write_selected(
    call: &Call<'_>,
    response: &RestResponsePlan,
    (head, bytes): (&ResponseHead, &[u8]),
    body: Vec<u8>,
    out: &mut Vec<u8>,
) -> Result<Answered, Failed> {
    let (content_type, text) = match response.template(call.accept()) {
        None => (None, None),
        Some((content_type, BodyTemplate::PassThrough)) => (Some(content_type), None),
        Some((content_type, BodyTemplate::Text(text))) => (Some(content_type), Some(text)),
        Some((_, BodyTemplate::NotServed(refusal))) => {
            return Err(Failed::because(Fault::NotAvailable, &*refusal.reason));
        }
    };
    let answer = AnswerFacts { head, bytes, body: Some(&body) };
    write_mapped_head(call, response, answer, content_type, out)?;
    let body = text.map_or(body, |text| text.as_bytes().to_vec());
    Ok((response.status, body))
}

/// Status line and field lines of an answer whose headers are mapped.
fn write_mapped_head(
    call: &Call<'_>,
    response: &RestResponsePlan,
    answer: AnswerFacts<'_>,
    content_type: Option<&str>,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    let start = out.len();
    let facts = CallFacts { answer: Some(answer), ..CallFacts::new(call, None) };
    write_status(out, response.status);
    write_mapped(&facts, response, &mut Scratch::new(), out)?;
    field_line(out, TRACE_ID_HEADER, call.arrival.trace_id.as_bytes());
    write_body_head(call, content_type, start, out);
    Ok(())
}

/// Appends the status line of an answer that the gateway words.
pub(super) fn write_status(out: &mut Vec<u8>, status: u16) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends the headers that a response maps.
pub(super) fn write_mapped(
    facts: &CallFacts<'_>,
    response: &RestResponsePlan,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), Fault> {
    for header in response.mapping.headers() {
        let name = header.name().as_bytes();
        let known = FieldName::of(name);
        let other_name = remapped_by_mapping(name, known);
        let is_own = known.is_hop_by_hop() || name.eq_ignore_ascii_case(b"x-amz-apigw-id");
        if is_own && other_name.is_none() {
            continue;
        }
        let start = out.len();
        out.extend_from_slice(other_name.unwrap_or(name));
        out.extend_from_slice(b": ");
        match header.write_value(facts, scratch, out) {
            Ok(true) => out.extend_from_slice(b"\r\n"),
            Ok(false) => out.truncate(start),
            Err(_) => {
                out.truncate(start);
                return Err(Fault::ApiConfiguration);
            }
        }
    }
    Ok(())
}

/// Appends what every answer of a REST API has: the date, the type of its body if the head from
/// `start` on says none, the ids.
pub(super) fn write_body_head(
    call: &Call<'_>,
    content_type: Option<&str>,
    start: usize,
    out: &mut Vec<u8>,
) {
    if !has_line(&out[start..], b"content-type") {
        let content_type = content_type.unwrap_or("application/json");
        field_line(out, b"Content-Type", content_type.as_bytes());
    }
    write_ids(call, out);
}

/// Appends the date and the ids.
pub(super) fn write_ids(call: &Call<'_>, out: &mut Vec<u8>) {
    field_line(out, b"Date", &call.state.http_date());
    field_line(out, b"x-amzn-RequestId", &call.arrival.uuid);
    field_line(out, b"x-amz-apigw-id", call.request.id.as_bytes());
}

/// Whether one of the lines has this name.
pub(super) fn has_line(lines: &[u8], name: &[u8]) -> bool {
    lines.split(|byte| *byte == b'\n').any(|line| {
        let start = line.get(..name.len());
        start.is_some_and(|start| start.eq_ignore_ascii_case(name))
            && line.get(name.len()) == Some(&b':')
    })
}

/// The head of an answer that passes: what the gateway says itself comes under another name.
fn write_passed(call: &Call<'_>, out: &mut Vec<u8>, head: &ResponseHead, bytes: &[u8]) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(head.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.reason.of(bytes));
    out.extend_from_slice(b"\r\n");
    let other_name = |field: &Field| remapped(field.name.of(bytes), field.known);
    copy_fields(out, &head.fields, bytes, |field| {
        !is_dropped_from_answer(field, bytes) && other_name(field).is_none()
    });
    for field in &head.fields {
        if let Some(name) = other_name(field) {
            field_line(out, name, field.value.of(bytes));
        }
    }
    if head.field(FieldName::ContentType).is_none() {
        field_line(out, b"Content-Type", b"application/json");
    }
    write_ids(call, out);
}
