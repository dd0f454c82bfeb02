//! Where the targets of each group are just now, and whether active checks find them well.
//!
//! Written by the side thread: addresses when DNS answers change, health when a check's verdict
//! changes. Shards take the addresses from the board as immutable lists: when they adopt an epoch,
//! and in the tick in which they find that the board's version has grown, so that there is no
//! message that could be lost or come late. They read health per request from a [`HealthCell`],
//! without a lock.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};

/// Where a connection to a target goes, resolved.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum TargetEndpoint {
    /// A TCP address.
    Tcp(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

/// As the boot file writes it: `10.0.0.1:80`, `unix:/path`.
impl fmt::Display for TargetEndpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => write!(out, "{address}"),
            Self::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

/// The verdict of active checks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub enum Health {
    /// No verdict, because there are no checks or none has ended. Gets requests.
    #[default]
    Unchecked = 0,
    /// Gets requests.
    Healthy = 1,
    /// Gets no requests, even where no other target is left.
    Unhealthy = 2,
}

/// The health of one endpoint of one group. Written by the side thread, read by all shards; both
/// relaxed, because the byte is the whole message.
#[derive(Debug, Default)]
pub struct HealthCell(AtomicU8);

impl HealthCell {
    /// The verdict now.
    #[inline]
    #[must_use]
    pub fn get(&self) -> Health {
        match self.0.load(Ordering::Relaxed) {
            1 => Health::Healthy,
            2 => Health::Unhealthy,
            _ => Health::Unchecked,
        }
    }

    /// Puts a verdict and says what was there.
    pub fn set(&self, health: Health) -> Health {
        let before = self.get();
        self.0.store(health as u8, Ordering::Relaxed);
        before
    }
}

/// One address that a configured target stands for, as the side thread found it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetRecord {
    /// Where it is.
    pub address: TargetEndpoint,
    /// Its share, 1 to 1,000.
    pub weight: u32,
    /// Index of the configured target in [`crate::model::TargetGroup::targets`].
    pub target_index: usize,
    /// The target as it was configured, `name:port` or the address: what a request to it names as
    /// Host where the route asks for the target's. Kept here because a shard may hold a list of a
    /// newer or older plan than its own, in which the index would be another target's.
    pub host: Arc<str>,
}

/// One target as shards use it.
#[derive(Clone, Debug)]
pub struct ResolvedTarget {
    /// Where it is.
    pub address: TargetEndpoint,
    /// Its share, 1 to 1,000.
    pub weight: u32,
    /// Index of the configured target in [`crate::model::TargetGroup::targets`].
    pub target_index: usize,
    /// The target as it was configured, `name:port` or the address: what a request to it names as
    /// Host where the route asks for the target's. Kept here because a shard may hold a list of a
    /// newer or older plan than its own, in which the index would be another target's.
    pub host: Arc<str>,
    /// What active checks say. The cell is the same for as long as the group has the endpoint,
    /// across lists and epochs.
    pub health: Arc<HealthCell>,
}

/// All targets of a group at one time. Immutable; one `Arc` for all shards.
#[derive(Clone, Debug)]
pub struct GroupTargets {
    /// Name of the group.
    pub group: Box<str>,
    /// That of the board when the list was put: of two lists the newer has the greater one.
    pub version: u64,
    /// The targets, each endpoint once. May be empty: nothing is resolved.
    pub addresses: Vec<ResolvedTarget>,
}

/// A verdict that changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HealthChange {
    /// Name of the group.
    pub group: Box<str>,
    /// The endpoint.
    pub address: TargetEndpoint,
    /// What it was.
    pub before: Health,
    /// What it is.
    pub health: Health,
}

/// The newest list of every group. The lock is held for the length of a map operation, by the side
/// thread on a change and by shards when they adopt an epoch or take over a change, never for a
/// request.
#[derive(Debug, Default)]
pub struct TargetBoard {
    groups: Mutex<Groups>,
    /// How many lists were ever put. Written behind the list, while the lock is held (release);
    /// read by shards once a tick (acquire).
    version: AtomicU64,
}

type Groups = HashMap<Box<str>, Arc<GroupTargets>>;

