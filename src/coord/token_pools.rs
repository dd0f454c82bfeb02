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

    /// How many keys are known, dead ones included until the next sweep.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.pools.lock().unwrap_or_else(PoisonError::into_inner).by_key.len()
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
