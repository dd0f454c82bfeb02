//! The counters that a plan's slots name: per stage, per route, per target group.

use std::collections::HashMap;
use std::sync::Arc;

use super::counter::{Counter, Gauge};
use super::histogram::Histogram;
use super::labels::{PlanLabels, StageLabel};

/// Status classes 1xx to 5xx.
pub(super) const CLASSES: [&str; 5] = ["1xx", "2xx", "3xx", "4xx", "5xx"];

/// Index into [`CLASSES`]. A status outside 100..=599 counts as 5xx: only a bug makes one.
#[inline]
pub(super) fn class_of(status: u16) -> usize {
    match status {
        100..=199 => 0,
        200..=299 => 1,
        300..=399 => 2,
        400..=499 => 3,
        _ => 4,
    }
}

/// One shard's counters of one stage.
#[derive(Debug, Default)]
pub(super) struct StageCounters {
    pub(super) requests: [Counter; CLASSES.len()],
    pub(super) tunnels: Counter,
    pub(super) request_bytes: Counter,
    pub(super) answer_bytes: Counter,
    pub(super) latency: Histogram,
    pub(super) integration: Histogram,
    pub(super) overhead: Histogram,
}

/// One shard's counters of one route: six words, one cache line with the head of its `Arc`, since
/// there may be 100,000 routes and as many shards as cores.
#[derive(Debug, Default)]
pub(super) struct RouteCounters {
    pub(super) requests: [Counter; CLASSES.len()],
    pub(super) latency_sum_ns: Counter,
}

/// One shard's counters of one target group.
#[derive(Debug, Default)]
pub(super) struct GroupCounters {
    pub(super) answers: [Counter; CLASSES.len()],
    pub(super) failures: [Counter; super::recorder::UpstreamFailure::COUNT],
    pub(super) attempt: Histogram,
    pub(super) retries: Counter,
    pub(super) retries_denied: Counter,
    pub(super) ejections: Counter,
    pub(super) circuit_opens: Counter,
    pub(super) connections_opened: Counter,
    pub(super) connections_reused: Counter,
    pub(super) connections_closed: Counter,
    pub(super) connections_idle: Gauge,
    pub(super) outstanding: Gauge,
}

/// One shard's counters of one epoch. A counter whose key was in an earlier epoch that some shard
/// still uses *is* the earlier one: requests of both epochs add to it, and nothing is copied when
/// a shard adopts.
#[derive(Debug, Default)]
pub(super) struct ShardTables {
    pub(super) epoch: u64,
    /// Requests that never got as far as a stage.
    pub(super) unmatched: Arc<StageCounters>,
    pub(super) stages: Box<[Arc<StageCounters>]>,
    pub(super) routes: Box<[Arc<RouteCounters>]>,
    pub(super) groups: Box<[Arc<GroupCounters>]>,
}

/// Where each counter of a new epoch comes from: the generation and the slot in it.
#[derive(Debug)]
pub(super) struct Inheritance {
    stages: Vec<Option<Source>>,
    routes: Vec<Option<Source>>,
    groups: Vec<Option<Source>>,
}

#[derive(Clone, Copy, Debug)]
struct Source {
    generation: usize,
    slot: usize,
}

impl Inheritance {
    /// Looks for each key of `labels` in `earlier`, the newest first.
    pub(super) fn find(labels: &PlanLabels, earlier: &[&PlanLabels]) -> Self {
        let mut found = Self {
            stages: vec![None; labels.stages.len()],
            routes: vec![None; labels.routes.len()],
            groups: vec![None; labels.groups.len()],
        };
        for (generation, old) in earlier.iter().enumerate() {
            let stages = index(old.stages.iter());
            let routes =
                index(old.routes.iter().map(|route| (old.stage(route.stage), &*route.key)));
            let groups = index(old.groups.iter());
            let source = |slot: Option<&usize>| slot.map(|slot| Source { generation, slot: *slot });
            for (place, stage) in found.stages.iter_mut().zip(&labels.stages) {
                *place = place.or_else(|| source(stages.get(stage)));
            }
            for (place, route) in found.routes.iter_mut().zip(&labels.routes) {
                let key = (labels.stage(route.stage), &*route.key);
                *place = place.or_else(|| source(routes.get(&key)));
            }
            for (place, group) in found.groups.iter_mut().zip(&labels.groups) {
                *place = place.or_else(|| source(groups.get(group)));
            }
        }
        found
    }
}

fn index<K: Eq + std::hash::Hash>(keys: impl Iterator<Item = K>) -> HashMap<K, usize> {
    keys.enumerate().map(|(slot, key)| (key, slot)).collect()
}

impl PlanLabels {
    fn stage(&self, stage: u32) -> Option<&StageLabel> {
        self.stages.get(stage as usize)
    }
}

impl ShardTables {
    /// The tables of epoch `epoch`, with `earlier` in the order that `inheritance` was found in.
    pub(super) fn inherit(epoch: u64, inheritance: &Inheritance, earlier: &[&Self]) -> Self {
        let unmatched = earlier.first().map(|old| Arc::clone(&old.unmatched)).unwrap_or_default();
        Self {
            epoch,
            unmatched,
            stages: taken_over(&inheritance.stages, |generation| {
                earlier.get(generation).map(|old| &*old.stages)
            }),
            routes: taken_over(&inheritance.routes, |generation| {
                earlier.get(generation).map(|old| &*old.routes)
            }),
            groups: taken_over(&inheritance.groups, |generation| {
                earlier.get(generation).map(|old| &*old.groups)
            }),
        }
    }
}

fn taken_over<'a, T: Default + 'a>(
    sources: &[Option<Source>],
    table: impl Fn(usize) -> Option<&'a [Arc<T>]>,
) -> Box<[Arc<T>]> {
    let old = |source: &Source| table(source.generation)?.get(source.slot).cloned();
    sources.iter().map(|source| source.as_ref().and_then(old).unwrap_or_default()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_cut_at_the_hundreds() {
        let classes = [100, 199, 200, 299, 300, 399, 400, 499, 500, 599].map(class_of);
        assert_eq!(classes, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]);
        assert_eq!(class_of(99), 4);
        assert_eq!(class_of(600), 4);
    }

    #[test]
    fn a_route_costs_one_cache_line() {
        assert_eq!(size_of::<RouteCounters>() + 2 * size_of::<usize>(), 64);
    }
}
