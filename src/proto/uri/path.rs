//! The form of a path that policy and routes are applied to.
//!
//! # What a path means
//!
//! [`normalise_path`] decides which paths are the same before any route is looked up, so that no
//! spelling of a path reaches a target by another route than the path itself (CVE-2021-29492):
//!
//! - Percent-encoded unreserved characters are decoded (RFC 3986 section 6.2.2.2): `/%61dmin` is
//!   `/admin`, `%2e` is a dot.
//! - Dot segments are removed (RFC 3986 section 5.2.4). One that would climb above the root is
//!   refused, where the RFC would stop at the root: no honest client sends it.
//! - `%2F` and `%5C` stay as they are and never separate segments, so that a path parameter may
//!   hold a slash, as AWS allows. But a target may decode them first, so a segment that would hold
//!   a dot segment once `%2F` and `%5C` are separators is refused. (Envoy's guide for the edge
//!   offers to refuse or to unescape them all; the one breaks parameters, the other changes routes.)
//! - `..;x` and `.;x` are refused: servers that drop path parameters first see dot segments.
//! - A backslash, an incomplete percent-encoding and `%00` are refused.
//! - Empty segments (`//`) are kept: they are part of the path.

use memchr::{memchr3, memrchr};

use super::is_unreserved;
use super::percent::split_encoded;

/// What [`normalise_path`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathForm {
    /// The path is normal as it is; nothing was written.
    AsReceived,
    /// The normal form was written.
    Rewritten,
    /// The path means different things to different readers: 400.
    Refused,
}

/// Brings the path `raw`, without its query, into the normal form that this module describes.
/// Writes to `out`, replacing what it holds, only if that differs from `raw`.
pub fn normalise_path(raw: &[u8], out: &mut Vec<u8>) -> PathForm {
    if raw.first() != Some(&b'/') {
        return PathForm::Refused;
    }
    // Most paths have none of these and are normal.
    if memchr3(b'%', b'.', b'\\', raw).is_none() {
        return PathForm::AsReceived;
    }
    out.clear();
    match write_normal(raw, out) {
        None => PathForm::Refused,
        Some(()) if out == raw => PathForm::AsReceived,
        Some(()) => PathForm::Rewritten,
    }
}

/// The form of `raw` without dot segments and needless encodings; `None` if it is to be refused.
fn write_normal(raw: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut ends_in_dots = false;
    for segment in raw.strip_prefix(b"/")?.split(|byte| *byte == b'/') {
        let start = out.len();
        out.push(b'/');
        write_segment(segment, out)?;
        let text = out.get(start + 1..).unwrap_or_default();
        ends_in_dots = true;
        match text {
            b"." => out.truncate(start),
            b".." => {
                out.truncate(start);
                let parent = memrchr(b'/', out)?;
                out.truncate(parent);
            }
            text if hides_dot_segment(text) => return None,
            _ => ends_in_dots = false,
        }
    }
    if ends_in_dots {
        out.push(b'/'); // `/a/..` is the directory `/`
    }
    Some(())
}

fn write_segment(segment: &[u8], out: &mut Vec<u8>) -> Option<()> {
    let mut rest = segment;
    while let Some((first, after)) = rest.split_first() {
        match first {
            b'\\' => return None,
            b'%' => {
                let (byte, behind) = split_encoded(rest)?;
                match byte {
                    0 => return None,
                    byte if is_unreserved(byte) => out.push(byte),
                    _ => out.extend_from_slice(rest.get(..3)?),
                }
                rest = behind;
                continue;
            }
            byte => out.push(*byte),
        }
        rest = after;
    }
    Some(())
}

