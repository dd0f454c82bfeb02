//! The process clock: one origin for all threads, so that instants may cross cores.

use std::cell::Cell;
use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::base::Nanos;

static ORIGIN: OnceLock<Instant> = OnceLock::new();

thread_local! {
    /// On a shard's ring, when this turn of its loop began; 0 elsewhere.
    static TURN_NANOS: Cell<u64> = const { Cell::new(0) };
}

/// Nanoseconds since the first call in this process. On a shard's ring this is when the turn of
/// the loop began, that is, when what is being served was taken from the kernel. Elsewhere the
/// clock is read, some 20 ns.
#[inline]
#[must_use]
pub fn now() -> Nanos {
    match TURN_NANOS.get() {
        0 => read_clock(),
        turn => Nanos(turn),
    }
}

/// A turn of this thread's loop begins: it is now as long as the turn lasts.
pub(super) fn keep_time() {
    TURN_NANOS.set(read_clock().0.max(1));
}

/// The thread no longer turns.
pub(super) fn stop_time() {
    TURN_NANOS.set(0);
}

fn read_clock() -> Nanos {
    let origin = *ORIGIN.get_or_init(Instant::now);
    Nanos(u64::try_from(origin.elapsed().as_nanos()).unwrap_or(u64::MAX))
}

/// The wall clock, in milliseconds since 1970. For dates in answers and logs, not for spans.
#[must_use]
pub fn unix_millis() -> u64 {
    let span = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
