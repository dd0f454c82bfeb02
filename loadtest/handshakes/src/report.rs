//! What is printed of an outcome.

use serde_json::{Value, json};

use crate::arguments::Arguments;
use crate::client::{GROUP, SIGNATURE, SUITE};
use crate::run::Outcome;

pub(crate) struct Report(Value);

impl Report {
    pub(crate) fn new(arguments: &Arguments, outcome: &Outcome) -> Self {
        let microseconds = |fraction: f64| {
            let last = outcome.latencies.len().saturating_sub(1);
            let index = (last as f64 * fraction).round() as usize;
            outcome.latencies.get(index).map(|latency| latency.as_secs_f64() * 1e6)
        };
        Self(json!({
            "address": arguments.address.to_string(),
            "suite": SUITE,
            "group": GROUP,
            "signature": SIGNATURE,
            "duration_us": outcome.elapsed.as_micros() as u64,
            "full": outcome.full_count,
            "resumed": outcome.resumed_count,
            "failed": outcome.failed_count,
            "first_failure": outcome.failure,
            "tickets": outcome.tickets_count,
            "p50_us": microseconds(0.5),
            "p99_us": microseconds(0.99),
            "p99_9_us": microseconds(0.999),
        }))
    }

    pub(crate) fn json(&self) -> String {
        format!("{:#}", self.0)
    }

    pub(crate) fn text(&self) -> String {
        let field = |name: &str| self.0[name].as_f64().unwrap_or(0.0);
        let handshakes = field("full") + field("resumed");
        let mut text = format!(
            "{:.0} handshakes/s ({SUITE}, {GROUP}, {SIGNATURE}): {} full, {} resumed, {} failed; \
             {} tickets; p50 {:.0} us, p99 {:.0} us",
            handshakes / (field("duration_us") / 1e6).max(f64::MIN_POSITIVE),
            field("full"),
            field("resumed"),
            field("failed"),
            field("tickets"),
            field("p50_us"),
            field("p99_us"),
        );
        if let Some(failure) = self.0["first_failure"].as_str() {
            text.push_str("\nthe first failure: ");
            text.push_str(failure);
        }
        text
    }
}
