//! The tokens of one throttle key, shared by all shards of the process.
//!
//! # The law
//!
//! For any spread of the load over shards and over **any** window of length `t`, grants never
//! exceed `burst + rate * t`. From a full bucket and with demand there, they are never less than
//! 97% of it (rounded down to a whole token).
//!
//! # Why it holds
//!
//! A shard may keep at most `h = floor(2% of burst / shards)` leased tokens, and the pool itself
//! holds at most `burst - h * shards`: pool and stashes together never hold more than the burst.
//! In a window the pool hands out at most what it held plus what it earned, and shards spend at
//! most that plus what they had stashed. Tokens stranded in the stashes of idle shards are at most
//! 2% of the burst, once, so nothing ever has to be given back. Where `h` would be below
//! [`LEASE_TOKENS_MIN`] nothing is stashed, and each request goes to the pool.
//!
//! # The word
//!
//! The pool is a GCRA in one word: the *total* that was ever earned or, where more was handed out,
//! the total that must have been earned before the pool is full again. Units are those of
//! [`TokenScale`]. Any shard writes it, by compare-and-exchange; a stale or early `now` of one
//! shard only makes the pool stricter for that shard.
//!
//! # New settings
//!
//! Settings of a pool never change. A key that gets new ones gets a new pool, and the old one is
//! closed in its favour: whoever meets the closed word follows to the successor, so that at no
//! time two pools grant for one key. The tokens that were left are carried over, cut to the new
//! capacity; a burst is never refunded.
//!
//! Until every shard has adopted the new settings, or met the closed pool, a shard may still spend
//! what it had stashed under the old ones: at most 2% of the old burst more than the new settings
//! allow, once. From then on the law holds for the new settings.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use super::token_scale::TokenScale;
use super::word::Word;
use crate::base::Nanos;

/// Leases shorter than this would save too few visits to the pool to be worth the tokens that they
/// strand.
const LEASE_TOKENS_MIN: u64 = 4;
/// The share of the burst that all stashes together may hold, as a divisor: 2%.
const STASHED_DIVISOR: u64 = 50;
/// Tries of one compare-and-exchange. Each that fails is one in which another shard succeeded, so
/// to run out, a shard must lose this often in a row within a microsecond or so.
const EXCHANGES_MAX: u32 = 128;

/// The pool was closed in favour of its successor; the other bits stay as they were.
const CLOSED: u64 = 1 << 63;
/// A successor that nobody has opened yet. No total has all bits set.
const UNOPENED: u64 = u64::MAX;

/// The tokens of one throttle key. See the module's head for its law.
#[derive(Debug)]
pub struct TokenPool<W: Word = AtomicU64> {
    total: OwnLine<W>,
    key: Box<str>,
    settings: PoolSettings,
    scale: TokenScale,
    capacity_units: u64,
    lease_tokens_max: u64,
    /// Buckets that may stash. Bounded by the number of shards, so that a shard which keeps two
    /// buckets on one pool cannot break the law. Relaxed: the number alone matters.
    seats_taken: AtomicU32,
    successor: OnceLock<Successor<W>>,
}

/// In a cache line of its own: all else of a pool is only read. One line, not the two that
/// `CachePadded` takes: there may be a pool for each of 100,000 routes.
#[derive(Debug)]
#[repr(align(64))]
struct OwnLine<W>(W);

/// What a pool was made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct PoolSettings {
    pub(super) rate_per_second: f64,
    pub(super) burst_count: u64,
    pub(super) shards_count: u32,
}

#[derive(Debug)]
struct Successor<W: Word> {
    pool: Arc<TokenPool<W>>,
    since: Nanos,
}

/// What came of asking the pool.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Lease {
    /// `tokens`, at least one, left the pool, whose word went from `before` to `after`.
    Granted { tokens: u64, before: u64, after: u64 },
    /// Not one token is there.
    Refused { retry_after_ms: u32 },
    /// The pool has a successor.
    Closed,
}

impl<W: Word> TokenPool<W> {
    /// A full pool.
    pub(super) fn new(key: &str, settings: PoolSettings) -> Arc<Self> {
        Arc::new(Self::holding(key.into(), settings, 0))
    }

    fn holding(key: Box<str>, settings: PoolSettings, total: u64) -> Self {
        let shards_count = u64::from(settings.shards_count.max(1));
        let share = settings.burst_count / STASHED_DIVISOR / shards_count;
        let lease_tokens_max = if share < LEASE_TOKENS_MIN { 0 } else { share };
        let scale = TokenScale::new(settings.rate_per_second);
        let capacity_tokens = settings.burst_count - lease_tokens_max * shards_count;
        Self {
            total: OwnLine(W::holding(total)),
            key,
            settings,
            scale,
            capacity_units: scale.units_of(capacity_tokens),
            lease_tokens_max,
            seats_taken: AtomicU32::new(0),
            successor: OnceLock::new(),
        }
    }

