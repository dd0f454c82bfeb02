//! Names to addresses: one lookup at a time, with the time for which its answer holds.
//!
//! Owns what a DNS answer must be before anything else sees it: bounded in number, sorted, without
//! addresses that nobody can serve at. Knows nothing of target groups or of when to ask again; that
//! is [`super::name_watch`]. A newcomer would break: an answer is never longer than
//! [`ADDRESSES_PER_NAME_MAX`], whatever a server sends.

use std::future::Future;
use std::net::IpAddr;
use std::time::Duration;

/// The addresses of a name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Resolution {
    /// Sorted, each once, at least one and at most [`ADDRESSES_PER_NAME_MAX`].
    pub addresses: Vec<IpAddr>,
    /// How long the answer holds, as its server says. May be zero.
    pub ttl: Duration,
    /// Addresses of the answer that were left out, because there are too many or nobody can serve
    /// at them.
    pub dropped_count: usize,
}

/// Why a name has no addresses.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum ResolveError {
    /// The name is not one that DNS can hold.
    #[error("{name:?} is not a host name: {reason}")]
    BadName {
        /// The name.
        name: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The answer holds no address that a target can have: the name is not known, has none of
    /// type A or AAAA, or only ones like 0.0.0.0 and multicast.
    #[error("{name} has no usable address")]
    NoAddress {
        /// The name.
        name: String,
    },
    /// No answer: servers that are silent, refuse, loop or send garbage.
    #[error("{name} could not be resolved: {reason}")]
    Failed {
        /// The name.
        name: String,
        /// What the resolver says.
        reason: String,
    },
}

/// Looks names up. Two kinds: [`super::HickoryResolver`] and the scripted one of tests.
pub trait Resolve: Send + Sync + 'static {
    /// Looks `host` up once, without answers from a cache.
    fn resolve(&self, host: &str) -> impl Future<Output = Result<Resolution, ResolveError>> + Send;
}

/// Addresses that are taken from one answer: each is a target on every shard, and an answer of
/// thousands is an attack or a mistake.
pub const ADDRESSES_PER_NAME_MAX: usize = 256;

impl Resolution {
    /// What is left of an answer: sorted, so that servers that rotate their answers change
    /// nothing and so that of too many always the same ones are kept.
    pub fn new(
        name: &str,
        answer: impl IntoIterator<Item = IpAddr>,
        ttl: Duration,
    ) -> Result<Self, ResolveError> {
        let mut addresses: Vec<IpAddr> = answer.into_iter().collect();
        addresses.sort_unstable();
        addresses.dedup();
        let distinct_count = addresses.len();
        addresses.retain(|address| can_be_target(*address));
        addresses.truncate(ADDRESSES_PER_NAME_MAX);
        if addresses.is_empty() {
            return Err(ResolveError::NoAddress { name: name.to_owned() });
        }
        let dropped_count = distinct_count - addresses.len();
        Ok(Self { addresses, ttl, dropped_count })
    }
}

/// A connection to an unspecified address goes to this machine (a classic way past address
/// filters), and nobody listens at a group or broadcast address.
fn can_be_target(address: IpAddr) -> bool {
    let is_broadcast = matches!(address, IpAddr::V4(address) if address.is_broadcast());
    let canonical = address.to_canonical();
    !canonical.is_unspecified() && !canonical.is_multicast() && !is_broadcast
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::Ipv4Addr;

    fn addresses(texts: &[&str]) -> Vec<IpAddr> {
        texts.iter().map(|text| text.parse().expect("an address")).collect()
    }

    #[test]
    fn answers_are_sorted_and_distinct() {
        let answer = addresses(&["10.0.0.2", "::1", "10.0.0.1", "10.0.0.2"]);
        let resolution = Resolution::new("a", answer, Duration::ZERO).expect("three");
        assert_eq!(resolution.addresses, addresses(&["10.0.0.1", "10.0.0.2", "::1"]));
        assert_eq!(resolution.dropped_count, 0);
    }

    #[test]
    fn answers_are_bounded() {
        for (count, kept) in [
            (ADDRESSES_PER_NAME_MAX - 1, ADDRESSES_PER_NAME_MAX - 1),
            (ADDRESSES_PER_NAME_MAX, ADDRESSES_PER_NAME_MAX),
            (ADDRESSES_PER_NAME_MAX + 1, ADDRESSES_PER_NAME_MAX),
            (10_000, ADDRESSES_PER_NAME_MAX),
        ] {
            let answer = (0..count as u32)
                .map(|number| IpAddr::V4(Ipv4Addr::from_bits(0x0A00_0000 + number)));
            let resolution = Resolution::new("a", answer, Duration::ZERO).expect("some");
            assert_eq!(resolution.addresses.len(), kept);
            assert_eq!(resolution.dropped_count, count - kept);
        }
    }

    #[test]
    fn nobody_serves_at_these() {
        let answer = addresses(&[
            "0.0.0.0",
            "::",
            "224.0.0.1",
            "255.255.255.255",
            "ff02::1",
            "::ffff:0.0.0.0",
        ]);
        let error = ResolveError::NoAddress { name: "a".to_owned() };
        assert_eq!(Resolution::new("a", answer, Duration::ZERO), Err(error.clone()));
        assert_eq!(Resolution::new("a", [], Duration::ZERO), Err(error));
        let mixed = addresses(&["0.0.0.0", "127.0.0.1"]);
        let resolution = Resolution::new("a", mixed, Duration::ZERO).expect("one");
        assert_eq!((resolution.addresses.len(), resolution.dropped_count), (1, 1));
    }
}
