//! One name over time: which addresses it stands for, and when it is asked again.
//!
//! Sans I/O: answers and instants go in. The last good answer is kept however long the name then
//! fails; a resolver that is down must not take targets away that still work.

use std::net::IpAddr;
use std::time::Duration;

use tokio::time::Instant;

use super::dns::{Resolution, ResolveError};

/// What is known of one name.
#[derive(Debug)]
pub(crate) struct NameWatch {
    addresses: Vec<IpAddr>,
    next: Next,
    failures_in_row: u32,
    bounds: TtlBounds,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Next {
    At(Instant),
    /// A lookup is under way.
    Asked,
}

/// Between these an answer is used, whatever its TTL.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TtlBounds {
    pub(crate) shortest: Duration,
    pub(crate) longest: Duration,
}

/// A server whose answers hold for no time at all is not asked more often than this.
pub(crate) const TTL_MIN: Duration = Duration::from_secs(1);
/// Failing lookups are made further and further apart, up to this.
const BACK_OFF_MAX: Duration = Duration::from_secs(30);

impl TtlBounds {
    pub(crate) fn new(ttl_ms_max: u64) -> Self {
        let longest = Duration::from_millis(ttl_ms_max).max(TTL_MIN);
        Self { shortest: TTL_MIN, longest }
    }
}

impl NameWatch {
    /// A name to be asked at once, with the addresses that are known from before.
    pub(crate) fn new(known: Vec<IpAddr>, bounds: TtlBounds, now: Instant) -> Self {
        Self { addresses: known, next: Next::At(now), failures_in_row: 0, bounds }
    }

    pub(crate) fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// When the name is to be asked; `None` while it is being asked.
    pub(crate) const fn due(&self) -> Option<Instant> {
        match self.next {
            Next::At(at) => Some(at),
            Next::Asked => None,
        }
    }

    pub(crate) const fn asked(&mut self) {
        self.next = Next::Asked;
    }

    /// Takes the end of a lookup. True if the addresses are others now.
    pub(crate) fn answered(
        &mut self,
        answer: Result<Resolution, ResolveError>,
        now: Instant,
    ) -> bool {
        match answer {
            Ok(resolution) => {
                self.failures_in_row = 0;
                let TtlBounds { shortest, longest } = self.bounds;
                self.next = Next::At(now + resolution.ttl.min(longest).max(shortest));
                let is_changed = self.addresses != resolution.addresses;
                self.addresses = resolution.addresses;
                is_changed
            }
            Err(_) => {
                self.next = Next::At(now + self.back_off());
                self.failures_in_row = self.failures_in_row.saturating_add(1);
                false
            }
        }
    }

    /// Failures since the last good answer.
    pub(crate) const fn failures_in_row(&self) -> u32 {
        self.failures_in_row
    }

    fn back_off(&self) -> Duration {
        let doubled = self.bounds.shortest.saturating_mul(1 << self.failures_in_row.min(16));
        doubled.min(BACK_OFF_MAX).min(self.bounds.longest).max(self.bounds.shortest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn good(last: u8, ttl_seconds: u64) -> Result<Resolution, ResolveError> {
        let address = IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
        Resolution::new("a", [address], Duration::from_secs(ttl_seconds))
    }

    fn bad() -> Result<Resolution, ResolveError> {
        Err(ResolveError::NoAddress { name: "a".to_owned() })
    }

    fn wait(watch: &NameWatch, now: Instant) -> u64 {
        watch.due().expect("not asked").duration_since(now).as_secs()
    }

    #[test]
    fn the_ttl_is_kept_within_bounds() {
        let now = Instant::now();
        for (ttl, expected) in [(0, 1), (1, 1), (2, 2), (59, 59), (60, 60), (61, 60), (86_400, 60)]
        {
            let mut watch = NameWatch::new(Vec::new(), TtlBounds::new(60_000), now);
            assert_eq!(watch.due(), Some(now));
            watch.asked();
            assert_eq!(watch.due(), None);
            assert!(watch.answered(good(1, ttl), now));
            assert_eq!(wait(&watch, now), expected, "{ttl}");
        }
        // A bound below the shortest time does not make the shortest shorter.
        let mut watch = NameWatch::new(Vec::new(), TtlBounds::new(0), now);
        watch.answered(good(1, 30), now);
        assert_eq!(wait(&watch, now), 1);
    }

    #[test]
    fn failures_keep_the_answer_and_back_off() {
        let now = Instant::now();
        let mut watch = NameWatch::new(Vec::new(), TtlBounds::new(3_600_000), now);
        assert!(watch.answered(good(1, 30), now));
        for expected in [1, 2, 4, 8, 16, 30, 30] {
            assert!(!watch.answered(bad(), now));
            assert_eq!(wait(&watch, now), expected);
            assert_eq!(watch.addresses().len(), 1);
        }
        assert!(!watch.answered(good(1, 30), now), "the same again");
        assert_eq!(watch.failures_in_row(), 0);
        watch.answered(bad(), now);
        assert_eq!(wait(&watch, now), 1);
        for _ in 0..100 {
            watch.answered(bad(), now);
        }
        assert_eq!(wait(&watch, now), 30);
        assert!(watch.answered(good(2, 30), now));
    }

    #[test]
    fn what_was_known_before_counts_until_the_answer() {
        let now = Instant::now();
        let known = good(7, 1).expect("an address").addresses;
        let mut watch = NameWatch::new(known.clone(), TtlBounds::new(60_000), now);
        assert_eq!(watch.addresses(), known);
        assert!(!watch.answered(bad(), now));
        assert_eq!(watch.addresses(), known);
    }
}
