//! The names, types and help of all metrics follow Prometheus' conventions, by the judgement of
//! `promtool check metrics` (Debian package `prometheus`).

use std::io::{ErrorKind, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;

use shardgate::base::{Fault, Nanos, ThrottleScope};
use shardgate::observe::access_log::AccessLogCounts;
use shardgate::observe::{
    CallOutcome, CertificateState, FunctionCounts, Metrics, OrderedCertificate, PlanLabels,
    ProcessInfo, ProcessUsage, RenderOptions, RequestEnd, TargetState, UpstreamEnd,
};
use shardgate::plan::StageLabels;
use shardgate::rt::DriverReport;

fn certificate((domain, group): (Option<&str>, Option<&str>)) -> CertificateState {
    CertificateState {
        domain: domain.map(str::to_owned),
        group: group.map(str::to_owned),
        key_type: "rsa",
        file: "/etc/a \"b\".pem".into(),
        expires_unix_seconds: 2_000_000_000,
    }
}

fn function() -> FunctionCounts {
    FunctionCounts {
        processes_count: 1,
        starts_count: 2,
        initialised_count: 2,
        initialised_span: Nanos::from_millis(80),
        ended_counts: [("idle", 1)].into(),
    }
}

/// Every family with at least one sample, and label values that need escaping.
fn metrics_text() -> String {
    let mut metrics = Metrics::new(2);
    metrics.prepare_labels(PlanLabels {
        epoch: 3,
        stages: vec![Arc::new(StageLabels {
            api_id: "pets\"\\\n".into(),
            api_name: "pets".into(),
            stage_name: "$default".into(),
            route_keys: Box::new(["ANY /files/{proxy+}".into()]),
        })],
        groups: vec!["backend".into()],
    });
    for index in 0..2 {
        let recorder = metrics.shard(index).expect("two shards").recorder();
        recorder.driver_started(&DriverReport {
            name: "io_uring",
            flags: &["COOP_TASKRUN"],
            refused: vec!["io_uring with DEFER_TASKRUN: invalid argument".into()],
        });
        recorder.connection_opened();
        let calls = recorder.calls_of("orders \"a\"");
        calls.ended(CallOutcome::Answered, Nanos::from_millis(5));
        calls.ended(CallOutcome::Throttled, Nanos(0));
        recorder.ticked(Nanos::from_millis(20), Nanos::from_millis(1));
        let plan = recorder.adopt(3);
        let fault = Fault::Throttled { scope: ThrottleScope::Stage, retry_after_ms: 1 };
        for (status, fault) in [(200, None), (429, Some(fault))] {
            plan.request_ended(&RequestEnd {
                version: shardgate::proto::Version::Http11,
                route: Some(0),
                stage: Some(0),
                status,
                fault,
                latency: Nanos::from_millis(9),
                upstream: fault.is_none().then_some(Nanos::from_millis(8)),
                request_bytes: 1,
                answer_bytes: 2,
                is_tunnel: false,
            });
        }
        let latency = Nanos::from_millis(8);
        let end = UpstreamEnd { outcome: Ok(200), latency, is_retry: false };
        plan.group(0).attempt_ended(&end);
    }
    let target =
        TargetState { group: "backend".into(), target: "127.0.0.1:9000".into(), is_healthy: true };
    let process = ProcessInfo {
        version: "1.2.3".into(),
        access_log: Some(AccessLogCounts { lines_written: 7, ..AccessLogCounts::default() }),
        targets: vec![target],
        ordered_certificates: vec![OrderedCertificate {
            domain: "*.pets.example".into(),
            next_order: 1_797_000_000,
            issued: 1,
            failed: 2,
        }],
        certificates: [(Some("a.example"), None), (None, Some("backend"))].map(certificate).into(),
        functions: [("orders".to_owned(), function())].into(),
        usage: ProcessUsage::read(),
        ..ProcessInfo::default()
    };
    let mut out = String::new();
    metrics.render_prometheus(&process, RenderOptions { with_routes: true }, &mut out);
    out
}

#[test]
fn promtool_has_nothing_to_complain_about() {
    let text = metrics_text();
    let promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut promtool = match promtool {
        Err(error) if error.kind() == ErrorKind::NotFound && std::env::var_os("CI").is_none() => {
            eprintln!("skipped: promtool is missing (Debian: apt-get install prometheus)");
            return;
        }
        other => other.expect("promtool starts (Debian: apt-get install prometheus)"),
    };
    let mut input = promtool.stdin.take().expect("piped");
    input.write_all(text.as_bytes()).expect("promtool reads");
    drop(input);
    let output = promtool.wait_with_output().expect("promtool ends");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success() && said.trim().is_empty(), "promtool says:\n{said}\n{text}");
}

#[test]
fn every_sample_has_a_family_with_help_and_type_once() {
    let text = metrics_text();
    let names = |mark: &str| -> Vec<&str> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(mark));
        lines.filter_map(|line| line.split(' ').next()).collect()
    };
    let (helps, types) = (names("# HELP "), names("# TYPE "));
    assert_eq!(helps, types);
    let mut distinct = helps.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), helps.len(), "a family is told once");
    assert!(
        helps.iter().all(|name| name.starts_with("shardgate_") || name.starts_with("process_"))
    );
    let mut family = "";
    for line in text.lines() {
        match line.strip_prefix("# TYPE ").and_then(|rest| rest.split(' ').next()) {
            Some(name) => family = name,
            None if line.starts_with('#') => {}
            None => assert!(line.starts_with(family), "{line} is not of {family}"),
        }
    }
}

#[test]
fn two_scrapes_of_the_same_counts_are_the_same_text() {
    let without_process = |text: String| -> Vec<String> {
        text.lines().filter(|line| !line.contains("process_")).map(str::to_owned).collect()
    };
    assert_eq!(without_process(metrics_text()), without_process(metrics_text()));
}
