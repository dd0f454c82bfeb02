//! Canary releases: part of a stage's requests go to another deployment.

use serde_json::{Value as Json, json};

use crate::harness::{
    Answer, Client, Gateway, Managed, Received, Request, RestApi, Upstream, copy, eventually,
    remove, replace,
};

fn page() -> Request {
    Request::get("/prod/page")
}

#[track_caller]
fn wait_for_body(api: &RestApi<'_>, body: &str) {
    api.ask_until(&page(), |answer| answer.status == 200 && answer.text() == body);
}

/// An API whose stage `prod` has the deployment "stable" and a canary with the deployment
/// "canary".
fn api<'g>(site: &'g Managed, percent: f64) -> RestApi<'g> {
    let api = site.create_rest_api();
    api.mock("/page", "GET", "stable");
    api.deploy("prod");
    wait_for_body(&api, "stable");
    let templates = json!({ "responseTemplates": { "application/json": "canary" } });
    api.put_integration_response("/page", "GET", 200, templates);
    let settings = json!({ "percentTraffic": percent });
    api.create_deployment(json!({ "stageName": "prod", "canarySettings": settings }));
    api
}

fn bodies(api: &RestApi<'_>, count: usize) -> Vec<String> {
    (0..count).map(|_| api.ask(&page()).text().to_owned()).collect()
}

fn percent(value: &str) -> Json {
    replace("/canarySettings/percentTraffic", value)
}

#[test]
fn all_and_nothing() {
    let site = Managed::start();
    let api = api(&site, 100.0);
    wait_for_body(&api, "canary");
    assert!(bodies(&api, 20).iter().all(|body| body == "canary"));
    api.patch_stage("prod", &[percent("0.0")]);
    wait_for_body(&api, "stable");
    assert!(bodies(&api, 20).iter().all(|body| body == "stable"));
    api.patch_stage("prod", &[percent("100")]);
    wait_for_body(&api, "canary");
}

#[test]
fn half_of_the_requests() {
    let site = Managed::start();
    let api = api(&site, 50.0);
    wait_for_body(&api, "canary");
    let count = bodies(&api, 200).iter().filter(|body| *body == "canary").count();
    // Ten standard deviations to each side are 71: a fair coin never gets there.
    assert!((29..=171).contains(&count), "{count} of 200");
}

#[test]
fn variables_are_overridden_for_the_canary_alone() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.http_proxy(
        "/x",
        "GET",
        &format!("http://{}/${{stageVariables.sv1}}/${{stageVariables.sv0}}", backend.address()),
    );
    let variables = json!({ "sv0": "val0", "sv1": "val1" });
    api.create_deployment(json!({ "stageName": "prod", "variables": variables }));
    let target = |answer: &Answer| Received::of(answer).target().to_owned();
    let request = Request::get("/prod/x");
    assert_eq!(target(&api.ask_for(200, &request)), "/val1/val0");
    let settings = json!({ "percentTraffic": 100.0, "stageVariableOverrides": { "sv1": "val2" } });
    api.create_deployment(json!({ "stageName": "prod", "canarySettings": settings }));
    api.ask_until(&request, |answer| target(answer) == "/val2/val0");
    api.patch_stage("prod", &[percent("0")]);
    api.ask_until(&request, |answer| target(answer) == "/val1/val0");
}

#[test]
fn the_context_says_which_it_is() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
        "requestParameters": { "integration.request.header.X-Canary": "context.isCanaryRequest" },
    });
    api.put_integration("/x", "GET", integration);
    api.deploy("prod");
    api.ask_for(200, &Request::get("/prod/x"));
    let settings = json!({ "percentTraffic": 100.0 });
    api.create_deployment(json!({ "stageName": "prod", "canarySettings": settings }));
    let said = |answer: &Answer| Received::of(answer).header("x-canary");
    let is = |wanted: &'static str| move |answer: &Answer| said(answer).as_deref() == Some(wanted);
    api.ask_until(&Request::get("/prod/x"), is("true"));
    api.patch_stage("prod", &[percent("0")]);
    // [K] that it is said of other requests too.
    api.ask_until(&Request::get("/prod/x"), is("false"));
}

