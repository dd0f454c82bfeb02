//! Functions that run on this machine.

use std::rc::Rc;

use base64::Engine as _;

use super::super::ShardState;
use super::super::collect::WholeAnswer;
use super::super::exchange::{Relayed, flush_earlier};
use super::facts::Call;
use super::function::{Invocation, InvocationKind};
use super::function_answer::{FunctionReply, answer};
use super::function_local_stream::LocalPieces;
use super::function_stream::{StreamOut, stream_answer, timeout};
use super::{Done, Failed, Work};
use crate::base::{Fault, Nanos};
use crate::coord::TrialStep;
use crate::model::ApiProtocol;
use crate::plan::deployed::{FunctionPlan, LocalFunctionPlan, Transfer};
use crate::rt::now;
use crate::runtime::{AsyncEvent, CallFailure, FunctionAnswer, FunctionEvent, ShardFunction};

/// Gives an invocation to the function, and sends what it answers.
pub(super) async fn serve(
    call: &Call<'_>,
    plan: &FunctionPlan,
    local: &LocalFunctionPlan,
    invocation: Invocation,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    let Work { state, stage, body, out, target, .. } = work;
    let function = stage.function(local.slot).ok_or_else(|| {
        Failed::because(Fault::ApiConfiguration, "the function is bound no longer")
    })?;
    flush_earlier(call.client, out, call.request.started).await?;
    call.client.deadline.clear();
    *target = Some(function.shown());
    let sent = now();
    let caller = Caller { state, call, plan, local, function, due: sent.plus(timeout(call, plan)) };
    if let Some(trial) = &state.trial {
        let body = invocation.event.clone();
        trial.add(TrialStep::EndpointRequest { head: Vec::new(), body, at: sent });
    }
    let said = match invocation.kind {
        InvocationKind::RequestResponse => caller.call(invocation).await?,
        InvocationKind::Event => caller.call_later(invocation)?,
        InvocationKind::DryRun => Said::Whole { has_failed: false, body: Vec::new() },
    };
    let came = now();
    let (has_failed, said) = match said {
        Said::Whole { has_failed, body } => (has_failed, body),
        Said::Streamed(mut pieces) => {
            let to = StreamOut { state, body, out };
            let streamed = Box::pin(stream_answer(call, &mut pieces, to)).await?;
            return Ok(Done::Relayed(Relayed {
                status: streamed.status,
                upstream_status: 200,
                goes_on: streamed.goes_on,
                answer_bytes: streamed.answer_bytes,
                upstream: streamed.came.since(sent),
                is_tunnel: false,
                ended: streamed.ended,
            }));
        }
    };
    if let Some(trial) = &state.trial {
        trial.add(TrialStep::EndpointAnswer { head: Vec::new(), at: came });
        trial.add(TrialStep::EndpointAnswerBody(said.clone()));
    }
    let head = state.take_response_head();
    let reply = FunctionReply { head: &head, bytes: &[], has_failed, body: said };
    let answered = answer(call, plan, reply, out);
    state.put_response_head(head);
    let (status, answer_body) = answered?;
    let goes_on = call.client.may_go_on(state, call.request) && body.is_taken();
    let whole = WholeAnswer { status, body: &answer_body, goes_on, at: came };
    let answer_bytes = whole.send(call.client, call.request, out).await?;
    Ok(Done::Relayed(Relayed {
        status,
        upstream_status: 200,
        goes_on,
        answer_bytes,
        upstream: came.since(sent),
        is_tunnel: false,
        ended: now(),
    }))
}

/// Who calls which function.
struct Caller<'c> {
    state: &'c ShardState,
    call: &'c Call<'c>,
    plan: &'c FunctionPlan,
    local: &'c LocalFunctionPlan,
    function: &'c Rc<ShardFunction>,
    due: Nanos,
}

/// What the function says.
enum Said {
    Whole { has_failed: bool, body: Vec<u8> },
    Streamed(LocalPieces),
}

