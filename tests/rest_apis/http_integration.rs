//! HTTP integrations that are no proxies: only what is mapped passes, and the integration response
//! is chosen by the backend's status.

use serde_json::{Value as Json, json};

use crate::harness::{Managed, Received, Request, RestApi, Upstream, replace};
use crate::refusal::assert_internal_error;

const BODY: &str = r#"{"a":{"b":"c","n":[1,22]}}"#;

/// Answers with the status that is the last part of the path.
fn backend() -> Upstream {
    Upstream::answering_by(|request| {
        let status = request.target().rsplit('/').next().expect("a path").to_owned();
        let length = BODY.len();
        format!(
            "HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nX-Backend: b\r\n\
             X-Many: one\r\nX-Many: two\r\nServer: backend/1\r\nWWW-Authenticate: Basic\r\n\
             Content-Length: {length}\r\n\r\n{BODY}"
        )
    })
}

/// `GET /status/{code}`, with integration responses: the status, its pattern, other members.
fn deployed_api<'g>(
    site: &'g Managed,
    backend: &Upstream,
    responses: &[(u16, Json)],
) -> RestApi<'g> {
    let api = site.create_rest_api();
    let path = "/status/{code}";
    let declared = json!({ "requestParameters": { "method.request.path.code": true } });
    api.put_method(path, "GET", declared);
    let integration = json!({
        "type": "HTTP", "httpMethod": "GET", "uri": format!("http://{}/{{code}}", backend.address()),
        "requestParameters": { "integration.request.path.code": "method.request.path.code" },
    });
    api.put_integration(path, "GET", integration);
    for (status, response) in responses {
        let mut declared = json!({});
        let mapped = response["responseParameters"].as_object();
        for name in mapped.into_iter().flat_map(|mapped| mapped.keys()) {
            declared[name] = json!(false);
        }
        let method_response = json!({ "responseParameters": declared });
        api.put_method_response(path, "GET", *status, method_response);
        api.put_integration_response(path, "GET", *status, response.clone());
    }
    api.deploy("prod");
    api
}

fn status(code: u16) -> Request {
    Request::get(&format!("/prod/status/{code}"))
}

#[test]
fn the_response_is_chosen_by_a_pattern_of_the_status() {
    let (site, backend) = (Managed::start(), backend());
    let responses = [
        (200, json!({})),
        (404, json!({ "selectionPattern": "404" })),
        (400, json!({ "selectionPattern": "4\\d{2}" })),
        (502, json!({ "selectionPattern": "5[0-9]+" })),
    ];
    let api = deployed_api(&site, &backend, &responses[..1]);
    assert_eq!(api.ask_for(200, &status(500)).status, 200, "the default takes what is left");

    let api = deployed_api(&site, &backend, &[responses[0].clone(), responses[2].clone()]);
    assert_eq!(api.ask_for(400, &status(403)).status, 400);
    assert_eq!(api.ask(&status(503)).status, 200);

    let api = deployed_api(
        &site,
        &backend,
        &[responses[0].clone(), responses[1].clone(), responses[3].clone()],
    );
    api.ask_for(404, &status(404));
    assert_eq!(api.ask(&status(503)).status, 502);
    assert_eq!(api.ask(&status(403)).status, 200);
    assert_eq!(api.ask(&status(201)).status, 200);
}

#[test]
fn a_pattern_matches_the_whole_status() {
    let (site, backend) = (Managed::start(), backend());
    let responses = [(200, json!({})), (400, json!({ "selectionPattern": "4" }))];
    let api = deployed_api(&site, &backend, &responses);
    assert_eq!(api.ask_for(200, &status(404)).status, 200);
    assert_eq!(api.ask(&status(400)).status, 200);
}

#[test]
fn without_a_match_and_a_default_the_configuration_is_at_fault() {
    let (site, backend) = (Managed::start(), backend());
    let api = deployed_api(&site, &backend, &[(200, json!({ "selectionPattern": "200" }))]);
    api.ask_for(200, &status(200));
    assert_internal_error(&api.ask(&status(201)));
}

