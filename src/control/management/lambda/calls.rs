//! Calls of functions that `Invoke` and its kin ask for, made by whoever runs functions.

use std::sync::OnceLock;

use tokio::sync::Semaphore;

use super::invoke::{
    FunctionCall, InvocationType, InvokeFunction, InvokeRefusal, InvokeReply, answered,
};
use crate::control::management::error::{ApiError, Code};
use crate::control::management::options::ManagementOptions;
use crate::model::FunctionName;

/// Makes calls, so many at once.
pub(in crate::control::management) struct FunctionCalls {
    /// Set once there is somebody who runs functions.
    pub(in crate::control::management) invoke: OnceLock<InvokeFunction>,
    /// One more than these is refused.
    places: Semaphore,
    /// The functions of the boot file.
    bound: Vec<FunctionName>,
}

impl FunctionCalls {
    pub(in crate::control::management) fn new(options: &ManagementOptions) -> Self {
        Self {
            invoke: OnceLock::new(),
            places: Semaphore::new(CALLS_COUNT_MAX),
            bound: options.functions.iter().map(|one| one.name.clone()).collect(),
        }
    }

    /// Makes the call, and waits for its end.
    pub(in crate::control::management) async fn make(
        &self,
        call: FunctionCall,
    ) -> Result<InvokeReply, ApiError> {
        let Ok(_place) = self.places.try_acquire() else {
            return Err(ApiError::new(Code::FunctionThrottled, "Rate Exceeded."));
        };
        let is_known =
            call.stored.is_some() || self.bound.iter().any(|one| one.covers(&call.name).is_some());
        let is_dry = call.kind == InvocationType::DryRun;
        match self.invoke.get() {
            // Whoever runs functions knows best which there are.
            Some(invoke) if !is_dry => {
                let (expected, not_found) = (call.expectation(), call.not_found());
                match invoke(call).await {
                    Ok(answer) => answered(answer, &expected),
                    Err(InvokeRefusal::NotFound) => Err(not_found),
                    Err(InvokeRefusal::Unavailable(why)) => Err(ApiError::new(Code::Service, why)),
                }
            }
            _ if !is_known => Err(call.not_found()),
            _ if is_dry => Ok(InvokeReply::of_dry_run()),
            _ => {
                let message = "The gateway is starting: nothing runs functions yet";
                Err(ApiError::new(Code::Service, message))
            }
        }
    }
}

/// Lambda's quota of concurrent executions, of an account.
const CALLS_COUNT_MAX: usize = 1_000;
