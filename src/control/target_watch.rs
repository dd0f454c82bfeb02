//! Keeps the board's list of every target group up to date: literal targets at once, names as
//! they are resolved and resolved again.
//!
//! One task per group with names. Knows nothing of health and of shards: a list that changed goes
//! to the board and to a callback.

use std::borrow::Borrow;
use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout_at};

use super::dns::{Resolution, Resolve, ResolveError};
use super::name_watch::{NameWatch, TTL_MIN, TtlBounds};
use super::owned_task::OwnedTask;
use crate::coord::{GroupTargets, TargetBoard, TargetEndpoint, TargetRecord};
use crate::model::{Target, TargetAddress, TargetGroup};

/// Watches the names of all target groups of the plan in force.
///
/// Dropped, it stops asking; the board keeps what it has.
pub struct TargetWatch<R> {
    shared: Arc<Shared<R>>,
    groups: HashMap<String, WatchedGroup>,
}

/// Counts of the side thread, for the metrics.
#[derive(Debug, Default)]
pub struct DnsCounters {
    /// Lookups that ended.
    pub lookups_total: AtomicU64,
    /// Of these, those without an answer to use.
    pub failures_total: AtomicU64,
    /// Addresses of answers that were left out.
    pub dropped_addresses_total: AtomicU64,
}

/// A name that has no address yet: its group runs without it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Unresolved {
    /// Name of the group.
    pub group: String,
    /// The host name.
    pub host: String,
}

/// Lookups of one group that are under way at once.
const LOOKUPS_PER_GROUP_MAX: usize = 16;
/// Targets of one group, all answers together; more are left out.
pub const TARGETS_PER_GROUP_MAX: usize = 4_096;

type Announce = Box<dyn Fn(Arc<GroupTargets>) + Send + Sync>;

struct Shared<R> {
    resolver: R,
    board: Arc<TargetBoard>,
    announce: Announce,
    counters: Arc<DnsCounters>,
    /// The last good answer of every name in use, so that a group that is changed starts from it.
    known: Mutex<HashMap<String, Vec<IpAddr>>>,
    ttl_min: Duration,
}

struct WatchedGroup {
    targets: Vec<Target>,
    dns_ttl_ms_max: u64,
    /// `None` without names.
    task: Option<OwnedTask>,
}

impl<R: Resolve> TargetWatch<R> {
    /// Watches nothing yet. `announce` gets every list that is put on the board; it runs on the
    /// side thread and must not block.
    #[must_use]
    pub fn new(
        resolver: R,
        board: Arc<TargetBoard>,
        announce: impl Fn(Arc<GroupTargets>) + Send + Sync + 'static,
    ) -> Self {
        Self::with_ttl_min(resolver, board, announce, TTL_MIN)
    }

    pub(super) fn with_ttl_min(
        resolver: R,
        board: Arc<TargetBoard>,
        announce: impl Fn(Arc<GroupTargets>) + Send + Sync + 'static,
        ttl_min: Duration,
    ) -> Self {
        let shared = Shared {
            resolver,
            board,
            announce: Box::new(announce),
            counters: Arc::default(),
            known: Mutex::default(),
            ttl_min,
        };
        Self { shared: Arc::new(shared), groups: HashMap::new() }
    }

    /// Counts since the start.
    #[must_use]
    pub fn counters(&self) -> Arc<DnsCounters> {
        Arc::clone(&self.shared.counters)
    }

    /// Watches the names of `groups` and no others. On return each group has a list on the board:
    /// its literal targets and what was known before at least. Waits `patience` at most for the
    /// first lookup of names that are new, and answers with the names that have no address.
    ///
    /// Call it before the plan is published, so that shards that adopt it find its targets.
    pub async fn watch<G: Borrow<TargetGroup>>(
        &mut self,
        groups: &[G],
        patience: Duration,
    ) -> Vec<Unresolved> {
        let groups: Vec<&TargetGroup> = groups.iter().map(Borrow::borrow).collect();
        let groups = groups.as_slice();
        self.forget_all_but(groups).await;
        let deadline = Instant::now() + patience;
        let mut first_rounds = Vec::new();
        for group in groups.iter().copied() {
            let is_same = self.groups.get(&group.name).is_some_and(|known| {
                known.targets == group.targets && known.dns_ttl_ms_max == group.dns_ttl_ms_max
            });
            if is_same {
                continue;
            }
            if let Some(WatchedGroup { task: Some(task), .. }) = self.groups.remove(&group.name) {
                task.stop().await;
            }
            let (task, first_round) = self.shared.start(group);
            first_rounds.extend(first_round);
            let watched = WatchedGroup {
                targets: group.targets.clone(),
                dns_ttl_ms_max: group.dns_ttl_ms_max,
                task,
            };
            self.groups.insert(group.name.clone(), watched);
        }
        for first_round in first_rounds {
            // Late, or its task has ended: either way it is told as unresolved below.
            let _ = timeout_at(deadline, first_round).await;
        }
        self.unresolved(groups)
    }

