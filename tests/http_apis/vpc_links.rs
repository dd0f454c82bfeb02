//! Private integrations: the ARN of a listener or a service stands for an upstream of the boot file.

use serde_json::{Value as Json, json};

use crate::harness::{HttpApi, Managed, Received, Request, Upstream, vpc_link_to};
use crate::refusal::assert_refused;

const LISTENER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:111111111111:listener/app/orders/a1b2/c3d4";
const SERVICE: &str = "arn:aws:servicediscovery:us-east-1:111111111111:service/srv-a1b2c3d4";

/// CreateIntegration through a link, with `more` members; returns its id.
fn private(api: &HttpApi<'_>, link: &str, arn: &str, more: Json) -> String {
    let mut members = json!({ "connectionType": "VPC_LINK", "connectionId": link });
    let (all, Json::Object(more)) = (members.as_object_mut().expect("an object"), more) else {
        panic!("no object");
    };
    all.extend(more);
    api.create_proxy(arn, members)
}

/// An API with `ANY /orders/{id}` by a new link to `arn`, on its default stage.
fn api<'g>(site: &'g Managed, arn: &str, more: Json) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    let integration = private(&api, &site.create_http_vpc_link(), arn, more);
    api.create_route("ANY /orders/{id}", &integration);
    api.create_default_stage();
    api
}

#[test]
fn a_listener_gets_the_request_as_it_came() {
    let backend = Upstream::mirror();
    let site = Managed::start_with(&vpc_link_to(LISTENER, "orders", &[&backend]));
    let api = api(&site, LISTENER, json!({}));
    api.ask_for(200, &Request::get("/orders/7"));
    let request = Request::post("/orders/7?q=1&q=2", "{}").header("X-Own", "1");
    let received = Received::of(&api.ask(&request));
    assert_eq!(received.line(), "POST /orders/7?q=1&q=2 HTTP/1.1");
    assert_eq!(received.header("host"), Some(api.host()), "that of the request");
    assert_eq!(received.header("x-own").as_deref(), Some("1"));
    assert_eq!(received.body, b"{}");
}

/// A service is meant whole, or as the instances that a query selects.
#[test]
fn a_service_stands_for_an_upstream_too() {
    let (all, green) = (Upstream::mirror(), Upstream::mirror());
    let query = format!("{SERVICE}?stage=prod&deployment=green");
    let tables = vpc_link_to(SERVICE, "all", &[&all]) + &vpc_link_to(&query, "green", &[&green]);
    let site = Managed::start_with(&tables);
    let blue = query.replace("green", "blue");
    for (arn, all_count, green_count) in [(SERVICE, 1, 0), (&query, 1, 1), (&blue, 2, 1)] {
        let answer = api(&site, arn, json!({})).ask_for(200, &Request::get("/orders/7"));
        assert_eq!(Received::of(&answer).target(), "/orders/7");
        assert_eq!((all.requests().len(), green.requests().len()), (all_count, green_count));
    }
}

/// "Build an HTTP API with private integrations": the stage is a part of the path that the backend
/// gets, unless a mapping puts the path of the route there.
#[test]
fn the_stage_of_a_default_endpoint_is_named() {
    let backend = Upstream::mirror();
    let site = Managed::start_with(&vpc_link_to(LISTENER, "orders", &[&backend]));
    let api = api(&site, LISTENER, json!({}));
    let short = json!({ "requestParameters": { "overwrite:path": "$request.path" } });
    let integration = private(&api, &site.create_http_vpc_link(), LISTENER, short);
    api.create_route("GET /short/{id}", &integration);
    api.create_stage(json!({ "stageName": "test", "autoDeploy": true }));
    let target = |answer| Received::of(&answer).target().to_owned();
    let ask = |path: &str| target(api.ask_for(200, &Request::get(path)));
    assert_eq!(ask("/test/orders/7?q=1"), "/test/orders/7?q=1");
    assert_eq!(ask("/test/short/7?q=1"), "/short/7?q=1");
    assert_eq!(ask("/orders/7"), "/orders/7", "the default stage has no name in a path");
    for (stage, wanted) in [("test", "/test/orders/7"), ("$default", "/orders/7")] {
        let path = format!("/_aws/execute-api/{}/{stage}/orders/7", api.id());
        assert_eq!(target(site.ask_for(200, &Request::get(&path))), wanted, "{stage}");
    }
}

#[test]
fn requests_are_balanced_over_the_targets() {
    let backends = [Upstream::mirror(), Upstream::mirror()];
    let [one, two] = &backends;
    let site = Managed::start_with(&vpc_link_to(LISTENER, "orders", &[one, two]));
    let api = api(&site, LISTENER, json!({}));
    api.ask_for(200, &Request::get("/orders/7"));
    for _ in 0..19 {
        assert_eq!(api.ask(&Request::get("/orders/7")).status, 200);
    }
    for backend in &backends {
        let count = backend.requests().len();
        assert!((8..=12).contains(&count), "{count} of 20");
    }
}

#[test]
fn stage_variables_name_the_link_and_parts_of_the_listener() {
    let (by_link, by_arn) = (Upstream::mirror(), Upstream::mirror());
    let tables =
        vpc_link_to(LISTENER, "one", &[&by_link]) + &vpc_link_to(SERVICE, "two", &[&by_arn]);
    let site = Managed::start_with(&tables);
    let api = site.create_http_api(json!({}));
    let link = site.create_http_vpc_link();
    let service = SERVICE.replace("srv-a1b2c3d4", "${stageVariables.service}");
    for (key, link, arn) in [
        ("GET /one", "${stageVariables.link}", LISTENER),
        ("GET /two", link.as_str(), service.as_str()),
    ] {
        api.create_route(key, &private(&api, link, arn, json!({})));
    }
    let variables = json!({ "link": link, "service": "srv-a1b2c3d4" });
    let stage = json!({ "stageName": "$default", "autoDeploy": true, "stageVariables": variables });
    api.create_stage(stage);
    api.ask_for(200, &Request::get("/one"));
    api.ask_for(200, &Request::get("/two"));
    assert_eq!((by_link.request().target(), by_arn.request().target()), ("/one", "/two"));
}

#[test]
fn a_listener_that_nothing_stands_for_is_told_and_closes_its_routes_alone() {
    let backend = Upstream::mirror();
    let site = Managed::start_with(&vpc_link_to(LISTENER, "orders", &[&backend]));
    let api = api(&site, LISTENER, json!({}));
    let link = site.create_http_vpc_link();
    let integration = private(&api, &link, SERVICE, json!({}));
    api.create_route("GET /unbound", &integration);
    let answer = api.ask_for(500, &Request::get("/unbound"));
    assert_refused(&answer, 500, "Internal Server Error");
    assert_eq!(api.ask(&Request::get("/orders/7")).status, 200);
    let line = site.gateway().wait_for_log("a warning", |line| {
        line["message"].as_str().is_some_and(|text| text.contains("VPC link"))
    });
    let message = line["message"].as_str().unwrap_or_default();
    assert!(message.contains("GET /unbound") && message.contains(&link), "{line}");
    assert_eq!((&line["api_id"], &line["stage_name"]), (&api.id().into(), &"$default".into()));
}
