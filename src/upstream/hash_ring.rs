//! Consistent hashing: a ring of weighted points.
//!
//! A target's points depend on its own address and weight and on nothing else, so a target that
//! comes or goes moves its own share of the keys and no other; all shards, and all gateways with
//! the same group, agree on who has a key. Health is not built into the ring: a key whose target
//! takes no requests goes on to the next point, and comes back when the target does.

/// The ring of one group.
///
/// # Invariants
///
/// - `points` is sorted.
#[derive(Debug, Default)]
pub(crate) struct HashRing {
    points: Vec<Point>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
struct Point {
    at: u64,
    place: u32,
}

/// One target, as the ring sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RingMember {
    pub(crate) place: u32,
    /// [`stable_hash`] of what makes the target the same one tomorrow.
    pub(crate) identity: u64,
    pub(crate) weight: u32,
}

/// Points of a target with the group's smallest unit of weight. The share that a target really
/// gets is off by about one in the square root of this (7%).
const POINTS_PER_UNIT: u64 = 200;
/// Points of a whole ring. A group with more is thinned out by halves, which moves keys only where
/// a point has gone.
const POINTS_MAX: u64 = 1 << 17;

impl HashRing {
    pub(crate) fn new(members: &[RingMember]) -> Self {
        let unit = members.iter().fold(0, |unit, member| gcd(unit, member.weight.max(1))).max(1);
        let wanted = |member: &RingMember| {
            u64::from(member.weight.max(1) / unit).saturating_mul(POINTS_PER_UNIT)
        };
        let mut halvings = 0;
        while members.iter().map(|member| (wanted(member) >> halvings).max(1)).sum::<u64>()
            > POINTS_MAX.max(members.len() as u64)
        {
            halvings += 1;
        }
        let mut points = Vec::new();
        for member in members {
            for number in 0..(wanted(member) >> halvings).max(1) {
                let at = mix(member.identity.wrapping_add(number.wrapping_mul(GOLDEN)));
                points.push(Point { at, place: member.place });
            }
        }
        points.sort_unstable();
        Self { points }
    }

    /// The place of the first point at or after `hash` whose place is wanted. May look at every
    /// point; with most targets in service it looks at one or two.
    #[inline]
    pub(crate) fn find(&self, hash: u64, wanted: impl Fn(u32) -> bool) -> Option<u32> {
        let hash = mix(hash);
        let start = self.points.partition_point(|point| point.at < hash);
        let (before, after) = self.points.split_at_checked(start)?;
        after.iter().chain(before).map(|point| point.place).find(|place| wanted(*place))
    }
}

/// Whether a target on its ramp takes this key: with the share `share` of `full` it takes that
/// fraction of its keys, and a key that it has taken stays with it while the share grows.
#[inline]
pub(crate) fn ramp_takes(hash: u64, identity: u64, share: u32, full: u32) -> bool {
    if share >= full {
        return true;
    }
    let drawn = mix(hash ^ identity.rotate_left(32)) >> 32;
    drawn * u64::from(full) < u64::from(share) << 32
}

/// A 64-bit hash that is the same on every shard, machine and version, unlike the standard
/// library's or `ahash`'s. Not against people who choose keys to meet on one target; no hash with
/// a public function is.
#[must_use]
pub fn stable_hash(bytes: &[u8]) -> u64 {
    let mut state = mix(bytes.len() as u64 ^ GOLDEN);
    let (words, rest) = bytes.as_chunks::<8>();
    for word in words {
        state = mix(state ^ u64::from_le_bytes(*word));
    }
    let mut last = [0; 8];
    for (slot, byte) in last.iter_mut().zip(rest) {
        *slot = *byte;
    }
    mix(state ^ u64::from_le_bytes(last))
}

const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

/// Spreads any difference over all bits (the finalizer of SplitMix64). Reversible, so different
/// inputs stay different.
#[inline]
const fn mix(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    value ^ (value >> 31)
}

