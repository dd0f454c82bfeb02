//! Targets in turn, by weight: what round robin picks from, and how least-outstanding breaks ties.
//!
//! Each candidate has an instant of virtual time at which its next turn is due, `1 / share` after
//! its last one; the earliest due is picked. Over any stretch each candidate gets its share to
//! within one turn, and turns of a heavy candidate lie between those of the light ones (smooth
//! weighted round robin). Compared with the usual running weights it costs the logarithm of the
//! group and not its size, and shares may change at any time, which slow start needs.
//!
//! Knows places and shares; nothing of health, time or addresses.

use crate::base::RequestIdSource;

/// The candidates of one group, ordered by their next turn.
///
/// # Invariants
///
/// - `heap` is a binary heap: no candidate is due before its parent.
/// - A candidate's `due` only grows between two rebuilds.
#[derive(Debug, Default)]
pub(crate) struct Rotation {
    heap: Vec<Candidate>,
    /// Virtual time: the latest turn that was taken.
    clock: u64,
    /// Used by `rebuild` alone; kept so that it allocates once.
    remembered: Vec<Option<Candidate>>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    due: u64,
    /// Virtual time between two turns: inversely proportional to the share.
    step: u64,
    place: u32,
}

/// A step is this over the share. Shares are 10 (a weight of one at the start of its ramp) and up.
const STEP_UNIT: u64 = 1 << 44;
/// Virtual time is set back before it comes near the end of its type.
const CLOCK_MAX: u64 = 1 << 62;
const _: () = assert!(CLOCK_MAX + STEP_UNIT < u64::MAX / 2);

impl Rotation {
    /// Takes new shares, by place; a share of zero is no candidate. Candidates keep how far they
    /// are from their next turn; new ones start at a random phase, so that shards that learn of a
    /// target at the same moment do not all turn to it at once.
    pub(crate) fn rebuild(&mut self, shares: &[u32], random: &mut RequestIdSource) {
        self.remembered.clear();
        self.remembered.resize(shares.len(), None);
        for candidate in self.heap.drain(..) {
            if let Some(slot) = self.remembered.get_mut(candidate.place as usize) {
                *slot = Some(candidate);
            }
        }
        for (place, &share) in (0_u32..).zip(shares) {
            if share == 0 {
                continue;
            }
            let step = STEP_UNIT / u64::from(share);
            let wait = match self.remembered[place as usize] {
                Some(old) => scale(old.due.saturating_sub(self.clock), step, old.step),
                None => scale(step, random.next_u64() >> 32, 1 << 32),
            };
            self.heap.push(Candidate { due: wait, step, place });
        }
        self.clock = 0;
        // A sorted array is a heap.
        self.heap.sort_unstable_by_key(|candidate| candidate.due);
        self.check_invariants();
    }

    /// The place whose turn it is.
    #[inline]
    pub(crate) fn next(&mut self) -> Option<u32> {
        let place = self.heap.first()?.place;
        self.take_turn(0);
        Some(place)
    }

    /// The place whose turn comes first among those wanted. Looks at all; for retries.
    pub(crate) fn next_wanted(&mut self, wanted: impl Fn(u32) -> bool) -> Option<u32> {
        self.next_least(|_| 0, wanted)
    }

    /// The place with the fewest outstanding requests for its share among those wanted; in turn
    /// where several have equally few.
    #[inline]
    pub(crate) fn next_least(
        &mut self,
        outstanding: impl Fn(u32) -> u32,
        wanted: impl Fn(u32) -> bool,
    ) -> Option<u32> {
        let mut best: Option<(u64, u64, usize)> = None;
        for (index, candidate) in self.heap.iter().enumerate() {
            if !wanted(candidate.place) {
                continue;
            }
            // The step is the inverse of the share, so this orders by outstanding / share.
            let load = u64::from(outstanding(candidate.place)).saturating_mul(candidate.step);
            if best.is_none_or(|(load_min, due_min, _)| (load, candidate.due) < (load_min, due_min))
            {
                best = Some((load, candidate.due, index));
            }
        }
        let (_, _, index) = best?;
        let place = self.heap[index].place;
        self.take_turn(index);
        Some(place)
    }

    /// A candidate that was passed over for long gets back one turn at most, or it would be given
    /// everything until it had caught up.
    #[inline]
    fn take_turn(&mut self, index: usize) {
        let Candidate { due, step, .. } = self.heap[index];
        let turn = due.max(self.clock.saturating_sub(step));
        self.clock = self.clock.max(turn);
        self.heap[index].due = turn + step;
        self.sift_down(index);
        if self.clock > CLOCK_MAX {
            self.set_back();
        }
    }

    #[inline]
    fn sift_down(&mut self, mut index: usize) {
        let count = self.heap.len();
        loop {
            let mut child = 2 * index + 1;
            if child >= count {
                return;
            }
            if child + 1 < count && self.heap[child + 1].due < self.heap[child].due {
                child += 1;
            }
            if self.heap[index].due <= self.heap[child].due {
                return;
            }
            self.heap.swap(index, child);
            index = child;
        }
    }

