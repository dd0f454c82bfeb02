//! HTTP proxy integrations.

use serde_json::json;

use crate::harness::{HttpApi, Managed, Received, Request, Upstream};

/// A route of the backend's path, on a `$default` stage.
fn api<'g>(site: &'g Managed, backend: &Upstream, key: &str, path: &str) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    api.proxy(key, &format!("http://{}{path}", backend.address()));
    api.create_default_stage();
    api
}

#[track_caller]
fn received(key: &str, path: &str, request: &Request) -> Received {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    Received::of(&api(&site, &backend, key, path).ask_for(200, request))
}

#[test]
fn variables_of_the_path_are_in_the_uri() {
    let request = Request::get("/pets/6");
    let received = received("GET /pets/{petID}", "/pets/extendedpath/{petID}", &request);
    assert_eq!(received.line(), "GET /pets/extendedpath/6 HTTP/1.1");
}

#[test]
fn a_greedy_variable_is_in_the_uri() {
    let request = Request::new("PUT", "/parent/a/b/c.txt");
    let received = received("ANY /parent/{proxy+}", "/petstore/{proxy}", &request);
    assert_eq!(received.line(), "PUT /petstore/a/b/c.txt HTTP/1.1");
}

#[test]
fn escapes_stay_escapes() {
    let request = Request::get("/parent/a%20b/c%25d");
    let received = received("ANY /parent/{proxy+}", "/petstore/{proxy}", &request);
    assert_eq!(received.target(), "/petstore/a%20b/c%25d");
}

#[test]
fn the_query_passes() {
    let received = received("GET /pets", "/pets", &Request::get("/pets?id=4&type=dog&id=5"));
    let (path, query) = received.target().split_once('?').expect("a query");
    let mut pairs: Vec<&str> = query.split('&').collect();
    pairs.sort_unstable();
    assert_eq!((path, pairs), ("/pets", vec!["id=4", "id=5", "type=dog"]));
}

#[test]
fn the_method_of_the_integration_is_used() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    let uri = format!("http://{}/y", backend.address());
    let integration = api.create_proxy(&uri, json!({ "integrationMethod": "POST" }));
    api.create_route("GET /x", &integration);
    api.create_default_stage();
    let received = Received::of(&api.ask_for(200, &Request::get("/x")));
    assert_eq!(received.line(), "POST /y HTTP/1.1");
}

#[test]
fn headers_pass_both_ways() {
    let site = Managed::start();
    let backend = Upstream::answering(
        "HTTP/1.1 201 Created\r\nContent-Type: text/plain\r\nX-Own: 1\r\nSet-Cookie: a=1\r\n\
         Set-Cookie: b=2\r\nContent-Length: 2\r\n\r\nok",
    );
    let api = api(&site, &backend, "POST /x", "/y");
    let request = Request::post("/x", "{}")
        .header("Content-Type", "application/json")
        .header("X-Custom", "one")
        .header("Authorization", "Bearer token");
    let answer = api.ask_for(201, &request);
    assert_eq!((answer.header("content-type"), answer.text()), (Some("text/plain"), "ok"));
    assert_eq!(answer.header("x-own"), Some("1"));
    assert_eq!(answer.values("set-cookie"), ["a=1", "b=2"]);
    let received = backend.request();
    for (name, value) in [
        ("content-type", "application/json"),
        ("x-custom", "one"),
        ("authorization", "Bearer token"),
    ] {
        assert_eq!(received.header(name).as_deref(), Some(value), "{name}");
    }
    // [K] that it is not the host which the client asked.
    assert_eq!(received.header("host"), Some(backend.address().to_string()));
}

#[test]
fn statuses_of_the_backend_pass() {
    let site = Managed::start();
    let backend = Upstream::answering_by(|request| {
        let status = request.target().rsplit('/').next().expect("a path").to_owned();
        format!("HTTP/1.1 {status} X\r\nx-own: {status}\r\ncontent-length: 2\r\n\r\nok")
    });
    let api = api(&site, &backend, "GET /{code}", "/{code}");
    for status in [200, 302, 404, 418, 500, 503] {
        let request = Request::get(&format!("/{status}"));
        let answer = api.ask_until(&request, |answer| answer.header("x-own").is_some());
        assert_eq!((answer.status, answer.text()), (status, "ok"));
    }
}

#[test]
fn forwarding_is_told_in_one_header() {
    let request = Request::get("/x")
        .header("X-Forwarded-For", "203.0.113.7")
        .header("X-Forwarded-Proto", "https")
        .header("X-Forwarded-Host", "shop.example");
    let received = received("GET /x", "/y", &request);
    let forwarded = received.values("forwarded").join(", ");
    // [K] how an element is written.
    let client = forwarded.find("for=203.0.113.7").expect("the client that was told of");
    let own = forwarded.find("for=127.0.0.1").expect("who asked this gateway");
    assert!(client < own, "appended: {forwarded}");
    for name in ["x-forwarded-for", "x-forwarded-proto", "x-forwarded-host"] {
        assert_eq!(received.header(name), None, "{name} was rewritten: {}", received.head);
    }
}

#[test]
fn forwarding_is_told_of_every_request() {
    let received = received("GET /x", "/y", &Request::get("/x"));
    let forwarded = received.header("forwarded").expect("the header");
    // [K] which parts it has.
    for part in ["for=127.0.0.1", "proto=http", "host="] {
        assert!(forwarded.contains(part), "{part} in {forwarded}");
    }
}

#[test]
fn an_empty_body_has_a_content_type() {
    let received = received("POST /x", "/y", &Request::post("/x", ""));
    assert!(received.header("content-type").is_some(), "{}", received.head);
    assert_eq!(received.header("content-length").as_deref(), Some("0"));
}
