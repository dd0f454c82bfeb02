//! The right sides of REST parameter mappings.

use super::source::{BodyRules, Source};
use super::{CompileError, ContextVariable, Facts, JsonPath, MappingFault, NameCase, Pick, Scope};
use super::{Scratch, header};

/// Where an expression may stand, which decides what it may name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// On the way to the integration: `method.request`.
    Request,
    /// On the way back: `integration.response`.
    Answer,
    /// In an answer of the gateway's own: parameters of `method.request`, no body.
    Gateway,
}

/// A compiled right side.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RestValue {
    pub(super) source: Source,
    /// All values of one query parameter, kept apart where there is room for several.
    pub(super) is_multi_query: bool,
    is_answer: bool,
}

impl RestValue {
    pub(super) fn compile(text: &str, side: Side, scope: &Scope<'_>) -> Result<Self, CompileError> {
        let source =
            compile_source(text, side, scope).map_err(|reason| CompileError::new(text, reason))?;
        Ok(Self {
            source,
            is_multi_query: text.starts_with("method.request.multivaluequerystring."),
            is_answer: side == Side::Answer,
        })
    }

    /// Appends the value and answers whether there is one: an empty one is none.
    pub(super) fn write(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        let start = out.len();
        Ok(self.source.write(facts, scratch, out)? && out.len() > start)
    }

    /// The same for the value of a header, which holds no control character. On an error `out` is
    /// as it was.
    pub(super) fn write_header(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        let start = out.len();
        let found = self.write(facts, scratch, out)?;
        if header::is_value(&out[start..]) {
            return Ok(found);
        }
        out.truncate(start);
        Err(match self.is_answer {
            true => MappingFault::UnfitAnswerHeader,
            false => MappingFault::UnfitRequestHeader,
        })
    }
}

fn compile_source(text: &str, side: Side, scope: &Scope<'_>) -> Result<Source, String> {
    if let Some(inner) = text.strip_prefix('\'') {
        let inner = inner.strip_suffix('\'').ok_or("a static value ends with a single quote")?;
        return Ok(Source::Static(inner.into()));
    }
    if let Some(name) = text.strip_prefix("context.") {
        let variable = ContextVariable::find(name);
        return variable.map(Source::Context).ok_or("there is no such context variable".into());
    }
    if let Some(name) = text.strip_prefix("stageVariables.") {
        // A variable that the stage does not have is an absent value, not a mistake.
        let value = (scope.stage_variables)(name).unwrap_or_default();
        return Ok(Source::Static(value.into()));
    }
    match side {
        Side::Request => request_source(text),
        Side::Answer => answer_source(text),
        Side::Gateway => gateway_source(text),
    }
}

fn request_source(text: &str) -> Result<Source, String> {
    let rest = text.strip_prefix("method.request.").ok_or(
        "a value is method.request..., context..., stageVariables... or a text in single quotes",
    )?;
    if let Some(path) = body_path(rest) {
        return Ok(match path? {
            Some(path) => Source::RequestJson(path, BodyRules::Rest),
            None => Source::RequestBody(BodyRules::Rest),
        });
    }
    request_parameter(rest)
}

/// `place.name` after `method.request.`.
pub(super) fn request_parameter(rest: &str) -> Result<Source, String> {
    let (place, name) = rest.split_once('.').ok_or("a place and a name are joined by a dot")?;
    let name = compile_name(name)?;
    Ok(match place {
        "path" => Source::PathParameter(name),
        "querystring" => Source::RequestQuery(name, Pick::Last),
        "multivaluequerystring" => Source::RequestQuery(name, Pick::Joined),
        "header" => Source::RequestHeader(name, NameCase::Exact, Pick::Last),
        "multivalueheader" => Source::RequestHeader(name, NameCase::Exact, Pick::Joined),
        _ => return Err(format!("a request has no `{place}`")),
    })
}

fn answer_source(text: &str) -> Result<Source, String> {
    let rest = text.strip_prefix("integration.response.").ok_or(
        "a value is integration.response..., context..., stageVariables... or a text in single \
         quotes",
    )?;
    if let Some(path) = body_path(rest) {
        return Ok(match path? {
            Some(path) => Source::AnswerJson(path, BodyRules::Rest),
            None => Source::AnswerBody(BodyRules::Rest),
        });
    }
    let (place, name) = rest.split_once('.').ok_or("a place and a name are joined by a dot")?;
    let name = compile_name(name)?;
    Ok(match place {
        "header" => Source::AnswerHeader(name, NameCase::Exact, Pick::Last),
        "multivalueheader" => Source::AnswerHeader(name, NameCase::Exact, Pick::Joined),
        _ => return Err(format!("an integration's answer has no `{place}`")),
    })
}

/// `method.input.params` is in the examples of OpenAPI definitions for gateway responses.
fn gateway_source(text: &str) -> Result<Source, String> {
    if let Some(name) = text.strip_prefix("method.input.params.") {
        return compile_name(name).map(Source::AnyParameter);
    }
    let rest = text.strip_prefix("method.request.").ok_or(
        "a value is method.request..., context..., stageVariables... or a text in single quotes",
    )?;
    request_parameter(rest)
}

/// The path after `body`: none for the whole body.
fn body_path(rest: &str) -> Option<Result<Option<JsonPath>, String>> {
    let tail = rest.strip_prefix("body")?;
    match tail.as_bytes().first() {
        None => Some(Ok(None)),
        Some(b'.' | b'[') => {
            Some(JsonPath::compile_tail(tail).map(Some).map_err(|error| error.reason))
        }
        Some(_) => None,
    }
}

/// The name of a parameter: AWS's `^[a-zA-Z0-9._$-]+$`.
pub(super) fn compile_name(name: &str) -> Result<Box<str>, String> {
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"._$-".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_letter) {
        return Err(format!(
            "`{name}` is no name of a parameter: letters, digits, `.`, `_`, `$`, `-`"
        ));
    }
    Ok(name.into())
}