const fn gcd(mut one: u32, mut other: u32) -> u32 {
    while other != 0 {
        (one, other) = (other, one % other);
    }
    one
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEYS: u64 = 20_000;

    fn members(weights: &[u32]) -> Vec<RingMember> {
        (0_u32..)
            .zip(weights)
            .map(|(place, &weight)| RingMember {
                place,
                identity: stable_hash(format!("10.0.0.{place}:80").as_bytes()),
                weight,
            })
            .collect()
    }

    fn owner(ring: &HashRing, key: u64) -> u32 {
        ring.find(stable_hash(&key.to_le_bytes()), |_| true).expect("a member")
    }

    #[test]
    fn weights_are_met_roughly() {
        let ring = HashRing::new(&members(&[10, 20, 70]));
        let mut counts = [0_u64; 3];
        for key in 0..KEYS {
            counts[owner(&ring, key) as usize] += 1;
        }
        for (count, weight) in counts.iter().zip([10, 20, 70]) {
            let due = KEYS * weight / 100;
            assert!(count.abs_diff(due) < due / 4, "{counts:?}");
        }
    }

    #[test]
    fn a_large_group_is_thinned_and_still_whole() {
        let weights: Vec<u32> = (0..2_000).map(|number| 1 + number % 1_000).collect();
        let ring = HashRing::new(&members(&weights));
        assert!(ring.points.len() as u64 <= POINTS_MAX);
        let mut places: Vec<u32> = ring.points.iter().map(|point| point.place).collect();
        places.sort_unstable();
        places.dedup();
        assert_eq!(places.len(), weights.len(), "everyone has a point");
    }

    #[test]
    fn keys_of_a_target_out_of_service_spread_over_the_others() {
        let ring = HashRing::new(&members(&[1; 5]));
        let mut heirs = [0_u32; 5];
        for key in 0..KEYS {
            let hash = stable_hash(&key.to_le_bytes());
            let usual = ring.find(hash, |_| true).expect("five");
            let without = ring.find(hash, |place| place != 2).expect("four");
            if usual == 2 {
                heirs[without as usize] += 1;
            } else {
                assert_eq!(usual, without, "only the keys of the one that left move");
            }
        }
        assert!(heirs.iter().enumerate().all(|(place, count)| (place == 2) == (*count == 0)));
        assert_eq!(ring.find(7, |_| false), None);
        assert_eq!(HashRing::new(&[]).find(7, |_| true), None);
    }

    #[test]
    fn the_ramp_takes_more_and_more_and_gives_nothing_back() {
        let identity = stable_hash(b"10.0.0.1:80");
        let mut before = 0;
        for share in 0..=100 {
            let mut taken = 0;
            for key in 0..2_000_u64 {
                let hash = stable_hash(&key.to_le_bytes());
                let takes = ramp_takes(hash, identity, share, 100);
                assert!(takes || share == 0 || !ramp_takes(hash, identity, share - 1, 100));
                taken += u32::from(takes);
            }
            assert!(taken >= before && taken.abs_diff(share * 20) < 100, "{share}: {taken}");
            before = taken;
        }
        assert_eq!(before, 2_000);
    }

    #[test]
    fn the_hash_is_the_same_forever() {
        // Changing these values moves every key of every user.
        assert_eq!(stable_hash(b""), 5_197_578_548_964_807_871);
        assert_eq!(stable_hash(b"/items/42"), 11_524_000_688_012_499_612);
        assert_ne!(stable_hash(b"a"), stable_hash(b"a\0"));
        assert_ne!(stable_hash(b"12345678"), stable_hash(b"12345678\0"));
    }

    proptest! {
        /// Removing one of N targets moves its own keys, about 1/N of all, and no others.
        #[test]
        fn removal_moves_only_its_own_keys(count in 2_usize..20, seed in any::<u64>()) {
            let all = members(&vec![1; count]);
            let gone = (seed % count as u64) as u32;
            let rest: Vec<_> = all.iter().copied().filter(|one| one.place != gone).collect();
            let (before, after) = (HashRing::new(&all), HashRing::new(&rest));
            let mut moved = 0;
            for key in (0..4_000).map(|key| key ^ seed) {
                let (old, new) = (owner(&before, key), owner(&after, key));
                if old == gone {
                    moved += 1;
                } else {
                    prop_assert_eq!(old, new);
                }
            }
            let due = 4_000.0 / count as f64;
            prop_assert!(f64::from(moved) < 1.6 * due + 20.0, "{} moved, {} due", moved, due);
            prop_assert!(f64::from(moved) > 0.4 * due - 20.0, "{} moved, {} due", moved, due);
        }
    }
}
