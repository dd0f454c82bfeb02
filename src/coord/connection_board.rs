//! How many connections each shard has open, and where a new one should go.
//!
//! SO_REUSEPORT spreads connections by a hash of addresses: fair over many short ones, uneven over
//! few long ones. So the shard that accepts looks at the board and hands the connection over when
//! it is clearly ahead of the least loaded one. Connections are never moved later: one that has
//! read a byte has state.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use crossbeam::utils::CachePadded;

/// A shard may be this many connections ahead of the least loaded one before it hands over: below
/// that the spread costs less than the hand-over.
const LEAD_COUNT_MIN: u32 = 8;
/// Or this share of the least loaded one's connections, in percent, where that is more.
const LEAD_PERCENT: u32 = 10;

/// One line per shard. `open` is written by its own shard alone; `incoming` by shards that hand
/// over and by the [`Transit`] that ends. All loads and stores are relaxed: the counts guide a
/// choice, no other memory is reached through them, and an old value costs a little evenness.
#[derive(Debug)]
pub struct ConnectionBoard {
    shards: Box<[CachePadded<Line>]>,
}

#[derive(Debug, Default)]
struct Line {
    open: AtomicU32,
    incoming: AtomicU32,
}

impl ConnectionBoard {
    /// A board for `shards_count` shards with no connections.
    #[must_use]
    pub fn new(shards_count: usize) -> Arc<Self> {
        Arc::new(Self { shards: (0..shards_count).map(|_| CachePadded::default()).collect() })
    }

    /// Shard `shard` has `count` connections open. To be called by that shard only. An index that
    /// is not a shard's is ignored.
    pub fn publish(&self, shard: usize, count: u32) {
        if let Some(line) = self.shards.get(shard) {
            line.open.store(count, Ordering::Relaxed);
        }
    }

    /// Connections of shard `shard`, those on their way to it included.
    #[must_use]
    pub fn count(&self, shard: usize) -> u32 {
        self.shards.get(shard).map_or(0, |line| line.count())
    }

    /// The shard with the fewest connections, the first of several, and its count. `(0, 0)` on a
    /// board without shards.
    #[must_use]
    pub fn least_loaded(&self) -> (usize, u32) {
        let counts = self.shards.iter().map(|line| line.count()).enumerate();
        counts.min_by_key(|(_, count)| *count).unwrap_or((0, 0))
    }

    /// Where a connection that shard `own` has just accepted should go: `None` is to stay.
    ///
    /// It goes to the least loaded shard when `own_count`, this connection not counted, exceeds
    /// that shard's count by more than 8 and by more than 10% of it. So, whatever arrives where,
    /// accepting never takes a shard further ahead than `max(8, 10%) + 1` of the least loaded
    /// one, plus one for each other shard that decides at the same instant.
    #[must_use]
    pub fn handover_target(&self, own: usize, own_count: u32) -> Option<usize> {
        let (least, least_count) = self.least_loaded();
        (least != own && own_count.saturating_sub(least_count) > lead_max(least_count))
            .then_some(least)
    }

    /// Counts one more connection for shard `target` until the answer is dropped, so that shards
    /// that decide before `target` has read its mail do not all choose it.
    #[must_use]
    pub fn begin_handover(self: &Arc<Self>, target: usize) -> Transit {
        if let Some(line) = self.shards.get(target) {
            line.incoming.fetch_add(1, Ordering::Relaxed);
        }
        Transit { board: Arc::clone(self), target }
    }
}

/// How far ahead of a shard with `least_count` connections another may be.
fn lead_max(least_count: u32) -> u32 {
    LEAD_COUNT_MIN.max((u64::from(least_count) * u64::from(LEAD_PERCENT) / 100) as u32)
}

impl Line {
    fn count(&self) -> u32 {
        let open = self.open.load(Ordering::Relaxed);
        open.saturating_add(self.incoming.load(Ordering::Relaxed))
    }
}

/// A connection counted for a shard that has not taken it in yet.
#[derive(Debug)]
pub struct Transit {
    board: Arc<ConnectionBoard>,
    target: usize,
}

impl Drop for Transit {
    fn drop(&mut self) {
        if let Some(line) = self.board.shards.get(self.target) {
            let before = line.incoming.fetch_sub(1, Ordering::Relaxed);
            debug_assert!(before > 0, "one transit ends once");
        }
    }
}
