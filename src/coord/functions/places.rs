//! How many processes may be there at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// A bound on processes that are there at once, and how many are.
#[derive(Debug)]
pub struct Places {
    max: AtomicU32,
    taken: AtomicU32,
}

/// One process's place; free again when dropped.
#[derive(Debug)]
pub struct Place(Arc<Places>);

impl Places {
    #[must_use]
    pub fn new(max: u32) -> Arc<Self> {
        Arc::new(Self { max: AtomicU32::new(max), taken: AtomicU32::new(0) })
    }

    /// Sets another bound. Those who are above it keep their places.
    pub fn set_max(&self, max: u32) {
        self.max.store(max, Ordering::Relaxed);
    }

    #[must_use]
    pub fn max(&self) -> u32 {
        self.max.load(Ordering::Relaxed)
    }

    #[must_use]
    pub fn taken_count(&self) -> u32 {
        self.taken.load(Ordering::Relaxed)
    }

    /// A place, if one is free.
    #[must_use]
    pub fn take(self: &Arc<Self>) -> Option<Place> {
        let max = self.max();
        let take = |taken| (taken < max).then(|| taken + 1);
        let (done, failed) = (Ordering::AcqRel, Ordering::Relaxed);
        self.taken.fetch_update(done, failed, take).ok().map(|_| Place(Arc::clone(self)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.taken.fetch_sub(1, Ordering::AcqRel);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_are_taken_than_there_are() {
        let places = Places::new(2);
        let (first, second) = (places.take(), places.take());
        assert!(first.is_some() && second.is_some() && places.take().is_none());
        drop(first);
        assert_eq!(places.taken_count(), 1);
        places.set_max(1);
        assert!(places.take().is_none(), "one above the new bound is still there");
        drop(second);
        assert!(places.take().is_some());
    }
}
