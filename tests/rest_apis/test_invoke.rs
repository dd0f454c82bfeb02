//! `TestInvokeMethod`: a method is called before it is deployed, and tells what became of the call.

use serde_json::{Value as Json, json};

use crate::harness::{Managed, RestApi, Upstream, vpc_link_to};

/// What the management API answers to a test of a method.
#[track_caller]
fn test_invoke(api: &RestApi<'_>, path: &str, method: &str, body: Json) -> (u16, Json) {
    let at = api.method_path(path, method);
    api.management().call("POST", &at, Some(&body))
}

/// One that is made.
#[track_caller]
fn tested(api: &RestApi<'_>, path: &str, method: &str, body: Json) -> Json {
    let (status, told) = test_invoke(api, path, method, body);
    assert_eq!(status, 200, "{told}");
    assert!(told["latency"].is_u64(), "{told}");
    told
}

/// The lines of a log behind their times.
fn lines(told: &Json) -> Vec<String> {
    let log = told["log"].as_str().expect("a log");
    let mut lines = log.lines();
    assert!(lines.next().is_some_and(|line| line.starts_with("Execution log for request ")));
    // Bodies have lines of their own.
    let is_timed = |line: &&str| line.get(19..26) == Some(" UTC 20");
    let behind_time = |line: &str| line.split_once(" : ").map(|(_, rest)| rest.to_owned());
    lines.filter(is_timed).map(|line| behind_time(line).expect("a time")).collect()
}

#[test]
fn a_mock_is_told_line_by_line() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/pets/{id}", "GET", "a pet");
    let request = json!({
        "pathWithQueryString": "/pets/a%20b?x=1&y=%2F",
        "headers": { "one": "1" }, "multiValueHeaders": { "two": ["2", "3"] },
    });
    let told = tested(&api, "/pets/{id}", "GET", request);
    assert_eq!(told["status"], 200, "{told}");
    assert_eq!(told["body"], "a pet");
    assert_eq!(told["headers"]["Content-Type"], "application/json");
    assert_eq!(told["multiValueHeaders"]["Content-Type"], json!(["application/json"]));
    let lines = lines(&told);
    let id = lines[0].strip_prefix("Starting execution for request: ").expect("an id");
    assert_eq!(id.len(), 36);
    assert!(told["log"].as_str().is_some_and(|log| log.contains(&format!("request {id}\n"))));
    let expected = [
        "HTTP Method: GET, Resource Path: /pets/a%20b",
        "Method request path: {id=a b}",
        "Method request query string: {x=1, y=/}",
        "Method request headers: {one=1, two=2,3}",
        "Method request body before transformations: ",
        "Method response body after transformations: a pet",
        "Method response headers: {Content-Type=application/json}",
        "Successfully completed execution",
        "Method completed with status: 200",
    ];
    assert_eq!(lines[1..], expected);
}

#[test]
fn a_proxy_is_asked_by_stage_variables_that_come_with_the_test() {
    let backend = Upstream::mirror();
    let site = Managed::start();
    let api = site.create_rest_api();
    let uri = "http://${stageVariables.backend}/base/{id}";
    api.put_method(
        "/pets/{id}",
        "POST",
        json!({ "requestParameters": { "method.request.path.id": true } }),
    );
    let mapped = json!({
        "integration.request.path.id": "method.request.path.id",
        "integration.request.header.from": "context.identity.sourceIp",
        "integration.request.header.stage": "context.stage",
        "integration.request.header.path": "context.path",
        "integration.request.header.domain": "context.domainName",
    });
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "POST", "uri": uri, "requestParameters": mapped,
    });
    api.put_integration("/pets/{id}", "POST", integration);
    let address = backend.address().to_string();
    let request = json!({
        "pathWithQueryString": "/pets/7?q=1", "body": "hello",
        "headers": { "Content-Type": "text/plain", "Connection": "close, x", "Content-Length": "1" },
        "stageVariables": { "backend": address },
    });
    let told = tested(&api, "/pets/{id}", "POST", request);
    assert_eq!(told["status"], 200, "{told}");
    let received = backend.request();
    assert_eq!(received.line(), "POST /base/7?q=1 HTTP/1.1");
    assert_eq!(received.body, b"hello");
    for (name, value) in [
        ("from", "test-invoke-source-ip"),
        ("stage", "test-invoke-stage"),
        ("path", "/pets/7"),
        ("domain", "testPrefix.testDomainName"),
    ] {
        assert_eq!(received.header(name).as_deref(), Some(value), "{name}");
    }
    assert_eq!(received.header("x-forwarded-for"), None, "it comes from nobody");
    let lines = lines(&told);
    let position = |start: &str| {
        let found = lines.iter().position(|line| line.starts_with(start));
        found.unwrap_or_else(|| panic!("{start}: {lines:#?}"))
    };
    let uri = format!("http://{address}/base/7?q=1");
    let in_order = [
        position("Method request body before transformations: hello"),
        position(&format!("Endpoint request URI: {uri}")),
        position("Endpoint request headers: {"),
        position("Endpoint request body after transformations: hello"),
        position(&format!("Sending request to {uri}")),
        position("Received response. Status: 200, Integration latency: "),
        position("Endpoint response headers: {"),
        position("Endpoint response body before transformations: "),
        position("Method response body after transformations: "),
        position("Method response headers: {"),
        position("Successfully completed execution"),
        position("Method completed with status: 200"),
    ];
    assert!(in_order.is_sorted(), "{lines:#?}");
}

