//! Functions that run on this machine.

use super::super::body::BodyFate;
use super::super::collect::{WholeAnswer, may_go_on};
use super::super::exchange::{Relayed, flush_earlier};
use super::facts::Call;
use super::function_answer::{read_answer, write_answer};
use super::{Done, Failed, Work};
use crate::base::{Fault, Nanos};
use crate::coord::TrialStep;
use crate::plan::deployed::{FunctionPlan, LocalFunctionPlan};
use crate::rt::now;
use crate::runtime::{CallFailure, FunctionAnswer, FunctionEvent};

/// Gives `event` to the function, and sends what it answers.
pub(super) async fn serve(
    call: &Call<'_>,
    plan: &FunctionPlan,
    local: &LocalFunctionPlan,
    event: Vec<u8>,
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
    let called = FunctionEvent {
        event: &event,
        request_id: call.request.id.as_str(),
        function_arn: &local.arn,
        trace_id: Some(call.arrival.trace_id.as_bytes()),
        client_context: None,
        wants_stream: false,
        due: sent.plus(Nanos::from_millis(plan.timeout_ms)),
    };
    if let Some(trial) = &state.trial {
        trial.add(TrialStep::EndpointRequest { head: Vec::new(), body: event.clone(), at: sent });
    }
    let answer = state.runtimes.call(&state.deadlines, function, &called).await;
    let came = now();
    let (has_failed, answer) = match answer {
        Ok(FunctionAnswer::Whole(answer)) => (false, answer),
        Ok(FunctionAnswer::Streamed(_)) => return Err(Fault::FunctionFailed.into()),
        Err(CallFailure::Failed(error)) => (true, error),
        Err(CallFailure::Throttled) => {
            let reason = "Rate Exceeded: too many calls of the function";
            return Err(Failed::because(Fault::FunctionFailed, reason));
        }
        Err(CallFailure::TimedOut) => return Err(Fault::UpstreamTimeout.into()),
    };
    if let Some(trial) = &state.trial {
        trial.add(TrialStep::EndpointAnswer { head: Vec::new(), at: came });
        trial.add(TrialStep::EndpointAnswerBody(answer.clone()));
    }
    let answer = read_answer(call, plan, has_failed, &answer)?;
    write_answer(call, &answer, out);
    let is_body_read = matches!(body.fate, BodyFate::Untouched | BodyFate::TakenWhole(_));
    let goes_on = may_go_on(state, call.client, call.request) && is_body_read;
    let whole = WholeAnswer { status: answer.status, body: &answer.body, goes_on, at: came };
    let answer_bytes = whole.send(call.client, call.request, out).await?;
    Ok(Done::Relayed(Relayed {
        status: answer.status,
        upstream_status: 200,
        goes_on,
        answer_bytes,
        upstream: came.since(sent),
        is_tunnel: false,
        ended: now(),
    }))
}
