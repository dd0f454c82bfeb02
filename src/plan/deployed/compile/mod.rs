//! Compiles one deployed stage. Nothing but the stage is looked at, so that its deployment costs no
//! other.

mod function;
mod http_api;
mod rest;
mod slots;

use super::{DeployedStagePlan, FunctionPlace, Origin};
use crate::lambda::render_stage_variables;
use crate::model::http_api::{HttpApi, HttpStage};
use crate::model::rest_api::{RestApi, RestStage};
use crate::model::{ApiPlace, FunctionName, SourceArn, TextMap};
use crate::plan::StagePlan;

/// An API as one deployment froze it, with the stage that serves it.
#[derive(Clone, Copy, Debug)]
pub enum DeployedApi<'a> {
    /// A REST API.
    Rest {
        /// What was frozen.
        api: &'a RestApi,
        /// The stage as it is now.
        stage: &'a RestStage,
        /// It serves the stage's canary: the overrides of its variables count.
        is_canary: bool,
    },
    /// An HTTP API.
    Http {
        /// What was frozen.
        api: &'a HttpApi,
        /// The stage as it is now.
        stage: &'a HttpStage,
    },
}

/// What a stage is compiled with, beside itself.
#[derive(Clone, Copy)]
pub struct DeployedContext<'c> {
    /// The region.
    pub region: &'c str,
    /// The account.
    pub account_id: &'c str,
    /// Longest body of a request.
    pub body_bytes_max: u64,
    /// The target group of the boot file that a VPC link leads to.
    pub find_upstream: &'c dyn Fn(PrivateTarget<'_>) -> Option<String>,
    /// Where calls of a function go.
    pub find_function: &'c dyn Fn(&FunctionName) -> Option<FunctionPlace>,
    /// Whether a function's permissions let a method or a route call it.
    pub may_invoke: &'c dyn Fn(&FunctionName, &SourceArn) -> bool,
}

impl<'c> DeployedContext<'c> {
    /// What a stage of this region and account is called from.
    fn place<'p>(&self, api_id: &'p str, stage_name: &'p str) -> ApiPlace<'p>
    where
        'c: 'p,
    {
        ApiPlace { region: self.region, account_id: self.account_id, api_id, stage_name }
    }
}

/// What a private integration names.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct PrivateTarget<'t> {
    /// The id of the VPC link.
    pub link_id: &'t str,
    /// The ARN of a listener, a service or a load balancer behind it, if one is named.
    pub arn: Option<&'t str>,
}

/// A stage, compiled.
#[derive(Debug)]
pub struct CompiledStage {
    /// What shards execute.
    pub plan: StagePlan,
    /// The endpoints that it names by URL; each is to be a target group of its name.
    pub origins: Vec<Origin>,
    /// What of it cannot be served and why, a sentence for each method or route.
    pub problems: Vec<String>,
}

/// Compiles a stage.
///
/// # Errors
///
/// A sentence that says why nothing of the stage can be served.
pub fn compile_deployed(
    api: DeployedApi<'_>,
    context: &DeployedContext<'_>,
) -> Result<CompiledStage, String> {
    match api {
        DeployedApi::Rest { api, stage, is_canary } => {
            rest::compile(api, stage, is_canary, context)
        }
        DeployedApi::Http { api, stage } => http_api::compile(api, stage, context),
    }
}

/// Compiles a stage of an HTTP API that serves no deployment yet.
#[must_use]
pub fn compile_undeployed(
    api_id: &str,
    stage_name: &str,
    context: &DeployedContext<'_>,
) -> StagePlan {
    http_api::compile_empty(api_id, stage_name, context)
}

/// What all stages have.
fn stage_facts(
    context: &DeployedContext<'_>,
    deployment_id: Option<&str>,
    variables: &TextMap,
    is_canary: bool,
    dialect: super::Dialect,
) -> Box<DeployedStagePlan> {
    Box::new(DeployedStagePlan {
        region: context.region.into(),
        account_id: context.account_id.into(),
        deployment_id: deployment_id.unwrap_or_default().into(),
        stage_variables: render_stage_variables(variables.iter()),
        is_canary,
        dialect,
    })
}

#[cfg(test)]
mod tests;
