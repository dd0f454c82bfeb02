//! What the stages of deployed APIs execute: AWS's integrations, compiled.
//!
//! Everything that a stage fixes (its variables, its deployment) is resolved here; what is left are
//! the expressions that read the request. What this version cannot do, or what the author got
//! wrong, is a part of the plan too: such a method answers with a clear error, and all others work.

mod compile;
mod function;
mod http_api;
mod needs;
mod rest;

pub use compile::{
    CompiledStage, DeployedApi, DeployedContext, PrivateTarget, compile_deployed,
    compile_undeployed,
};
pub use function::{
    CustomFunctionPlan, FunctionEndpoint, FunctionEndpointPlan, FunctionPlace, FunctionPlan,
    FunctionSigningPlan, FunctionTarget, LocalFunctionPlan, PayloadFormat, Transfer,
};
pub use http_api::{CorsPlan, HttpRouteIntegration, HttpRoutePlan, HttpRouteProxyPlan};
pub use needs::{Origin, OriginTls};
pub use rest::{
    BodyTemplate, GatewayResponsePlan, GatewayResponsesPlan, MethodIntegration, MethodPlan,
    ParameterPlace, RequestTemplates, RequiredParameter, RestHttpPlan, RestMockPlan,
    RestResponsePlan, RestResponsesPlan, TemplateChoice,
};

use crate::model::rest_api::GatewayResponseType;

/// What a stage is beside its routes, where it is of a deployed API.
#[derive(Debug)]
pub struct DeployedStagePlan {
    /// The region that its API is of.
    pub region: Box<str>,
    /// The account.
    pub account_id: Box<str>,
    /// The deployment that it serves.
    pub deployment_id: Box<str>,
    /// The JSON of its variables for functions, if it has any.
    pub stage_variables: Option<Box<[u8]>>,
    /// It is the canary of its stage.
    pub is_canary: bool,
    /// How its errors are told, and what else its kind of API has.
    pub dialect: Dialect,
}

/// The kind of an API, as far as whole stages go.
#[derive(Debug)]
pub enum Dialect {
    /// A REST API.
    Rest(GatewayResponsesPlan),
    /// An HTTP API, with what browsers are told of other origins.
    Http(Option<CorsPlan>),
}

/// Why a route cannot be served by this version: a sentence for the client, and for the log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NotServed {
    /// Whether the API is at fault, rather than this version.
    pub is_misconfigured: bool,
    /// A sentence without full stop.
    pub reason: Box<str>,
}

impl NotServed {
    /// What this version does not have.
    #[must_use]
    pub fn unavailable(what: &str) -> Self {
        let reason = format!("{what} not available in this version").into();
        Self { is_misconfigured: false, reason }
    }

    /// What the author of the API got wrong.
    #[must_use]
    pub fn misconfigured(reason: impl Into<Box<str>>) -> Self {
        Self { is_misconfigured: true, reason: reason.into() }
    }
}

/// The share of a stage's requests that its canary takes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CanarySplit {
    /// Of 2^32 requests.
    pub share: u32,
    /// Index of the canary among the stages of the plan.
    pub stage_index: u32,
    /// The requests of one client go all the same way.
    pub is_sticky: bool,
}

impl CanarySplit {
    /// The split that sends `percent` of all requests, 0 to 100, to the stage at `stage_index`.
    #[must_use]
    pub fn new(percent: f64, stage_index: u32, is_sticky: bool) -> Self {
        let share = (percent.clamp(0.0, 100.0) / 100.0 * f64::from(u32::MAX)).round();
        // In range by the clamp.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        Self { share: share as u32, stage_index, is_sticky }
    }

    /// Whether the request that drew `draw` is the canary's.
    #[must_use]
    pub fn takes(self, draw: u32) -> bool {
        self.share == u32::MAX || draw < self.share
    }
}

/// Types of gateway responses, as [`GatewayResponsesPlan`] is asked for them.
pub type ResponseType = GatewayResponseType;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_takes_its_share_and_no_more() {
        let takes = |percent, draw| CanarySplit::new(percent, 0, false).takes(draw);
        for draw in [0, 1, u32::MAX / 2, u32::MAX] {
            assert!(!takes(0.0, draw));
            assert!(takes(100.0, draw));
        }
        assert!(takes(10.0, u32::MAX / 10 - 1) && !takes(10.0, u32::MAX / 10 + 1));
    }
}
