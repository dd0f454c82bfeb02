//! The values of HTTP API parameter mappings: one variable, or text with variables in braces.

use super::rest_value::compile_name;
use super::source::{BodyRules, Source};
use super::{CompileError, ContextVariable, Facts, JsonPath, NameCase, Pick, Scope, Scratch};

/// What a value may name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Side {
    /// `$request`, `$context`, `$stageVariables`.
    Request,
    /// `$response`, `$context`, `$stageVariables`.
    Response,
}

/// A compiled value.
///
/// A variable alone that has no value makes the whole value none; among other text it is empty.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct HttpValue {
    pieces: Box<[Source]>,
}

impl HttpValue {
    /// `$name` is one variable and nothing else; in any other text variables stand in `${...}`,
    /// and `\$` is a dollar sign.
    pub(super) fn compile(text: &str, side: Side, scope: &Scope<'_>) -> Result<Self, CompileError> {
        let compile_variable = |name: &str| {
            compile_variable(name, side, scope).map_err(|reason| CompileError::new(text, reason))
        };
        if let Some(name) = text.strip_prefix('$').filter(|name| !name.starts_with('{')) {
            return Ok(Self { pieces: [compile_variable(name)?].into() });
        }
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(at) = rest.find(['$', '\\']) {
            plain.push_str(&rest[..at]);
            let tail = &rest[at..];
            if let Some(after) = tail.strip_prefix("\\$") {
                plain.push('$');
                rest = after;
            } else if let Some(inside) = tail.strip_prefix("${") {
                let end = closing_brace(inside)
                    .ok_or_else(|| CompileError::new(text, "a brace is not closed"))?;
                push_text(&mut pieces, &mut plain);
                pieces.push(compile_variable(&inside[..end])?);
                rest = &inside[end + 1..];
            } else {
                plain.push_str(&tail[..1]);
                rest = &tail[1..];
            }
        }
        plain.push_str(rest);
        push_text(&mut pieces, &mut plain);
        Ok(Self { pieces: pieces.into() })
    }

    /// The text of a value without variables.
    pub(super) fn as_static(&self) -> Option<&str> {
        match &*self.pieces {
            [] => Some(""),
            [Source::Static(text)] => Some(text),
            _ => None,
        }
    }

    pub(super) fn needs_request_body(&self) -> bool {
        self.pieces.iter().any(Source::needs_request_body)
    }

    pub(super) fn needs_answer_body(&self) -> bool {
        self.pieces.iter().any(Source::needs_answer_body)
    }

    /// Shows each piece that has a value and answers whether the whole has one. `text` is for the
    /// pieces.
    pub(super) fn each_piece(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        mut visit: impl FnMut(&Source, &[u8]),
    ) -> bool {
        let mut text = std::mem::take(&mut scratch.text);
        let mut found_count = 0_usize;
        for piece in &self.pieces {
            text.clear();
            // Only bodies by REST's rules can fail, and none is in here.
            if piece.write(facts, scratch, &mut text).unwrap_or(false) {
                found_count += 1;
                visit(piece, &text);
            }
        }
        scratch.text = text;
        found_count > 0 || self.pieces.len() != 1
    }

    /// Appends the value as it is and answers whether there is one.
    pub(super) fn write(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> bool {
        self.each_piece(facts, scratch, |_, text| out.extend_from_slice(text))
    }
}

fn push_text(pieces: &mut Vec<Source>, plain: &mut String) {
    if !plain.is_empty() {
        pieces.push(Source::Static(std::mem::take(plain).into()));
    }
}

/// Where the brace that closes a variable is: a quoted name in a path may hold one.
fn closing_brace(inside: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in inside.bytes().enumerate() {
        match (byte, quote) {
            (b'\'' | b'"', None) => quote = Some(byte),
            (_, Some(open)) if open == byte => quote = None,
            (b'}', None) => return Some(at),
            _ => {}
        }
    }
    None
}

fn compile_variable(name: &str, side: Side, scope: &Scope<'_>) -> Result<Source, String> {
    if let Some(name) = name.strip_prefix("context.") {
        let variable = ContextVariable::find(name);
        return variable.map(Source::Context).ok_or("there is no such context variable".into());
    }
    if let Some(name) = name.strip_prefix("stageVariables.") {
        let value = (scope.stage_variables)(name).unwrap_or_default();
        return Ok(Source::Static(value.into()));
    }
    let tail = match side {
        Side::Request => name.strip_prefix("request."),
        Side::Response => name.strip_prefix("response."),
    };
    let tail = tail.ok_or_else(|| format!("there is no variable `${name}` here"))?;
    match side {
        Side::Request => request_source(tail),
        Side::Response => response_source(tail),
    }
}

fn request_source(tail: &str) -> Result<Source, String> {
    if let Some(path) = body_path(tail) {
        return Ok(match path? {
            Some(path) => Source::RequestJson(path, BodyRules::Http),
            None => Source::RequestBody(BodyRules::Http),
        });
    }
    if tail == "path" {
        return Ok(Source::RequestPath);
    }
    let (place, name) = tail.split_once('.').ok_or_else(|| no_part("request", tail))?;
    let name = compile_name(name)?;
    match place {
        "header" => Ok(Source::RequestHeader(name, NameCase::Ignored, Pick::Joined)),
        "querystring" => Ok(Source::RequestQuery(name, Pick::Joined)),
        "path" => Ok(Source::PathParameter(name)),
        _ => Err(no_part("request", place)),
    }
}

fn response_source(tail: &str) -> Result<Source, String> {
    if let Some(path) = body_path(tail) {
        return Ok(match path? {
            Some(path) => Source::AnswerJson(path, BodyRules::Http),
            None => Source::AnswerBody(BodyRules::Http),
        });
    }
    let (place, name) = tail.split_once('.').ok_or_else(|| no_part("response", tail))?;
    let name = compile_name(name)?;
    match place {
        "header" => Ok(Source::AnswerHeader(name, NameCase::Ignored, Pick::Joined)),
        _ => Err(no_part("response", place)),
    }
}

fn no_part(of: &str, name: &str) -> String {
    format!("a {of} has no `{name}`")
}

/// The path after `body`: none for the whole body. AWS has no recursive descent here.
fn body_path(tail: &str) -> Option<Result<Option<JsonPath>, String>> {
    let path = tail.strip_prefix("body")?;
    match path.as_bytes().first() {
        None => Some(Ok(None)),
        Some(b'.' | b'[') => Some(match JsonPath::compile_tail(path) {
            Ok(path) if path.descends() => Err("recursive descent is not supported here".into()),
            Ok(path) => Ok(Some(path)),
            Err(error) => Err(error.reason),
        }),
        Some(_) => None,
    }
}
