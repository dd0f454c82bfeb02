//! Power of two choices: the better of two targets drawn by chance.
//!
//! Both are drawn by their shares, so an idle group is used by weight; the one with fewer
//! outstanding requests for its share is taken, which keeps shards that do not know of each other
//! from all running to the same target.

use crate::base::RequestIdSource;

/// The candidates of one group, to draw from.
///
/// # Invariants
///
/// - `ends` grows strictly: a candidate's range is from its predecessor's end to its own.
#[derive(Debug, Default)]
pub(crate) struct TwoChoices {
    ends: Vec<u64>,
    candidates: Vec<Candidate>,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    place: u32,
    share: u32,
}

impl TwoChoices {
    /// Takes new shares, by place; a share of zero is no candidate.
    pub(crate) fn rebuild(&mut self, shares: &[u32]) {
        self.ends.clear();
        self.candidates.clear();
        let mut end = 0;
        for (place, &share) in (0_u32..).zip(shares) {
            if share > 0 {
                end += u64::from(share);
                self.ends.push(end);
                self.candidates.push(Candidate { place, share });
            }
        }
        debug_assert!(self.ends.is_sorted_by(|before, after| before < after));
    }

    /// The better of two that are drawn.
    #[inline]
    pub(crate) fn next(
        &self,
        outstanding: impl Fn(u32) -> u32,
        random: &mut RequestIdSource,
    ) -> Option<u32> {
        let total = *self.ends.last()?;
        let first = self.find(below(total, random.next_u64()));
        let one = *self.candidates.get(first)?;
        if self.candidates.len() == 1 {
            return Some(one.place);
        }
        // The second is drawn from the rest: a point behind the first one's range jumps over it.
        let share = u64::from(one.share);
        let point = below(total - share, random.next_u64());
        let start = self.ends[first] - share;
        let other = self.candidates[self.find(if point < start { point } else { point + share })];
        let load_one = u64::from(outstanding(one.place)) * u64::from(other.share);
        let load_other = u64::from(outstanding(other.place)) * share;
        Some(if load_other < load_one { other.place } else { one.place })
    }

    /// The least loaded of those wanted. Looks at all; for retries, where chance may not pick a
    /// target that has just failed.
    pub(crate) fn next_wanted(
        &self,
        outstanding: impl Fn(u32) -> u32,
        wanted: impl Fn(u32) -> bool,
        random: &mut RequestIdSource,
    ) -> Option<u32> {
        let count = self.candidates.len();
        let start = below(count as u64, random.next_u64()) as usize;
        let (before, after) = self.candidates.split_at_checked(start)?;
        let mut best: Option<(Candidate, u64)> = None;
        for &candidate in after.iter().chain(before) {
            if !wanted(candidate.place) {
                continue;
            }
            let load = u64::from(outstanding(candidate.place));
            let better = best.is_none_or(|(best, best_load)| {
                load * u64::from(best.share) < best_load * u64::from(candidate.share)
            });
            if better {
                best = Some((candidate, load));
            }
        }
        best.map(|(candidate, _)| candidate.place)
    }

    fn find(&self, point: u64) -> usize {
        self.ends.partition_point(|end| *end <= point)
    }
}

/// A number below `bound` from 64 random bits. The bias is below `bound / 2^64`.
fn below(bound: u64, random: u64) -> u64 {
    ((u128::from(bound) * u128::from(random)) >> 64) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choices(shares: &[u32]) -> TwoChoices {
        let mut choices = TwoChoices::default();
        choices.rebuild(shares);
        choices
    }

    #[test]
    fn an_idle_group_is_used_by_weight() {
        let shares = [1024, 2 * 1024, 0, 7 * 1024];
        let choices = choices(&shares);
        let mut random = RequestIdSource::new([11, 12]);
        let mut counts = [0_u32; 4];
        for _ in 0..200_000 {
            counts[choices.next(|_| 0, &mut random).expect("a candidate") as usize] += 1;
        }
        for (count, weight) in counts.iter().zip([1_u32, 2, 0, 7]) {
            assert!(count.abs_diff(weight * 20_000) <= 2_000, "{counts:?}");
        }
    }

    #[test]
    fn the_busier_of_two_is_never_taken() {
        let choices = choices(&[1024, 1024]);
        let mut random = RequestIdSource::new([1, 2]);
        for _ in 0..1_000 {
            let outstanding = |place| if place == 0 { 3 } else { 2 };
            assert_eq!(choices.next(outstanding, &mut random), Some(1));
        }
    }

    #[test]
    fn the_busiest_of_many_is_never_taken() {
        let choices = choices(&[1024, 512, 1024, 3]);
        let mut random = RequestIdSource::new([5, 6]);
        for _ in 0..10_000 {
            let outstanding = |place| if place == 2 { 100_000_000 } else { 0 };
            assert_ne!(choices.next(outstanding, &mut random), Some(2));
        }
    }

    #[test]
    fn retries_go_to_the_least_loaded_that_is_wanted() {
        let choices = choices(&[1024, 1024, 2048]);
        let mut random = RequestIdSource::new([1, 2]);
        let outstanding = |place| [0, 3, 4][place as usize];
        for _ in 0..50 {
            let next = choices.next_wanted(outstanding, |place| place != 0, &mut random);
            assert_eq!(next, Some(2), "4 of a weight of two is less than 3 of one");
        }
        assert_eq!(choices.next_wanted(outstanding, |_| false, &mut random), None);
    }

    #[test]
    fn nobody_and_one() {
        let mut random = RequestIdSource::new([1, 2]);
        assert_eq!(choices(&[0]).next(|_| 0, &mut random), None);
        assert_eq!(choices(&[0]).next_wanted(|_| 0, |_| true, &mut random), None);
        assert_eq!(choices(&[0, 5]).next(|_| 9, &mut random), Some(1));
    }
}
