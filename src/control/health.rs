//! Active health checks: one task per target of every group that asks for them.
//!
//! A verdict goes into the board's cell, which all shards read, and to a callback when it changed.
//! Knows nothing of what shards make of it. A newcomer would break: the cell of a target whose
//! checks end is set back to "unchecked", or it would stay out for ever.

use std::borrow::Borrow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::sleep;

use super::check_record::CheckRecord;
use super::health_check::{CheckError, CheckPlan, CheckTls, check};
use super::owned_task::OwnedTask;
use crate::base::RequestIdSource;
use crate::coord::{GroupTargets, Health, HealthChange, TargetBoard, TargetEndpoint};
use crate::model::TargetGroup;
use crate::tls::UpstreamTls;

/// Checks the targets on the board that are to be checked.
pub struct HealthChecks {
    shared: Arc<Shared>,
    groups: Mutex<HashMap<Box<str>, CheckedGroup>>,
}

/// Counts of the side thread, for the metrics.
#[derive(Debug, Default)]
pub struct HealthCounters {
    /// Checks that ended.
    pub checks_total: AtomicU64,
    /// Of these, those that were no success.
    pub failures_total: AtomicU64,
}

/// Checks that are under way at once, all groups together: they share a thread with everything
/// else that is not a request.
const CHECKS_MAX: usize = 64;
/// An interval is this share of itself (one in so many) shorter or longer, by chance, so that the
/// checks of several gateways do not fall together.
const JITTER_SHARE: u64 = 10;

struct Shared {
    board: Arc<TargetBoard>,
    announce: Box<dyn Fn(HealthChange) + Send + Sync>,
    counters: Arc<HealthCounters>,
    permits: Semaphore,
    random: Mutex<RequestIdSource>,
}

struct CheckedGroup {
    plan: CheckPlan,
    tasks: HashMap<TargetEndpoint, CheckTask>,
}

struct CheckTask {
    host: Arc<str>,
    _task: OwnedTask,
}

impl HealthChecks {
    /// Checks nothing yet. `announce` gets every verdict that changed; it runs on the side thread
    /// and must not block. `seed` decides the jitter.
    #[must_use]
    pub fn new(
        board: Arc<TargetBoard>,
        seed: u64,
        announce: impl Fn(HealthChange) + Send + Sync + 'static,
    ) -> Self {
        let shared = Shared {
            board,
            announce: Box::new(announce),
            counters: Arc::default(),
            permits: Semaphore::new(CHECKS_MAX),
            random: Mutex::new(RequestIdSource::new([seed, !seed])),
        };
        Self { shared: Arc::new(shared), groups: Mutex::default() }
    }

    /// Counts since the start.
    #[must_use]
    pub fn counters(&self) -> Arc<HealthCounters> {
        Arc::clone(&self.shared.counters)
    }

    /// Checks the groups among `groups` that ask for it, and no others. Call it with each plan,
    /// after its targets are on the board. `tls` is how groups are reached over TLS, by name.
    pub fn watch<G: Borrow<TargetGroup>>(
        &self,
        groups: &[G],
        tls: &BTreeMap<String, Arc<UpstreamTls>>,
    ) {
        let mut checked = self.groups();
        let wanted: HashMap<&str, CheckPlan> = groups
            .iter()
            .map(Borrow::borrow)
            .filter_map(|group| {
                let policy = group.health.clone()?;
                let tls = tls.get(&group.name).map(CheckTls::new);
                let plan = CheckPlan { policy, protocol: group.protocol, tls };
                Some((group.name.as_str(), plan))
            })
            .collect();
        checked.retain(|name, group| {
            let keeps = wanted.get(&**name).is_some_and(|plan| plan.is_same(&group.plan));
            if !keeps && !wanted.contains_key(&**name) {
                self.shared.forget(name, group);
            }
            keeps
        });
        for (name, plan) in wanted {
            if !checked.contains_key(name) {
                let group = CheckedGroup { plan, tasks: HashMap::new() };
                checked.insert(name.into(), group);
            }
            if let Some(targets) = self.shared.board.find(name) {
                self.take(&mut checked, &targets);
            }
        }
    }