#[test]
fn a_canary_is_promoted_by_three_patches() {
    let site = Managed::start();
    let api = api(&site, 10.0);
    let stage = api.patch_stage(
        "prod",
        &[
            percent("0.0"),
            copy("/canarySettings/stageVariableOverrides", "/variables"),
            copy("/canarySettings/deploymentId", "/deploymentId"),
        ],
    );
    assert_eq!(stage["deploymentId"], stage["canarySettings"]["deploymentId"]);
    wait_for_body(&api, "canary");
    assert!(bodies(&api, 20).iter().all(|body| body == "canary"));
    api.patch_stage("prod", &[remove("/canarySettings")]);
    assert!(bodies(&api, 20).iter().all(|body| body == "canary"));
}

#[test]
fn a_canary_is_removed() {
    let site = Managed::start();
    let api = api(&site, 100.0);
    wait_for_body(&api, "canary");
    api.patch_stage("prod", &[remove("/canarySettings")]);
    wait_for_body(&api, "stable");
    assert!(bodies(&api, 20).iter().all(|body| body == "stable"));
}

#[test]
fn the_share_is_that_of_the_setting() {
    let site = Managed::start();
    let mut client = Client::connect(site.public());
    for (share, bounds) in [(10.0, 120..=290), (90.0, 1_710..=1_880), (2.5, 10..=100)] {
        let api = api(&site, share);
        // There is no other share that one could be from.
        eventually(|| match bodies(&api, 20).contains(&"canary".to_owned()) {
            true => Ok(()),
            false => Err("no canary yet".to_owned()),
        });
        let request = page().host(&api.host());
        let bodies = (0..2_000).map(|_| request.ask_on(&mut client).text().to_owned());
        let count = bodies.filter(|body| body == "canary").count();
        // About six standard deviations to each side.
        assert!(bounds.contains(&count), "{share}: {count} of 2000");
    }
}

#[test]
fn variables_are_overridden_while_the_canary_runs() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = site.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let integration = json!({
        "type": "HTTP_PROXY", "httpMethod": "GET", "uri": format!("http://{}/", backend.address()),
        "requestParameters": {
            "integration.request.header.X-Own": "stageVariables.own",
            "integration.request.header.X-Added": "stageVariables.added",
        },
    });
    api.put_integration("/x", "GET", integration);
    let variables = json!({ "own": "stage" });
    api.create_deployment(json!({ "stageName": "prod", "variables": variables }));
    let settings = json!({ "percentTraffic": 100.0, "stageVariableOverrides": { "added": "1" } });
    api.create_deployment(json!({ "stageName": "prod", "canarySettings": settings }));
    let request = Request::get("/prod/x");
    let told = |own: &'static str, added: Option<&'static str>| {
        move |answer: &Answer| {
            let received = Received::of(answer);
            received.header("x-own").as_deref() == Some(own)
                && received.header("x-added").as_deref() == added
        }
    };
    api.ask_until(&request, told("stage", Some("1")));
    let own = replace("/canarySettings/stageVariableOverrides/own", "canary");
    api.patch_stage("prod", &[own]);
    api.ask_until(&request, told("canary", Some("1")));
    api.patch_stage("prod", &[percent("0")]);
    api.ask_until(&request, told("stage", None));
    // Promotion makes them the stage's own.
    let overrides = copy("/canarySettings/stageVariableOverrides", "/variables");
    api.patch_stage("prod", &[overrides, remove("/canarySettings")]);
    api.ask_until(&request, told("canary", Some("1")));
}

