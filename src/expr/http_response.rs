//! Parameter mappings of HTTP APIs on the way back: by the status of the integration's answer.
//!
//! The order of operations is that of the request's.

use super::http_key::{
    Action, check_static, compile_header, compile_value, split_key, write_header,
};
use super::http_value::{HttpValue, Side};
use super::{CompileError, Facts, MappingFault, Scope, Scratch};

/// `responseParameters` of an integration.
#[derive(Clone, Debug, Default)]
pub struct HttpResponseMappings {
    by_status: Vec<(u16, HttpResponseMapping)>,
}

/// What `responseParameters` of an integration say for one status.
#[derive(Clone, Debug, Default)]
pub struct HttpResponseMapping {
    operations: Vec<ResponseOperation>,
}

/// One change of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct ResponseOperation {
    action: Action,
    target: ResponseTarget,
    value: HttpValue,
}

/// What of an answer is changed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ResponseTarget {
    /// A header, whose name is compared without case.
    Header(Box<str>),
    /// The status; only ever overwritten.
    Status,
}

impl HttpResponseMappings {
    /// Compiles what is said for each status.
    ///
    /// # Errors
    ///
    /// Every status and every pair that is none.
    pub fn compile<'a, P>(
        by_status: impl IntoIterator<Item = (&'a str, P)>,
        scope: &Scope<'_>,
    ) -> Result<Self, Vec<CompileError>>
    where
        P: IntoIterator<Item = (&'a str, &'a str)>,
    {
        let (mut compiled, mut errors) = (Vec::new(), Vec::new());
        for (status, parameters) in by_status {
            match parse_status(status.as_bytes()) {
                Some(status) => match HttpResponseMapping::compile(parameters, scope) {
                    Ok(mapping) => compiled.push((status, mapping)),
                    Err(wrong) => errors.extend(wrong),
                },
                None => errors.push(CompileError::new(status, "this is no status of an answer")),
            }
        }
        if errors.is_empty() { Ok(Self { by_status: compiled }) } else { Err(errors) }
    }

    /// What is said for answers of this status.
    #[must_use]
    pub fn find(&self, status: u16) -> Option<&HttpResponseMapping> {
        self.by_status.iter().find(|(one, _)| *one == status).map(|(_, mapping)| mapping)
    }
}

impl HttpResponseMapping {
    fn compile<'a>(
        parameters: impl IntoIterator<Item = (&'a str, &'a str)>,
        scope: &Scope<'_>,
    ) -> Result<Self, Vec<CompileError>> {
        let (mut operations, mut errors) = (Vec::new(), Vec::new());
        for (key, value) in parameters {
            match ResponseOperation::compile(key, value, scope) {
                Ok(operation) => operations.extend(operation),
                Err(error) => errors.push(error),
            }
        }
        operations.sort_by_key(|operation| operation.action);
        if errors.is_empty() { Ok(Self { operations }) } else { Err(errors) }
    }

    /// The changes, in their order.
    #[must_use]
    pub fn operations(&self) -> &[ResponseOperation] {
        &self.operations
    }

    /// Whether the answer's body must be kept for this.
    #[must_use]
    pub fn needs_answer_body(&self) -> bool {
        self.operations.iter().any(|operation| operation.value.needs_answer_body())
    }

    /// The status that the client sees, if the mapping says so. What is no status says nothing.
    pub fn status(&self, facts: &impl Facts, scratch: &mut Scratch) -> Option<u16> {
        let is_status = |one: &&ResponseOperation| one.target == ResponseTarget::Status;
        let operation = self.operations.iter().find(is_status)?;
        let (mut digits, mut length) = ([0_u8; 3], 0_usize);
        operation.value.each_piece(facts, scratch, |_, text| {
            for byte in text {
                if let Some(digit) = digits.get_mut(length) {
                    *digit = *byte;
                }
                length += 1;
            }
        });
        parse_status(digits.get(..length)?)
    }
}

impl ResponseOperation {
    fn compile(key: &str, value: &str, scope: &Scope<'_>) -> Result<Option<Self>, CompileError> {
        let (action, place, name) = split_key(key)?;
        let target = match (place, name, action) {
            ("header", Some(name), _) => ResponseTarget::Header(compile_header(key, name)?),
            ("statuscode", None, Action::Overwrite) => ResponseTarget::Status,
            _ => return Err(CompileError::new(key, RESPONSE_KEYS)),
        };
        let compiled = compile_value(action, value, Side::Response, scope)?;
        check_static(key, matches!(target, ResponseTarget::Header(_)), compiled.as_ref())?;
        let text = compiled.as_ref().and_then(HttpValue::as_static);
        if target == ResponseTarget::Status
            && text.is_some_and(|text| parse_status(text.as_bytes()).is_none())
        {
            return Err(CompileError::new(value, "this is no status of an answer"));
        }
        Ok(compiled.map(|value| Self { action, target, value }))
    }

