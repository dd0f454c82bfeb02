//! Routing as the developer guide documents it: "Working with routes for HTTP APIs", "Working
//! with stages for HTTP APIs", "Working with API mappings", "Set up a proxy integration with a proxy
//! resource". Each test is named after the feature.

use shardgate::base::Method;
use shardgate::model::{
    Api, Integration, MockIntegration, Model, PathPattern, Route, RouteKey, RouteMethod, Segment,
    Stage,
};
use shardgate::plan::{HostMatch, HostTable, PathSpans, Plan, Precedence, Router, compile};

fn key(text: &str) -> RouteKey {
    let Some((method, path)) = text.split_once(" /") else { return RouteKey::Default };
    let method = match method {
        "ANY" => RouteMethod::Any,
        token => RouteMethod::Exact(Method::from_token(token.as_bytes())),
    };
    let segment = |text: &str| match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
    {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.into()),
            None => Segment::Parameter(name.into()),
        },
        None => Segment::Static(text.into()),
    };
    let segments =
        if path.is_empty() { Vec::new() } else { path.split('/').map(segment).collect() };
    RouteKey::Path { method, path: PathPattern { segments } }
}

/// The key that takes each request, and the values of its parameters.
#[track_caller]
fn expect(routes: &[&str], table: &[(&str, &str, &[&str])]) {
    expect_by(Precedence::HttpApi, "404", routes, table);
}

/// The same for methods of the resources of a REST API.
#[track_caller]
fn expect_rest(methods: &[&str], table: &[(&str, &str, &[&str])]) {
    expect_by(Precedence::RestApi, "403", methods, table);
}

#[track_caller]
fn expect_by(
    precedence: Precedence,
    refusal: &str,
    routes: &[&str],
    table: &[(&str, &str, &[&str])],
) {
    let keys: Vec<_> = routes.iter().map(|text| key(text)).collect();
    let router = Router::compile(&keys, precedence).expect("no conflicts");
    for (request, expected, values) in table {
        let (method, path) = request.split_once(' ').expect("a method and a path");
        let mut spans = PathSpans::default();
        let found = router.find(Method::from_token(method.as_bytes()), path.as_bytes(), &mut spans);
        let found = found.map_or(refusal, |index| routes[index as usize]);
        assert_eq!(found, *expected, "{request}");
        let captured: Vec<_> = (0..spans.count())
            .filter_map(|index| std::str::from_utf8(spans.raw(index, path.as_bytes())?).ok())
            .collect();
        assert_eq!(captured, *values, "{request}");
    }
}

#[test]
fn the_guides_example_of_five_routes() {
    let routes = [
        "GET /pets/dog/1",
        "GET /pets/dog/{id}",
        "GET /pets/{proxy+}",
        "ANY /{proxy+}",
        "$default",
    ];
    let table: &[(&str, &str, &[&str])] = &[
        ("GET /pets/dog/1", "GET /pets/dog/1", &[]),
        ("GET /pets/dog/2", "GET /pets/dog/{id}", &["2"]),
        ("GET /pets/cat/1", "GET /pets/{proxy+}", &["cat/1"]),
        ("POST /test/5", "ANY /{proxy+}", &["test/5"]),
        // Not in the guide's table, but of the same rules:
        ("POST /pets/dog/1", "ANY /{proxy+}", &["pets/dog/1"]),
        ("GET /pets/dog/2/toys", "GET /pets/{proxy+}", &["dog/2/toys"]),
        ("GET /", "$default", &[]),
    ];
    expect(&routes, table);
    // The order of the file makes no difference.
    let mut reversed = routes;
    reversed.reverse();
    expect(&reversed, table);
}

#[test]
fn path_variables_take_one_segment() {
    expect(
        &["GET /pets/{petID}", "GET /pets/{petID}/toys/{toyID}"],
        &[
            ("GET /pets/6", "GET /pets/{petID}", &["6"]),
            ("GET /pets/6/toys/7", "GET /pets/{petID}/toys/{toyID}", &["6", "7"]),
            ("GET /pets/a%2Fb", "GET /pets/{petID}", &["a%2Fb"]),
            ("GET /pets/", "404", &[]),
            ("GET /pets", "404", &[]),
            ("GET /pets/6/toys", "404", &[]),
        ],
    );
}

