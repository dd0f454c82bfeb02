//! Custom integrations with a function: the request's body is the event, and what the function says
//! is an integration response's, selected by the message of its error.
//!
//! AWS: "Set up Lambda custom integrations in API Gateway", "Handle Lambda errors in API Gateway",
//! "Set up asynchronous invocation of the backend Lambda function".

use serde::de::IgnoredAny;

use super::facts::{Call, CallFacts};
use super::function::{Invocation, InvocationKind};
use super::function_answer::FunctionReply;
use super::mock::{NO_RESPONSE, refused};
use super::rest::of_mapping;
use super::rest_answer::write_selected;
use super::rest_request::is_of_connection;
use super::{Answered, Failed};
use crate::base::Fault;
use crate::expr::Scratch;
use crate::lambda::{bare_error_message, error_message};
use crate::plan::deployed::{BodyTemplate, CustomFunctionPlan, TemplateChoice};
use crate::proto::FieldName;

/// What the function is called with.
pub(super) fn invocation(
    call: &Call<'_>,
    custom: &CustomFunctionPlan,
    body: &[u8],
) -> Result<Invocation, Failed> {
    let sent = match custom.templates.choose(call.header(FieldName::ContentType)) {
        TemplateChoice::Template(BodyTemplate::Text(text)) => text.as_bytes(),
        TemplateChoice::Template(BodyTemplate::NotServed(refusal)) => return Err(refused(refusal)),
        TemplateChoice::Template(BodyTemplate::PassThrough) | TemplateChoice::PassThrough => body,
        TemplateChoice::Refused => return Err(Fault::UnsupportedMediaType.into()),
    };
    let sent = if sent.trim_ascii().is_empty() { b"{}" } else { sent };
    if serde_json::from_slice::<IgnoredAny>(sent).is_err() {
        return Err(Failed::because(Fault::BadJson, NO_EVENT));
    }
    let (kind, lines) = mapped_headers(call, custom, body)?;
    let mut event = call.state.head_buffers.take();
    event.extend_from_slice(sent);
    Ok(Invocation { event, kind, lines })
}

/// The headers that are mapped, but for those that are the gateway's own to say.
fn mapped_headers(
    call: &Call<'_>,
    custom: &CustomFunctionPlan,
    body: &[u8],
) -> Result<(InvocationKind, Vec<u8>), Failed> {
    let (facts, mut scratch) = (CallFacts::new(call, Some(body)), Scratch::new());
    let (mut kind, mut lines) = (InvocationKind::RequestResponse, Vec::new());
    for header in custom.request.headers() {
        let name = header.name();
        if is_of_connection(name) || OWN_HEADERS.iter().any(|own| own.eq_ignore_ascii_case(name)) {
            continue;
        }
        let start = lines.len();
        lines.extend_from_slice(name.as_bytes());
        lines.extend_from_slice(b": ");
        let value_at = lines.len();
        let found = header.write_value(&facts, &mut scratch, &mut lines).map_err(of_mapping)?;
        let is_kind = name.eq_ignore_ascii_case("x-amz-invocation-type");
        if found && is_kind {
            kind = InvocationKind::parse(&lines[value_at..])?;
        }
        match found && !is_kind {
            true => lines.extend_from_slice(b"\r\n"),
            false => lines.truncate(start),
        }
    }
    Ok((kind, lines))
}

/// Writes the answer that is selected for what the function said.
pub(super) fn answer(
    call: &Call<'_>,
    custom: &CustomFunctionPlan,
    reply: FunctionReply<'_>,
    out: &mut Vec<u8>,
) -> Result<Answered, Failed> {
    let FunctionReply { head, bytes, has_failed, body } = reply;
    let message = if has_failed { error_message(&body) } else { bare_error_message(&body) };
    // What did not fail has no message, which is what `.*` matches and `.+` does not.
    let place = custom.responses.selection.select(message.as_deref().unwrap_or_default());
    let response = place.and_then(|place| custom.responses.responses.get(place));
    let response = response.ok_or_else(|| Failed::because(Fault::ApiConfiguration, NO_RESPONSE))?;
    write_selected(call, response, (head, bytes), body, out)
}

/// Headers of an invocation that no mapping changes: what is said of the connection, of the event and
/// of who signed.
const OWN_HEADERS: [&str; 8] = [
    "host",
    "content-type",
    "accept",
    "user-agent",
    "authorization",
    "x-amz-date",
    "x-amz-security-token",
    "x-amz-content-sha256",
];
/// AWS's words, with which the library's own follow there.
const NO_EVENT: &str = "Could not parse request body into json";
