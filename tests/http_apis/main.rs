//! HTTP APIs as Amazon API Gateway serves them, by the real binary: each is made and deployed through
//! the management API and then asked over HTTP. Modules are named after the documented features.
//!
//! Expectations are those of AWS's documentation and of recordings. Where one is from memory alone and
//! was never verified, a comment says `[K]`: change it when somebody knows better.

mod attacks;
mod bodies;
mod cors;
mod faults;
#[path = "../harness/mod.rs"]
mod harness;
mod http_proxy;
mod parameter_mapping;
mod quick_create;
mod refusal;
mod routes;
mod stages;
mod throttling;
mod vpc_links;
