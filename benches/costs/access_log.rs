//! What a request pays for being seen: its counters, and its access-log line.

use std::hint::black_box;
use std::sync::Arc;

use shardgate::base::{Nanos, RequestIdSource};
use shardgate::observe::access_log::{AccessLog, AccessLogFormat, AccessRecord};
use shardgate::observe::{Metrics, PlanLabels, RequestEnd};
use shardgate::plan::StageLabels;

use crate::measure::{Case, Measure};

const ROUTES_COUNT: u32 = 1_000;
/// Requests of one measured round, so that the cost of the round itself vanishes.
const ROUND: u64 = 1_000;

pub(crate) fn cases(measure: &mut Measure) {
    let case = Case::new("request_ended", format!("{ROUTES_COUNT}_routes"));
    measure.case(case.items(ROUND), counters);
    lines(measure);
}

fn counters() -> impl FnMut() {
    let mut metrics = Metrics::new(1);
    let key = |index: u32| format!("GET /items/{index}").into();
    let stage = StageLabels {
        api_id: "api".into(),
        api_name: "api".into(),
        stage_name: "prod".into(),
        route_keys: (0..ROUTES_COUNT).map(key).collect(),
    };
    let stages = vec![Arc::new(stage)];
    metrics.prepare_labels(PlanLabels { epoch: 1, stages, groups: Vec::new() });
    let plan = metrics.shard(0).expect("one shard").recorder().adopt(1);
    let mut random = RequestIdSource::new([3, 4]);
    let mut end = || {
        let latency = 50_000 + random.next_u64() % 1_000_000;
        RequestEnd {
            version: shardgate::proto::Version::Http11,
            route: Some((random.next_u64() % u64::from(ROUTES_COUNT)) as u32),
            stage: Some(0),
            status: 200,
            fault: None,
            latency: Nanos(latency),
            upstream: Some(Nanos(latency - 10_000)),
            request_bytes: 0,
            answer_bytes: 256,
            is_tunnel: false,
        }
    };
    let ends: Vec<RequestEnd> = (0..ROUND).map(|_| end()).collect();
    move || {
        black_box(&metrics);
        ends.iter().for_each(|end| plan.request_ended(black_box(end)));
    }
}

fn record() -> AccessRecord<'static> {
    AccessRecord {
        request_id: RequestIdSource::new([1, 2]).next_id(),
        request_uuid: None,
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
        tls: None,
        fault: None,
        error_message: None,
    }
}

fn lines(measure: &mut Measure) {
    const FULL: &str = "{\"id\":\"$context.requestId\",\"ip\":\"$context.identity.sourceIp\",\
        \"time\":\"$context.requestTime\",\"method\":\"$context.httpMethod\",\
        \"path\":\"$context.path\",\"query\":\"$context.shardgate.query\",\
        \"agent\":\"$context.identity.userAgent\",\"route\":\"$context.routeKey\",\
        \"status\":$context.status,\"bytes\":$context.responseLength,\
        \"ms\":$context.responseLatency,\"upstreamMs\":$context.integrationLatency}";
    for (name, text) in [("clf", "clf"), ("json", "json"), ("json_full", FULL)] {
        measure.case(Case::new("access_log_line", name), || {
            let format = AccessLogFormat::compile(text).expect("a format");
            let (record, mut out) = (record(), Vec::with_capacity(4_096));
            move || {
                out.clear();
                format.render(black_box(&record), &mut out);
                black_box(&out);
            }
        });
    }
    measure.case(Case::new("access_log_line", "clf_into_sink"), || {
        let format = AccessLogFormat::compile("clf").expect("a format");
        let log = OpenLog(AccessLog::open("/dev/null").expect("the device"));
        let (record, mut sink) = (record(), log.0.shard_sink());
        move || {
            black_box(&log);
            sink.line(|out| format.render(black_box(&record), out));
        }
    });
}

/// Says at its end how many lines the writer was too slow for: those cost less than a line.
struct OpenLog(AccessLog);

impl Drop for OpenLog {
    fn drop(&mut self) {
        let counts = self.0.counts();
        if counts.lines_dropped > 0 {
            eprintln!("{} lines dropped, {} written", counts.lines_dropped, counts.lines_written);
        }
    }
}