/// Whether some reader finds a dot segment in `segment`: one that decodes `%2F` or `%5C` before
/// it splits, or one that drops path parameters (`..;x`) before it removes dot segments.
fn hides_dot_segment(segment: &[u8]) -> bool {
    let mut rest = segment;
    loop {
        let piece_bytes = rest
            .windows(3)
            .position(|part| matches!(part, [b'%', b'2', b'f' | b'F'] | [b'%', b'5', b'c' | b'C']))
            .unwrap_or(rest.len());
        let (piece, after) = rest.split_at(piece_bytes);
        if matches!(piece, b"." | b".." | [b'.', b';', ..] | [b'.', b'.', b';', ..]) {
            return true;
        }
        match after.get(3..) {
            Some(behind) => rest = behind,
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::percent_decode;
    use super::*;

    fn normal(raw: &str) -> (PathForm, String) {
        let mut out = b"stale".to_vec();
        let form = normalise_path(raw.as_bytes(), &mut out);
        let text = if form == PathForm::Rewritten { out } else { raw.as_bytes().to_vec() };
        (form, String::from_utf8(text).expect("paths of these tests are text"))
    }

    #[test]
    fn normal_paths_stay_as_received() {
        for path in
            ["/", "/a/b", "/a//b/", "/file.json", "/a/...", "/.well-known/x", "/a%20b", "/%2F"]
        {
            assert_eq!(normal(path), (PathForm::AsReceived, path.to_owned()));
        }
    }

    #[test]
    fn dot_segments_are_removed_in_all_spellings() {
        for (raw, wanted) in [
            ("/a/./b", "/a/b"),
            ("/a/../b", "/b"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/a/%2e%2E/b", "/b"),
            ("/a/.%2e/b", "/b"),
            ("/a/%2e/b", "/a/b"),
            ("/./", "/"),
            ("/a/..", "/"),
            ("/a//../b", "/a/b"),
            ("/a/b/../../c", "/c"),
        ] {
            assert_eq!(normal(raw), (PathForm::Rewritten, wanted.to_owned()), "{raw}");
        }
    }

    #[test]
    fn encoded_unreserved_characters_are_decoded_and_others_kept() {
        assert_eq!(normal("/%61dmin/%7Ex").1, "/admin/~x");
        assert_eq!(normal("/a%3Ab%2fc%20d").0, PathForm::AsReceived);
        assert_eq!(normal("/%252e%252e/b").0, PathForm::AsReceived, "decoded once, not twice");
    }

    #[test]
    fn ambiguous_paths_are_refused() {
        for path in [
            "",
            "a",
            "*",
            "/..",
            "/../a",
            "/a/../../b",
            "/%2e%2e/a",
            "/a\\b",
            "/a/..\\b",
            "/%00",
            "/a%",
            "/a%2",
            "/a%zz",
            "/a/..%2fb",
            "/..%2F",
            "/a/%2e%2e%2fb",
            "/a%2f..",
            "/a%5c..%5cb",
            "/a%2f.",
            "/..;/b",
            "/a/..;x=1/b",
            "/.;/b",
            "/a%2F..;x",
        ] {
            assert_eq!(normal(path).0, PathForm::Refused, "{path}");
        }
    }

    proptest! {
        #[test]
        fn normalising_twice_changes_nothing_more(path in "/[a./%2fFeE5cC;]{0,24}") {
            let mut once = Vec::new();
            if normalise_path(path.as_bytes(), &mut once) == PathForm::Rewritten {
                let mut twice = Vec::new();
                prop_assert_eq!(normalise_path(&once, &mut twice), PathForm::AsReceived);
            }
        }

        /// The law that routes rely on: whatever a lenient target decodes, it stays under its root.
        #[test]
        fn no_accepted_path_climbs_when_fully_decoded(path in "/[a./%2fFeE5cC;]{0,24}") {
            let mut out = Vec::new();
            let normal = match normalise_path(path.as_bytes(), &mut out) {
                PathForm::Refused => return Ok(()),
                PathForm::AsReceived => path.as_bytes(),
                PathForm::Rewritten => &out,
            };
            let mut decoded = Vec::new();
            prop_assert!(percent_decode(normal, &mut decoded).is_ok());
            let mut segments = decoded.split(|byte| matches!(byte, b'/' | b'\\'));
            prop_assert!(segments.all(|one| !matches!(one, b"." | b"..")), "{:?}", decoded);
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut out = Vec::new();
            let form = normalise_path(&bytes, &mut out);
            prop_assert!(form != PathForm::Rewritten || out.starts_with(b"/"));
        }
    }
}
