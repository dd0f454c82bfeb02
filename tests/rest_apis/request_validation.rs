//! Basic request validation: required parameters are there.

use serde_json::{Value as Json, json};

use crate::harness::{Client, Managed, Request, RestApi};
use crate::refusal::assert_refused;

/// `GET /x/{p}` with these method parameters and a validator of parameters, or none.
fn api<'g>(site: &'g Managed, parameters: Json, is_validated: bool) -> RestApi<'g> {
    let api = site.create_rest_api();
    let body = json!({ "name": "v", "validateRequestParameters": true });
    let validator = site.management().post(&api.path("/requestvalidators"), &body);
    let mut method = json!({ "requestParameters": parameters });
    if is_validated {
        method["requestValidatorId"] = validator["id"].clone();
    }
    api.put_method("/x", "GET", method);
    api.mock_integration("/x", "GET", r#"{"statusCode": 200}"#);
    api.put_method_response("/x", "GET", 200, json!({}));
    api.put_integration_response("/x", "GET", 200, json!({}));
    api.deploy("prod");
    api
}

#[track_caller]
fn assert_missing(api: &RestApi<'_>, request: &Request, names: &str) {
    let message = format!("Missing required request parameters: [{names}]");
    assert_refused(&api.ask_for(400, request), 400, "BadRequestException", &message);
}

#[test]
fn required_parameters_are_asked_for() {
    let site = Managed::start();
    let parameters = json!({
        "method.request.querystring.b": true,
        "method.request.querystring.a": true,
        "method.request.querystring.optional": false,
    });
    let api = api(&site, parameters, true);
    assert_missing(&api, &Request::get("/prod/x"), "a, b");
    assert_missing(&api, &Request::get("/prod/x?a=1"), "b");
    assert_missing(&api, &Request::get("/prod/x?b=1&optional=1"), "a");
    assert_eq!(api.ask(&Request::get("/prod/x?a=1&b=2")).status, 200);
    assert_missing(&api, &Request::get("/prod/x?A=1&b=2"), "a");
}

#[test]
fn required_headers_are_case_sensitive() {
    let site = Managed::start();
    let api = api(&site, json!({ "method.request.header.X-Token": true }), true);
    assert_missing(&api, &Request::get("/prod/x"), "X-Token");
    assert_missing(&api, &Request::get("/prod/x").header("x-token", "1"), "X-Token");
    assert_eq!(api.ask(&Request::get("/prod/x").header("X-Token", "1")).status, 200);
}

#[test]
fn without_a_validator_nothing_is_asked_for() {
    let site = Managed::start();
    let api = api(&site, json!({ "method.request.querystring.a": true }), false);
    assert_eq!(api.ask_for(200, &Request::get("/prod/x")).status, 200);
}

#[test]
fn a_refused_request_leaves_its_connection_in_step() {
    let site = Managed::start();
    let api = api(&site, json!({ "method.request.querystring.a": true }), true);
    let refused = Request::get("/prod/x").body("body that nobody reads").for_host(&api.host());
    api.ask_for(400, &refused);
    let mut client = Client::connect(site.public());
    assert_eq!(refused.ask_on(&mut client).status, 400);
    let good = Request::get("/prod/x?a=1").for_host(&api.host());
    assert_eq!(good.ask_on(&mut client).status, 200);
}
