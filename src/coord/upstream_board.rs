//! How each shard sees the targets of its groups: what the admin listener shows of them.
//!
//! A shard writes its view once a second and reads nothing here. It never waits: if somebody is
//! copying the view just then, the shard leaves the old one until its next second. The buffers go
//! back and forth, so that a view costs no allocation once it has its size.

use std::sync::{Arc, Mutex, PoisonError, TryLockError};

use super::TargetEndpoint;
use crate::base::Nanos;

/// The latest view of every shard.
#[derive(Debug)]
pub struct UpstreamBoard {
    shards: Box<[Mutex<ShardView>]>,
}

/// One shard's target groups.
#[derive(Clone, Debug, Default)]
pub struct ShardView {
    /// When it was taken; zero if the shard has not told anything yet.
    pub at: Nanos,
    /// The groups of the plan that the shard had then.
    pub groups: Vec<GroupView>,
}

/// A target group as one shard sees it.
#[derive(Clone, Debug, Default)]
pub struct GroupView {
    /// Its name.
    pub name: String,
    /// Its numbers.
    pub counts: GroupCounts,
    /// Its targets.
    pub targets: Vec<TargetView>,
}

/// The numbers of a group on one shard.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct GroupCounts {
    /// Tries that have not ended.
    pub outstanding: u32,
    /// The circuit breaker's bound on them.
    pub outstanding_max: u32,
    /// All that are not unhealthy are ejected, so the ejections are ignored.
    pub is_panicking: bool,
    /// Requests refused at the circuit breaker's bound.
    pub circuit_refused_total: u64,
    /// Requests refused because no target was left.
    pub without_target_total: u64,
    /// Retries that the budget allowed.
    pub retries_granted_total: u64,
    /// Retries that the budget refused.
    pub retries_refused_total: u64,
}

/// A target as one shard sees it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetView {
    /// Where it is.
    pub address: TargetEndpoint,
    /// Its numbers.
    pub counts: TargetCounts,
}

/// The numbers of a target on one shard, since the shard has known it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TargetCounts {
    /// Tries that have not ended.
    pub outstanding: u32,
    /// What it gets now, in 1/1024 of a weight of one; 0 takes no requests.
    pub share: u32,
    /// On its way to its full share.
    pub is_ramping: bool,
    /// The end of its ejection, if it is ejected.
    pub ejected_until: Option<Nanos>,
    /// Connections that are kept unused.
    pub connections_idle: u32,
    /// All of its connections.
    pub connections_open: u32,
    /// Tries that were started.
    pub requests_total: u64,
    /// Tries that failed by its fault.
    pub failures_total: u64,
    /// Times it was ejected.
    pub ejections_total: u64,
}

impl UpstreamBoard {
    /// A board on which no shard has told anything.
    #[must_use]
    pub fn new(shards_count: usize) -> Arc<Self> {
        Arc::new(Self { shards: (0..shards_count).map(|_| Mutex::default()).collect() })
    }

    /// Puts the view of shard `shard`, and gives an older one back to be filled again. To be
    /// called by that shard only. False if nothing was put, because the view is being read.
    pub fn publish(&self, shard: usize, view: &mut ShardView) -> bool {
        let Some(place) = self.shards.get(shard) else { return false };
        // Poisoned only by a reader's panic, which leaves the view whole.
        let mut place = match place.try_lock() {
            Ok(place) => place,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return false,
        };
        std::mem::swap(&mut *place, view);
        true
    }

    /// The latest view of each shard, by index.
    #[must_use]
    pub fn views(&self) -> Vec<ShardView> {
        let copy =
            |place: &Mutex<ShardView>| place.lock().unwrap_or_else(PoisonError::into_inner).clone();
        self.shards.iter().map(copy).collect()
    }
}

impl GroupView {
    /// Takes over how the group is now; what stays the same is not allocated again.
    pub fn fill<'a>(
        &mut self,
        name: &str,
        counts: GroupCounts,
        targets: impl Iterator<Item = (&'a TargetEndpoint, TargetCounts)>,
    ) {
        if self.name != name {
            name.clone_into(&mut self.name);
        }
        self.counts = counts;
        let mut filled = 0;
        for (address, counts) in targets {
            match self.targets.get_mut(filled) {
                Some(view) if view.address == *address => view.counts = counts,
                Some(view) => *view = TargetView { address: address.clone(), counts },
                None => self.targets.push(TargetView { address: address.clone(), counts }),
            }
            filled += 1;
        }
        self.targets.truncate(filled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(port: u16) -> TargetEndpoint {
        TargetEndpoint::Tcp(([127, 0, 0, 1], port).into())
    }

    fn counts(requests_total: u64) -> TargetCounts {
        TargetCounts { requests_total, ..TargetCounts::default() }
    }

    #[test]
    fn each_shard_has_its_own_view_and_gets_the_older_one_back() {
        let board = UpstreamBoard::new(2);
        let mut view = ShardView { at: Nanos(1), groups: Vec::new() };
        assert!(board.publish(1, &mut view));
        assert_eq!(view.at, Nanos(0), "the first one to be given back is empty");
        view.at = Nanos(2);
        assert!(board.publish(1, &mut view));
        assert_eq!(view.at, Nanos(1));
        let at: Vec<_> = board.views().iter().map(|view| view.at).collect();
        assert_eq!(at, [Nanos(0), Nanos(2)]);
        assert!(!board.publish(2, &mut view), "no such shard");
    }

    #[test]
    fn a_shard_does_not_wait_for_a_reader() {
        let board = UpstreamBoard::new(1);
        let reader = board.shards[0].lock().expect("not poisoned");
        let mut view = ShardView { at: Nanos(7), groups: Vec::new() };
        assert!(!board.publish(0, &mut view));
        assert_eq!(view.at, Nanos(7), "it keeps what it could not put");
        drop(reader);
        assert!(board.publish(0, &mut view));
    }

    #[test]
    fn a_view_that_is_filled_again_has_nothing_of_the_one_before() {
        let mut view = GroupView::default();
        let [one, two, three] = [endpoint(1), endpoint(2), endpoint(3)];
        let group = GroupCounts { outstanding: 3, ..GroupCounts::default() };
        view.fill(
            "a",
            group,
            [(&one, counts(1)), (&two, counts(2)), (&three, counts(3))].into_iter(),
        );
        view.fill(
            "b",
            GroupCounts::default(),
            [(&one, counts(4)), (&three, counts(5))].into_iter(),
        );
        assert_eq!((&*view.name, view.counts), ("b", GroupCounts::default()));
        let expected = [(one, counts(4)), (three, counts(5))];
        let expected = expected.map(|(address, counts)| TargetView { address, counts });
        assert_eq!(view.targets, expected);
    }
}
