//! Deployments: what is live is a frozen copy, and a stage points at one.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;

use crate::harness::{Answer, Client, Managed, Request, RestApi, replace};
use crate::refusal::{assert_missing_token, assert_refused};

fn page() -> Request {
    Request::get("/prod/page")
}

/// Waits until a change of now would be live: another API that is deployed after it is.
fn wait_for_another(site: &Managed) {
    let other = site.create_rest_api();
    other.mock("/page", "GET", "other");
    other.deploy("prod");
    other.ask_for(200, &page());
}

fn set_body(api: &RestApi<'_>, body: &str) {
    let templates = json!({ "responseTemplates": { "application/json": body } });
    api.put_integration_response("/page", "GET", 200, templates);
}

#[track_caller]
fn wait_for_body(api: &RestApi<'_>, body: &str) {
    api.ask_until(&page(), |answer| answer.status == 200 && answer.text() == body);
}

#[test]
fn nothing_is_live_before_it_is_deployed() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/page", "GET", "one");
    wait_for_another(&site);
    // [K] the words for a stage that does not exist.
    assert_refused(&api.ask(&page()), 403, "ForbiddenException", "Forbidden");

    api.deploy("prod");
    wait_for_body(&api, "one");
    set_body(&api, "two");
    api.mock("/new", "GET", "new");
    wait_for_another(&site);
    assert_eq!(api.ask(&page()).text(), "one");
    assert_missing_token(&api.ask(&Request::get("/prod/new")));

    api.deploy("prod");
    wait_for_body(&api, "two");
    assert_eq!(api.ask(&Request::get("/prod/new")).text(), "new");
}

#[test]
fn a_stage_is_rolled_back_by_its_deployment() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/page", "GET", "one");
    let first = api.deploy("prod");
    wait_for_body(&api, "one");
    set_body(&api, "two");
    let second = api.deploy("prod");
    wait_for_body(&api, "two");
    api.patch_stage("prod", &[replace("/deploymentId", &first)]);
    wait_for_body(&api, "one");
    api.patch_stage("prod", &[replace("/deploymentId", &second)]);
    wait_for_body(&api, "two");
}

#[test]
fn a_deleted_resource_is_served_until_the_next_deployment() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/page", "GET", "one");
    api.mock("/stays", "GET", "stays");
    api.deploy("prod");
    wait_for_body(&api, "one");
    let resource = api.create_resource("/page");
    site.management().delete(&api.path(&format!("/resources/{resource}")));
    wait_for_another(&site);
    assert_eq!(api.ask(&page()).text(), "one");
    api.deploy("prod");
    assert_missing_token(&api.ask_for(403, &page()));
}

#[test]
fn stages_have_deployments_of_their_own() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/page", "GET", "one");
    let first = api.deploy("prod");
    wait_for_body(&api, "one");
    set_body(&api, "two");
    api.deploy("test");
    let two = |answer: &Answer| answer.text() == "two";
    api.ask_until(&Request::get("/test/page"), two);
    assert_eq!(api.ask(&page()).text(), "one");

    let body = json!({ "stageName": "old", "deploymentId": first });
    site.management().post(&api.path("/stages"), &body);
    assert_eq!(api.ask_for(200, &Request::get("/old/page")).text(), "one");
}

#[test]
fn a_deployment_alone_is_not_served() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/page", "GET", "one");
    let deployment = api.create_deployment(json!({}));
    wait_for_another(&site);
    assert_eq!(api.ask(&page()).status, 403);
    let body = json!({ "stageName": "prod", "deploymentId": deployment });
    site.management().post(&api.path("/stages"), &body);
    wait_for_body(&api, "one");
}

#[test]
fn a_deleted_stage_is_not_served() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/page", "GET", "one");
    api.deploy("prod");
    api.deploy("test");
    wait_for_body(&api, "one");
    api.ask_for(200, &Request::get("/test/page"));
    site.management().delete(&api.path("/stages/prod"));
    // [K] the words.
    let answer = api.ask_for(403, &page());
    assert_refused(&answer, 403, "ForbiddenException", "Forbidden");
    assert_eq!(api.ask(&Request::get("/test/page")).text(), "one");
}

#[test]
fn a_deleted_api_is_not_served() {
    let site = Managed::start();
    let (api, other) = (site.create_rest_api(), site.create_rest_api());
    for one in [&api, &other] {
        one.mock("/page", "GET", "one");
        one.deploy("prod");
        wait_for_body(one, "one");
    }
    site.management().delete(&api.path(""));
    api.ask_until(&page(), Answer::is_of_no_api);
    assert_eq!(other.ask(&page()).text(), "one");
}

#[test]
fn deployments_cost_no_request() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/page", "GET", "one");
    api.deploy("prod");
    wait_for_body(&api, "one");
    let (request, public) = (page().for_host(&api.host()), site.public());
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let asking = scope.spawn(|| {
            let mut client = Client::connect(public);
            let mut count = 0_u32;
            while !is_over.load(Ordering::Relaxed) {
                let answer = request.ask_on(&mut client);
                assert_eq!((answer.status, answer.text()), (200, "one"), "after {count}");
                count += 1;
            }
            count
        });
        for number in 0..10 {
            let path = format!("/new{number}");
            api.mock(&path, "GET", "new");
            api.deploy("prod");
            api.ask_for(200, &Request::get(&format!("/prod{path}")));
        }
        is_over.store(true, Ordering::Relaxed);
        assert!(asking.join().expect("no failed request") > 0);
    });
}
