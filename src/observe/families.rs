//! The metric families: names, help, and what each is summed from.
//!
//! The order is fixed: the gateway's requests, its shards, its upstreams, the process. Series of
//! a family are in the order of the plan or of the shards.

use std::sync::Arc;

use super::exposition::Exposition;
use super::functions;
use super::handshake;
use super::histogram::{Histogram, HistogramSum, powers_of_two_ms};
use super::http2;
use super::metrics::{Generation, Metrics};
use super::process::ProcessInfo;
use super::recorder::{BufferKind, DeadlineKind, UpstreamFailure};
use super::shard_metrics::{STATUS_FIRST, STATUSES_COUNT, ShardCounters, ShardMetrics};
use super::tables::{CLASSES, GroupCounters, RouteCounters, ShardTables, StageCounters};
use crate::base::limits::TICK_MS;
use crate::base::{Blame, Fault, Nanos, ThrottleScope};

/// 62.5 us to 65.536 s, past AWS's longest integration timeout.
pub(super) const LATENCY_BOUNDS: [Nanos; 21] = powers_of_two_ms(-4);
/// 15.625 us to 1.024 s.
const OVERHEAD_BOUNDS: [Nanos; 17] = powers_of_two_ms(-6);

/// What a scrape may leave out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct RenderOptions {
    /// Tell each route's counts: up to six series for each route that was used.
    pub with_routes: bool,
}

/// Label values of requests that never got as far as a stage.
const UNMATCHED: &str = "-";

impl Metrics {
    /// Appends all metrics of the process in Prometheus' text form.
    pub fn render_prometheus(
        &self,
        process: &ProcessInfo,
        options: RenderOptions,
        out: &mut String,
    ) {
        let mut text = Exposition::new(out);
        if let Some(generation) = self.current() {
            render_stages(generation, &mut text);
            if options.with_routes {
                render_routes(generation, &mut text);
            }
        }
        render_answers(self.shards(), &mut text);
        render_connections(self.shards(), &mut text);
        handshake::render(self.shards(), &mut text);
        http2::render(self.shards(), &mut text);
        render_certificates(process, &mut text);
        render_loops(self.shards(), process, &mut text);
        if let Some(generation) = self.current() {
            render_groups(generation, &mut text);
        }
        render_targets(process, &mut text);
        render_ordered_certificates(process, &mut text);
        functions::render(process, &mut text);
        functions::render_calls(self.shards(), &mut text);
        render_access_log(process, &mut text);
        render_process(process, &mut text);
    }
}

/// The same stage's counters of all shards, with the labels; the unmatched ones last.
fn stages(generation: &Generation) -> Vec<([&str; 2], Vec<&StageCounters>)> {
    let of_shards = |pick: &dyn Fn(&ShardTables) -> Option<&Arc<StageCounters>>| {
        generation.tables.iter().filter_map(|one| pick(one)).map(|one| &**one).collect()
    };
    let labelled = generation.labels.stages.iter().enumerate().map(|(index, label)| {
        let counters = of_shards(&|tables| Some(&tables.stages.get(index)?.counters));
        ([&*label.api_id, &*label.stage_name], counters)
    });
    let unmatched = of_shards(&|tables| Some(&tables.unmatched));
    labelled.chain([([UNMATCHED, UNMATCHED], unmatched)]).collect()
}

