//! Text from clients made harmless for a log line (CVE-2024-45808: a value that ends its own
//! string or line forges another).

/// How a value is written, by where it stands in the format.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Escape {
    /// Inside double quotes: a JSON string's escapes. The result is also safe between the quotes
    /// of a CLF line.
    Quoted,
    /// Outside quotes: what separates fields is written as `\xHH` too.
    Bare,
    /// Outside quotes, for what the gateway or its configuration says: a route key keeps its
    /// space and its braces.
    BareOwn,
    /// Outside quotes in a format that is JSON, where the compiler of the format lets nothing
    /// stand that is not JSON by itself.
    JsonValue,
    /// In a format that is XML: entities for markup.
    Xml,
}

impl Escape {
    /// Appends `text`, which may be any bytes.
    #[inline]
    pub(super) fn write(self, text: &[u8], out: &mut Vec<u8>) {
        if self == Self::Quoted && is_quoted_plain(text) {
            return out.extend_from_slice(text);
        }
        let table = self.plain();
        match text.iter().position(|byte| !table[usize::from(*byte)]) {
            None => out.extend_from_slice(text),
            Some(start) => self.write_escaped(text, start, out),
        }
    }

    /// The same for text that no client wrote.
    pub(super) fn for_own_text(self) -> Self {
        if self == Self::Bare { Self::BareOwn } else { self }
    }

    /// What a value that is missing is written as.
    pub(super) fn absent(self) -> &'static [u8] {
        if self == Self::JsonValue { b"null" } else { b"-" }
    }

    fn plain(self) -> &'static [bool; 256] {
        match self {
            Self::Quoted => &QUOTED_PLAIN,
            Self::Bare | Self::JsonValue => &BARE_PLAIN,
            Self::BareOwn => &BARE_OWN_PLAIN,
            Self::Xml => &XML_PLAIN,
        }
    }

    #[cold]
    fn write_escaped(self, text: &[u8], start: usize, out: &mut Vec<u8>) {
        let (plain, rest) = text.split_at(start);
        out.extend_from_slice(plain);
        for chunk in rest.utf8_chunks() {
            chunk.valid().chars().for_each(|one| self.write_char(one, out));
            chunk.invalid().iter().for_each(|byte| self.write_invalid(*byte, out));
        }
    }

    fn write_char(self, one: char, out: &mut Vec<u8>) {
        match self {
            Self::Quoted => write_quoted(one, out),
            Self::Xml => write_xml(one, out),
            _ if one.is_ascii() && self.plain()[one as usize] => out.push(one as u8),
            Self::Bare | Self::BareOwn | Self::JsonValue => {
                let mut bytes = [0; 4];
                one.encode_utf8(&mut bytes).bytes().for_each(|byte| write_hex(byte, out));
            }
        }
    }

    fn write_invalid(self, byte: u8, out: &mut Vec<u8>) {
        match self {
            // JSON has no escape for a byte; the backslash is itself escaped, so that no reader
            // takes the value for another one.
            Self::Quoted => {
                out.push(b'\\');
                write_hex(byte, out);
            }
            _ => write_hex(byte, out),
        }
    }
}

/// Whether nothing needs an escape. Without a branch per byte, so that it compiles to vector
/// instructions: nearly every value of nearly every line passes here.
#[inline]
fn is_quoted_plain(text: &[u8]) -> bool {
    let special = text.iter().fold(false, |special, byte| {
        let is_printable = byte.wrapping_sub(b' ') <= b'~' - b' ';
        special | !is_printable | (*byte == b'"') | (*byte == b'\\')
    });
    !special
}

