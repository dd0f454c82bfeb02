//! One shard's end of a token bucket.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::token_pool::{Lease, TokenPool};
use super::word::Word;
use crate::base::Nanos;

/// A lease is sized to last this long at the shard's recent rate: one visit to the shared word per
/// millisecond is nothing to a core, and tokens are seldom stranded for longer.
const LEASE_NANOS: u64 = 1_000_000;

/// Whether a request may pass.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Decision {
    /// It may, and has taken a token.
    Grant,
    /// It may not.
    Reject {
        /// How long until a token is due, in milliseconds, rounded up, at least 1. `u32::MAX`
        /// where none will ever be: rate zero with the burst spent, or burst zero.
        retry_after_ms: u32,
    },
}

/// A shard's bucket for one throttle key: a pool shared with the other shards and a stash of
/// tokens leased from it, which costs no shared write to spend.
///
/// Rate zero grants the burst once and nothing after; burst zero grants nothing at any rate.
///
/// A shard keeps one bucket per key and carries it from epoch to epoch with
/// [`ShardBucket::adopt`]. A second one on the same pool is safe, but one of the two goes to the
/// pool for each request.
///
/// # Invariants
///
/// - `stash` is at most the pool's `lease_tokens_max`, and zero without a seat.
#[derive(Debug)]
pub struct ShardBucket<W: Word = AtomicU64> {
    stash: u64,
    last: LastTake,
    has_seat: bool,
    batch_tokens: u64,
    leased_at: Nanos,
    pool: Arc<TokenPool<W>>,
}

/// Where the last token came from, so that it can go back there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum LastTake {
    Nothing,
    FromStash,
    FromPool { before: u64, after: u64 },
}

impl<W: Word> ShardBucket<W> {
    /// A bucket with an empty stash.
    #[must_use]
    pub fn new(pool: Arc<TokenPool<W>>) -> Self {
        Self {
            stash: 0,
            last: LastTake::Nothing,
            has_seat: false,
            batch_tokens: 1,
            leased_at: Nanos(0),
            pool,
        }
    }

    /// The pool that it draws from.
    #[must_use]
    pub fn pool(&self) -> &Arc<TokenPool<W>> {
        &self.pool
    }

    /// Takes one token if there is one. Never waits, never allocates; writes shared memory only
    /// when the stash is empty. `now` must not fall from call to call.
    #[inline]
    pub fn take(&mut self, now: Nanos) -> Decision {
        if self.stash > 0 {
            self.stash -= 1;
            self.last = LastTake::FromStash;
            return Decision::Grant;
        }
        self.take_from_pool(now)
    }

    /// What [`ShardBucket::take`] would answer. Takes nothing, and promises nothing: another shard
    /// may be faster.
    #[must_use]
    pub fn peek(&self, now: Nanos) -> Decision {
        if self.stash > 0 {
            return Decision::Grant;
        }
        let mut pool = &self.pool;
        loop {
            match pool.peek(now) {
                Lease::Granted { .. } => return Decision::Grant,
                Lease::Refused { retry_after_ms } => return Decision::Reject { retry_after_ms },
                Lease::Closed => match pool.successor() {
                    Some(successor) => pool = successor,
                    None => return Decision::Reject { retry_after_ms: 1 },
                },
            }
        }
    }

    /// Gives the token of the last [`ShardBucket::take`] back, because a later scope refused the
    /// request. To be called at once, before any other take; without a grant before, it does
    /// nothing.
    ///
    /// A token that came straight from the pool is lost if another shard took one in between: to
    /// put it back then could break the law over some window (see [`TokenPool`]). To lose few, ask
    /// [`ShardBucket::peek`] of every scope before taking from any.
    pub fn untake(&mut self) {
        match std::mem::replace(&mut self.last, LastTake::Nothing) {
            LastTake::Nothing => {}
            LastTake::FromStash => self.stash += 1,
            LastTake::FromPool { before, after } => self.pool.undo(before, after),
        }
        self.check_invariants();
    }

    /// Draws from `pool` from now on: called when an epoch is adopted, with what
    /// [`super::TokenPools::get`] answered. With the same pool nothing changes; with the
    /// successor of the pool, the stash is kept as far as the new settings allow; with a pool of
    /// another key it is dropped.
    pub fn adopt(&mut self, pool: Arc<TokenPool<W>>) {
        if Arc::ptr_eq(&self.pool, &pool) {
            return;
        }
        if self.pool.key() != pool.key() {
            self.stash = 0;
        }
        self.leave_seat();
        self.last = LastTake::Nothing;
        self.has_seat = pool.take_seat();
        self.stash = if self.has_seat { self.stash.min(pool.lease_tokens_max()) } else { 0 };
        self.batch_tokens = 1;
        self.pool = pool;
        self.check_invariants();
    }