fn render_stages(generation: &Generation, text: &mut Exposition<'_>) {
    let stages = stages(generation);
    text.counter("shardgate_requests_total", "Requests that ended, by class of status.");
    for ([api, stage], shards) in &stages {
        for (class, name) in CLASSES.iter().enumerate() {
            let count = total(shards, |one| one.requests[class].get());
            text.sample(&[("api", api), ("stage", stage), ("code_class", name)], count);
        }
    }
    let mut per_stage = |name, help, count: fn(&StageCounters) -> u64| {
        text.counter(name, help);
        for ([api, stage], shards) in &stages {
            text.sample(&[("api", api), ("stage", stage)], total(shards, count));
        }
    };
    per_stage("shardgate_tunnels_total", "Upgraded connections that ended.", |one| {
        one.tunnels.get()
    });
    per_stage("shardgate_request_body_bytes_total", "Bytes of request bodies.", |one| {
        one.request_bytes.get()
    });
    per_stage("shardgate_response_body_bytes_total", "Bytes of response bodies.", |one| {
        one.answer_bytes.get()
    });
    let mut durations = |name, help, bounds: &[Nanos], pick: fn(&StageCounters) -> &Histogram| {
        text.histogram(name, help);
        for ([api, stage], shards) in &stages {
            let mut sum = HistogramSum::default();
            shards.iter().for_each(|one| sum.add(pick(one)));
            text.buckets(&[("api", api), ("stage", stage)], &sum, bounds);
        }
    };
    durations(
        "shardgate_request_duration_seconds",
        "From a request's first byte to its answer's last.",
        &LATENCY_BOUNDS,
        |one| &one.latency,
    );
    durations(
        "shardgate_integration_duration_seconds",
        "The integration's part of a request's duration.",
        &LATENCY_BOUNDS,
        |one| &one.integration,
    );
    durations(
        "shardgate_gateway_overhead_seconds",
        "A request's duration without the integration's part, of requests without fault.",
        &OVERHEAD_BOUNDS,
        |one| &one.overhead,
    );
}

fn render_routes(generation: &Generation, text: &mut Exposition<'_>) {
    let stages = || generation.labels.stages.iter().enumerate();
    let routes = || {
        stages().flat_map(|(index, stage)| {
            stage.route_keys.iter().enumerate().map(move |(route, key)| {
                let tables = generation.tables.iter();
                let shards: Vec<_> =
                    tables.filter_map(|one| one.stages.get(index)?.routes.get(route)).collect();
                ([&*stage.api_id, &*stage.stage_name, &**key], shards)
            })
        })
    };
    let class_total = |shards: &[&Arc<RouteCounters>], class: usize| {
        shards.iter().map(|one| one.requests[class].get()).sum::<u64>()
    };
    text.counter(
        "shardgate_route_requests_total",
        "Requests of a route, by class of status; a route that was not used is left out.",
    );
    for ([api, stage, route], shards) in routes() {
        for (class, name) in CLASSES.iter().enumerate() {
            let count = class_total(&shards, class);
            if count > 0 {
                let labels =
                    [("api", api), ("stage", stage), ("route", route), ("code_class", name)];
                text.sample(&labels, count);
            }
        }
    }
    text.counter(
        "shardgate_route_request_duration_seconds_total",
        "Durations of a route's requests together; by their count it is the mean.",
    );
    for ([api, stage, route], shards) in routes() {
        let sum = shards.iter().map(|one| one.latency_sum_ns.get()).sum();
        if (0..CLASSES.len()).any(|class| class_total(&shards, class) > 0) {
            text.sample_seconds(&[("api", api), ("stage", stage), ("route", route)], Nanos(sum));
        }
    }
}

fn render_answers(shards: &[Arc<ShardMetrics>], text: &mut Exposition<'_>) {
    text.counter("shardgate_responses_total", "Requests that ended, by status.");
    for index in 0..STATUSES_COUNT {
        let count = sum_of(shards, |one| one.statuses[index].get());
        if count > 0 {
            let status = usize::from(STATUS_FIRST) + index;
            text.sample(&[("code", itoa::Buffer::new().format(status))], count);
        }
    }
    text.counter(
        "shardgate_errors_total",
        "Requests and connections that ended without the integration's own answer, by cause.",
    );
    for (index, (cause, blame)) in causes().into_iter().enumerate() {
        let count = sum_of(shards, |one| one.faults[index].get());
        text.sample(&[("cause", cause), ("blame", blame)], count);
    }
    text.counter("shardgate_throttled_total", "Requests that a limit refused, by its scope.");
    for (scope, name) in [
        (ThrottleScope::Account, "account"),
        (ThrottleScope::Stage, "stage"),
        (ThrottleScope::Route, "route"),
        (ThrottleScope::Connection, "connection"),
    ] {
        let index = Fault::Throttled { scope, retry_after_ms: 0 }.cause_index();
        text.sample(&[("scope", name)], sum_of(shards, |one| one.faults[index].get()));
    }
    let panics = sum_of(shards, |one| one.panics.get());
    text.counter("shardgate_panics_total", "Panics that were contained. Each is a bug.");
    text.sample(&[], panics);
    text.counter("shardgate_deadlines_fired_total", "Operations that a deadline ended, by kind.");
    for (index, name) in DeadlineKind::NAMES.iter().enumerate() {
        let count = sum_of(shards, |one| one.deadlines_fired[index].get());
        text.sample(&[("kind", name)], count);
    }
}

