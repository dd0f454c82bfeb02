//! Lambda integrations of HTTP APIs, in both payload formats.

use serde_json::json;

use crate::function::Site;
use crate::harness::Request;

#[test]
fn format_2_0_is_told_and_its_answer_inferred() {
    let site = Site::start(|_| json!({ "message": "hello" }));
    let api = site.http_api("GET /pets/{id}", "2.0");
    let request = Request::get("/pets/7?x=1&x=2").header("Cookie", "a=1; b=2").header("X-One", "1");
    let answer = api.ask(&request);
    assert_eq!((answer.status, answer.text()), (200, r#"{"message":"hello"}"#), "{}", answer.head);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let event = site.event();
    assert_eq!(event["version"], "2.0");
    assert_eq!(event["routeKey"], "GET /pets/{id}");
    assert_eq!(
        (&event["rawPath"], &event["rawQueryString"]),
        (&json!("/pets/7"), &json!("x=1&x=2"))
    );
    assert_eq!(event["cookies"], json!(["a=1", "b=2"]));
    assert_eq!(event["headers"]["x-one"], "1");
    assert_eq!(event["queryStringParameters"], json!({ "x": "1,2" }));
    assert_eq!(event["pathParameters"], json!({ "id": "7" }));
    assert_eq!(event["requestContext"]["http"]["method"], "GET");
    assert_eq!(event["requestContext"]["http"]["sourceIp"], "127.0.0.1");
    assert_eq!(event["requestContext"]["stage"], "$default");
    let told = answer.header("apigw-requestid").map(str::to_owned);
    assert_eq!(event["requestContext"]["requestId"].as_str().map(str::to_owned), told);
    assert!(event.get("body").is_none() && event.get("stageVariables").is_none());
}

#[test]
fn format_2_0_answers_have_cookies_and_bytes() {
    let site = Site::start(|_| {
        json!({
            "statusCode": 201, "cookies": ["a=1", "b=2"], "headers": { "content-type": "image/png" },
            "isBase64Encoded": true, "body": "AJ+Slg==",
        })
    });
    let api = site.http_api("$default", "2.0");
    let answer = api.ask(&Request::get("/any/path"));
    assert_eq!(
        (answer.status, &*answer.body),
        (201, &[0_u8, 159, 146, 150][..]),
        "{}",
        answer.head
    );
    let cookies = answer.head.lines().filter(|line| line.to_lowercase().starts_with("set-cookie:"));
    assert_eq!(cookies.count(), 2, "{}", answer.head);
}

#[test]
fn format_1_0_has_headers_in_lower_case() {
    let site = Site::start(|_| json!({ "statusCode": 200, "body": "x" }));
    let api = site.http_api("POST /x", "1.0");
    let request =
        Request::post("/x", "{}").header("X-One", "1").header("Content-Type", "application/json");
    assert_eq!(api.ask(&request).text(), "x");
    let event = site.event();
    assert_eq!((&event["version"], &event["resource"]), (&json!("1.0"), &json!("/x")));
    assert_eq!((&event["headers"]["x-one"], &event["body"]), (&json!("1"), &json!("{}")));
}

#[test]
fn other_bodies_than_texts_are_base64() {
    let site = Site::start(|event| json!({ "statusCode": 200, "body": event["body"] }));
    let api = site.http_api("POST /x", "2.0");
    for (kind, body, told) in [
        ("text/csv", "a,b", "a,b"),
        ("application/json", "{}", "{}"),
        ("application/octet-stream", "abc", "YWJj"),
    ] {
        let answer = api.ask(&Request::post("/x", body).header("Content-Type", kind));
        assert_eq!(answer.text(), told, "{kind}");
    }
}

#[test]
fn a_path_is_decoded_once() {
    let site = Site::start(|_| json!("done"));
    for (format, path) in [("2.0", "rawPath"), ("1.0", "path")] {
        let api = site.http_api("$default", format);
        api.ask(&Request::get("/a%2520b"));
        assert_eq!(site.event()[path], "/a%20b", "{format}");
    }
}
