//! The alphabet in which patterns and request paths are compared.
//!
//! Patterns are percent-decoded text, request paths are raw bytes, so both are read as symbols:
//! a pattern's text is UTF-8, which never uses the bytes F5 to FF, and those carry what text
//! cannot say. `/` is always the separator; a slash inside a segment (`%2F` in a request) is
//! [`SLASH_IN_SEGMENT`] and never separates. A newcomer would decode the path first and route
//! `/a%2Fb` like `/a/b`: then a check that was made for one of them is missed by the other.

use std::cmp::Ordering;

/// A slash that was written as `%2F`: part of a segment.
pub(super) const SLASH_IN_SEGMENT: u8 = 0xFF;
/// Byte of a request that must equal nothing in a pattern, though its value is taken.
const NOTHING: u8 = 0xFE;
/// `{name}` in a flattened pattern.
pub(super) const PARAMETER: u8 = 0xFD;
/// `{name+}` in a flattened pattern.
pub(super) const GREEDY: u8 = 0xFC;

/// Whether some byte of `path` is not its own symbol, so that comparing bytes would be wrong.
#[inline]
pub(super) fn needs_decoding(path: &[u8]) -> bool {
    memchr::memchr2(b'%', SLASH_IN_SEGMENT, path).is_some()
}

/// The symbol that starts at `at`, and where the next one starts. A `%` without two hexadecimal
/// digits stands for itself (`proto::uri` refuses such a path before it gets here).
#[inline]
pub(super) fn symbol_at(path: &[u8], at: usize) -> Option<(u8, usize)> {
    let byte = *path.get(at)?;
    match byte {
        b'%' => match encoded_byte(path.get(at + 1..at + 3)) {
            Some(b'/') => Some((SLASH_IN_SEGMENT, at + 3)),
            Some(SLASH_IN_SEGMENT) => Some((NOTHING, at + 3)),
            Some(decoded) => Some((decoded, at + 3)),
            None => Some((byte, at + 1)),
        },
        SLASH_IN_SEGMENT => Some((NOTHING, at + 1)),
        _ => Some((byte, at + 1)),
    }
}

/// Where the segment that starts at `at` ends: at its `/` or at the end of the path.
#[inline]
pub(super) fn segment_end(path: &[u8], at: usize) -> usize {
    // Segments are short: a plain loop beats a call into the SIMD search.
    let rest = path.get(at..).unwrap_or_default();
    at + rest.iter().position(|byte| *byte == b'/').unwrap_or(rest.len())
}

/// The segment after the `/` at `at`, and where it ends.
pub(super) fn segment_after(path: &[u8], at: usize) -> Option<(&[u8], usize)> {
    if path.get(at) != Some(&b'/') {
        return None;
    }
    let end = segment_end(path, at + 1);
    Some((path.get(at + 1..end)?, end))
}

/// Where `path`, read from `at`, has passed all of `label`.
#[inline]
pub(super) fn pass_label<const ENCODED: bool>(
    label: &[u8],
    path: &[u8],
    at: usize,
) -> Option<usize> {
    if !ENCODED {
        let end = at + label.len();
        return (path.get(at..end)? == label).then_some(end);
    }
    label.iter().try_fold(at, |at, wanted| {
        let (symbol, next) = symbol_at(path, at)?;
        (symbol == *wanted).then_some(next)
    })
}

/// How the raw segment `raw` sorts against the decoded `label`.
pub(super) fn compare_segment(raw: &[u8], label: &[u8]) -> Ordering {
    if !needs_decoding(raw) {
        return raw.cmp(label);
    }
    let mut at = 0;
    let symbols = std::iter::from_fn(|| {
        let (symbol, next) = symbol_at(raw, at)?;
        at = next;
        Some(symbol)
    });
    symbols.cmp(label.iter().copied())
}

fn encoded_byte(digits: Option<&[u8]>) -> Option<u8> {
    let [high, low] = *digits? else { return None };
    let high = char::from(high).to_digit(16)?;
    let low = char::from(low).to_digit(16)?;
    u8::try_from(high * 16 + low).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn symbols(path: &[u8]) -> Vec<u8> {
        let mut at = 0;
        let mut read = Vec::new();
        while let Some((symbol, next)) = symbol_at(path, at) {
            assert!(next > at && next <= path.len());
            read.push(symbol);
            at = next;
        }
        read
    }

    #[test]
    fn encoded_bytes_are_decoded_once() {
        assert_eq!(symbols(b"/%61%2B%2b"), b"/a++");
        assert_eq!(symbols(b"%2561"), b"%61");
    }

    #[test]
    fn an_encoded_slash_is_no_separator() {
        assert_eq!(symbols(b"a%2Fb/c"), [b'a', SLASH_IN_SEGMENT, b'b', b'/', b'c']);
        assert_eq!(symbols(b"a%2fb"), [b'a', SLASH_IN_SEGMENT, b'b']);
    }

    #[test]
    fn bytes_with_a_meaning_of_ours_equal_nothing() {
        assert_eq!(symbols(b"\xFF%FF%ff"), [NOTHING, NOTHING, NOTHING]);
        assert!(needs_decoding(b"/a\xFF"));
        assert!(!needs_decoding(b"/a\xFE/\x80"));
    }

    #[test]
    fn a_broken_escape_stands_for_itself() {
        assert_eq!(symbols(b"%"), b"%");
        assert_eq!(symbols(b"%4"), b"%4");
        assert_eq!(symbols(b"%4g"), b"%4g");
        assert_eq!(symbols(b"%+1"), b"%+1");
    }

    #[test]
    fn segments_sort_by_what_they_mean() {
        assert_eq!(compare_segment(b"%61b", b"ab"), Ordering::Equal);
        assert_eq!(compare_segment(b"a%62", b"ac"), Ordering::Less);
        assert_eq!(compare_segment(b"ab", b"a"), Ordering::Greater);
        assert_ne!(compare_segment(b"a%2Fb", b"a/b"), Ordering::Equal);
    }

    #[test]
    fn labels_are_passed_whole_or_not_at_all() {
        assert_eq!(pass_label::<false>(b"/ab", b"/abc", 0), Some(3));
        assert_eq!(pass_label::<false>(b"/abc", b"/ab", 0), None);
        assert_eq!(pass_label::<true>(b"ab", b"/%61bc", 1), Some(5));
        assert_eq!(pass_label::<true>(b"", b"", 0), Some(0));
        assert_eq!(pass_label::<false>(b"x", b"", 5), None);
    }
}