/// The stage goes back to a deployment of before while its canary goes on.
#[test]
fn a_rollback_leaves_the_canary_alone() {
    let site = Managed::start();
    let api = site.create_rest_api();
    let body_is = |body: &str| {
        let templates = json!({ "responseTemplates": { "application/json": body } });
        api.put_integration_response("/page", "GET", 200, templates);
    };
    api.mock("/page", "GET", "first");
    let first = api.deploy("prod");
    body_is("second");
    api.deploy("prod");
    wait_for_body(&api, "second");
    body_is("canary");
    let settings = json!({ "percentTraffic": 50.0 });
    api.create_deployment(json!({ "stageName": "prod", "canarySettings": settings }));
    wait_for_body(&api, "canary");
    api.patch_stage("prod", &[replace("/deploymentId", &first)]);
    wait_for_body(&api, "first");
    let bodies = bodies(&api, 100);
    assert!(bodies.iter().all(|body| body == "first" || body == "canary"), "{bodies:?}");
    assert!(bodies.iter().any(|body| body == "canary"), "{bodies:?}");
    api.patch_stage("prod", &[remove("/canarySettings")]);
    eventually(|| match self::bodies(&api, 30) {
        bodies if bodies.iter().all(|body| body == "first") => Ok(()),
        bodies => Err(format!("{bodies:?}")),
    });
}

/// A gateway that keeps each client on its side, and believes who clients are said to be.
fn sticky() -> Managed {
    Managed::of(Gateway::start(
        r#"
[management]
address = "127.0.0.1:0"
store = "{dir}/state.redb"
canary_split = "source_ip"

[[listener]]
name = "public"
address = "127.0.0.1:0"
trusted_proxies = ["127.0.0.1"]
"#,
    ))
}

/// Which of many clients get the canary.
fn sides(site: &Managed, api: &RestApi<'_>) -> Vec<bool> {
    let mut connection = Client::connect(site.public());
    let host = api.host();
    let mut side = |client: u32| {
        let [_, a, b, c] = client.to_be_bytes();
        let request = page().host(&host).header("X-Forwarded-For", &format!("10.{a}.{b}.{c}"));
        request.ask_on(&mut connection).text() == "canary"
    };
    (0..CLIENTS_COUNT).map(&mut side).collect()
}

const CLIENTS_COUNT: u32 = 600;

#[test]
fn each_client_stays_on_its_side() {
    let site = sticky();
    let api = api(&site, 100.0);
    wait_for_body(&api, "canary");
    let all_count = |sides: &[bool]| sides.iter().filter(|is_canary| **is_canary).count();
    // It is live once as many are on that side, from the first one asked on.
    let at_share = |share: &str, wanted: std::ops::RangeInclusive<usize>| {
        api.patch_stage("prod", &[percent(share)]);
        eventually(|| {
            let sides = sides(&site, &api);
            match all_count(&sides) {
                count if wanted.contains(&count) => Ok(self::sides(&site, &api)),
                count => Err(format!("{count} of {CLIENTS_COUNT} at {share}")),
            }
        })
    };
    // Five standard deviations of fair draws to each side.
    let few = at_share("20", 71..=169);
    assert_eq!(sides(&site, &api), few, "the same clients each time");
    let more = at_share("60", 300..=420);
    for (client, (before, now)) in few.iter().zip(&more).enumerate() {
        assert!(!before || *now, "a larger share takes client {client} away");
    }
    // What else is deployed, or goes, has no part in it.
    for _ in 0..4 {
        let other = site.create_rest_api();
        other.mock("/page", "GET", "other");
        other.deploy("prod");
        other.ask_for(200, &page());
    }
    assert_eq!(sides(&site, &api), more, "others were deployed");
}

/// Another stage has another draw: the same clients would be the first ones everywhere.
#[test]
fn sides_of_two_apis_are_drawn_apart() {
    let site = sticky();
    let (one, two) = (api(&site, 50.0), api(&site, 50.0));
    for api in [&one, &two] {
        let is_split = |sides: &[bool]| sides.contains(&true) && sides.contains(&false);
        eventually(|| match is_split(&sides(&site, api)) {
            true => Ok(()),
            false => Err("no canary yet".to_owned()),
        });
    }
    let (one, two) = (sides(&site, &one), sides(&site, &two));
    let same_count = one.iter().zip(&two).filter(|(one, two)| one == two).count();
    assert!((220..=380).contains(&same_count), "{same_count} of {CLIENTS_COUNT}");
}
