//! CreateApi with a target: an API that is served at once.

use serde_json::json;

use crate::harness::{Managed, Received, Request, Upstream};
use crate::refusal::{assert_identified, assert_not_found};

#[test]
fn a_target_makes_a_whole_api() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let target = format!("http://{}", backend.address());
    let api = site.create_http_api(json!({ "target": target }));
    let answer = api.ask_for(200, &Request::get("/store/checkout?id=1"));
    assert_identified(&answer);
    assert_eq!(Received::of(&answer).line(), "GET /store/checkout?id=1 HTTP/1.1");
    let answer = api.ask(&Request::post("/", "text"));
    let received = Received::of(&answer);
    assert_eq!((received.line(), &received.body[..]), ("POST / HTTP/1.1", &b"text"[..]));
}

#[test]
fn a_route_key_takes_the_place_of_the_default_route() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let target = format!("http://{}/pets", backend.address());
    let api = site.create_http_api(json!({ "target": target, "routeKey": "GET /pets" }));
    assert_eq!(Received::of(&api.ask_for(200, &Request::get("/pets"))).target(), "/pets");
    assert_not_found(&api.ask(&Request::get("/other")));
    assert_not_found(&api.ask(&Request::new("POST", "/pets")));
}

#[test]
fn routes_that_are_added_are_served() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let uri = |path: &str| format!("http://{}{path}", backend.address());
    let api = site.create_http_api(json!({ "target": uri("") }));
    api.ask_for(200, &Request::get("/x"));
    api.proxy("GET /x", &uri("/own"));
    api.ask_until(&Request::get("/x"), |answer| Received::of(answer).target() == "/own");
}
