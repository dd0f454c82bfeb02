//! Routing rules of custom domain names.

use serde_json::{Value as Json, json};

use crate::domain::{Domain, api_that_says};
use crate::harness::{Managed, Received, Request, Upstream};

const HOST: &str = "api.example.com";
const RULES: &str = "ROUTING_RULE_ONLY";
const RULES_FIRST: &str = "ROUTING_RULE_THEN_API_MAPPING";

fn header(name: &str, glob: &str) -> Json {
    json!({ "matchHeaders": { "anyOf": [{ "header": name, "valueGlob": glob }] } })
}

fn base_path(path: &str) -> Json {
    json!({ "matchBasePaths": { "anyOf": [path] } })
}

fn rule(priority: u32, conditions: &[Json], api: &str) -> Json {
    let action = json!({ "invokeApi": { "apiId": api, "stage": "prod" } });
    json!({ "priority": priority, "conditions": conditions, "actions": [action] })
}

fn with(name: &str, value: &str) -> Request {
    Request::get("/x").header(name, value)
}

#[test]
fn the_lowest_priority_that_matches_wins() {
    let site = Managed::start();
    let [one, two, rest] = ["one", "two", "rest"].map(|name| api_that_says(&site, name));
    let domain = Domain::create(&site, HOST, RULES);
    // Not in their order.
    domain.create_rule(&rule(1_000_000, &[], rest.id()));
    domain.create_rule(&rule(20, &[header("version", "*")], two.id()));
    domain.create_rule(&rule(10, &[header("version", "beta*")], one.id()));
    domain.ask_for_body("one", &with("version", "beta-1"));
    domain.ask_for_body("two", &with("version", "alpha"));
    domain.ask_for_body("rest", &Request::get("/x"));
}

#[test]
fn globs_are_prefixes_suffixes_and_infixes() {
    let site = Managed::start();
    let [yes, no] = ["yes", "no"].map(|name| api_that_says(&site, name));
    for (number, (glob, matching, other)) in [
        ("alpha", &["alpha"][..], &["alphabet", "Alpha", "xalpha", ""][..]),
        ("alpha*", &["alpha", "alphabet"], &["Alphabet", "xalpha"]),
        ("*alpha", &["alpha", "xalpha"], &["alphabet", "xAlpha"]),
        ("*alpha*", &["alpha", "xalphabet"], &["alph", "ALPHA"]),
    ]
    .into_iter()
    .enumerate()
    {
        let host = format!("d{number}.example.com");
        let domain = Domain::create(&site, &host, RULES);
        domain.create_rule(&rule(1, &[header("X-Version", glob)], yes.id()));
        domain.create_rule(&rule(2, &[], no.id()));
        domain.ask_for_body("no", &Request::get("/x"));
        for value in matching {
            // Names of headers have no case, their values have.
            assert_eq!(domain.ask(&with("x-version", value)).text(), "yes", "{glob}: {value}");
            assert_eq!(domain.ask(&with("X-Version", value)).text(), "yes", "{glob}: {value}");
        }
        for value in other {
            assert_eq!(domain.ask(&with("x-version", value)).text(), "no", "{glob}: {value}");
        }
    }
}

#[test]
fn all_conditions_of_a_rule_must_match() {
    let site = Managed::start();
    let [yes, no] = ["yes", "no"].map(|name| api_that_says(&site, name));
    let domain = Domain::create(&site, HOST, RULES);
    let conditions = [header("a", "1"), header("b", "2"), base_path("orders")];
    domain.create_rule(&rule(2, &[], no.id()));
    domain.create_rule(&rule(1, &conditions, yes.id()));
    let request = |path: &str, a: &str, b: &str| Request::get(path).header("a", a).header("b", b);
    domain.ask_for_body("yes", &request("/orders/x", "1", "2"));
    domain.ask_for_body("no", &Request::get("/other")); // both rules are live
    for other in [
        request("/orders/x", "1", "3"),
        request("/orders/x", "0", "2"),
        request("/other", "1", "2"),
    ] {
        domain.ask_for_body("no", &other);
    }
    assert_eq!(domain.ask(&Request::get("/orders/x").header("a", "1")).text(), "no");
}

#[test]
fn base_paths_are_whole_parts_and_have_case() {
    let site = Managed::start();
    let [yes, no] = ["yes", "no"].map(|name| api_that_says(&site, name));
    let domain = Domain::create(&site, HOST, RULES);
    domain.create_rule(&rule(1, &[base_path("orders/v1")], yes.id()));
    domain.create_rule(&rule(2, &[], no.id()));
    domain.ask_for_body("yes", &Request::get("/orders/v1"));
    assert_eq!(domain.ask(&Request::get("/orders/v1/items")).text(), "yes");
    // [K] that a part is matched whole.
    for target in ["/orders", "/orders/v11", "/Orders/v1", "/x/orders/v1"] {
        domain.ask_for_body("no", &Request::get(target));
    }
}

