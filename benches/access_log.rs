//! What a request pays for being seen: its counters, and its access-log line.

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use shardgate::base::{Nanos, RequestIdSource};
use shardgate::observe::access_log::{AccessLog, AccessLogFormat, AccessRecord};
use shardgate::observe::{Metrics, PlanLabels, RequestEnd, RouteLabel, StageLabel};
use shardgate::plan::RouteSlot;

const ROUTES_COUNT: u32 = 1_000;
/// Requests of one measured round, so that the cost of the round itself vanishes.
const ROUND: u64 = 1_000;

fn counters(criterion: &mut Criterion) {
    let mut metrics = Metrics::new(1);
    let stage = StageLabel { api_id: "api".into(), stage_name: "prod".into() };
    let key = |index: u32| RouteLabel { stage: 0, key: format!("GET /items/{index}").into() };
    metrics.prepare_labels(PlanLabels {
        epoch: 1,
        stages: vec![stage],
        routes: (0..ROUTES_COUNT).map(key).collect(),
        groups: Vec::new(),
    });
    let plan = metrics.shard(0).expect("one shard").recorder().adopt(1);
    let mut group = criterion.benchmark_group("request_ended");
    group.throughput(criterion::Throughput::Elements(ROUND));
    group.bench_function("1000_routes", |bencher| {
        let mut random = RequestIdSource::new([3, 4]);
        let ends: Vec<RequestEnd> = (0..ROUND)
            .map(|_| {
                let latency = 50_000 + random.next_u64() % 1_000_000;
                RequestEnd {
                    route: Some(RouteSlot((random.next_u64() % u64::from(ROUTES_COUNT)) as u32)),
                    stage: Some(0),
                    status: 200,
                    fault: None,
                    latency: Nanos(latency),
                    upstream: Some(Nanos(latency - 10_000)),
                    request_bytes: 0,
                    answer_bytes: 256,
                    is_tunnel: false,
                }
            })
            .collect();
        bencher.iter(|| ends.iter().for_each(|end| plan.request_ended(black_box(end))));
    });
    group.finish();
}

fn record() -> AccessRecord<'static> {
    AccessRecord {
        request_id: RequestIdSource::new([1, 2]).next_id(),
        connection_id: Some(123_456),
        source_ip: Some([192, 168, 110, 214].into()),
        method: b"GET",
        path: b"/items/31415/reviews/2718",
        query: Some(b"page=2&sort=newest"),
        protocol: "HTTP/1.1",
        host: b"api.example.com",
        user_agent: Some(b"Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"),
        api_id: Some("shop"),
        stage: Some("prod"),
        route_key: Some("GET /items/{id}/reviews/{review}"),
        status: 200,
        request_bytes: 0,
        response_bytes: 256,
        request_time_unix_ms: 1_795_172_400_123,
        latency: Nanos(1_234_567),
        integration_latency: Some(Nanos(1_200_000)),
        integration_status: Some(200),
        target: Some("10.0.0.1:8080"),
        fault: None,
        error_message: None,
    }
}

fn lines(criterion: &mut Criterion) {
    const FULL: &str = "{\"id\":\"$context.requestId\",\"ip\":\"$context.identity.sourceIp\",\
        \"time\":\"$context.requestTime\",\"method\":\"$context.httpMethod\",\
        \"path\":\"$context.path\",\"query\":\"$context.shardgate.query\",\
        \"agent\":\"$context.identity.userAgent\",\"route\":\"$context.routeKey\",\
        \"status\":$context.status,\"bytes\":$context.responseLength,\
        \"ms\":$context.responseLatency,\"upstreamMs\":$context.integrationLatency}";
    let mut group = criterion.benchmark_group("access_log_line");
    for (name, text) in [("clf", "clf"), ("json", "json"), ("json_full", FULL)] {
        let format = AccessLogFormat::compile(text).expect("a format");
        let (record, mut out) = (record(), Vec::with_capacity(4_096));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                format.render(black_box(&record), &mut out);
                black_box(out.len())
            });
        });
    }
    let format = AccessLogFormat::compile("clf").expect("a format");
    let (record, log) = (record(), AccessLog::open("/dev/null").expect("the device"));
    let mut sink = log.shard_sink();
    group.bench_function("clf_into_sink", |bencher| {
        bencher.iter(|| sink.line(|out| format.render(black_box(&record), out)));
    });
    group.finish();
}

criterion_group!(benches, counters, lines);
criterion_main!(benches);
