//! The retry budget: retries are at most a share of requests over a sliding window, so that
//! retries do not finish off an overloaded group.

use crate::base::Nanos;

/// Counts requests and retries over the last ten seconds, in ten slices.
///
/// # Invariants
///
/// - The totals are the sums over the slices.
/// - When a retry is granted, the retries of the window (it included) are at most
///   [`RETRIES_FLOOR`] plus the share of the requests of the window.
#[derive(Debug)]
pub(crate) struct RetryBudget {
    slices: [Slice; SLICES_COUNT],
    /// The slice that counts now, by its number since the start of time.
    newest: u64,
    /// When `newest` is over, so that the common case is one comparison.
    newest_until: Nanos,
    tries: u64,
    retries: u64,
    refused_total: u64,
    granted_total: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Slice {
    /// Tries of every kind, first ones and retries.
    tries: u64,
    retries: u64,
}

const SLICES_COUNT: usize = 10;
const SLICE: Nanos = Nanos::from_millis(1_000);

/// Retries of a shard that are allowed in any window, however few requests there are: with little
/// traffic a share would never let one through.
pub(crate) const RETRIES_FLOOR: u64 = 10;

impl RetryBudget {
    pub(crate) fn new(now: Nanos) -> Self {
        let newest = now.0 / SLICE.0;
        Self {
            slices: [Slice::default(); SLICES_COUNT],
            newest,
            newest_until: end_of(newest),
            tries: 0,
            retries: 0,
            refused_total: 0,
            granted_total: 0,
        }
    }

    /// A try starts, first or further.
    #[inline]
    pub(crate) fn tried(&mut self, now: Nanos) {
        self.advance(now);
        self.slice().tries += 1;
        self.tries += 1;
    }

    /// Takes one retry from the budget, or refuses it.
    pub(crate) fn take(&mut self, now: Nanos, budget_percent: u32) -> bool {
        self.advance(now);
        // A retry that was granted is a try too, once it starts; it must not earn further ones.
        let requests = self.tries.saturating_sub(self.retries);
        let allowed = RETRIES_FLOOR + requests.saturating_mul(u64::from(budget_percent)) / 100;
        if self.retries >= allowed {
            self.refused_total += 1;
            return false;
        }
        self.slice().retries += 1;
        self.retries += 1;
        self.granted_total += 1;
        true
    }

    pub(crate) const fn granted_total(&self) -> u64 {
        self.granted_total
    }

    pub(crate) const fn refused_total(&self) -> u64 {
        self.refused_total
    }

    #[inline]
    fn advance(&mut self, now: Nanos) {
        if now >= self.newest_until {
            self.slide(now);
        }
    }

    #[cold]
    fn slide(&mut self, now: Nanos) {
        let target = now.0 / SLICE.0;
        let steps = target.saturating_sub(self.newest).min(SLICES_COUNT as u64);
        for step in 1..=steps {
            let gone = std::mem::take(&mut self.slices[place(target - steps + step)]);
            self.tries -= gone.tries;
            self.retries -= gone.retries;
        }
        self.newest = target;
        self.newest_until = end_of(target);
        self.check_invariants();
    }

    fn slice(&mut self) -> &mut Slice {
        &mut self.slices[place(self.newest)]
    }

    fn check_invariants(&self) {
        debug_assert_eq!(self.tries, self.slices.iter().map(|slice| slice.tries).sum::<u64>());
        debug_assert_eq!(self.retries, self.slices.iter().map(|slice| slice.retries).sum::<u64>());
    }
}

const fn place(number: u64) -> usize {
    (number % SLICES_COUNT as u64) as usize
}

const fn end_of(number: u64) -> Nanos {
    Nanos(number.saturating_add(1).saturating_mul(SLICE.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_floor_holds_without_requests() {
        let mut budget = RetryBudget::new(Nanos(0));
        let granted = (0..100).filter(|_| budget.take(Nanos(5), 20)).count();
        assert_eq!(granted as u64, RETRIES_FLOOR);
        assert_eq!(budget.refused_total(), 100 - RETRIES_FLOOR);
    }

    #[test]
    fn the_share_is_of_requests_not_of_tries() {
        let mut budget = RetryBudget::new(Nanos(0));
        for _ in 0..1_000 {
            budget.tried(Nanos(1));
        }
        let mut granted = 0;
        while budget.take(Nanos(2), 20) {
            budget.tried(Nanos(2));
            granted += 1;
        }
        assert_eq!(granted, RETRIES_FLOOR + 200);
    }

    #[test]
    fn the_window_forgets() {
        let mut budget = RetryBudget::new(Nanos(0));
        while budget.take(Nanos(0), 0) {}
        assert!(!budget.take(Nanos::from_millis(9_999), 0));
        assert!(budget.take(Nanos::from_millis(10_000), 0));
        let mut late = RetryBudget::new(Nanos(0));
        while late.take(Nanos(0), 0) {}
        assert!(late.take(Nanos(u64::MAX - 1), 0), "a clock that jumps");
    }

    proptest! {
        /// Against a model that remembers every event: no window of whole slices ever holds more
        /// retries than the floor and the share of its requests.
        #[test]
        fn never_over_budget(
            percent in 0_u32..=100,
            events in prop::collection::vec((0_u64..3_000, any::<bool>()), 1..400),
        ) {
            let mut budget = RetryBudget::new(Nanos(0));
            let mut now = Nanos(0);
            let (mut requests, mut retries) = (Vec::new(), Vec::new());
            for (gap_ms, is_request) in events {
                now = now.plus(Nanos::from_millis(gap_ms));
                if is_request {
                    budget.tried(now);
                    requests.push(now);
                } else if budget.take(now, percent) {
                    budget.tried(now);
                    retries.push(now);
                    let oldest = (now.0 / SLICE.0).saturating_sub(SLICES_COUNT as u64 - 1);
                    let inside = |at: &&Nanos| at.0 / SLICE.0 >= oldest;
                    let requests = requests.iter().filter(inside).count() as u64;
                    let retries = retries.iter().filter(inside).count() as u64;
                    prop_assert!(retries <= RETRIES_FLOOR + requests * u64::from(percent) / 100);
                }
            }
        }
    }
}