    /// What is done.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// What it is done to.
    #[must_use]
    pub fn target(&self) -> &ResponseTarget {
        &self.target
    }

    /// Appends the value of a header and answers whether there is one. An operation without a
    /// value changes nothing, unless it removes; the status is
    /// [`HttpResponseMapping::status`]'s.
    ///
    /// # Errors
    ///
    /// A value that no header can have; `out` is then as it was.
    pub fn write_value(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        if self.action == Action::Remove {
            return Ok(false);
        }
        write_header(&self.value, facts, scratch, MappingFault::UnfitAnswerHeader, out)
    }
}

const RESPONSE_KEYS: &str =
    "a key is append, overwrite or remove with `:header.NAME`, or `overwrite:statuscode`";

/// That of a final answer: an interim one would leave the client waiting for another.
fn parse_status(text: &[u8]) -> Option<u16> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.len() == 3)?;
    text.parse().ok().filter(|status| (200..=599).contains(status))
}

#[cfg(test)]
mod tests {
    use super::super::test_facts::{TestFacts, list};
    use super::*;

    const NO_SCOPE: Scope<'static> = Scope { stage_variables: &|_| None, greedy: None };

    fn responses(by_status: &[(&str, &[(&str, &str)])]) -> HttpResponseMappings {
        let by_status = by_status.iter().map(|(status, pairs)| (*status, pairs.iter().copied()));
        HttpResponseMappings::compile(by_status, &NO_SCOPE)
            .unwrap_or_else(|errors| panic!("{errors:?}"))
    }

    #[test]
    fn what_is_no_key_is_said() {
        for key in ["append:querystring.a", "overwrite:path", "append:statuscode"] {
            let compiled = HttpResponseMappings::compile([("200", [(key, "201")])], &NO_SCOPE);
            assert!(compiled.is_err(), "{key}");
        }
        for status in ["", "2xx", "99", "100", "199", "600", "0200"] {
            let compiled = HttpResponseMappings::compile([(status, [])], &NO_SCOPE);
            assert!(compiled.is_err(), "{status}");
        }
        for value in ["abc", "101", "600"] {
            let status = [("200", [("overwrite:statuscode", value)])];
            assert!(HttpResponseMappings::compile(status, &NO_SCOPE).is_err(), "{value}");
        }
    }

    #[test]
    fn answers_are_changed_by_their_status() {
        let mappings = responses(&[
            (
                "500",
                &[("append:header.header1", "$context.requestId"), ("overwrite:statuscode", "403")],
            ),
            (
                "404",
                &[("append:header.error", "${response.body.a}"), ("remove:header.server", "''")],
            ),
        ]);
        let facts = TestFacts {
            context: list(&[("requestId", "id-1")]),
            answer_body: Some(b"{\"a\": \"b\\rc\"}".to_vec()),
            ..TestFacts::default()
        };
        let mut scratch = Scratch::new();
        assert!(mappings.find(200).is_none());
        let failed = mappings.find(500).expect("a mapping");
        assert_eq!(failed.status(&facts, &mut scratch), Some(403));
        assert!(!failed.needs_answer_body());
        let header = failed.operations().last().expect("an operation");
        let mut out = Vec::new();
        assert_eq!(header.write_value(&facts, &mut scratch, &mut out), Ok(true));
        assert_eq!(out, b"id-1");
        let missing = mappings.find(404).expect("a mapping");
        assert!(missing.needs_answer_body());
        assert_eq!(missing.status(&facts, &mut scratch), None);
        let header = missing.operations().last().expect("an operation");
        let unfit = Err(MappingFault::UnfitAnswerHeader);
        assert_eq!(header.write_value(&facts, &mut scratch, &mut out), unfit);
        assert_eq!(out, b"id-1");
        assert!(missing.operations()[0].action() == Action::Remove);
    }

    #[test]
    fn a_status_may_be_a_variable() {
        let mappings = responses(&[("200", &[("overwrite:statuscode", "${response.header.s}")])]);
        let status = |text: &str| {
            let facts = TestFacts { answer_headers: list(&[("S", text)]), ..TestFacts::default() };
            mappings.find(200).and_then(|one| one.status(&facts, &mut Scratch::new()))
        };
        assert_eq!(status("201"), Some(201));
        for text in ["", "20", "2000", "099", "600", "+20", "2 0"] {
            assert_eq!(status(text), None, "{text}");
        }
    }
}