    /// A group has other targets now. Call it with every list that [`super::TargetWatch`]
    /// announces.
    pub fn on_targets(&self, targets: &GroupTargets) {
        self.take(&mut self.groups(), targets);
    }

    fn take(&self, checked: &mut HashMap<Box<str>, CheckedGroup>, targets: &GroupTargets) {
        let Some(group) = checked.get_mut(&targets.group) else { return };
        let there: HashSet<_> =
            targets.addresses.iter().map(|target| (&target.address, &target.host)).collect();
        group.tasks.retain(|address, task| there.contains(&(address, &task.host)));
        for target in &targets.addresses {
            group.tasks.entry(target.address.clone()).or_insert_with(|| {
                let task = TargetChecks {
                    shared: Arc::clone(&self.shared),
                    group: targets.group.clone(),
                    address: target.address.clone(),
                    host: Arc::clone(&target.host),
                    plan: group.plan.clone(),
                    record: CheckRecord::new(target.health.get()),
                };
                CheckTask { host: Arc::clone(&target.host), _task: OwnedTask::spawn(task.run()) }
            });
        }
    }

    fn groups(&self) -> MutexGuard<'_, HashMap<Box<str>, CheckedGroup>> {
        // Held by the side thread alone; a panic in there leaves whole entries.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    /// The group is not checked any more: its targets are as good as any.
    fn forget(&self, group: &str, checked: &CheckedGroup) {
        for address in checked.tasks.keys() {
            if let Some(change) = self.board.set_health(group, address, Health::Unchecked) {
                (self.announce)(change);
            }
        }
    }

    fn jittered(&self, interval_ms: u64) -> Duration {
        let random = self.random.lock().unwrap_or_else(PoisonError::into_inner).next_u64();
        jittered(interval_ms, random)
    }
}

/// The checks of one target.
struct TargetChecks {
    shared: Arc<Shared>,
    group: Box<str>,
    address: TargetEndpoint,
    host: Arc<str>,
    plan: CheckPlan,
    record: CheckRecord,
}

impl TargetChecks {
    async fn run(mut self) {
        loop {
            let result = self.check().await;
            self.note(&result);
            sleep(self.shared.jittered(self.plan.policy.interval_ms)).await;
        }
    }

    /// Waits for its turn first; the policy's time begins with it.
    async fn check(&self) -> Result<(), CheckError> {
        // The semaphore is never closed; without it the check is made all the same.
        let _permit = self.shared.permits.acquire().await.ok();
        check(&self.address, &self.host, &self.plan).await
    }

    fn note(&mut self, result: &Result<(), CheckError>) {
        let counters = &self.shared.counters;
        counters.checks_total.fetch_add(1, Ordering::Relaxed);
        counters.failures_total.fetch_add(u64::from(result.is_err()), Ordering::Relaxed);
        let Some(health) = self.record.note(result.is_ok(), &self.plan.policy) else { return };
        match result {
            Ok(()) => tracing::info!(group = %self.group, address = %self.address, "healthy"),
            Err(error) => {
                tracing::warn!(group = %self.group, address = %self.address, %error, "unhealthy");
            }
        }
        if let Some(change) = self.shared.board.set_health(&self.group, &self.address, health) {
            (self.shared.announce)(change);
        }
    }
}

/// `interval_ms`, a tenth shorter to a tenth longer. Never zero: a check always yields to the rest
/// of the side thread.
fn jittered(interval_ms: u64, random: u64) -> Duration {
    let span = interval_ms.saturating_mul(2_000) / JITTER_SHARE;
    let shortest = interval_ms.saturating_mul(1_000).saturating_sub(span / 2);
    let drawn = (u128::from(span) * u128::from(random)) >> 64;
    let micros = shortest.saturating_add(u64::try_from(drawn).unwrap_or(u64::MAX));
    Duration::from_micros(micros.max(1_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jitter_is_bounded() {
        assert_eq!(jittered(1_000, 0), Duration::from_micros(900_000));
        assert_eq!(jittered(1_000, u64::MAX / 2), Duration::from_micros(999_999));
        assert_eq!(jittered(1_000, u64::MAX), Duration::from_micros(1_099_999));
        assert_eq!(jittered(0, u64::MAX), Duration::from_millis(1));
        assert!(jittered(u64::MAX, u64::MAX) > Duration::from_secs(1));
    }
}
