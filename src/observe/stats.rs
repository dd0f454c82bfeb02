//! Percentiles over all shards, for people: what the admin's `/stats` tells.

use super::histogram::HistogramSum;
use super::metrics::Metrics;
use super::tables::{CLASSES, StageCounters};
use crate::base::Nanos;

/// Percentiles of one histogram. Each is the upper edge of its bucket, at most 6.25% above the
/// truth and never below it.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Percentiles {
    /// How many durations were recorded.
    pub count: u64,
    /// Their mean, which is exact.
    pub mean: Nanos,
    /// Half are not longer.
    pub p50: Nanos,
    /// 90% are not longer.
    pub p90: Nanos,
    /// 99% are not longer.
    pub p99: Nanos,
    /// 99.9% are not longer.
    pub p999: Nanos,
    /// None is longer.
    pub max: Nanos,
}

/// What is known of one stage.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StageStats {
    /// The API's id.
    pub api_id: String,
    /// The stage's name.
    pub stage_name: String,
    /// Requests by class of status, 1xx to 5xx.
    pub requests_by_class: [u64; CLASSES.len()],
    /// Of requests.
    pub latency: Percentiles,
    /// Of integrations.
    pub integration: Percentiles,
    /// Of the gateway's own part.
    pub overhead: Percentiles,
}

impl Metrics {
    /// What is known of each stage of the adopted plan, in its order; first a sum over all of
    /// them and of the requests that reached none, with empty names.
    #[must_use]
    pub fn stats(&self) -> Vec<StageStats> {
        let Some(generation) = self.current() else { return Vec::new() };
        let mut all = StageSums::default();
        generation.tables.iter().for_each(|tables| all.add(&tables.unmatched));
        let mut stages = Vec::new();
        for (index, label) in generation.labels.stages.iter().enumerate() {
            let mut sums = StageSums::default();
            let counters = generation.tables.iter().filter_map(|tables| tables.stages.get(index));
            counters.for_each(|tables| sums.add(&tables.counters));
            all.merge(&sums);
            stages.push(sums.stats(&label.api_id, &label.stage_name));
        }
        stages.insert(0, all.stats("", ""));
        stages
    }
}

#[derive(Default)]
struct StageSums {
    requests: [u64; CLASSES.len()],
    latency: HistogramSum,
    integration: HistogramSum,
    overhead: HistogramSum,
}

impl StageSums {
    fn add(&mut self, counters: &StageCounters) {
        for (sum, counter) in self.requests.iter_mut().zip(&counters.requests) {
            *sum += counter.get();
        }
        self.latency.add(&counters.latency);
        self.integration.add(&counters.integration);
        self.overhead.add(&counters.overhead);
    }

    fn merge(&mut self, other: &Self) {
        for (sum, count) in self.requests.iter_mut().zip(other.requests) {
            *sum += count;
        }
        self.latency.merge(&other.latency);
        self.integration.merge(&other.integration);
        self.overhead.merge(&other.overhead);
    }

    fn stats(&self, api_id: &str, stage_name: &str) -> StageStats {
        StageStats {
            api_id: api_id.into(),
            stage_name: stage_name.into(),
            requests_by_class: self.requests,
            latency: percentiles(&self.latency),
            integration: percentiles(&self.integration),
            overhead: percentiles(&self.overhead),
        }
    }
}

fn percentiles(sum: &HistogramSum) -> Percentiles {
    let histogram = sum.to_hdr();
    let count = histogram.len();
    let at = |quantile: f64| Nanos(histogram.value_at_quantile(quantile));
    Percentiles {
        count,
        mean: Nanos(sum.sum().0.checked_div(count).unwrap_or_default()),
        p50: at(0.5),
        p90: at(0.9),
        p99: at(0.99),
        p999: at(0.999),
        max: Nanos(histogram.max()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::histogram::Histogram;

    #[test]
    fn percentiles_of_a_thousand_milliseconds() {
        let (histogram, mut sum) = (Histogram::default(), HistogramSum::default());
        (1..=1_000).for_each(|ms| histogram.record(Nanos::from_millis(ms)));
        sum.add(&histogram);
        let told = percentiles(&sum);
        assert_eq!(told.count, 1_000);
        assert_eq!(told.mean, Nanos(500_500_000));
        for (value, truth_ms) in
            [(told.p50, 500), (told.p90, 900), (told.p99, 990), (told.p999, 999), (told.max, 1_000)]
        {
            let truth = Nanos::from_millis(truth_ms);
            assert!(value >= truth && value.0 <= truth.0 / 100 * 107, "{value:?} for {truth:?}");
        }
    }

    #[test]
    fn nothing_recorded_has_percentiles_of_zero() {
        assert_eq!(percentiles(&HistogramSum::default()), Percentiles::default());
    }
}
