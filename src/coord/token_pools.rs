//! The token pools of the process, by throttle key.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::token_pool::{PoolSettings, TokenPool};
use crate::base::Nanos;

/// Entries below which it is not worth looking for dead ones.
const SWEEP_COUNT_MIN: usize = 64;

/// Finds the pool of a key, so that all shards share one and its state survives epochs.
///
/// Asked by each shard when it adopts an epoch, never for a request; the lock is held for one map
/// operation. A pool lives for as long as some shard has a bucket on it: so a shard asks for the
/// pools of the new epoch before it drops the buckets of the old one, or a reload would refund
/// every burst. A key that no plan names any more is forgotten with its last bucket.
#[derive(Debug, Default)]
pub struct TokenPools {
    pools: Mutex<Pools>,
}

#[derive(Debug, Default)]
struct Pools {
    by_key: HashMap<Box<str>, Weak<TokenPool>>,
    sweep_at_count: usize,
}

impl TokenPools {
    /// No pools.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The pool of `key` with these settings: the one there is, a full one if the key is new, or,
    /// if its settings changed, one that continues with the tokens that were left at `now`, cut to
    /// the new capacity. From then on the old pool grants nothing; buckets on it follow by
    /// themselves.
    ///
    /// To be called when the epoch is adopted, not when it is prepared: an epoch that is abandoned
    /// must not have changed a limit. `rate_per_second` is taken as zero when it is negative or no
    /// number, and as a hundred million when it is more.
    #[must_use]
    pub fn get(
        &self,
        key: &str,
        rate_per_second: f64,
        burst_count: u64,
        shards_count: u32,
        now: Nanos,
    ) -> Arc<TokenPool> {
        let rate_per_second = if rate_per_second.is_nan() { 0.0 } else { rate_per_second };
        let settings = PoolSettings { rate_per_second, burst_count, shards_count };
        // The map is whole at every point where its holder could panic.
        let mut pools = self.pools.lock().unwrap_or_else(PoisonError::into_inner);
        match pools.by_key.get(key).and_then(Weak::upgrade) {
            Some(pool) if pool.settings() == settings => pool,
            Some(pool) => pools.put(pool.succeed(settings, now)),
            None => pools.put(TokenPool::new(key, settings)),
        }
    }
}

impl Pools {
    fn put(&mut self, pool: Arc<TokenPool>) -> Arc<TokenPool> {
        self.by_key.insert(pool.key().into(), Arc::downgrade(&pool));
        if self.by_key.len() > self.sweep_at_count.max(SWEEP_COUNT_MIN) {
            self.by_key.retain(|_, pool| pool.strong_count() > 0);
            // Doubling keeps the work of sweeping in proportion to the keys that were added.
            self.sweep_at_count = 2 * self.by_key.len();
        }
        pool
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coord::{Decision, ShardBucket};

    const AT: Nanos = Nanos(5_000_000_000);

    fn grants_now(bucket: &mut ShardBucket) -> u64 {
        (0..100_000).take_while(|_| bucket.take(AT) == Decision::Grant).count() as u64
    }

    #[test]
    fn one_key_is_one_pool_and_keeps_its_state_while_a_bucket_lives() {
        let pools = TokenPools::new();
        let first = pools.get("account", 1.0, 10, 2, AT);
        let mut bucket = ShardBucket::new(Arc::clone(&first));
        assert_eq!(bucket.take(AT), Decision::Grant);
        let again = pools.get("account", 1.0, 10, 2, AT);
        assert!(Arc::ptr_eq(&first, &again));
        assert!(!Arc::ptr_eq(&first, &pools.get("stage:a/b", 1.0, 10, 2, AT)));
        assert_eq!(grants_now(&mut ShardBucket::new(again)), 9, "one was taken in the old epoch");
    }

    #[test]
    fn a_key_without_buckets_is_forgotten() {
        let pools = TokenPools::new();
        let known = || pools.pools.lock().expect("not poisoned").by_key.len();
        let kept = ShardBucket::new(pools.get("kept", 1.0, 10, 1, AT));
        for index in 0..10 * SWEEP_COUNT_MIN {
            drop(pools.get(&format!("route:{index}"), 1.0, 10, 1, AT));
            assert!(known() <= SWEEP_COUNT_MIN + 1);
        }
        assert!(Arc::ptr_eq(kept.pool(), &pools.get("kept", 1.0, 10, 1, AT)));
    }

    #[test]
    fn new_settings_cut_the_level_and_never_refund() {
        let pools = TokenPools::new();
        let mut bucket = ShardBucket::new(pools.get("k", 1.0, 100, 1, AT));
        for _ in 0..40 {
            assert_eq!(bucket.take(AT), Decision::Grant);
        }
        // 60 are left: a larger burst adds none at once, a smaller one cuts.
        bucket.adopt(pools.get("k", 2.0, 150, 1, AT));
        bucket.adopt(pools.get("k", 2.0, 30, 1, AT));
        bucket.adopt(pools.get("k", 2.0, 100, 1, AT));
        assert_eq!(grants_now(&mut bucket), 30);
        let second_later = AT.plus(Nanos::from_millis(1_001));
        assert_eq!(bucket.take(second_later), Decision::Grant);
        assert_eq!(bucket.take(second_later), Decision::Grant);
        assert_ne!(bucket.take(second_later), Decision::Grant);
    }

    #[test]
    fn buckets_of_the_old_epoch_follow_to_the_new_pool() {
        let pools = TokenPools::new();
        let mut early = ShardBucket::new(pools.get("k", 1.0, 20, 2, AT));
        let mut late = ShardBucket::new(pools.get("k", 1.0, 20, 2, AT));
        early.adopt(pools.get("k", 1.0, 10, 2, AT));
        early.adopt(pools.get("k", 1.0, 9, 2, AT));
        assert_eq!(late.peek(AT), Decision::Grant);
        assert_eq!(late.take(AT), Decision::Grant, "it meets a pool that was closed twice over");
        assert!(Arc::ptr_eq(early.pool(), late.pool()));
        assert_eq!(grants_now(&mut early) + grants_now(&mut late), 8);
        assert_ne!(late.peek(AT), Decision::Grant);
    }

    #[test]
    fn a_rate_that_is_no_number_does_not_make_a_new_pool_each_time() {
        let pools = TokenPools::new();
        let first = pools.get("k", f64::NAN, 5, 1, AT);
        assert!(Arc::ptr_eq(&first, &pools.get("k", f64::NAN, 5, 1, AT)));
    }
}
