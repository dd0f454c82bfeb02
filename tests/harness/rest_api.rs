//! A REST API as a test makes it, by paths in place of ids.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use serde_json::{Value as Json, json};

use super::{Answer, Managed, Request};

/// One REST API of a gateway's. Each method is the operation of its name.
#[derive(Debug)]
pub struct RestApi<'g> {
    site: &'g Managed,
    id: String,
    resources: Mutex<HashMap<String, String>>,
}

impl<'g> RestApi<'g> {
    #[track_caller]
    pub fn create(site: &'g Managed, body: &Json) -> Self {
        let made = site.management().post("/restapis", body);
        let text = |name: &str| made[name].as_str().expect("an id").to_owned();
        let root = HashMap::from([("/".to_owned(), text("rootResourceId"))]);
        Self { site, id: text("id"), resources: Mutex::new(root) }
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    pub fn management(&self) -> &'g super::Management {
        self.site.management()
    }

    /// The host of the default endpoint.
    pub fn host(&self) -> String {
        format!("{}.execute-api.us-east-1.amazonaws.com", self.id)
    }

    /// `tail` ("/stages") behind the path of the API.
    pub fn path(&self, tail: &str) -> String {
        format!("/restapis/{}{tail}", self.id)
    }

    /// The resource of this path, made with its parents if it is missing.
    #[track_caller]
    pub fn create_resource(&self, path: &str) -> String {
        if let Some(id) = self.known().get(path) {
            return id.clone();
        }
        let (parent, part) = path.rsplit_once('/').expect("a path");
        let parent = self.create_resource(if parent.is_empty() { "/" } else { parent });
        let tail = format!("/resources/{parent}");
        let made = self.site.management().post(&self.path(&tail), &json!({ "pathPart": part }));
        let id = made["id"].as_str().expect("an id").to_owned();
        self.known().insert(path.to_owned(), id.clone());
        id
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.resources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The path of the method in the management API, its resource made if it is missing.
    #[track_caller]
    pub fn method_path(&self, path: &str, method: &str) -> String {
        let resource = self.create_resource(path);
        self.path(&format!("/resources/{resource}/methods/{method}"))
    }

    /// PutMethod without authorization, with `more` members.
    #[track_caller]
    pub fn put_method(&self, path: &str, method: &str, more: Json) {
        let body = merged(json!({ "authorizationType": "NONE" }), more);
        self.site.management().put(&self.method_path(path, method), &body);
    }

    #[track_caller]
    pub fn put_integration(&self, path: &str, method: &str, body: Json) {
        let at = self.method_path(path, method) + "/integration";
        self.site.management().put(&at, &body);
    }

    #[track_caller]
    pub fn put_method_response(&self, path: &str, method: &str, status: u16, body: Json) {
        let at = format!("{}/responses/{status}", self.method_path(path, method));
        self.site.management().put(&at, &body);
    }

    #[track_caller]
    pub fn put_integration_response(&self, path: &str, method: &str, status: u16, body: Json) {
        let at = format!("{}/integration/responses/{status}", self.method_path(path, method));
        self.site.management().put(&at, &body);
    }

    #[track_caller]
    pub fn put_gateway_response(&self, kind: &str, body: Json) {
        self.site.management().put(&self.path(&format!("/gatewayresponses/{kind}")), &body);
    }

    /// CreateDeployment to a stage; returns the deployment's id.
    #[track_caller]
    pub fn deploy(&self, stage: &str) -> String {
        self.create_deployment(json!({ "stageName": stage }))
    }

    #[track_caller]
    pub fn create_deployment(&self, body: Json) -> String {
        let made = self.site.management().post(&self.path("/deployments"), &body);
        made["id"].as_str().expect("an id").to_owned()
    }

    /// UpdateStage.
    #[track_caller]
    pub fn patch_stage(&self, stage: &str, operations: &[Json]) -> Json {
        self.site.management().patch(&self.path(&format!("/stages/{stage}")), operations)
    }

    /// A method that passes everything to `uri`; a path parameter `{x}` of the resource is mapped to
    /// that of the URI.
    #[track_caller]
    pub fn http_proxy(&self, path: &str, method: &str, uri: &str) {
        let (mut declared, mut mapped) = (json!({}), json!({}));
        for name in path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')) {
            let name = name.trim_end_matches('+');
            let parameter = format!("method.request.path.{name}");
            declared[&parameter] = json!(true);
            mapped[format!("integration.request.path.{name}")] = json!(parameter);
        }
        self.put_method(path, method, json!({ "requestParameters": declared }));
        let integration = json!({
            "type": "HTTP_PROXY", "httpMethod": method, "uri": uri, "requestParameters": mapped,
        });
        self.put_integration(path, method, integration);
    }

    /// A method that is answered with 200 and `body` by the gateway itself.
    #[track_caller]
    pub fn mock(&self, path: &str, method: &str, body: &str) {
        self.put_method(path, method, json!({}));
        self.mock_integration(path, method, r#"{"statusCode": 200}"#);
        self.put_method_response(path, method, 200, json!({}));
        let templates = json!({ "responseTemplates": { "application/json": body } });
        self.put_integration_response(path, method, 200, templates);
    }

    /// The integration alone, whose template is `template`.
    #[track_caller]
    pub fn mock_integration(&self, path: &str, method: &str, template: &str) {
        let templates = json!({ "application/json": template });
        self.put_integration(
            path,
            method,
            json!({ "type": "MOCK", "requestTemplates": templates }),
        );
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

/// The members of both objects; those of `more` win.
pub(super) fn merged(mut body: Json, more: Json) -> Json {
    let Json::Object(more) = more else { panic!("no object: {more}") };
    body.as_object_mut().expect("an object").extend(more);
    body
}