#[test]
fn only_mapped_headers_pass_back() {
    let (site, backend) = (Managed::start(), backend());
    let mapped = json!({ "responseParameters": {
        "method.response.header.X-One": "integration.response.header.X-Backend",
    }});
    let api = deployed_api(&site, &backend, &[(200, mapped)]);
    let answer = api.ask_for(200, &status(200));
    assert_eq!(answer.header("x-one"), Some("b"));
    assert!(answer.head.contains("\r\nX-One: "), "as it is mapped: {}", answer.head);
    for name in ["x-backend", "x-many", "www-authenticate", "x-amzn-remapped-www-authenticate"] {
        assert!(answer.values(name).is_empty(), "{name}: {}", answer.head);
    }
}

#[test]
fn response_headers_are_mapped_from_all_sources() {
    let (site, backend) = (Managed::start(), backend());
    let mapped = json!({ "responseParameters": {
        "method.response.header.X-Header": "integration.response.header.X-Backend",
        "method.response.header.X-All": "integration.response.multivalueheader.X-Many",
        "method.response.header.X-Field": "integration.response.body.a.b",
        "method.response.header.X-Item": "integration.response.body.a.n[1]",
        "method.response.header.X-Stage": "stageVariables.colour",
        "method.response.header.X-Context": "context.apiId",
        "method.response.header.X-Static": "'fixed, value'",
        "method.response.header.X-None": "integration.response.header.X-Nothing",
    }});
    let api = deployed_api(&site, &backend, &[(200, mapped)]);
    api.patch_stage("prod", &[replace("/variables/colour", "blue")]);
    let answer = api.ask_until(&status(200), |answer| answer.header("x-stage") == Some("blue"));
    for (name, value) in [
        ("x-header", "b"),
        ("x-all", "one,two"),
        ("x-field", "c"),
        ("x-item", "22"),
        ("x-context", api.id()),
        ("x-static", "fixed, value"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert_eq!(answer.header("x-none"), None);
}

#[test]
fn names_of_response_headers_are_case_sensitive() {
    let (site, backend) = (Managed::start(), backend());
    let mapped = json!({ "responseParameters": {
        "method.response.header.X-Same": "integration.response.header.X-Backend",
        "method.response.header.X-Other": "integration.response.header.x-backend",
    }});
    let api = deployed_api(&site, &backend, &[(200, mapped)]);
    let answer = api.ask_for(200, &status(200));
    assert_eq!((answer.header("x-same"), answer.header("x-other")), (Some("b"), None));
}

#[test]
fn mapped_headers_of_a_connection_are_remapped() {
    let (site, backend) = (Managed::start(), backend());
    let mapped = json!({ "responseParameters": {
        "method.response.header.Server": "integration.response.header.Server",
        "method.response.header.WWW-Authenticate": "integration.response.header.WWW-Authenticate",
        "method.response.header.User-Agent": "'agent'",
    }});
    let api = deployed_api(&site, &backend, &[(200, mapped)]);
    let answer = api.ask_for(200, &status(200));
    assert_eq!(answer.header("x-amzn-remapped-server"), Some("backend/1"));
    assert_eq!(answer.header("x-amzn-remapped-www-authenticate"), Some("Basic"));
    assert_eq!(answer.header("x-amzn-remapped-user-agent"), Some("agent"));
    assert_eq!(answer.header("www-authenticate"), None);
}

#[test]
fn what_is_between_hops_is_no_header_of_a_response() {
    let (site, backend) = (Managed::start(), backend());
    let dropped = ["Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "x-amz-apigw-id"];
    let mut parameters = json!({ "method.response.header.X-Own": "'mapped'" });
    for name in dropped {
        parameters[format!("method.response.header.{name}")] = json!("'mapped'");
    }
    let response = json!({ "responseParameters": parameters });
    let api = deployed_api(&site, &backend, &[(200, response)]);
    let answer = api.ask_for(200, &status(200));
    assert_eq!((answer.header("x-own"), answer.text()), (Some("mapped"), BODY));
    for name in dropped {
        assert_ne!(answer.header(&name.to_ascii_lowercase()), Some("mapped"), "{name}");
    }
}

#[test]
fn only_mapped_headers_pass_on() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "POST", json!({}));
    let integration = json!({
        "type": "HTTP", "httpMethod": "PUT", "uri": format!("http://{}/y", backend.address()),
    });
    api.put_integration("/x", "POST", integration);
    api.put_method_response("/x", "POST", 200, json!({}));
    api.put_integration_response("/x", "POST", 200, json!({}));
    api.deploy("prod");
    let request = Request::post("/prod/x?q=1", r#"{"sent":true}"#)
        .header("Content-Type", "application/json")
        .header("X-Custom", "one")
        .header("User-Agent", "test/1")
        .header("Accept", "text/html");
    let received = Received::of(&api.ask_for(200, &request));
    assert_eq!(received.line(), "PUT /y HTTP/1.1", "no query either, and the integration's method");
    assert_eq!(received.body, br#"{"sent":true}"#);
    let value = |name: &str| received.header(name);
    assert_eq!(value("x-custom"), None);
    assert_eq!(value("content-type").as_deref(), Some("application/json"));
    assert_eq!(value("user-agent"), Some(format!("AmazonAPIGateway_{}", api.id())));
    assert_eq!(value("accept").as_deref(), Some("application/json"));
    assert_eq!(value("x-amzn-apigateway-api-id").as_deref(), Some(api.id()));
}

#[test]
fn a_static_template_takes_the_place_of_the_answer() {
    let (site, backend) = (Managed::start(), backend());
    let template = json!({ "responseTemplates": { "application/json": "{\"ours\": true}" } });
    let api = deployed_api(&site, &backend, &[(200, template)]);
    assert_eq!(api.ask_for(200, &status(200)).text(), "{\"ours\": true}");
}

#[test]
fn the_answer_passes_without_a_template() {
    let (site, backend) = (Managed::start(), backend());
    let api = deployed_api(&site, &backend, &[(200, json!({}))]);
    assert_eq!(api.ask_for(200, &status(200)).text(), BODY);
}

#[test]
fn a_body_that_is_read_for_a_mapping_does_not_follow_a_get() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "ANY", json!({}));
    let integration = json!({
        "type": "HTTP", "httpMethod": "GET", "uri": format!("http://{}/y", backend.address()),
        "requestParameters": { "integration.request.header.X-Name": "method.request.body.name" },
    });
    api.put_integration("/x", "ANY", integration);
    api.put_method_response("/x", "ANY", 200, json!({}));
    api.put_integration_response("/x", "ANY", 200, json!({}));
    api.deploy("prod");
    let named = Request::post("/prod/x", r#"{"name":"Rex"}"#);
    for (request, name) in [(named, Some("Rex")), (Request::get("/prod/x"), None)] {
        let received = Received::of(&api.ask_for(200, &request));
        assert_eq!(received.line(), "GET /y HTTP/1.1");
        assert_eq!(received.header("x-name").as_deref(), name);
        assert_eq!(received.header("content-length"), None, "{}", received.head);
        assert_eq!(received.body, b"");
    }
}

#[test]
fn headers_between_hops_do_not_arrive_though_they_are_mapped() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    let mut parameters = json!({ "integration.request.header.X-Own": "'mapped'" });
    let dropped = ["Connection", "Expect", "Proxy-Authenticate", "TE", "Via"];
    for name in dropped {
        parameters[format!("integration.request.header.{name}")] = json!("'mapped'");
    }
    for (path, kind) in [("/http", "HTTP"), ("/proxy", "HTTP_PROXY")] {
        api.put_method(path, "GET", json!({}));
        let integration = json!({
            "type": kind, "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
            "requestParameters": parameters,
        });
        api.put_integration(path, "GET", integration);
        api.put_method_response(path, "GET", 200, json!({}));
    }
    api.put_integration_response("/http", "GET", 200, json!({}));
    api.deploy("prod");
    for path in ["/prod/http", "/prod/proxy"] {
        let received = Received::of(&api.ask_for(200, &Request::get(path)));
        assert_eq!(received.header("x-own").as_deref(), Some("mapped"));
        for name in dropped {
            let values = received.values(&name.to_ascii_lowercase());
            assert!(!values.iter().any(|value| value == "mapped"), "{name}: {}", received.head);
        }
    }
}
