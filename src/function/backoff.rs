//! How long a function whose processes die at their start is not started again.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

/// What is known of a function's last starts.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures_count: u32,
    last: Option<Failure>,
}

#[derive(Debug)]
struct Failure {
    /// No process is started before.
    until: Instant,
    /// Why the last one failed, as callers are told.
    error: Arc<str>,
}

impl Backoff {
    /// Why nothing is to be started now, if so: what the last start failed with.
    pub(super) fn refusal(&self, now: Instant) -> Option<Arc<str>> {
        let last = self.last.as_ref().filter(|last| now < last.until);
        last.map(|last| Arc::clone(&last.error))
    }

    /// A process that was started at `started` died before it asked for an event. Answers with how
    /// long there is no other. Several that were started before one failure count as that one.
    pub(super) fn failed(&mut self, started: Instant, now: Instant, error: &Arc<str>) -> Duration {
        match &self.last {
            Some(last) if started < last.until => last.until.saturating_duration_since(now),
            _ => {
                self.failures_count = self.failures_count.saturating_add(1);
                let span = with_jitter(span_of(self.failures_count));
                self.last = Some(Failure { until: now + span, error: Arc::clone(error) });
                span
            }
        }
    }

    /// A process has started, or the function has changed.
    pub(super) fn reset(&mut self) {
        *self = Self::default();
    }
}

fn span_of(failures_count: u32) -> Duration {
    let doublings = failures_count.saturating_sub(1).min(16);
    (SPAN_MIN * (1 << doublings)).min(SPAN_MAX)
}

/// Three quarters of it, and a random part of the last.
fn with_jitter(span: Duration) -> Duration {
    let random = u32::try_from(RandomState::new().hash_one(0_u8) % 1_000).unwrap_or(0);
    span * 3 / 4 + span / 4 * random / 1_000
}

/// After the first failure.
const SPAN_MIN: Duration = Duration::from_millis(100);
/// What made it fail may lie elsewhere and be over at any time, so it is not too long.
const SPAN_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    fn error() -> Arc<str> {
        Arc::from("it died")
    }

    #[test]
    fn each_failure_doubles_the_wait_up_to_a_bound() {
        let (mut backoff, mut now) = (Backoff::default(), Instant::now());
        let mut bound = SPAN_MIN;
        for round in 0..12 {
            assert_eq!(backoff.refusal(now), None, "round {round}");
            let span = backoff.failed(now, now, &error());
            assert!(span >= bound * 3 / 4 && span <= bound, "round {round}: {span:?}");
            assert_eq!(backoff.refusal(now), Some(error()));
            now += span;
            bound = (bound * 2).min(SPAN_MAX);
        }
    }

    #[test]
    fn those_that_were_started_together_fail_as_one() {
        let (mut backoff, started) = (Backoff::default(), Instant::now());
        let failed = started + Duration::from_millis(5);
        let span = backoff.failed(started, failed, &error());
        assert_eq!(backoff.failed(started, failed, &error()), span);
        assert_eq!(backoff.failures_count, 1);
        assert_eq!(backoff.failed(started, failed + span, &error()), Duration::ZERO);
        assert_eq!(backoff.refusal(failed + span), None, "it was over and is not begun anew");
    }

    #[test]
    fn a_start_that_works_ends_it() {
        let (mut backoff, now) = (Backoff::default(), Instant::now());
        backoff.failed(now, now, &error());
        backoff.reset();
        assert_eq!(backoff.refusal(now), None);
        assert!(backoff.failed(now, now, &error()) <= SPAN_MIN);
    }
}
