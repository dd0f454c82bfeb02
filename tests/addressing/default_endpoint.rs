//! The host and the paths that each API has of itself.

use serde_json::{Value as Json, json};

use crate::domain::{Domain, api_that_says};
use crate::harness::{Answer, Managed, Received, Request, Upstream, replace};

#[test]
fn the_host_names_the_api() {
    let site = Managed::start();
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    for (api, body) in [(&one, "one"), (&two, "two")] {
        for tail in [".amazonaws.com", ".localhost", ".gateway.internal", ".example.com:8080"] {
            let host = format!("{}.execute-api.us-east-1{tail}", api.id());
            let answer = site.ask(&Request::get("/prod/x").host(&host));
            assert_eq!((answer.status, answer.text()), (200, body), "{host}");
        }
        let host = api.host().to_ascii_uppercase();
        let answer = site.ask(&Request::get("/prod/x").host(&host));
        assert_eq!((answer.status, answer.text()), (200, body), "hosts have no case");
    }
}

#[test]
fn other_hosts_name_nothing() {
    let site = Managed::start();
    let api = api_that_says(&site, "one");
    let id = api.id();
    for host in [
        "zzzzzzzzzz.execute-api.us-east-1.amazonaws.com".to_owned(),
        format!("{id}.execute-api"),
        format!("{id}.example.com"),
        format!("x{id}.execute-api.us-east-1.amazonaws.com"),
        "localhost".to_owned(),
    ] {
        let answer = site.ask(&Request::get("/prod/x").host(&host));
        assert!(answer.is_of_no_api(), "{host}: {}", answer.head);
    }
}

#[test]
fn the_path_names_api_and_stage_where_there_is_no_dns() {
    let site = Managed::start();
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    for (api, body) in [(&one, "one"), (&two, "two")] {
        let id = api.id();
        for target in [
            format!("/_aws/execute-api/{id}/prod/x?q=1"),
            format!("/_aws/execute-api/{id}/prod"),
            format!("/restapis/{id}/prod/_user_request_/x?q=1"),
            format!("/restapis/{id}/prod/_user_request_/"),
        ] {
            let answer = site.ask(&Request::get(&target));
            assert_eq!((answer.status, answer.text()), (200, body), "{target}");
        }
        for target in [
            format!("/_aws/execute-api/{id}/test/x"),
            format!("/restapis/{id}/prod/x"),
            "/_aws/execute-api/zzzzzzzzzz/prod/x".to_owned(),
            format!("/_aws/execute-api/{id}"),
        ] {
            let answer = site.ask(&Request::get(&target));
            assert!(answer.is_of_no_api(), "{target}: {}", answer.head);
        }
    }
}

#[test]
fn the_path_form_reaches_the_same_resource() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.http_proxy("/pets/{proxy+}", "ANY", &format!("http://{}/b/{{proxy}}", backend.address()));
    api.deploy("prod");
    let by_host = Received::of(&api.ask_for(200, &Request::get("/prod/pets/a/b?q=1")));
    assert_eq!(by_host.line(), "GET /b/a/b?q=1 HTTP/1.1");
    for form in ["/_aws/execute-api/{id}/prod", "/restapis/{id}/prod/_user_request_"] {
        let target = form.replace("{id}", api.id()) + "/pets/a/b?q=1";
        let by_path = Received::of(&site.ask(&Request::get(&target)));
        assert_eq!(by_path.line(), by_host.line(), "{form}");
    }
}

#[test]
fn http_apis_have_the_same_forms() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_http_api(json!({}));
    api.proxy("GET /x", &format!("http://{}/y", backend.address()));
    api.create_default_stage();
    api.create_stage(json!({ "stageName": "dev", "autoDeploy": true }));
    api.ask_for(200, &Request::get("/x"));
    api.ask_for(200, &Request::get("/dev/x"));
    // [K] that the stage is named in the path even if it is `$default`.
    for stage in ["$default", "%24default", "dev"] {
        let target = format!("/_aws/execute-api/{}/{stage}/x", api.id());
        let answer = site.ask(&Request::get(&target));
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert_eq!(Received::of(&answer).target(), "/y");
    }
}

#[test]
fn apis_of_all_regions_are_served() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let target = format!("http://{}", backend.address());
    let body = json!({ "name": "test", "protocolType": "HTTP", "target": target });
    let made = site.management().in_region("eu-north-1").post("/v2/apis", &body);
    let id = made["apiId"].as_str().expect("an id");
    let (unseen, _) = site.management().call("GET", &format!("/v2/apis/{id}"), None);
    assert_eq!(unseen, 404, "it is in another region");
    let host = format!("{id}.execute-api.eu-north-1.amazonaws.com");
    site.ask_for(200, &Request::get("/x").host(&host));
    // The path form has no region, and an id is that of one API.
    let target = format!("/_aws/execute-api/{id}/$default/x");
    assert_eq!(site.ask(&Request::get(&target)).status, 200);
    // [K] that the host of another region does not do.
    let host = format!("{id}.execute-api.us-east-1.amazonaws.com");
    assert!(site.ask(&Request::get("/x").host(&host)).is_of_no_api());
}

#[test]
fn an_absolute_target_counts_more_than_the_host() {
    let site = Managed::start();
    let (one, two) = (api_that_says(&site, "one"), api_that_says(&site, "two"));
    let target = format!("http://{}/prod/x", one.host());
    let answer = site.ask(&Request::get(&target).host(&two.host()));
    assert!(answer.status == 400 || answer.text() == "one", "{}", answer.text());
}

#[test]
fn a_disabled_endpoint_answers_no_more() {
    let site = Managed::start();
    let api = api_that_says(&site, "one");
    let domain = Domain::create(&site, "api.example.com", "");
    domain.map("", api.id(), "prod");
    domain.ask_for_body("one", &Request::get("/x"));
    let disable = replace("/disableExecuteApiEndpoint", "True");
    site.management().patch(&api.path(""), &[disable]);
    api.deploy("prod");
    let answer = api.ask_for(403, &Request::get("/prod/x"));
    assert_eq!(answer.text(), r#"{"message":"Forbidden"}"#); // [K]
    for form in ["/_aws/execute-api/{id}/prod/x", "/restapis/{id}/prod/_user_request_/x"] {
        let target = form.replace("{id}", api.id());
        assert_eq!(site.ask(&Request::get(&target)).status, 403, "{target}");
    }
    assert_eq!(domain.ask(&Request::get("/x")).text(), "one", "its own domain still does");
}

#[test]
fn a_disabled_endpoint_of_an_http_api_answers_no_more() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let target = format!("http://{}", backend.address());
    let api = site.create_http_api(json!({ "target": target }));
    api.ask_for(200, &Request::get("/x"));
    let disable =
        |is_disabled: bool| -> Json { json!({ "disableExecuteApiEndpoint": is_disabled }) };
    site.management().update(&api.path(""), &disable(true));
    api.ask_until(&Request::get("/x"), Answer::is_of_no_api);
    site.management().update(&api.path(""), &disable(false));
    api.ask_for(200, &Request::get("/x"));
}
