//! Log-linear histograms of durations: fine enough for percentiles, a flat array to write to.
//!
//! One unit is 1/4096 ms, about 244 ns. Values below 16 units have a bucket each; above, each
//! power of two is cut into 16 equal buckets, so that a bucket is at most 6.25% wide. Powers of
//! two of a millisecond fall on bucket edges, which makes the coarse Prometheus buckets sums of
//! fine ones, exact and not estimated.

use std::sync::OnceLock;

use super::counter::Counter;
use crate::base::Nanos;

const SUB_BUCKETS_BITS: u32 = 4;
const SUB_BUCKETS: usize = 1 << SUB_BUCKETS_BITS;
/// The finest histogram ends at 2^20 ms, some 17 minutes; what is longer is in the last bucket.
const UNITS_BITS: u32 = 32;
const BUCKETS_COUNT: usize =
    (UNITS_BITS - SUB_BUCKETS_BITS + 1) as usize * SUB_BUCKETS + OVERFLOW_BUCKETS;
const OVERFLOW_BUCKETS: usize = 1;
const OVERFLOW: usize = BUCKETS_COUNT - 1;
/// One unit is 15625/64 ns.
const UNIT_NUMERATOR: u64 = 15_625;
const UNIT_DENOMINATOR: u64 = 64;
const LARGEST: Nanos = Nanos::from_millis(1 << 20);

const _: () = assert!(UNIT_NUMERATOR * 4_096 == 1_000_000 * UNIT_DENOMINATOR);
const _: () =
    assert!(LARGEST.0 < u64::MAX / UNIT_DENOMINATOR, "the multiplication cannot overflow");

/// A histogram that one shard writes. Its kilobytes of buckets are there once something was
/// recorded: of thousands of stages most may be idle.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: OnceLock<Box<[Counter; BUCKETS_COUNT]>>,
    sum_ns: Counter,
}

impl Histogram {
    /// Counts one duration: two loads, two stores and a multiplication.
    #[inline]
    pub(super) fn record(&self, span: Nanos) {
        self.sum_ns.add(span.0);
        let buckets = self.buckets.get_or_init(no_counts);
        if let Some(bucket) = buckets.get(bucket_of(span)) {
            bucket.add(1);
        }
    }
}

#[cold]
fn no_counts() -> Box<[Counter; BUCKETS_COUNT]> {
    Box::new(std::array::from_fn(|_| Counter::default()))
}

/// Index of the bucket that holds `span`. The upper edge belongs to the bucket, as Prometheus'
/// `le` has it.
#[inline]
fn bucket_of(span: Nanos) -> usize {
    if span > LARGEST {
        return OVERFLOW;
    }
    let units = span.0.saturating_sub(1) * UNIT_DENOMINATOR / UNIT_NUMERATOR;
    if units < SUB_BUCKETS as u64 {
        return units as usize;
    }
    let exponent = units.ilog2();
    let sub_bucket = (units >> (exponent - SUB_BUCKETS_BITS)) as usize & (SUB_BUCKETS - 1);
    (((exponent - SUB_BUCKETS_BITS + 1) as usize) << SUB_BUCKETS_BITS) | sub_bucket
}

/// The longest span that bucket `index` holds; for the overflow bucket the end of time.
fn upper_edge(index: usize) -> Nanos {
    if index >= OVERFLOW {
        return Nanos::NEVER;
    }
    let row = (index >> SUB_BUCKETS_BITS) as u32;
    let sub_bucket = (index & (SUB_BUCKETS - 1)) as u64;
    let units_after = match row {
        0 => sub_bucket + 1,
        _ => (SUB_BUCKETS as u64 + sub_bucket + 1) << (row - 1),
    };
    Nanos((units_after * UNIT_NUMERATOR).div_ceil(UNIT_DENOMINATOR))
}

/// The sum of the histograms of several shards, or of several stages.
#[derive(Clone, Debug)]
pub(super) struct HistogramSum {
    buckets: [u64; BUCKETS_COUNT],
    sum_ns: u64,
}

impl Default for HistogramSum {
    fn default() -> Self {
        Self { buckets: [0; BUCKETS_COUNT], sum_ns: 0 }
    }
}

impl HistogramSum {
    pub(super) fn add(&mut self, histogram: &Histogram) {
        let buckets = histogram.buckets.get().into_iter().flat_map(|buckets| buckets.iter());
        for (sum, bucket) in self.buckets.iter_mut().zip(buckets) {
            *sum += bucket.get();
        }
        self.sum_ns = self.sum_ns.wrapping_add(histogram.sum_ns.get());
    }

    pub(super) fn merge(&mut self, other: &Self) {
        for (sum, bucket) in self.buckets.iter_mut().zip(&other.buckets) {
            *sum += bucket;
        }
        self.sum_ns = self.sum_ns.wrapping_add(other.sum_ns);
    }

    /// How many durations were recorded.
    pub(super) fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// All durations together.
    pub(super) fn sum(&self) -> Nanos {
        Nanos(self.sum_ns)
    }