    #[inline(never)]
    fn take_from_pool(&mut self, now: Nanos) -> Decision {
        self.last = LastTake::Nothing;
        // Ends: each turn but the last moves on to a newer pool, of which there are as many as the
        // key has had settings since this bucket was last asked.
        loop {
            let tokens_wanted = self.size_batch(now);
            match self.pool.lease(tokens_wanted, now) {
                Lease::Granted { tokens, before, after } => {
                    self.keep(tokens, before, after, now);
                    return Decision::Grant;
                }
                Lease::Refused { retry_after_ms } => return Decision::Reject { retry_after_ms },
                Lease::Closed => match self.pool.successor().cloned() {
                    Some(successor) => self.adopt(successor),
                    None => return Decision::Reject { retry_after_ms: 1 },
                },
            }
        }
    }

    /// How many tokens to ask for. The last batch lasted until now; the next one shall last
    /// [`LEASE_NANOS`] at the same rate, but at most twice as many, so that one burst of a few
    /// requests within one turn does not lease the whole share.
    fn size_batch(&mut self, now: Nanos) -> u64 {
        if !self.has_seat {
            self.has_seat = self.pool.take_seat();
        }
        if !self.has_seat {
            return 1;
        }
        let lasted = now.since(self.leased_at).0.max(1);
        let at_rate = u128::from(self.batch_tokens) * u128::from(LEASE_NANOS) / u128::from(lasted);
        let bound = (2 * self.batch_tokens).min(self.pool.lease_tokens_max());
        u64::try_from(at_rate).unwrap_or(u64::MAX).clamp(1, bound)
    }

    fn keep(&mut self, tokens: u64, before: u64, after: u64, now: Nanos) {
        debug_assert!(tokens > 0 && self.stash == 0, "a lease is taken when the stash is empty");
        if self.has_seat {
            self.stash = tokens - 1;
            self.last = LastTake::FromStash;
            self.batch_tokens = tokens;
            self.leased_at = now;
        } else {
            self.last = LastTake::FromPool { before, after };
        }
        self.check_invariants();
    }

    fn leave_seat(&mut self) {
        if std::mem::take(&mut self.has_seat) {
            self.pool.leave_seat();
        }
    }

    fn check_invariants(&self) {
        debug_assert!(self.stash <= self.pool.lease_tokens_max(), "more than the shard's share");
        debug_assert!(self.has_seat || self.stash == 0, "a stash without a seat");
    }
}

