//! Request targets: percent-decoding, the path that policy and routes are applied to, hosts.
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
//! - A backslash, an incomplete percent-encoding and `%00` are refused.
//! - Empty segments (`//`) are kept: they are part of the path.

use std::net::Ipv6Addr;

use memchr::{memchr, memchr3, memrchr};

/// A `%` that two hexadecimal digits do not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a percent sign is not followed by two hexadecimal digits")]
pub struct BadPercentEncoding;

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

/// Appends `raw` to `out` with its percent-encodings decoded. `+` stays `+`: only forms make it a
/// space. The result may be any bytes; a caller that needs text checks for UTF-8.
///
/// # Errors
///
/// [`BadPercentEncoding`]; what `out` then holds beyond its former end means nothing.
pub fn percent_decode(raw: &[u8], out: &mut Vec<u8>) -> Result<(), BadPercentEncoding> {
    out.reserve(raw.len());
    let mut rest = raw;
    while let Some(at) = memchr(b'%', rest) {
        let (plain, encoded) = rest.split_at(at);
        out.extend_from_slice(plain);
        let (byte, after) = split_encoded(encoded).ok_or(BadPercentEncoding)?;
        out.push(byte);
        rest = after;
    }
    out.extend_from_slice(rest);
    Ok(())
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

/// Whether `text` is a host: a registered name of letters, digits, `-`, `_` and single dots
/// (which IPv4 addresses are, too), or an IPv6 address in brackets.
///
/// Narrower than RFC 3986's reg-name, which also has sub-delimiters and percent-encodings: no
/// name that resolves holds them, and programs that split, log or match hosts are misled by them.
#[must_use]
pub fn is_valid_host(text: &[u8]) -> bool {
    if let [b'[', address @ .., b']'] = text {
        return std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    }
    // Without a branch per byte: every request comes through here.
    let letters = text.iter().fold(true, |fine, byte| fine & HOST_BYTES[usize::from(*byte)]);
    let empty_label = text.windows(2).fold(false, |found, pair| found | (pair == b".."));
    letters && !empty_label && !text.starts_with(b".") && (1..=HOST_BYTES_MAX).contains(&text.len())
}

/// Whether `text` is `host` or `host:port`, as Host and the absolute form of a target have it.
#[must_use]
pub fn is_valid_authority(text: &[u8]) -> bool {
    split_authority(text).is_some()
}

/// The host and the port of `host[:port]`. `None` if either is malformed; an empty port
/// (`host:`, RFC 3986 section 3.2.3) is no port. An IPv6 address keeps its brackets.
#[must_use]
pub fn split_authority(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_bytes = match text {
        [b'[', ..] => memchr(b']', text)? + 1,
        _ => memchr(b':', text).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_bytes)?;
    let port = match rest {
        [] | [b':'] => None,
        [b':', digits @ ..] => Some(parse_port(digits)?),
        _ => return None,
    };
    is_valid_host(host).then_some((host, port))
}

/// Whether `byte` may stand in a request target (RFC 3986 section 2). Brackets may, though only
/// for IPv6 addresses by the RFC: `?ids[]=1` is too common to refuse. `#` may not: a fragment is
/// never sent.
#[inline]
pub(super) const fn is_target_byte(byte: u8) -> bool {
    TARGET_BYTES[byte as usize]
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

/// The byte that the three bytes `%XX` at the start of `text` stand for, and what follows them.
fn split_encoded(text: &[u8]) -> Option<(u8, &[u8])> {
    let [b'%', high, low, after @ ..] = text else { return None };
    Some((hex_digit(*high)? << 4 | hex_digit(*low)?, after))
}

fn hex_digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

/// At most five digits within 16 bits.
fn parse_port(digits: &[u8]) -> Option<u16> {
    if digits.len() > 5 {
        return None;
    }
    digits.iter().try_fold(0_u16, |port, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        port.checked_mul(10)?.checked_add(u16::from(digit))
    })
}

static TARGET_BYTES: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        allowed[byte as usize] = is_unreserved(byte)
            || matches!(byte, b'%' | b'/' | b'?' | b':' | b'@' | b'[' | b']')
            || matches!(
                byte,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
            );
        byte += 1;
    }
    allowed
};

static HOST_BYTES: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        allowed[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        byte += 1;
    }
    allowed
};

/// Longest host name that DNS has, written out with its last dot.
const HOST_BYTES_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

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

    #[test]
    fn percent_decoding_decodes_each_byte_once() {
        let mut out = b"before ".to_vec();
        assert_eq!(percent_decode(b"a%2Fb+%E2%82%ac%2541", &mut out), Ok(()));
        assert_eq!(out, "before a/b+\u{20ac}%41".as_bytes());
        for bad in [&b"%"[..], b"%2", b"a%g0", b"%0g", b"%-1", b"%%41"] {
            assert_eq!(percent_decode(bad, &mut Vec::new()), Err(BadPercentEncoding), "{bad:?}");
        }
    }

    #[test]
    fn hosts_are_names_or_addresses() {
        let long = "a".repeat(HOST_BYTES_MAX);
        for host in
            ["a", "api.example.com", "api.example.com.", "127.0.0.1", "a_b-c", "[::1]", &long]
        {
            assert!(is_valid_host(host.as_bytes()), "{host}");
        }
        let longer = "a".repeat(HOST_BYTES_MAX + 1);
        for host in [
            "",
            ".",
            "..",
            ".a",
            "a..b",
            "a b",
            "a,b",
            "a/b",
            "a@b",
            "a:80",
            "[::1",
            "::1",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "a%2eb",
            "\u{e4}",
            "a\0",
            "a;b",
            "$a",
            "[]",
            &longer,
        ] {
            assert!(!is_valid_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn authorities_are_split_into_host_and_port() {
        assert_eq!(split_authority(b"a.b"), Some((&b"a.b"[..], None)));
        assert_eq!(split_authority(b"a.b:"), Some((&b"a.b"[..], None)));
        assert_eq!(split_authority(b"a.b:65535"), Some((&b"a.b"[..], Some(65_535))));
        assert_eq!(split_authority(b"[::1]:8080"), Some((&b"[::1]"[..], Some(8_080))));
        for bad in [
            "", ":80", "a:65536", "a:080000", "a:-1", "a:+1", "a:80:80", "u@a", "u:p@a", "[::1]80",
            "a: 80",
        ] {
            assert_eq!(split_authority(bad.as_bytes()), None, "{bad}");
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
        fn decoding_undoes_encoding(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let encoded: String = bytes.iter().map(|byte| format!("%{byte:02X}")).collect();
            let mut out = Vec::new();
            prop_assert_eq!(percent_decode(encoded.as_bytes(), &mut out), Ok(()));
            prop_assert_eq!(out, bytes);
        }

        #[test]
        fn any_bytes_are_answered(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut out = Vec::new();
            let _ = percent_decode(&bytes, &mut out);
            normalise_path(&bytes, &mut out);
            prop_assert_eq!(is_valid_authority(&bytes), split_authority(&bytes).is_some());
        }
    }
}
