//! Gateway responses that an API customises.

use serde_json::json;

use crate::harness::{Managed, Request, RestApi};
use crate::refusal::{assert_missing_token, assert_refused};

fn pets_api(site: &Managed) -> RestApi<'_> {
    let api = site.create_rest_api();
    api.mock("/pets", "GET", "pets");
    api
}

fn missing() -> Request {
    Request::get("/prod/missing")
}

#[test]
fn status_headers_and_template_are_its_own() {
    let site = Managed::start();
    let api = pets_api(&site);
    api.put_gateway_response("MISSING_AUTHENTICATION_TOKEN", json!({
        "statusCode": "404",
        "responseParameters": {
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            "gatewayresponse.header.X-Who": "method.request.header.X-Who",
            "gatewayresponse.header.X-Query": "method.request.querystring.q",
            "gatewayresponse.header.X-Api": "context.apiId",
        },
        "responseTemplates": {
            "application/json": "{\"error\":$context.error.messageString,\"plain\":\"$context.error.message\",\
                                 \"type\":\"$context.error.responseType\",\"stage\":\"$context.stage\"}",
        },
    }));
    api.deploy("prod");
    let request = Request::get("/prod/missing?q=1").header("X-Who", "me");
    let answer = api.ask_for(404, &request);
    assert_eq!(
        answer.text(),
        "{\"error\":\"Missing Authentication Token\",\"plain\":\"Missing Authentication Token\",\
         \"type\":\"MISSING_AUTHENTICATION_TOKEN\",\"stage\":\"prod\"}"
    );
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("x-who"), Some("me"));
    assert_eq!(answer.header("x-query"), Some("1"));
    assert_eq!(answer.header("x-api"), Some(api.id()));
    assert_eq!(answer.header("x-amzn-errortype"), Some("MissingAuthenticationTokenException"));
    // What is not there makes no header.
    assert_eq!(api.ask(&missing()).header("x-who"), None);
}

