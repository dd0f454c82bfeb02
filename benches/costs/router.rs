//! Cost of a lookup and of compiling, by number of routes.
//!
//! Requests are drawn over all routes, so the large sets pay their cache misses; `static_hot` asks
//! for the same few paths again and again and shows the work alone.

use std::hint::black_box;

use shardgate::base::Method;
use shardgate::model::{PathPattern, RouteKey, RouteMethod, Segment};
use shardgate::plan::{PathSpans, Precedence, Router};

use crate::measure::{Case, Measure};

const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// More paths than a branch predictor learns by heart.
const REQUESTS_COUNT: usize = 4_096;
/// Few enough to stay in the first cache with all that they lead to.
const HOT_COUNT: usize = 16;

const RESOURCES: [&str; 10] = [
    "accounts",
    "baskets",
    "customers",
    "deliveries",
    "invoices",
    "orders",
    "payments",
    "products",
    "reviews",
    "users",
];

/// Four of ten routes are literal, four have parameters, two are greedy.
fn route(index: usize) -> (RouteMethod, String) {
    let resource = RESOURCES[index % RESOURCES.len()];
    let service = index / RESOURCES.len();
    let get = RouteMethod::Exact(Method::Get);
    match index % 5 {
        0 | 1 => (get, format!("/v1/service{service}/{resource}/list")),
        2 => (get, format!("/v1/service{service}/{resource}/{{id}}")),
        3 => (
            RouteMethod::Exact(Method::Post),
            format!("/v1/service{service}/{resource}/{{id}}/notes/{{note}}"),
        ),
        _ => (RouteMethod::Any, format!("/v1/service{service}/{resource}/{{proxy+}}")),
    }
}

fn key((method, path): &(RouteMethod, String)) -> RouteKey {
    let segment = |text: &str| match text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'))
    {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => Segment::Greedy(name.into()),
            None => Segment::Parameter(name.into()),
        },
        None => Segment::Static(text.into()),
    };
    let segments = path.split('/').skip(1).map(segment).collect();
    RouteKey::Path { method: *method, path: PathPattern { segments } }
}

fn keys(count: usize) -> Vec<RouteKey> {
    (0..count).map(|index| key(&route(index))).collect()
}

/// Paths of routes of these kinds (`index % 5`), spread over the whole set.
fn paths(count: usize, requests: usize, kinds: &[usize], tail: &str) -> Vec<(Method, Vec<u8>)> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut draw = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as usize
    };
    let path = |index: usize, drawn: usize| {
        let (method, path) = route(index);
        let path = path
            .replace("{id}", &(drawn % 1_000_000).to_string())
            .replace("{note}", "7f3a")
            .replace("{proxy+}", "img/2024/logo.svg");
        let method = match method {
            RouteMethod::Any => Method::Get,
            RouteMethod::Exact(method) => method,
        };
        (method, format!("{path}{tail}").into_bytes())
    };
    (0..requests)
        .map(|_| (draw() % (count / 5) * 5 + kinds[draw() % kinds.len()], draw()))
        .map(|(index, drawn)| path(index, drawn))
        .collect()
}

/// Lookups of one kind.
struct Kind {
    name: &'static str,
    requests: usize,
    /// Of which kinds of routes, as [`route`] makes them.
    routes: &'static [usize],
    tail: &'static str,
    is_hit: bool,
}

const KINDS: [Kind; 6] = [
    Kind { name: "static_hot", requests: HOT_COUNT, ..STATIC },
    STATIC,
    Kind { name: "parameter", routes: &[2, 3], ..STATIC },
    Kind { name: "greedy", routes: &[4], ..STATIC },
    Kind { name: "miss", routes: &[0, 1, 2, 3], tail: "/no/such/route", is_hit: false, ..STATIC },
    Kind { name: "encoded", routes: &[4], tail: "%20x", ..STATIC },
];

const STATIC: Kind =
    Kind { name: "static", requests: REQUESTS_COUNT, routes: &[0, 1], tail: "", is_hit: true };

pub(crate) fn cases(measure: &mut Measure) {
    for kind in KINDS {
        for size in SIZES {
            let case = Case::new("router", format!("{}_{size}", kind.name));
            measure.case(case, || lookup(&kind, size));
        }
    }
    for size in SIZES {
        let case = Case::new("router", format!("compile_{size}")).items(size as u64);
        // Also for ten routes, of which a call is quick: the cost of one route is what is told.
        measure.case(case.slow(), || {
            let keys = keys(size);
            move || Router::compile(black_box(&keys), Precedence::HttpApi)
        });
    }
}

fn lookup(kind: &Kind, size: usize) -> impl FnMut() -> Option<u32> + use<> {
    let router = Router::compile(&keys(size), Precedence::HttpApi).expect("all routes differ");
    let requests = paths(size, kind.requests, kind.routes, kind.tail);
    let mut spans = PathSpans::default();
    for (method, path) in &requests {
        assert_eq!(router.find(*method, path, &mut spans).is_some(), kind.is_hit);
    }
    let mut next = 0;
    move || {
        next = if next + 1 == requests.len() { 0 } else { next + 1 };
        let (method, path) = &requests[next];
        let found = router.find(*method, black_box(path), &mut spans);
        black_box(&spans);
        found
    }
}