#[test]
fn the_base_path_is_stripped_where_the_action_says_so() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.http_proxy("/{proxy+}", "ANY", &format!("http://{}/b/{{proxy}}", backend.address()));
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    let domain = Domain::create(&site, HOST, RULES);
    for (priority, path, is_stripped) in [(1, "stripped", true), (2, "kept", false)] {
        let mut rule = rule(priority, &[base_path(path)], api.id());
        rule["actions"][0]["invokeApi"]["stripBasePath"] = json!(is_stripped);
        domain.create_rule(&rule);
    }
    let target = |path: &str| {
        let answer = site.ask_for(200, &Request::get(path).host(HOST));
        Received::of(&answer).target().to_owned()
    };
    assert_eq!(target("/stripped/items?q=1"), "/b/items?q=1");
    assert_eq!(target("/kept/items"), "/b/kept/items");
}

#[test]
fn the_rule_that_matched_is_told() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/{proxy+}", "ANY", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "ANY", "uri": format!("http://{}/", backend.address()),
        "requestParameters": {
            "integration.request.header.X-Rule": "context.customDomain.routingRuleIdMatched",
            "integration.request.header.X-Base": "context.customDomain.basePathMatched",
        },
    });
    api.put_integration("/{proxy+}", "ANY", integration);
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    let domain = Domain::create(&site, HOST, RULES_FIRST);
    let conditions = [header("a", "*"), header("b", "2*"), base_path("orders")];
    let id = domain.create_rule(&rule(1, &conditions, api.id()));
    domain.map("mapped", api.id(), "prod");
    let told = |request: &Request| {
        let received = Received::of(&site.ask_for(200, &request.clone().host(HOST)));
        (received.header("x-rule"), received.header("x-base"))
    };
    let ruled = Request::get("/orders/7").header("A", "").header("B", "21");
    assert_eq!(told(&ruled), (Some(id), Some("orders".to_owned())));
    assert_eq!(told(&Request::get("/mapped/7")), (None, Some("mapped".to_owned())));
}

#[test]
fn the_mode_says_whether_rules_or_mappings_count() {
    let site = Managed::start();
    let [ruled, mapped] = ["ruled", "mapped"].map(|name| api_that_says(&site, name));
    let domain = Domain::create(&site, HOST, RULES_FIRST);
    domain.create_rule(&rule(1, &[header("version", "beta")], ruled.id()));
    domain.map("", mapped.id(), "prod");
    let beta = with("version", "beta");
    domain.ask_for_body("ruled", &beta);
    domain.ask_for_body("mapped", &Request::get("/x"));

    let mode =
        |mode: &str| site.management().update(&domain.path(""), &json!({ "routingMode": mode }));
    mode(RULES);
    domain.ask_for_nothing(&Request::get("/x"));
    domain.ask_for_body("ruled", &beta);

    mode("API_MAPPING_ONLY");
    domain.ask_for_body("mapped", &beta);
    domain.ask_for_body("mapped", &Request::get("/x"));
}

#[test]
fn the_mode_of_a_new_domain_takes_mappings_alone() {
    let site = Managed::start();
    let [ruled, mapped] = ["ruled", "mapped"].map(|name| api_that_says(&site, name));
    let domain = Domain::create(&site, HOST, "");
    domain.create_rule(&rule(1, &[], ruled.id()));
    domain.map("", mapped.id(), "prod");
    domain.ask_for_body("mapped", &Request::get("/x"));
}

#[test]
fn rules_change_and_go() {
    let site = Managed::start();
    let [one, two, rest] = ["one", "two", "rest"].map(|name| api_that_says(&site, name));
    let domain = Domain::create(&site, HOST, RULES);
    let id = domain.create_rule(&rule(1, &[header("version", "beta")], one.id()));
    domain.create_rule(&rule(2, &[], rest.id()));
    let beta = with("version", "beta");
    domain.ask_for_body("one", &beta);
    let path = domain.path(&format!("/routingrules/{id}"));
    site.management().put(&path, &rule(1, &[header("version", "beta")], two.id()));
    domain.ask_for_body("two", &beta);
    // Behind the one that takes everything.
    site.management().put(&path, &rule(3, &[header("version", "beta")], two.id()));
    domain.ask_for_body("rest", &beta);
    site.management().put(&path, &rule(1, &[header("version", "beta")], two.id()));
    domain.ask_for_body("two", &beta);
    site.management().delete(&path);
    domain.ask_for_body("rest", &beta);
}
