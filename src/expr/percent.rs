//! Percent-encoding of values that are put into a target (RFC 3986 section 2).

/// The part of a target that a value is put into: which bytes stand for themselves there.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Place {
    /// One segment of a path: a slash is encoded.
    Segment,
    /// Several segments: slashes stay.
    Segments,
    /// Text that is encoded already; only what no path may hold is encoded.
    EncodedPath,
    /// A name or a value in a query.
    Query,
}

/// Appends `raw`, encoded for its place. What comes out holds no control character, no blank, no
/// `?` and no `#`, wherever it is put.
pub(super) fn encode(place: Place, raw: &[u8], out: &mut Vec<u8>) {
    out.reserve(raw.len());
    for byte in raw {
        if place.holds(*byte) {
            out.push(*byte);
        } else {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

impl Place {
    fn holds(self, byte: u8) -> bool {
        let is_unreserved = byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_path_character = || is_unreserved || b"!$&'()*+,;=:@".contains(&byte);
        match self {
            Self::Query => is_unreserved,
            Self::Segment => is_path_character(),
            Self::Segments => is_path_character() || byte == b'/',
            Self::EncodedPath => is_path_character() || byte == b'/' || byte == b'%',
        }
    }
}

/// Whether a segment of `path` is `.` or `..`, as they stand or encoded: a target that resolves
/// them would leave the path that the API's author wrote.
pub(super) fn has_dot_segment(path: &[u8]) -> bool {
    path.split(|byte| *byte == b'/').any(|segment| is_dots(segment, 0))
}

fn is_dots(segment: &[u8], dots_count: usize) -> bool {
    match segment {
        [] => matches!(dots_count, 1 | 2),
        [b'.', rest @ ..] | [b'%', b'2', b'e' | b'E', rest @ ..] if dots_count < 2 => {
            is_dots(rest, dots_count + 1)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn encoded(place: Place, raw: &str) -> String {
        let mut out = Vec::new();
        encode(place, raw.as_bytes(), &mut out);
        String::from_utf8(out).expect("encoded text is ASCII")
    }

    #[test]
    fn each_place_keeps_its_own_characters() {
        let raw = "a/b?c#d e%2F+&=\u{20ac}\r\n";
        assert_eq!(encoded(Place::Segment, raw), "a%2Fb%3Fc%23d%20e%252F+&=%E2%82%AC%0D%0A");
        assert_eq!(encoded(Place::Segments, raw), "a/b%3Fc%23d%20e%252F+&=%E2%82%AC%0D%0A");
        assert_eq!(encoded(Place::EncodedPath, raw), "a/b%3Fc%23d%20e%2F+&=%E2%82%AC%0D%0A");
        let query = "a%2Fb%3Fc%23d%20e%252F%2B%26%3D%E2%82%AC%0D%0A";
        assert_eq!(encoded(Place::Query, raw), query);
    }

    #[test]
    fn dot_segments_are_found_in_all_spellings() {
        for path in ["/.", "/..", "/a/../b", "/%2e", "/.%2E", "/%2e%2E/", "..", "/a/."] {
            assert!(has_dot_segment(path.as_bytes()), "{path}");
        }
        for path in ["", "/", "/a.b", "/...", "/.a", "/a..", "/%252e", "/%2f", "/a/%2e%2e%2e"] {
            assert!(!has_dot_segment(path.as_bytes()), "{path}");
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_what_it_was(raw in prop::collection::vec(any::<u8>(), 0..64)) {
            for place in [Place::Segment, Place::Segments, Place::Query] {
                let mut out = Vec::new();
                encode(place, &raw, &mut out);
                let mut decoded = Vec::new();
                prop_assert!(crate::proto::uri::percent_decode(&out, &mut decoded).is_ok());
                prop_assert_eq!(&decoded, &raw);
            }
        }

        #[test]
        fn nothing_ends_its_place(raw in prop::collection::vec(any::<u8>(), 0..64)) {
            for place in [Place::Segment, Place::Segments, Place::EncodedPath, Place::Query] {
                let mut out = Vec::new();
                encode(place, &raw, &mut out);
                prop_assert!(out.iter().all(|byte| byte.is_ascii_graphic()));
                prop_assert!(!out.iter().any(|byte| matches!(byte, b'?' | b'#' | b'\\')));
                prop_assert!(place != Place::Segment || !out.contains(&b'/'));
                prop_assert!(place != Place::Query || !out.iter().any(|byte| b"&=+/".contains(byte)));
            }
        }
    }
}
