//! Integration request parameters, mapped from each source.

use serde_json::{Value as Json, json};

use crate::harness::{Managed, Received, Request, RestApi, Upstream, replace};
use crate::refusal::{assert_internal_error, assert_refused};

/// `POST /pets/{id}` by an HTTP integration to `/{target}`, with these integration parameters.
fn api<'g>(site: &'g Managed, backend: &Upstream, parameters: &Json) -> RestApi<'g> {
    let api = site.create_rest_api();
    let path = "/pets/{id}";
    let mut declared = json!({ "method.request.path.id": true });
    for source in parameters.as_object().into_iter().flat_map(|all| all.values()) {
        let source = source.as_str().expect("text").replace(".multivalue", ".");
        if source.starts_with("method.request.") && !source.starts_with("method.request.body") {
            declared[&source] = json!(false);
        }
    }
    api.put_method(path, "POST", json!({ "requestParameters": declared }));
    let mut parameters = parameters.clone();
    parameters["integration.request.path.target"] = json!("method.request.path.id");
    let integration = json!({
        "type": "HTTP", "httpMethod": "POST", "requestParameters": parameters,
        "uri": format!("http://{}/{{target}}", backend.address()),
    });
    api.put_integration(path, "POST", integration);
    api.put_method_response(path, "POST", 200, json!({}));
    api.put_integration_response(path, "POST", 200, json!({}));
    api.deploy("prod");
    api
}

/// What the backend gets of `request` with these parameters.
fn received(parameters: &Json, request: &Request) -> Received {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    Received::of(&api(&site, &backend, parameters).ask_for(200, request))
}

fn post(target: &str) -> Request {
    Request::new("POST", target)
}

#[test]
fn from_path_query_and_header() {
    let parameters = json!({
        "integration.request.header.X-From-Path": "method.request.path.id",
        "integration.request.header.X-From-Query": "method.request.querystring.q",
        "integration.request.querystring.h": "method.request.header.X-In",
        "integration.request.querystring.p": "method.request.path.id",
    });
    let request = post("/prod/pets/7?q=x%20y").header("X-In", "a&b");
    let received = received(&parameters, &request);
    assert_eq!(received.header("x-from-path").as_deref(), Some("7"));
    assert_eq!(received.header("x-from-query").as_deref(), Some("x y"), "decoded");
    let (path, query) = received.target().split_once('?').expect("a query");
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    assert_eq!((path, pairs), ("/7", vec!["h=a%26b", "p=7"]));
    assert!(received.head.contains("\r\nX-From-Path: "), "as it is mapped: {}", received.head);
}

#[test]
fn the_single_value_is_the_last() {
    let parameters = json!({
        "integration.request.header.X-Query": "method.request.querystring.q",
        "integration.request.header.X-Header": "method.request.header.X-In",
    });
    let request = post("/prod/pets/7?q=1&q=2").header("X-In", "a").header("X-In", "b");
    let received = received(&parameters, &request);
    assert_eq!(received.header("x-query").as_deref(), Some("2"));
    assert_eq!(received.header("x-header").as_deref(), Some("b"));
}

#[test]
fn from_all_values() {
    let parameters = json!({
        "integration.request.querystring.all": "method.request.multivaluequerystring.q",
        "integration.request.header.X-All": "method.request.multivalueheader.X-In",
    });
    let request = post("/prod/pets/7?q=1&q=2").header("X-In", "a").header("X-In", "b");
    let all = received(&parameters, &request);
    assert_eq!(all.target(), "/7?all=1&all=2");
    assert_eq!(all.header("x-all").as_deref(), Some("a,b"));
    let one = received(&parameters, &post("/prod/pets/7?q=1").header("X-In", "a"));
    assert_eq!((one.target(), one.header("x-all").as_deref()), ("/7?all=1", Some("a")));
}

#[test]
fn from_the_body_and_its_members() {
    let parameters = json!({
        "integration.request.header.X-Body": "method.request.body",
        "integration.request.header.X-Name": "method.request.body.petstore.pets[0].name",
        "integration.request.querystring.n": "method.request.body.n",
        "integration.request.header.X-None": "method.request.body.nothing",
    });
    let body = r#"{"petstore":{"pets":[{"name":"Rex"}]},"n":4}"#;
    let received = received(&parameters, &Request::post("/prod/pets/7", body));
    assert_eq!(received.header("x-body").as_deref(), Some(body));
    assert_eq!(received.header("x-name").as_deref(), Some("Rex"));
    assert_eq!(received.target(), "/7?n=4");
    assert_eq!(received.header("x-none"), None);
    assert_eq!(received.body, body.as_bytes(), "it passes all the same");
}

