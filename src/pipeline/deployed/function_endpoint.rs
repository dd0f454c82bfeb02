//! Functions behind an endpoint of Lambda's Invoke API.

use std::cell::RefCell;

use super::super::exchange::{AnswerUse, Exchange, Form, Translation};
use super::super::forward::field_line;
use super::super::trace_id::TRACE_ID_HEADER;
use super::facts::Call;
use super::function_answer::{read_answer, write_answer};
use super::function_endpoint_stream::stream;
use super::function_stream::timeout;
use super::{Done, Failed, Work};
use crate::base::{Fault, Method, Nanos};
use crate::coord::TrialStep;
use crate::plan::deployed::{FunctionEndpointPlan, FunctionPlan, Transfer};
use crate::proto::ResponseHead;
use crate::rt::now;

/// Sends `event` to the endpoint, and passes on what the function answers.
pub(super) async fn serve(
    call: &Call<'_>,
    plan: &FunctionPlan,
    endpoint: &FunctionEndpointPlan,
    event: Vec<u8>,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    let Work { state, plan: shard_plan, stage, body, out, target, .. } = work;
    let mut head = state.head_buffers.take();
    write_head(call, endpoint, &mut head);
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
        group: stage.group(endpoint.group),
        timeout: timeout(call, plan),
        form: Form::Deployed(&translation),
        body,
        out,
        target: None,
        web: None,
    };
    let relayed = match plan.transfer {
        Transfer::Buffered => {
            let relayed = exchange.relay().await;
            relayed.map_err(|fault| Failed { fault, detail: translation.detail.take() })
        }
        Transfer::Streamed { .. } => Box::pin(stream(call, &mut exchange)).await,
    };
    *target = exchange.target;
    state.head_buffers.put(head);
    relayed.map(Done::Relayed)
}

/// The head of an invocation (AWS Lambda API reference, "Invoke").
fn write_head(call: &Call<'_>, endpoint: &FunctionEndpointPlan, out: &mut Vec<u8>) {
    out.extend_from_slice(b"POST ");
    out.extend_from_slice(endpoint.target.as_bytes());
    out.extend_from_slice(b" HTTP/1.1\r\n");
    field_line(out, b"Host", endpoint.host.as_bytes());
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
    fn fail(&self, failed: Failed) -> Fault {
        self.detail.replace(failed.detail);
        failed.fault
    }
}

impl Translation for FunctionTranslation<'_> {
    fn method(&self) -> Method {
        Method::Post
    }

    fn sends_body(&self) -> bool {
        true
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
        if head.status != 200 {
            let reason = format!("the endpoint of the function answered {}", head.status);
            return Err(self.fail(Failed::because(Fault::FunctionFailed, reason)));
        }
        let has_failed = head.field_by_name(bytes, b"x-amz-function-error").is_some();
        let answer = read_answer(self.call, self.plan, has_failed, &body);
        let answer = answer.map_err(|failed| self.fail(failed))?;
        write_answer(self.call, &answer, out);
        Ok((answer.status, answer.body.into_owned()))
    }
}
