//! Integrations that call a function.

use super::DeployedContext;
use super::rest::resolve;
use super::slots::Slots;
use crate::lambda::BinaryMediaTypes;
use crate::model::{FunctionName, InvocationMode, TextMap};
use crate::plan::deployed::{
    FunctionEndpoint, FunctionEndpointPlan, FunctionPlan, FunctionTarget, NotServed, PayloadFormat,
    Transfer,
};

/// What is known of an integration that calls a function.
pub(super) struct FunctionCall<'c> {
    /// The ARN of the function, or of the action that invokes it.
    pub(super) uri: Option<&'c str>,
    pub(super) format: PayloadFormat,
    pub(super) binary_media_types: &'c [String],
    pub(super) timeout_ms: u32,
    pub(super) transfer: Transfer,
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
        let is_streamed = mode == InvocationMode::Streamed;
        if is_streamed != matches!(self.transfer, Transfer::Streamed { .. }) {
            let reason = "the integration's URI and its response transfer mode do not agree";
            return Err(NotServed::misconfigured(reason));
        }
        let endpoint = (context.find_function)(&name);
        let FunctionEndpoint { origin, name: remote_name } = endpoint.ok_or_else(|| {
            NotServed::misconfigured(format!(
                "no [[function]] of the boot file stands for `{name}`"
            ))
        })?;
        let host = origin.authority().into();
        let qualifier = name.qualifier.map(|one| format!("?Qualifier={}", one.replace('$', "%24")));
        let qualifier = qualifier.unwrap_or_default();
        let (version, action) = match mode {
            InvocationMode::Buffered => ("2015-03-31", "invocations"),
            InvocationMode::Streamed => ("2021-11-15", "response-streaming-invocations"),
        };
        let target = format!("/{version}/functions/{remote_name}/{action}{qualifier}");
        Ok(FunctionPlan {
            target: FunctionTarget::Endpoint(FunctionEndpointPlan {
                group: slots.origin(origin),
                host,
                target: target.into(),
            }),
            format: self.format,
            binary_media_types: BinaryMediaTypes::compile(
                self.binary_media_types.iter().map(String::as_str),
            ),
            timeout_ms: self.timeout_ms.into(),
            transfer: self.transfer,
        })
    }
}
