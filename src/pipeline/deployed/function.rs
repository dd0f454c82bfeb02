//! Functions behind methods and routes: an event goes to Lambda's Invoke API, and what the function
//! answers becomes the answer.

use std::cell::RefCell;

use super::super::collect::collect_request;
use super::super::exchange::{AnswerUse, Exchange, Form, Translation};
use super::super::forward::field_line;
use super::super::respond::write_request_id;
use super::super::trace_id::TRACE_ID_HEADER;
use super::cors::{is_configured, is_of_cors, write_cors};
use super::facts::Call;
use super::function_event::write_event;
use super::headers::is_said_by_gateway;
use super::rest_answer::{has_line, write_ids, write_status};
use super::{Done, Failed, Work};
use crate::base::{Fault, Method, Nanos};
use crate::coord::TrialStep;
use crate::lambda::{
    Answer, AnswerRules, EventScratch, Flavour, answer_v1, answer_v2, function_error,
};
use crate::model::ApiProtocol;
use crate::plan::deployed::{FunctionPlan, PayloadFormat};
use crate::proto::ResponseHead;
use crate::rt::now;

/// Calls the function.
pub(super) async fn serve(
    call: &Call<'_>,
    plan: &FunctionPlan,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    let Work { state, plan: shard_plan, stage, body, out, target, .. } = work;
    collect_request(state, shard_plan, call.client, body).await?;
    let sent = body.collected.take().unwrap_or_default();
    let mut event = Vec::with_capacity(EVENT_BYTES_USUAL + sent.len());
    write_event(call, plan, &sent, &mut EventScratch::new(), &mut event);
    let mut head = state.head_buffers.take();
    write_head(call, plan, &mut head);
    if let Some(trial) = &state.trial {
        let (head, body) = (head.clone(), event.clone());
        trial.add(TrialStep::EndpointRequest { head, body, at: now() });
    }
    body.collected = Some(event);
    let translation = FunctionTranslation { call, plan, head: &head, detail: RefCell::new(None) };
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
    let detail = translation.detail.into_inner();
    state.head_buffers.put(head);
    relayed.map(Done::Relayed).map_err(|fault| Failed { fault, detail })
}

/// The head of an invocation (AWS Lambda API reference, "Invoke").
fn write_head(call: &Call<'_>, plan: &FunctionPlan, out: &mut Vec<u8>) {
    out.extend_from_slice(b"POST ");
    out.extend_from_slice(plan.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    field_line(out, b"Host", plan.host.as_bytes());
    out.extend_from_slice(b"Content-Type: application/json\r\nAccept: application/json\r\n");
    out.extend_from_slice(
        b"X-Amz-Invocation-Type: RequestResponse\r\nUser-Agent: AmazonAPIGateway_",
    );
    out.extend_from_slice(call.stage.labels.api_id.as_bytes());
    out.extend_from_slice(b"\r\n");
    field_line(out, TRACE_ID_HEADER, call.arrival.trace_id.as_bytes());
}

/// What becomes of an invocation and its answer.
struct FunctionTranslation<'t> {
    call: &'t Call<'t>,
    plan: &'t FunctionPlan,
    head: &'t [u8],
    detail: RefCell<Option<String>>,
}

impl FunctionTranslation<'_> {
    fn fail(&self, fault: Fault, detail: impl Into<String>) -> Fault {
        self.detail.replace(Some(detail.into()));
        fault
    }

    /// What the function answers, if it does.
    fn read<'b>(
        &self,
        head: &ResponseHead,
        bytes: &[u8],
        body: &'b [u8],
    ) -> Result<Answer<'b>, Fault> {
        if head.status != 200 {
            let reason = format!("the endpoint of the function answered {}", head.status);
            return Err(self.fail(Fault::FunctionFailed, reason));
        }
        if head.field_by_name(bytes, b"x-amz-function-error").is_some() {
            let error = function_error(body).map(|error| error.to_string()).unwrap_or_default();
            return Err(self.fail(Fault::FunctionFailed, format!("the function failed: {error}")));
        }
        let decodes_base64 = self.plan.binary_media_types.accept(self.call.accept());
        let answer = match self.plan.format {
            PayloadFormat::Rest => {
                answer_v1(body, AnswerRules { flavour: Flavour::Rest, decodes_base64 })
            }
            PayloadFormat::HttpV1 => {
                answer_v1(body, AnswerRules { flavour: Flavour::Http, decodes_base64 })
            }
            PayloadFormat::HttpV2 => answer_v2(body),
        };
        answer.map_err(|malformed| {
            self.fail(
                Fault::FunctionFailed,
                format!("Malformed Lambda proxy response: {malformed}"),
            )
        })
    }

    fn write_rest(&self, answer: &Answer<'_>, out: &mut Vec<u8>) {
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
        field_line(out, TRACE_ID_HEADER, self.call.arrival.trace_id.as_bytes());
        write_ids(self.call, out);
    }

    fn write_http(&self, answer: &Answer<'_>, out: &mut Vec<u8>) {
        let start = out.len();
        write_status(out, answer.status);
        let has_cors = is_configured(self.call);
        for (name, value) in &answer.headers {
            let name = name.as_bytes();
            if !is_said_by_gateway(name) && !(has_cors && is_of_cors(name)) {
                field_line(out, name, value.as_bytes());
            }
        }
        if !has_line(&out[start..], b"content-type") && !answer.body.is_empty() {
            field_line(out, b"content-type", b"text/plain;charset=utf-8");
        }
        field_line(out, b"date", &self.call.state.http_date());
        write_cors(self.call, out);
        write_request_id(out, self.call.request.id);
    }
}

impl Translation for FunctionTranslation<'_> {
    fn method(&self) -> Method {
        Method::Post
    }

    fn sends_body(&self) -> bool {
        true
    }

    fn write_request(&self, out: &mut Vec<u8>, to_http2: bool) {
        out.extend_from_slice(self.head);
        if !to_http2 {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
    }

    fn judge(&self, _: &ResponseHead, bytes: &[u8]) -> Result<AnswerUse, Fault> {
        if let Some(trial) = &self.call.state.trial {
            trial.add(TrialStep::EndpointAnswer { head: bytes.to_vec(), at: now() });
        }
        Ok(AnswerUse::Collect)
    }

    fn write_answer(&self, _: &mut Vec<u8>, _: &ResponseHead, _: &[u8]) {
        debug_assert!(false, "answers of functions are read whole");
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
        let answer = self.read(head, bytes, &body)?;
        match self.call.protocol() {
            ApiProtocol::Http => self.write_http(&answer, out),
            ApiProtocol::Rest | ApiProtocol::WebSocket => self.write_rest(&answer, out),
        }
        Ok((answer.status, answer.body.into_owned()))
    }
}

/// An event with the headers of a usual client.
const EVENT_BYTES_USUAL: usize = 2_048;
