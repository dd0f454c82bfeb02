//! Which integration response answers: by its `selectionPattern`.
//!
//! AWS matches the whole status, or the whole `errorMessage` of a function, with Java's regular
//! expressions. Of these, quoting with `\Q` alone is not in the engine, and is refused when a pattern
//! is compiled.

use std::ops::Range;

use fancy_regex::{Regex, RegexBuilder};

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
            // An error is a text that takes too many steps.
            Self::Regex(regex) => regex.is_match(text).unwrap_or(false),
        }
    }
}

fn compile_pattern(pattern: &str) -> Result<Regex, CompileError> {
    let fail = |reason: String| CompileError::new(pattern, reason);
    let build = |pattern: &str| {
        RegexBuilder::new(pattern)
            .backtrack_limit(BACKTRACKS_MAX)
            .delegate_size_limit(PATTERN_BYTES_MAX)
            .max_prog_size(PATTERN_STEPS_MAX)
            .build()
            .map_err(|error| fail(format!("this is no regular expression: {error}")))
    };
    if pattern.contains("\\Q") {
        return Err(fail("quoting with \\Q is not supported in a selection pattern".to_owned()));
    }
    // What closes the group around it, or comments it out, is no pattern alone.
    build(pattern)?;
    build(&format!("^(?:{pattern})$"))
}

/// Memory that the part of a pattern may take that needs no backtracking.
const PATTERN_BYTES_MAX: usize = 256 * 1024;
/// Instructions of the part that does: subroutines and repetitions are written out.
const PATTERN_STEPS_MAX: usize = 10_000;
/// Steps of one match that looks around or refers back, some hundred microseconds: a text that takes
/// more is not matched.
const BACKTRACKS_MAX: usize = 10_000;

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
            ("\\Qa.b\\E", "quoting with \\Q"),
            ("(", "this is no regular expression"),
            ("a)(b", "this is no regular expression"),
            ("[", "this is no regular expression"),
        ] {
            let errors = ResponseSelection::compile([Some(pattern)]).expect_err(pattern);
            assert_eq!(errors.len(), 1);
            assert!(errors[0].reason.starts_with(reason), "{}", errors[0]);
        }
    }

    #[test]
    fn patterns_are_those_of_java() {
        for (pattern, matching, other) in [
            ("^(?!200$)\\d+", "404", "200"),
            (".*(?<!not )found", "is found", "is not found"),
            ("(\\d)\\1\\d", "224", "204"),
            ("(?>4\\d+)", "404", "504"),
            ("4\\d*+", "404", "504"),
            ("\\p{Lu}.*", "Éa", "éa"),
            ("[a-z&&[^b]]+", "ac", "abc"),
            ("[a[b]]+", "ab", "abc"),
            ("[*+]", "+", "a"),
            ("\\*+", "**", "*a"),
            ("(?<name>a)", "a", "b"),
        ] {
            assert_eq!(select(&[Some(pattern)], matching), Some(0), "{pattern}");
            assert_eq!(select(&[Some(pattern)], other), None, "{pattern}");
        }
    }

    #[test]
    fn a_pattern_takes_no_more_memory_than_it_may() {
        let bombs = [
            "((a{1000}){1000}){1000}",
            "(?=x)((a{1000}){1000}){1000}",
            "((\\1a{900}){900}){900}",
            "(?<x>a|b\\g<x>{99}\\g<x>{99}){99}",
        ];
        for bomb in bombs {
            // Whether it is refused or not, it is over soon.
            let _ = ResponseSelection::compile([Some(bomb)]);
        }
    }

    #[test]
    fn a_match_takes_no_more_steps_than_it_may() {
        let text = "a".repeat(64);
        assert_eq!(select(&[Some("(?=x?)(a*)*\\1b")], &text), None);
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
