//! Integrations that call a function.

use super::DeployedContext;
use super::rest::resolve;
use super::slots::Slots;
use crate::lambda::BinaryMediaTypes;
use crate::model::{FunctionName, InvocationMode, TextMap};
use crate::plan::deployed::{
    FunctionEndpoint, FunctionEndpointPlan, FunctionPlace, FunctionPlan, FunctionTarget,
    LocalFunctionPlan, NotServed, PayloadFormat,
};

/// What is known of an integration that calls a function.
pub(super) struct FunctionCall<'c> {
    /// The ARN of the function, or of the action that invokes it.
    pub(super) uri: Option<&'c str>,
    pub(super) format: PayloadFormat,
    pub(super) binary_media_types: &'c [String],
    pub(super) timeout_ms: u32,
}

impl FunctionCall<'_> {
    pub(super) fn compile(
        &self,
        variables: &TextMap,
        context: &DeployedContext<'_>,
        slots: &mut Slots,
    ) -> Result<FunctionPlan, NotServed> {
        let uri = resolve(self.uri, variables)?;
        let (name, mode) = FunctionName::of_uri(&uri).ok_or_else(|| {
            NotServed::misconfigured(format!("`{uri}` is not the ARN of a function"))
        })?;
        if mode == InvocationMode::Streamed {
            return Err(NotServed::unavailable("functions that stream their answer are"));
        }
        let place = (context.find_function)(&name).ok_or_else(|| {
            NotServed::misconfigured(format!(
                "no [[function]] of the boot file stands for `{name}`"
            ))
        })?;
        let target = match place {
            FunctionPlace::Endpoint(endpoint) => {
                FunctionTarget::Endpoint(endpoint_plan(endpoint, name, slots))
            }
            FunctionPlace::Local(local) => FunctionTarget::Local(LocalFunctionPlan {
                slot: slots.function(&local),
                arn: name.to_string().into(),
            }),
        };
        Ok(FunctionPlan {
            target,
            format: self.format,
            binary_media_types: BinaryMediaTypes::compile(
                self.binary_media_types.iter().map(String::as_str),
            ),
            timeout_ms: self.timeout_ms.into(),
        })
    }
}

fn endpoint_plan(
    endpoint: FunctionEndpoint,
    called: FunctionName,
    slots: &mut Slots,
) -> FunctionEndpointPlan {
    let FunctionEndpoint { origin, name } = endpoint;
    let host = origin.authority().into();
    let qualifier = called.qualifier.map(|one| format!("?Qualifier={}", one.replace('$', "%24")));
    let qualifier = qualifier.unwrap_or_default();
    let target = format!("/2015-03-31/functions/{name}/invocations{qualifier}").into();
    FunctionEndpointPlan { group: slots.origin(origin), host, target }
}
