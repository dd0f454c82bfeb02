//! Names and values of headers that mappings make.

use super::CompileError;

/// Whether a field may have this value (RFC 9110 section 5.5): no control character but the tab.
/// Leading and trailing blanks are not the value's, and stay harmless.
pub(crate) fn is_value(value: &[u8]) -> bool {
    value.iter().fold(true, |fine, byte| fine & (*byte >= b' ' && *byte != 0x7f || *byte == b'\t'))
}

/// The name of a header, by the rules of HTTP (RFC 9110 section 5.1).
pub(super) fn compile_name(name: &str) -> Result<Box<str>, CompileError> {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        return Err(CompileError::new(name, "this is no name of a header"));
    }
    Ok(name.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_no_part_of_a_value() {
        for byte in 0..=255_u8 {
            let fine = byte == b'\t' || (byte >= b' ' && byte != 0x7f);
            assert_eq!(is_value(&[b'a', byte, b'b']), fine, "{byte}");
        }
        assert!(is_value(b""));
    }

    #[test]
    fn names_are_tokens() {
        for name in ["a", "X-Id", "a.b_c$d", "~"] {
            assert_eq!(compile_name(name).as_deref(), Ok(name));
        }
        for name in ["", "a b", "a:", "a\r\nb", "\u{e9}", "a/b"] {
            assert!(compile_name(name).is_err(), "{name}");
        }
    }
}
