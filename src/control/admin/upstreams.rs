//! Target groups: what the side thread knows of their targets, and how each shard sees them.

use std::sync::{Arc, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::AdminView;
use crate::base::Nanos;
use crate::control::reload::InForce;
use crate::coord::{GroupTargets, GroupView, Health, ResolvedTarget, ShardView, TargetCounts};
use crate::rt;

/// `GET /upstreams`.
pub(super) async fn upstreams(State(view): State<AdminView>) -> Json<Value> {
    let (clock, shards) = (Clock::read(), view.upstreams.views());
    let groups = groups(&view).into_iter().map(|(name, targets)| {
        let of_shards: Vec<_> = shards_of(&shards, &name).collect();
        let targets = targets.iter().flat_map(|targets| &targets.addresses);
        json!({
            "name": name,
            "targets": targets.map(|one| target(one, &of_shards, &clock)).collect::<Vec<_>>(),
            "shards": of_shards.iter().map(|one| group(one, &clock)).collect::<Vec<_>>(),
        })
    });
    Json(json!({ "upstreams": groups.collect::<Vec<_>>() }))
}

/// Every group of the configuration in force, with its targets.
pub(super) fn groups(view: &AdminView) -> Vec<(String, Option<Arc<GroupTargets>>)> {
    let InForce { configuration, .. } =
        view.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone();
    let groups = &configuration.model.target_groups;
    groups.iter().map(|group| (group.name.clone(), view.targets.find(&group.name))).collect()
}

/// One shard's view of a group, the shard's number, and when it looked.
struct OfShard<'v> {
    shard: usize,
    at: Nanos,
    view: &'v GroupView,
}

/// The views of those shards that have the group.
fn shards_of<'v>(shards: &'v [ShardView], name: &str) -> impl Iterator<Item = OfShard<'v>> {
    shards.iter().enumerate().filter_map(move |(shard, of_shard)| {
        let view = of_shard.groups.iter().find(|group| group.name == name)?;
        Some(OfShard { shard, at: of_shard.at, view })
    })
}

/// The clock of the process against the wall clock, for people.
struct Clock {
    now: Nanos,
    unix_ms: u64,
}

impl Clock {
    fn read() -> Self {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { now: rt::now(), unix_ms: u64::try_from(unix.as_millis()).unwrap_or(u64::MAX) }
    }

    fn unix_ms_at(&self, at: Nanos) -> u64 {
        self.unix_ms.saturating_add(at.since(self.now).as_millis())
    }
}

/// A group on one shard.
fn group(of: &OfShard<'_>, clock: &Clock) -> Value {
    let counts = &of.view.counts;
    let is_ejected = |counts: &TargetCounts| ejected_until(counts, clock).is_some();
    json!({
        "shard": of.shard,
        "age_ms": clock.now.since(of.at).as_millis(),
        "outstanding": counts.outstanding,
        "outstanding_max": counts.outstanding_max,
        "ejected": of.view.targets.iter().filter(|target| is_ejected(&target.counts)).count(),
        "ejections_ignored": counts.is_panicking,
        "circuit_refused": counts.circuit_refused_total,
        "without_target": counts.without_target_total,
        "retries_granted": counts.retries_granted_total,
        "retries_refused": counts.retries_refused_total,
    })
}

/// A target: what active checks say, the sums over all shards, and each shard.
fn target(target: &ResolvedTarget, shards: &[OfShard<'_>], clock: &Clock) -> Value {
    let known: Vec<(usize, TargetCounts)> = shards
        .iter()
        .filter_map(|of| {
            let mut targets = of.view.targets.iter();
            Some((of.shard, targets.find(|one| one.address == target.address)?.counts))
        })
        .collect();
    let sum = |number: fn(&TargetCounts) -> u64| -> u64 {
        known.iter().map(|(_, counts)| number(counts)).sum()
    };
    let ejected = known.iter().filter(|(_, counts)| ejected_until(counts, clock).is_some());
    json!({
        "address": target.address.to_string(),
        "weight": target.weight,
        "health": health_name(target.health.get()),
        "outstanding": sum(|counts| counts.outstanding.into()),
        "requests": sum(|counts| counts.requests_total),
        "failures": sum(|counts| counts.failures_total),
        "ejections": sum(|counts| counts.ejections_total),
        "connections_open": sum(|counts| counts.connections_open.into()),
        "connections_idle": sum(|counts| counts.connections_idle.into()),
        "ejected_by": ejected.map(|(shard, _)| shard).collect::<Vec<_>>(),
        "shards": known.iter().map(|(shard, one)| of_shard(*shard, one, clock)).collect::<Vec<_>>(),
    })
}

/// A target on one shard.
fn of_shard(shard: usize, counts: &TargetCounts, clock: &Clock) -> Value {
    let until = ejected_until(counts, clock);
    json!({
        "shard": shard,
        "outstanding": counts.outstanding,
        "requests": counts.requests_total,
        "failures": counts.failures_total,
        "ejections": counts.ejections_total,
        "ejected_for_ms": until.map(|until| until.since(clock.now).as_millis()),
        "ejected_until_unix_ms": until.map(|until| clock.unix_ms_at(until)),
        "share": f64::from(counts.share) / SHARE_OF_WEIGHT_ONE,
        "slow_start": counts.is_ramping,
        "connections_open": counts.connections_open,
        "connections_idle": counts.connections_idle,
    })
}

/// The end of its ejection, if that is still to come.
fn ejected_until(counts: &TargetCounts, clock: &Clock) -> Option<Nanos> {
    counts.ejected_until.filter(|until| *until > clock.now)
}

const fn health_name(health: Health) -> &'static str {
    match health {
        Health::Unchecked => "unchecked",
        Health::Healthy => "healthy",
        Health::Unhealthy => "unhealthy",
    }
}

/// The unit of [`TargetCounts::share`].
const SHARE_OF_WEIGHT_ONE: f64 = 1024.0;
