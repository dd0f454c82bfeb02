//! Stage variables in the URIs of HTTP integrations.

use serde_json::json;

use crate::harness::{Managed, Received, Request, RestApi, Upstream, replace};

/// `GET /x` by an HTTP proxy to `uri`, deployed to `prod` with the variable `v`.
fn api<'g>(site: &'g Managed, uri: &str, value: &str) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.http_proxy("/x", "GET", uri);
    api.create_deployment(json!({ "stageName": "prod", "variables": { "v": value } }));
    api
}

fn target(uri: &str, value: &str) -> String {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let address = backend.address().to_string();
    let (uri, value) = (uri.replace("ADDRESS", &address), value.replace("ADDRESS", &address));
    let answer = api(&site, &uri, &value).ask_for(200, &Request::get("/prod/x"));
    let received = Received::of(&answer);
    assert_eq!(received.header("host"), Some(address));
    received.target().to_owned()
}

#[test]
fn a_full_uri_without_protocol() {
    assert_eq!(target("http://${stageVariables.v}", "ADDRESS/whole/path?q=1"), "/whole/path?q=1");
}

#[test]
fn a_full_domain() {
    assert_eq!(
        target("http://${stageVariables.v}/resource/operation", "ADDRESS"),
        "/resource/operation"
    );
}

#[test]
fn a_part_of_the_path() {
    assert_eq!(target("http://ADDRESS/${stageVariables.v}/bar", "foo"), "/foo/bar");
}

#[test]
fn a_value_of_the_query() {
    assert_eq!(target("http://ADDRESS/foo?q=${stageVariables.v}", "cat"), "/foo?q=cat");
}

#[test]
fn a_subdomain() {
    let site = Managed::start();
    let backend = Upstream::mirror();
    let port = backend.address().port();
    // The four parts of an address stand for those of a name: no name server is asked.
    let uri = format!("http://${{stageVariables.v}}.0.0.1:{port}/resource/operation");
    let answer = api(&site, &uri, "127").ask_for(200, &Request::get("/prod/x"));
    assert_eq!(Received::of(&answer).target(), "/resource/operation");
}

#[test]
fn each_stage_has_its_own() {
    let site = Managed::start();
    let (test, live) = (Upstream::mirror(), Upstream::mirror());
    let api = site.create_rest_api();
    api.http_proxy("/x", "GET", "http://${stageVariables.host}/y");
    for (stage, backend) in [("test", &test), ("prod", &live)] {
        let variables = json!({ "host": backend.address().to_string() });
        api.create_deployment(json!({ "stageName": stage, "variables": variables }));
    }
    api.ask_for(200, &Request::get("/test/x"));
    assert_eq!((test.requests().len(), live.requests().len()), (1, 0));
    api.ask_for(200, &Request::get("/prod/x"));
    assert_eq!((test.requests().len(), live.requests().len()), (1, 1));
}

#[test]
fn a_change_is_live_without_a_deployment() {
    let site = Managed::start();
    let (old, new) = (Upstream::mirror(), Upstream::mirror());
    let api = api(&site, "http://${stageVariables.v}/y", &old.address().to_string());
    api.ask_for(200, &Request::get("/prod/x"));
    api.patch_stage("prod", &[replace("/variables/v", &new.address().to_string())]);
    let wanted = new.address().to_string();
    api.ask_until(&Request::get("/prod/x"), |answer| answer.text().contains(&wanted));
    assert_eq!(new.requests().len(), 1);
}

#[test]
fn a_variable_that_is_missing_reaches_no_backend() {
    let site = Managed::start();
    let api = api(&site, "http://${stageVariables.other}/y", "x");
    // [K] which of the statuses.
    let answer = api.ask_until(&Request::get("/prod/x"), |answer| answer.status >= 500);
    assert!(answer.text().contains("\"message\""), "{}", answer.text());
}
