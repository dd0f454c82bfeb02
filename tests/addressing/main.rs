//! How a request finds its API and stage: default endpoints, paths, custom domain names, API mappings
//! and routing rules, by the real binary.
//!
//! Expectations are those of AWS's documentation and of recordings. Where one is from memory alone and
//! was never verified, a comment says `[K]`: change it when somebody knows better.

mod api_mappings;
mod default_endpoint;
mod domain;
mod endpoint_types;
#[path = "../harness/mod.rs"]
mod harness;
mod hosts;
mod routing_rules;
