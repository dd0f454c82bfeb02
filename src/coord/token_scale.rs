//! Tokens and time in one integer unit.
//!
//! A bucket's rate is seldom a whole number of nanoseconds per token, so the unit is a fraction of
//! a token instead: `2^fraction_bits` units are one token, and time is turned into the units that
//! it earns. What a batch costs is then exact; only the earning rounds, and it rounds down.
//!
//! Rounding down a running total still lets a window earn one unit more than its length is worth.
//! The speed is therefore set low by one part in `2^fraction_bits`: a window that earns a whole
//! token has by then lost the unit again, so that no window ever grants a token too many. This
//! costs one part in a million of the rate up to 15,000 tokens a second, one in 1,024 at ten
//! million, one in 128 at a hundred million.

use crate::base::Nanos;

/// Rates above this are taken as this: a token every 10 ns, more than a process can serve.
pub(super) const TOKENS_PER_SECOND_MAX: f64 = 1e8;
/// Units of one token at low rates, as a power of two.
const FRACTION_BITS_MAX: u32 = 20;
/// Most units that a nanosecond may earn, as a power of two: the total then lasts for nine years
/// of uptime at the highest rates before it stops growing, and for centuries at common ones.
const UNITS_PER_NANO_BITS: u32 = 4;
/// Binary places of the speed.
const SPEED_BITS: u32 = 62 - UNITS_PER_NANO_BITS;
/// Bound on what is ever earned, and on the units of a burst: their sum and one batch more fit a
/// word with its top bit free.
pub(super) const UNITS_MAX: u64 = (1 << 62) - 1;

const NANOS_PER_SECOND: f64 = 1e9;

/// The unit of one bucket.
///
/// # Invariants
///
/// - `earned(t + d) - earned(t)` is less than a token's units for each `d` shorter than the time
///   of one token at the true rate, and in general at most `floor(rate * d)` whole tokens.
/// - `earned` never falls as time grows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct TokenScale {
    fraction_bits: u32,
    /// Units per nanosecond, times `2^SPEED_BITS`.
    speed: u64,
}

impl TokenScale {
    /// A rate that is negative or no number earns nothing, as zero does; below some 1e-17 tokens
    /// per second a rate is zero too.
    pub(super) fn new(rate_per_second: f64) -> Self {
        let rate = rate_per_second.clamp(0.0, TOKENS_PER_SECOND_MAX);
        let rate = if rate.is_nan() { 0.0 } else { rate };
        let units_per_second_max = NANOS_PER_SECOND * f64::from(1_u32 << UNITS_PER_NANO_BITS);
        let mut fraction_bits = FRACTION_BITS_MAX;
        while rate * f64::from(1_u32 << fraction_bits) > units_per_second_max {
            fraction_bits -= 1;
        }
        let slowed_units = f64::from((1_u32 << fraction_bits) - 1);
        // Three roundings of at most 2^-53 each: one place more than they can add is taken off.
        let units_per_nano = rate * slowed_units / NANOS_PER_SECOND * (1.0 - 4.0 * f64::EPSILON);
        // The cast rounds down, as it must; the product is below 2^62 by the choice of the places.
        let speed = (units_per_nano * (SPEED_BITS as f64).exp2()) as u64;
        Self { fraction_bits, speed }
    }

    /// Units earned since the process started.
    #[inline]
    pub(super) fn earned(self, now: Nanos) -> u64 {
        let units = (u128::from(now.0) * u128::from(self.speed)) >> SPEED_BITS;
        u64::try_from(units).unwrap_or(UNITS_MAX).min(UNITS_MAX)
    }

    /// The units of `tokens`, bounded: over four trillion tokens at low rates are taken as that.
    #[inline]
    pub(super) fn units_of(self, tokens: u64) -> u64 {
        tokens.min(UNITS_MAX >> self.fraction_bits) << self.fraction_bits
    }

    /// Whole tokens in `units`.
    #[inline]
    pub(super) fn tokens_in(self, units: u64) -> u64 {
        units >> self.fraction_bits
    }

    /// `units` of another scale in units of this one, rounded down.
    pub(super) fn convert(self, units: u64, from: Self) -> u64 {
        let wide = (u128::from(units) << self.fraction_bits) >> from.fraction_bits;
        u64::try_from(wide).unwrap_or(UNITS_MAX).min(UNITS_MAX)
    }