/// Causes with whose fault they are, in the order of [`Fault::cause_index`].
fn causes() -> Vec<(&'static str, &'static str)> {
    let blame = |index: usize| match Fault::PLAIN.get(index).map(|fault| fault.blame()) {
        Some(Blame::Gateway) => "gateway",
        Some(Blame::Upstream) => "upstream",
        Some(Blame::Client) | None => "client",
    };
    Fault::causes().into_iter().enumerate().map(|(index, cause)| (cause, blame(index))).collect()
}

fn render_connections(shards: &[Arc<ShardMetrics>], text: &mut Exposition<'_>) {
    let by_shard = |text: &mut Exposition<'_>, value: fn(&ShardCounters) -> u64| {
        for shard in shards {
            text.sample(&[("shard", &shard.index().to_string())], value(&shard.counters));
        }
    };
    text.gauge("shardgate_connections", "Open client connections of a shard.");
    by_shard(text, |one| one.connections_active.get());
    text.gauge("shardgate_tunnels", "Upgraded connections of a shard.");
    by_shard(text, |one| one.tunnels_active.get());
    text.counter("shardgate_connections_accepted_total", "Client connections accepted.");
    by_shard(text, |one| one.connections_accepted.get());
    text.counter("shardgate_connections_closed_total", "Client connections closed.");
    by_shard(text, |one| one.connections_closed.get());
    text.counter("shardgate_connections_refused_total", "Client connections over the limit.");
    by_shard(text, |one| one.connections_refused.get());
    text.counter("shardgate_accept_errors_total", "Failures to accept a client connection.");
    by_shard(text, |one| one.accept_errors.get());
    text.counter(
        "shardgate_connections_handed_over_total",
        "Client connections given to another shard to even out the load.",
    );
    by_shard(text, |one| one.connections_handed_over.get());
    text.counter(
        "shardgate_connections_received_total",
        "Client connections taken over from another shard.",
    );
    by_shard(text, |one| one.connections_received.get());
    text.counter("shardgate_shard_requests_total", "Requests that ended on a shard.");
    by_shard(text, |one| one.statuses.iter().map(super::counter::Counter::get).sum());
}

fn render_loops(shards: &[Arc<ShardMetrics>], process: &ProcessInfo, text: &mut Exposition<'_>) {
    let mut lag = HistogramSum::default();
    shards.iter().for_each(|shard| lag.add(&shard.counters.lag));
    text.histogram("shardgate_shard_loop_lag_seconds", "How late the ticks of the shards are.");
    text.buckets(&[], &lag, &OVERHEAD_BOUNDS);
    text.gauge(
        "shardgate_shard_loop_lag_max_seconds",
        "The latest tick of a shard in the last ten to twenty seconds, or the one it is late with.",
    );
    for shard in shards {
        let labels = [("shard", &*shard.index().to_string())];
        text.sample_seconds(&labels, worst_lag(shard, process.now));
    }
    text.gauge("shardgate_buffers", "Buffers of a shard, by kind and whether they are in use.");
    for shard in shards {
        let index = shard.index().to_string();
        for (kind, name) in BufferKind::NAMES.iter().enumerate() {
            let (taken, kept) =
                (&shard.counters.buffers_taken[kind], &shard.counters.buffers_kept[kind]);
            for (state, gauge) in [("taken", taken), ("kept", kept)] {
                text.sample(&[("shard", &index), ("kind", name), ("state", state)], gauge.get());
            }
        }
    }
    text.gauge("shardgate_config_epoch", "The configuration epoch that a shard has adopted.");
    for shard in shards {
        text.sample(&[("shard", &shard.index().to_string())], shard.epoch());
    }
    text.gauge("shardgate_io_driver_info", "The I/O driver of a shard, and what was refused.");
    for shard in shards {
        if let Some(report) = shard.driver.get() {
            let (index, flags) = (shard.index().to_string(), report.flags.join(","));
            let refused = report.refused.join("; ");
            let labels = [
                ("shard", &*index),
                ("driver", report.name),
                ("flags", &flags),
                ("refused", &refused),
            ];
            text.sample(&labels, 1);
        }
    }
}

