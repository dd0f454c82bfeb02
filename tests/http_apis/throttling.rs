//! Throttling by the route settings of a stage.

use serde_json::{Value as Json, json};

use crate::harness::{HttpApi, Managed, Request, Upstream};
use crate::refusal::assert_refused;

fn api<'g>(site: &'g Managed, backend: &Upstream) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    for key in ["GET /limited", "GET /other"] {
        api.proxy(key, &format!("http://{}/", backend.address()));
    }
    api.create_stage(json!({ "stageName": "prod", "autoDeploy": true }));
    api.ask_for(200, &Request::get("/prod/other"));
    api
}

fn one_token() -> Json {
    json!({ "throttlingBurstLimit": 1, "throttlingRateLimit": 0.01 })
}

#[test]
fn one_route_is_throttled_and_others_are_not() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    api.update_stage("prod", json!({ "routeSettings": { "GET /limited": one_token() } }));
    let answer = api.ask_for(429, &Request::get("/prod/limited"));
    assert_refused(&answer, 429, "Too Many Requests"); // [K] the words
    for _ in 0..5 {
        assert_eq!(api.ask(&Request::get("/prod/other")).status, 200);
    }
}

#[test]
fn the_default_holds_for_routes_without_settings() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    let enough = json!({ "throttlingBurstLimit": 500, "throttlingRateLimit": 1000.0 });
    let settings = json!({
        "defaultRouteSettings": one_token(), "routeSettings": { "GET /other": enough },
    });
    api.update_stage("prod", settings);
    let answer = api.ask_for(429, &Request::get("/prod/limited"));
    assert_refused(&answer, 429, "Too Many Requests"); // [K] the words
    for _ in 0..5 {
        assert_eq!(api.ask(&Request::get("/prod/other")).status, 200);
    }
}

#[test]
fn settings_are_removed() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    api.update_stage("prod", json!({ "routeSettings": { "GET /limited": one_token() } }));
    api.ask_for(429, &Request::get("/prod/limited"));
    site.management().delete(&api.path("/stages/prod/routesettings/GET%20%2Flimited"));
    api.ask_for(200, &Request::get("/prod/limited"));
    for _ in 0..5 {
        assert_eq!(api.ask(&Request::get("/prod/limited")).status, 200);
    }
}
