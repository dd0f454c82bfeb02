//! REST APIs as they are deployed: typed views of a stage and of the frozen copy that it serves.
//!
//! Owns what the members of those documents mean and their ranges, by AWS's names. Refuses to know
//! where documents are stored and what is made of them. The rule a newcomer would break: a view is
//! read whole or not at all, since half an API would serve without its checks.

mod api;
mod authorizer;
mod gateway_response;
mod integration;
mod method;
mod method_settings;
mod model;
mod resource;
mod stage;
mod validator;

pub use api::{ApiKeySource, EndpointConfiguration, IpAddressType, RestApi};
pub use authorizer::{Authorizer, AuthorizerType, JwtAdditionalClaim, JwtConfiguration, JwtIssuer};
pub use gateway_response::{
    DefaultMessage, GatewayResponse, GatewayResponseType, GatewayResponses, ResolvedGatewayResponse,
};
pub use integration::{IntegrationResponse, ResponseTransferMode, RestIntegration};
pub use method::{Method, MethodResponse, RequestParameter};
pub use method_settings::{
    MethodSettings, MethodSettingsTable, UnauthorizedCacheControlHeaderStrategy,
};
pub use model::ApiModel;
pub use resource::Resource;
pub use stage::{CanarySettings, RestStage};
pub use validator::RequestValidator;

#[cfg(test)]
mod tests;
