//! Which integration response answers: by its `selectionPattern`.
//!
//! AWS matches the whole status, or the whole `errorMessage` of a function, with Java's regular
//! expressions. What of them is not in this crate's engine (looking around, back references,
//! possessive quantifiers) is refused when a pattern is compiled.

use regex_lite::{Regex, RegexBuilder};

use super::CompileError;

/// The patterns of a method's integration responses, in their order.
#[derive(Clone, Debug)]
pub struct ResponseSelection {
    patterns: Box<[Regex]>,
    /// The place of each pattern's response in the caller's list.
    places: Box<[usize]>,
    default: Option<usize>,
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
        let (mut compiled, mut places, mut errors) = (Vec::new(), Vec::new(), Vec::new());
        let mut default = None;
        for (place, pattern) in patterns.into_iter().enumerate() {
            match pattern.filter(|pattern| !pattern.is_empty()).map(compile_pattern) {
                None => default = default.or(Some(place)),
                Some(Err(error)) => errors.push(error),
                Some(Ok(pattern)) => {
                    compiled.push(pattern);
                    places.push(place);
                }
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        Ok(Self { patterns: compiled.into(), places: places.into(), default })
    }

    /// The place of the response for `text`: the first whose pattern matches all of it, else the
    /// default. With none the gateway is misconfigured (500 `API_CONFIGURATION_ERROR`).
    #[must_use]
    pub fn select(&self, text: &str) -> Option<usize> {
        let matching = self.patterns.iter().position(|pattern| pattern.is_match(text));
        matching.and_then(|index| self.places.get(index).copied()).or(self.default)
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
