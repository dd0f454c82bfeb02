//! `Stage` of REST APIs: settings that are live, and which deployments it serves.

use super::MethodSettingsTable;
use crate::model::fields::{Fields, ModelError, Place, Result};
use crate::model::{AccessLogSettings, Document, TextMap};

/// A stage of a REST API.
#[derive(Clone, Debug, PartialEq)]
pub struct RestStage {
    /// Unique in its API; the first segment of its URLs.
    pub stage_name: String,
    /// What it serves; a stage that has a canary alone serves nothing to others.
    pub deployment_id: Option<String>,
    /// What `${stageVariables.name}` stands for.
    pub variables: TextMap,
    /// Settings of its methods.
    pub method_settings: MethodSettingsTable,
    /// Which part of the requests goes to another deployment.
    pub canary_settings: Option<CanarySettings>,
    /// The certificate that backends are shown.
    pub client_certificate_id: Option<String>,
    /// Whether it has a cache.
    pub cache_cluster_enabled: bool,
    /// The size of its cache in GB, as AWS writes it: `0.5`.
    pub cache_cluster_size: Option<String>,
    /// Whether requests are traced.
    pub tracing_enabled: bool,
    /// Where a line for each request goes.
    pub access_log_settings: Option<AccessLogSettings>,
    /// The firewall before it.
    pub web_acl_arn: Option<String>,
}

/// Which part of a stage's requests goes to another deployment.
#[derive(Clone, Debug, PartialEq)]
pub struct CanarySettings {
    /// From 0 to 100.
    pub percent_traffic: f64,
    /// The other deployment.
    pub deployment_id: Option<String>,
    /// Variables in place of those of the stage.
    pub stage_variable_overrides: TextMap,
    /// Whether it shares the cache of the stage.
    pub use_stage_cache: bool,
}

impl RestStage {
    /// Reads the document of a stage of the API `api_id`.
    pub fn read(api_id: &str, stage: &Document) -> std::result::Result<Self, ModelError> {
        let api = Place::api(api_id);
        let name = stage.get("stageName").and_then(|name| name.as_str()).unwrap_or_default();
        let place = Place::within(&api, "stage", name);
        let fields = Fields::new(stage, &place);
        Ok(Self {
            stage_name: fields.required_text("stageName")?,
            deployment_id: fields.owned_text("deploymentId")?,
            variables: fields.text_map("variables")?,
            method_settings: MethodSettingsTable::read(&fields)?,
            canary_settings: fields
                .part("canarySettings", |canary| CanarySettings::read(&canary))?,
            client_certificate_id: fields.owned_text("clientCertificateId")?,
            cache_cluster_enabled: fields.flag("cacheClusterEnabled")?,
            cache_cluster_size: fields.owned_text("cacheClusterSize")?,
            tracing_enabled: fields.flag("tracingEnabled")?,
            access_log_settings: AccessLogSettings::read(&fields)?,
            web_acl_arn: fields.owned_text("webAclArn")?,
        })
    }

    /// The variables that requests to the canary see.
    #[must_use]
    pub fn canary_variables(&self) -> TextMap {
        match &self.canary_settings {
            None => self.variables.clone(),
            Some(canary) => self.variables.overridden_by(&canary.stage_variable_overrides),
        }
    }
}

impl CanarySettings {
    fn read(fields: &Fields<'_>) -> Result<Self> {
        Ok(Self {
            percent_traffic: fields.number("percentTraffic", 0.0..=100.0)?.unwrap_or(0.0),
            deployment_id: fields.owned_text("deploymentId")?,
            stage_variable_overrides: fields.text_map("stageVariableOverrides")?,
            use_stage_cache: fields.flag("useStageCache")?,
        })
    }
}