fn write_quoted(one: char, out: &mut Vec<u8>) {
    match one {
        '"' => out.extend_from_slice(br#"\""#),
        '\\' => out.extend_from_slice(br"\\"),
        '\n' => out.extend_from_slice(br"\n"),
        '\r' => out.extend_from_slice(br"\r"),
        '\t' => out.extend_from_slice(br"\t"),
        ' '..='~' => out.push(one as u8),
        // Everything beyond ASCII too: C1 controls, line separators and directional marks are
        // commands to some reader, and JSON gives the character back.
        _ => {
            for unit in one.encode_utf16(&mut [0; 2]) {
                out.extend_from_slice(br"\u");
                let [high, low] = unit.to_be_bytes();
                out.extend_from_slice(&hex(high));
                out.extend_from_slice(&hex(low));
            }
        }
    }
}

fn write_xml(one: char, out: &mut Vec<u8>) {
    match one {
        '&' => out.extend_from_slice(b"&amp;"),
        '<' => out.extend_from_slice(b"&lt;"),
        '>' => out.extend_from_slice(b"&gt;"),
        '"' => out.extend_from_slice(b"&quot;"),
        '\'' => out.extend_from_slice(b"&apos;"),
        '\\' => out.extend_from_slice(br"\x5c"),
        ' '..='~' => out.push(one as u8),
        // XML 1.0 cannot hold most control characters, not even as references.
        '\0'..='\x1f' | '\x7f' => write_hex(one as u8, out),
        _ => {
            let mut number = itoa::Buffer::new();
            out.extend_from_slice(b"&#");
            out.extend_from_slice(number.format(u32::from(one)).as_bytes());
            out.push(b';');
        }
    }
}

fn write_hex(byte: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(br"\x");
    out.extend_from_slice(&hex(byte));
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

static QUOTED_PLAIN: [bool; 256] = printable_without(br#""\"#);
/// What may delimit a bare value in CLF, CSV or JSON is not plain.
static BARE_PLAIN: [bool; 256] = printable_without(br#" "'\,;|<>&[]{}"#);
static BARE_OWN_PLAIN: [bool; 256] = printable_without(br#""'\,;|<>&"#);
static XML_PLAIN: [bool; 256] = printable_without(br#""'\<>&"#);

const fn printable_without(special: &[u8]) -> [bool; 256] {
    let mut table = [false; 256];
    let mut byte = b' ';
    while byte <= b'~' {
        table[byte as usize] = true;
        byte += 1;
    }
    let mut index = 0;
    while index < special.len() {
        table[special[index] as usize] = false;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn escaped(escape: Escape, text: &[u8]) -> String {
        let mut out = Vec::new();
        escape.write(text, &mut out);
        String::from_utf8(out).expect("escaped text is ASCII")
    }

    #[test]
    fn what_ends_a_string_or_a_line_is_escaped() {
        let text = b"a\"b\\c\r\nd\x1b\x7f\xc3\xa9\xff";
        assert_eq!(escaped(Escape::Quoted, text), r#"a\"b\\c\r\nd\u001b\u007f\u00e9\\xff"#);
        assert_eq!(escaped(Escape::Bare, text), r"a\x22b\x5cc\x0d\x0ad\x1b\x7f\xc3\xa9\xff");
        assert_eq!(escaped(Escape::Xml, text), r"a&quot;b\x5cc\x0d\x0ad\x1b\x7f&#233;\xff");
        assert_eq!(escaped(Escape::Bare, b"a b,c]"), r"a\x20b\x2cc\x5d");
        assert_eq!(escaped(Escape::BareOwn, b"GET /{id},"), r"GET /{id}\x2c");
        assert_eq!(escaped(Escape::Xml, b"<a&b>"), "&lt;a&amp;b&gt;");
    }

    #[test]
    fn the_fast_check_agrees_with_the_table() {
        for byte in 0..=u8::MAX {
            assert_eq!(is_quoted_plain(&[byte]), QUOTED_PLAIN[usize::from(byte)], "{byte}");
            let long = [[b'a'; 40].as_slice(), &[byte]].concat();
            assert_eq!(is_quoted_plain(&long), QUOTED_PLAIN[usize::from(byte)], "{byte}");
        }
    }

    proptest! {
        #[test]
        fn a_quoted_value_is_a_json_string_and_gives_the_text_back(text in ".*") {
            let json = format!("\"{}\"", escaped(Escape::Quoted, text.as_bytes()));
            prop_assert_eq!(serde_json::from_str::<String>(&json).expect("JSON"), text);
        }

        #[test]
        fn no_bytes_leave_printable_ascii_or_their_field(
            text in proptest::collection::vec(any::<u8>(), 0..64),
        ) {
            for escape in [Escape::Quoted, Escape::Bare, Escape::Xml] {
                let out = escaped(escape, &text);
                prop_assert!(out.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
                let json = serde_json::from_str::<String>(&format!("\"{out}\""));
                prop_assert!(escape != Escape::Quoted || json.is_ok());
                let forbidden: &[char] = match escape {
                    Escape::Bare => &[' ', ',', '"', ']', '}'],
                    Escape::Xml => &['<', '>', '"'],
                    _ => &[],
                };
                prop_assert!(!out.contains(forbidden));
            }
        }
    }
}
