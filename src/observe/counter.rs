//! The two kinds of number that one shard writes and the side thread reads.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

/// A number that only grows.
///
/// # Invariants
///
/// - One thread writes. `add` is a load and a store, not a read-modify-write: no lock prefix, and
///   a second writer would lose counts. The recorders of a shard, which cannot leave their
///   thread, are the only callers.
#[derive(Debug, Default)]
pub(super) struct Counter(AtomicU64);

impl Counter {
    #[inline]
    pub(super) fn add(&self, count: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(count), Relaxed);
    }

    #[inline]
    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that goes up and down. One thread writes, as with [`Counter`].
#[derive(Debug, Default)]
pub(super) struct Gauge(AtomicU64);

impl Gauge {
    #[inline]
    pub(super) fn set(&self, value: u64) {
        self.0.store(value, Relaxed);
    }

    #[inline]
    pub(super) fn raise(&self) {
        self.set(self.get().wrapping_add(1));
    }

    /// Stops at zero: a gauge that is lowered once too often must not show 2^64.
    #[inline]
    pub(super) fn lower(&self) {
        self.set(self.get().saturating_sub(1));
    }

    #[inline]
    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_add_and_gauges_stop_at_zero() {
        let (counter, gauge) = (Counter::default(), Gauge::default());
        counter.add(2);
        counter.add(3);
        assert_eq!(counter.get(), 5);
        gauge.raise();
        gauge.lower();
        gauge.lower();
        assert_eq!(gauge.get(), 0);
    }
}
