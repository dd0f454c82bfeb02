//! Where the values of path parameters lie.

use crate::base::limits::PATH_PARAMETERS_MAX;

/// Where the values of a route's path parameters lie in the path that was matched.
#[derive(Clone, Copy, Debug)]
pub struct PathSpans {
    spans: [(u16, u16); PATH_PARAMETERS_MAX],
    count: u8,
}

const _: () = assert!(PATH_PARAMETERS_MAX <= u8::MAX as usize);

impl Default for PathSpans {
    fn default() -> Self {
        Self { spans: [(0, 0); PATH_PARAMETERS_MAX], count: 0 }
    }
}

impl PathSpans {
    /// The raw (still percent-encoded) value of parameter `index`, in the order of the route key.
    #[must_use]
    pub fn raw<'path>(&self, index: usize, path: &'path [u8]) -> Option<&'path [u8]> {
        let (start, end) = *self.spans.get(index).filter(|_| index < usize::from(self.count))?;
        path.get(usize::from(start)..usize::from(end))
    }

    /// How many parameters the matched route has.
    #[must_use]
    pub fn count(&self) -> usize {
        usize::from(self.count)
    }

    /// Forgets all values.
    #[inline]
    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    /// Sets value `index`; it counts once [`PathSpans::keep`] says so. The tree has no more
    /// parameters on a way than the array has places.
    #[inline]
    pub(super) fn set(&mut self, index: usize, start: usize, end: usize) {
        debug_assert!(start < end && end <= usize::from(u16::MAX));
        if let Some(span) = self.spans.get_mut(index) {
            *span = (start as u16, end as u16);
        }
    }

    /// The first `count` values are the matched route's.
    #[inline]
    pub(super) fn keep(&mut self, count: usize) {
        debug_assert!(count <= PATH_PARAMETERS_MAX);
        self.count = count as u8;
    }

    /// Takes the first `count` values of `other`.
    pub(super) fn copy_from(&mut self, other: &Self, count: usize) {
        for (ours, theirs) in self.spans.iter_mut().zip(&other.spans).take(count) {
            *ours = *theirs;
        }
        self.keep(count);
    }
}
