//! Bounds, hostile route sets and many routes.

use super::reference::{key, keys};
use super::*;
use crate::base::limits::PATH_PARAMETERS_MAX;
use crate::model::{PathPattern, RouteMethod, Segment};

fn router(texts: &[&str]) -> Router {
    Router::compile(&keys(texts), Precedence::HttpApi).expect("no conflicts")
}

fn find(router: &Router, method: Method, path: &[u8]) -> Option<u32> {
    router.find(method, path, &mut PathSpans::default())
}

fn get(router: &Router, path: &str) -> Option<u32> {
    find(router, Method::Get, path.as_bytes())
}

#[test]
fn a_full_match_anywhere_goes_before_every_greedy_one() {
    let router = router(&["GET /a/b/{rest+}", "GET /{x}/b/c", "GET /a/{rest+}"]);
    let mut spans = PathSpans::default();
    assert_eq!(router.find(Method::Get, b"/a/b/c", &mut spans), Some(1));
    assert_eq!((spans.raw(0, b"/a/b/c"), spans.count()), (Some(&b"a"[..]), 1));
    // The walk passes `{x}` and leaves it again: its value must not stay.
    assert_eq!(router.find(Method::Get, b"/a/b/d", &mut spans), Some(0));
    assert_eq!((spans.raw(0, b"/a/b/d"), spans.count()), (Some(&b"d"[..]), 1));
    assert_eq!(router.find(Method::Get, b"/x", &mut spans), None);
    assert_eq!(spans.count(), 0, "no values of the request before");
}

#[test]
fn a_label_is_not_taken_for_a_segment() {
    let router = router(&["GET /items/foobar", "GET /items/foo", "GET /items/{id}/x"]);
    assert_eq!(get(&router, "/items/foob"), None);
    assert_eq!(get(&router, "/items/fo"), None);
    assert_eq!(get(&router, "/items/foob/x"), Some(2));
    assert_eq!(get(&router, "/items/foo/x"), Some(2));
    assert_eq!(get(&router, "/items"), None);
}

#[test]
fn of_rest_apis_the_first_segment_that_differs_decides() {
    let keys = keys(&["GET /a/b/{rest+}", "GET /{x}/b/c", "GET /a/{rest+}", "GET /{x}/{y}/{z}"]);
    let router = Router::compile(&keys, Precedence::RestApi).expect("no conflicts");
    let mut spans = PathSpans::default();
    for (path, route, values) in [
        (&b"/a/b/c"[..], 0, &[&b"c"[..]][..]),
        (b"/a/c/d", 2, &[b"c/d"]),
        (b"/b/b/c", 1, &[b"b"]),
        (b"/b/b/d", 3, &[b"b", b"b", b"d"]),
        (b"/a/b/", 2, &[b"b"]),
    ] {
        assert_eq!(router.find(Method::Get, path, &mut spans), Some(route));
        let found: Vec<_> = (0..spans.count()).filter_map(|index| spans.raw(index, path)).collect();
        assert_eq!(found, values);
    }
    assert_eq!(router.find(Method::Get, b"/a/", &mut spans), None);
    assert_eq!(router.find(Method::Post, b"/a/b/c", &mut spans), None);
}

#[test]
fn long_segments_that_start_alike_are_told_apart() {
    let text = |index: usize| format!("GET /a-name-that-is-long-{index:03}/x");
    let texts: Vec<_> = (0..200).map(text).collect();
    let router = router(&texts.iter().map(String::as_str).collect::<Vec<_>>());
    for index in 0..200 {
        let path = text(index).replace("GET ", "");
        assert_eq!(get(&router, &path), Some(index as u32));
        assert_eq!(get(&router, &path.replace('-', "%2D")), Some(index as u32));
        assert_eq!(get(&router, &path.replace("/x", "")), None);
    }
    assert_eq!(get(&router, "/a-name-that-is-long-200/x"), None);
    assert_eq!(get(&router, "/a-name-that-is-l/x"), None);
}