#[test]
fn greedy_path_variables_catch_all_child_resources() {
    expect(
        &["ANY /files/{proxy+}", "ANY /files"],
        &[
            ("GET /files/a", "ANY /files/{proxy+}", &["a"]),
            ("PUT /files/a/b/c.txt", "ANY /files/{proxy+}", &["a/b/c.txt"]),
            ("GET /files/a/", "ANY /files/{proxy+}", &["a/"]),
            ("GET /files//a", "ANY /files/{proxy+}", &["/a"]),
            ("GET /files", "ANY /files", &[]),
            ("GET /files/", "404", &[]),
            ("GET /filesystem", "404", &[]),
        ],
    );
}

#[test]
fn a_full_match_has_priority_over_a_greedy_one() {
    expect(
        &["GET /a/{proxy+}", "GET /{x}/{y}", "ANY /a/b"],
        &[
            ("GET /a/b", "ANY /a/b", &[]),
            ("GET /a/c", "GET /{x}/{y}", &["a", "c"]),
            ("GET /a/c/d", "GET /a/{proxy+}", &["c/d"]),
        ],
    );
}

#[test]
fn the_more_specific_greedy_route_is_selected() {
    expect(
        &["ANY /{proxy+}", "GET /a/{proxy+}", "GET /a/b/{proxy+}", "GET /a/{x}/{proxy+}"],
        &[
            ("GET /a/b/c", "GET /a/b/{proxy+}", &["c"]),
            ("GET /a/c/d", "GET /a/{x}/{proxy+}", &["c", "d"]),
            ("GET /a/b", "GET /a/{proxy+}", &["b"]),
            ("POST /a/b/c", "ANY /{proxy+}", &["a/b/c"]),
        ],
    );
}

#[test]
fn any_matches_methods_that_are_not_defined_for_a_resource() {
    expect(
        &["ANY /items", "GET /items", "POST /items"],
        &[
            ("GET /items", "GET /items", &[]),
            ("POST /items", "POST /items", &[]),
            ("DELETE /items", "ANY /items", &[]),
            ("HEAD /items", "ANY /items", &[]),
            ("PURGE /items", "ANY /items", &[]),
        ],
    );
}

#[test]
fn head_is_not_implied_by_get() {
    expect(&["GET /items"], &[("HEAD /items", "404", &[]), ("GET /items", "GET /items", &[])]);
}

#[test]
fn a_route_of_another_method_hides_nothing() {
    expect(
        &["POST /items/special", "GET /items/{id}", "DELETE /{proxy+}", "PUT /items/special/{a}"],
        &[
            ("GET /items/special", "GET /items/{id}", &["special"]),
            ("POST /items/special", "POST /items/special", &[]),
            ("DELETE /items/special", "DELETE /{proxy+}", &["items/special"]),
            ("PATCH /items/special", "404", &[]),
        ],
    );
}

#[test]
fn the_default_route_catches_what_matches_no_other() {
    expect(
        &["$default", "GET /items"],
        &[
            ("GET /items", "GET /items", &[]),
            ("POST /items", "$default", &[]),
            ("GET /store/checkout", "$default", &[]),
            ("OPTIONS *", "$default", &[]),
            ("PURGE /x", "$default", &[]),
        ],
    );
    expect(&[], &[("GET /", "404", &[])]);
}

#[test]
fn a_final_slash_and_empty_segments_count() {
    expect(
        &["GET /items", "GET /items/{id}", "GET /a/b", "GET /"],
        &[
            ("GET /items", "GET /items", &[]),
            ("GET /items/", "404", &[]),
            ("GET /items/7", "GET /items/{id}", &["7"]),
            ("GET /items/7/", "404", &[]),
            ("GET /a//b", "404", &[]),
            ("GET //a/b", "404", &[]),
            ("GET //", "404", &[]),
            ("GET /", "GET /", &[]),
        ],
    );
}

