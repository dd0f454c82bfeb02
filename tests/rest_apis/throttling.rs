//! Throttling by the method settings of a stage.

use crate::harness::{Managed, Request, RestApi, replace};
use crate::refusal::assert_refused;

fn api(site: &Managed) -> RestApi<'_> {
    let api = site.create_rest_api();
    api.mock("/limited", "GET", "limited");
    api.mock("/limited", "POST", "posted");
    api.mock("/other", "GET", "other");
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/other"));
    api
}

/// Asks until it is throttled, and checks that answer.
#[track_caller]
fn assert_throttled(api: &RestApi<'_>, request: &Request) {
    let answer = api.ask_for(429, request);
    assert_refused(&answer, 429, "TooManyRequestsException", "Too Many Requests");
}

#[test]
fn one_method_is_throttled_and_others_are_not() {
    let site = Managed::start();
    let api = api(&site);
    api.patch_stage(
        "prod",
        &[
            replace("/~1limited/GET/throttling/rateLimit", "0.01"),
            replace("/~1limited/GET/throttling/burstLimit", "1"),
        ],
    );
    assert_throttled(&api, &Request::get("/prod/limited"));
    for request in [Request::get("/prod/other"), Request::new("POST", "/prod/limited")] {
        for _ in 0..5 {
            assert_eq!(api.ask(&request).status, 200);
        }
    }
}

#[test]
fn the_settings_of_a_stage_hold_for_its_methods() {
    let site = Managed::start();
    let api = api(&site);
    api.patch_stage(
        "prod",
        &[
            replace("/*/*/throttling/rateLimit", "0.01"),
            replace("/*/*/throttling/burstLimit", "1"),
            replace("/~1other/GET/throttling/rateLimit", "10000"),
            replace("/~1other/GET/throttling/burstLimit", "5000"),
        ],
    );
    assert_throttled(&api, &Request::get("/prod/limited"));
    for _ in 0..5 {
        assert_eq!(api.ask(&Request::get("/prod/other")).status, 200, "it has its own");
    }
}

#[test]
fn a_limit_is_lifted_without_a_deployment() {
    let site = Managed::start();
    let api = api(&site);
    let limits = |rate: &str, burst: &str| {
        api.patch_stage(
            "prod",
            &[
                replace("/*/*/throttling/rateLimit", rate),
                replace("/*/*/throttling/burstLimit", burst),
            ],
        );
    };
    limits("0.01", "1");
    assert_throttled(&api, &Request::get("/prod/limited"));
    limits("10000", "5000");
    api.ask_for(200, &Request::get("/prod/limited"));
    for _ in 0..20 {
        assert_eq!(api.ask(&Request::get("/prod/limited")).status, 200);
    }
}

#[test]
fn stages_are_throttled_apart() {
    let site = Managed::start();
    let api = api(&site);
    api.deploy("test");
    api.ask_for(200, &Request::get("/test/limited"));
    api.patch_stage(
        "prod",
        &[replace("/*/*/throttling/rateLimit", "0.01"), replace("/*/*/throttling/burstLimit", "1")],
    );
    assert_throttled(&api, &Request::get("/prod/limited"));
    for _ in 0..5 {
        assert_eq!(api.ask(&Request::get("/test/limited")).status, 200);
    }
}

#[test]
fn a_deployment_refunds_no_tokens() {
    let site = Managed::start();
    let api = api(&site);
    api.patch_stage(
        "prod",
        &[
            replace("/~1limited/GET/throttling/rateLimit", "0.01"),
            replace("/~1limited/GET/throttling/burstLimit", "1"),
        ],
    );
    assert_throttled(&api, &Request::get("/prod/limited"));
    api.mock("/new", "GET", "new");
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/new"));
    assert_eq!(api.ask(&Request::get("/prod/limited")).status, 429);
}
