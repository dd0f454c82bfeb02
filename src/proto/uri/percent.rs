//! Percent-encoding (RFC 3986 section 2.1).

use memchr::memchr;

/// A `%` that two hexadecimal digits do not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a percent sign is not followed by two hexadecimal digits")]
pub struct BadPercentEncoding;

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

/// The byte that the three bytes `%XX` at the start of `text` stand for, and what follows them.
pub(super) fn split_encoded(text: &[u8]) -> Option<(u8, &[u8])> {
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

/// Appends `raw` to `out` with everything percent-encoded that is no visible ASCII character, and
/// the percent sign itself: what comes out fits a field value (RFC 9110 section 5.5) and decodes
/// to what went in.
pub fn percent_encode(raw: &[u8], out: &mut Vec<u8>) {
    for byte in raw {
        if byte.is_ascii_graphic() && *byte != b'%' {
            out.push(*byte);
        } else {
            let digit = |value: u8| b"0123456789ABCDEF"[usize::from(value)];
            out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn percent_decoding_decodes_each_byte_once() {
        let mut out = b"before ".to_vec();
        assert_eq!(percent_decode(b"a%2Fb+%E2%82%ac%2541", &mut out), Ok(()));
        assert_eq!(out, "before a/b+\u{20ac}%41".as_bytes());
        for bad in [&b"%"[..], b"%2", b"a%g0", b"%0g", b"%-1", b"%%41"] {
            assert_eq!(percent_decode(bad, &mut Vec::new()), Err(BadPercentEncoding), "{bad:?}");
        }
    }

    proptest! {
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
            if percent_decode(&bytes, &mut out).is_ok() {
                let encoded_count = bytes.iter().filter(|byte| **byte == b'%').count();
                prop_assert_eq!(out.len() + 2 * encoded_count, bytes.len());
            }
        }
    }
}
