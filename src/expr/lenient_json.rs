//! JSON as mock integrations read it: names may stand without quotes, and strings in single ones.

/// The text is not JSON, even so.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct NotJson;

/// The integer that the object in `text` has under `name`; `None` if it has none, or `text` holds
/// another value than an object.
pub(super) fn find_integer(text: &str, name: &str) -> Result<Option<i64>, NotJson> {
    let mut reader = Reader { rest: text };
    reader.skip_blanks();
    let found = match reader.peek() {
        Some('{') => reader.object(Some(name), DEPTH_MAX)?,
        _ => {
            reader.value(DEPTH_MAX)?;
            None
        }
    };
    reader.skip_blanks();
    if reader.rest.is_empty() { Ok(found) } else { Err(NotJson) }
}

/// As deep as bodies may nest.
const DEPTH_MAX: u32 = 128;

struct Reader<'a> {
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn take(&mut self, token: char) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn expect(&mut self, token: char) -> Result<(), NotJson> {
        if self.take(token) { Ok(()) } else { Err(NotJson) }
    }

    fn skip_blanks(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    /// Reads an object and the last integer that it has under `name`.
    fn object(&mut self, name: Option<&str>, depth: u32) -> Result<Option<i64>, NotJson> {
        let mut found = None;
        self.expect('{')?;
        self.skip_blanks();
        if self.take('}') {
            return Ok(found);
        }
        loop {
            self.skip_blanks();
            let is_it = name == Some(self.member_name()?);
            self.skip_blanks();
            self.expect(':')?;
            let value = self.value(depth.checked_sub(1).ok_or(NotJson)?)?;
            if is_it {
                found = value;
            }
            self.skip_blanks();
            if !self.take(',') {
                break;
            }
        }
        self.expect('}')?;
        Ok(found)
    }

    fn array(&mut self, depth: u32) -> Result<(), NotJson> {
        self.expect('[')?;
        self.skip_blanks();
        if self.take(']') {
            return Ok(());
        }
        loop {
            self.value(depth.checked_sub(1).ok_or(NotJson)?)?;
            self.skip_blanks();
            if !self.take(',') {
                break;
            }
        }
        self.expect(']')
    }

    /// A name as it is written: one with an escape is no name that is looked for.
    fn member_name(&mut self) -> Result<&'a str, NotJson> {
        if matches!(self.peek(), Some('"' | '\'')) {
            return self.string();
        }
        let is_letter = |one: char| one.is_alphanumeric() || one == '_' || one == '-';
        self.word(is_letter)
    }

    fn word(&mut self, is_letter: impl Fn(char) -> bool) -> Result<&'a str, NotJson> {
        let end = self.rest.find(|one| !is_letter(one)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        if word.is_empty() { Err(NotJson) } else { Ok(word) }
    }

    /// Reads a value; the answer is its number if it is an integer.
    fn value(&mut self, depth: u32) -> Result<Option<i64>, NotJson> {
        self.skip_blanks();
        match self.peek().ok_or(NotJson)? {
            '{' => self.object(None, depth).map(|_| None),
            '[' => self.array(depth).map(|()| None),
            '"' | '\'' => self.string().map(|_| None),
            _ => self.scalar(),
        }
    }

    fn scalar(&mut self) -> Result<Option<i64>, NotJson> {
        let is_letter = |one: char| one.is_ascii_alphanumeric() || "+-.".contains(one);
        let word = self.word(is_letter)?;
        match serde_json::from_str::<serde_json::Value>(word) {
            Ok(value) => Ok(value.as_i64()),
            Err(_) => Err(NotJson),
        }
    }

    /// A string, without its quotes and with its escapes as they are.
    fn string(&mut self) -> Result<&'a str, NotJson> {
        let quote = self.peek().ok_or(NotJson)?;
        let inner = self.rest.get(1..).ok_or(NotJson)?;
        let mut is_escaped = false;
        for (at, letter) in inner.char_indices() {
            match letter {
                _ if is_escaped => is_escaped = false,
                '\\' => is_escaped = true,
                _ if letter == quote => {
                    self.rest = inner.get(at + 1..).ok_or(NotJson)?;
                    return inner.get(..at).ok_or(NotJson);
                }
                _ => {}
            }
        }
        Err(NotJson)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_need_no_quotes() {
        for (text, wanted) in [
            (r#"{"a": 1}"#, Some(1)),
            ("{a: 1}", Some(1)),
            ("{'a': -1}", Some(-1)),
            (" {b: {a: 2}, c: [1, {a: 3}], 'd': \"}\", a: 4, e: 'it\\'s'}\n", Some(4)),
            ("{a: 1, a: 2}", Some(2)),
            ("{a: 1.5}", None),
            ("{a: '1'}", None),
            ("{a: null}", None),
            ("{a: 99999999999999999999}", None),
            ("{}", None),
            ("[]", None),
            ("[1, {a: 1}]", None),
            ("1", None),
            ("'a'", None),
        ] {
            assert_eq!(find_integer(text, "a"), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn the_rest_is_not_json() {
        let cases =
            "|a|{|{a}|{a:}|{a 1}|{a: 1,}|{a: 1} x|{a: 1}{|[1|[1,]|{'a: 1}|{a: b}|{: 1}|{a: 01}";
        for text in cases.split('|') {
            assert_eq!(find_integer(text, "a"), Err(NotJson), "{text}");
        }
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(find_integer(&nested(100), "a"), Ok(None));
        assert_eq!(find_integer(&nested(100_000), "a"), Err(NotJson));
    }

    proptest! {
        #[test]
        fn any_text_is_answered(text in "[{}\\[\\]a:,'\"\\\\0-9 \u{e9}-]{0,24}") {
            let _ = find_integer(&text, "a");
        }

        #[test]
        fn what_is_json_is_read_as_json(members in prop::collection::vec(("[ab]", any::<i32>()), 0..4)) {
            let object: serde_json::Map<_, _> =
                members.into_iter().map(|(name, value)| (name, value.into())).collect();
            let wanted = object.get("a").and_then(serde_json::Value::as_i64);
            let text = serde_json::Value::Object(object).to_string();
            prop_assert_eq!(find_integer(&text, "a"), Ok(wanted));
        }
    }
}
