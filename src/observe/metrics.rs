//! The process's metrics, as the side thread holds them: prepares the counters of a new plan,
//! and reads all shards at a scrape.
//!
//! The shards never wait for it. A plan's counters are made here before the plan is published;
//! a shard that adopts the plan takes one `Arc`. Old epochs' counters are let go here too, so
//! that no shard spends its time on freeing the counters of 100,000 routes.

use std::sync::Arc;

use super::labels::PlanLabels;
use super::shard_metrics::ShardMetrics;
use super::tables::{Inheritance, ShardTables};
use crate::plan::Plan;

/// All shards' metrics, owned by the side thread.
#[derive(Debug)]
pub struct Metrics {
    shards: Vec<Arc<ShardMetrics>>,
    /// The newest last.
    generations: Vec<Generation>,
}

#[derive(Debug)]
pub(super) struct Generation {
    pub(super) labels: PlanLabels,
    /// By shard.
    pub(super) tables: Vec<Arc<ShardTables>>,
}

impl Generation {
    /// Whether a shard still has it prepared, adopted, or a request that began in it.
    fn is_in_use(&self) -> bool {
        self.tables.iter().any(|tables| Arc::strong_count(tables) > 1)
    }
}

impl Metrics {
    /// Metrics of `shards_count` shards, without a plan.
    #[must_use]
    pub fn new(shards_count: u16) -> Self {
        let shards = (0..shards_count).map(|index| Arc::new(ShardMetrics::new(index))).collect();
        Self { shards, generations: Vec::new() }
    }

    /// The metrics of one shard, to be handed to its thread.
    #[must_use]
    pub fn shard(&self, index: u16) -> Option<Arc<ShardMetrics>> {
        self.shards.get(usize::from(index)).cloned()
    }

    /// Makes the counters of `plan`, before it is published. Counters whose API, stage and route
    /// key (or target group) are in an epoch that is still in use keep their values. A plan that
    /// is prepared and then not published does no harm.
    pub fn prepare(&mut self, plan: &Plan) {
        self.prepare_labels(PlanLabels::of(plan));
    }

    /// [`Metrics::prepare`] for labels that were made otherwise.
    pub fn prepare_labels(&mut self, labels: PlanLabels) {
        self.drop_unused();
        let tables = {
            let earlier: Vec<_> = self.generations.iter().rev().collect();
            let earlier_labels: Vec<_> = earlier.iter().map(|one| &one.labels).collect();
            let inheritance = Inheritance::find(&labels, &earlier_labels);
            let shards = 0..self.shards.len();
            let inherit = |shard: usize| {
                let old: Vec<_> = earlier.iter().map(|one| &*one.tables[shard]).collect();
                Arc::new(ShardTables::inherit(labels.epoch, &inheritance, &old))
            };
            shards.map(inherit).collect::<Vec<_>>()
        };
        for (shard, tables) in self.shards.iter().zip(&tables) {
            shard.set_prepared(Arc::clone(tables));
        }
        self.generations.push(Generation { labels, tables });
        self.drop_unused();
    }

    /// Frees the counters of epochs that no shard uses any more. Called by
    /// [`Metrics::prepare`]; worth calling at scrapes too.
    pub fn drop_unused(&mut self) {
        self.generations.retain(Generation::is_in_use);
    }

    pub(super) fn shards(&self) -> &[Arc<ShardMetrics>] {
        &self.shards
    }

