//! When a certificate is ordered next. Sans I/O: instants are seconds since 1970, chance comes in.

use std::hash::{BuildHasher as _, RandomState};

/// Seconds since 1970.
pub(super) type Seconds = i64;

/// When a certificate is due for renewal: `before` ahead of its end, or half its life if that is
/// shorter; earlier by up to a tenth of that, so that machines that were set up together do not
/// come to the authority together.
pub(super) fn renewal(
    (not_before, not_after): (Seconds, Seconds),
    before: Seconds,
    chance: f64,
) -> Seconds {
    let before = before.min((not_after - not_before).max(0) / 2);
    not_after - before - fraction(before, chance / 10.0)
}

/// When to try again after a failure, `failures` in a row by now.
///
/// The first waits are so long that five failures within the hour, which authorities count (at
/// Let's Encrypt, for each name), are not reached; `retry_after` and a rate limit make them longer.
pub(super) fn retry(
    now: Seconds,
    failures: u32,
    is_rate_limit: bool,
    retry_after: Option<Seconds>,
    chance: f64,
) -> Seconds {
    let doubled = RETRY_MIN << failures.saturating_sub(1).min(16);
    let least = if is_rate_limit { RATE_LIMIT_MIN } else { RETRY_MIN };
    let wait = doubled.clamp(least, RETRY_MAX);
    let asked = retry_after.map_or(0, |at| (at - now).clamp(0, RETRY_AFTER_MAX));
    let wait = wait.max(asked);
    now + wait + fraction(wait, chance / 5.0)
}

#[expect(clippy::cast_possible_truncation, reason = "a part of whole seconds")]
#[expect(clippy::cast_precision_loss, reason = "spans are far below 2^52 seconds")]
fn fraction(span: Seconds, part: f64) -> Seconds {
    (span as f64 * part) as Seconds
}

/// Numbers from 0 to 1, without any claim but that machines differ.
#[derive(Debug, Default)]
pub(super) struct Chance {
    keys: RandomState,
    count: u64,
}

impl Chance {
    #[expect(clippy::cast_precision_loss, reason = "53 bits are exact")]
    pub(super) fn next(&mut self) -> f64 {
        self.count += 1;
        (self.keys.hash_one(self.count) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

pub(super) const DAY: Seconds = 86_400;
const RETRY_MIN: Seconds = 300;
const RETRY_MAX: Seconds = 6 * 3_600;
/// The shortest limit of Let's Encrypt is counted over an hour.
const RATE_LIMIT_MIN: Seconds = 3_600;
/// The longest is counted over a week.
const RETRY_AFTER_MAX: Seconds = 7 * DAY;

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_certificate_is_renewed_ahead_of_its_end() {
        let life = (0, 90 * DAY);
        assert_eq!(renewal(life, 30 * DAY, 0.0), 60 * DAY);
        assert_eq!(renewal(life, 30 * DAY, 1.0), 57 * DAY);
        assert_eq!(renewal(life, 44 * DAY, 0.0), 46 * DAY);
        assert_eq!(renewal(life, 45 * DAY, 0.0), 45 * DAY);
        assert_eq!(renewal(life, 46 * DAY, 0.0), 45 * DAY, "half its life at most");
        assert_eq!(renewal((0, 3_600), 30 * DAY, 0.0), 1_800);
        assert_eq!(renewal((10, 0), 30 * DAY, 1.0), 0, "a life that never was");
    }

    #[test]
    fn failures_are_spread_out() {
        let wait = |failures| retry(1_000, failures, false, None, 0.0) - 1_000;
        let waits: Vec<_> = [1, 2, 3, 7, 8, u32::MAX].map(wait).into();
        assert_eq!(waits, [300, 600, 1_200, 19_200, 21_600, 21_600]);
        assert_eq!(retry(0, 1, false, None, 1.0), 360);
        // Five in the first hour would be too many.
        let mut now = 0;
        let mut tries = 1;
        for failures in 1.. {
            now = retry(now, failures, false, None, 0.0);
            if now >= 3_600 {
                break;
            }
            tries += 1;
        }
        assert_eq!(tries, 4);
    }

    #[test]
    fn what_the_authority_asks_for_is_honoured() {
        assert_eq!(retry(0, 1, true, None, 0.0), 3_600);
        assert_eq!(retry(50, 1, true, Some(50 + 7_200), 0.0), 50 + 7_200);
        assert_eq!(retry(50, 1, false, Some(60), 0.0), 350, "never sooner than without");
        assert_eq!(retry(0, 1, false, Some(i64::MAX / 2), 0.0), 7 * DAY, "but not for ever");
        assert_eq!(retry(50, 1, false, Some(0), 0.0), 350, "that was before");
    }

    #[test]
    fn chance_is_from_0_to_1_and_varies() {
        let mut chance = Chance::default();
        let drawn: Vec<_> = (0..1_000).map(|_| chance.next()).collect();
        assert!(drawn.iter().all(|one| (0.0..1.0).contains(one)));
        assert!(drawn.iter().any(|one| *one < 0.2) && drawn.iter().any(|one| *one > 0.8));
    }

    proptest! {
        /// A renewal is due within the life of the certificate, and never in the first 45% of it.
        #[test]
        fn renewals_are_within_the_life(
            life in 0_i64..400 * DAY,
            before in 1_i64..=365,
            chance in 0.0..1.0,
        ) {
            let due = renewal((1_000, 1_000 + life), before * DAY, chance);
            prop_assert!(due <= 1_000 + life);
            prop_assert!(due - 1_000 >= life * 45 / 100 - 1);
        }
    }
}
