//! The process clock: one origin for all threads, so that instants may cross cores.

use std::sync::OnceLock;
use std::time::Instant;

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
