//! Custom domain names with API mappings and base path mappings.

use serde_json::json;

use crate::domain::{Domain, api_that_says};
use crate::harness::{Managed, Received, Request, Upstream};

#[test]
fn the_longest_matching_path_is_selected() {
    let site = Managed::start();
    let apis = ["API 1", "API 2", "API 3", "API 4"].map(|name| api_that_says(&site, name));
    let domain = Domain::create(&site, "api.example.com", "");
    let keys = ["", "orders/v1/items", "orders/v2/items", "orders/v2/items/categories"];
    for (key, api) in keys.iter().zip(&apis) {
        domain.map(key, api.id(), "prod");
    }
    for (target, api) in [
        ("/orders/v1/items", "API 2"),
        ("/orders/v2/items", "API 3"),
        ("/orders/v1/items/123", "API 2"),
        ("/orders/v2/items/categories/5", "API 4"),
        ("/customers", "API 1"),
        // Besides the rows of the guide: a part of the path matches whole or not at all.
        ("/orders/v1/itemsandmore", "API 1"),
        ("/orders/v1", "API 1"),
        ("/orders/v2/items/category", "API 3"),
        ("/orders/v1/items?q=1", "API 2"),
        ("/orders/v1/items/", "API 2"),
        ("/", "API 1"),
    ] {
        domain.ask_for_body(api, &Request::get(target));
    }
}

#[test]
fn the_path_of_the_mapping_is_not_part_of_the_resource() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.http_proxy("/{proxy+}", "ANY", &format!("http://{}/b/{{proxy}}", backend.address()));
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("orders/v1", api.id(), "prod");
    let request = Request::get("/orders/v1/items/123?q=1").host("api.example.com");
    let answer = site.ask_for(200, &request);
    assert_eq!(Received::of(&answer).target(), "/b/items/123?q=1");
}

#[test]
fn rest_and_http_apis_share_a_domain() {
    let (site, backend) =
        (Managed::start(), Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nhttp"));
    let rest = api_that_says(&site, "rest");
    let http = site.create_http_api(json!({ "target": format!("http://{}", backend.address()) }));
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("rest", rest.id(), "prod");
    domain.map("http", http.id(), "$default");
    let answer = domain.ask_for_body("rest", &Request::get("/rest/x"));
    assert!(answer.header("x-amzn-requestid").is_some(), "{}", answer.head);
    let answer = domain.ask_for_body("http", &Request::get("/http/x"));
    assert!(answer.header("apigw-requestid").is_some(), "{}", answer.head);
}

/// Paths of several levels lead to stages of HTTP APIs, and what they were is told.
#[test]
fn stages_of_http_apis_have_mappings_of_many_levels() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    let base = json!({ "append:header.X-Base": "$context.customDomain.basePathMatched" });
    let uri = format!("http://{}/b", backend.address());
    let proxy = api.create_proxy(&uri, json!({ "requestParameters": base }));
    api.create_route("$default", &proxy);
    api.create_default_stage();
    api.create_stage(json!({ "stageName": "dev", "autoDeploy": true }));
    api.ask_for(200, &Request::get("/dev/x"));
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("orders/v1/items/special", api.id(), "dev");
    domain.map("orders/v1", api.id(), "$default");
    let received = |target: &str| {
        let answer = site.ask_for(200, &Request::get(target).host("api.example.com"));
        Received::of(&answer)
    };
    for (target, seen, base) in [
        ("/orders/v1/items/7?q=1", "/b/items/7?q=1", "orders/v1"),
        ("/orders/v1/items/special/7", "/b/7", "orders/v1/items/special"),
        ("/orders/v1/items/specials", "/b/items/specials", "orders/v1"),
        // The name of a stage is no part of the addresses of a domain.
        ("/orders/v1/dev/x", "/b/dev/x", "orders/v1"),
    ] {
        let received = received(target);
        assert_eq!(received.target(), seen, "{target}");
        assert_eq!(received.header("x-base").as_deref(), Some(base), "{target}");
    }
    domain.ask_for_nothing(&Request::get("/orders"));
}

#[test]
fn without_an_empty_mapping_other_paths_are_not_there() {
    let site = Managed::start();
    let api = api_that_says(&site, "one");
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("orders", api.id(), "prod");
    domain.ask_for_body("one", &Request::get("/orders/x"));
    domain.ask_for_nothing(&Request::get("/customers"));
    domain.ask_for_nothing(&Request::get("/prod/x"));
    // Nor is the mapping on another host.
    let answer = site.ask(&Request::get("/orders/x").host("other.example.com"));
    assert!(answer.is_of_no_api(), "{}", answer.head);
}

