//! How long a body is (RFC 9112 section 6): the lengths and codings that a head claims, and which
//! claims are refused.
//!
//! Stricter than the RFC where it lets a recipient choose, because the next HTTP parser on the way
//! may choose otherwise: a second Content-Length is refused even if it repeats the first
//! (RFC 9110 section 8.6 allows either), a list of equal lengths too; the only transfer coding is
//! one `chunked`, alone. Leading zeros are grammar and are taken; a forwarded head states the
//! length as parsed, never the text.

use super::{is_token_byte, trim_ows};

/// The version of a message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
    /// HTTP/2. No parser here finds it: who reads frames says so of a head made of them.
    Http2,
}

impl Version {
    /// The version as a request line has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2.0",
        }
    }

    /// The version as `Via` has it (RFC 9110 section 7.6.3).
    #[must_use]
    pub const fn in_via(self) -> &'static str {
        match self {
            Self::Http10 => "1.0",
            Self::Http11 => "1.1",
            Self::Http2 => "2.0",
        }
    }
}

/// How the end of a body is found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BodyFraming {
    /// There is no body.
    #[default]
    None,
    /// This many bytes. May be 0.
    Length(u64),
    /// The chunked coding.
    Chunked,
    /// Everything until the connection closes. Answers only.
    UntilClose,
}

/// Why a Content-Length or Transfer-Encoding is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FramingFault {
    /// The length of the body cannot be trusted.
    Untrusted,
    /// A well-formed coding before a final `chunked` that the gateway does not know.
    UnknownCoding,
}

/// What the fields read so far claim about the body.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct FramingClaims {
    length: Option<u64>,
    codings_count: u32,
    chunked_count: u32,
    chunked_is_last: bool,
}

impl FramingClaims {
    /// Takes one Content-Length field.
    pub(super) fn read_content_length(&mut self, value: &[u8]) -> Result<(), FramingFault> {
        if self.length.is_some() {
            return Err(FramingFault::Untrusted);
        }
        self.length = Some(parse_length(value).ok_or(FramingFault::Untrusted)?);
        Ok(())
    }

    /// Takes one Transfer-Encoding field. Several are one list (RFC 9110 section 5.3).
    pub(super) fn read_transfer_encoding(&mut self, value: &[u8]) -> Result<(), FramingFault> {
        for coding in value.split(|byte| *byte == b',').map(trim_ows) {
            let (name, parameters) = match memchr::memchr(b';', coding) {
                Some(at) => (trim_ows(&coding[..at]), &coding[at..]),
                None => (coding, &coding[..0]),
            };
            if name.is_empty() || !name.iter().all(|byte| is_token_byte(*byte)) {
                return Err(FramingFault::Untrusted);
            }
            self.chunked_is_last = name.eq_ignore_ascii_case(b"chunked");
            if self.chunked_is_last && !parameters.is_empty() {
                return Err(FramingFault::Untrusted); // RFC 9112 section 7.1: chunked has none
            }
            self.chunked_count += u32::from(self.chunked_is_last);
            self.codings_count += 1;
        }
        Ok(())
    }

    /// The framing that the fields ask for, [`BodyFraming::None`] if they ask for none.
    pub(super) fn settle(&self, version: Version) -> Result<BodyFraming, FramingFault> {
        if self.codings_count == 0 {
            return Ok(self.length.map_or(BodyFraming::None, BodyFraming::Length));
        }
        // HTTP/1.0 has no transfer codings: a peer that knows 1.0 alone would read on past the
        // body (RFC 9112 section 6.1 calls the framing faulty).
        if self.length.is_some() || version == Version::Http10 {
            return Err(FramingFault::Untrusted);
        }
        if self.chunked_count != 1 || !self.chunked_is_last {
            return Err(FramingFault::Untrusted);
        }
        if self.codings_count > 1 {
            return Err(FramingFault::UnknownCoding);
        }
        Ok(BodyFraming::Chunked)
    }

    /// Whether any field spoke of a body that is not empty.
    pub(super) fn claims_content(&self) -> bool {
        self.codings_count > 0 || self.length.is_some_and(|length| length > 0)
    }
}

