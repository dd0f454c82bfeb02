//! Cost of a lookup and of compiling, by number of routes.
//!
//! `cargo bench --bench router`. Requests are drawn over all routes, so the large sets pay their
//! cache misses: the flatness of the lookup is what this shows.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use shardgate::base::Method;
use shardgate::model::{PathPattern, RouteKey, RouteMethod, Segment};
use shardgate::plan::{PathSpans, Router};

const SIZES: [usize; 3] = [10, 1_000, 100_000];
/// A power of two, and more paths than a branch predictor learns by heart.
const REQUESTS_COUNT: usize = 4_096;

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
fn paths(count: usize, kinds: &[usize], tail: &str) -> Vec<(Method, Vec<u8>)> {
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
    (0..REQUESTS_COUNT)
        .map(|_| (draw() % (count / 5) * 5 + kinds[draw() % kinds.len()], draw()))
        .map(|(index, drawn)| path(index, drawn))
        .collect()
}

fn lookups(criterion: &mut Criterion) {
    let kinds: [(&str, &[usize], &str, bool); 5] = [
        ("static", &[0, 1], "", true),
        ("parameter", &[2, 3], "", true),
        ("greedy", &[4], "", true),
        ("miss", &[0, 1, 2, 3], "/no/such/route", false),
        ("encoded", &[4], "%20x", true),
    ];
    for (name, indexes, tail, is_hit) in kinds {
        let mut group = criterion.benchmark_group(format!("router/{name}"));
        group.throughput(Throughput::Elements(1));
        for size in SIZES {
            let router = Router::compile(&keys(size)).expect("all routes differ");
            let requests = paths(size, indexes, tail);
            let mut spans = PathSpans::default();
            for (method, path) in &requests {
                assert_eq!(router.find(*method, path, &mut spans).is_some(), is_hit);
            }
            let mut next = 0;
            group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
                bencher.iter(|| {
                    next = (next + 1) % REQUESTS_COUNT;
                    let (method, path) = &requests[next];
                    router.find(*method, black_box(path), &mut spans)
                });
            });
        }
        group.finish();
    }
}

fn compiling(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("router/compile");
    group.sample_size(10);
    for size in SIZES {
        let keys = keys(size);
        group.throughput(Throughput::Elements(size as u64));
        group.bench_function(BenchmarkId::from_parameter(size), |bencher| {
            bencher.iter(|| Router::compile(black_box(&keys)));
        });
    }
    group.finish();
}

criterion_group!(benches, lookups, compiling);
criterion_main!(benches);
