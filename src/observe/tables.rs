//! The counters that a plan's slots name: per stage, per route, per target group.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

use super::counter::{Counter, Gauge};
use super::histogram::Histogram;
use super::labels::PlanLabels;
use crate::plan::StageLabels;

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
    pub(super) stages: Box<[Arc<StageTables>]>,
    pub(super) groups: Box<[Arc<GroupCounters>]>,
}

/// One shard's counters of one stage and its routes.
#[derive(Clone, Debug, Default)]
pub(super) struct StageTables {
    pub(super) counters: Arc<StageCounters>,
    /// By index of the route.
    pub(super) routes: Box<[Arc<RouteCounters>]>,
}

/// Where the counters of a new epoch come from.
#[derive(Debug)]
pub(super) struct Inheritance {
    stages: Vec<StageSource>,
    groups: Vec<Option<Source>>,
}

/// Where the counters of a stage come from.
#[derive(Debug)]
enum StageSource {
    /// It is the very stage of an earlier epoch.
    Same(Source),
    /// Its counters, and those of each route, come from wherever they were last.
    Pieces { counters: Option<Source>, routes: Vec<Option<(Source, usize)>> },
}

/// A generation, and the slot in it.
#[derive(Clone, Copy, Debug)]
struct Source {
    generation: usize,
    slot: usize,
}

impl Inheritance {
    /// Looks for each key of `labels` in `earlier`, the newest first.
    pub(super) fn find(labels: &PlanLabels, earlier: &[&PlanLabels]) -> Self {
        let stages_before: Vec<HashMap<_, usize>> = earlier
            .iter()
            .map(|old| old.stages.iter().map(|one| key(one)).zip(0..).collect())
            .collect();
        let stage = |stage: &Arc<StageLabels>| {
            let sources = stages_before.iter().enumerate().filter_map(|(generation, slots)| {
                Some(Source { generation, slot: *slots.get(&key(stage))? })
            });
            stage_source(stage, earlier, sources.collect())
        };
        let mut groups = vec![None; labels.groups.len()];
        for (generation, old) in earlier.iter().enumerate() {
            fill(&mut groups, labels.groups.iter(), old.groups.iter(), |slot| Source {
                generation,
                slot,
            });
        }
        Self { stages: labels.stages.iter().map(stage).collect(), groups }
    }
}

fn key(stage: &StageLabels) -> (&str, &str) {
    (&stage.api_id, &stage.stage_name)
}

/// `sources` are the places where the stage was, the newest first.
fn stage_source(
    stage: &Arc<StageLabels>,
    earlier: &[&PlanLabels],
    sources: Vec<Source>,
) -> StageSource {
    let labels = |source: &Source| earlier.get(source.generation)?.stages.get(source.slot);
    if let Some(newest) = sources.first()
        && labels(newest).is_some_and(|before| Arc::ptr_eq(before, stage))
    {
        return StageSource::Same(*newest);
    }
    let mut routes = vec![None; stage.route_keys.len()];
    for source in &sources {
        let Some(before) = labels(source) else { continue };
        fill(&mut routes, stage.route_keys.iter(), before.route_keys.iter(), |route| {
            (*source, route)
        });
    }
    StageSource::Pieces { counters: sources.first().copied(), routes }
}

/// Finds the places that are still open among the keys of an earlier generation.
fn fill<K: Eq + Hash, S>(
    places: &mut [Option<S>],
    keys: impl Iterator<Item = K>,
    old_keys: impl Iterator<Item = K>,
    source: impl Fn(usize) -> S,
) {
    if places.iter().all(Option::is_some) {
        return;
    }
    let slots: HashMap<K, usize> = old_keys.enumerate().map(|(slot, key)| (key, slot)).collect();
    for (place, key) in places.iter_mut().zip(keys).filter(|(place, _)| place.is_none()) {
        *place = slots.get(&key).map(|slot| source(*slot));
    }
}

impl ShardTables {
    /// The tables of epoch `epoch`, with `earlier` in the order that `inheritance` was found in.
    pub(super) fn inherit(epoch: u64, inheritance: &Inheritance, earlier: &[&Self]) -> Self {
        let stage = |source: &Source| earlier.get(source.generation)?.stages.get(source.slot);
        let stages = inheritance.stages.iter().map(|source| match source {
            StageSource::Same(source) => stage(source).cloned().unwrap_or_default(),
            StageSource::Pieces { counters, routes } => {
                let counters = counters.as_ref().and_then(stage).map(|one| &one.counters);
                let routes = routes.iter().map(|source| {
                    let (source, route) = source.as_ref()?;
                    stage(source)?.routes.get(*route).cloned()
                });
                Arc::new(StageTables {
                    counters: counters.cloned().unwrap_or_default(),
                    routes: routes.map(Option::unwrap_or_default).collect(),
                })
            }
        });
        let group = |source: &Source| earlier.get(source.generation)?.groups.get(source.slot);
        let groups = inheritance.groups.iter();
        Self {
            epoch,
            unmatched: earlier.first().map(|old| Arc::clone(&old.unmatched)).unwrap_or_default(),
            stages: stages.collect(),
            groups: groups
                .map(|source| source.as_ref().and_then(group).cloned().unwrap_or_default())
                .collect(),
        }
    }
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