/// `1*DIGIT` within 64 bits. No sign, no space, no list.
fn parse_length(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0_u64, |length, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        length.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lengths(values: &[&str]) -> Result<BodyFraming, FramingFault> {
        let mut claims = FramingClaims::default();
        values.iter().try_for_each(|value| claims.read_content_length(value.as_bytes()))?;
        claims.settle(Version::Http11)
    }

    fn codings(values: &[&str]) -> Result<BodyFraming, FramingFault> {
        let mut claims = FramingClaims::default();
        values.iter().try_for_each(|value| claims.read_transfer_encoding(value.as_bytes()))?;
        claims.settle(Version::Http11)
    }

    #[test]
    fn lengths_are_digits_within_64_bits() {
        assert_eq!(lengths(&[]), Ok(BodyFraming::None));
        assert_eq!(lengths(&["0"]), Ok(BodyFraming::Length(0)));
        assert_eq!(lengths(&["0042"]), Ok(BodyFraming::Length(42)));
        assert_eq!(lengths(&["18446744073709551614"]), Ok(BodyFraming::Length(u64::MAX - 1)));
        assert_eq!(lengths(&["18446744073709551615"]), Ok(BodyFraming::Length(u64::MAX)));
        assert_eq!(lengths(&["18446744073709551616"]), Err(FramingFault::Untrusted));
    }

    #[test]
    fn malformed_and_repeated_lengths_are_refused() {
        let malformed = ["", "+1", "-1", "0x1", "1_0", "1 0", "1.0", "1,1", "1, 1", "١", "1;", "a"];
        for value in malformed {
            assert_eq!(lengths(&[value]), Err(FramingFault::Untrusted), "{value:?}");
        }
        assert_eq!(lengths(&["1", "2"]), Err(FramingFault::Untrusted));
        assert_eq!(lengths(&["1", "1"]), Err(FramingFault::Untrusted));
    }

    #[test]
    fn the_only_coding_is_one_chunked() {
        assert_eq!(codings(&["chunked"]), Ok(BodyFraming::Chunked));
        assert_eq!(codings(&["CHUNKED"]), Ok(BodyFraming::Chunked));
        for value in ["gzip, chunked", "x;a=b, chunked", "identity,chunked"] {
            assert_eq!(codings(&[value]), Err(FramingFault::UnknownCoding), "{value:?}");
        }
        assert_eq!(codings(&["gzip", "chunked"]), Err(FramingFault::UnknownCoding));
        let refused = [
            "",
            "xchunked",
            "chunkedx",
            "chunked,",
            ",chunked",
            "chunked, identity",
            "gzip",
            "chunked, chunked",
            "chunked;a=b",
            "chunked;",
            "\u{b}chunked",
            "chunked gzip",
            "\"chunked\"",
            "x;a=\",\", chunked",
            "chunked;a, chunked",
        ];
        for value in refused {
            assert_eq!(codings(&[value]), Err(FramingFault::Untrusted), "{value:?}");
        }
        assert_eq!(codings(&["chunked", "chunked"]), Err(FramingFault::Untrusted));
        assert_eq!(codings(&["chunked", "gzip"]), Err(FramingFault::Untrusted));
    }

    #[test]
    fn a_coding_with_a_length_or_in_http_1_0_is_refused() {
        let mut claims = FramingClaims::default();
        claims.read_transfer_encoding(b"chunked").expect("well formed");
        assert_eq!(claims.settle(Version::Http10), Err(FramingFault::Untrusted));
        claims.read_content_length(b"0").expect("well formed");
        assert_eq!(claims.settle(Version::Http11), Err(FramingFault::Untrusted));
    }

    #[test]
    fn content_is_claimed_by_a_length_or_a_coding() {
        let mut claims = FramingClaims::default();
        assert!(!claims.claims_content());
        claims.read_content_length(b"0").expect("well formed");
        assert!(!claims.claims_content());
        claims.read_transfer_encoding(b"chunked").expect("well formed");
        assert!(claims.claims_content());
    }
}
