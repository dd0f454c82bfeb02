//! One thing that an expression reads, and how it reads as text.

use super::{ContextVariable, Facts, JsonPath, MappingFault, NameCase, Pick, Scratch};
use crate::base::write_json_string;

/// What an expression names, found when it was compiled.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Source {
    /// Text of the API's author; values of stage variables are such text too. An empty one, which
    /// a variable that the stage does not have is, is no value.
    Static(Box<str>),
    RequestHeader(Box<str>, NameCase, Pick),
    RequestQuery(Box<str>, Pick),
    PathParameter(Box<str>),
    /// A parameter of the path, else of the query, else a header.
    AnyParameter(Box<str>),
    RequestPath,
    RequestBody(BodyRules),
    RequestJson(JsonPath, BodyRules),
    Context(ContextVariable),
    AnswerHeader(Box<str>, NameCase, Pick),
    AnswerBody(BodyRules),
    AnswerJson(JsonPath, BodyRules),
}

/// How much of a body a path sees, and what becomes of one that is no JSON.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BodyRules {
    /// All of it; one that begins like JSON and is none is a fault.
    Rest,
    /// Its start; if that is no JSON there is no value.
    Http,
}

impl Source {
    pub(super) fn needs_request_body(&self) -> bool {
        matches!(self, Self::RequestBody(..) | Self::RequestJson(..))
    }

    pub(super) fn needs_answer_body(&self) -> bool {
        matches!(self, Self::AnswerBody(..) | Self::AnswerJson(..))
    }

    /// Appends the value as a part of a header's: the lines of a certificate, which the gateway
    /// writes itself, become one (RFC 9110 section 5.5); any other control character is left for
    /// the caller to find.
    pub(super) fn write_line(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        let start = out.len();
        let found = self.write(facts, scratch, out)?;
        if *self == Self::Context(ContextVariable::ClientCertPem) {
            let breaks = out[start..].iter_mut().filter(|byte| matches!(byte, b'\r' | b'\n'));
            breaks.for_each(|byte| *byte = b' ');
        }
        Ok(found)
    }

    /// Appends the value and answers whether there is one. On an error `out` is as it was.
    pub(super) fn write(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        let found = match self {
            Self::Static(text) => write_some(Some(text.as_bytes()), out) && !text.is_empty(),
            Self::RequestHeader(name, case, pick) => facts.request_header(name, *case, *pick, out),
            Self::RequestQuery(name, pick) => facts.request_query(name, *pick, out),
            Self::PathParameter(name) => facts.path_parameter(name, out),
            Self::AnyParameter(name) => write_parameter(name, facts, out),
            Self::RequestPath => facts.request_path(out),
            Self::RequestBody(BodyRules::Http) => write_some(facts.request_body(), out),
            Self::RequestBody(BodyRules::Rest) => {
                scratch.request_json(facts)?;
                write_body(facts.request_body(), out)
            }
            Self::RequestJson(path, BodyRules::Rest) => {
                path.write_text(scratch.request_json(facts)?, out)
            }
            Self::RequestJson(path, BodyRules::Http) => {
                scratch.request_start_json(facts).is_some_and(|json| path.write_text(json, out))
            }
            Self::Context(variable) => write_context(variable, facts, out),
            Self::AnswerHeader(name, case, pick) => facts.answer_header(name, *case, *pick, out),
            Self::AnswerBody(BodyRules::Http) => write_some(facts.answer_body(), out),
            Self::AnswerBody(BodyRules::Rest) => {
                scratch.answer_json(facts)?;
                write_body(facts.answer_body(), out)
            }
            Self::AnswerJson(path, BodyRules::Rest) => {
                path.write_text(scratch.answer_json(facts)?, out)
            }
            Self::AnswerJson(path, BodyRules::Http) => {
                scratch.answer_start_json(facts).is_some_and(|json| path.write_text(json, out))
            }
        };
        Ok(found)
    }
}

fn write_some(value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    value.inspect(|value| out.extend_from_slice(value)).is_some()
}

/// A body as REST mappings write it: without blanks around it, and an empty one is `{}`.
fn write_body(body: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    let body = body.unwrap_or_default().trim_ascii();
    write_some(Some(if body.is_empty() { b"{}" } else { body }), out)
}

/// In the order of `$input.params(name)`.
fn write_parameter(name: &str, facts: &impl Facts, out: &mut Vec<u8>) -> bool {
    facts.path_parameter(name, out)
        || facts.request_query(name, Pick::Last, out)
        || facts.request_header(name, NameCase::Exact, Pick::Last, out)
}

/// `$context.error.messageString` is the message as a JSON string, or `null`.
fn write_context(variable: &ContextVariable, facts: &impl Facts, out: &mut Vec<u8>) -> bool {
    if *variable != ContextVariable::ErrorMessageString {
        return facts.context(variable, out);
    }
    let start = out.len();
    if !facts.context(&ContextVariable::ErrorMessage, out) {
        out.extend_from_slice(b"null");
        return true;
    }
    let message = out.split_off(start);
    write_json_string(out, &message);
    true
}
