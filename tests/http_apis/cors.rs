//! CORS of HTTP APIs.

use serde_json::{Value as Json, json};

use crate::harness::{Answer, HttpApi, Managed, Request, Upstream};

const ORIGIN: &str = "https://www.example.com";

/// `GET /pets` of a backend that answers CORS headers of its own.
fn api<'g>(site: &'g Managed, backend: &Upstream, cors: &Json) -> HttpApi<'g> {
    let api = site.create_http_api(json!({ "corsConfiguration": cors }));
    api.proxy("GET /pets", &format!("http://{}/", backend.address()));
    api.create_default_stage();
    api.ask_for(200, &Request::get("/pets"));
    api
}

fn backend() -> Upstream {
    Upstream::answering(
        "HTTP/1.1 200 OK\r\nAccess-Control-Allow-Origin: https://backend.example\r\n\
         Access-Control-Allow-Methods: PUT\r\nAccess-Control-Expose-Headers: x-backend\r\n\
         X-Backend: 1\r\nContent-Length: 2\r\n\r\nok",
    )
}

fn configuration() -> Json {
    json!({
        "allowOrigins": [ORIGIN, "https://other.example"],
        "allowMethods": ["GET", "POST"],
        "allowHeaders": ["authorization", "x-custom"],
        "exposeHeaders": ["date", "x-api-id"],
        "maxAge": 300,
        "allowCredentials": true,
    })
}

fn preflight(target: &str, origin: &str) -> Request {
    Request::new("OPTIONS", target)
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "GET")
}

/// The items of a list in a header, in order of the alphabet and lower case: their order and the
/// blanks between them say nothing.
fn items(answer: &Answer, name: &str) -> Vec<String> {
    let text = answer.values(name).join(",");
    let mut items: Vec<String> = text
        .split(',')
        .map(|item| item.trim().to_ascii_lowercase())
        .filter(|item| !item.is_empty())
        .collect();
    items.sort();
    items
}

#[test]
fn a_preflight_request_is_answered_without_a_route() {
    let (site, backend) = (Managed::start(), backend());
    let api = api(&site, &backend, &configuration());
    let answer = api.ask(&preflight("/pets", ORIGIN));
    assert_eq!((answer.status, answer.text()), (204, "")); // [K] 204
    assert_eq!(answer.header("access-control-allow-origin"), Some(ORIGIN));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("access-control-max-age"), Some("300"));
    assert_eq!(items(&answer, "access-control-allow-methods"), ["get", "post"]);
    assert_eq!(items(&answer, "access-control-allow-headers"), ["authorization", "x-custom"]);
    assert_eq!(backend.requests().len(), 1, "only the request before it went to the backend");
}

#[test]
fn each_allowed_origin_is_answered_with_itself() {
    let (site, backend) = (Managed::start(), backend());
    let api = api(&site, &backend, &configuration());
    for origin in [ORIGIN, "https://other.example"] {
        let answer = api.ask(&preflight("/pets", origin));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
        let answer = api.ask(&Request::get("/pets").header("Origin", origin));
        assert_eq!(answer.header("access-control-allow-origin"), Some(origin));
    }
}

#[test]
fn another_origin_is_not_allowed() {
    let (site, backend) = (Managed::start(), backend());
    let api = api(&site, &backend, &configuration());
    for origin in
        ["https://evil.example", "http://www.example.com", "https://www.example.com.evil.example"]
    {
        // [K] that there is none, and what the status is.
        let answer = api.ask(&preflight("/pets", origin));
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
        let answer = api.ask(&Request::get("/pets").header("Origin", origin));
        assert_eq!((answer.status, answer.text()), (200, "ok"), "it is the browser that refuses");
        assert_eq!(answer.header("access-control-allow-origin"), None, "{origin}");
    }
}

#[test]
fn headers_of_the_backend_are_ignored() {
    let (site, backend) = (Managed::start(), backend());
    let api = api(&site, &backend, &configuration());
    let answer = api.ask(&Request::get("/pets").header("Origin", ORIGIN));
    assert_eq!((answer.status, answer.text()), (200, "ok"));
    assert_eq!(answer.values("access-control-allow-origin"), [ORIGIN]);
    assert_eq!(items(&answer, "access-control-expose-headers"), ["date", "x-api-id"]);
    assert!(!items(&answer, "access-control-allow-methods").contains(&"put".to_owned()));
    assert_eq!(answer.header("access-control-allow-credentials"), Some("true"));
    assert_eq!(answer.header("x-backend"), Some("1"), "other headers stay");
}

#[test]
fn all_origins_are_allowed_by_a_star() {
    let (site, backend) = (Managed::start(), backend());
    let cors = json!({ "allowOrigins": ["*"], "allowMethods": ["*"], "allowHeaders": ["*"] });
    let api = api(&site, &backend, &cors);
    let answer = api.ask(&preflight("/pets", "https://any.example"));
    assert_eq!(answer.header("access-control-allow-origin"), Some("*"));
    assert_eq!(answer.header("access-control-allow-credentials"), None);
    let answer = api.ask(&Request::get("/pets").header("Origin", "https://any.example"));
    assert_eq!(answer.values("access-control-allow-origin"), ["*"]);
}

#[test]
fn without_a_configuration_the_backend_decides() {
    let (site, backend) = (Managed::start(), backend());
    let api = site.create_http_api(json!({}));
    api.proxy("GET /pets", &format!("http://{}/", backend.address()));
    api.create_default_stage();
    let answer = api.ask_for(200, &Request::get("/pets").header("Origin", ORIGIN));
    assert_eq!(answer.values("access-control-allow-origin"), ["https://backend.example"]);
    crate::refusal::assert_not_found(&api.ask(&preflight("/pets", ORIGIN)));
}

#[test]
fn a_configuration_is_added_and_removed() {
    let (site, backend) = (Managed::start(), backend());
    let api = site.create_http_api(json!({}));
    api.proxy("GET /pets", &format!("http://{}/", backend.address()));
    api.create_default_stage();
    api.ask_for(200, &Request::get("/pets"));
    let cors = json!({ "corsConfiguration": { "allowOrigins": [ORIGIN] } });
    site.management().update(&api.path(""), &cors);
    let request = Request::get("/pets").header("Origin", ORIGIN);
    let allows = |origin: &'static str| {
        move |answer: &Answer| answer.header("access-control-allow-origin") == Some(origin)
    };
    api.ask_until(&request, allows(ORIGIN));
    site.management().delete(&api.path("/cors"));
    api.ask_until(&request, allows("https://backend.example"));
}
