//! From model to plan: slots, keys, programs and every mistake at its place.

use super::*;
use crate::model::{
    Balance, MockIntegration, PathPattern, RedirectIntegration, RetryPolicy, RouteMethod, Segment,
    Stage, TargetGroup,
};
use crate::plan::{PathSpans, TemplatePiece};

fn group(name: &str, preserve_host: bool) -> TargetGroup {
    TargetGroup {
        name: name.into(),
        targets: Vec::new(),
        balance: Balance::RoundRobin,
        protocol: crate::model::TargetProtocol::Http1,
        grpc_web: true,
        preserve_host,
        connect_timeout_ms: 1,
        idle_timeout_ms: 1,
        total_timeout_ms: 0,
        keepalive_timeout_ms: 1,
        keepalive_connections_max: 1,
        keepalive_requests_max: 0,
        outstanding_per_shard_max: 1,
        retry: RetryPolicy {
            attempts_max: 0,
            sends_again: true,
            budget_percent: 0,
            on_gateway_status: false,
        },
        health: None,
        outlier: None,
        slow_start_ms: 0,
        dns_ttl_ms_max: 1,
    }
}

fn get(segments: &[Segment]) -> RouteKey {
    RouteKey::Path {
        method: RouteMethod::Exact(crate::base::Method::Get),
        path: PathPattern { segments: segments.to_vec() },
    }
}

fn proxy(group: &str) -> ProxyIntegration {
    ProxyIntegration { group: group.into(), path: None, host: None, timeout_ms: 29_000 }
}

fn route(key: RouteKey, integration: Integration) -> Route {
    Route { key, integration, throttle: None, body_bytes_max: None }
}

fn to_group(key: RouteKey, group: &str) -> Route {
    route(key, Integration::Proxy(proxy(group)))
}

fn api(id: &str, base_path: &str, routes: Vec<Route>) -> Api {
    Api {
        id: id.into(),
        name: format!("the {id}"),
        hosts: vec!["*".into()],
        base_path: base_path.into(),
        stage: Stage { name: "$default".into(), throttle: None, routes },
    }
}

fn throttle(burst_count: u64) -> Option<Throttle> {
    Some(Throttle { rate_per_second: 10.0, burst_count })
}

fn literal(text: &str) -> Segment {
    Segment::Static(text.into())
}

fn faults(model: &Model) -> Vec<PlanError> {
    compile(model, 1).expect_err("mistakes")
}

#[test]
fn throttles_are_keyed_by_scope_and_asked_from_the_route_outwards() {
    let mut limited = to_group(get(&[literal("a b")]), "g");
    limited.throttle = throttle(3);
    let mut shop = api("shop", "/shop", vec![limited, to_group(RouteKey::Default, "g")]);
    shop.stage.throttle = throttle(2);
    let model = Model {
        account_throttle: throttle(1),
        apis: vec![shop, api("blog", "/blog", vec![to_group(RouteKey::Default, "g")])],
        target_groups: vec![group("g", false)],
        ..Model::default()
    };
    let plan = compile(&model, 7).expect("a legal model");
    assert_eq!(plan.epoch, 7);
    assert_eq!(plan.account_throttle.as_ref().map(|one| one.burst_count), Some(1));
    let buckets = plan.stages[0].throttles.iter().map(|one| (&*one.key, one.burst_count));
    let buckets: Vec<_> = buckets.collect();
    assert_eq!(buckets, [("stage:shop/$default", 2), ("route:shop/$default/GET /a%20b", 3)]);
    let scopes = |stage: usize, route: usize| &plan.stages[stage].routes[route].throttles[..];
    assert_eq!(
        scopes(0, 0),
        [(ThrottleScope::Route, ThrottleSlot(1)), (ThrottleScope::Stage, ThrottleSlot(0))]
    );
    assert_eq!(scopes(0, 1), [(ThrottleScope::Stage, ThrottleSlot(0))]);
    assert!(scopes(1, 0).is_empty() && plan.stages[1].throttles.is_empty());
}

