//! How often one connection asks.

use std::cell::Cell;

use crate::base::{Fault, Nanos, ThrottleScope};
use crate::model::Limits;

/// The requests of one connection in the second under way.
#[derive(Debug, Default)]
pub(super) struct RequestRate {
    /// The second since start that is being counted, and the requests in it.
    second: Cell<(u64, u32)>,
}

impl RequestRate {
    /// Counts a request at `at`.
    ///
    /// # Errors
    ///
    /// [`Fault::Throttled`] if it is one too many for this second.
    pub(super) fn admit(&self, at: Nanos, limits: &Limits) -> Result<(), Fault> {
        let requests_max = limits.requests_per_connection_per_second_max;
        if requests_max == 0 {
            return Ok(());
        }
        let this_second = at.as_millis() / 1_000;
        let (second, count) = self.second.get();
        let count = if second == this_second { count + 1 } else { 1 };
        self.second.set((this_second, count));
        if count <= requests_max {
            return Ok(());
        }
        let retry_after_ms = 1_000 - u32::try_from(at.as_millis() % 1_000).unwrap_or(0);
        Err(Fault::Throttled { scope: ThrottleScope::Connection, retry_after_ms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_second_has_its_own_count() {
        let limits = Limits { requests_per_connection_per_second_max: 2, ..Limits::default() };
        let (rate, at) = (RequestRate::default(), Nanos::from_millis);
        assert_eq!(rate.admit(at(1_000), &limits), Ok(()));
        assert_eq!(rate.admit(at(1_900), &limits), Ok(()));
        let scope = ThrottleScope::Connection;
        let refused = Fault::Throttled { scope, retry_after_ms: 100 };
        assert_eq!(rate.admit(at(1_900), &limits), Err(refused));
        assert_eq!(rate.admit(at(2_000), &limits), Ok(()));
    }

    #[test]
    fn no_bound_counts_nothing() {
        let rate = RequestRate::default();
        for _ in 0..10 {
            assert_eq!(rate.admit(Nanos::from_millis(1), &Limits::default()), Ok(()));
        }
        assert_eq!(rate.second.get(), (0, 0));
    }
}
