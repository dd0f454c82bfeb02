//! Which integration response answers: by its `selectionPattern`.
//!
//! AWS matches the whole status, or the whole `errorMessage` of a function, with Java's regular
//! expressions. What of them is not in this crate's engine (looking around, back references,
//! possessive quantifiers) is refused when a pattern is compiled.

use std::ops::Range;

use regex_lite::{Regex, RegexBuilder};

use super::CompileError;

/// The patterns of a method's integration responses, in their order.
///
/// Statuses are few, so what each selects is worked out when patterns are compiled: the engine
/// runs for messages of functions only.
#[derive(Clone, Debug)]
pub struct ResponseSelection {
    /// Each pattern, and the place of its response in the caller's list.
    patterns: Box<[(Pattern, usize)]>,
    default: Option<usize>,
    by_status: Box<[Option<usize>]>,
}

#[derive(Clone, Debug)]
enum Pattern {
    /// No letter of it means anything but itself.
    Literal(Box<str>),
    Regex(Box<Regex>),
}

impl ResponseSelection {
    /// Compiles the pattern of each response; the first without one, or with an empty one, is the
    /// default.
    ///
    /// # Errors
    ///
    /// Every pattern that cannot be compiled.
    pub fn compile<'a>(
        patterns: impl IntoIterator<Item = Option<&'a str>>,
    ) -> Result<Self, Vec<CompileError>> {
        let (mut compiled, mut errors, mut default) = (Vec::new(), Vec::new(), None);
        for (place, pattern) in patterns.into_iter().enumerate() {
            match pattern.filter(|pattern| !pattern.is_empty()).map(Pattern::compile) {
                None => default = default.or(Some(place)),
                Some(Ok(pattern)) => compiled.push((pattern, place)),
                Some(Err(error)) => errors.push(error),
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let by_status = Box::default();
        let mut selection = Self { patterns: compiled.into(), default, by_status };
        selection.by_status =
            STATUSES.map(|status| selection.select(itoa::Buffer::new().format(status))).collect();
        Ok(selection)
    }

    /// The place of the response for an answer of this status.
    #[must_use]
    pub fn select_status(&self, status: u16) -> Option<usize> {
        let index = status.checked_sub(STATUSES.start).map(usize::from);
        let known = index.and_then(|index| self.by_status.get(index).copied());
        known.unwrap_or_else(|| self.select(itoa::Buffer::new().format(status)))
    }

    /// The place of the response for `text`: the first whose pattern matches all of it, else the
    /// default. With none the gateway is misconfigured (500 `API_CONFIGURATION_ERROR`).
    #[must_use]
    pub fn select(&self, text: &str) -> Option<usize> {
        let matching = self.patterns.iter().find(|(pattern, _)| pattern.matches(text));
        matching.map(|(_, place)| *place).or(self.default)
    }

    /// The place of the response that answers where there is nothing to match.
    #[must_use]
    pub fn default_place(&self) -> Option<usize> {
        self.default
    }
}

const STATUSES: Range<u16> = 100..600;

impl Pattern {
    fn compile(pattern: &str) -> Result<Self, CompileError> {
        if pattern.bytes().all(|byte| byte.is_ascii_alphanumeric() || b" _-".contains(&byte)) {
            return Ok(Self::Literal(pattern.into()));
        }
        compile_pattern(pattern).map(Box::new).map(Self::Regex)
    }

    fn matches(&self, text: &str) -> bool {
        match self {
            Self::Literal(literal) => **literal == *text,
            Self::Regex(regex) => regex.is_match(text),
        }
    }
}

fn compile_pattern(pattern: &str) -> Result<Regex, CompileError> {
    let fail = |reason: String| CompileError::new(pattern, reason);
    if let Some(unsupported) = find_unsupported(pattern) {
        return Err(fail(format!("{unsupported} is not supported in a selection pattern")));
    }
    let compiled = RegexBuilder::new(&format!("^(?:{pattern})$"))
        .size_limit(PATTERN_BYTES_MAX)
        .build()
        .map_err(|error| fail(format!("this is no regular expression: {error}")))?;
    // What closes the group around it, or comments it out, is no pattern alone.
    Regex::new(pattern).map_err(|error| fail(format!("this is no regular expression: {error}")))?;
    Ok(compiled)
}

/// Memory that one compiled pattern may take.
const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// What Java has and the engine would refuse without a name for it, or take for something else.
fn find_unsupported(pattern: &str) -> Option<&'static str> {
    let bytes = pattern.as_bytes();
    let (mut at, mut in_class) = (0, false);
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at + 1);
        match (byte, next) {
            (b'\\', Some(b'1'..=b'9' | b'k')) => return Some("a back reference"),
            (b'\\', Some(b'p' | b'P')) => return Some("a Unicode class"),
            (b'\\', Some(b'Q' | b'E')) => return Some("quoting with \\Q"),
            (b'\\', _) => at += 1,
            (b'[', _) if in_class => return Some("a class within a class"),
            (b'[', _) => {
                in_class = true;
                // A bracket at the start of a class is a character of it.
                at += usize::from(next == Some(&b'^'));
                at += usize::from(bytes.get(at + 1) == Some(&b']'));
            }
            (b']', _) => in_class = false,
            (b'&', Some(b'&')) if in_class => return Some("an intersection of classes"),
            (b'*' | b'+' | b'?' | b'}', Some(b'+')) if !in_class => {
                return Some("a possessive quantifier");
            }
            (b'(', Some(b'?')) if !in_class => match &bytes[at + 2..] {
                [b'=' | b'!', ..] | [b'<', b'=' | b'!', ..] => return Some("looking around"),
                [b'>', ..] => return Some("an atomic group"),
                _ => {}
            },
            _ => {}
        }
        at += 1;
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn select(patterns: &[Option<&str>], text: &str) -> Option<usize> {
        let selection = ResponseSelection::compile(patterns.iter().copied());
        let selection = selection.unwrap_or_else(|errors| panic!("{errors:?}"));
        if let Ok(status) = text.parse() {
            assert_eq!(selection.select_status(status), selection.select(text), "{text}");
        }
        selection.select(text)
    }

    #[test]
    fn a_pattern_matches_the_whole_text() {
        let patterns = [None, Some("4\\d{2}"), Some("5\\d{2}|404"), Some("200")];
        for (text, wanted) in [
            ("200", Some(3)),
            ("404", Some(1)),
            ("503", Some(2)),
            ("302", Some(0)),
            ("2000", Some(0)),
            ("1404", Some(0)),
            ("", Some(0)),
        ] {
            assert_eq!(select(&patterns, text), wanted, "{text}");
        }
        assert_eq!(select(&[Some("2|40")], "400"), None);
        assert_eq!(select(&[Some("ab|a")], "ab"), Some(0));
    }

    #[test]
    fn without_a_match_and_a_default_nothing_answers() {
        assert_eq!(select(&[Some("200")], "500"), None);
        assert_eq!(select(&[], "200"), None);
        assert_eq!(select(&[Some(""), None], "200"), Some(0));
    }

    /// AWS: "Handle Lambda errors in API Gateway" has `.*Malformed.*` and such.
    #[test]
    fn messages_of_functions_are_matched_too() {
        let patterns = [Some(".*Malformed.*"), Some("(?i).*TIMED out.*"), Some("(.|\\n)+")];
        assert_eq!(select(&patterns, "Malformed input: 1"), Some(0));
        assert_eq!(select(&patterns, "Task timed out after 3.00 seconds"), Some(1));
        assert_eq!(select(&patterns, "a\nMalformed"), Some(2));
        assert_eq!(select(&patterns, ""), None);
    }

    #[test]
    fn what_cannot_be_compiled_is_named() {
        for (pattern, reason) in [
            ("(?=a)b", "looking around"),
            ("(?<!a)b", "looking around"),
            ("(?>a)b", "an atomic group"),
            ("(a)\\1", "a back reference"),
            ("a*+", "a possessive quantifier"),
            ("a{2}+", "a possessive quantifier"),
            ("\\p{Lu}", "a Unicode class"),
            ("[a-z&&[^b]]", "an intersection of classes"),
            ("[a[b]]", "a class within a class"),
            ("(", "this is no regular expression"),
            ("a)(b", "this is no regular expression"),
            ("[", "this is no regular expression"),
        ] {
            let errors = ResponseSelection::compile([Some(pattern)]).expect_err(pattern);
            assert_eq!(errors.len(), 1);
            assert!(errors[0].reason.starts_with(reason), "{}", errors[0]);
        }
        for pattern in ["[*+]", "\\*+", "[]a]", "[^]a]b", "(?<name>a)", "\\++", "[\\]+]"] {
            let compiled = ResponseSelection::compile([Some(pattern)]);
            assert!(compiled.is_ok(), "{pattern}: {compiled:?}");
        }
    }

    proptest! {
        #[test]
        fn any_pattern_is_compiled_or_refused(pattern in "[a-c0-9()\\[\\]|*+?{},\\\\^$.&=!<>:#x-]{0,12}") {
            if let Ok(selection) = ResponseSelection::compile([Some(&*pattern)]) {
                for status in [0, 99, 100, 200, 404, 599, 600, u16::MAX] {
                    let _ = selection.select_status(status);
                }
                let _ = selection.select("abc 12");
            }
        }
    }
}
