//! Passive health: a target that fails several times in a row is left out for a while.
//!
//! Owns one target's row of failures and its ejections. How many of a group may be out at once is
//! asked of [`may_eject`]; who is in the group is not known here.

use super::outcome::Verdict;
use crate::base::Nanos;
use crate::model::OutlierEjection;

/// One target's record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct OutlierRecord {
    standing: Standing,
    failures_in_row: u32,
    /// Sets the length of the next ejection; falls again while the target stays in service.
    ejections_count: u32,
    ejections_total: u64,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Standing {
    /// In service since this instant.
    In { since: Nanos },
    /// Left out until this instant.
    Out { until: Nanos },
}

impl OutlierRecord {
    pub(crate) const fn new(now: Nanos) -> Self {
        Self {
            standing: Standing::In { since: now },
            failures_in_row: 0,
            ejections_count: 0,
            ejections_total: 0,
        }
    }

    /// Takes note of one try's end. True when the row of failures is long enough for an ejection;
    /// what a target that is out already does counts for nothing, so tries that were under way
    /// when it was ejected cannot make its ejection longer.
    #[inline]
    pub(crate) fn note(&mut self, verdict: Verdict, policy: &OutlierEjection) -> bool {
        if matches!(self.standing, Standing::Out { .. }) {
            return false;
        }
        match verdict {
            Verdict::Success => self.failures_in_row = 0,
            Verdict::Failure => self.failures_in_row = self.failures_in_row.saturating_add(1),
            Verdict::Unknown => return false,
        }
        self.failures_in_row >= policy.consecutive_failures.max(1)
    }

    /// Leaves the target out. Each ejection is longer than the last by the base, up to the bound;
    /// a whole longest ejection spent in service takes one step back.
    pub(crate) fn eject(&mut self, now: Nanos, policy: &OutlierEjection) {
        let longest = Nanos::from_millis(policy.ejection_ms_max.max(1));
        if let Standing::In { since } = self.standing {
            let forgiven = u32::try_from(now.since(since).0 / longest.0).unwrap_or(u32::MAX);
            self.ejections_count = self.ejections_count.saturating_sub(forgiven);
        }
        self.ejections_count = self.ejections_count.saturating_add(1);
        self.ejections_total += 1;
        let length_ms = policy.base_ejection_ms.saturating_mul(u64::from(self.ejections_count));
        let length = Nanos::from_millis(length_ms.max(1)).min(longest);
        self.standing = Standing::Out { until: now.plus(length) };
    }

    /// Puts the target back when its time is over; true when it did. It is on probation: one more
    /// failure ejects it again, one success clears its row.
    pub(crate) fn return_if_due(&mut self, now: Nanos, policy: Option<&OutlierEjection>) -> bool {
        let Standing::Out { until } = self.standing else { return false };
        // Without a policy (a new plan took it away) nobody stays out.
        if policy.is_some() && now < until {
            return false;
        }
        self.standing = Standing::In { since: now };
        self.failures_in_row =
            policy.map_or(0, |policy| policy.consecutive_failures.saturating_sub(1));
        true
    }

    /// Until when the target is left out, if it is.
    pub(crate) const fn ejected_until(&self) -> Option<Nanos> {
        match self.standing {
            Standing::In { .. } => None,
            Standing::Out { until } => Some(until),
        }
    }

    pub(crate) const fn ejections_total(&self) -> u64 {
        self.ejections_total
    }
}

/// Whether one more of `members_count` may be ejected while `ejected_count` are out.
///
/// The share is rounded down, but a group of two or more may always lose one (unless the share is
/// zero): with three targets and a share of ten percent, an operator means that the dead one goes.
/// A group of one never loses its only target.
pub(crate) fn may_eject(
    ejected_count: usize,
    members_count: usize,
    policy: &OutlierEjection,
) -> bool {
    if members_count < 2 || policy.ejected_percent_max == 0 {
        return false;
    }
    let percent = policy.ejected_percent_max.min(100) as usize;
    ejected_count < (members_count * percent / 100).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> OutlierEjection {
        OutlierEjection {
            consecutive_failures: 3,
            base_ejection_ms: 100,
            ejection_ms_max: 250,
            ejected_percent_max: 50,
        }
    }

    fn ejected_for_ms(record: &OutlierRecord, now: Nanos) -> u64 {
        record.ejected_until().map_or(0, |until| until.since(now).as_millis())
    }

    #[test]
    fn a_row_of_failures_ejects_and_a_success_breaks_it() {
        let mut record = OutlierRecord::new(Nanos(0));
        assert!(!record.note(Verdict::Failure, &policy()));
        assert!(!record.note(Verdict::Failure, &policy()));
        assert!(!record.note(Verdict::Success, &policy()));
        assert!(!record.note(Verdict::Failure, &policy()));
        assert!(!record.note(Verdict::Failure, &policy()));
        assert!(!record.note(Verdict::Unknown, &policy()));
        assert!(record.note(Verdict::Failure, &policy()));
    }

    #[test]
    fn ejections_grow_to_the_bound_and_shrink_in_service() {
        let mut record = OutlierRecord::new(Nanos(0));
        let mut now = Nanos(0);
        for expected_ms in [100, 200, 250, 250] {
            record.eject(now, &policy());
            assert_eq!(ejected_for_ms(&record, now), expected_ms);
            let until = record.ejected_until().expect("just ejected");
            assert!(!record.return_if_due(Nanos(until.0 - 1), Some(&policy())));
            assert!(record.return_if_due(until, Some(&policy())));
            assert!(!record.return_if_due(until, Some(&policy())), "returns once");
            now = until;
        }
        // Four ejections so far; three longest ejections in service forgive three of them.
        now = now.plus(Nanos::from_millis(750));
        record.eject(now, &policy());
        assert_eq!(ejected_for_ms(&record, now), 200);
        assert_eq!(record.ejections_total(), 5);
    }

    #[test]
    fn probation_after_return() {
        let mut record = OutlierRecord::new(Nanos(0));
        record.eject(Nanos(0), &policy());
        assert!(!record.note(Verdict::Failure, &policy()), "out: counts for nothing");
        let until = record.ejected_until().expect("just ejected");
        assert!(record.return_if_due(until, Some(&policy())));
        let mut cleared = record;
        assert!(record.note(Verdict::Failure, &policy()), "one failure is enough");
        assert!(!cleared.note(Verdict::Success, &policy()));
        assert!(!cleared.note(Verdict::Failure, &policy()));
    }

    #[test]
    fn nobody_stays_out_when_the_policy_goes() {
        let mut record = OutlierRecord::new(Nanos(0));
        record.eject(Nanos(0), &policy());
        assert!(record.return_if_due(Nanos(1), None));
    }

    #[test]
    fn share_of_the_group_is_bounded() {
        let of = |percent| OutlierEjection { ejected_percent_max: percent, ..policy() };
        assert!(!may_eject(0, 1, &of(100)), "never the only one");
        assert!(!may_eject(0, 10, &of(0)));
        assert!(may_eject(0, 3, &of(10)) && !may_eject(1, 3, &of(10)), "at least one");
        assert!(may_eject(4, 10, &of(50)) && !may_eject(5, 10, &of(50)));
        assert!(may_eject(9, 10, &of(100)) && !may_eject(10, 10, &of(200)));
    }
}