    #[cold]
    fn set_back(&mut self) {
        for candidate in &mut self.heap {
            candidate.due = candidate.due.saturating_sub(self.clock);
        }
        self.clock = 0;
        // Those that were behind are all due at zero now, which may have changed no order but ties.
        self.check_invariants();
    }

    fn check_invariants(&self) {
        debug_assert!(
            (1..self.heap.len()).all(|at| self.heap[(at - 1) / 2].due <= self.heap[at].due)
        );
    }
}

/// `value * numerator / denominator` without overflow on the way.
fn scale(value: u64, numerator: u64, denominator: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(numerator) / u128::from(denominator.max(1));
    u64::try_from(scaled).unwrap_or(u64::MAX / 4).min(u64::MAX / 4)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rotation(shares: &[u32], seed: u64) -> (Rotation, RequestIdSource) {
        let mut random = RequestIdSource::new([seed, !seed]);
        let mut rotation = Rotation::default();
        rotation.rebuild(shares, &mut random);
        (rotation, random)
    }

    fn counts(rotation: &mut Rotation, places: usize, picks: usize) -> Vec<usize> {
        let mut counts = vec![0; places];
        for _ in 0..picks {
            counts[rotation.next().expect("a candidate") as usize] += 1;
        }
        counts
    }

    #[test]
    fn equal_shares_are_strictly_in_turn() {
        let (mut rotation, _) = rotation(&[1024; 5], 3);
        let first: Vec<_> = (0..5).map(|_| rotation.next()).collect();
        for _ in 0..20 {
            let again: Vec<_> = (0..5).map(|_| rotation.next()).collect();
            assert_eq!(again, first);
        }
    }

    #[test]
    fn nobody_and_one() {
        assert_eq!(rotation(&[], 1).0.next(), None);
        assert_eq!(rotation(&[0, 0], 1).0.next(), None);
        let (mut one, _) = rotation(&[0, 7, 0], 1);
        assert_eq!((one.next(), one.next()), (Some(1), Some(1)));
        assert_eq!(one.next_wanted(|place| place != 1), None);
    }

    #[test]
    fn virtual_time_is_set_back_without_changing_shares() {
        let (mut rotation, _) = rotation(&[1024, 3 * 1024], 5);
        for candidate in &mut rotation.heap {
            candidate.due += CLOCK_MAX - (STEP_UNIT / 1024);
        }
        rotation.clock = CLOCK_MAX - (STEP_UNIT / 1024);
        let counts = counts(&mut rotation, 2, 4_000);
        assert!(rotation.clock < CLOCK_MAX);
        assert!(counts[0].abs_diff(1_000) <= 2, "{counts:?}");
    }

    #[test]
    fn a_busy_target_gets_no_burst_when_it_is_free_again() {
        let (mut rotation, _) = rotation(&[1024, 1024], 9);
        for _ in 0..1_000 {
            // Place 0 has one outstanding all the time, so everything goes to place 1.
            assert_eq!(rotation.next_least(|place| u32::from(place == 0), |_| true), Some(1));
        }
        let mut turns = [0_u32; 2];
        for _ in 0..10 {
            turns[rotation.next_least(|_| 0, |_| true).expect("two") as usize] += 1;
        }
        assert!(turns[0] <= 6, "{turns:?}");
    }

    proptest! {
        /// Over any number of picks each place has its share to within one turn and a rounding.
        #[test]
        fn shares_are_met_at_all_times(
            weights in prop::collection::vec(0_u32..=1_000, 1..12),
            seed in any::<u64>(),
        ) {
            let shares: Vec<u32> = weights.iter().map(|weight| weight * 1024).collect();
            let total: u64 = weights.iter().map(|weight| u64::from(*weight)).sum();
            prop_assume!(total > 0);
            let (mut rotation, _) = rotation(&shares, seed);
            let mut counts = vec![0_u64; shares.len()];
            for pick in 1..=3_000_u64 {
                let place = rotation.next().expect("a candidate") as usize;
                counts[place] += 1;
                for (count, weight) in counts.iter().zip(&weights) {
                    let due = pick as f64 * f64::from(*weight) / total as f64;
                    let slack = 1.0 + weights.len() as f64 * f64::from(*weight) / total as f64;
                    prop_assert!((*count as f64 - due).abs() <= slack.max(2.0));
                }
            }
        }

        /// Rebuilding all the time (slow start does) loses nobody's turn.
        #[test]
        fn rebuilds_keep_turns(
            weights in prop::collection::vec(1_u32..=20, 1..8),
            every in 1_usize..7,
            seed in any::<u64>(),
        ) {
            let shares: Vec<u32> = weights.iter().map(|weight| weight * 1024).collect();
            let total: u32 = weights.iter().sum();
            let (mut rotation, mut random) = rotation(&shares, seed);
            let mut counts = vec![0_u32; shares.len()];
            let picks = total * 50;
            for pick in 0..picks as usize {
                if pick % every == 0 {
                    rotation.rebuild(&shares, &mut random);
                }
                counts[rotation.next().expect("a candidate") as usize] += 1;
            }
            for (count, weight) in counts.iter().zip(&weights) {
                prop_assert!(count.abs_diff(weight * 50) <= 2 + weights.len() as u32);
            }
        }
    }
}
