//! What evaluations of one exchange share: its bodies, parsed once, and a buffer.

use serde_json::Value;

use super::{Facts, MappingFault};
use crate::base::limits::{JSON_VALUES_MAX, MAPPED_BODY_BYTES_MAX};

/// Kept by a worker from one exchange to the next, so that evaluating allocates nothing in the
/// steady state; only a body that an expression looks into is built as a tree.
///
/// # Invariants
///
/// - What is parsed belongs to one exchange: [`Scratch::clear`] comes before the next.
#[derive(Debug, Default)]
pub struct Scratch {
    /// Values before they are encoded. Taken and put back by whoever writes.
    pub(super) text: Vec<u8>,
    /// Single values while several are visited.
    pub(super) decoded: Vec<u8>,
    request: Slot,
    request_start: Slot,
    answer: Slot,
    answer_start: Slot,
}

#[derive(Debug, Default)]
enum Slot {
    #[default]
    Unread,
    Json(Value),
    Invalid,
    TooLarge,
}

impl Scratch {
    /// Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets what was read of an exchange.
    pub fn clear(&mut self) {
        self.request = Slot::Unread;
        self.request_start = Slot::Unread;
        self.forget_answer();
    }

    /// Forgets what was read of an answer, before another is asked for.
    pub fn forget_answer(&mut self) {
        self.answer = Slot::Unread;
        self.answer_start = Slot::Unread;
    }

    /// The request's body as REST mappings see it.
    pub(super) fn request_json(&mut self, facts: &impl Facts) -> Result<&Value, MappingFault> {
        let slot = self.request.read(|| parse_rest(facts.request_body().unwrap_or_default()));
        slot.json(MappingFault::InvalidRequestJson, MappingFault::RequestJsonTooLarge)
    }

    /// The answer's body as REST mappings see it.
    pub(super) fn answer_json(&mut self, facts: &impl Facts) -> Result<&Value, MappingFault> {
        let slot = self.answer.read(|| parse_rest(facts.answer_body().unwrap_or_default()));
        slot.json(MappingFault::InvalidAnswerJson, MappingFault::AnswerJsonTooLarge)
    }

    /// The request's body as mappings of HTTP APIs see it.
    pub(super) fn request_start_json(&mut self, facts: &impl Facts) -> Option<&Value> {
        self.request_start.read(|| parse_start(facts.request_body().unwrap_or_default())).found()
    }

    /// The answer's body as mappings of HTTP APIs see it.
    pub(super) fn answer_start_json(&mut self, facts: &impl Facts) -> Option<&Value> {
        self.answer_start.read(|| parse_start(facts.answer_body().unwrap_or_default())).found()
    }
}

impl Slot {
    fn read(&mut self, parse: impl FnOnce() -> Self) -> &Self {
        if matches!(self, Self::Unread) {
            *self = parse();
        }
        self
    }

    fn json(&self, invalid: MappingFault, large: MappingFault) -> Result<&Value, MappingFault> {
        match self {
            Self::Json(value) => Ok(value),
            Self::TooLarge => Err(large),
            Self::Invalid | Self::Unread => Err(invalid),
        }
    }

    fn found(&self) -> Option<&Value> {
        match self {
            Self::Json(value) => Some(value),
            Self::Unread | Self::Invalid | Self::TooLarge => None,
        }
    }
}

/// A body is JSON if it begins like it; any other has no members, and an empty one is an object.
fn parse_rest(body: &[u8]) -> Slot {
    let body = body.trim_ascii();
    match body.first() {
        Some(b'{' | b'[' | b'"' | b'\'') => parse(body),
        _ => Slot::Json(Value::Object(serde_json::Map::new())),
    }
}

/// AWS cuts the body and applies the path to what is left; what was cut inside is no JSON.
fn parse_start(body: &[u8]) -> Slot {
    parse(&body[..body.len().min(MAPPED_BODY_BYTES_MAX)])
}

fn parse(body: &[u8]) -> Slot {
    if holds_too_many_values(body) {
        return Slot::TooLarge;
    }
    serde_json::from_slice(body).map_or(Slot::Invalid, Slot::Json)
}

/// A tree takes some 70 bytes for a value that takes two in the text, so the text alone does not
/// bound it. Each value but the first follows one of these bytes.
fn holds_too_many_values(body: &[u8]) -> bool {
    let marks = || body.iter().filter(|byte| matches!(byte, b',' | b'[' | b'{' | b':')).count();
    body.len() > JSON_VALUES_MAX && marks() > JSON_VALUES_MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::expr::test_facts::TestFacts;

    #[test]
    fn a_body_that_does_not_begin_like_json_has_no_members() {
        for body in ["", "  ", "abc", "17", "true", "null", "{}", "a{"] {
            let facts = TestFacts::with_request_body(body);
            assert_eq!(Scratch::new().request_json(&facts), Ok(&serde_json::json!({})), "{body}");
        }
        for body in ["{", "[1", "\"a", "'a'", " {a: 1}", "{} x"] {
            let facts = TestFacts::with_request_body(body);
            let fault = MappingFault::InvalidRequestJson;
            assert_eq!(Scratch::new().request_json(&facts), Err(fault), "{body}");
        }
        let facts = TestFacts { answer_body: Some(b"{".to_vec()), ..TestFacts::default() };
        assert_eq!(Scratch::new().answer_json(&facts), Err(MappingFault::InvalidAnswerJson));
    }

    #[test]
    fn a_body_is_parsed_once_until_it_is_forgotten() {
        let mut scratch = Scratch::new();
        let first = TestFacts::with_request_body("[1]");
        let second = TestFacts::with_request_body("[2]");
        assert_eq!(scratch.request_json(&first), Ok(&serde_json::json!([1])));
        assert_eq!(scratch.request_json(&second), Ok(&serde_json::json!([1])));
        scratch.clear();
        assert_eq!(scratch.request_json(&second), Ok(&serde_json::json!([2])));
    }

    #[test]
    fn http_apis_see_the_start_of_a_body_only() {
        let json = |bytes: usize| format!("\"{}\"", "a".repeat(bytes - 2));
        for (bytes, is_seen) in [
            (MAPPED_BODY_BYTES_MAX - 1, true),
            (MAPPED_BODY_BYTES_MAX, true),
            (MAPPED_BODY_BYTES_MAX + 1, false),
        ] {
            let facts = TestFacts::with_request_body(&json(bytes));
            assert_eq!(Scratch::new().request_start_json(&facts).is_some(), is_seen, "{bytes}");
        }
    }

    #[test]
    fn a_tree_has_a_bound() {
        let body = |count: usize| format!("[1{}]", ",1".repeat(count - 1));
        for (count, is_large) in [(JSON_VALUES_MAX, false), (JSON_VALUES_MAX + 1, true)] {
            let facts = TestFacts::with_request_body(&body(count));
            let mut scratch = Scratch::new();
            let found = scratch.request_json(&facts);
            assert_eq!(found.err() == Some(MappingFault::RequestJsonTooLarge), is_large, "{count}");
        }
    }
}