impl<W: Word> Drop for ShardBucket<W> {
    fn drop(&mut self) {
        self.leave_seat();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coord::token_pool::PoolSettings;

    const SECOND: Nanos = Nanos::from_millis(1_000);

    fn pool(rate_per_second: f64, burst_count: u64, shards_count: u32) -> Arc<TokenPool> {
        TokenPool::new("k", PoolSettings { rate_per_second, burst_count, shards_count })
    }

    fn bucket(rate_per_second: f64, burst_count: u64) -> ShardBucket {
        ShardBucket::new(pool(rate_per_second, burst_count, 1))
    }

    fn drain(bucket: &mut ShardBucket, now: Nanos) -> u64 {
        (0..1_000_000).take_while(|_| bucket.take(now) == Decision::Grant).count() as u64
    }

    #[test]
    fn a_burst_is_granted_at_one_instant_whole_or_less_the_share_of_the_stashes() {
        for (burst, granted) in [(0, 0), (1, 1), (2, 2), (199, 199), (200, 196), (5_000, 4_900)] {
            assert_eq!(drain(&mut bucket(1.0, burst), SECOND), granted, "burst {burst}");
        }
    }

    #[test]
    fn the_next_token_comes_when_it_is_due_and_not_a_nanosecond_before() {
        let mut bucket = bucket(1_000.0, 3);
        assert_eq!(drain(&mut bucket, SECOND), 3);
        let due = SECOND.plus(Nanos::from_millis(1));
        assert_eq!(bucket.take(Nanos(due.0 - 1)), Decision::Reject { retry_after_ms: 1 });
        // One part in a million later than exact, as the scale says.
        let slowed = Nanos(due.0 + 2);
        assert_eq!(bucket.take(slowed), Decision::Grant);
        assert_eq!(bucket.take(slowed), Decision::Reject { retry_after_ms: 1 });
    }

    #[test]
    fn rates_below_one_a_second_work() {
        let mut bucket = bucket(0.1, 1);
        assert_eq!(drain(&mut bucket, SECOND), 1);
        assert_eq!(bucket.take(SECOND), Decision::Reject { retry_after_ms: 10_001 });
        assert_ne!(bucket.take(SECOND.plus(Nanos::from_millis(9_999))), Decision::Grant);
        assert_eq!(bucket.take(SECOND.plus(Nanos::from_millis(10_001))), Decision::Grant);
    }

    #[test]
    fn rate_zero_is_the_burst_once_and_burst_zero_is_nothing() {
        let never = Decision::Reject { retry_after_ms: u32::MAX };
        for (rate, burst) in [(0.0, 3), (0.0, 0), (1_000.0, 0)] {
            let mut bucket = bucket(rate, burst);
            assert_eq!(drain(&mut bucket, SECOND), burst);
            assert_eq!(bucket.take(Nanos(1 << 60)), never, "rate {rate} burst {burst}");
            assert_eq!(bucket.peek(Nanos(1 << 60)), never);
        }
    }

    #[test]
    fn what_retry_after_says_is_enough() {
        for rate in [0.3, 7.0, 999.0, 1e6] {
            let mut bucket = bucket(rate, 5);
            drain(&mut bucket, SECOND);
            let Decision::Reject { retry_after_ms } = bucket.take(SECOND) else {
                panic!("the bucket is empty")
            };
            let later = SECOND.plus(Nanos::from_millis(u64::from(retry_after_ms)));
            assert_eq!(bucket.peek(later), Decision::Grant, "rate {rate}");
            assert_eq!(bucket.take(later), Decision::Grant, "rate {rate}");
        }
    }

    #[test]
    fn untake_gives_back_one_token_once() {
        for burst in [5, 5_000] {
            let mut bucket = bucket(1.0, burst);
            let all = drain(&mut bucket, SECOND) - 1;
            let mut bucket = self::bucket(1.0, burst);
            for _ in 0..all {
                assert_eq!(bucket.take(SECOND), Decision::Grant);
            }
            for _ in 0..3 {
                assert_eq!(bucket.take(SECOND), Decision::Grant, "the last token, burst {burst}");
                bucket.untake();
                bucket.untake();
            }
            assert_eq!(drain(&mut bucket, SECOND), 1);
            bucket.untake();
            assert_eq!(drain(&mut bucket, SECOND), 0, "a refusal left nothing to give back");
        }
    }

    #[test]
    fn untake_loses_the_token_when_another_shard_was_faster() {
        let pool = pool(1.0, 4, 2);
        let [mut one, mut other] = [(); 2].map(|()| ShardBucket::new(Arc::clone(&pool)));
        assert_eq!(one.take(SECOND), Decision::Grant);
        assert_eq!(other.take(SECOND), Decision::Grant);
        one.untake();
        assert_eq!(drain(&mut one, SECOND), 2);
    }

    #[test]
    fn leases_grow_with_the_rate_and_shrink_when_it_falls() {
        let mut bucket = bucket(1e6, 1_000_000);
        for _ in 0..100_000 {
            assert_eq!(bucket.take(SECOND), Decision::Grant);
        }
        assert_eq!(bucket.batch_tokens, 20_000, "the shard's whole share: 2% of the burst");
        let mut now = SECOND;
        for _ in 0..30_000 {
            now = now.plus(Nanos::from_millis(10));
            assert_eq!(bucket.take(now), Decision::Grant);
        }
        assert_eq!(bucket.batch_tokens, 1, "a hundred requests a second");
    }

    #[test]
    fn a_bucket_too_many_may_not_stash_until_a_seat_is_free() {
        let pool = pool(1e6, 1_000_000, 1);
        let mut first = ShardBucket::new(Arc::clone(&pool));
        let mut second = ShardBucket::new(Arc::clone(&pool));
        for _ in 0..100 {
            first.take(SECOND);
            second.take(SECOND);
        }
        assert!(first.stash > 0 && second.stash == 0);
        drop(first);
        for _ in 0..100 {
            second.take(SECOND);
        }
        assert!(second.stash > 0);
    }

    #[test]
    fn a_stash_does_not_go_to_another_key() {
        let mut bucket = bucket(1e6, 1_000_000);
        drain(&mut bucket, SECOND);
        while bucket.stash == 0 {
            let later = bucket.leased_at.plus(Nanos::from_millis(1));
            bucket.take(later);
        }
        let settings = PoolSettings { rate_per_second: 0.0, burst_count: 0, shards_count: 1 };
        bucket.adopt(TokenPool::new("other", settings));
        assert_ne!(bucket.take(SECOND.plus(SECOND)), Decision::Grant);
    }
}
