//! One target's row of active checks, and the verdict that follows from it.
//!
//! Sans I/O: results go in, a changed verdict comes out.

use crate::coord::Health;
use crate::model::ActiveHealth;

/// The checks of one target so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CheckRecord {
    verdict: Health,
    /// Results in a row that speak against the verdict.
    against_count: u32,
}

impl CheckRecord {
    /// Goes on from a verdict that was reached before.
    pub(crate) const fn new(verdict: Health) -> Self {
        Self { verdict, against_count: 0 }
    }

    /// Takes the result of one check; the new verdict if it is another.
    ///
    /// The first success of a target without a verdict makes it healthy at once (it gets requests
    /// already, and one success is all that was wanted to know). Its failures are counted like
    /// those of a healthy one, so a slow start of the target does not take it out.
    pub(crate) fn note(&mut self, is_success: bool, policy: &ActiveHealth) -> Option<Health> {
        let (other, needed) = match (self.verdict, is_success) {
            (Health::Healthy, true) | (Health::Unhealthy, false) => {
                self.against_count = 0;
                return None;
            }
            (Health::Unchecked, true) => (Health::Healthy, 1),
            (Health::Unhealthy, true) => (Health::Healthy, policy.healthy_count),
            (Health::Unchecked | Health::Healthy, false) => {
                (Health::Unhealthy, policy.unhealthy_count)
            }
        };
        self.against_count = self.against_count.saturating_add(1);
        if self.against_count < needed {
            return None;
        }
        *self = Self::new(other);
        Some(other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> ActiveHealth {
        ActiveHealth {
            path: "/".to_owned(),
            grpc_service: None,
            interval_ms: 1,
            timeout_ms: 1,
            unhealthy_count: 3,
            healthy_count: 2,
            status_min: 200,
            status_max: 299,
        }
    }

    fn verdicts(from: Health, results: &[bool]) -> Vec<Option<Health>> {
        let mut record = CheckRecord::new(from);
        results.iter().map(|success| record.note(*success, &policy())).collect()
    }

    #[test]
    fn thresholds() {
        let (bad, good) = (Some(Health::Unhealthy), Some(Health::Healthy));
        assert_eq!(verdicts(Health::Healthy, &[false, false, true, false, false]), [None; 5]);
        assert_eq!(verdicts(Health::Healthy, &[false; 4]), [None, None, bad, None]);
        assert_eq!(
            verdicts(Health::Unhealthy, &[true, false, true, true]),
            [None, None, None, good]
        );
        assert_eq!(verdicts(Health::Unchecked, &[true, true]), [good, None]);
        assert_eq!(verdicts(Health::Unchecked, &[false, false, false]), [None, None, bad]);
        assert_eq!(verdicts(Health::Unchecked, &[false, false, true]), [None, None, good]);
    }

    #[test]
    fn a_threshold_of_zero_is_one() {
        let policy = ActiveHealth { unhealthy_count: 0, healthy_count: 0, ..policy() };
        let mut record = CheckRecord::new(Health::Healthy);
        assert_eq!(record.note(false, &policy), Some(Health::Unhealthy));
        assert_eq!(record.note(true, &policy), Some(Health::Healthy));
    }
}
