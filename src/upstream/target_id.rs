//! The name of a target within its group on one shard.

/// Names one target of one [`super::GroupState`]. Ids are never reused for another target: the
/// place of a target that has gone is taken again under a new generation only.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct TargetId {
    index: u32,
    generation: u32,
}

impl TargetId {
    pub(crate) const fn new(index: u32, generation: u32) -> Self {
        Self { index, generation }
    }

    /// The target's place in its group's tables. Two living targets never share one, so a dense
    /// table of pools may be indexed by it, if its entries remember the whole id.
    #[must_use]
    pub const fn index(self) -> usize {
        self.index as usize
    }

    pub(crate) const fn generation(self) -> u32 {
        self.generation
    }
}
