//! What a function answered, and what the client gets of it.

use super::super::forward::field_line;
use super::super::respond::write_request_id;
use super::super::trace_id::TRACE_ID_HEADER;
use super::cors::{is_configured, is_of_cors, write_cors};
use super::facts::Call;
use super::headers::is_said_by_gateway;
use super::rest_answer::{has_line, write_ids, write_status};
use super::{Answered, Failed, function_custom};
use crate::base::Fault;
use crate::lambda::{Answer, AnswerRules, Flavour, answer_v1, answer_v2, function_error};
use crate::model::ApiProtocol;
use crate::plan::deployed::{FunctionPlan, PayloadFormat};
use crate::proto::ResponseHead;

/// What a function said, whole, however it was reached.
pub(super) struct FunctionReply<'r> {
    /// The head that it came with, and its bytes; that of a local function is empty.
    pub(super) head: &'r ResponseHead,
    pub(super) bytes: &'r [u8],
    /// It was told to be an error.
    pub(super) has_failed: bool,
    /// Empty where nobody waits for an answer.
    pub(super) body: Vec<u8>,
}

/// Appends status line and field lines of what the client gets, but for those that frame its body;
/// its status and its body.
pub(super) fn answer(
    call: &Call<'_>,
    plan: &FunctionPlan,
    reply: FunctionReply<'_>,
    out: &mut Vec<u8>,
) -> Result<Answered, Failed> {
    if let Some(custom) = &plan.custom {
        return function_custom::answer(call, custom, reply, out);
    }
    let answer = read_answer(call, plan, reply.has_failed, &reply.body)?;
    write_answer(call, &answer, out);
    Ok((answer.status, answer.body.into_owned()))
}

/// The answer that a function gave whole, as `body`; `has_failed` if it was told to be an error.
fn read_answer<'b>(
    call: &Call<'_>,
    plan: &FunctionPlan,
    has_failed: bool,
    body: &'b [u8],
) -> Result<Answer<'b>, Failed> {
    if has_failed {
        let error = function_error(body).map(|error| error.to_string()).unwrap_or_default();
        return Err(Failed::because(
            Fault::FunctionFailed,
            format!("the function failed: {error}"),
        ));
    }
    let decodes_base64 = plan.binary_media_types.accept(call.accept());
    let answer = match plan.format {
        PayloadFormat::Rest => {
            answer_v1(body, AnswerRules { flavour: Flavour::Rest, decodes_base64 })
        }
        PayloadFormat::HttpV1 => {
            answer_v1(body, AnswerRules { flavour: Flavour::Http, decodes_base64 })
        }
        PayloadFormat::HttpV2 => answer_v2(body),
    };
    answer.map_err(|malformed| {
        Failed::because(
            Fault::FunctionFailed,
            format!("Malformed Lambda proxy response: {malformed}"),
        )
    })
}

/// Appends status line and field lines of `answer`, but for those that frame its body.
pub(super) fn write_answer(call: &Call<'_>, answer: &Answer<'_>, out: &mut Vec<u8>) {
    match call.protocol() {
        ApiProtocol::Http => write_http(call, answer, out),
        ApiProtocol::Rest | ApiProtocol::WebSocket => write_rest(call, answer, out),
    }
}

fn write_rest(call: &Call<'_>, answer: &Answer<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    write_status(out, answer.status);
    for (name, value) in &answer.headers {
        if !is_said_by_gateway(name.as_bytes()) {
            field_line(out, name.as_bytes(), value.as_bytes());
        }
    }
    if !has_line(&out[start..], b"content-type") {
        field_line(out, b"Content-Type", b"application/json");
    }
    field_line(out, TRACE_ID_HEADER, call.arrival.trace_id.as_bytes());
    write_ids(call, out);
}

fn write_http(call: &Call<'_>, answer: &Answer<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    write_status(out, answer.status);
    let has_cors = is_configured(call);
    for (name, value) in &answer.headers {
        let name = name.as_bytes();
        let is_left_out = is_said_by_gateway(name) || (has_cors && is_of_cors(name));
        if !is_left_out {
            field_line(out, name, value.as_bytes());
        }
    }
    if !has_line(&out[start..], b"content-type") && !answer.body.is_empty() {
        field_line(out, b"content-type", b"text/plain;charset=utf-8");
    }
    field_line(out, b"date", &call.state.http_date());
    write_cors(call, out);
    write_request_id(out, call.request.id);
}
