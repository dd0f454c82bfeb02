//! The process clock: one origin for all threads, so that instants may cross cores.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::base::Nanos;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

/// Nanoseconds since the first call in this process. A vDSO read, some 20 ns: once after an
/// await, not once per use.
#[inline]
#[must_use]
pub fn now() -> Nanos {
    let origin = *ORIGIN.get_or_init(Instant::now);
    Nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// The wall clock, in milliseconds since 1970. For dates in answers and logs, not for spans.
#[must_use]
pub fn unix_millis() -> u64 {
    let span = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
