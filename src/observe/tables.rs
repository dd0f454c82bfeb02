//! The counters that a plan's slots name: per stage, per route, per target group.

use std::collections::HashMap;
use std::hash::Hash;
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
            fill(&mut found.stages, labels.stages.iter(), old.stages.iter(), generation);
            fill(&mut found.routes, labels.route_keys(), old.route_keys(), generation);
            fill(&mut found.groups, labels.groups.iter(), old.groups.iter(), generation);
        }
        found
    }
}

/// Finds the places that are still open among the keys of an earlier generation.
fn fill<K: Eq + Hash>(
    places: &mut [Option<Source>],
    keys: impl Iterator<Item = K>,
    old_keys: impl Iterator<Item = K>,
    generation: usize,
) {
    if places.iter().all(Option::is_some) {
        return;
    }
    let slots: HashMap<K, usize> = old_keys.enumerate().map(|(slot, key)| (key, slot)).collect();
    for (place, key) in places.iter_mut().zip(keys).filter(|(place, _)| place.is_none()) {
        *place = slots.get(&key).map(|slot| Source { generation, slot: *slot });
    }
}

impl PlanLabels {
    /// A route key is one route's only within its stage.
    fn route_keys(&self) -> impl Iterator<Item = (Option<&StageLabel>, &str)> {
        self.routes.iter().map(|route| (self.stages.get(route.stage as usize), &*route.key))
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