#[test]
fn literal_segments_are_compared_percent_decoded() {
    expect(
        &["GET /caf\u{e9}/a b", "GET /a/b", "GET /50%"],
        &[
            ("GET /caf%C3%A9/a%20b", "GET /caf\u{e9}/a b", &[]),
            ("GET /%63af%c3%a9/a%20%62", "GET /caf\u{e9}/a b", &[]),
            ("GET /50%25", "GET /50%", &[]),
            ("GET /%2561/b", "404", &[]), // decoded once
            ("GET /a%2Fb", "404", &[]),   // one segment, not two
            ("GET /A/b", "404", &[]),     // case-sensitive
        ],
    );
}

#[test]
fn dot_segments_are_not_resolved() {
    expect(
        &["GET /public/{proxy+}", "GET /admin"],
        &[
            ("GET /public/../admin", "GET /public/{proxy+}", &["../admin"]),
            ("GET /public/%2e%2e/admin", "GET /public/{proxy+}", &["%2e%2e/admin"]),
        ],
    );
}

fn api(id: &str, base_path: &str, stage: &str, routes: &[&str]) -> Api {
    let answer = MockIntegration { status: 200, headers: Vec::new(), body: Vec::new() };
    let route = |text: &&str| Route {
        key: key(text),
        integration: Integration::Mock(answer.clone()),
        throttle: None,
        body_bytes_max: None,
    };
    Api {
        id: id.into(),
        name: id.into(),
        hosts: vec!["api.example.com".into()],
        base_path: base_path.into(),
        stage: Stage {
            name: stage.into(),
            throttle: None,
            routes: routes.iter().map(route).collect(),
        },
    }
}

/// API and route that take the request.
fn resolve<'plan>(plan: &'plan Plan, path: &str) -> Option<(&'plan str, &'plan str)> {
    let HostMatch::Found { stage_index, prefix_bytes } =
        plan.hosts.find(b"api.example.com", path.as_bytes())
    else {
        return None;
    };
    let stage = &plan.stages[stage_index as usize];
    let rest = &path.as_bytes()[usize::from(prefix_bytes)..];
    let route = stage.router.find(Method::Get, rest, &mut PathSpans::default())?;
    Some((&stage.labels.api_id, &stage.labels.route_keys[route as usize]))
}

#[test]
fn api_mappings_choose_the_longest_matching_path() {
    let apis = [
        api("1", "", "$default", &[]),
        api("2", "/orders/v1/items", "$default", &[]),
        api("3", "/orders/v2/items", "$default", &[]),
        api("4", "/orders/v2/items/categories", "$default", &[]),
    ];
    let table = HostTable::compile(&apis).expect("no conflicts");
    for (path, expected) in [
        ("/orders/v1/items", "2"),
        ("/orders/v2/items", "3"),
        ("/orders/v1/items/123", "2"),
        ("/orders/v2/items/categories/5", "4"),
        ("/customers", "1"),
    ] {
        match table.find(b"api.example.com", path.as_bytes()) {
            HostMatch::Found { stage_index, .. } => {
                assert_eq!(apis[stage_index as usize].id, expected, "{path}");
            }
            other => panic!("{path}: {other:?}"),
        }
    }
}

#[test]
fn a_request_that_names_a_stage_goes_to_it_and_others_to_the_default_stage() {
    let model = Model {
        apis: vec![
            api("default", "", "$default", &["GET /items", "GET /prod", "GET /"]),
            api("prod", "", "prod", &["GET /items", "GET /"]),
        ],
        ..Model::default()
    };
    let plan = compile(&model, 1).expect("a legal model");
    assert_eq!(resolve(&plan, "/prod/items"), Some(("prod", "GET /items")));
    assert_eq!(resolve(&plan, "/prod"), Some(("prod", "GET /")));
    assert_eq!(resolve(&plan, "/prod/"), Some(("prod", "GET /")));
    assert_eq!(resolve(&plan, "/items"), Some(("default", "GET /items")));
    assert_eq!(resolve(&plan, "/production"), None);
    assert_eq!(resolve(&plan, "/"), Some(("default", "GET /")));
}

