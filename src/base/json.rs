//! Text as JSON writes it: the one escaper of everything that the gateway writes as JSON itself.
//!
//! Bytes that are no UTF-8 become U+FFFD, one for each stretch that a decoder would give up on, so
//! that what is written is JSON whatever a client sent.

/// Appends `text` as a JSON string with its quotes.
pub(crate) fn write_json_string(out: &mut Vec<u8>, text: &[u8]) {
    out.reserve(text.len() + 2);
    out.push(b'"');
    write_json_escaped(out, text);
    out.push(b'"');
}

/// Appends `text` as it stands between the quotes of a JSON string.
pub(crate) fn write_json_escaped(out: &mut Vec<u8>, text: &[u8]) {
    if std::str::from_utf8(text).is_ok() {
        return write_valid(out, text);
    }
    for chunk in text.utf8_chunks() {
        write_valid(out, chunk.valid().as_bytes());
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(REPLACEMENT);
        }
    }
}

/// Whole blocks at a time, since nearly none has anything to escape.
fn write_valid(out: &mut Vec<u8>, text: &[u8]) {
    for block in text.chunks(BLOCK_BYTES) {
        if is_plain(block) {
            out.extend_from_slice(block);
        } else {
            block.iter().for_each(|byte| write_byte(out, *byte));
        }
    }
}

/// Without a branch per byte, so that it compiles to vector instructions.
#[inline]
fn is_plain(block: &[u8]) -> bool {
    !block
        .iter()
        .fold(false, |special, byte| special | (*byte < b' ') | (*byte == b'"') | (*byte == b'\\'))
}

fn write_byte(out: &mut Vec<u8>, byte: u8) {
    match byte {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\r' => out.extend_from_slice(b"\\r"),
        b'\t' => out.extend_from_slice(b"\\t"),
        0..0x20 => {
            let digit = |value: u8| b"0123456789abcdef"[usize::from(value)];
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[digit(byte >> 4), digit(byte & 15)]);
        }
        _ => out.push(byte),
    }
}

const REPLACEMENT: &[u8] = "\u{fffd}".as_bytes();
const BLOCK_BYTES: usize = 64;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        write_json_string(&mut out, text);
        out
    }

    #[test]
    fn what_ends_a_string_is_escaped() {
        let wanted = br#""a\"b\\c\r\n\td\u001b\u0000""#;
        assert_eq!(written(b"a\"b\\c\r\n\td\x1b\0"), wanted);
        assert_eq!(
            written("\u{e9}\u{7f}\u{2028}".as_bytes()),
            "\"\u{e9}\u{7f}\u{2028}\"".as_bytes()
        );
        assert_eq!(written(b"a\xffb\xc3"), "\"a\u{fffd}b\u{fffd}\"".as_bytes());
        assert_eq!(written(b""), b"\"\"");
    }

    proptest! {
        #[test]
        fn a_string_in_quotes_is_the_same_string(text in any::<String>()) {
            let read = serde_json::from_slice::<String>(&written(text.as_bytes()));
            prop_assert_eq!(read.ok(), Some(text));
        }

        #[test]
        fn any_bytes_become_the_text_that_a_decoder_makes_of_them(
            bytes in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let read = serde_json::from_slice::<String>(&written(&bytes));
            prop_assert_eq!(read.ok(), Some(String::from_utf8_lossy(&bytes).into_owned()));
        }
    }
}