    async fn forget_all_but(&mut self, groups: &[&TargetGroup]) {
        let names: HashSet<&str> = groups.iter().map(|group| group.name.as_str()).collect();
        let gone: Vec<_> =
            self.groups.keys().filter(|name| !names.contains(name.as_str())).cloned().collect();
        for name in gone {
            if let Some(WatchedGroup { task: Some(task), .. }) = self.groups.remove(&name) {
                task.stop().await;
            }
        }
        let hosts: HashSet<&str> = groups.iter().copied().flat_map(hosts_of).collect();
        self.shared.known().retain(|host, _| hosts.contains(host.as_str()));
    }

    fn unresolved(&self, groups: &[&TargetGroup]) -> Vec<Unresolved> {
        let known = self.shared.known();
        groups
            .iter()
            .copied()
            .flat_map(|group| hosts_of(group).map(move |host| (group, host)))
            .filter(|(_, host)| !known.contains_key(*host))
            .map(|(group, host)| Unresolved { group: group.name.clone(), host: host.to_owned() })
            .collect()
    }
}

impl<R: Resolve> Shared<R> {
    /// Publishes what is known and starts the group's task, if it has names. The receiver hears
    /// when each name was looked up once.
    fn start(
        self: &Arc<Self>,
        group: &TargetGroup,
    ) -> (Option<OwnedTask>, Option<oneshot::Receiver<()>>) {
        let watch = GroupWatch::new(Arc::clone(self), group);
        watch.publish();
        if watch.names.is_empty() {
            return (None, None);
        }
        let (first_round, heard) = oneshot::channel();
        (Some(OwnedTask::spawn(watch.run(first_round))), Some(heard))
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Vec<IpAddr>>> {
        // The map is whole at every point where its holder could panic.
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task of one group.
struct GroupWatch<R> {
    shared: Arc<Shared<R>>,
    group: String,
    targets: Vec<Target>,
    names: Vec<WatchedName>,
}

struct WatchedName {
    target_index: usize,
    host: String,
    port: u16,
    watch: NameWatch,
}

/// A lookup that has ended, of the name with this index.
type Ended = (usize, Result<Resolution, ResolveError>);

impl<R: Resolve> GroupWatch<R> {
    fn new(shared: Arc<Shared<R>>, group: &TargetGroup) -> Self {
        let now = Instant::now();
        let mut bounds = TtlBounds::new(group.dns_ttl_ms_max);
        bounds.shortest = shared.ttl_min;
        let known = shared.known();
        let names = group.targets.iter().enumerate().filter_map(|(target_index, target)| {
            let TargetAddress::Name { host, port } = &target.address else { return None };
            let watch = NameWatch::new(known.get(host).cloned().unwrap_or_default(), bounds, now);
            Some(WatchedName { target_index, host: host.clone(), port: *port, watch })
        });
        let names = names.collect();
        drop(known);
        Self { shared, group: group.name.clone(), targets: group.targets.clone(), names }
    }

    async fn run(mut self, first_round: oneshot::Sender<()>) {
        let mut first_round = Some(first_round);
        let mut waiting: HashSet<usize> = (0..self.names.len()).collect();
        let mut lookups: JoinSet<Ended> = JoinSet::new();
        let mut asked: HashMap<Id, usize> = HashMap::new();
        loop {
            let due = self.start_due(&mut lookups, &mut asked);
            let mut ended = tokio::select! {
                ended = lookups.join_next_with_id(), if !lookups.is_empty() => ended,
                () = sleep_until(due.unwrap_or_else(Instant::now)), if due.is_some() => None,
            };
            let mut is_changed = false;
            while let Some(one) = ended {
                if let Some((index, answer)) = self.unpack(one, &mut asked) {
                    is_changed |= self.note(index, answer);
                    waiting.remove(&index);
                }
                // Answers that came together make one list: shards take each list as a whole.
                ended = lookups.try_join_next_with_id();
            }
            if is_changed {
                self.publish();
            }
            if waiting.is_empty()
                && let Some(first_round) = first_round.take()
            {
                // Nobody listens any more when patience has ended.
                let _ = first_round.send(());
            }
        }
    }

    /// Starts the lookups that are due, within the bound; answers when the next one is, if there
    /// is room for it before another ends.
    fn start_due(
        &mut self,
        lookups: &mut JoinSet<Ended>,
        asked: &mut HashMap<Id, usize>,
    ) -> Option<Instant> {
        let now = Instant::now();
        let mut next: Option<Instant> = None;
        for (index, name) in self.names.iter_mut().enumerate() {
            if lookups.len() >= LOOKUPS_PER_GROUP_MAX {
                return None;
            }
            let Some(due) = name.watch.due() else { continue };
            if due > now {
                next = Some(next.map_or(due, |next| next.min(due)));
                continue;
            }
            name.watch.asked();
            let (shared, host) = (Arc::clone(&self.shared), name.host.clone());
            let lookup = async move { (index, shared.resolver.resolve(&host).await) };
            asked.insert(lookups.spawn(lookup).id(), index);
        }
        next
    }

    /// A resolver that panicked is one that failed: the name is asked again.
    fn unpack(
        &self,
        ended: Result<(Id, Ended), JoinError>,
        asked: &mut HashMap<Id, usize>,
    ) -> Option<Ended> {
        match ended {
            Ok((id, ended)) => asked.remove(&id).map(|_| ended),
            Err(error) => {
                let index = asked.remove(&error.id())?;
                let name = self.names.get(index)?.host.clone();
                let reason = "the resolver panicked".to_owned();
                Some((index, Err(ResolveError::Failed { name, reason })))
            }
        }
    }

    /// True if the name stands for other addresses now.
    fn note(&mut self, index: usize, answer: Result<Resolution, ResolveError>) -> bool {
        let Some(name) = self.names.get_mut(index) else { return false };
        self.shared.counters.lookups_total.fetch_add(1, Ordering::Relaxed);
        match &answer {
            Ok(resolution) => {
                let mut known = self.shared.known();
                known.insert(name.host.clone(), resolution.addresses.clone());
                let dropped = resolution.dropped_count;
                self.shared
                    .counters
                    .dropped_addresses_total
                    .fetch_add(u64::try_from(dropped).unwrap_or(0), Ordering::Relaxed);
                if dropped > 0 && name.watch.addresses() != resolution.addresses {
                    tracing::warn!(group = %self.group, host = %name.host, dropped,
                        "addresses of a DNS answer were left out");
                }
            }
            Err(error) => {
                self.shared.counters.failures_total.fetch_add(1, Ordering::Relaxed);
                let kept = name.watch.addresses().len();
                // Once per outage; what follows is for who looks closer.
                if name.watch.failures_in_row() == 0 {
                    tracing::warn!(group = %self.group, %error, kept, "a target was not resolved");
                } else {
                    tracing::debug!(group = %self.group, %error, kept, "still not resolved");
                }
            }
        }
        name.watch.answered(answer, Instant::now())
    }

    fn publish(&self) {
        let records = self.records();
        if let Some(targets) = self.shared.board.publish(&self.group, &records) {
            tracing::info!(group = %self.group, count = targets.addresses.len(),
                version = targets.version, "targets");
            (self.shared.announce)(targets);
        }
    }

    /// All targets, in the order of the configuration.
    fn records(&self) -> Vec<TargetRecord> {
        let mut names = self.names.iter().peekable();
        let mut records = Vec::with_capacity(self.targets.len());
        for (target_index, target) in self.targets.iter().enumerate() {
            let host: Arc<str> = Arc::from(host_text(&target.address));
            let mut add = |address| {
                let host = Arc::clone(&host);
                records.push(TargetRecord { address, weight: target.weight, target_index, host });
            };
            match &target.address {
                TargetAddress::Socket(address) => add(TargetEndpoint::Tcp(*address)),
                TargetAddress::Unix(path) => add(TargetEndpoint::Unix(path.clone())),
                TargetAddress::Name { .. } => {
                    if let Some(name) = names.next_if(|name| name.target_index == target_index) {
                        for address in name.watch.addresses() {
                            add(TargetEndpoint::Tcp(SocketAddr::new(*address, name.port)));
                        }
                    }
                }
            }
        }
        if records.len() > TARGETS_PER_GROUP_MAX {
            tracing::warn!(group = %self.group, count = records.len(),
                max = TARGETS_PER_GROUP_MAX, "a group has too many targets; the rest is left out");
            records.truncate(TARGETS_PER_GROUP_MAX);
        }
        records
    }
}

fn hosts_of(group: &TargetGroup) -> impl Iterator<Item = &str> {
    group.targets.iter().filter_map(|target| match &target.address {
        TargetAddress::Name { host, .. } => Some(host.as_str()),
        TargetAddress::Socket(_) | TargetAddress::Unix(_) => None,
    })
}

/// What requests name as Host. A unix socket has no name of its own; `localhost` is what servers
/// behind one expect.
fn host_text(address: &TargetAddress) -> String {
    match address {
        TargetAddress::Socket(address) => address.to_string(),
        TargetAddress::Name { host, port } => format!("{host}:{port}"),
        TargetAddress::Unix(_) => "localhost".to_owned(),
    }
}