    /// The throttle key.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    pub(super) fn settings(&self) -> PoolSettings {
        self.settings
    }

    /// Most tokens that one shard may stash; 0 is none.
    pub(super) fn lease_tokens_max(&self) -> u64 {
        self.lease_tokens_max
    }

    /// Takes up to `tokens_wanted`, fewer if fewer are there.
    ///
    /// When other shards win the word [`EXCHANGES_MAX`] times in a row it refuses, for a
    /// millisecond, although there may be tokens: a shard must not spin without bound.
    pub(super) fn lease(&self, tokens_wanted: u64, now: Nanos) -> Lease {
        let earned = self.scale.earned(now);
        let mut before = self.total.0.load();
        for _ in 0..EXCHANGES_MAX {
            if before & CLOSED != 0 {
                return Lease::Closed;
            }
            let tokens = self.scale.tokens_in(self.free_units(before, earned)).min(tokens_wanted);
            if tokens == 0 {
                return Lease::Refused { retry_after_ms: self.retry_after_ms(before, earned) };
            }
            let after = before.max(earned) + self.scale.units_of(tokens);
            debug_assert!(after <= earned + self.capacity_units, "the burst is never exceeded");
            match self.total.0.exchange(before, after) {
                Ok(()) => return Lease::Granted { tokens, before, after },
                Err(found) => before = found,
            }
            std::hint::spin_loop();
        }
        Lease::Refused { retry_after_ms: 1 }
    }

    /// What [`TokenPool::lease`] of one token would come to. Takes nothing.
    pub(super) fn peek(&self, now: Nanos) -> Lease {
        let (before, earned) = (self.total.0.load(), self.scale.earned(now));
        if before & CLOSED != 0 {
            Lease::Closed
        } else if self.scale.tokens_in(self.free_units(before, earned)) == 0 {
            Lease::Refused { retry_after_ms: self.retry_after_ms(before, earned) }
        } else {
            Lease::Granted { tokens: 1, before, after: before }
        }
    }

    /// Undoes a lease, if nobody has taken anything since: only then is it certain that the pool
    /// was not full in between, and that what is given back does not come on top of a burst. When
    /// another shard was faster the tokens are lost, which errs on the side of the law.
    pub(super) fn undo(&self, before: u64, after: u64) {
        debug_assert!(before < after && after & CLOSED == 0, "not a lease of this pool");
        let _ = self.total.0.exchange(after, before);
    }

    /// A seat for a bucket that wants to stash.
    pub(super) fn take_seat(&self) -> bool {
        let seats_count = self.settings.shards_count.max(1);
        self.lease_tokens_max > 0
            && self
                .seats_taken
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |taken| {
                    (taken < seats_count).then_some(taken + 1)
                })
                .is_ok()
    }

    /// Gives the seat back; the bucket's stash is gone by now.
    pub(super) fn leave_seat(&self) {
        let before = self.seats_taken.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "a seat is left once");
    }

    /// Closes this pool in favour of one with `settings`, into which goes what is left at `now`.
    /// To be called once, under the registry's lock.
    pub(super) fn succeed(&self, settings: PoolSettings, now: Nanos) -> Arc<Self> {
        let pool = Arc::new(Self::holding(self.key.clone(), settings, UNOPENED));
        let is_first = self.successor.set(Successor { pool, since: now }).is_ok();
        debug_assert!(is_first, "the registry only hands out the newest pool");
        // The release of this write makes the successor visible to whoever meets the closed word.
        self.total.0.set_bits(CLOSED);
        Arc::clone(self.successor().expect("it was set above"))
    }

    /// The pool that grants in place of this closed one. Whoever comes first opens it: a shard
    /// never waits for the one that is changing the settings.
    pub(super) fn successor(&self) -> Option<&Arc<Self>> {
        let Successor { pool, since } = self.successor.get()?;
        if pool.total.0.load() == UNOPENED {
            // All who come compute the same total from the closed word, so it matters not who wins.
            let closed = self.total.0.load() & !CLOSED;
            let free = self.free_units(closed, self.scale.earned(*since));
            let carried = pool.scale.convert(free, self.scale).min(pool.capacity_units);
            let opening = pool.scale.earned(*since) + pool.capacity_units - carried;
            let _ = pool.total.0.exchange(UNOPENED, opening);
        }
        Some(pool)
    }

    /// What is in the pool when `earned` has been earned. Nothing, for a shard whose clock is
    /// behind that of one that took everything.
    fn free_units(&self, total: u64, earned: u64) -> u64 {
        (earned + self.capacity_units).saturating_sub(total.max(earned))
    }

    fn retry_after_ms(&self, total: u64, earned: u64) -> u32 {
        let token_units = self.scale.units_of(1);
        if self.capacity_units < token_units {
            return u32::MAX; // a burst of zero: no wait is long enough
        }
        let due = total.max(earned) + token_units - self.capacity_units;
        self.scale.wait_ms(due.saturating_sub(earned))
    }
}
