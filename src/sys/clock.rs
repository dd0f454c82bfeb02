//! The kernel's monotonic clock as other programs see it.

/// Microseconds of CLOCK_MONOTONIC: what systemd compares with its own (sd_notify(3)). Zero where
/// the kernel has no such clock, which Linux always has.
#[must_use]
pub fn monotonic_us() -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live `timespec` that the kernel fills.
    if unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) } != 0 {
        return 0;
    }
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(nanos / 1_000)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_clock_does_not_run_backwards() {
        let first = super::monotonic_us();
        assert!(first > 0 && super::monotonic_us() >= first);
    }
}
