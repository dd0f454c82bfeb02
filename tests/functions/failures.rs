//! Functions that fail, and endpoints that do: the documented error each, and the next call works.

use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value as Json, json};

use crate::function::{Site, ok};
use crate::harness::Request;

/// What a function may answer that is none.
fn bad_answers() -> Vec<(&'static str, String)> {
    let json = |value: Json| ok("", &value.to_string());
    vec![
        ("a text", ok("", "garbage")),
        ("nothing", ok("", "")),
        ("another key", json(json!({ "statusCode": 200, "more": 1 }))),
        ("a body that is none", json(json!({ "statusCode": 200, "body": { "a": 1 } }))),
        ("a status that is none", json(json!({ "statusCode": "abc" }))),
        ("an error by its shape", json(json!({ "errorMessage": "no", "errorType": "E" }))),
        (
            "an error by its header",
            ok("X-Amz-Function-Error: Unhandled\r\n", r#"{"statusCode":200}"#),
        ),
    ]
}

/// A site whose function gives each of the bad answers once, then good ones.
fn failing_site() -> Site {
    let (answers, asked) = (bad_answers(), AtomicU32::new(0));
    Site::start_raw(move |_| {
        let index = asked.fetch_add(1, Ordering::Relaxed) as usize;
        let good = || ok("", r#"{"statusCode":200,"body":"good"}"#);
        answers.get(index).map_or_else(good, |(_, answer)| answer.clone())
    })
}

#[test]
fn rest_apis_tell_of_a_bad_gateway() {
    let site = failing_site();
    let api = site.rest_api("/x", "GET", json!({}));
    for (name, _) in bad_answers() {
        let answer = api.ask(&Request::get("/prod/x"));
        assert_eq!(
            (answer.status, answer.text()),
            (502, r#"{"message": "Internal server error"}"#),
            "{name}"
        );
        assert_eq!(
            answer.header("x-amzn-errortype"),
            Some("InternalServerErrorException"),
            "{name}"
        );
    }
    assert_eq!(api.ask(&Request::get("/prod/x")).text(), "good");
}

#[test]
fn http_apis_tell_of_an_error_of_their_own() {
    let site = failing_site();
    let api = site.http_api("$default", "1.0");
    for (name, _) in bad_answers() {
        let answer = api.ask(&Request::get("/x"));
        assert_eq!(
            (answer.status, answer.text()),
            (500, r#"{"message":"Internal Server Error"}"#),
            "{name}"
        );
    }
    assert_eq!(api.ask(&Request::get("/x")).text(), "good");
}

#[test]
fn a_header_of_a_function_cannot_end_its_line() {
    let site =
        Site::start(|_| json!({ "statusCode": 200, "headers": { "a": "1\r\nb: 2" }, "body": "x" }));
    let api = site.rest_api("/x", "GET", json!({}));
    let answer = api.ask(&Request::get("/prod/x"));
    assert_eq!(answer.header("b"), None, "{}", answer.head);
}

#[test]
fn a_function_that_hangs_is_a_timeout() {
    let site = Site::start_raw(|_| "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n".to_owned());
    let api = site.rest_api("/x", "GET", json!({ "timeoutInMillis": 60 }));
    let answer = api.ask(&Request::get("/prod/x"));
    let body = r#"{"message": "Endpoint request timed out"}"#;
    assert_eq!((answer.status, answer.text()), (504, body), "{}", answer.head);
}

#[test]
fn a_function_that_no_setting_knows_is_a_configuration_error() {
    let site = Site::start(|_| json!({}));
    let api = site.gateway.create_http_api(json!({}));
    let arn = "arn:aws:lambda:us-east-1:000000000000:function:nobody";
    let integration = api.create_integration(json!({
        "integrationType": "AWS_PROXY", "integrationUri": arn, "payloadFormatVersion": "2.0",
    }));
    api.create_route("$default", &integration);
    api.create_default_stage();
    let answer = api.ask(&Request::get("/x"));
    assert_eq!((answer.status, answer.text()), (500, r#"{"message":"Internal Server Error"}"#));
}