#[test]
fn a_stage_names_only_what_is_its_own() {
    let routes = |group| vec![to_group(get(&[]), group), to_group(RouteKey::Default, group)];
    let model = Model {
        apis: vec![api("one", "/one", routes("g")), api("two", "", routes("h"))],
        target_groups: vec![group("g", false), group("h", false)],
        ..Model::default()
    };
    let plan = compile(&model, 1).expect("a legal model");
    for (stage, name) in plan.stages.iter().zip(["g", "h"]) {
        assert_eq!(stage.groups, [name.into()]);
        assert_eq!((stage.routes.len(), stage.labels.route_keys.len()), (2, 2));
    }
    assert_eq!(plan.stages[1].labels.route_keys[1].as_ref(), "$default");
    assert_eq!(
        plan.stages[1].router.find(crate::base::Method::Get, b"/", &mut PathSpans::default()),
        Some(0)
    );
}

fn proxy_plan(plan: &Plan, route: usize) -> &ProxyPlan {
    match &plan.stages[0].routes[route].integration {
        IntegrationPlan::Proxy(proxy) => proxy,
        other => panic!("not a proxy: {other:?}"),
    }
}

#[test]
fn proxies_know_their_group_path_and_host() {
    let key = get(&[literal("users"), Segment::Parameter("id".into())]);
    let mut mapped = proxy("second");
    mapped.path = Some("/v2/{id}".into());
    mapped.host = Some("internal.test".into());
    let mut sized = to_group(RouteKey::Default, "second");
    sized.body_bytes_max = Some(5);
    let model = Model {
        apis: vec![api(
            "shop",
            "",
            vec![
                route(key, Integration::Proxy(mapped)),
                sized,
                to_group(get(&[literal("own")]), "first"),
            ],
        )],
        target_groups: vec![group("first", true), group("second", false)],
        ..Model::default()
    };
    let plan = compile(&model, 1).expect("a legal model");
    let mapped = proxy_plan(&plan, 0);
    let group = |slot: GroupSlot| &*plan.stages[0].groups[slot.0 as usize];
    assert_eq!(group(mapped.group), "second");
    assert_eq!(mapped.timeout_ms, 29_000);
    assert_eq!(mapped.host, HostProgram::Fixed(b"internal.test"[..].into()));
    assert_eq!(
        mapped.path,
        PathProgram::Template(vec![
            TemplatePiece::Literal(b"/v2/"[..].into()),
            TemplatePiece::Parameter(0)
        ])
    );
    assert_eq!(
        (&proxy_plan(&plan, 1).host, proxy_plan(&plan, 1).group),
        (&HostProgram::Target, mapped.group)
    );
    assert_eq!(group(proxy_plan(&plan, 2).group), "first");
    assert_eq!(proxy_plan(&plan, 2).host, HostProgram::AsReceived);
    assert_eq!(proxy_plan(&plan, 2).path, PathProgram::AsReceived);
    assert_eq!(plan.stages[0].routes[1].body_bytes_max, 5);
    assert_eq!(plan.stages[0].routes[2].body_bytes_max, Limits::default().body_bytes_max);
}

