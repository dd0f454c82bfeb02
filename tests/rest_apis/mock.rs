//! Mock integrations.

use serde_json::json;

use crate::harness::{Client, Managed, Request, RestApi};
use crate::refusal::assert_internal_error;

#[test]
fn the_gateway_answers_itself() {
    let site = Managed::start();
    let api = site.create_rest_api();
    let body = "{\n    \"statusCode\": 200,\n    \"message\": \"Go ahead without me.\"\n}";
    api.mock("/", "GET", body);
    api.deploy("prod");
    let answer = api.ask_for(200, &Request::get("/prod/"));
    assert_eq!(answer.text(), body);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("x-amzn-errortype"), None);
}

/// `GET /` with a default response 200 and one for 500, and this request template.
fn of_two<'g>(site: &'g Managed, template: &str) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.put_method("/", "GET", json!({}));
    api.mock_integration("/", "GET", template);
    for (status, pattern) in [(200, None), (500, Some("500"))] {
        api.put_method_response("/", "GET", status, json!({}));
        let mut response =
            json!({ "responseTemplates": { "application/json": status.to_string() } });
        if let Some(pattern) = pattern {
            response["selectionPattern"] = json!(pattern);
        }
        api.put_integration_response("/", "GET", status, response);
    }
    api.deploy("prod");
    api
}

#[test]
fn the_status_of_the_template_chooses_the_response() {
    let site = Managed::start();
    for (template, status) in [
        (r#"{"statusCode": 200}"#, 200),
        (r#"{"statusCode": 500}"#, 500),
        (r#"{ "statusCode" : 500, "other": "x" }"#, 500),
        // As the CDK writes it: no JSON.
        ("{statusCode: 200}", 200),
        ("{statusCode: 500}", 500),
        // No pattern is one of these: the default.
        (r#"{"statusCode": 404}"#, 200),
        (r#"{"statusCode": 0}"#, 200),
        (r#"{"statusCode": 70000}"#, 200),
        (r#"{"statusCode": -500}"#, 200),
    ] {
        let answer = of_two(&site, template).ask_for(status, &Request::get("/prod/"));
        assert_eq!(answer.text(), status.to_string(), "{template}");
        assert_eq!(answer.header("x-amzn-errortype"), None, "{template}");
    }
}

#[test]
fn a_template_without_a_status_is_at_fault() {
    let site = Managed::start();
    for template in ["{}", r#"{"status": 200}"#, "text", r#"{"statusCode": "many"}"#] {
        let answer = of_two(&site, template).ask_until(&Request::get("/prod/"), |answer| {
            answer.status == 500 && answer.header("x-amzn-errortype").is_some()
        });
        assert_internal_error(&answer);
    }
}

#[test]
fn without_a_template_the_default_response_is_given() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.put_method("/", "GET", json!({}));
    api.put_integration("/", "GET", json!({ "type": "MOCK" }));
    api.put_method_response("/", "GET", 201, json!({}));
    let template = json!({ "responseTemplates": { "application/json": "default" } });
    api.put_integration_response("/", "GET", 201, template);
    api.deploy("prod");
    assert_eq!(api.ask_for(201, &Request::get("/prod/")).text(), "default");
}

#[test]
fn a_preflight_request_is_answered_by_a_mock() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets", "GET", "pets");
    api.put_method("/pets", "OPTIONS", json!({}));
    api.mock_integration("/pets", "OPTIONS", r#"{"statusCode":200}"#);
    let declared = json!({ "responseParameters": {
        "method.response.header.Access-Control-Allow-Headers": false,
        "method.response.header.Access-Control-Allow-Methods": false,
        "method.response.header.Access-Control-Allow-Origin": false,
    }});
    api.put_method_response("/pets", "OPTIONS", 200, declared);
    let mapped = json!({ "responseParameters": {
        "method.response.header.Access-Control-Allow-Headers": "'Content-Type,X-Amz-Date,Authorization'",
        "method.response.header.Access-Control-Allow-Methods": "'GET,OPTIONS'",
        "method.response.header.Access-Control-Allow-Origin": "'*'",
    }, "responseTemplates": { "application/json": "" } });
    api.put_integration_response("/pets", "OPTIONS", 200, mapped);
    api.deploy("prod");
    let preflight = Request::new("OPTIONS", "/prod/pets")
        .header("Origin", "https://www.example.com")
        .header("Access-Control-Request-Method", "GET");
    let answer = api.ask_for(200, &preflight);
    let value = |name: &str| answer.header(name);
    assert_eq!(value("access-control-allow-origin"), Some("*"));
    assert_eq!(value("access-control-allow-methods"), Some("GET,OPTIONS"));
    assert_eq!(
        value("access-control-allow-headers"),
        Some("Content-Type,X-Amz-Date,Authorization")
    );
    assert_eq!(answer.text(), "");
    // Nothing adds them to other answers.
    let get = api.ask(&Request::get("/prod/pets").header("Origin", "https://www.example.com"));
    assert_eq!((get.status, get.header("access-control-allow-origin")), (200, None));
}

#[test]
fn a_response_template_is_chosen_by_what_is_accepted() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.put_method("/", "GET", json!({}));
    api.mock_integration("/", "GET", r#"{"statusCode": 200}"#);
    api.put_method_response("/", "GET", 200, json!({}));
    let templates = json!({ "application/json": "{}", "application/xml": "<x/>" });
    api.put_integration_response("/", "GET", 200, json!({ "responseTemplates": templates }));
    api.deploy("prod");
    let accepting = |types: &str| Request::get("/prod/").header("Accept", types);
    let xml = api.ask_for(200, &accepting("application/xml"));
    assert_eq!((xml.text(), xml.header("content-type")), ("<x/>", Some("application/xml")));
    let json = api.ask(&accepting("application/json"));
    assert_eq!((json.text(), json.header("content-type")), ("{}", Some("application/json")));
    assert_eq!(api.ask(&Request::get("/prod/")).text(), "{}");
    assert_eq!(api.ask(&accepting("text/plain")).text(), "{}");
}

#[test]
fn the_body_of_a_request_is_taken_and_dropped() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/", "POST", "ok");
    api.deploy("prod");
    let request = Request::post("/prod/", vec![b'x'; 50_000])
        .header("Content-Type", "application/json")
        .for_host(&api.host());
    api.ask_for(200, &request);
    let mut client = Client::connect(site.public());
    for _ in 0..3 {
        let answer = request.ask_on(&mut client);
        assert_eq!((answer.status, answer.text()), (200, "ok"), "the connection is still in step");
    }
}
