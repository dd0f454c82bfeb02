//! Private integrations: what a VPC link leads to is an upstream of the boot file.

use serde_json::{Value as Json, json};

use crate::harness::{
    Gateway, Managed, Received, Request, RestApi, Upstream, replace, vpc_link_to,
};
use crate::refusal::assert_internal_error;

const BALANCER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:111111111111:loadbalancer/net/orders/a1b2";
const LISTENER: &str =
    "arn:aws:elasticloadbalancing:us-east-1:111111111111:listener/app/orders/a1b2/c3d4";

/// An API that was not deployed: `ANY /orders/{proxy+}` goes to `uri` by the link, with `more`
/// members of its integration.
fn api<'g>(site: &'g Managed, link: &str, uri: &str, more: Json) -> RestApi<'g> {
    let api = site.create_rest_api();
    let declared = json!({ "method.request.path.proxy": true });
    api.put_method("/orders/{proxy+}", "ANY", json!({ "requestParameters": declared }));
    let mut integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "ANY", "uri": uri,
        "connectionType": "VPC_LINK", "connectionId": link,
        "requestParameters": { "integration.request.path.proxy": "method.request.path.proxy" },
    });
    let (all, Json::Object(more)) = (integration.as_object_mut().expect("an object"), more) else {
        panic!("no object");
    };
    all.extend(more);
    api.put_integration("/orders/{proxy+}", "ANY", integration);
    api
}

#[test]
fn host_and_path_are_those_of_the_uri() {
    let backend = Upstream::mirror();
    let site = Managed::start_with(&vpc_link_to(BALANCER, "orders", &[&backend]));
    let link = site.create_vpc_link(BALANCER);
    let uri = "http://orders.internal.example/base/{proxy}?fixed=1";
    let api = api(&site, &link, uri, json!({}));
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/orders/7"));
    let request = Request::post("/prod/orders/7/items?q=2", "{}");
    let received = Received::of(&api.ask(&request));
    assert_eq!(received.line(), "POST /base/7/items?fixed=1&q=2 HTTP/1.1");
    assert_eq!(received.header("host").as_deref(), Some("orders.internal.example"));
    assert_eq!(received.header("x-amzn-apigateway-api-id").as_deref(), Some(api.id()));
    assert_eq!(received.body, b"{}");
}

#[test]
fn a_port_of_the_uri_is_told_and_leads_nowhere_else() {
    let backend = Upstream::mirror();
    let site = Managed::start_with(&vpc_link_to(BALANCER, "orders", &[&backend]));
    let link = site.create_vpc_link(BALANCER);
    let api = api(&site, &link, "http://orders.internal.example:8080/{proxy}", json!({}));
    api.deploy("prod");
    let received = Received::of(&api.ask_for(200, &Request::get("/prod/orders/7")));
    assert_eq!(received.header("host").as_deref(), Some("orders.internal.example:8080"));
    assert_eq!(received.target(), "/7");
}

#[test]
fn answers_are_mapped_as_those_of_any_endpoint() {
    let backend = Upstream::answering("HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\nok");
    let site = Managed::start_with(&vpc_link_to(BALANCER, "orders", &[&backend]));
    let link = site.create_vpc_link(BALANCER);
    let api = site.create_rest_api();
    api.put_method("/x", "POST", json!({}));
    let integration = json!({
        "type": "HTTP", "httpMethod": "PUT", "uri": "http://orders.internal.example/y",
        "connectionType": "VPC_LINK", "connectionId": link,
    });
    api.put_integration("/x", "POST", integration);
    api.put_method_response("/x", "POST", 202, json!({}));
    api.put_integration_response("/x", "POST", 202, json!({ "selectionPattern": "20\\d" }));
    api.deploy("prod");
    let answer = api.ask_for(202, &Request::post("/prod/x", "{}"));
    assert_eq!(answer.text(), "ok");
    assert_eq!(backend.request().line(), "PUT /y HTTP/1.1");
}

#[test]
fn requests_are_balanced_over_the_targets() {
    let backends = [Upstream::mirror(), Upstream::mirror(), Upstream::mirror()];
    let [one, two, three] = &backends;
    let site = Managed::start_with(&vpc_link_to(BALANCER, "orders", &[one, two, three]));
    let link = site.create_vpc_link(BALANCER);
    let api = api(&site, &link, "http://orders.internal.example/{proxy}", json!({}));
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/orders/7"));
    for _ in 0..29 {
        assert_eq!(api.ask(&Request::get("/prod/orders/7")).status, 200);
    }
    for backend in &backends {
        let count = backend.requests().len();
        assert!((8..=12).contains(&count), "{count} of 30");
    }
}

#[test]
fn what_an_integration_names_counts_more_than_its_link() {
    let (by_link, by_target) = (Upstream::mirror(), Upstream::mirror());
    let tables = vpc_link_to(BALANCER, "link", &[&by_link])
        + &vpc_link_to(LISTENER, "target", &[&by_target]);
    let site = Managed::start_with(&tables);
    let link = site.create_vpc_link(BALANCER);
    let uri = "http://orders.internal.example/{proxy}";
    let api = api(&site, &link, uri, json!({ "integrationTarget": LISTENER }));
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/orders/7"));
    assert_eq!((by_link.requests().len(), by_target.requests().len()), (0, 1));
}

