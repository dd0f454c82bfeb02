//! Which resource and which method a request goes to.

use crate::harness::{Managed, Request, RestApi};
use crate::refusal::{assert_missing_token, assert_refused};

fn body_of(api: &RestApi<'_>, method: &str, target: &str) -> String {
    let answer = api.ask_for(200, &Request::new(method, target));
    answer.text().to_owned()
}

#[test]
fn an_unknown_path_misses_its_authentication_token() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets", "GET", "pets");
    api.deploy("prod");
    assert_eq!(body_of(&api, "GET", "/prod/pets"), "pets");
    for target in ["/prod/pet", "/prod/pets/1", "/prod/Pets", "/prod/", "/prod"] {
        assert_missing_token(&api.ask(&Request::get(target)));
    }
}

#[test]
fn a_wrong_method_misses_its_authentication_token_too() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets", "GET", "pets");
    api.deploy("prod");
    assert_eq!(body_of(&api, "GET", "/prod/pets"), "pets");
    for method in ["POST", "OPTIONS", "DELETE"] {
        assert_missing_token(&api.ask(&Request::new(method, "/prod/pets")));
    }
    // GET does not imply HEAD.
    let head = api.ask(&Request::new("HEAD", "/prod/pets"));
    assert_eq!((head.status, head.body.len()), (403, 0), "{}", head.head);
}

#[test]
fn an_unknown_stage_is_forbidden() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets", "GET", "pets");
    api.deploy("prod");
    assert_eq!(body_of(&api, "GET", "/prod/pets"), "pets");
    for target in ["/test/pets", "/pets", "/PROD/pets", "/"] {
        // [K] status, error type and message.
        let answer = api.ask(&Request::get(target));
        assert_refused(&answer, 403, "ForbiddenException", "Forbidden");
    }
}

#[test]
fn the_root_resource_has_methods_as_well() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/", "GET", "root");
    api.deploy("prod");
    assert_eq!(body_of(&api, "GET", "/prod/"), "root");
    assert_eq!(body_of(&api, "GET", "/prod"), "root");
    assert_missing_token(&api.ask(&Request::get("/prod/x")));
}

#[test]
fn a_trailing_slash_is_ignored() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets/{id}", "GET", "pet");
    api.deploy("prod");
    assert_eq!(body_of(&api, "GET", "/prod/pets/1"), "pet");
    assert_eq!(body_of(&api, "GET", "/prod/pets/1/"), "pet");
    assert_missing_token(&api.ask(&Request::get("/prod/pets/")));
}

#[test]
fn static_parts_come_before_variables() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets/dog", "GET", "static");
    api.mock("/pets/{id}", "GET", "variable");
    api.mock("/pets/{id}/owner", "GET", "owner");
    api.deploy("prod");
    assert_eq!(body_of(&api, "GET", "/prod/pets/dog"), "static");
    assert_eq!(body_of(&api, "GET", "/prod/pets/cat"), "variable");
    assert_eq!(body_of(&api, "GET", "/prod/pets/cat/owner"), "owner");
}

#[test]
fn a_greedy_variable_takes_what_is_left() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets/dog", "GET", "static");
    api.mock("/pets/{proxy+}", "ANY", "greedy");
    api.deploy("prod");
    assert_eq!(body_of(&api, "GET", "/prod/pets/dog"), "static");
    assert_eq!(body_of(&api, "GET", "/prod/pets/cat/1/x"), "greedy");
    assert_eq!(body_of(&api, "PUT", "/prod/pets/cat"), "greedy");
    // Nothing is left for it to take.
    assert_missing_token(&api.ask(&Request::get("/prod/pets")));
}

#[test]
fn a_method_of_its_own_comes_before_any() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets", "GET", "get");
    api.mock("/pets", "ANY", "any");
    api.deploy("prod");
    assert_eq!(body_of(&api, "GET", "/prod/pets"), "get");
    for method in ["DELETE", "OPTIONS", "PATCH", "POST", "PUT"] {
        assert_eq!(body_of(&api, method, "/prod/pets"), "any");
    }
    // ANY is seven methods, no more.
    assert_missing_token(&api.ask(&Request::new("PROPFIND", "/prod/pets")));
}

#[test]
fn a_header_overrides_the_method() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets", "POST", "posted");
    api.mock("/pets", "DELETE", "deleted");
    api.deploy("prod");
    assert_eq!(body_of(&api, "POST", "/prod/pets"), "posted");
    let overridden = Request::new("POST", "/prod/pets").header("X-HTTP-Method-Override", "DELETE");
    assert_eq!(api.ask(&overridden).text(), "deleted");
    let unknown = Request::new("POST", "/prod/pets").header("X-HTTP-Method-Override", "PATCH");
    assert_missing_token(&api.ask(&unknown));
}
