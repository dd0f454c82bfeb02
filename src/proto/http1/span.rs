//! Ranges of a head's buffer.

use std::ops::Range;

/// A range of the buffer that a head was parsed from. Four bytes, so that a head of many fields
/// stays in few cache lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u16,
    len: u16,
}

impl Span {
    /// A range of nothing.
    pub const EMPTY: Self = Self { start: 0, len: 0 };

    /// The range from `start` to before `end`. [`Span::EMPTY`] when that is no range within the
    /// first 65,535 bytes: heads are bounded by `HEAD_BYTES_CEILING`, so parsers never get there.
    #[must_use]
    #[inline]
    pub fn new(start: usize, end: usize) -> Self {
        debug_assert!(start <= end, "a span does not end before it starts");
        debug_assert!(end <= usize::from(u16::MAX), "a head is shorter than a span can reach");
        match (u16::try_from(start), u16::try_from(end)) {
            (Ok(start), Ok(end)) if start <= end => Self { start, len: end - start },
            _ => Self::EMPTY,
        }
    }

    /// The bytes of this range; nothing if `buffer` is not the one that was parsed and too short.
    #[must_use]
    #[inline]
    pub fn of(self, buffer: &[u8]) -> &[u8] {
        buffer.get(self.range()).unwrap_or_default()
    }

    /// Whether the range has no bytes.
    #[must_use]
    #[inline]
    pub fn is_empty(self) -> bool {
        self.len == 0
    }

    /// How many bytes the range has.
    #[must_use]
    #[inline]
    pub fn bytes(self) -> usize {
        usize::from(self.len)
    }

    /// The range as indexes.
    #[must_use]
    #[inline]
    pub fn range(self) -> Range<usize> {
        let start = usize::from(self.start);
        start..start + usize::from(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_range_of_its_buffer() {
        let buffer = b"GET / HTTP/1.1";
        let span = Span::new(4, 5);
        assert_eq!(span.of(buffer), b"/");
        assert_eq!(span.range(), 4..5);
        assert_eq!(span.bytes(), 1);
        assert!(!span.is_empty());
        assert!(Span::EMPTY.is_empty() && Span::EMPTY.of(buffer).is_empty());
    }

    #[test]
    fn a_span_past_its_buffer_is_nothing() {
        assert_eq!(Span::new(4, 20).of(b"short"), b"");
    }

    #[test]
    fn a_span_reaches_the_last_byte_of_the_largest_head() {
        let span = Span::new(0, usize::from(u16::MAX));
        assert_eq!(span.bytes(), 65_535);
        assert_eq!(Span::new(65_535, 65_535).range(), 65_535..65_535);
    }
}