#[test]
fn without_a_default_stage_a_request_that_names_no_stage_is_not_found() {
    let model = Model { apis: vec![api("prod", "", "prod", &["GET /items"])], ..Model::default() };
    let plan = compile(&model, 1).expect("a legal model");
    assert_eq!(resolve(&plan, "/prod/items"), Some(("prod", "GET /items")));
    assert_eq!(
        plan.hosts.find(b"api.example.com", b"/items"),
        HostMatch::NoPath,
        "AWS answers Not Found"
    );
    assert_eq!(plan.hosts.find(b"other.example.com", b"/prod/items"), HostMatch::NoHost);
}

#[test]
fn rest_apis_prefer_static_resources_then_parameters_then_greedy_ones() {
    let methods = [
        "GET /",
        "ANY /{proxy+}",
        "GET /pets",
        "GET /pets/{id}",
        "GET /pets/dog",
        "GET /pets/{id}/toys",
        "GET /pets/dog/{proxy+}",
    ];
    expect_rest(
        &methods,
        &[
            ("GET /", "GET /", &[]),
            ("GET /pets", "GET /pets", &[]),
            ("GET /pets/dog", "GET /pets/dog", &[]),
            ("GET /pets/cat", "GET /pets/{id}", &["cat"]),
            ("GET /pets/cat/toys", "GET /pets/{id}/toys", &["cat"]),
            // An HTTP API would take the full match of `{id}`.
            ("GET /pets/dog/toys", "GET /pets/dog/{proxy+}", &["toys"]),
            ("GET /pets/cat/food", "ANY /{proxy+}", &["pets/cat/food"]),
            ("POST /", "403", &[]),
        ],
    );
}

#[test]
fn rest_apis_ignore_a_slash_at_the_end_of_a_path() {
    let methods = ["GET /pets", "GET /pets/{id}", "GET /files/{proxy+}"];
    expect_rest(
        &methods,
        &[
            ("GET /pets/", "GET /pets", &[]),
            ("GET /pets/7/", "GET /pets/{id}", &["7"]),
            ("GET /files/a/b/", "GET /files/{proxy+}", &["a/b"]),
            ("GET /files/", "403", &[]),
            ("GET /files", "403", &[]),
            ("GET /pets//", "403", &[]),
            ("GET //pets", "403", &[]),
        ],
    );
}

#[test]
fn any_of_rest_apis_is_seven_methods() {
    let methods = ["ANY /pets", "GET /pets", "GET /toys"];
    expect_rest(
        &methods,
        &[
            ("GET /pets", "GET /pets", &[]),
            ("HEAD /pets", "ANY /pets", &[]),
            ("OPTIONS /pets", "ANY /pets", &[]),
            ("DELETE /pets", "ANY /pets", &[]),
            ("PATCH /pets", "ANY /pets", &[]),
            ("PUT /pets", "ANY /pets", &[]),
            ("PURGE /pets", "403", &[]),
            ("TRACE /pets", "403", &[]),
            ("HEAD /toys", "403", &[]),
        ],
    );
}

/// As it was measured on AWS: `/jobs` has no method, `/cors_only` only a preflight.
#[test]
fn a_resource_without_the_method_leaves_rest_requests_to_others() {
    let methods =
        ["ANY /{proxy+}", "GET /jobs/{operation_type}", "OPTIONS /cors_only", "PATCH /jobs/me"];
    expect_rest(
        &methods,
        &[
            ("GET /jobs/reboot", "GET /jobs/{operation_type}", &["reboot"]),
            ("GET /jobs", "ANY /{proxy+}", &["jobs"]),
            ("POST /jobs", "ANY /{proxy+}", &["jobs"]),
            ("POST /jobs/reboot", "ANY /{proxy+}", &["jobs/reboot"]),
            ("GET /cors_only", "ANY /{proxy+}", &["cors_only"]),
            ("OPTIONS /cors_only", "OPTIONS /cors_only", &[]),
            ("GET /jobs/me", "GET /jobs/{operation_type}", &["me"]),
            ("PATCH /jobs/me", "PATCH /jobs/me", &[]),
        ],
    );
}

#[test]
fn an_unknown_resource_and_a_wrong_method_of_rest_apis_are_one_mistake() {
    expect_rest(
        &["GET /pets/{id}"],
        &[("POST /pets/1", "403", &[]), ("GET /toys", "403", &[]), ("GET /", "403", &[])],
    );
}
