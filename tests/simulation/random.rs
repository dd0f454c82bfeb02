//! Choices by seed.

/// A stream of choices (SplitMix64): the same seed makes the same choices.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ 0x5DEE_CE66)
    }

    /// For a part of the run, so that what one part does with its choices moves no other's.
    pub(crate) fn fork(&mut self) -> Self {
        Self(self.next())
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// Lengths at which buffers end and framings change, and others.
    pub(crate) fn body_bytes(&mut self) -> usize {
        match self.below(8) {
            0 => 0,
            1..=4 => self.below(300),
            5 => self.below(20_000),
            6 => 16_384 - 2 + self.below(5),
            _ => self.below(300_000),
        }
    }

    /// Gives other threads a turn, a few times or many.
    pub(crate) fn pause(&mut self) {
        for _ in 0..self.pick(&[0, 0, 0, 1, 10, 100]) {
            std::thread::yield_now();
        }
    }
}