#[test]
fn templates_know_stage_variables_and_the_request() {
    let site = Managed::start();
    let api = pets_api(&site);
    api.put_gateway_response(
        "MISSING_AUTHENTICATION_TOKEN",
        json!({
            "responseTemplates": { "application/json":
                "{\"v\":\"$stageVariables.v\",\"h\":\"$method.request.header.X-Who\"}" },
        }),
    );
    api.create_deployment(json!({ "stageName": "prod", "variables": { "v": "blue" } }));
    let request = missing().header("X-Who", "me");
    let answer = api.ask_until(&request, |answer| answer.text().contains("blue"));
    // [K] that `method.request` has a `$` in templates.
    assert_eq!((answer.status, answer.text()), (403, r#"{"v":"blue","h":"me"}"#));
}

#[test]
fn a_customised_response_needs_a_deployment() {
    let site = Managed::start();
    let api = pets_api(&site);
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/pets"));
    api.put_gateway_response("MISSING_AUTHENTICATION_TOKEN", json!({ "statusCode": "404" }));
    // Something that was deployed later is live, and it is not.
    let other = pets_api(&site);
    other.deploy("prod");
    other.ask_for(200, &Request::get("/prod/pets"));
    assert_missing_token(&api.ask(&missing()));
    api.deploy("prod");
    assert_refused(
        &api.ask_for(404, &missing()),
        404,
        "MissingAuthenticationTokenException",
        "Missing Authentication Token",
    );
}

#[test]
fn the_default_covers_all_of_its_class() {
    let site = Managed::start();
    let api = pets_api(&site);
    let validator = json!({ "name": "v", "validateRequestParameters": true });
    let made = site.management().post(&api.path("/requestvalidators"), &validator);
    api.put_method(
        "/needs",
        "GET",
        json!({
            "requestParameters": { "method.request.querystring.q": true },
            "requestValidatorId": made["id"],
        }),
    );
    api.mock_integration("/needs", "GET", r#"{"statusCode": 200}"#);
    api.put_method_response("/needs", "GET", 200, json!({}));
    api.put_integration_response("/needs", "GET", 200, json!({}));
    api.put_gateway_response(
        "DEFAULT_4XX",
        json!({
            "statusCode": "418",
            "responseParameters": { "gatewayresponse.header.X-Default": "'yes'" },
            "responseTemplates": { "application/json": "{\"said\":$context.error.messageString}" },
        }),
    );
    // One of its own is not covered.
    api.put_gateway_response("BAD_REQUEST_PARAMETERS", json!({ "statusCode": "422" }));
    api.deploy("prod");
    let answer = api.ask_for(418, &missing());
    assert_eq!(answer.text(), r#"{"said":"Missing Authentication Token"}"#);
    assert_eq!(answer.header("x-default"), Some("yes"));
    let answer = api.ask(&Request::get("/prod/needs"));
    assert_eq!((answer.status, answer.header("x-default")), (422, None), "{}", answer.text());

    site.management().delete(&api.path("/gatewayresponses/DEFAULT_4XX"));
    api.deploy("prod");
    assert_missing_token(&api.ask_for(403, &missing()));
}

#[test]
fn answers_of_backends_and_mocks_are_not_touched() {
    let site = Managed::start();
    let api = pets_api(&site);
    api.put_method("/gone", "GET", json!({}));
    api.mock_integration("/gone", "GET", r#"{"statusCode": 404}"#);
    api.put_method_response("/gone", "GET", 404, json!({}));
    api.put_integration_response("/gone", "GET", 404, json!({}));
    api.put_gateway_response("DEFAULT_4XX", json!({ "statusCode": "418" }));
    api.deploy("prod");
    api.ask_for(418, &missing());
    assert_eq!(api.ask(&Request::get("/prod/gone")).status, 404);
}

#[test]
fn a_template_of_another_type_sets_the_content_type() {
    let site = Managed::start();
    let api = pets_api(&site);
    let templates = json!({ "application/xml": "<said>$context.error.message</said>" });
    api.put_gateway_response(
        "MISSING_AUTHENTICATION_TOKEN",
        json!({ "responseTemplates": templates }),
    );
    api.deploy("prod");
    let request = missing().header("Accept", "application/xml");
    let answer = api.ask_until(&request, |answer| answer.text().contains("said"));
    assert_eq!(answer.text(), "<said>Missing Authentication Token</said>");
    assert_eq!(answer.header("content-type"), Some("application/xml"));
}

#[test]
fn faults_of_the_configuration_are_covered_by_the_default_of_their_class() {
    let site = Managed::start();
    let api = pets_api(&site);
    api.put_method("/broken", "GET", json!({}));
    api.mock_integration("/broken", "GET", "{}");
    let response = json!({
        "statusCode": "599",
        "responseTemplates": { "application/json": "{\"type\":\"$context.error.responseType\"}" },
    });
    api.put_gateway_response("DEFAULT_5XX", response);
    api.deploy("prod");
    let answer = api.ask_for(599, &Request::get("/prod/broken"));
    assert_eq!(answer.text(), r#"{"type":"API_CONFIGURATION_ERROR"}"#);
    assert_missing_token(&api.ask(&missing()));
}

#[test]
fn what_the_gateway_says_itself_is_said_once() {
    let site = Managed::start();
    let api = pets_api(&site);
    let mut parameters = json!({
        "gatewayresponse.header.Content-Type": "'text/plain'",
        "gatewayresponse.header.WWW-Authenticate": "'Basic'",
    });
    let own = ["Content-Length", "Transfer-Encoding", "Connection", "Date", "x-amzn-RequestId"];
    for name in own {
        parameters[format!("gatewayresponse.header.{name}")] = json!("'1'");
    }
    api.put_gateway_response(
        "DEFAULT_4XX",
        json!({
            "statusCode": "401", "responseParameters": parameters,
        }),
    );
    api.deploy("prod");
    let answer = api.ask_for(401, &missing());
    assert_eq!(answer.text(), r#"{"message":"Missing Authentication Token"}"#);
    // Of each there is one, or `header` panics.
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    assert_eq!(answer.header("www-authenticate"), Some("Basic"), "a challenge keeps its name");
    for name in own {
        assert_ne!(answer.header(&name.to_ascii_lowercase()), Some("1"), "{name}");
    }
}