/// The worst lag that the shard reported lately, or what it has not reported yet: a shard that
/// hangs does not tick.
fn worst_lag(shard: &ShardMetrics, now: Nanos) -> Nanos {
    let counters = &shard.counters;
    let told = counters.lag_window_max_ns.get().max(counters.lag_window_before_max_ns.get());
    let last_tick = shard.last_tick();
    if last_tick == Nanos(0) {
        return Nanos(told);
    }
    let due = last_tick.plus(Nanos::from_millis(TICK_MS));
    Nanos(told).max(now.since(due))
}

fn render_groups(generation: &Generation, text: &mut Exposition<'_>) {
    let names = generation.labels.groups.iter().enumerate();
    let groups: Vec<(&str, Vec<&GroupCounters>)> = names
        .map(|(slot, name)| {
            let tables = generation.tables.iter();
            (&**name, tables.filter_map(|one| one.groups.get(slot)).map(|one| &**one).collect())
        })
        .collect();
    text.counter("shardgate_upstream_responses_total", "Answers of targets, by class of status.");
    for (group, shards) in &groups {
        for (class, name) in CLASSES.iter().enumerate() {
            let count = total(shards, |one| one.answers[class].get());
            text.sample(&[("group", group), ("code_class", name)], count);
        }
    }
    text.counter("shardgate_upstream_failures_total", "Attempts without answer, by cause.");
    for (group, shards) in &groups {
        for (cause, name) in UpstreamFailure::NAMES.iter().enumerate() {
            let count = total(shards, |one| one.failures[cause].get());
            text.sample(&[("group", group), ("cause", name)], count);
        }
    }
    text.histogram("shardgate_upstream_attempt_duration_seconds", "Durations of single attempts.");
    for (group, shards) in &groups {
        let mut sum = HistogramSum::default();
        shards.iter().for_each(|one| sum.add(&one.attempt));
        text.buckets(&[("group", group)], &sum, &LATENCY_BOUNDS);
    }
    for (name, help, count) in GROUP_COUNTERS {
        text.counter(name, help);
        for (group, shards) in &groups {
            text.sample(&[("group", group)], total(shards, count));
        }
    }
    for (name, help, count) in GROUP_GAUGES {
        text.gauge(name, help);
        for (group, shards) in &groups {
            text.sample(&[("group", group)], total(shards, count));
        }
    }
}

type GroupFamily = (&'static str, &'static str, fn(&GroupCounters) -> u64);

const GROUP_COUNTERS: [GroupFamily; 7] = [
    ("shardgate_upstream_retries_total", "Attempts that were not the first of a request.", |one| {
        one.retries.get()
    }),
    ("shardgate_upstream_retries_denied_total", "Retries that the budget did not allow.", |one| {
        one.retries_denied.get()
    }),
    (
        "shardgate_upstream_ejections_total",
        "Targets left out because they failed in a row.",
        |one| one.ejections.get(),
    ),
    (
        "shardgate_upstream_circuit_open_total",
        "Requests refused because too many were outstanding.",
        |one| one.circuit_opens.get(),
    ),
    (
        "shardgate_upstream_connections_opened_total",
        "Connections to targets that were opened.",
        |one| one.connections_opened.get(),
    ),
    (
        "shardgate_upstream_connections_reused_total",
        "Times that a kept connection was used again.",
        |one| one.connections_reused.get(),
    ),
    (
        "shardgate_upstream_connections_closed_total",
        "Connections to targets that were closed.",
        |one| one.connections_closed.get(),
    ),
];

const GROUP_GAUGES: [GroupFamily; 2] = [
    ("shardgate_upstream_connections_idle", "Connections to targets kept unused.", |one| {
        one.connections_idle.get()
    }),
    ("shardgate_upstream_requests_outstanding", "Requests that wait for a target.", |one| {
        one.outstanding.get()
    }),
];

fn render_targets(process: &ProcessInfo, text: &mut Exposition<'_>) {
    text.gauge("shardgate_upstream_target_healthy", "Whether health checks take a target for up.");
    for one in &process.targets {
        let labels = [("group", &*one.group), ("target", &*one.target)];
        text.sample(&labels, u64::from(one.is_healthy));
    }
}