    /// For each of `bounds`, which must grow, how many durations were not longer.
    pub(super) fn cumulated<'a>(
        &'a self,
        bounds: &'a [Nanos],
    ) -> impl Iterator<Item = (Nanos, u64)> + 'a {
        let (mut index, mut count) = (0, 0);
        bounds.iter().map(move |bound| {
            while index < OVERFLOW && upper_edge(index) <= *bound {
                count += self.buckets[index];
                index += 1;
            }
            (*bound, count)
        })
    }

    /// The same counts as an `hdrhistogram`, in nanoseconds. Each duration counts as the upper
    /// edge of its bucket, so that a percentile is never better than the truth.
    pub(super) fn to_hdr(&self) -> hdrhistogram::Histogram<u64> {
        let mut histogram = hdrhistogram::Histogram::new_with_bounds(1, LARGEST.0, 3)
            .expect("the bounds are constants that the crate takes");
        for (index, count) in self.buckets.iter().enumerate().filter(|(_, count)| **count > 0) {
            histogram.saturating_record_n(upper_edge(index).0.min(LARGEST.0), *count);
        }
        histogram
    }
}

/// `count` bounds, each twice the one before, the first 2^`first_exponent` ms.
pub(super) const fn powers_of_two_ms<const COUNT: usize>(first_exponent: i32) -> [Nanos; COUNT] {
    let mut bounds = [Nanos(0); COUNT];
    let mut index = 0;
    while index < COUNT {
        let exponent = first_exponent + index as i32;
        assert!(
            exponent >= -6 && exponent <= 20,
            "finer or longer is no whole nanosecond or no edge"
        );
        bounds[index] = Nanos((1_000_000_u64 << (exponent + 6)) >> 6);
        index += 1;
    }
    bounds
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn buckets_are_in_order_without_gaps() {
        for index in 0..OVERFLOW {
            let edge = upper_edge(index);
            assert_eq!(bucket_of(edge), index, "an edge is inside");
            assert_eq!(bucket_of(Nanos(edge.0 + 1)), index + 1, "one above is in the next");
        }
        assert_eq!(bucket_of(Nanos(0)), 0);
        assert_eq!(bucket_of(LARGEST), OVERFLOW - 1);
        assert_eq!(bucket_of(Nanos(LARGEST.0 + 1)), OVERFLOW);
        assert_eq!(bucket_of(Nanos::NEVER), OVERFLOW);
    }

    #[test]
    fn powers_of_two_of_a_millisecond_are_edges() {
        let bounds = powers_of_two_ms::<27>(-6);
        assert_eq!(bounds[0], Nanos(15_625));
        assert_eq!(bounds[6], Nanos::from_millis(1));
        assert_eq!(bounds[26], LARGEST);
        for bound in bounds {
            assert_eq!(upper_edge(bucket_of(bound)), bound);
        }
    }

    #[test]
    fn cumulated_counts_are_exact_at_the_bound() {
        let histogram = Histogram::default();
        for span in [999_999, 1_000_000, 1_000_001, 5_000_000] {
            histogram.record(Nanos(span));
        }
        let mut sum = HistogramSum::default();
        sum.add(&histogram);
        let bounds = [Nanos::from_millis(1), Nanos::from_millis(2), Nanos::from_millis(8)];
        let counts: Vec<u64> = sum.cumulated(&bounds).map(|(_, count)| count).collect();
        assert_eq!(counts, [2, 3, 4]);
        assert_eq!(sum.count(), 4);
        assert_eq!(sum.sum(), Nanos(8_000_000));
    }

    #[test]
    fn what_is_too_long_is_counted_above_every_bound() {
        let histogram = Histogram::default();
        histogram.record(Nanos(LARGEST.0 + 1));
        let mut sum = HistogramSum::default();
        sum.add(&histogram);
        assert_eq!(sum.cumulated(&[LARGEST]).last(), Some((LARGEST, 0)));
        assert_eq!(sum.count(), 1);
        assert_eq!(sum.to_hdr().len(), 1);
    }

    proptest! {
        /// A percentile is at least the true value and at most one bucket and three digits more.
        #[test]
        fn percentiles_are_near_and_never_below(
            mut spans in proptest::collection::vec(1_u64..100_000_000_000, 1..200),
            quantile in 0.0..1.0_f64,
        ) {
            let mut sum = HistogramSum::default();
            let histogram = Histogram::default();
            spans.iter().for_each(|span| histogram.record(Nanos(*span)));
            sum.add(&histogram);
            spans.sort_unstable();
            let rank = ((quantile * spans.len() as f64).ceil() as usize).clamp(1, spans.len());
            let truth = spans[rank - 1];
            let told = sum.to_hdr().value_at_quantile(quantile);
            prop_assert!(told >= truth, "{told} < {truth}");
            prop_assert!(told as f64 <= truth as f64 * 1.0625 * 1.002 + 300.0, "{told} for {truth}");
        }
    }
}
