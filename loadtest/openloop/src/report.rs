//! What is printed of an outcome.

use std::fmt::Write as _;

use hdrhistogram::Histogram;
use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::engine::Outcome;

const PERCENTILES: [(&str, f64); 7] = [
    ("p50", 50.0),
    ("p75", 75.0),
    ("p90", 90.0),
    ("p99", 99.0),
    ("p99_9", 99.9),
    ("p99_99", 99.99),
    ("max", 100.0),
];

pub(crate) struct Report(Value);

impl Report {
    pub(crate) fn new(arguments: &Arguments, outcome: &Outcome) -> Self {
        let seconds = arguments.duration.as_secs_f64();
        Self(json!({
            "url": arguments.url.to_string(),
            "rate_per_second": arguments.rate,
            "connections": arguments.connections,
            "duration_seconds": seconds,
            "sent": outcome.sent_count,
            "answered": outcome.answered_count,
            "answered_per_second": outcome.answered_count as f64 / seconds.max(f64::MIN_POSITIVE),
            "error_statuses": outcome.error_status_count,
            "broken": outcome.broken_count,
            "unanswered": outcome.unanswered_count,
            "reconnects": outcome.reconnects_count,
            "latency_us": summary(&outcome.latency),
            "service_us": summary(&outcome.service),
            "lateness_us": summary(&outcome.lateness),
        }))
    }

    pub(crate) fn json(&self) -> String {
        format!("{:#}", self.0)
    }

    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        let field = |name: &str| self.0[name].as_f64().unwrap_or(0.0);
        // Writing to a string does not fail.
        let _ = writeln!(
            text,
            "{} requests sent of {:.0}/s, {:.0}/s answered; {} error statuses, {} broken, {} unanswered",
            field("sent"),
            field("rate_per_second"),
            field("answered_per_second"),
            field("error_statuses"),
            field("broken"),
            field("unanswered"),
        );
        let _ = write!(text, "{:34}", "microseconds");
        for (name, _) in PERCENTILES {
            let _ = write!(text, "{name:>11}");
        }
        let kinds = [
            ("latency_us", "latency, due to answered"),
            ("service_us", "service, sent to answered"),
            ("lateness_us", "lateness, due to sent"),
        ];
        for (kind, title) in kinds {
            let _ = write!(text, "\n{title:34}");
            for (name, _) in PERCENTILES {
                let _ = write!(text, "{:>11.1}", self.0[kind][name].as_f64().unwrap_or(0.0));
            }
        }
        text
    }
}

fn summary(histogram: &Histogram<u64>) -> Value {
    let micros = |nanos: f64| (nanos / 100.0).round() / 10.0;
    let mut summary = json!({ "mean": micros(histogram.mean()), "count": histogram.len() });
    for (name, percentile) in PERCENTILES {
        summary[name] = json!(micros(histogram.value_at_percentile(percentile) as f64));
    }
    summary
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_in_microseconds() {
        let mut histogram = Histogram::<u64>::new(3).expect("three digits");
        for nanos in 1..=1_000_u64 {
            histogram.record(nanos * 1_000).expect("it grows");
        }
        let summary = summary(&histogram);
        for (name, wanted) in [("p50", 500.0), ("p99", 990.0), ("max", 1_000.0)] {
            let got = summary[name].as_f64().expect("a number");
            assert!((got - wanted).abs() <= 1.0, "{name}: {got}");
        }
    }
}
