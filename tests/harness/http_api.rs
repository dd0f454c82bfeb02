//! An HTTP API as a test makes it.

use serde_json::{Value as Json, json};

use super::rest_api::merged;
use super::{Answer, Managed, Request};

/// One HTTP API of a gateway's. Each method is the operation of its name.
#[derive(Debug)]
pub struct HttpApi<'g> {
    site: &'g Managed,
    id: String,
}

impl<'g> HttpApi<'g> {
    #[track_caller]
    pub fn create(site: &'g Managed, more: Json) -> Self {
        let body = merged(json!({ "name": "test", "protocolType": "HTTP" }), more);
        let made = site.management().post("/v2/apis", &body);
        Self { site, id: made["apiId"].as_str().expect("an id").to_owned() }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// The host of the default endpoint.
    pub fn host(&self) -> String {
        format!("{}.execute-api.us-east-1.amazonaws.com", self.id)
    }

    /// `tail` ("/stages") behind the path of the API.
    pub fn path(&self, tail: &str) -> String {
        format!("/v2/apis/{}{tail}", self.id)
    }

    /// CreateIntegration; returns its id.
    #[track_caller]
    pub fn create_integration(&self, body: Json) -> String {
        self.make("/integrations", &body, "integrationId")
    }

    /// CreateIntegration of an HTTP proxy, with `more` members; returns its id.
    #[track_caller]
    pub fn create_proxy(&self, uri: &str, more: Json) -> String {
        let body = json!({
            "integrationType": "HTTP_PROXY", "integrationMethod": "ANY", "integrationUri": uri,
            "payloadFormatVersion": "1.0",
        });
        self.create_integration(merged(body, more))
    }

    /// CreateRoute to an integration; returns its id.
    #[track_caller]
    pub fn create_route(&self, key: &str, integration: &str) -> String {
        let target = format!("integrations/{integration}");
        self.make("/routes", &json!({ "routeKey": key, "target": target }), "routeId")
    }

    /// A route whose requests go to `uri`; returns its id.
    #[track_caller]
    pub fn proxy(&self, key: &str, uri: &str) -> String {
        let integration = self.create_proxy(uri, json!({}));
        self.create_route(key, &integration)
    }

    #[track_caller]
    pub fn create_stage(&self, body: Json) -> Json {
        self.site.management().post(&self.path("/stages"), &body)
    }

    /// The `$default` stage, which every change is deployed to at once.
    #[track_caller]
    pub fn create_default_stage(&self) {
        self.create_stage(json!({ "stageName": "$default", "autoDeploy": true }));
    }

    /// CreateDeployment to a stage; returns the deployment's id.
    #[track_caller]
    pub fn deploy(&self, stage: &str) -> String {
        self.make("/deployments", &json!({ "stageName": stage }), "deploymentId")
    }

    #[track_caller]
    pub fn update_stage(&self, stage: &str, body: Json) -> Json {
        self.site.management().update(&self.path(&format!("/stages/{stage}")), &body)
    }

    #[track_caller]
    fn make(&self, tail: &str, body: &Json, id: &str) -> String {
        let made = self.site.management().post(&self.path(tail), body);
        made[id].as_str().expect("an id").to_owned()
    }

    /// Asks the default endpoint once.
    pub fn ask(&self, request: &Request) -> Answer {
        self.site.ask(&request.clone().for_host(&self.host()))
    }

    /// Asks the default endpoint until the answer has this status.
    #[track_caller]
    pub fn ask_for(&self, status: u16, request: &Request) -> Answer {
        self.site.ask_for(status, &request.clone().for_host(&self.host()))
    }

    /// Asks the default endpoint until the answer is as wanted.
    #[track_caller]
    pub fn ask_until(&self, request: &Request, is_wanted: impl Fn(&Answer) -> bool) -> Answer {
        self.site.ask_until(&request.clone().for_host(&self.host()), is_wanted)
    }
}
