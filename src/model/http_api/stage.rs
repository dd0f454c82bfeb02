//! `Stage` of HTTP and WebSocket APIs.

use super::RouteSettings;
use crate::model::fields::{Fields, ModelError, Place};
use crate::model::{AccessLogSettings, Document, TextMap};

/// A stage of an HTTP or WebSocket API.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpStage {
    /// `$default`, or a name that is the first segment of its URLs.
    pub stage_name: String,
    /// What it serves; a new stage serves nothing yet.
    pub deployment_id: Option<String>,
    /// What `${stageVariables.name}` stands for.
    pub stage_variables: TextMap,
    /// Settings of routes that have none of their own.
    pub default_route_settings: RouteSettings,
    /// Settings of routes, by their keys.
    pub route_settings: Vec<(String, RouteSettings)>,
    /// Where a line for each request goes.
    pub access_log_settings: Option<AccessLogSettings>,
    /// The certificate that backends are shown, of WebSocket APIs.
    pub client_certificate_id: Option<String>,
}

impl HttpStage {
    /// Reads the document of a stage of the API `api_id`.
    pub fn read(api_id: &str, stage: &Document) -> Result<Self, ModelError> {
        let api = Place::api(api_id);
        let name = stage.get("stageName").and_then(|name| name.as_str()).unwrap_or_default();
        let place = Place::within(&api, "stage", name);
        let fields = Fields::new(stage, &place);
        let default = fields.part("defaultRouteSettings", |one| RouteSettings::read(&one))?;
        Ok(Self {
            stage_name: fields.required_text("stageName")?,
            deployment_id: fields.owned_text("deploymentId")?,
            stage_variables: fields.text_map("stageVariables")?,
            default_route_settings: default.unwrap_or_default(),
            route_settings: fields.each("routeSettings", "route settings", |one, key| {
                Ok((key.to_owned(), RouteSettings::read(&one)?))
            })?,
            access_log_settings: AccessLogSettings::read(&fields)?,
            client_certificate_id: fields.owned_text("clientCertificateId")?,
        })
    }

    /// The settings of the route with this key: its own, and the default ones where those say
    /// nothing.
    #[must_use]
    pub fn settings_for(&self, route_key: &str) -> RouteSettings {
        let own = self.route_settings.iter().find(|(key, _)| key == route_key);
        let own = own.map(|(_, settings)| *settings).unwrap_or_default();
        own.or(self.default_route_settings)
    }
}
