//! Canary releases: part of a stage's requests go to another deployment.

use serde_json::{Value as Json, json};

use crate::harness::{
    Answer, Managed, Received, Request, RestApi, Upstream, copy, remove, replace,
};

fn page() -> Request {
    Request::get("/prod/page")
}

#[track_caller]
fn wait_for_body(api: &RestApi<'_>, body: &str) {
    api.ask_until(&page(), |answer| answer.status == 200 && answer.text() == body);
}

/// An API whose stage `prod` has the deployment "stable" and a canary with the deployment
/// "canary".
fn api<'g>(site: &'g Managed, percent: f64) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.mock("/page", "GET", "stable");
    api.deploy("prod");
    wait_for_body(&api, "stable");
    let templates = json!({ "responseTemplates": { "application/json": "canary" } });
    api.put_integration_response("/page", "GET", 200, templates);
    let settings = json!({ "percentTraffic": percent });
    api.create_deployment(json!({ "stageName": "prod", "canarySettings": settings }));
    api
}

fn bodies(api: &RestApi<'_>, count: usize) -> Vec<String> {
    (0..count).map(|_| api.ask(&page()).text().to_owned()).collect()
}

fn percent(value: &str) -> Json {
    replace("/canarySettings/percentTraffic", value)
}

#[test]
fn all_and_nothing() {
    let site = Managed::start();
    let api = api(&site, 100.0);
    wait_for_body(&api, "canary");
    assert!(bodies(&api, 20).iter().all(|body| body == "canary"));
    api.patch_stage("prod", &[percent("0.0")]);
    wait_for_body(&api, "stable");
    assert!(bodies(&api, 20).iter().all(|body| body == "stable"));
    api.patch_stage("prod", &[percent("100")]);
    wait_for_body(&api, "canary");
}

#[test]
fn half_of_the_requests() {
    let site = Managed::start();
    let api = api(&site, 50.0);
    wait_for_body(&api, "canary");
    let count = bodies(&api, 200).iter().filter(|body| *body == "canary").count();
    // Ten standard deviations to each side are 71: a fair coin never gets there.
    assert!((29..=171).contains(&count), "{count} of 200");
}

#[test]
fn variables_are_overridden_for_the_canary_alone() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.http_proxy(
        "/x",
        "GET",
        &format!("http://{}/${{stageVariables.sv1}}/${{stageVariables.sv0}}", backend.address()),
    );
    let variables = json!({ "sv0": "val0", "sv1": "val1" });
    api.create_deployment(json!({ "stageName": "prod", "variables": variables }));
    let target = |answer: &Answer| Received::of(answer).target().to_owned();
    let request = Request::get("/prod/x");
    assert_eq!(target(&api.ask_for(200, &request)), "/val1/val0");
    let settings = json!({ "percentTraffic": 100.0, "stageVariableOverrides": { "sv1": "val2" } });
    api.create_deployment(json!({ "stageName": "prod", "canarySettings": settings }));
    api.ask_until(&request, |answer| target(answer) == "/val2/val0");
    api.patch_stage("prod", &[percent("0")]);
    api.ask_until(&request, |answer| target(answer) == "/val1/val0");
}

#[test]
fn the_context_says_which_it_is() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
        "requestParameters": { "integration.request.header.X-Canary": "context.isCanaryRequest" },
    });
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    let settings = json!({ "percentTraffic": 100.0 });
    api.create_deployment(json!({ "stageName": "prod", "canarySettings": settings }));
    let said = |answer: &Answer| Received::of(answer).header("x-canary");
    let is = |wanted: &'static str| move |answer: &Answer| said(answer).as_deref() == Some(wanted);
    api.ask_until(&Request::get("/prod/x"), is("true"));
    api.patch_stage("prod", &[percent("0")]);
    // [K] that it is said of other requests too.
    api.ask_until(&Request::get("/prod/x"), is("false"));
}

#[test]
fn a_canary_is_promoted_by_three_patches() {
    let site = Managed::start();
    let api = api(&site, 10.0);
    let stage = api.patch_stage(
        "prod",
        &[
            percent("0.0"),
            copy("/canarySettings/stageVariableOverrides", "/variables"),
            copy("/canarySettings/deploymentId", "/deploymentId"),
        ],
    );
    assert_eq!(stage["deploymentId"], stage["canarySettings"]["deploymentId"]);
    wait_for_body(&api, "canary");
    assert!(bodies(&api, 20).iter().all(|body| body == "canary"));
    api.patch_stage("prod", &[remove("/canarySettings")]);
    assert!(bodies(&api, 20).iter().all(|body| body == "canary"));
}

#[test]
fn a_canary_is_removed() {
    let site = Managed::start();
    let api = api(&site, 100.0);
    wait_for_body(&api, "canary");
    api.patch_stage("prod", &[remove("/canarySettings")]);
    wait_for_body(&api, "stable");
    assert!(bodies(&api, 20).iter().all(|body| body == "stable"));
}
