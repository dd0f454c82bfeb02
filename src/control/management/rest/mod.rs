//! The nouns of REST APIs (`apigateway`), and what each of them accepts.
//!
//! A method is one document with its responses and its integration, as `GetMethod` answers it;
//! everything else is a document of its own. What is checked here was checked for good: the copies
//! that deployments make are read without doubt.

pub(super) mod account;
pub(super) mod api;
pub(super) mod api_key;
pub(super) mod authorizer;
pub(super) mod certificate;
pub(super) mod deployment;
pub(super) mod documentation;
pub(super) mod domain;
pub(super) mod gateway_response;
pub(super) mod integration;
mod invocation_log;
mod mapping;
pub(super) mod method;
pub(super) mod model;
pub(super) mod path_resource;
pub(super) mod stage;
pub(super) mod stage_patch;
pub(super) mod tags;
mod test_invoke;
pub(super) mod usage_plan;
pub(super) mod usage_plan_patch;
pub(super) mod validator;
pub(super) mod vpc_link;

pub(crate) use test_invoke::Invocation;
pub(super) use test_invoke::{TEST_STAGE, test_invoke};
