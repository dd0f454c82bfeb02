//! JSONPath as parameter mappings use it, over a parsed body.
//!
//! Names, indices (from the end, too), unions, slices, wildcards, and one recursive descent.
//! Filters and functions are refused when a path is compiled. As in the library that AWS refers to
//! ("JSONPath for Java"), a path that can name one place only gives that value or nothing, and any
//! other gives an array of what it found.

use std::io::Write as _;

use serde_json::Value;

use super::CompileError;
use super::path_parser::{Parser, Step};
use crate::base::limits::JSON_PATH_STEPS_MAX;

/// A compiled path.
///
/// # Invariants
///
/// - At most one step is a descent, and no union names a member twice, so that evaluating visits
///   each value of the body at most once for each step.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Box<[Step]>,
    is_definite: bool,
}

/// What a path found.
#[derive(Clone, Debug, PartialEq)]
pub enum Found<'v> {
    /// The one value that a definite path names.
    One(&'v Value),
    /// What any other path matched, in the order of the body; maybe nothing.
    Many(Vec<&'v Value>),
}

impl JsonPath {
    /// Compiles a path that begins with `$`.
    ///
    /// # Errors
    ///
    /// What is no path, has more steps than [`JSON_PATH_STEPS_MAX`], or uses what is not supported.
    pub fn compile(text: &str) -> Result<Self, CompileError> {
        let fail = |reason: String| CompileError::new(text, reason);
        let rest = text.strip_prefix('$').ok_or_else(|| fail("a path begins with `$`".into()))?;
        let steps = Parser::new(rest).parse().map_err(fail)?;
        if steps.len() > JSON_PATH_STEPS_MAX {
            return Err(fail(format!("a path has at most {JSON_PATH_STEPS_MAX} steps")));
        }
        if steps.iter().filter(|step| matches!(step, Step::Descend)).count() > 1 {
            return Err(fail("a path descends with `..` at most once".into()));
        }
        let is_definite = steps.iter().all(|step| matches!(step, Step::Name(_) | Step::Index(_)));
        Ok(Self { steps: steps.into(), is_definite })
    }

    /// Compiles what follows `body` in a mapping: `.name`, `[0]`, or more of them.
    pub(super) fn compile_tail(text: &str) -> Result<Self, CompileError> {
        Self::compile(&format!("${text}"))
    }

    /// Whether the path has a recursive descent, which HTTP APIs refuse.
    #[must_use]
    pub fn descends(&self) -> bool {
        self.steps.iter().any(|step| matches!(step, Step::Descend))
    }

    /// What the path names in `root`; `None` if it is definite and names nothing.
    #[must_use]
    pub fn find<'v>(&self, root: &'v Value) -> Option<Found<'v>> {
        if self.is_definite {
            let mut steps = self.steps.iter();
            return steps.try_fold(root, |value, step| step.child(value)).map(Found::One);
        }
        let mut matches = vec![root];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in matches {
                step.push_matches(value, &mut next);
            }
            matches = next;
        }
        Some(Found::Many(matches))
    }

    /// Appends what the path names as text, and answers whether it names a value: `null` is none.
    pub fn write_text(&self, root: &Value, out: &mut Vec<u8>) -> bool {
        self.find(root).is_some_and(|found| found.write_text(out))
    }
}

impl Found<'_> {
    /// Appends the value as a mapping writes it: a string bare, anything else as JSON. `null` is
    /// no value.
    pub fn write_text(&self, out: &mut Vec<u8>) -> bool {
        match self {
            Self::One(Value::Null) => return false,
            Self::One(Value::String(text)) => out.extend_from_slice(text.as_bytes()),
            Self::One(_) | Self::Many(_) => self.write_json(out),
        }
        true
    }

    /// Appends the value as JSON without blanks.
    pub fn write_json(&self, out: &mut Vec<u8>) {
        let written = match self {
            Self::One(value) => serde_json::to_writer(out, value),
            Self::Many(values) => serde_json::to_writer(out, values),
        };
        written.expect("a vector takes everything, and values have string keys");
    }
}

/// Appends `text` as a JSON string with its quotes.
pub(super) fn write_json_string(text: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    write_json_escaped(text, out);
    out.push(b'"');
}

/// Appends `text` as it stands between the quotes of a JSON string.
pub(super) fn write_json_escaped(text: &str, out: &mut Vec<u8>) {
    for one in text.chars() {
        match one {
            '"' | '\\' => out.extend_from_slice(&[b'\\', one as u8]),
            '\n' => out.extend_from_slice(b"\\n"),
            '\r' => out.extend_from_slice(b"\\r"),
            '\t' => out.extend_from_slice(b"\\t"),
            '\0'..='\x1f' => {
                write!(out, "\\u{:04x}", u32::from(one)).expect("a vector takes everything");
            }
            _ => out.extend_from_slice(one.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}
