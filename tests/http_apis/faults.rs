//! Backends that fail, integrations of a later version, and sizes.

use std::net::TcpListener;

use serde_json::{Value as Json, json};

use crate::harness::{Client, HttpApi, Managed, Request, Upstream};
use crate::refusal::{assert_identified, assert_refused};

fn api<'g>(site: &'g Managed, uri: &str, more: Json) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    let integration = api.create_proxy(uri, more);
    api.create_route("ANY /x", &integration);
    api.create_default_stage();
    api
}

#[test]
fn a_backend_that_does_not_answer_in_time() {
    let site = Managed::start();
    let backend = Upstream::start(|_, peer| {
        peer.request()?;
        peer.rest().map(drop)
    });
    let more = json!({ "timeoutInMillis": 50 });
    let api = api(&site, &format!("http://{}/", backend.address()), more);
    let answer = api.ask_for(503, &Request::get("/x")); // [K] 503 and its words
    assert_refused(&answer, 503, "Service Unavailable");
}

#[test]
fn a_backend_that_is_not_there() {
    let site = Managed::start();
    let address = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.local_addr().expect("a socket")
    };
    let api = api(&site, &format!("http://{address}/"), json!({}));
    let answer = api.ask_for(503, &Request::get("/x")); // [K] 503 and its words
    assert_refused(&answer, 503, "Service Unavailable");
}

#[test]
fn a_function_says_that_it_is_of_a_later_version() {
    let site = Managed::start();
    let function = "arn:aws:lambda:us-east-1:111111111111:function:f";
    let api = site.create_http_api(json!({ "target": function }));
    let answer = api.ask_until(&Request::get("/x"), |answer| answer.status >= 500);
    let said: Json = serde_json::from_str(answer.text()).expect("JSON");
    assert!(said["message"].as_str().expect("a message").contains(' '), "words: {said}");
    assert_identified(&answer);
}

#[test]
fn a_body_of_more_than_10_mib_is_too_large() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &format!("http://{}/", backend.address()), json!({}));
    api.ask_for(200, &Request::post("/x", "short"));
    let (host, length) = (api.host(), 10 * 1024 * 1024 + 1);
    let mut client = Client::connect(site.public());
    client.send(format!("POST /x HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\r\n"));
    let answer = client.answer_to("POST");
    assert_eq!(answer.status, 413);
    assert!(answer.text().starts_with("{\"message\":\""), "{}", answer.text()); // [K] which words
    assert_eq!(backend.requests().len(), 1);
}
