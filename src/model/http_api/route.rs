//! `Route` and `RouteResponse`.

use super::{HttpApi, ProtocolType};
use crate::model::fields::{Fields, Place, Result};
use crate::model::{Authorization, RouteKey, TextMap};

/// A route of an HTTP or WebSocket API.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpRoute {
    /// Unique in its API.
    pub id: String,
    /// What it matches.
    pub key: HttpRouteKey,
    /// The integration, which is in the same deployment; without one nothing answers.
    pub integration_id: Option<String>,
    /// Who may call it.
    pub authorization: Authorization,
    /// Whether a key of a usage plan must come with the request, of WebSocket APIs.
    pub api_key_required: bool,
    /// What SDKs call it.
    pub operation_name: Option<String>,
    /// The parameters that it declares, of WebSocket APIs.
    pub request_parameters: Vec<RouteParameter>,
    /// Names of models by their keys, of WebSocket APIs.
    pub request_models: TextMap,
    /// What chooses the model, of WebSocket APIs.
    pub model_selection_expression: Option<String>,
    /// What chooses the route response, of WebSocket APIs.
    pub route_response_selection_expression: Option<String>,
    /// What is sent back, of WebSocket APIs; none sends nothing.
    pub route_responses: Vec<RouteResponse>,
}

/// What a route matches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum HttpRouteKey {
    /// Requests, of HTTP APIs.
    Request(RouteKey),
    /// Messages whose selection is this text, of WebSocket APIs; `$connect`, `$disconnect` and
    /// `$default` have their meanings.
    Selection(String),
}

/// A parameter that a route declares.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteParameter {
    /// As it is written: `route.request.querystring.token`.
    pub name: String,
    /// Whether a request without it is refused.
    pub is_required: bool,
}

/// What a route sends back.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RouteResponse {
    /// `$default`, the only one there is.
    pub route_response_key: String,
    /// Names of models by their keys.
    pub response_models: TextMap,
    /// What chooses the model.
    pub model_selection_expression: Option<String>,
}

impl HttpRoute {
    pub(super) fn read(fields: &Fields<'_>, id: &str, api: &HttpApi) -> Result<Self> {
        let text = fields.required_text("routeKey")?;
        // From here on the key says more to people than the id.
        let api_place = Place::api(&api.id);
        let place = Place::within(&api_place, "route", &text);
        let fields = fields.at(&place);
        let key = match api.protocol {
            ProtocolType::WebSocket => HttpRouteKey::Selection(text.clone()),
            ProtocolType::Http => {
                HttpRouteKey::Request(RouteKey::parse(&text).map_err(|error| {
                    fields.error("routeKey", format!("is `{}`: {error}", text.escape_debug()))
                })?)
            }
        };
        Ok(Self {
            id: id.to_owned(),
            key,
            integration_id: integration_id(&fields, api)?,
            authorization: Authorization::read(&fields, |id| api.authorizer(id).is_some())?,
            api_key_required: fields.flag("apiKeyRequired")?,
            operation_name: fields.owned_text("operationName")?,
            request_parameters: fields.each("requestParameters", "parameter", |one, name| {
                let is_required = one.flag("required")?;
                Ok(RouteParameter { name: name.to_owned(), is_required })
            })?,
            request_models: fields.text_map("requestModels")?,
            model_selection_expression: fields.owned_text("modelSelectionExpression")?,
            route_response_selection_expression: fields
                .owned_text("routeResponseSelectionExpression")?,
            route_responses: fields
                .each("routeresponses", "route response", |one, _| RouteResponse::read(&one))?,
        })
    }
}

/// The integration that `integrations/{id}` names.
fn integration_id(fields: &Fields<'_>, api: &HttpApi) -> Result<Option<String>> {
    let Some(target) = fields.text("target")? else { return Ok(None) };
    match target.strip_prefix("integrations/") {
        Some(id) if api.integration(id).is_some() => Ok(Some(id.to_owned())),
        _ => {
            let target = target.escape_debug();
            let reason = format!("is `{target}`, which the deployment does not have");
            Err(fields.error("target", reason))
        }
    }
}

impl HttpRouteKey {
    /// The key in AWS's syntax.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Request(key) => key.to_string(),
            Self::Selection(text) => text.clone(),
        }
    }
}

impl RouteResponse {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            route_response_key: fields.required_text("routeResponseKey")?,
            response_models: fields.text_map("responseModels")?,
            model_selection_expression: fields.owned_text("modelSelectionExpression")?,
        })
    }
}
