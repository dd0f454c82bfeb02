//! Mock integrations: the request's template gives a status, and the response for it answers.

use super::super::respond::write_number_line;
use super::facts::{Call, CallFacts};
use super::rest_answer::{write_body_head, write_mapped, write_status};
use super::{Done, Failed, Work};
use crate::base::{Fault, Method};
use crate::expr::{Scratch, status_of_body};
use crate::plan::deployed::{BodyTemplate, NotServed, RestMockPlan, TemplateChoice};
use crate::proto::FieldName;

/// Answers with a mock integration.
pub(super) fn answer(
    call: &Call<'_>,
    mock: &RestMockPlan,
    request_body: Option<&[u8]>,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    let status = match mock.templates.choose(call.header(FieldName::ContentType)) {
        TemplateChoice::Template(Ok(status)) => Some(*status),
        TemplateChoice::Template(Err(refusal)) => return Err(refused(refusal)),
        // AWS: "have a method of the mock integration return the default integration response
        // without defining the integration request mapping template".
        TemplateChoice::PassThrough => request_body.and_then(status_of_body),
        TemplateChoice::Refused => return Err(Fault::UnsupportedMediaType.into()),
    };
    let response = mock.responses.select(status);
    let response = response.ok_or_else(|| Failed::because(Fault::ApiConfiguration, NO_RESPONSE))?;
    let (content_type, body) = match response.template(call.accept()) {
        None | Some((_, BodyTemplate::PassThrough)) => (None, ""),
        Some((content_type, BodyTemplate::Text(text))) => (Some(content_type), &**text),
        Some((_, BodyTemplate::NotServed(refusal))) => return Err(refused(refusal)),
    };
    let facts = CallFacts::new(call, request_body);
    let out = work.out;
    let start = out.len();
    write_status(out, response.status);
    let mut scratch = Scratch::new();
    if let Err(fault) = write_mapped(&facts, response, &mut scratch, out) {
        out.truncate(start);
        return Err(fault.into());
    }
    write_body_head(call, content_type, start, out);
    let is_bodiless = matches!(response.status, 204 | 304);
    if !is_bodiless {
        write_number_line(out, b"Content-Length", body.len() as u64);
    }
    out.extend_from_slice(work.persistence.line());
    out.extend_from_slice(b"\r\n");
    let has_body = !is_bodiless && call.request.head.method != Method::Head;
    if has_body {
        out.extend_from_slice(body.as_bytes());
    }
    Ok(Done::Made(response.status, if has_body { body.len() } else { 0 }))
}

/// The fault of what cannot be served, with what there is to say of it.
pub(super) fn refused(refusal: &NotServed) -> Failed {
    let fault = match refusal.is_misconfigured {
        true => Fault::ApiConfiguration,
        false => Fault::NotAvailable,
    };
    Failed::because(fault, &*refusal.reason)
}

pub(super) const NO_RESPONSE: &str =
    "no integration response takes the status, and none is the default";