#[test]
fn every_mistake_is_reported_with_its_place() {
    let mock = Integration::Mock(MockIntegration {
        status: 204,
        headers: Vec::new(),
        body: b"x".to_vec(),
    });
    let redirect =
        Integration::Redirect(RedirectIntegration { status: 302, location: "/{no}".into() });
    let shop = api(
        "shop",
        "",
        vec![
            to_group(get(&[Segment::Parameter("a".into())]), "g"),
            to_group(get(&[literal("x")]), "nowhere"),
            route(get(&[literal("y")]), mock),
            route(get(&[literal("z")]), redirect),
            to_group(get(&[Segment::Parameter("b".into())]), "g"),
        ],
    );
    let model = Model {
        apis: vec![
            shop.clone(),
            Api { stage: Stage { routes: Vec::new(), ..shop.stage.clone() }, ..shop },
        ],
        target_groups: vec![group("g", false), group("g", true)],
        ..Model::default()
    };
    let faults = faults(&model);
    let places: Vec<_> = faults
        .iter()
        .map(|one| (one.api_index, one.route_index, one.group_index, one.other_index))
        .collect();
    assert_eq!(
        places,
        [
            (None, None, Some(1), Some(0)),
            (Some(1), None, None, Some(0)),
            (Some(1), None, None, Some(0)),
            (Some(0), Some(4), None, Some(0)),
            (Some(0), Some(1), None, None),
            (Some(0), Some(2), None, None),
            (Some(0), Some(3), None, None),
        ]
    );
    assert_eq!(faults[0].message, "two target groups are named `g`");
    assert_eq!(faults[1].message, "two APIs have the id `shop`");
    assert_eq!(faults[3].message, "API `shop`: `GET /{a}` and `GET /{b}` match the same requests");
    assert_eq!(faults[4].message, "API `shop`, route `GET /x`: there is no target group `nowhere`");
    assert!(faults[5].message.contains("a 204 answer has no body"));
    assert!(faults[6].message.contains("`{no}`"));
}

#[test]
fn an_empty_model_is_a_plan_that_answers_nothing() {
    let plan = compile(&Model::default(), 1).expect("nothing is wrong with nothing");
    assert!(plan.stages.is_empty() && plan.account_throttle.is_none());
    let text = plan.explain(b"a\r.test", crate::base::Method::Get, b"/").to_string();
    assert_eq!(text, "no API answers to host `a\\r.test`: 421 Misdirected Request\n");
}

#[test]
fn explanations_follow_a_request_to_its_integration() {
    let redirect = Integration::Redirect(RedirectIntegration { status: 302, location: "/".into() });
    let mock =
        Integration::Mock(MockIntegration { status: 200, headers: Vec::new(), body: Vec::new() });
    let mut shop = api(
        "shop",
        "/v1",
        vec![
            to_group(get(&[literal("items"), Segment::Parameter("id".into())]), "g"),
            route(get(&[]), redirect),
            route(get(&[literal("ping")]), mock),
        ],
    );
    shop.stage.name = "prod".into();
    let model =
        Model { apis: vec![shop], target_groups: vec![group("g", false)], ..Model::default() };
    let plan = compile(&model, 1).expect("a legal model");
    let explain = |path: &[u8]| plan.explain(b"h:80", crate::base::Method::Get, path);
    assert_eq!(
        explain(b"/v1/prod/items/7").to_string(),
        "host `h:80` is taken by `*`\nAPI `shop`, stage `prod`; `/v1/prod` is stripped\n\
         GET /items/7 goes to `GET /items/{id}`\n  id = 7\n\
         routes that fit this path, in the order of precedence:\n\
         \x20 GET /items/{id}  parameter  taken\nanswered by target group `g`\n"
    );
    let dotted = explain(b"/x/../v1/%70rod/items/7").to_string();
    assert!(dotted.starts_with("the path is taken as `/v1/prod/items/7`\n"), "{dotted}");
    assert!(dotted.contains("goes to `GET /items/{id}`"), "{dotted}");
    let refused = explain(b"/v1/prod/items/..%2f7");
    assert!(refused.stage.is_none() && refused.to_string().contains("400"), "{refused}");
    let root = explain(b"/v1/prod").stage.expect("a stage");
    assert_eq!((root.route.route, root.route.request.as_str()), (Some(1), "GET /"));
    assert_eq!(root.integration.as_deref(), Some("a redirect, status 302"));
    assert!(explain(b"/v1/prod/ping").to_string().ends_with("a fixed answer, status 200\n"));
    assert!(explain(b"/v1/items/7").to_string().ends_with("404 Not Found\n"));
    assert!(explain(b"/v1/prod/nothing").to_string().contains("goes to no route"));
}
