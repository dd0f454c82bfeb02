//! Slow start: the share of a target that has come (back) grows linearly to its weight.
//!
//! Owns the arithmetic of shares; knows nothing of how a target is chosen.

use crate::base::Nanos;

/// A target's share of the requests: its weight times its ramp, in units of 1/1024 of a weight of
/// one. Zero is never given to a target that takes requests.
pub(crate) const FULL_RAMP: u32 = 1024;

/// The ramp starts here (about one in a hundred) and not at zero: a target without any share would
/// never show that it works.
const FLOOR_RAMP: u32 = 10;

/// Where one target is on its way to its full share.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SlowStart {
    /// The full share.
    Full,
    /// On its way since this instant.
    Since(Nanos),
}

impl SlowStart {
    /// A target starts its way at `now`; without a span it is at its end at once.
    pub(crate) const fn begin(now: Nanos, span: Nanos) -> Self {
        if span.0 == 0 { Self::Full } else { Self::Since(now) }
    }

    /// The share of a target of this weight at `now`, and the state it is in then. Grows with
    /// `now`, never falls.
    pub(crate) fn share(self, weight: u32, now: Nanos, span: Nanos) -> (u32, Self) {
        let (ramp, state) = match self {
            Self::Full => (FULL_RAMP, Self::Full),
            Self::Since(start) if now.since(start) >= span => (FULL_RAMP, Self::Full),
            Self::Since(start) => (ramp_at(now.since(start), span), self),
        };
        (weight.clamp(1, WEIGHT_MAX) * ramp, state)
    }
}

/// The share of a target of this weight that is not on its way.
pub(crate) fn full_share(weight: u32) -> u32 {
    weight.clamp(1, WEIGHT_MAX) * FULL_RAMP
}

/// Largest weight that is told apart; more is taken for this much.
pub(crate) const WEIGHT_MAX: u32 = 1_000_000;
const _: () = assert!(WEIGHT_MAX as u64 * (FULL_RAMP as u64) < u32::MAX as u64);

fn ramp_at(elapsed: Nanos, span: Nanos) -> u32 {
    let ramp = u128::from(elapsed.0) * u128::from(FULL_RAMP) / u128::from(span.0.max(1));
    u32::try_from(ramp).unwrap_or(FULL_RAMP).clamp(FLOOR_RAMP, FULL_RAMP)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ramp_is_monotone_and_ends_at_the_span() {
        let span = Nanos(1_000_000);
        let start = Nanos(500);
        let mut before = 0;
        for step in 0..=1_000 {
            let now = start.plus(Nanos(step * 1_000));
            let (share, state) = SlowStart::begin(start, span).share(7, now, span);
            assert!(share >= before && share >= 7 * FLOOR_RAMP, "step {step}");
            assert_eq!(state == SlowStart::Full, step == 1_000, "step {step}");
            before = share;
        }
        assert_eq!(before, 7 * FULL_RAMP);
    }

    #[test]
    fn no_span_is_full_at_once() {
        assert_eq!(SlowStart::begin(Nanos(9), Nanos(0)), SlowStart::Full);
    }

    #[test]
    fn weights_out_of_range_do_not_overflow() {
        for weight in [0, 1, WEIGHT_MAX, WEIGHT_MAX + 1, u32::MAX] {
            let (share, _) = SlowStart::Full.share(weight, Nanos(0), Nanos(0));
            assert!(share >= FULL_RAMP);
        }
    }

    #[test]
    fn a_clock_before_the_start_gives_the_floor() {
        let span = Nanos(1_000);
        let (share, _) = SlowStart::Since(Nanos(500)).share(1, Nanos(10), span);
        assert_eq!(share, FLOOR_RAMP);
    }
}