    /// How long it takes to earn `units`, in whole milliseconds, rounded up, at least 1.
    /// `u32::MAX` for ever, and for longer than 49 days.
    pub(super) fn wait_ms(self, units: u64) -> u32 {
        if self.speed == 0 {
            return u32::MAX;
        }
        let nanos = (u128::from(units) << SPEED_BITS).div_ceil(u128::from(self.speed));
        u32::try_from(nanos.div_ceil(1_000_000)).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Whole tokens that `span_ns` is worth at `rate`, in exact rational arithmetic: a finite
    /// float is `mantissa * 2^exponent`.
    fn worth(rate: f64, span_ns: u64) -> u128 {
        let bits = rate.to_bits();
        let exponent = (bits >> 52) as i32 - 1_075;
        let mantissa = u128::from((bits & ((1 << 52) - 1)) | (1 << 52));
        let product = mantissa * u128::from(span_ns);
        if exponent >= 0 {
            (product << exponent) / 1_000_000_000
        } else if -exponent > 120 {
            0
        } else {
            (product >> -exponent) / 1_000_000_000
        }
    }

    proptest! {
        /// The law of the module: no window earns a whole token more than it is worth, wherever
        /// it starts, and the shortfall is what the module says.
        #[test]
        fn windows_earn_what_they_are_worth_and_hardly_less(
            exponent in -3.0..8.0_f64,
            start in 0..1_u64 << 55,
            span in prop_oneof![0..10_000_u64, 0..10_000_000_000_u64, 0..1_u64 << 55],
        ) {
            let rate = 10_f64.powf(exponent);
            let scale = TokenScale::new(rate);
            let earned = scale.earned(Nanos(start + span)) - scale.earned(Nanos(start));
            prop_assert!(u128::from(scale.tokens_in(earned)) <= worth(rate, span));
            let share = 1.0 - 1.01 * (-f64::from(scale.fraction_bits)).exp2();
            let least = worth(rate, span) as f64 * share - 2.0;
            prop_assert!(scale.tokens_in(earned) as f64 >= least);
        }

        #[test]
        fn waiting_is_long_enough_and_not_a_millisecond_too_long(
            exponent in -3.0..8.0_f64, now in 0..1_u64 << 50, tokens in 1..1_000_u64,
        ) {
            let scale = TokenScale::new(10_f64.powf(exponent));
            let units = scale.units_of(tokens);
            let wait = u64::from(scale.wait_ms(units));
            let due = scale.earned(Nanos(now)) + units;
            prop_assert!(scale.earned(Nanos(now).plus(Nanos::from_millis(wait))) >= due);
            if wait > 1 {
                let early = Nanos(now).plus(Nanos::from_millis(wait - 1));
                prop_assert!(scale.earned(early) <= due);
            }
        }
    }

    #[test]
    fn the_loss_is_far_below_one_percent_at_ten_million_a_second() {
        let scale = TokenScale::new(1e7);
        let earned = scale.tokens_in(scale.earned(Nanos::from_millis(1_000_000)));
        assert!((9_990_000_000..=10_000_000_000).contains(&earned), "{earned}");
    }

    #[test]
    fn rates_out_of_range_are_taken_as_their_bound() {
        for rate in [0.0, -1.0, f64::NAN, f64::NEG_INFINITY, f64::MIN_POSITIVE] {
            let scale = TokenScale::new(rate);
            assert_eq!(scale.earned(Nanos::NEVER), 0, "{rate}");
            assert_eq!(scale.wait_ms(1), u32::MAX);
        }
        assert_eq!(TokenScale::new(f64::INFINITY), TokenScale::new(TOKENS_PER_SECOND_MAX));
        assert_eq!(TokenScale::new(1e300), TokenScale::new(TOKENS_PER_SECOND_MAX));
    }

    #[test]
    fn the_end_of_time_and_the_largest_burst_stay_in_the_word() {
        let scale = TokenScale::new(TOKENS_PER_SECOND_MAX);
        assert_eq!(scale.earned(Nanos::NEVER), UNITS_MAX);
        let burst = scale.units_of(u64::MAX);
        assert!(burst <= UNITS_MAX && burst > UNITS_MAX / 2);
    }
}
