//! Stages, their deployments and their variables.

use serde_json::json;

use crate::harness::{Answer, HttpApi, Managed, Received, Request, Upstream};
use crate::refusal::assert_not_found;

/// `GET /x` of the backend's `/y`, not deployed.
fn api<'g>(site: &'g Managed, backend: &Upstream) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    api.proxy("GET /x", &format!("http://{}/y", backend.address()));
    api
}

/// Waits until a change of now would be live: another API that is deployed after it is.
fn wait_for_another(site: &Managed) {
    let backend = Upstream::mirror();
    let other = api(site, &backend);
    other.create_default_stage();
    other.ask_for(200, &Request::get("/x"));
}

#[test]
fn the_first_part_of_the_path_is_the_stage() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    api.create_stage(json!({ "stageName": "dev", "autoDeploy": true }));
    let answer = api.ask_for(200, &Request::get("/dev/x?q=1"));
    assert_eq!(Received::of(&answer).target(), "/y?q=1");
    assert_not_found(&api.ask(&Request::get("/dev")));
    // There is no $default stage.
    for target in ["/x", "/Dev/x", "/deve/x", "/"] {
        assert_not_found(&api.ask(&Request::get(target)));
    }
}

#[test]
fn the_default_stage_is_the_base_of_the_url() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    api.create_default_stage();
    api.ask_for(200, &Request::get("/x"));
    assert_not_found(&api.ask(&Request::get("/$default/x")));
    assert_not_found(&api.ask(&Request::get("/dev/x")));
}

#[test]
fn a_stage_comes_before_the_default_stage() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    // A route of the $default stage that looks as if it were in the stage dev.
    api.proxy("GET /dev/x", &format!("http://{}/hidden", backend.address()));
    api.create_default_stage();
    let hidden = api.ask_for(200, &Request::get("/dev/x"));
    assert_eq!(Received::of(&hidden).target(), "/hidden");
    api.create_stage(json!({ "stageName": "dev", "autoDeploy": true }));
    api.ask_until(&Request::get("/dev/x"), |answer| Received::of(answer).target() == "/y");
    assert_eq!(Received::of(&api.ask(&Request::get("/x"))).target(), "/y");
}

#[test]
fn changes_are_live_once_they_are_deployed() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    api.create_stage(json!({ "stageName": "prod" }));
    wait_for_another(&site);
    assert_not_found(&api.ask(&Request::get("/prod/x")));
    let first = api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));

    api.proxy("GET /new", &format!("http://{}/new", backend.address()));
    wait_for_another(&site);
    assert_not_found(&api.ask(&Request::get("/prod/new")));
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/new"));

    api.update_stage("prod", json!({ "deploymentId": first }));
    assert_not_found(&api.ask_for(404, &Request::get("/prod/new")));
    assert_eq!(api.ask(&Request::get("/prod/x")).status, 200);
}

#[test]
fn changes_are_deployed_by_themselves_where_the_stage_says_so() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    api.create_default_stage();
    api.ask_for(200, &Request::get("/x"));
    let route = api.proxy("GET /new", &format!("http://{}/new", backend.address()));
    api.ask_for(200, &Request::get("/new"));
    site.management().delete(&api.path(&format!("/routes/{route}")));
    assert_not_found(&api.ask_for(404, &Request::get("/new")));
    assert_eq!(api.ask(&Request::get("/x")).status, 200);
}

#[test]
fn an_integration_that_changes_is_deployed_too() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    let uri = |path: &str| format!("http://{}{path}", backend.address());
    let integration = api.create_proxy(&uri("/one"), json!({}));
    api.create_route("GET /x", &integration);
    api.create_default_stage();
    api.ask_for(200, &Request::get("/x"));
    let changed = json!({ "integrationUri": uri("/two") });
    site.management().update(&api.path(&format!("/integrations/{integration}")), &changed);
    api.ask_until(&Request::get("/x"), |answer| Received::of(answer).target() == "/two");
}

#[test]
fn variables_are_in_the_uris_of_integrations() {
    let site = Managed::start();
    let (one, two) = (Upstream::mirror(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    api.proxy("GET /whole", "http://${stageVariables.url}");
    api.proxy(
        "GET /parts",
        "http://${stageVariables.host}/${stageVariables.part}/bar?q=${stageVariables.q}",
    );
    for (stage, backend) in [("one", &one), ("two", &two)] {
        let host = backend.address().to_string();
        let variables =
            json!({ "url": format!("{host}/{stage}"), "host": host, "part": stage, "q": "cat" });
        api.create_stage(
            json!({ "stageName": stage, "autoDeploy": true, "stageVariables": variables }),
        );
    }
    for (stage, backend) in [("one", &one), ("two", &two)] {
        api.ask_for(200, &Request::get(&format!("/{stage}/whole")));
        api.ask_for(200, &Request::get(&format!("/{stage}/parts")));
        let targets: Vec<String> =
            backend.requests().iter().map(|request| request.target().to_owned()).collect();
        assert_eq!(targets.len(), 2, "{targets:?}");
        assert!(targets.contains(&format!("/{stage}")), "{targets:?}");
        assert!(targets.contains(&format!("/{stage}/bar?q=cat")), "{targets:?}");
    }
}

#[test]
fn a_variable_changes_without_a_deployment() {
    let site = Managed::start();
    let (old, new) = (Upstream::mirror(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    api.proxy("GET /x", "http://${stageVariables.host}/y");
    let variables = |backend: &Upstream| json!({ "host": backend.address().to_string() });
    api.create_stage(json!({ "stageName": "prod", "stageVariables": variables(&old) }));
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    api.update_stage("prod", json!({ "stageVariables": variables(&new) }));
    let wanted = new.address().to_string();
    api.ask_until(&Request::get("/prod/x"), |answer| answer.text().contains(&wanted));
}

#[test]
fn a_deleted_stage_and_a_deleted_api_are_not_served() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    api.create_default_stage();
    api.create_stage(json!({ "stageName": "dev", "autoDeploy": true }));
    api.ask_for(200, &Request::get("/x"));
    api.ask_for(200, &Request::get("/dev/x"));
    site.management().delete(&api.path("/stages/dev"));
    assert_not_found(&api.ask_for(404, &Request::get("/dev/x")));
    assert_eq!(api.ask(&Request::get("/x")).status, 200);
    site.management().delete(&api.path(""));
    api.ask_until(&Request::get("/x"), Answer::is_of_no_api);
}
