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
    /// It goes to the least loaded other shard when `own_count`, this connection not counted but
    /// those on their way here added, exceeds that shard's count by more than 8 and by more than
    /// 10% of it. So, whatever arrives where, accepting never takes a shard further ahead than
    /// `max(8, 10%) + 1` of the least loaded one, plus one for each other shard that decides at
    /// the same instant.
    #[must_use]
    pub fn handover_target(&self, own: usize, own_count: u32) -> Option<usize> {
        let line = self.shards.get(own)?;
        let own_count = own_count.saturating_add(line.incoming.load(Ordering::Relaxed));
        let others = self.shards.iter().enumerate().filter(|(shard, _)| *shard != own);
        let (least, least_count) =
            others.map(|(shard, line)| (shard, line.count())).min_by_key(|(_, count)| *count)?;
        (own_count.saturating_sub(least_count) > lead_max(least_count)).then_some(least)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_rule_at_its_bounds() {
        for (least, lead) in [(0, 8), (80, 8), (89, 8), (90, 9), (1_000, 100)] {
            let board = ConnectionBoard::new(2);
            board.publish(1, least);
            assert_eq!(board.least_loaded(), (0, 0));
            board.publish(0, least + lead);
            assert_eq!(board.least_loaded(), (1, least));
            assert_eq!(board.handover_target(0, least + lead - 1), None, "below, {least}");
            assert_eq!(board.handover_target(0, least + lead), None, "at, {least}");
            assert_eq!(board.handover_target(0, least + lead + 1), Some(1), "above, {least}");
        }
    }

    #[test]
    fn a_connection_under_way_counts_for_its_target_until_it_has_arrived() {
        let board = ConnectionBoard::new(2);
        let transits: Vec<_> = (0..9).map(|_| board.begin_handover(1)).collect();
        assert_eq!(board.count(1), 9);
        assert_eq!(board.handover_target(0, 18), Some(1));
        assert_eq!(board.handover_target(0, 17), None);
        board.publish(1, 9);
        drop(transits);
        assert_eq!(board.count(1), 9);
    }

    #[test]
    fn odd_boards_and_indexes_are_harmless() {
        let board = ConnectionBoard::new(0);
        assert_eq!((board.least_loaded(), board.handover_target(0, 100)), ((0, 0), None));
        board.publish(7, 1);
        drop(board.begin_handover(7));
        assert_eq!(ConnectionBoard::new(1).handover_target(0, u32::MAX), None, "nowhere to go");
    }

    proptest! {
        /// Whatever arrives where and whatever closes, mail being read late: accepting never
        /// leaves a shard further ahead than the rule says, and without closing the spread stays
        /// within it for good.
        #[test]
        fn the_spread_stays_bounded(
            shards_count in 1..9_usize,
            events in prop::collection::vec((0..8_usize, 0..10_u8), 1..1_500),
            closes in any::<bool>(),
        ) {
            let board = ConnectionBoard::new(shards_count);
            let mut open = vec![0_u32; shards_count];
            let mut mail: Vec<Vec<Transit>> = (0..shards_count).map(|_| Vec::new()).collect();
            for (place, kind) in events {
                let shard = place % shards_count;
                match kind {
                    0 => {
                        open[shard] += mail[shard].len() as u32;
                        board.publish(shard, open[shard]);
                        mail[shard].clear();
                    }
                    1 | 2 if closes => {
                        open[shard] = open[shard].saturating_sub(3);
                        board.publish(shard, open[shard]);
                    }
                    _ => {
                        let least = board.least_loaded().1;
                        let taker = match board.handover_target(shard, open[shard]) {
                            Some(target) => {
                                mail[target].push(board.begin_handover(target));
                                target
                            }
                            None => {
                                open[shard] += 1;
                                board.publish(shard, open[shard]);
                                shard
                            }
                        };
                        prop_assert!(board.count(taker) <= least + lead_max(least) + 1);
                    }
                }
                if !closes {
                    let counts = (0..shards_count).map(|shard| board.count(shard));
                    let (least, most) = (board.least_loaded().1, counts.max().unwrap_or(0));
                    prop_assert!(most <= least + lead_max(least) + 1, "{most} to {least}");
                }
            }
        }
    }
}