impl TargetBoard {
    /// A board without groups.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts the targets of `group` and answers with the list that shards will take over, or `None`
    /// if nothing changed. Of two records with one address the first counts, with both weights
    /// together. Endpoints that stay keep their health; order is kept as given.
    #[must_use]
    pub fn publish(&self, group: &str, records: &[TargetRecord]) -> Option<Arc<GroupTargets>> {
        let mut groups = self.lock();
        let current = groups.get(group);
        let records = merge(records);
        if current.is_some_and(|targets| targets.is_of(&records)) {
            return None;
        }
        let version = self.version.load(Ordering::Relaxed) + 1; // the lock orders writers
        let newest = Arc::new(GroupTargets {
            group: group.into(),
            version,
            addresses: records.into_iter().map(|record| resolve(record, current)).collect(),
        });
        groups.insert(group.into(), Arc::clone(&newest));
        self.version.store(version, Ordering::Release);
        Some(newest)
    }

    /// Grows with every list that is put. Who finds it grown finds that list on the board.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    /// The newest list of each of the groups `names`, without waiting: `None` if the board is just
    /// being used.
    #[must_use]
    pub fn try_find<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> Option<Vec<Option<Arc<GroupTargets>>>> {
        let groups = match self.groups.try_lock() {
            Ok(groups) => groups,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(names.map(|name| groups.get(name).cloned()).collect())
    }

    /// Puts the verdict on an endpoint. `None` if it is the same as before, or the group or the
    /// endpoint is gone: a check may end after its target.
    #[must_use]
    pub fn set_health(
        &self,
        group: &str,
        address: &TargetEndpoint,
        health: Health,
    ) -> Option<HealthChange> {
        let targets = self.find(group)?;
        let target = targets.addresses.iter().find(|target| target.address == *address)?;
        let before = target.health.set(health);
        (before != health).then(|| HealthChange {
            group: group.into(),
            address: address.clone(),
            before,
            health,
        })
    }

    /// The newest list of `group`, if one was ever put.
    #[must_use]
    pub fn find(&self, group: &str) -> Option<Arc<GroupTargets>> {
        self.lock().get(group).cloned()
    }

    /// Forgets every group that is not in `names`: those of the plan in force.
    pub fn retain(&self, names: &HashSet<&str>) {
        self.lock().retain(|group, _| names.contains(&**group));
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        // The map is whole at every point where its holder could panic.
        self.groups.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GroupTargets {
    fn is_of(&self, records: &[TargetRecord]) -> bool {
        self.addresses.len() == records.len()
            && self.addresses.iter().zip(records).all(|(target, record)| {
                target.address == record.address
                    && target.weight == record.weight
                    && target.target_index == record.target_index
                    && target.host == record.host
            })
    }
}

fn merge(records: &[TargetRecord]) -> Vec<TargetRecord> {
    let mut indexes: HashMap<&TargetEndpoint, usize> = HashMap::with_capacity(records.len());
    let mut merged: Vec<TargetRecord> = Vec::with_capacity(records.len());
    for record in records {
        match indexes.get(&record.address).and_then(|index| merged.get_mut(*index)) {
            Some(first) => first.weight = first.weight.saturating_add(record.weight),
            None => {
                indexes.insert(&record.address, merged.len());
                merged.push(record.clone());
            }
        }
    }
    merged
}

fn resolve(record: TargetRecord, current: Option<&Arc<GroupTargets>>) -> ResolvedTarget {
    let known = current.and_then(|targets| {
        targets.addresses.iter().find(|target| target.address == record.address)
    });
    ResolvedTarget {
        health: known.map(|target| Arc::clone(&target.health)).unwrap_or_default(),
        address: record.address,
        weight: record.weight,
        target_index: record.target_index,
        host: record.host,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(port: u16, weight: u32) -> TargetRecord {
        let address = TargetEndpoint::Tcp(SocketAddr::from(([127, 0, 0, 1], port)));
        TargetRecord { address, weight, target_index: 0, host: Arc::from("a.test") }
    }

    #[test]
    fn only_a_change_is_published_and_versions_grow() {
        let board = TargetBoard::new();
        let first = board.publish("g", &[record(1, 1), record(2, 1)]).expect("new");
        assert!(board.publish("g", &[record(1, 1), record(2, 1)]).is_none());
        let second = board.publish("g", &[record(1, 1), record(2, 5)]).expect("a weight changed");
        let third = board.publish("g", &[]).expect("all gone");
        assert_eq!((first.version, second.version, third.version), (1, 2, 3));
        assert!(Arc::ptr_eq(&third, &board.find("g").expect("known")));
        assert!(board.find("other").is_none());
    }

    #[test]
    fn the_boards_version_grows_with_each_list_of_any_group() {
        let board = TargetBoard::new();
        assert_eq!(board.version(), 0);
        let one = board.publish("g", &[record(1, 1)]).expect("new");
        let other = board.publish("h", &[record(1, 1)]).expect("new");
        assert!(board.publish("h", &[record(1, 1)]).is_none());
        let newest = board.publish("g", &[record(2, 1)]).expect("changed");
        assert_eq!([one.version, other.version, newest.version], [1, 2, 3]);
        assert_eq!(board.version(), 3);
        // A group that was forgotten and comes again is newer than it was.
        board.retain(&HashSet::new());
        assert_eq!(board.publish("g", &[record(1, 1)]).expect("new").version, 4);
    }

    #[test]
    fn lists_are_found_without_waiting_or_not_at_all() {
        let board = TargetBoard::new();
        let list = board.publish("g", &[record(1, 1)]).expect("new");
        let found = board.try_find(["g", "none"].into_iter()).expect("nobody uses the board");
        assert!(matches!(&found[..], [Some(one), None] if Arc::ptr_eq(one, &list)));
        let _writer = board.lock();
        assert!(board.try_find(["g"].into_iter()).is_none());
    }

    #[test]
    fn health_belongs_to_the_endpoint_across_lists_and_groups_apart() {
        let board = TargetBoard::new();
        let endpoint = record(1, 1).address;
        let old = board.publish("g", &[record(1, 1)]).expect("new");
        let other = board.publish("h", &[record(1, 1)]).expect("new");
        let change = board.set_health("g", &endpoint, Health::Unhealthy).expect("it changed");
        assert_eq!((change.before, change.health), (Health::Unchecked, Health::Unhealthy));
        assert_eq!(board.set_health("g", &endpoint, Health::Unhealthy), None);
        let new = board.publish("g", &[record(2, 1), record(1, 1)]).expect("changed");
        assert_eq!(new.addresses[1].health.get(), Health::Unhealthy);
        assert_eq!(new.addresses[0].health.get(), Health::Unchecked);
        assert_eq!(other.addresses[0].health.get(), Health::Unchecked);
        assert!(board.set_health("g", &endpoint, Health::Healthy).is_some());
        assert_eq!(old.addresses[0].health.get(), Health::Healthy, "shards on the old list see it");
    }

    #[test]
    fn a_verdict_on_what_is_gone_is_no_change() {
        let board = TargetBoard::new();
        let endpoint = record(1, 1).address;
        assert_eq!(board.set_health("g", &endpoint, Health::Healthy), None);
        let _ = board.publish("g", &[record(2, 1)]);
        assert_eq!(board.set_health("g", &endpoint, Health::Healthy), None);
    }

    #[test]
    fn one_address_twice_is_one_target_with_both_weights() {
        let board = TargetBoard::new();
        let records = [record(1, 2), record(2, 1), record(1, 3)];
        let targets = board.publish("g", &records).expect("new");
        let weights: Vec<_> = targets.addresses.iter().map(|target| target.weight).collect();
        assert_eq!(weights, [5, 1]);
        assert!(board.publish("g", &records).is_none());
    }

    #[test]
    fn groups_that_no_plan_names_are_forgotten() {
        let board = TargetBoard::new();
        let _ = (board.publish("kept", &[record(1, 1)]), board.publish("gone", &[record(1, 1)]));
        board.retain(&HashSet::from(["kept"]));
        assert!(board.find("kept").is_some() && board.find("gone").is_none());
    }
}
