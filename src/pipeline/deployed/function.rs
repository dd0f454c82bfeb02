//! Functions behind methods and routes: an event goes to the function, and what it answers becomes
//! the answer.

use super::super::collect::collect_request;
use super::facts::Call;
use super::function_event::write_event;
use super::{Done, Failed, Work, function_endpoint, function_local};
use crate::lambda::EventScratch;
use crate::plan::deployed::{FunctionPlan, FunctionTarget};

/// Calls the function.
pub(super) async fn serve(
    call: &Call<'_>,
    plan: &FunctionPlan,
    work: Work<'_, '_>,
) -> Result<Done, Failed> {
    let Work { state, plan: shard_plan, .. } = &work;
    collect_request(state, shard_plan, call.client, work.body).await?;
    let sent = work.body.collected.take().unwrap_or_default();
    let mut event = Vec::with_capacity(EVENT_BYTES_USUAL + sent.len());
    write_event(call, plan, &sent, &mut EventScratch::new(), &mut event);
    match &plan.target {
        FunctionTarget::Endpoint(endpoint) => {
            function_endpoint::serve(call, plan, endpoint, event, work).await
        }
        FunctionTarget::Local(local) => function_local::serve(call, plan, local, event, work).await,
    }
}

/// An event with the headers of a usual client.
const EVENT_BYTES_USUAL: usize = 2_048;
