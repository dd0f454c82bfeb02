//! The nouns of HTTP and WebSocket APIs (`apigatewayv2`), and what each of them accepts.
//!
//! Updates replace the members that they name. A stage with `autoDeploy` gets a new deployment in the
//! very transaction that changes what it serves.

pub(super) mod api;
pub(super) mod authorizer;
pub(super) mod deployment;
pub(super) mod domain;
pub(super) mod integration;
pub(super) mod mapping;
pub(super) mod model;
pub(super) mod route;
pub(super) mod routing_rule;
pub(super) mod stage;
pub(super) mod vpc_link;