    /// The newest generation that a shard has adopted, or else the newest.
    pub(super) fn current(&self) -> Option<&Generation> {
        let adopted = self.shards.iter().map(|shard| shard.counters.epoch.get()).max()?;
        let mut newest_first = self.generations.iter().rev();
        newest_first.find(|one| one.labels.epoch == adopted).or(self.generations.last())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::base::{Fault, Nanos, ThrottleScope};
    use crate::observe::{ProcessInfo, RenderOptions, RequestEnd, UpstreamEnd, UpstreamFailure};
    use crate::plan::StageLabels;

    /// Labels of one API whose stage `prod` has these routes.
    fn labels(epoch: u64, api: &str, routes: &[&str]) -> PlanLabels {
        let stage = StageLabels {
            api_id: api.into(),
            api_name: api.into(),
            stage_name: "prod".into(),
            route_keys: routes.iter().map(|key| (*key).into()).collect(),
        };
        PlanLabels { epoch, stages: vec![Arc::new(stage)], groups: vec!["pets".into()] }
    }

    fn end(route: u32, status: u16) -> RequestEnd {
        RequestEnd {
            version: crate::proto::Version::Http11,
            route: Some(route),
            stage: Some(0),
            status,
            fault: None,
            latency: Nanos::from_millis(3),
            upstream: Some(Nanos::from_millis(2)),
            request_bytes: 10,
            answer_bytes: 100,
            is_tunnel: false,
        }
    }

    fn text(metrics: &Metrics) -> String {
        let mut out = String::new();
        let options = RenderOptions { with_routes: true };
        metrics.render_prometheus(&ProcessInfo::default(), options, &mut out);
        out
    }

    fn value(text: &str, series: &str) -> Option<u64> {
        let line = text.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    fn route(api: &str, key: &str) -> String {
        format!(
            "shardgate_route_requests_total\
             {{api=\"{api}\",stage=\"prod\",route=\"{key}\",code_class=\"2xx\"}}"
        )
    }

    #[test]
    fn what_is_counted_is_told_and_summed_over_shards() {
        let mut metrics = Metrics::new(2);
        metrics.prepare_labels(labels(1, "a", &["GET /"]));
        let recorders: Vec<_> =
            [0, 1].map(|index| metrics.shard(index).expect("a shard").recorder()).into();
        let plans: Vec<_> = recorders.iter().map(|recorder| recorder.adopt(1)).collect();
        plans[0].request_ended(&end(0, 200));
        plans[1].request_ended(&end(0, 200));
        let fault = Fault::Throttled { scope: ThrottleScope::Route, retry_after_ms: 5 };
        plans[1].request_ended(&RequestEnd { fault: Some(fault), ..end(0, 429) });
        plans[1].request_ended(&RequestEnd { route: None, stage: None, ..end(0, 404) });
        plans[0].request_ended(&RequestEnd { is_tunnel: true, ..end(0, 101) });
        let group = plans[0].group(0);
        let latency = Nanos(1);
        let failed = UpstreamEnd { outcome: Err(UpstreamFailure::Reset), latency, is_retry: false };
        group.attempt_ended(&failed);
        group.attempt_ended(&UpstreamEnd { outcome: Ok(200), latency, is_retry: true });
        recorders[1].connection_opened();
        recorders[1].connection_handed_over();
        recorders[0].connection_received();
        recorders[0].connection_fault(Fault::BadProxyHeader);

        let text = text(&metrics);
        for (series, expected) in [
            ("requests_total{api=\"a\",stage=\"prod\",code_class=\"2xx\"}", 2),
            ("requests_total{api=\"a\",stage=\"prod\",code_class=\"4xx\"}", 1),
            ("requests_total{api=\"-\",stage=\"-\",code_class=\"4xx\"}", 1),
            ("tunnels_total{api=\"a\",stage=\"prod\"}", 1),
            ("response_body_bytes_total{api=\"a\",stage=\"prod\"}", 400),
            ("request_duration_seconds_count{api=\"a\",stage=\"prod\"}", 3),
            ("request_duration_seconds_bucket{api=\"a\",stage=\"prod\",le=\"0.002\"}", 0),
            ("request_duration_seconds_bucket{api=\"a\",stage=\"prod\",le=\"0.004\"}", 3),
            ("integration_duration_seconds_bucket{api=\"a\",stage=\"prod\",le=\"0.002\"}", 3),
            ("gateway_overhead_seconds_count{api=\"a\",stage=\"prod\"}", 2),
            ("gateway_overhead_seconds_bucket{api=\"a\",stage=\"prod\",le=\"0.001\"}", 2),
            ("responses_total{code=\"429\"}", 1),
            ("throttled_total{scope=\"route\"}", 1),
            ("throttled_total{scope=\"stage\"}", 0),
            ("errors_total{cause=\"throttled_route\",blame=\"client\"}", 1),
            ("errors_total{cause=\"bad_proxy_header\",blame=\"client\"}", 1),
            ("upstream_failures_total{group=\"pets\",cause=\"reset\"}", 1),
            ("upstream_responses_total{group=\"pets\",code_class=\"2xx\"}", 1),
            ("upstream_retries_total{group=\"pets\"}", 1),
            ("connections{shard=\"0\"}", 1),
            ("connections{shard=\"1\"}", 0),
            ("connections_handed_over_total{shard=\"1\"}", 1),
            ("shard_requests_total{shard=\"1\"}", 3),
            ("config_epoch{shard=\"1\"}", 1),
        ] {
            let series = format!("shardgate_{series}");
            assert_eq!(value(&text, &series), Some(expected), "{series}");
        }
        assert_eq!(value(&text, &route("a", "GET /")), Some(2));
        let stats = metrics.stats();
        assert_eq!(stats[0].requests_by_class, [1, 2, 0, 2, 0], "all of them");
        assert_eq!(stats[1].latency.count, 3);
    }

    #[test]
    fn counters_survive_by_key_and_an_old_request_counts_in_its_own_epoch() {
        let mut metrics = Metrics::new(1);
        metrics.prepare_labels(labels(1, "a", &["GET /x", "GET /y"]));
        let recorder = metrics.shard(0).expect("a shard").recorder();
        let first = recorder.adopt(1);
        first.request_ended(&end(0, 200));
        first.request_ended(&end(1, 200));
        metrics.prepare_labels(labels(2, "a", &["GET /new", "GET /y"]));
        first.request_ended(&end(1, 200));
        assert_eq!(value(&text(&metrics), &route("a", "GET /x")), Some(1), "not adopted yet");
        let second = recorder.adopt(2);
        // Slot 0 was another route when this request began.
        first.request_ended(&end(0, 200));
        first.request_ended(&end(1, 200));
        second.request_ended(&end(1, 200));
        let text = text(&metrics);
        assert_eq!(value(&text, &route("a", "GET /y")), Some(4));
        assert_eq!(value(&text, &route("a", "GET /new")), None, "left out while unused");
        let all = "shardgate_requests_total{api=\"a\",stage=\"prod\",code_class=\"2xx\"}";
        assert_eq!(value(&text, all), Some(6));
    }

    #[test]
    fn a_plan_that_is_never_published_takes_nothing_away() {
        let mut metrics = Metrics::new(1);
        metrics.prepare_labels(labels(1, "a", &["GET /x"]));
        let recorder = metrics.shard(0).expect("a shard").recorder();
        let first = recorder.adopt(1);
        first.request_ended(&end(0, 200));
        metrics.prepare_labels(labels(2, "other", &["GET /x"]));
        metrics.prepare_labels(labels(2, "a", &["GET /", "GET /x"]));
        let second = recorder.adopt(2);
        second.request_ended(&end(1, 200));
        assert_eq!(value(&text(&metrics), &route("a", "GET /x")), Some(2));
    }

    #[test]
    fn epochs_that_nobody_uses_are_freed_here() {
        let mut metrics = Metrics::new(1);
        let recorder = metrics.shard(0).expect("a shard").recorder();
        metrics.prepare_labels(labels(1, "a", &["GET /x"]));
        let first = recorder.adopt(1);
        metrics.prepare_labels(labels(2, "a", &[]));
        let second = recorder.adopt(2);
        metrics.drop_unused();
        assert_eq!(metrics.generations.len(), 2, "a request may still be under way in the first");
        drop(first);
        metrics.drop_unused();
        assert_eq!(metrics.generations.len(), 1);
        drop(second);
        metrics.drop_unused();
        assert_eq!(metrics.generations.len(), 1, "the adopted one stays");
    }

    #[test]
    fn an_epoch_is_found_although_the_next_is_prepared() {
        let mut metrics = Metrics::new(2);
        metrics.prepare_labels(labels(1, "a", &["GET /x"]));
        metrics.prepare_labels(labels(2, "a", &["GET /y"]));
        let recorder = metrics.shard(0).expect("a shard").recorder();
        recorder.adopt(1).request_ended(&end(0, 200));
        recorder.adopt(2).request_ended(&end(0, 200));
        let text = text(&metrics);
        assert_eq!(value(&text, &route("a", "GET /y")), Some(1));
    }

    #[test]
    #[should_panic(expected = "has a recorder already")]
    fn a_second_writer_is_refused() {
        let metrics = Metrics::new(1);
        let shard = metrics.shard(0).expect("a shard");
        let _first = shard.recorder();
        let _second = shard.recorder();
    }

    #[test]
    fn the_right_to_write_comes_back_with_the_last_handle() {
        let mut metrics = Metrics::new(1);
        metrics.prepare_labels(labels(1, "a", &[]));
        let shard = metrics.shard(0).expect("a shard");
        let recorder = shard.recorder();
        let plan = recorder.adopt(1);
        drop(recorder);
        assert!(std::panic::catch_unwind(|| drop(shard.recorder())).is_err(), "plan still writes");
        drop(plan);
        drop(shard.recorder());
    }

    #[test]
    fn the_worst_lag_is_remembered_for_a_window_and_a_stuck_shard_shows() {
        let metrics = Metrics::new(1);
        let recorder = metrics.shard(0).expect("a shard").recorder();
        let told = |now: Nanos| {
            let mut out = String::new();
            let process = ProcessInfo { now, ..ProcessInfo::default() };
            metrics.render_prometheus(&process, RenderOptions::default(), &mut out);
            let series = "shardgate_shard_loop_lag_max_seconds{shard=\"0\"} ";
            let line = out.lines().find_map(|line| line.strip_prefix(series)).expect("a series");
            line.to_owned()
        };
        let tick = |ms: u64, late_ms: u64| {
            recorder.ticked(Nanos::from_millis(ms), Nanos::from_millis(late_ms));
        };
        tick(10, 5);
        tick(20, 1);
        assert_eq!(told(Nanos::from_millis(25)), "0.005");
        tick(10_015, 2);
        assert_eq!(told(Nanos::from_millis(10_015)), "0.005", "the window before still counts");
        tick(20_015, 1);
        assert_eq!(told(Nanos::from_millis(20_015)), "0.002");
        assert_eq!(told(Nanos::from_millis(23_025)), "3", "no tick for 3 s beyond the due one");
    }

    proptest! {
        /// Counters never go back while their key stays, whatever is reloaded in between.
        #[test]
        fn no_reload_loses_a_count(
            reloads in proptest::collection::vec((0_u8..15, 0_u32..4, any::<bool>()), 1..20),
        ) {
            const KEYS: [&str; 4] = ["GET /0", "GET /1", "GET /2", "GET /3"];
            let mut metrics = Metrics::new(1);
            let recorder = metrics.shard(0).expect("a shard").recorder();
            let (mut counts, mut before, mut epoch) = ([0_u64; 4], Vec::new(), 0);
            let mut plan = None;
            for (mask, hits, is_published) in reloads {
                let keys: Vec<usize> = (0..4).filter(|key| mask & (1 << key) != 0).collect();
                let texts: Vec<&str> = keys.iter().map(|key| KEYS[*key]).collect();
                metrics.prepare_labels(labels(epoch + 1, "a", &texts));
                if is_published {
                    epoch += 1;
                    plan = Some(recorder.adopt(epoch));
                    for key in (0..4).filter(|key| !keys.contains(key)) {
                        counts[key] = 0;
                    }
                    before = keys;
                }
                for (slot, key) in before.iter().enumerate() {
                    for _ in 0..hits {
                        plan.as_ref().expect("adopted").request_ended(&end(slot as u32, 200));
                    }
                    counts[*key] += u64::from(hits);
                }
            }
            let text = text(&metrics);
            for key in before {
                let told = value(&text, &route("a", KEYS[key])).unwrap_or(0);
                prop_assert_eq!(told, counts[key], "{}", KEYS[key]);
            }
        }
    }
}