#[test]
fn parameters_at_one_place_may_have_different_names() {
    let router = router(&["GET /{a}/x", "GET /{b}/y", "POST /{c}"]);
    let mut spans = PathSpans::default();
    assert_eq!(router.find(Method::Get, b"/1/y", &mut spans), Some(1));
    assert_eq!(spans.raw(0, b"/1/y"), Some(&b"1"[..]));
    assert_eq!(find(&router, Method::Post, b"/1"), Some(2));
}

#[test]
fn every_conflict_is_reported_with_both_keys() {
    let errors = Router::compile(
        &keys(&[
            "GET /a/{x}",
            "$default",
            "ANY /b",
            "GET /a/{y}",
            "GET /b",
            "$default",
            "ANY /b",
            "GET /a/{z}",
        ]),
        Precedence::HttpApi,
    )
    .expect_err("four conflicts");
    let texts: Vec<_> = errors.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "`GET /a/{x}` and `GET /a/{y}` match the same requests",
            "`$default` and `$default` match the same requests",
            "`ANY /b` and `ANY /b` match the same requests",
            "`GET /a/{x}` and `GET /a/{z}` match the same requests",
        ]
    );
    assert_eq!(errors[3].other_route_index(), Some(0));
    assert_eq!(errors[3].route_index(), 7);
}

fn path_key(segments: Vec<Segment>) -> RouteKey {
    RouteKey::Path { method: RouteMethod::Any, path: PathPattern { segments } }
}

#[test]
fn keys_at_their_bounds_work_and_one_over_is_refused() {
    let parameters = |count| path_key(vec![Segment::Parameter("x".into()); count]);
    let most = Router::compile(&[parameters(PATH_PARAMETERS_MAX)], Precedence::HttpApi)
        .expect("at the bound");
    let path = "/v".repeat(PATH_PARAMETERS_MAX);
    let mut spans = PathSpans::default();
    assert_eq!(most.find(Method::Get, path.as_bytes(), &mut spans), Some(0));
    assert_eq!(spans.count(), PATH_PARAMETERS_MAX);
    assert_eq!(spans.raw(PATH_PARAMETERS_MAX - 1, path.as_bytes()), Some(&b"v"[..]));
    let errors = Router::compile(&[parameters(PATH_PARAMETERS_MAX + 1)], Precedence::HttpApi)
        .expect_err("over");
    assert!(errors[0].to_string().contains("33 path parameters, the most is 32"));

    let literals = |count| path_key(vec![Segment::Static("s".into()); count]);
    let most = Router::compile(&[literals(SEGMENTS_COUNT_MAX)], Precedence::HttpApi)
        .expect("at the bound");
    assert_eq!(get(&most, &"/s".repeat(SEGMENTS_COUNT_MAX)), Some(0));
    assert!(Router::compile(&[literals(SEGMENTS_COUNT_MAX + 1)], Precedence::HttpApi).is_err());

    let long = |bytes| path_key(vec![Segment::Static("x".repeat(bytes))]);
    let most = Router::compile(&[long(65_534)], Precedence::HttpApi).expect("at the bound");
    assert_eq!(get(&most, &format!("/{}", "x".repeat(65_534))), Some(0));
    assert!(Router::compile(&[long(65_535)], Precedence::HttpApi).is_err());

    let greedy_first = vec![Segment::Greedy("x".into()), Segment::Static("s".into())];
    let errors =
        Router::compile(&[path_key(greedy_first)], Precedence::HttpApi).expect_err("not last");
    assert!(errors[0].to_string().contains("must be the last segment"));
}

#[test]
fn a_path_over_65535_bytes_goes_nowhere() {
    let router = router(&["$default", "GET /{x}", "GET /a/{rest+}"]);
    let longest = [b"/".to_vec(), vec![b'x'; 65_534]].concat();
    let mut spans = PathSpans::default();
    assert_eq!(router.find(Method::Get, &longest, &mut spans), Some(1));
    assert_eq!(spans.raw(0, &longest).map(<[u8]>::len), Some(65_534));
    let over = [longest, vec![b'x']].concat();
    assert_eq!(router.find(Method::Get, &over, &mut spans), None);
    assert_eq!(spans.count(), 0);
}

