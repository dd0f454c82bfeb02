//! Lambda proxy integrations of REST APIs.

use serde_json::json;

use crate::function::{ARN, Site};
use crate::harness::Request;

#[test]
fn a_function_gets_the_request_as_an_event() {
    let site = Site::start(|_| json!({ "statusCode": 200, "body": "done" }));
    let api = site.rest_api("/pets/{id}", "POST", json!({}));
    let request = Request::post("/prod/pets/a%20b?x=1&x=2&y", "hello")
        .header("Content-Type", "text/plain")
        .header("X-Two", "1")
        .header("X-Two", "2");
    let answer = api.ask(&request);
    assert_eq!((answer.status, answer.text()), (200, "done"), "{}", answer.head);
    let sent = site.server.request();
    assert_eq!(sent.line(), "POST /2015-03-31/functions/orders/invocations HTTP/1.1");
    assert_eq!(sent.header("x-amz-invocation-type").as_deref(), Some("RequestResponse"));
    let event = site.event();
    assert_eq!(event["resource"], "/pets/{id}");
    assert_eq!(event["path"], "/pets/a b");
    assert_eq!(event["httpMethod"], "POST");
    assert_eq!(event["headers"]["X-Two"], "2");
    assert_eq!(event["multiValueHeaders"]["X-Two"], json!(["1", "2"]));
    assert_eq!(event["headers"]["X-Forwarded-For"], "127.0.0.1");
    assert!(
        event["headers"]["X-Amzn-Trace-Id"].as_str().is_some_and(|id| id.starts_with("Root=1-"))
    );
    assert_eq!(event["queryStringParameters"], json!({ "x": "2", "y": "" }));
    assert_eq!(event["multiValueQueryStringParameters"], json!({ "x": ["1", "2"], "y": [""] }));
    assert_eq!(event["pathParameters"], json!({ "id": "a b" }));
    assert!(event["stageVariables"].is_null() && event.get("stageVariables").is_some());
    assert_eq!((&event["body"], &event["isBase64Encoded"]), (&json!("hello"), &json!(false)));
    let context = &event["requestContext"];
    assert_eq!(context["stage"], "prod");
    assert_eq!(context["path"], "/prod/pets/a%20b".replace("%20", " "));
    assert_eq!(context["apiId"], api.id());
    assert_eq!(context["identity"]["sourceIp"], "127.0.0.1");
    assert_eq!(context["protocol"], "HTTP/1.1");
    let told = answer.header("x-amzn-requestid").map(str::to_owned);
    assert_eq!(context["requestId"].as_str().map(str::to_owned), told);
}

#[test]
fn what_the_function_answers_becomes_the_answer() {
    let site = Site::start(|_| {
        json!({
            "statusCode": "201",
            "headers": { "X-One": "1", "Content-Length": "9999", "Date": "then" },
            "multiValueHeaders": { "Set-Cookie": ["a=1", "b=2"] },
            "body": "made",
        })
    });
    let api = site.rest_api("/x", "ANY", json!({}));
    let answer = api.ask(&Request::get("/prod/x"));
    assert_eq!((answer.status, answer.text()), (201, "made"), "{}", answer.head);
    assert_eq!(answer.header("x-one"), Some("1"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("content-length"), Some("4"));
    let cookies = answer.head.lines().filter(|line| line.to_lowercase().starts_with("set-cookie:"));
    assert_eq!(cookies.count(), 2, "{}", answer.head);
}

#[test]
fn bodies_of_binary_media_types_are_base64() {
    let site = Site::start(|event| {
        assert_eq!(event["isBase64Encoded"], true);
        json!({ "isBase64Encoded": true, "body": event["body"], "headers": { "Content-Type": "image/png" } })
    });
    let api = site.gateway.create_rest_api_with(json!({ "binaryMediaTypes": ["image/*"] }));
    api.put_method("/x", "POST", json!({}));
    let uri =
        format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{ARN}/invocations");
    api.put_integration(
        "/x",
        "POST",
        json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri }),
    );
    api.deploy("prod");
    let request = Request::new("POST", "/prod/x")
        .header("Content-Type", "image/png")
        .header("Accept", "image/png")
        .body(vec![0_u8, 159, 146, 150]);
    let answer = api.ask(&request);
    assert_eq!(
        (answer.status, &*answer.body),
        (200, &[0_u8, 159, 146, 150][..]),
        "{}",
        answer.head
    );
}

#[test]
fn stage_variables_are_told_and_may_name_the_function() {
    let site = Site::start(|event| json!({ "body": event["stageVariables"].to_string() }));
    let api = site.gateway.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let function = ARN.replace("orders", "${stageVariables.function}");
    let uri = format!(
        "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations"
    );
    api.put_integration(
        "/x",
        "GET",
        json!({ "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri }),
    );
    api.create_deployment(
        json!({ "stageName": "prod", "variables": { "function": "orders:live" } }),
    );
    let answer = api.ask(&Request::get("/prod/x"));
    assert_eq!(answer.text(), r#"{"function":"orders:live"}"#, "{}", answer.head);
    let line = "POST /2015-03-31/functions/orders/invocations?Qualifier=live HTTP/1.1";
    assert_eq!(site.server.request().line(), line);
}

#[test]
fn a_method_can_be_tested_before_it_is_deployed() {
    let site = Site::start(|_| json!({ "statusCode": 202, "body": "tried" }));
    let api = site.rest_api("/x", "GET", json!({}));
    let (status, told) =
        api.management().call("POST", &api.method_path("/x", "GET"), Some(&json!({})));
    assert_eq!(
        (status, &told["status"], &told["body"]),
        (200, &json!(202), &json!("tried")),
        "{told}"
    );
    assert_eq!(site.event()["requestContext"]["identity"]["sourceIp"], "test-invoke-source-ip");
}
