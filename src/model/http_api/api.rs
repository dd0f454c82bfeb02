//! `Api`: what a deployment froze.

use super::{CorsConfiguration, HttpAuthorizer, HttpIntegration, HttpRoute};
use crate::model::Document;
use crate::model::fields::{Fields, ModelError, Place, Result};
use crate::model::named::named;
use crate::model::rest_api::IpAddressType;

/// An HTTP or WebSocket API as one deployment froze it, with all its parts.
///
/// # Invariants
///
/// - Integrations and authorizers that routes name are among its own.
/// - Route keys of HTTP APIs are parsed; those of WebSocket APIs are texts.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpApi {
    /// Unique.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
    /// What clients speak with it.
    pub protocol: ProtocolType,
    /// What pages of other origins may do; `None` leaves it to backends.
    pub cors_configuration: Option<CorsConfiguration>,
    /// Whether the host of the API itself is closed.
    pub disable_execute_api_endpoint: bool,
    /// Where callers show their API key.
    pub api_key_selection_expression: String,
    /// What of a message names its route.
    pub route_selection_expression: String,
    /// Whether messages are passed on unvalidated.
    pub disable_schema_validation: bool,
    /// Which addresses it has.
    pub ip_address_type: Option<IpAddressType>,
    /// Its routes.
    pub routes: Vec<HttpRoute>,
    /// Its integrations, those that no route names too.
    pub integrations: Vec<HttpIntegration>,
    /// Its authorizers.
    pub authorizers: Vec<HttpAuthorizer>,
    /// Its models.
    pub models: Vec<HttpApiModel>,
}

/// A schema of messages.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HttpApiModel {
    /// Unique in its API.
    pub id: String,
    /// Routes name it so.
    pub name: String,
    /// The media type.
    pub content_type: String,
    /// The schema as it was written.
    pub schema: String,
}

named! {
    /// What clients speak with an API.
    pub enum ProtocolType {
        /// Requests and answers.
        Http = "HTTP",
        /// Messages both ways.
        WebSocket = "WEBSOCKET",
    }
}

impl HttpApi {
    /// Reads the frozen copy of a deployment: `{"api": ..., "routes": {id: ...}, ...}`.
    pub fn read(snapshot: &Document) -> std::result::Result<Self, ModelError> {
        let api_id =
            snapshot.get("api").and_then(|api| api.get("apiId")).and_then(|id| id.as_str());
        let place = Place::api(api_id.unwrap_or_default());
        let snapshot = Fields::new(snapshot, &place);
        let api = snapshot.part("api", |api| Self::read_api(&api))?;
        let mut api = api.ok_or_else(|| snapshot.error("api", "is missing"))?;
        api.models = snapshot.each("models", "model", HttpApiModel::read)?;
        api.authorizers = snapshot.each("authorizers", "authorizer", HttpAuthorizer::read)?;
        api.integrations = snapshot.each("integrations", "integration", |one, id| {
            HttpIntegration::read(&one, id, api.protocol)
        })?;
        api.routes = snapshot.each("routes", "route", |one, id| HttpRoute::read(&one, id, &api))?;
        Ok(api)
    }

    /// The API alone, without its parts.
    fn read_api(fields: &Fields<'_>) -> Result<Self> {
        let api_key = fields.owned_text("apiKeySelectionExpression")?;
        Ok(Self {
            id: fields.required_text("apiId")?,
            name: fields.owned_text("name")?.unwrap_or_default(),
            protocol: fields.required_choice("protocolType")?,
            cors_configuration: fields
                .part("corsConfiguration", |cors| CorsConfiguration::read(&cors))?,
            disable_execute_api_endpoint: fields.flag("disableExecuteApiEndpoint")?,
            api_key_selection_expression: api_key.unwrap_or_else(|| API_KEY_DEFAULT.to_owned()),
            route_selection_expression: fields.required_text("routeSelectionExpression")?,
            disable_schema_validation: fields.flag("disableSchemaValidation")?,
            ip_address_type: fields.choice("ipAddressType")?,
            routes: Vec::new(),
            integrations: Vec::new(),
            authorizers: Vec::new(),
            models: Vec::new(),
        })
    }

    /// The integration with this id.
    #[must_use]
    pub fn integration(&self, id: &str) -> Option<&HttpIntegration> {
        self.integrations.iter().find(|one| one.id == id)
    }

    /// The authorizer with this id.
    #[must_use]
    pub fn authorizer(&self, id: &str) -> Option<&HttpAuthorizer> {
        self.authorizers.iter().find(|one| one.id == id)
    }

    /// The model with this name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&HttpApiModel> {
        self.models.iter().find(|one| one.name == name)
    }
}

impl HttpApiModel {
    fn read(fields: Fields<'_>, id: &str) -> Result<Self> {
        Ok(Self {
            id: id.to_owned(),
            name: fields.required_text("name")?,
            content_type: fields.required_text("contentType")?,
            schema: fields.owned_text("schema")?.unwrap_or_default(),
        })
    }
}

const API_KEY_DEFAULT: &str = "$request.header.x-api-key";