/// `/{a,{x}}/{a,{x}}/...`: every combination is a route.
fn hostile_router(levels: u32) -> Router {
    let key = |bits: u32| {
        let segment = |level| if bits >> level & 1 == 0 { "/a" } else { "/{x}" };
        key(&format!("GET {}/end", (0..levels).map(segment).collect::<String>()))
    };
    Router::compile(&(0..1 << levels).map(key).collect::<Vec<_>>(), Precedence::HttpApi)
        .expect("all differ")
}

fn visits(router: &Router, path: &[u8]) -> u32 {
    let mut spans = PathSpans::default();
    let mut walk = Walk::new(&router.tree, path, method_bit(Method::Get), &mut spans);
    let _ = walk.run(Precedence::HttpApi);
    walk.visits
}

#[test]
fn hostile_routes_cost_each_node_once_at_most() {
    for levels in [1, 4, 12] {
        let router = hostile_router(levels);
        let path = "/a".repeat(levels as usize);
        for end in ["/end", "/enx", "/", "", "/end/", "/%65nd", "/%65nx"] {
            let path = format!("{path}{end}");
            let worst = visits(&router, path.as_bytes());
            assert!(worst <= router.visits_max(), "{path}: {worst}");
        }
        // Nearly reached, so the bound says something; and no more than there are nodes.
        let worst = visits(&router, format!("{path}/enx").as_bytes());
        assert!(worst >= (1 << levels) - 1 && worst <= router.visits_max());
        assert!(router.visits_max() as usize <= router.tree.nodes.len());
        let mut spans = PathSpans::default();
        let other = format!("{}/end", "/b".repeat(levels as usize));
        let last = (1 << levels) - 1;
        assert_eq!(router.find(Method::Get, other.as_bytes(), &mut spans), Some(last));
        assert_eq!(spans.count(), levels as usize);
    }
}

#[test]
fn methods_prune_what_cannot_match() {
    let router = hostile_router(8);
    let mut spans = PathSpans::default();
    let path = format!("{}/end", "/a".repeat(8));
    let mut walk = Walk::new(&router.tree, path.as_bytes(), method_bit(Method::Post), &mut spans);
    assert_eq!((walk.run(Precedence::HttpApi), walk.visits), (None, 1));
}

#[test]
fn ordinary_routes_have_a_small_bound() {
    let routes: Vec<_> = (0..1_000)
        .flat_map(|index| [format!("GET /v1/r{index}"), format!("GET /v1/r{index}/{{id}}")])
        .map(|text| key(&text))
        .collect();
    let router = Router::compile(&routes, Precedence::HttpApi).expect("all differ");
    assert!(router.visits_max() <= 10, "{}", router.visits_max());
    assert_eq!(get(&router, "/v1/r999"), Some(1_998));
    assert_eq!(get(&router, "/v1/r999/7"), Some(1_999));
}

#[test]
fn a_hundred_thousand_routes_are_all_found() {
    let text = |index: u32| match index % 4 {
        0 => format!("GET /service{}/items{index}", index % 97),
        1 => format!("GET /service{}/{{id}}/part{index}", index % 97),
        2 => format!("ANY /service{}/files{index}/{{path+}}", index % 97),
        _ => format!("POST /service{}/items{index}/{{a}}/{{b}}", index % 97),
    };
    let routes: Vec<_> = (0..100_000).map(|index| key(&text(index))).collect();
    let router = Router::compile(&routes, Precedence::HttpApi).expect("all differ");
    for index in 0..100_000 {
        let text = text(index);
        let (method, path) = text.split_once(' ').expect("a method and a path");
        let path = path.replace("{path+}", "x/y").replace(['{', '}'], "");
        let method = if method == "POST" { Method::Post } else { Method::Get };
        assert_eq!(find(&router, method, path.as_bytes()), Some(index), "{path}");
    }
    assert_eq!(get(&router, "/service1/items100001"), None);
    assert!(router.visits_max() < 32, "{}", router.visits_max());
}
