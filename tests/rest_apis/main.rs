//! REST APIs as Amazon API Gateway serves them, by the real binary: each is made and deployed through
//! the management API and then asked over HTTP. Modules are named after the documented features.
//!
//! Expectations are those of AWS's documentation and of recordings. Where one is from memory alone and
//! was never verified, a comment says `[K]`: change it when somebody knows better.

mod attacks;
mod canary;
mod deployments;
mod faults;
mod gateway_responses;
#[path = "../harness/mod.rs"]
mod harness;
mod http_integration;
mod http_proxy;
mod identifiers;
mod lifecycle;
mod limits;
mod mock;
mod parameter_mapping;
mod refusal;
mod request_validation;
mod routing;
mod stage_variables;
mod test_invoke;
mod throttling;
mod vpc_links;