#[test]
fn a_stage_variable_names_the_link() {
    let (test, live) = (Upstream::mirror(), Upstream::mirror());
    let other = BALANCER.replace("orders", "others");
    let tables = vpc_link_to(BALANCER, "test", &[&test]) + &vpc_link_to(&other, "live", &[&live]);
    let site = Managed::start_with(&tables);
    let links = [BALANCER, &other].map(|arn| site.create_vpc_link(arn));
    let uri = "http://orders.internal.example/{proxy}";
    let api = api(&site, "${stageVariables.link}", uri, json!({}));
    for (stage, link) in ["test", "prod"].iter().zip(&links) {
        let variables = json!({ "link": link });
        api.create_deployment(json!({ "stageName": stage, "variables": variables }));
    }
    api.ask_for(200, &Request::get("/test/orders/7"));
    assert_eq!((test.requests().len(), live.requests().len()), (1, 0));
    api.ask_for(200, &Request::get("/prod/orders/7"));
    assert_eq!((test.requests().len(), live.requests().len()), (1, 1));
    // The variable alone changes where it leads.
    api.patch_stage("prod", &[replace("/variables/link", &links[0])]);
    let wanted = test.clone();
    api.ask_until(&Request::get("/prod/orders/7"), |_| wanted.requests().len() == 2);
}

#[test]
fn a_link_that_nothing_stands_for_is_told_and_closes_its_methods_alone() {
    let backend = Upstream::mirror();
    let site = Managed::start_with(&vpc_link_to(BALANCER, "orders", &[&backend]));
    let link = site.create_vpc_link(&BALANCER.replace("orders", "unbound"));
    let api = api(&site, &link, "http://orders.internal.example/{proxy}", json!({}));
    api.mock("/mock", "GET", "here");
    api.deploy("prod");
    assert_eq!(api.ask_for(200, &Request::get("/prod/mock")).text(), "here");
    assert_internal_error(&api.ask(&Request::get("/prod/orders/7")));
    let line = site.gateway().wait_for_log("a warning", |line| {
        line["message"].as_str().is_some_and(|text| text.contains("VPC link"))
    });
    let message = line["message"].as_str().unwrap_or_default();
    assert!(message.contains("ANY /orders/{proxy+}") && message.contains(&link), "{line}");
    assert_eq!((&line["api_id"], &line["stage_name"]), (&api.id().into(), &"prod".into()));
    assert_eq!(backend.connections_count(), 0);
}

#[test]
fn a_link_without_targets_that_answer_is_an_integration_that_fails() {
    let gone = {
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        listener.local_addr().expect("a socket")
    };
    let tables = format!(
        "[[management.vpc_link]]\narn = \"{BALANCER}\"\nupstream = \"orders\"\n\n\
         [[upstream]]\nname = \"orders\"\ntargets = [\"{gone}\"]\n"
    );
    let site = Managed::start_with(&tables);
    let link = site.create_vpc_link(BALANCER);
    let api = api(&site, &link, "http://orders.internal.example/{proxy}", json!({}));
    api.deploy("prod");
    let answer = api.ask_for(504, &Request::get("/prod/orders/7"));
    let kind = answer.header("x-amzn-errortype");
    assert_eq!(kind, Some("InternalServerErrorException"), "{}", answer.text());
}

#[test]
fn a_reload_of_the_boot_file_moves_the_targets() {
    let (old, new) = (Upstream::mirror(), Upstream::mirror());
    let boot = |backend: &Upstream| {
        let link = vpc_link_to(BALANCER, "orders", &[backend]);
        format!(
            "[management]\naddress = \"127.0.0.1:0\"\nstore = \"{{dir}}/state.redb\"\n\
             [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\n{link}"
        )
    };
    let site = Managed::of(Gateway::start(&boot(&old)));
    let link = site.create_vpc_link(BALANCER);
    let api = api(&site, &link, "http://orders.internal.example/{proxy}", json!({}));
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/orders/7"));
    site.gateway().rewrite(&boot(&new));
    site.gateway().signal("HUP");
    let wanted = new.clone();
    api.ask_until(&Request::get("/prod/orders/7"), |_| wanted.requests().len() == 1);
    assert_eq!(api.ask(&Request::get("/prod/orders/7")).status, 200);
}

#[test]
fn a_link_is_bound_by_a_reload_of_the_boot_file() {
    let backend = Upstream::mirror();
    let unbound = "[management]\naddress = \"127.0.0.1:0\"\nstore = \"{dir}/state.redb\"\n\
                   [[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n\n";
    let site = Managed::of(Gateway::start(unbound));
    let link = site.create_vpc_link(BALANCER);
    let api = api(&site, &link, "http://orders.internal.example/{proxy}", json!({}));
    api.deploy("prod");
    api.ask_for(500, &Request::get("/prod/orders/7"));
    let bound = format!("{unbound}{}", vpc_link_to(BALANCER, "orders", &[&backend]));
    site.gateway().rewrite(&bound);
    site.gateway().signal("HUP");
    api.ask_for(200, &Request::get("/prod/orders/7"));
}