fn render_ordered_certificates(process: &ProcessInfo, text: &mut Exposition<'_>) {
    let seconds = |at: i64| u64::try_from(at).unwrap_or(0);
    let ordered = &process.ordered_certificates;
    text.gauge(
        "shardgate_acme_next_order_seconds",
        "When a certificate is ordered next for a domain, since unix epoch.",
    );
    for one in ordered {
        text.sample(&[("domain", &one.domain)], seconds(one.next_order));
    }
    text.counter("shardgate_acme_orders_total", "Orders of certificates that ended, by result.");
    for one in ordered {
        for (result, count) in [("issued", one.issued), ("failed", one.failed)] {
            text.sample(&[("domain", &one.domain), ("result", result)], count);
        }
    }
}

fn render_certificates(process: &ProcessInfo, text: &mut Exposition<'_>) {
    text.gauge(
        "shardgate_tls_certificate_expiry_timestamp_seconds",
        "When a certificate that clients are shown expires, in seconds since 1970.",
    );
    for one in &process.certificates {
        if let Some(domain) = &one.domain {
            let labels = [("domain", &**domain), ("key_type", one.key_type), ("file", &one.file)];
            text.sample(&labels, one.expires_unix_seconds);
        }
    }
    text.gauge(
        "shardgate_upstream_tls_certificate_expiry_timestamp_seconds",
        "When a certificate that targets are shown expires, in seconds since 1970.",
    );
    for one in &process.certificates {
        if let Some(group) = &one.group {
            let labels = [("group", &**group), ("key_type", one.key_type), ("file", &one.file)];
            text.sample(&labels, one.expires_unix_seconds);
        }
    }
}

fn render_access_log(process: &ProcessInfo, text: &mut Exposition<'_>) {
    let Some(counts) = process.access_log else { return };
    let mut counter = |name, help, value| {
        text.counter(name, help);
        text.sample(&[], value);
    };
    counter("shardgate_access_log_lines_total", "Lines written.", counts.lines_written);
    counter("shardgate_access_log_bytes_total", "Bytes written.", counts.bytes_written);
    counter(
        "shardgate_access_log_lines_dropped_total",
        "Lines lost because the disk was slow or refused them.",
        counts.lines_dropped,
    );
    counter("shardgate_access_log_errors_total", "Failed writes.", counts.write_errors);
    counter("shardgate_access_log_reopens_total", "Times the file was reopened.", counts.reopens);
    text.gauge("shardgate_access_log_buffers_waiting", "Buffers of lines that wait for the disk.");
    text.sample(&[], counts.batches_waiting);
}

fn render_process(process: &ProcessInfo, text: &mut Exposition<'_>) {
    text.gauge("shardgate_build_info", "The version of the program.");
    text.sample(&[("version", &process.version)], 1);
    text.gauge("shardgate_draining", "Whether the process is draining.");
    text.sample(&[], u64::from(process.is_draining));
    text.counter("shardgate_config_reloads_total", "Reloads of the configuration, by result.");
    text.sample(&[("result", "published")], process.reloads);
    text.sample(&[("result", "refused")], process.reloads_failed);
    let usage = process.usage;
    if let Some(cpu) = usage.cpu {
        text.counter(
            "process_cpu_seconds_total",
            "Total user and system CPU time spent in seconds.",
        );
        text.sample_seconds(&[], cpu);
    }
    let mut gauge = |name, help, value: Option<u64>| {
        if let Some(value) = value {
            text.gauge(name, help);
            text.sample(&[], value);
        }
    };
    gauge("process_open_fds", "Number of open file descriptors.", usage.descriptors_open);
    gauge("process_max_fds", "Maximum number of open file descriptors.", usage.descriptors_max);
    gauge("process_resident_memory_bytes", "Resident memory size in bytes.", usage.resident_bytes);
    gauge("process_virtual_memory_bytes", "Virtual memory size in bytes.", usage.virtual_bytes);
    if let Some(started) = usage.started {
        text.gauge(
            "process_start_time_seconds",
            "Start time of the process since unix epoch in seconds.",
        );
        text.sample_seconds(&[], started);
    }
}

fn total<T>(shards: &[&T], count: impl Fn(&T) -> u64) -> u64 {
    shards.iter().map(|one| count(one)).sum()
}

fn sum_of(shards: &[Arc<ShardMetrics>], count: impl Fn(&ShardCounters) -> u64) -> u64 {
    shards.iter().map(|shard| count(&shard.counters)).sum()
}