#[test]
fn hosts_have_no_case_and_may_have_a_port() {
    let site = Managed::start();
    let api = api_that_says(&site, "one");
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("", api.id(), "prod");
    domain.ask_for_body("one", &Request::get("/x"));
    // [K] the one with the dot of a full name.
    for host in ["API.Example.COM", "api.example.com:8443", "api.example.com."] {
        assert_eq!(site.ask(&Request::get("/x").host(host)).text(), "one", "{host}");
    }
}

#[test]
fn a_wildcard_covers_one_label() {
    // [K] that it is one, and that a name of its own comes first.
    let site = Managed::start();
    let (wild, own) = (api_that_says(&site, "wild"), api_that_says(&site, "own"));
    Domain::create(&site, "*.example.com", "").map("", wild.id(), "prod");
    Domain::create(&site, "own.example.com", "").map("", own.id(), "prod");
    let at = |host: &str| Request::get("/x").host(host);
    site.ask_until(&at("any.example.com"), |answer| answer.text() == "wild");
    site.ask_until(&at("own.example.com"), |answer| answer.text() == "own");
    for host in ["example.com", "a.b.example.com"] {
        assert!(site.ask(&at(host)).is_of_no_api(), "{host}");
    }
}

#[test]
fn mappings_change_and_go() {
    let site = Managed::start();
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    let domain = Domain::create(&site, "api.example.com", "");
    let mapping = domain.map("a", one.id(), "prod");
    domain.ask_for_body("one", &Request::get("/a/x"));
    let path = domain.path(&format!("/apimappings/{mapping}"));
    site.management().update(&path, &json!({ "apiId": two.id(), "stage": "prod" }));
    domain.ask_for_body("two", &Request::get("/a/x"));
    site.management().update(&path, &json!({ "apiId": two.id(), "apiMappingKey": "b" }));
    domain.ask_for_body("two", &Request::get("/b/x"));
    domain.ask_for_nothing(&Request::get("/a/x"));
    site.management().delete(&path);
    domain.ask_for_nothing(&Request::get("/b/x"));
}

#[test]
fn a_deleted_domain_is_not_served() {
    let site = Managed::start();
    let api = api_that_says(&site, "one");
    let domain = Domain::create(&site, "api.example.com", "");
    let mapping = domain.map("", api.id(), "prod");
    domain.ask_for_body("one", &Request::get("/x"));
    site.management().delete(&domain.path(&format!("/apimappings/{mapping}")));
    site.management().delete(&domain.path(""));
    domain.ask_for_nothing(&Request::get("/x"));
    assert_eq!(api.ask(&Request::get("/prod/x")).text(), "one");
}

#[test]
fn base_path_mappings_of_the_first_generation() {
    let site = Managed::start();
    let api = api_that_says(&site, "one");
    let name = "v1.example.com";
    let body = json!({
        "domainName": name, "endpointConfiguration": { "types": ["REGIONAL"] },
        "regionalCertificateArn": "arn:aws:acm:us-east-1:111111111111:certificate/x",
        "securityPolicy": "TLS_1_2",
    });
    site.management().post("/domainnames", &body);
    let mappings = format!("/domainnames/{name}/basepathmappings");
    let map = |body| site.management().post(&mappings, &body);
    map(json!({ "basePath": "with", "restApiId": api.id(), "stage": "prod" }));
    map(json!({ "basePath": "without", "restApiId": api.id() }));
    let at = |target: &str| Request::get(target).host(name);
    site.ask_until(&at("/with/x"), |answer| answer.text() == "one");
    // [K] that the stage is then the next part of the path.
    site.ask_until(&at("/without/prod/x"), |answer| answer.text() == "one");
    assert_ne!(site.ask(&at("/without/x")).status, 200);
    assert_ne!(site.ask(&at("/x")).status, 200);
}

/// "/ping" and "/sping" of custom domains are the service's own.
#[test]
fn health_paths_of_a_domain_are_reserved() {
    let site = Managed::start();
    let api = api_that_says(&site, "one");
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("", api.id(), "prod");
    domain.ask_for_body("one", &Request::get("/x"));
    for path in ["/ping", "/sping"] {
        let answer = domain.ask(&Request::get(path));
        assert_eq!(answer.status, 200, "{path}: {}", answer.head);
        assert_ne!(answer.text(), "one", "{path}");
        assert_eq!(domain.ask(&Request::get(&format!("{path}/x"))).text(), "one", "{path}/x");
        // The API's own host has no such path.
        assert_eq!(api.ask(&Request::get(&format!("/prod{path}"))).text(), "one");
    }
    // Nor has a name that is no domain's.
    assert!(site.ask(&Request::get("/ping").host("other.example.com")).is_of_no_api());
}