#[test]
fn responses_are_selected_and_their_headers_mapped() {
    let backend = Upstream::answering(
        "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nX-Own: 5\r\n\r\ngone".as_bytes(),
    );
    let site = Managed::start();
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let uri = format!("http://{}/", backend.address());
    api.put_integration("/x", "GET", json!({ "type": "HTTP", "httpMethod": "GET", "uri": uri }));
    let declared = json!({ "responseParameters": { "method.response.header.mine": false } });
    api.put_method_response("/x", "GET", 410, declared);
    let mapped = json!({
        "selectionPattern": "4\\d\\d",
        "responseParameters": { "method.response.header.mine": "integration.response.header.X-Own" },
    });
    api.put_integration_response("/x", "GET", 410, mapped);
    let told = tested(&api, "/x", "GET", json!({}));
    assert_eq!((&told["status"], &told["body"]), (&json!(410), &json!("gone")), "{told}");
    assert_eq!(told["headers"]["mine"], "5");
    let log = lines(&told);
    assert!(log.iter().any(|line| line.starts_with("Received response. Status: 404, ")), "{log:?}");
    assert!(log.contains(&"Endpoint response body before transformations: gone".to_owned()));
}

#[test]
fn what_fails_says_why_in_the_log_alone() {
    let site = Managed::start();
    let api = site.create_rest_api();
    let unused = std::net::TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr());
    api.http_proxy("/closed", "GET", &format!("http://{}/", unused.expect("a port")));
    let told = tested(&api, "/closed", "GET", json!({}));
    assert_eq!(told["status"], 504, "{told}");
    let body = r#"{"message": "Network error communicating with endpoint"}"#;
    assert_eq!(told["body"], body, "{told}");
    let reason = "Execution failed due to a network error communicating with endpoint";
    assert_eq!(lines(&told).iter().filter(|line| *line == reason).count(), 1, "{told}");
    assert!(!lines(&told).contains(&"Successfully completed execution".to_owned()));

    api.put_method("/bare", "GET", json!({}));
    let uri = "http://${stageVariables.missing}/";
    api.put_integration(
        "/bare",
        "GET",
        json!({ "type": "HTTP_PROXY", "httpMethod": "GET", "uri": uri }),
    );
    let told = tested(&api, "/bare", "GET", json!({}));
    assert_eq!(
        (&told["status"], &told["body"]),
        (&json!(500), &json!(r#"{"message": "Internal server error"}"#))
    );
    let log = lines(&told);
    let is_reason =
        |line: &String| line.starts_with("Execution failed due to configuration error: ");
    assert!(log.iter().any(is_reason), "{log:?}");
}

#[test]
fn what_guards_a_method_does_not_guard_its_test() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/x", "ANY", "open");
    let closed = [json!({ "op": "replace", "path": "/authorizationType", "value": "AWS_IAM" })];
    api.management().patch(&api.method_path("/x", "ANY"), &closed);
    for method in ["ANY", "GET", "DELETE"] {
        assert_eq!(tested(&api, "/x", method, json!({}))["body"], "open", "{method}");
    }
}

#[test]
fn a_vpc_link_leads_to_its_upstream() {
    let arn = "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/orders/a1b2";
    let backend = Upstream::mirror();
    let site = Managed::start_with(&vpc_link_to(arn, "orders", &[&backend]));
    let link = site.create_vpc_link(arn);
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": "http://orders.example/y",
        "connectionType": "VPC_LINK", "connectionId": link,
    });
    api.put_integration("/x", "GET", integration);
    let told = tested(&api, "/x", "GET", json!({}));
    assert_eq!(told["status"], 200, "{told}");
    assert_eq!(backend.request().line(), "GET /y HTTP/1.1");
}

#[test]
fn requests_that_cannot_be_made_are_refused() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/x/{id}", "GET", "x");
    api.put_method("/y", "GET", json!({}));
    let at = |path: &str, method: &str| api.method_path(path, method);
    let cases = [
        (at("/x/{id}", "GET"), json!({ "pathWithQueryString": "x/1" }), 400),
        (at("/x/{id}", "GET"), json!({ "pathWithQueryString": "/x/1 HTTP/1.1\r\n" }), 400),
        (at("/x/{id}", "GET"), json!({ "pathWithQueryString": "/z/1" }), 400),
        (at("/x/{id}", "GET"), json!({ "headers": { "a b": "1" } }), 400),
        (at("/x/{id}", "GET"), json!({ "headers": { "a": "1\r\nb: 2" } }), 400),
        (at("/x/{id}", "GET"), json!({ "clientCertificateId": "nobody" }), 400),
        (at("/y", "GET"), json!({}), 400),
        (at("/x/{id}", "POST"), json!({}), 404),
    ];
    for (path, body, expected) in cases {
        let (status, told) = api.management().call("POST", &path, Some(&body));
        assert_eq!(status, expected, "{path} {body}: {told}");
        assert!(told["message"].is_string(), "{told}");
    }
}

#[test]
fn a_test_leaves_nothing_in_metrics_or_behind() {
    let site = Managed::start();
    let api = site.create_rest_api();
    api.mock("/x", "GET", "x");
    for _ in 0..20 {
        assert_eq!(tested(&api, "/x", "GET", json!({}))["status"], 200);
    }
    api.deploy("prod");
    assert_eq!(api.ask(&crate::harness::Request::get("/prod/x")).text(), "x");
    let (status, stages) = api.management().call("GET", &api.path("/stages"), None);
    assert_eq!((status, stages["item"].as_array().map(Vec::len)), (200, Some(1)), "{stages}");
}
