//! One shared word. Two real implementations: the processor's, and shuttle's, under which tests
//! try the interleavings of several cores.

use std::fmt::Debug;
use std::sync::atomic::{AtomicU64, Ordering};

/// A 64-bit word that several cores write. Implemented by [`AtomicU64`]; a parameter only so that
/// tests can run the same code under a model checker's scheduler.
///
/// Every call that writes both acquires and releases: who meets a value that another core wrote
/// also sees what that core did before. On x86_64 this costs nothing over relaxed.
pub trait Word: Debug + Send + Sync + 'static {
    /// A word that holds `value`.
    fn holding(value: u64) -> Self;

    /// The value now (acquire).
    fn load(&self) -> u64;

    /// Puts `new` if the value is `current`, else says what it is. Never fails spuriously.
    fn exchange(&self, current: u64, new: u64) -> Result<(), u64>;

    /// Puts `new` and says what was there.
    fn swap(&self, new: u64) -> u64;

    /// Sets `bits` and says what was there.
    fn set_bits(&self, bits: u64) -> u64;

    /// A sequentially consistent fence: of two cores that each write one word, then fence, then
    /// read the other's word, at least one sees the other's write.
    fn full_fence();
}

impl Word for AtomicU64 {
    fn holding(value: u64) -> Self {
        Self::new(value)
    }

    #[inline]
    fn load(&self) -> u64 {
        Self::load(self, Ordering::Acquire)
    }

    #[inline]
    fn exchange(&self, current: u64, new: u64) -> Result<(), u64> {
        self.compare_exchange(current, new, Ordering::AcqRel, Ordering::Acquire).map(drop)
    }

    #[inline]
    fn swap(&self, new: u64) -> u64 {
        Self::swap(self, new, Ordering::AcqRel)
    }

    fn set_bits(&self, bits: u64) -> u64 {
        self.fetch_or(bits, Ordering::AcqRel)
    }

    #[inline]
    fn full_fence() {
        std::sync::atomic::fence(Ordering::SeqCst);
    }
}

/// Under shuttle every step of a thread is a turn of one sequentially consistent schedule, so its
/// fence has nothing to do.
#[cfg(test)]
impl Word for shuttle::sync::atomic::AtomicU64 {
    fn holding(value: u64) -> Self {
        Self::new(value)
    }

    fn load(&self) -> u64 {
        Self::load(self, Ordering::SeqCst)
    }

    fn exchange(&self, current: u64, new: u64) -> Result<(), u64> {
        self.compare_exchange(current, new, Ordering::SeqCst, Ordering::SeqCst).map(drop)
    }

    fn swap(&self, new: u64) -> u64 {
        Self::swap(self, new, Ordering::SeqCst)
    }

    fn set_bits(&self, bits: u64) -> u64 {
        self.fetch_or(bits, Ordering::SeqCst)
    }

    fn full_fence() {}
}
