//! Which APIs may call a function.

use serde_json::json;

use crate::function::{Site, ok};
use crate::harness::Request;

fn site(permissions: &str) -> Site {
    let settings = format!("permissions = {permissions}");
    Site::start_set(&settings, |_| ok("", r#"{"statusCode":200,"body":"called"}"#))
}

const OF_GET: &str =
    r#"["arn:aws:execute-api:us-east-1:111111111111:*/*/GET/x", "arn:aws:s3:::bucket"]"#;

#[test]
fn methods_that_no_permission_names_are_not_served() {
    let site = site(OF_GET);
    let api = site.rest_api("/x", "GET", json!({}));
    assert_eq!(api.ask(&Request::get("/prod/x")).text(), "called");
    let other = site.rest_api("/x", "POST", json!({}));
    let answer = other.ask(&Request::post("/prod/x", "{}"));
    let body = r#"{"message": "Internal server error"}"#;
    assert_eq!((answer.status, answer.text()), (500, body), "{}", answer.head);
    let source = format!("111111111111:{}/prod/POST/x", other.id());
    site.gateway.gateway().wait_for_log("the reason", |line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.contains("Invalid permissions on Lambda function") && message.contains(&source)
    });
}

#[test]
fn routes_of_http_apis_are_named_by_their_keys() {
    let site = site(r#"["arn:aws:execute-api:*:*:*/$default/GET/pets/{id}"]"#);
    let api = site.http_api("GET /pets/{id}", "2.0");
    assert_eq!(api.ask(&Request::get("/pets/1")).text(), "called");
    let other = site.http_api("$default", "2.0");
    let answer = other.ask(&Request::get("/pets/1"));
    assert_eq!((answer.status, answer.text()), (500, r#"{"message":"Internal Server Error"}"#));
}

/// CDK and the console add a permission for tests of methods.
#[test]
fn a_test_of_a_method_is_a_stage_of_its_own() {
    let site = site(
        r#"["arn:aws:execute-api:*:*:*/prod/*", "arn:aws:execute-api:*:*:*/test-invoke-stage/GET/x"]"#,
    );
    let api = site.rest_api("/x", "GET", json!({}));
    let test = |method: &str| {
        let at = api.method_path("/x", method);
        api.management().call("POST", &at, Some(&json!({}))).1["status"].clone()
    };
    assert_eq!(test("GET"), 200);
    let api = site.rest_api("/x", "POST", json!({}));
    let (_, told) = api.management().call("POST", &api.method_path("/x", "POST"), Some(&json!({})));
    assert_eq!(told["status"], 500);
    assert_eq!(api.ask(&Request::post("/prod/x", "{}")).text(), "called");
}

#[test]
fn an_empty_list_lets_nobody_call() {
    let site = site("[]");
    let api = site.http_api("$default", "2.0");
    assert_eq!(api.ask(&Request::get("/x")).status, 500);
    assert!(site.server.requests().is_empty());
}
