//! Header fields and answers as they are written: names, values, statuses, bodies.

use toml::de::DeValue;

use super::reading::{Field, Node, Reading};
use super::table::{Bound, Shape, Value};
use super::values::{TextForm, Unformed};

/// A header's name (RFC 9110 section 5.1).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct HeaderName(pub(super) String);

impl TextForm for HeaderName {
    const EXPECTED: &'static str = "a header name of letters, digits and !#$%&'*+-.^_`|~";
    const PATTERN: Option<&'static str> = Some(TOKEN_PATTERN);

    fn parse(text: &str) -> Result<Self, Unformed> {
        check_token(text).map(|()| Self(text.into()))
    }
}

/// The gateway's name in `Via` (RFC 9110 section 7.6.3).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Pseudonym(pub(super) String);

impl TextForm for Pseudonym {
    const EXPECTED: &'static str = "a name of letters, digits and !#$%&'*+-.^_`|~";
    const PATTERN: Option<&'static str> = Some(TOKEN_PATTERN);

    fn parse(text: &str) -> Result<Self, Unformed> {
        check_token(text).map(|()| Self(text.into()))
    }
}

/// A header's value (RFC 9110 section 5.5).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct HeaderValue(pub(super) String);

impl TextForm for HeaderValue {
    const EXPECTED: &'static str = "a header value without control characters";

    fn parse(text: &str) -> Result<Self, Unformed> {
        check_field_value(text).map(|()| Self(text.into()))
    }
}

/// Headers of an answer in the order of the file; a name may have a list of values.
#[derive(Debug)]
pub(super) struct Headers(pub(super) Vec<(Field<String>, String)>);

impl Value for Headers {
    fn shape(bound: Option<Bound>) -> Shape {
        let one = HeaderValue::shape(bound);
        let many = Vec::<Field<HeaderValue>>::shape(bound);
        Shape::Map(Box::new(Shape::OneOf(vec![one, many])))
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let Some(entries) = node.entries() else {
            node.wrong_type(&Self::shape(None), reading);
            return None;
        };
        let mut headers = Vec::new();
        for (span, value) in entries {
            let name = DeValue::String(value.name.into());
            let key = Node { name: node.name, value: &name, span, ..node };
            let name = HeaderName::read(key, reading);
            let values = match value.value {
                DeValue::Array(_) => Vec::<Field<HeaderValue>>::read(value, reading),
                _ => HeaderValue::read(value, reading)
                    .map(|one| vec![Field { value: one, span: value.span, is_written: true }]),
            };
            let (Some(HeaderName(name)), Some(values)) = (name, values) else { continue };
            headers.extend(values.into_iter().map(|field| {
                (Field { value: name.clone(), span, is_written: true }, field.value.0)
            }));
        }
        Some(Self(headers))
    }
}

/// The status of a redirect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RedirectStatus(pub(super) u16);

impl Value for RedirectStatus {
    fn shape(_: Option<Bound>) -> Shape {
        Shape::Choice(REDIRECT_STATUSES.map(Into::into).into())
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let DeValue::Integer(integer) = node.value else {
            node.wrong_type(&Self::shape(None), reading);
            return None;
        };
        let status = u16::from_str_radix(integer.as_str(), integer.radix()).ok();
        let status = status.filter(|status| REDIRECT_STATUSES.contains(status));
        if status.is_none() {
            node.wrong_value(&Self::shape(None), reading);
        }
        status.map(Self)
    }
}

/// A text without a form.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Text(pub(super) String);

impl TextForm for Text {
    const EXPECTED: &'static str = "a text";

    fn parse(text: &str) -> Result<Self, Unformed> {
        Ok(Self(text.into()))
    }
}

/// Bytes in base64 with padding (RFC 4648 section 4).
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Base64(pub(super) Vec<u8>);

impl TextForm for Base64 {
    const EXPECTED: &'static str = "bytes in base64 with padding";
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9+/]*={0,2}$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        if !text.len().is_multiple_of(4) {
            return Err(Unformed::because("its length is no multiple of 4"));
        }
        let digits = text.trim_end_matches('=');
        if text.len() - digits.len() > 2 {
            return Err(Unformed::At(digits.len(), "at most two `=` stand at its end".into()));
        }
        let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
        let (mut bits, mut bits_count) = (0_u32, 0);
        for (offset, byte) in digits.bytes().enumerate() {
            let Some(digit) = base64_digit(byte) else {
                return Err(Unformed::At(offset, "this is no base64 digit".into()));
            };
            bits = (bits << 6 | digit) & 0xffff;
            bits_count += 6;
            if bits_count >= 8 {
                bits_count -= 8;
                bytes.extend(u8::try_from(bits >> bits_count & 0xff));
            }
        }
        if bits & ((1 << bits_count) - 1) != 0 {
            let last = digits.len().saturating_sub(1);
            return Err(Unformed::At(last, "its last digit has bits that no byte has".into()));
        }
        Ok(Self(bytes))
    }
}

fn base64_digit(byte: u8) -> Option<u32> {
    Some(match byte {
        b'A'..=b'Z' => u32::from(byte - b'A'),
        b'a'..=b'z' => u32::from(byte - b'a') + 26,
        b'0'..=b'9' => u32::from(byte - b'0') + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

fn check_token(text: &str) -> Result<(), Unformed> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if text.is_empty() {
        return Err(Unformed::Form);
    }
    match text.bytes().position(|byte| !is_token(byte)) {
        Some(offset) => Err(Unformed::At(offset, "this character may not stand in it".into())),
        None => Ok(()),
    }
}

/// Checks the grammar of a field value, so that no setting can end a header early.
pub(super) fn check_field_value(text: &str) -> Result<(), Unformed> {
    let is_control = |byte: u8| (byte < b' ' && byte != b'\t') || byte == 0x7f;
    if let Some(offset) = text.bytes().position(is_control) {
        return Err(Unformed::At(offset, "a header has no control characters".into()));
    }
    if text.trim_matches([' ', '\t']).len() != text.len() {
        return Err(Unformed::because("a header has no space at its ends"));
    }
    Ok(())
}

const TOKEN_PATTERN: &str = r"^[A-Za-z0-9!#$%&'*+.^_`|~-]+$";
const REDIRECT_STATUSES: [u16; 5] = [301, 302, 303, 307, 308];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_as_the_vectors_of_the_rfc() {
        for (text, bytes) in [
            ("", ""),
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
        ] {
            assert_eq!(Base64::parse(text).expect(text).0, bytes.as_bytes());
        }
        assert_eq!(Base64::parse("/+8A").expect("digits").0, [0xff, 0xef, 0]);
        for text in ["Z", "Zg", "Zg=", "Z===", "====", "Zh==", "Zm9=", "Zm 9v123", "Zm9v\n123"] {
            assert!(Base64::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_header_cannot_be_ended_early() {
        assert!(HeaderName::parse("x-served-by").is_ok());
        for name in ["", "a b", "a:", "a\r\nb", "é"] {
            assert!(HeaderName::parse(name).is_err(), "{name:?}");
        }
        assert!(HeaderValue::parse("a\tb; c=\"d\", é").is_ok());
        for value in ["a\r\nb", "a\0", " a", "a ", "\u{7f}"] {
            assert!(HeaderValue::parse(value).is_err(), "{value:?}");
        }
    }
}
