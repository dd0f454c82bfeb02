//! Which route a request goes to.

use serde_json::json;

use crate::harness::{HttpApi, Managed, Received, Request, Upstream};
use crate::refusal::{assert_identified, assert_not_found};

/// An API with these routes, each to a path of its own: the first to `/route0`. A `$default` stage
/// has them.
fn api<'g>(site: &'g Managed, backend: &Upstream, keys: &[&str]) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    for (number, key) in keys.iter().enumerate() {
        api.proxy(key, &format!("http://{}/route{number}", backend.address()));
    }
    api.create_default_stage();
    api
}

/// The number of the route that takes the request.
#[track_caller]
fn route_of(api: &HttpApi<'_>, method: &str, target: &str) -> usize {
    let answer = api.ask_for(200, &Request::new(method, target));
    let received = Received::of(&answer);
    let path = received.target().strip_prefix("/route").expect("a route").to_owned();
    let digits: String = path.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().expect("a number")
}

const OF_THE_GUIDE: [&str; 5] =
    ["GET /pets/dog/1", "GET /pets/dog/{id}", "GET /pets/{proxy+}", "ANY /{proxy+}", "$default"];

#[test]
fn the_most_specific_route_is_selected() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, &OF_THE_GUIDE);
    assert_eq!(route_of(&api, "GET", "/pets/dog/1"), 0);
    assert_eq!(route_of(&api, "GET", "/pets/dog/2"), 1);
    assert_eq!(route_of(&api, "GET", "/pets/cat/1"), 2);
    assert_eq!(route_of(&api, "POST", "/test/5"), 3);
    // Besides the rows of the guide.
    assert_eq!(route_of(&api, "POST", "/pets/dog/1"), 3, "a full match is of path and method");
    assert_eq!(route_of(&api, "GET", "/pets/dog/2/x"), 2);
    // [K] that a greedy variable takes at least one part.
    assert_eq!(route_of(&api, "GET", "/"), 4, "nothing is left for a greedy variable");
}

#[test]
fn the_order_of_creation_does_not_matter() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let mut keys = OF_THE_GUIDE;
    keys.reverse();
    let api = api(&site, &backend, &keys);
    assert_eq!(route_of(&api, "GET", "/pets/dog/1"), 4);
    assert_eq!(route_of(&api, "GET", "/pets/dog/2"), 3);
    assert_eq!(route_of(&api, "GET", "/pets/cat/1"), 2);
    assert_eq!(route_of(&api, "POST", "/test/5"), 1);
}

#[test]
fn any_takes_the_methods_that_have_no_route() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, &["GET /pets", "ANY /pets", "POST /pets/{id}"]);
    assert_eq!(route_of(&api, "GET", "/pets"), 0);
    for method in ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"] {
        assert_eq!(route_of(&api, method, "/pets"), 1, "{method}");
    }
    assert_not_found(&api.ask(&Request::get("/pets/1")));
}

#[test]
fn without_a_match_nothing_is_found() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, &["GET /pets", "GET /pets/{id}"]);
    assert_eq!(route_of(&api, "GET", "/pets"), 0);
    for target in ["/", "/pet", "/Pets", "/pets/1/2"] {
        assert_not_found(&api.ask(&Request::get(target)));
    }
    assert_not_found(&api.ask(&Request::new("POST", "/pets")));
    assert_eq!(backend.requests().len(), 1);
}

#[test]
fn the_default_route_takes_every_path_and_method() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, &["GET /pets", "$default"]);
    assert_eq!(route_of(&api, "GET", "/pets"), 0);
    assert_eq!(route_of(&api, "POST", "/pets"), 1);
    assert_eq!(route_of(&api, "DELETE", "/other/a/b"), 1);
    assert_eq!(route_of(&api, "GET", "/"), 1);
}

#[test]
fn a_greedy_route_of_one_method_comes_before_the_default_route() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, &["$default", "OPTIONS /{proxy+}"]);
    assert_eq!(route_of(&api, "OPTIONS", "/any/path"), 1);
    assert_eq!(route_of(&api, "GET", "/any/path"), 0);
}

#[test]
fn the_default_route_sends_the_full_path() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    api.proxy("$default", &format!("http://{}", backend.address()));
    api.create_default_stage();
    let answer = api.ask_for(200, &Request::get("/store/checkout?id=4"));
    assert_eq!(Received::of(&answer).target(), "/store/checkout?id=4");
}

#[test]
fn answers_have_the_id_of_their_request() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend, &["GET /pets"]);
    let mut ids: Vec<String> = (0..10)
        .map(|_| {
            let answer = api.ask_for(200, &Request::get("/pets"));
            assert_identified(&answer);
            answer.header("apigw-requestid").expect("an id").to_owned()
        })
        .collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 10, "each has its own");
}

#[test]
fn a_route_goes_to_another_integration() {
    let site = Managed::start();
    let (old, new) = (Upstream::mirror(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    let route = api.proxy("GET /x", &format!("http://{}/old", old.address()));
    api.create_default_stage();
    api.ask_for(200, &Request::get("/x"));
    let other = api.create_proxy(&format!("http://{}/new", new.address()), json!({}));
    let target = json!({ "target": format!("integrations/{other}") });
    site.management().update(&api.path(&format!("/routes/{route}")), &target);
    api.ask_until(&Request::get("/x"), |answer| Received::of(answer).target() == "/new");
    site.management().delete(&api.path(&format!("/routes/{route}")));
    assert_not_found(&api.ask_for(404, &Request::get("/x")));
}
