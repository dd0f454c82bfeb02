//! Functions behind methods and routes: an invocation goes to the function, and what it answers
//! becomes the answer.

use super::super::body::RequestBody;
use super::super::collect::collect_request;
use super::facts::Call;
use super::function_event::write_event;
use super::{Done, Failed, Work, function_custom, function_endpoint, function_local};
use crate::base::Fault;
use crate::plan::deployed::{FunctionPlan, FunctionTarget};

/// Calls the function.
pub(super) async fn serve(
    call: &Call<'_>,
    plan: &FunctionPlan,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    let Work { state, plan: shard_plan, body, .. } = work;
    if body.whole_length().is_none() {
        collect_request(state, shard_plan, call.client, body).await?;
    }
    let invocation = invocation(call, plan, body_of(body))?;
    let work = Work { state, plan: shard_plan, body, ..work };
    match &plan.target {
        FunctionTarget::Endpoint(endpoint) => {
            function_endpoint::serve(call, plan, endpoint, invocation, work).await
        }
        FunctionTarget::Local(local) => {
            function_local::serve(call, plan, local, invocation, work).await
        }
    }
}

/// What a function is called with, however it is reached.
pub(super) struct Invocation {
    /// From the shard's stock of heads, and to be put back there.
    pub(super) event: Vec<u8>,
    pub(super) kind: InvocationKind,
    /// Other headers that a mapping gives, as lines: `X-Amz-Client-Context`, `X-Amz-Log-Type`.
    pub(super) lines: Vec<u8>,
}

/// Whether anybody waits for the answer: `X-Amz-Invocation-Type`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum InvocationKind {
    RequestResponse,
    /// The function is called later; nobody waits for it.
    Event,
    /// It is not called: it is only asked whether it may be.
    DryRun,
}

impl InvocationKind {
    /// The value of the header.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RequestResponse => "RequestResponse",
            Self::Event => "Event",
            Self::DryRun => "DryRun",
        }
    }

    pub(super) fn parse(text: &[u8]) -> Result<Self, Failed> {
        let all = [Self::RequestResponse, Self::Event, Self::DryRun];
        all.into_iter().find(|kind| kind.name().as_bytes() == text).ok_or_else(|| {
            let text = String::from_utf8_lossy(text);
            let reason = format!("`{text}` is no value of X-Amz-Invocation-Type");
            Failed::because(Fault::InvocationRefused, reason)
        })
    }
}

fn invocation(call: &Call<'_>, plan: &FunctionPlan, body: &[u8]) -> Result<Invocation, Failed> {
    if let Some(custom) = &plan.custom {
        return function_custom::invocation(call, custom, body);
    }
    let mut event = call.state.head_buffers.take();
    event.reserve(EVENT_BYTES_USUAL + body.len());
    write_event(call, plan, body, &mut call.state.function_scratch.borrow_mut(), &mut event);
    Ok(Invocation { event, kind: InvocationKind::RequestResponse, lines: Vec::new() })
}

/// What of the body there is: read whole, or come whole with the head.
fn body_of<'b>(body: &'b RequestBody<'_>) -> &'b [u8] {
    match (&body.collected, body.whole_length()) {
        (Some(collected), _) => collected,
        (None, Some(length)) => body.early.get(..length).unwrap_or_default(),
        (None, None) => &[],
    }
}

/// An event with the headers of a usual client.
const EVENT_BYTES_USUAL: usize = 2_048;
