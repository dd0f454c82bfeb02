//! Integrations that call a function.

use super::DeployedContext;
use super::rest::resolve;
use super::slots::Slots;
use crate::lambda::BinaryMediaTypes;
use crate::model::{FunctionName, InvocationMode, SourceArn, TextMap};
use crate::plan::deployed::{
    CustomFunctionPlan, FunctionEndpoint, FunctionEndpointPlan, FunctionPlace, FunctionPlan,
    FunctionSigningPlan, FunctionTarget, LocalFunctionPlan, NotServed, PayloadFormat, Transfer,
};
use crate::sign::CanonicalTarget;

/// What is known of an integration that calls a function.
pub(super) struct FunctionCall<'c> {
    /// The ARN of the function, or of the action that invokes it.
    pub(super) uri: Option<&'c str>,
    pub(super) format: PayloadFormat,
    pub(super) binary_media_types: &'c [String],
    pub(super) timeout_ms: u32,
    /// What calls it.
    pub(super) source: SourceArn,
    /// What makes it a custom integration.
    pub(super) custom: Option<Box<CustomFunctionPlan>>,
    pub(super) transfer: Transfer,
}

impl FunctionCall<'_> {
    pub(super) fn compile(
        self,
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
        let place = (context.find_function)(&name).ok_or_else(|| {
            NotServed::misconfigured(format!(
                "no [[function]] of the boot file stands for `{name}`"
            ))
        })?;
        if !(context.may_invoke)(&name, &self.source) {
            let source = &self.source;
            return Err(NotServed::misconfigured(format!(
                "Invalid permissions on Lambda function: none of `{name}` is for {source}"
            )));
        }
        let target = match place {
            FunctionPlace::Endpoint(endpoint) => {
                FunctionTarget::Endpoint(endpoint_plan(&name, mode, endpoint, slots)?)
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
            custom: self.custom,
            transfer: self.transfer,
        })
    }
}

/// How `name` is invoked at its endpoint (AWS Lambda API reference, "Invoke"). Colons of an ARN are
/// encoded, as AWS's clients do: what is signed depends on it.
fn endpoint_plan(
    name: &FunctionName,
    mode: InvocationMode,
    endpoint: FunctionEndpoint,
    slots: &mut Slots,
) -> Result<FunctionEndpointPlan, NotServed> {
    let FunctionEndpoint { origin, name: remote_name, signer } = endpoint;
    let signer = signer.map_err(|reason| {
        NotServed::misconfigured(format!("calls of `{name}` cannot be signed: {reason}"))
    })?;
    let (version, action) = match mode {
        InvocationMode::Buffered => ("2015-03-31", "invocations"),
        InvocationMode::Streamed => ("2021-11-15", "response-streaming-invocations"),
    };
    let path = format!(
        "/{version}/functions/{}/{action}",
        remote_name.replace(':', "%3A").replace('$', "%24")
    );
    let qualifier = name.qualifier.as_deref();
    let query: Vec<_> = qualifier.iter().map(|one| ("Qualifier", *one)).collect();
    let signing = signer.map(|signer| FunctionSigningPlan {
        signer,
        target: CanonicalTarget::new("POST", &path, &query),
    });
    let qualifier = qualifier.map(|one| format!("?Qualifier={}", one.replace('$', "%24")));
    Ok(FunctionEndpointPlan {
        host: origin.authority().into(),
        group: slots.origin(origin),
        target: (path + &qualifier.unwrap_or_default()).into(),
        signing,
    })
}
