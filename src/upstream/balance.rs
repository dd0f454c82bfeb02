//! The four ways of choosing a target, behind one door.
//!
//! Works on places and shares alone. Health, ejection and slow start have become a share by the
//! time they get here; a share of zero takes no requests.

use super::hash_ring::{HashRing, RingMember, ramp_takes};
use super::rotation::Rotation;
use super::slow_start::full_share;
use super::two_choices::TwoChoices;
use crate::base::RequestIdSource;
use crate::model::Balance;

/// The state of a group's way of choosing.
#[derive(Debug)]
pub(crate) enum Balancer {
    RoundRobin(Rotation),
    LeastOutstanding(Rotation),
    TwoChoices(TwoChoices),
    ConsistentHash { ring: HashRing, shares: Vec<RingShare> },
}

/// What the ring asks of a place: kept together, so that a pick looks at one line.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct RingShare {
    identity: u64,
    share: u32,
    full: u32,
}

impl Balancer {
    pub(crate) fn new(balance: &Balance) -> Self {
        match balance {
            Balance::RoundRobin => Self::RoundRobin(Rotation::default()),
            Balance::LeastOutstanding => Self::LeastOutstanding(Rotation::default()),
            Balance::PowerOfTwoChoices => Self::TwoChoices(TwoChoices::default()),
            Balance::ConsistentHash(_) => {
                Self::ConsistentHash { ring: HashRing::default(), shares: Vec::new() }
            }
        }
    }

    /// Whether this is the state for that way of choosing.
    pub(crate) const fn serves(&self, balance: &Balance) -> bool {
        matches!(
            (self, balance),
            (Self::RoundRobin(_), Balance::RoundRobin)
                | (Self::LeastOutstanding(_), Balance::LeastOutstanding)
                | (Self::TwoChoices(_), Balance::PowerOfTwoChoices)
                | (Self::ConsistentHash { .. }, Balance::ConsistentHash(_))
        )
    }

    /// The members are these from now on. [`Balancer::set_shares`] must follow.
    pub(crate) fn set_members(&mut self, members: &[RingMember]) {
        if let Self::ConsistentHash { ring, shares } = self {
            *ring = HashRing::new(members);
            shares.clear();
            for member in members {
                let index = member.place as usize;
                if shares.len() <= index {
                    shares.resize(index + 1, RingShare::default());
                }
                let full = full_share(member.weight);
                shares[index] = RingShare { identity: member.identity, share: 0, full };
            }
        }
    }

    /// The shares are these from now on, by place.
    pub(crate) fn set_shares(&mut self, by_place: &[u32], random: &mut RequestIdSource) {
        match self {
            Self::RoundRobin(rotation) | Self::LeastOutstanding(rotation) => {
                rotation.rebuild(by_place, random);
            }
            Self::TwoChoices(choices) => choices.rebuild(by_place),
            Self::ConsistentHash { shares, .. } => {
                for (slot, &share) in shares.iter_mut().zip(by_place) {
                    slot.share = share;
                }
            }
        }
    }

    /// The next place for a first try, `None` if no place has a share. `outstanding` is by place.
    #[inline]
    pub(crate) fn next(
        &mut self,
        hash: u64,
        outstanding: &[u32],
        random: &mut RequestIdSource,
    ) -> Option<u32> {
        let load = |place: u32| outstanding.get(place as usize).copied().unwrap_or(0);
        match self {
            Self::RoundRobin(rotation) => rotation.next(),
            Self::LeastOutstanding(rotation) => rotation.next_least(load, |_| true),
            Self::TwoChoices(choices) => choices.next(load, random),
            Self::ConsistentHash { ring, shares } => find_in_ring(ring, shares, hash, |_| true),
        }
    }

    /// The next place for a further try, among those wanted.
    pub(crate) fn next_wanted(
        &mut self,
        hash: u64,
        outstanding: &[u32],
        random: &mut RequestIdSource,
        wanted: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let load = |place: u32| outstanding.get(place as usize).copied().unwrap_or(0);
        match self {
            Self::RoundRobin(rotation) => rotation.next_wanted(wanted),
            Self::LeastOutstanding(rotation) => rotation.next_least(load, wanted),
            Self::TwoChoices(choices) => choices.next_wanted(load, wanted, random),
            Self::ConsistentHash { ring, shares } => find_in_ring(ring, shares, hash, wanted),
        }
    }
}

/// A target on its ramp passes some of its keys on. Where nobody else would take one (all are on
/// their ramp, or it is the only one) it keeps it.
#[inline]
fn find_in_ring(
    ring: &HashRing,
    shares: &[RingShare],
    hash: u64,
    wanted: impl Fn(u32) -> bool,
) -> Option<u32> {
    let of = |place: u32| shares.get(place as usize).copied().unwrap_or_default();
    let takes = |place: u32| {
        let RingShare { identity, share, full } = of(place);
        share > 0 && wanted(place) && ramp_takes(hash, identity, share, full)
    };
    ring.find(hash, takes).or_else(|| ring.find(hash, |place| of(place).share > 0 && wanted(place)))
}
