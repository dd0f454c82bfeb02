//! Metrics and percentiles.

use std::sync::PoisonError;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::AdminView;
use super::upstreams::groups;
use crate::base::Nanos;
use crate::control::acme::AcmeState;
use crate::control::status::Phase;
use crate::coord::Health;
use crate::observe::{
    CertificateState, OrderedCertificate, Percentiles, ProcessInfo, ProcessUsage, RenderOptions,
    TargetState,
};
use crate::rt;
use crate::tls::ShownCertificate;

/// What a scrape may ask for.
#[derive(Debug, Default, Deserialize)]
pub(super) struct MetricsQuery {
    /// `?routes=true`: counts of each route too.
    #[serde(default)]
    routes: bool,
}

/// Prometheus' text form.
pub(super) async fn metrics(
    State(view): State<AdminView>,
    Query(query): Query<MetricsQuery>,
) -> Response {
    let process = process_info(&view);
    let mut text = String::new();
    {
        let mut metrics = view.metrics.lock().unwrap_or_else(PoisonError::into_inner);
        metrics.drop_unused();
        let options = RenderOptions { with_routes: query.routes };
        metrics.render_prometheus(&process, options, &mut text);
    }
    ([(CONTENT_TYPE, PROMETHEUS_TEXT)], text).into_response()
}

fn process_info(view: &AdminView) -> ProcessInfo {
    let reloads = view.status.reloads();
    let targets = groups(view).into_iter().flat_map(|(group, targets)| {
        let targets = targets.map(|targets| targets.addresses.clone()).unwrap_or_default();
        targets.into_iter().map(move |target| TargetState {
            group: group.clone(),
            target: target.address.to_string(),
            is_healthy: target.health.get() != Health::Unhealthy,
        })
    });
    ProcessInfo {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        now: rt::now(),
        is_draining: view.status.phase() == Phase::Draining,
        reloads: reloads.done,
        reloads_failed: reloads.refused,
        access_log: view.logs.counts(),
        targets: targets.collect(),
        ordered_certificates: view.acme.states().into_iter().map(ordered_certificate).collect(),
        certificates: certificates(view),
        functions: view.functions.counts(),
        usage: ProcessUsage::read(),
    }
}

fn ordered_certificate(state: AcmeState) -> OrderedCertificate {
    OrderedCertificate {
        domain: state.domain,
        next_order: state.next_order,
        issued: state.issued,
        failed: state.failed,
    }
}

fn certificates(view: &AdminView) -> Vec<CertificateState> {
    let in_force = view.in_force.lock().unwrap_or_else(PoisonError::into_inner);
    let state = |one: &ShownCertificate| CertificateState {
        domain: one.domain().map(str::to_owned),
        group: one.group().map(str::to_owned),
        key_type: one.kind.name(),
        file: one.file.display().to_string(),
        // One that was over before 1970 is told of as over since then.
        expires_unix_seconds: u64::try_from(one.facts.not_after).unwrap_or(0),
    };
    let mut states: Vec<_> = in_force.certificates.iter().map(state).collect();
    // A domain may name a file twice; a series may be there once.
    states.sort_unstable();
    states.dedup();
    states
}

/// Percentiles of each stage, in milliseconds, for people.
pub(super) async fn stats(State(view): State<AdminView>) -> Json<Value> {
    let stages = view.metrics.lock().unwrap_or_else(PoisonError::into_inner).stats();
    let stages = stages.into_iter().map(|stage| {
        let [c1, c2, c3, c4, c5] = stage.requests_by_class;
        json!({
            "api": stage.api_id,
            "stage": stage.stage_name,
            "requests": { "1xx": c1, "2xx": c2, "3xx": c3, "4xx": c4, "5xx": c5 },
            "latency": percentiles(&stage.latency),
            "integration": percentiles(&stage.integration),
            "overhead": percentiles(&stage.overhead),
        })
    });
    let shards = view.shards.iter().map(|shard| {
        json!({
            "shard": shard.index(),
            "epoch": shard.epoch(),
            "connections": shard.connections_active(),
        })
    });
    Json(json!({
        "epoch": view.status.epoch(),
        "phase": view.status.phase(),
        "reloads": view.status.reloads(),
        "shards": shards.collect::<Vec<_>>(),
        "stages": stages.collect::<Vec<_>>(),
    }))
}

fn percentiles(of: &Percentiles) -> Value {
    let ms = |span: Nanos| span.0 as f64 / 1e6;
    json!({
        "count": of.count,
        "mean_ms": ms(of.mean),
        "p50_ms": ms(of.p50),
        "p90_ms": ms(of.p90),
        "p99_ms": ms(of.p99),
        "p999_ms": ms(of.p999),
        "max_ms": ms(of.max),
    })
}

const PROMETHEUS_TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
