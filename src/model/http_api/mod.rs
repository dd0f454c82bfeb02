//! HTTP and WebSocket APIs as they are deployed: typed views of a stage and of the frozen copy that
//! it serves.
//!
//! Owns what the members of those documents mean and their ranges, by AWS's names. Refuses to know
//! where documents are stored and what is made of them. The rule a newcomer would break: a view is
//! read whole or not at all, since half an API would serve without its checks.

mod api;
mod authorizer;
mod cors;
mod integration;
mod route;
mod route_settings;
mod stage;

pub use api::{HttpApi, HttpApiModel, ProtocolType};
pub use authorizer::{
    HttpAuthorizer, HttpAuthorizerKind, HttpAuthorizerType, PayloadFormatVersion,
};
pub use cors::CorsConfiguration;
pub use integration::{HttpIntegration, HttpIntegrationResponse};
pub use route::{HttpRoute, HttpRouteKey, RouteParameter, RouteResponse};
pub use route_settings::RouteSettings;
pub use stage::HttpStage;

#[cfg(test)]
mod tests;
