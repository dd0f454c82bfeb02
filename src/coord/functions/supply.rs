//! What each shard has and lacks of one function: idle runtimes, and calls that wait for one.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use crossbeam::utils::CachePadded;

use crate::base::Nanos;

/// One cache line for each shard, written by that shard alone and looked at by all.
///
/// A shard on which a call comes to wait says so ([`Supply::set_waiting`]) and then looks for idle
/// runtimes elsewhere; one whose runtime comes to be idle says so and then looks for calls that
/// wait. Between the two stands a full fence, so at least one of them sees the other.
#[derive(Debug)]
pub struct Supply {
    shards: Box<[CachePadded<ShardSupply>]>,
}

#[derive(Debug, Default)]
struct ShardSupply {
    idle_count: AtomicU32,
    /// When the call that has waited longest began to; 0 if none waits.
    waiting_since: AtomicU64,
}

impl Supply {
    #[must_use]
    pub fn new(shards_count: usize) -> Self {
        Self { shards: (0..shards_count).map(|_| CachePadded::default()).collect() }
    }

    /// Says how many runtimes are idle on `shard`.
    pub fn set_idle(&self, shard: usize, count: u32) {
        if let Some(one) = self.shards.get(shard) {
            one.idle_count.store(count, Ordering::Release);
        }
    }

    /// Says since when the oldest call that waits on `shard` has waited.
    pub fn set_waiting(&self, shard: usize, since: Option<Nanos>) {
        if let Some(one) = self.shards.get(shard) {
            let since = since.map_or(0, |since| since.0.max(1));
            one.waiting_since.store(since, Ordering::Release);
        }
    }

    /// Another shard with an idle runtime: the one with most of them.
    #[must_use]
    pub fn find_idle(&self, shard: usize) -> Option<usize> {
        fence(Ordering::SeqCst);
        let counts = self.shards.iter().map(|one| one.idle_count.load(Ordering::Acquire));
        let others = counts.enumerate().filter(|(index, count)| *index != shard && *count > 0);
        others.max_by_key(|(_, count)| *count).map(|(index, _)| index)
    }

    /// Another shard on which a call has waited since before `since`: the one that has waited longest.
    #[must_use]
    pub fn find_waiting(&self, shard: usize, since: Option<Nanos>) -> Option<usize> {
        fence(Ordering::SeqCst);
        let ours = since.map_or(u64::MAX, |since| since.0);
        let since = self.shards.iter().map(|one| one.waiting_since.load(Ordering::Acquire));
        let others = since
            .enumerate()
            .filter(|(index, since)| *index != shard && *since != 0 && *since < ours);
        others.min_by_key(|(_, since)| *since).map(|(index, _)| index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_wait_and_the_most_idle_are_found_elsewhere() {
        let supply = Supply::new(3);
        assert_eq!((supply.find_idle(0), supply.find_waiting(0, None)), (None, None));
        supply.set_idle(0, 5);
        supply.set_idle(1, 1);
        supply.set_idle(2, 2);
        assert_eq!(supply.find_idle(0), Some(2));
        assert_eq!(supply.find_idle(2), Some(0));
        supply.set_waiting(1, Some(Nanos::from_millis(30)));
        supply.set_waiting(2, Some(Nanos::from_millis(20)));
        assert_eq!(supply.find_waiting(0, None), Some(2));
        assert_eq!(supply.find_waiting(0, Some(Nanos::from_millis(25))), Some(2));
        assert_eq!(supply.find_waiting(0, Some(Nanos::from_millis(20))), None);
        supply.set_waiting(2, None);
        assert_eq!(supply.find_waiting(0, None), Some(1));
        assert_eq!(supply.find_waiting(1, None), None);
    }
}