#[test]
fn from_stage_variables_the_context_and_constants() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let parameters = json!({
        "integration.request.header.X-Stage-Variable": "stageVariables.colour",
        "integration.request.header.X-Api": "context.apiId",
        "integration.request.header.X-Stage": "context.stage",
        "integration.request.header.X-Method": "context.httpMethod",
        "integration.request.header.X-Path": "context.path",
        "integration.request.header.X-Resource": "context.resourcePath",
        "integration.request.header.X-Request": "context.requestId",
        "integration.request.header.X-Extended": "context.extendedRequestId",
        "integration.request.header.X-Account": "context.accountId",
        "integration.request.header.X-Ip": "context.identity.sourceIp",
        "integration.request.header.X-Protocol": "context.protocol",
        "integration.request.header.X-Static": "'fixed, value'",
    });
    let api = api(&site, &backend, &parameters);
    api.patch_stage("prod", &[replace("/variables/colour", "blue")]);
    let answer = api.ask_until(&post("/prod/pets/7"), |answer| answer.text().contains("blue"));
    let received = Received::of(&answer);
    for (name, value) in [
        ("x-stage-variable", "blue"),
        ("x-api", api.id()),
        ("x-stage", "prod"),
        ("x-method", "POST"),
        ("x-path", "/prod/pets/7"),
        ("x-resource", "/pets/{id}"),
        ("x-request", answer.header("x-amzn-requestid").expect("an id")),
        ("x-extended", answer.header("x-amz-apigw-id").expect("an id")),
        ("x-account", "111111111111"),
        ("x-ip", "127.0.0.1"),
        ("x-protocol", "HTTP/1.1"),
        ("x-static", "fixed, value"),
    ] {
        assert_eq!(received.header(name).as_deref(), Some(value), "{name}");
    }
}

#[test]
fn what_is_not_there_is_not_sent() {
    let parameters = json!({
        "integration.request.header.X-Query": "method.request.querystring.q",
        "integration.request.querystring.h": "method.request.header.X-In",
        "integration.request.header.X-Stage": "stageVariables.nothing",
    });
    let received = received(&parameters, &post("/prod/pets/7"));
    assert_eq!(received.target(), "/7");
    assert_eq!((received.header("x-query"), received.header("x-stage")), (None, None));
}

#[test]
fn names_are_case_sensitive() {
    let parameters = json!({
        "integration.request.header.X-Same": "method.request.header.X-In",
        "integration.request.header.X-Other": "method.request.header.x-in",
        "integration.request.header.X-Query": "method.request.querystring.Q",
    });
    let request = post("/prod/pets/7?q=1").header("X-In", "a");
    let received = received(&parameters, &request);
    assert_eq!(received.header("x-same").as_deref(), Some("a"));
    assert_eq!((received.header("x-other"), received.header("x-query")), (None, None));
}

#[test]
fn a_body_that_only_looks_like_json_is_refused() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let parameters = json!({ "integration.request.header.X-Name": "method.request.body.name" });
    let api = api(&site, &backend, &parameters);
    for body in ["{\"name\":", "[1,", "\"open"] {
        let answer = api.ask_for(400, &Request::post("/prod/pets/7", body));
        assert_refused(&answer, 400, "BadRequestException", "Invalid JSON in request body");
    }
    assert_eq!(backend.requests().len(), 0);
    // What begins like no JSON is not parsed, and has no members.
    let received = Received::of(&api.ask_for(200, &Request::post("/prod/pets/7", "plain text")));
    assert_eq!((received.header("x-name"), &received.body[..]), (None, &b"plain text"[..]));
}

#[test]
fn headers_of_the_gateway_cannot_be_mapped() {
    for name in
        ["Content-Length", "Transfer-Encoding", "X-Amzn-Trace-Id", "X-Amzn-Apigateway-Api-Id"]
    {
        let (site, backend) = (Managed::start(), Upstream::mirror());
        let mut parameters = json!({});
        parameters[format!("integration.request.header.{name}")] = json!("'1'");
        let api = api(&site, &backend, &parameters);
        assert_internal_error(&api.ask_for(500, &post("/prod/pets/7")));
        assert_eq!(backend.requests().len(), 0, "{name}");
    }
}

#[test]
fn a_value_cannot_break_out_of_its_place() {
    let parameters = json!({
        "integration.request.querystring.q": "method.request.querystring.q",
        "integration.request.header.X-Query": "method.request.querystring.q",
    });
    let request = post("/prod/pets/7?q=a%26admin%3D1%23x");
    assert_eq!(received(&parameters, &request).target(), "/7?q=a%26admin%3D1%23x");
    // A line break would begin a header of the client's own. Refused or cut, but not sent.
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, &parameters);
    api.ask_for(200, &post("/prod/pets/7"));
    api.ask(&post("/prod/pets/7?q=a%0D%0AX-Injected:%201"));
    for received in backend.requests() {
        assert_eq!(received.header("x-injected"), None, "{}", received.head);
    }
}

#[test]
fn a_path_parameter_cannot_leave_its_segment() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, &json!({}));
    let answer = api.ask_for(200, &post("/prod/pets/a%20b"));
    assert_eq!(Received::of(&answer).target(), "/a%20b");
    api.ask(&post("/prod/pets/..%2F..%2Fadmin%3Fx"));
    for received in backend.requests() {
        assert!(!received.target().contains("/admin?"), "{}", received.line());
    }
}