impl Caller<'_> {
    /// What the client is told too: `$context.requestId`.
    fn request_id(&self) -> &str {
        match self.call.protocol() {
            ApiProtocol::Http => self.call.request.id.as_str(),
            ApiProtocol::Rest | ApiProtocol::WebSocket => self.call.arrival.uuid(),
        }
    }

    /// Waits for what the function says, or for its beginning.
    async fn call(&self, invocation: Invocation) -> Result<Said, Failed> {
        let client_context = client_context(&invocation.lines);
        let idle_timeout_ms = self.plan.transfer.idle_timeout_ms(&self.call.plan.limits);
        let event = FunctionEvent {
            event: &invocation.event,
            request_id: self.request_id(),
            function_arn: &self.local.arn,
            trace_id: Some(self.call.arrival.trace_id.as_bytes()),
            client_context: client_context.as_deref(),
            wants_stream: self.plan.transfer != Transfer::Buffered,
            due: self.due,
        };
        let state = self.state;
        let answer = state.runtimes.call(&state.deadlines, self.function, &event).await;
        let wants_stream = event.wants_stream;
        state.head_buffers.put(invocation.event);
        let pieces = |answer| {
            let idle_timeout = idle_timeout_ms.map_or(Nanos::NEVER, Nanos::from_millis);
            LocalPieces::new(answer, &state.deadlines, idle_timeout, self.due)
        };
        match answer {
            Ok(answer) if wants_stream => Ok(Said::Streamed(pieces(answer))),
            Ok(FunctionAnswer::Whole(body)) => Ok(Said::Whole { has_failed: false, body }),
            Err(CallFailure::Failed(body)) => Ok(Said::Whole { has_failed: true, body }),
            Err(CallFailure::Throttled) => Err(throttled()),
            Err(CallFailure::TimedOut) => Err(Fault::UpstreamTimeout.into()),
            Ok(FunctionAnswer::Streamed(_)) => {
                debug_assert!(false, "no stream was asked for");
                Err(Fault::FunctionFailed.into())
            }
        }
    }

    /// Leaves the call to be made while nobody waits.
    fn call_later(&self, invocation: Invocation) -> Result<Said, Failed> {
        let event = AsyncEvent {
            client_context: client_context(&invocation.lines),
            event: invocation.event,
            request_id: self.request_id().to_owned(),
            function_arn: self.local.arn.clone().into(),
        };
        let state = self.state;
        match state.runtimes.invoke_async(&state.deadlines, self.function, event) {
            Ok(()) => Ok(Said::Whole { has_failed: false, body: Vec::new() }),
            Err(_) => Err(throttled()),
        }
    }
}

fn throttled() -> Failed {
    let reason = "Lambda invocation failed with status: 429: too many calls of the function";
    Failed::because(Fault::InvocationRefused, reason)
}

/// The JSON of `X-Amz-Client-Context`, if that is among the header lines: it comes as base64.
fn client_context(lines: &[u8]) -> Option<String> {
    let mut lines = lines.split(|byte| *byte == b'\n');
    let value = lines.find_map(|line| {
        let (name, value) = line.split_at_checked(memchr::memchr(b':', line)?)?;
        name.eq_ignore_ascii_case(b"x-amz-client-context").then(|| value[1..].trim_ascii())
    })?;
    let decoded = base64::engine::general_purpose::STANDARD.decode(value).ok()?;
    String::from_utf8(decoded).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_context_is_decoded() {
        let lines = b"X-Amz-Log-Type: Tail\r\nX-Amz-Client-Context: eyJhIjoxfQ==\r\n";
        assert_eq!(client_context(lines).as_deref(), Some("{\"a\":1}"));
        assert_eq!(client_context(b"X-Amz-Client-Context: ???\r\n"), None);
        assert_eq!(client_context(b""), None);
    }
}
