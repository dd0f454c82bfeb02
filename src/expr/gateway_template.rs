//! The bodies of gateway responses: text in which variables are replaced, and no more.
//!
//! AWS: "Gateway responses in API Gateway": not VTL. Variables are `$context.x`,
//! `$stageVariables.x` and parameters of the request, `method.request.header.x`, with or without
//! their dollar sign, and each may stand in `${...}`. What is no variable is text.
//!
//! A template that begins like JSON is watched: between the quotes of a string, values are
//! escaped, so that no request can end the string that it is put into. Elsewhere they stand as
//! they are; there they are numbers, or bring their own quotes.

use super::json_path::write_json_escaped;
use super::rest_value::request_parameter;
use super::source::Source;
use super::{ContextVariable, Facts, Scope, Scratch};

/// A compiled template.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayTemplate {
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(Box<str>),
    Value { source: Source, is_quoted: bool },
}

impl GatewayTemplate {
    /// AWS's template for every response that has none.
    pub const DEFAULT: &'static str = "{\"message\":$context.error.messageString}";

    /// Compiles a template. Every text is one.
    #[must_use]
    pub fn compile(text: &str, scope: &Scope<'_>) -> Self {
        let mut quotes = Quotes::of(text);
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(first) = rest.chars().next() {
            match variable_at_start(rest, scope) {
                Some((source, length)) => {
                    push_text(&mut pieces, &mut plain);
                    pieces.push(Piece::Value { source, is_quoted: quotes.is_open() });
                    rest = &rest[length..];
                }
                None => {
                    quotes.pass(first);
                    plain.push(first);
                    rest = &rest[first.len_utf8()..];
                }
            }
        }
        push_text(&mut pieces, &mut plain);
        Self { pieces: pieces.into() }
    }

    /// Appends the body. A variable without a value is empty, but for
    /// `$context.error.messageString`, which is `null` then.
    pub fn write(&self, facts: &impl Facts, scratch: &mut Scratch, out: &mut Vec<u8>) {
        for piece in &self.pieces {
            match piece {
                Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
                Piece::Value { source, is_quoted: false } => {
                    // A template's sources are no bodies, so none fails.
                    let _ = source.write(facts, scratch, out);
                }
                Piece::Value { source, is_quoted: true } => {
                    write_quoted(source, facts, scratch, out);
                }
            }
        }
    }
}

/// In a string the message comes without quotes of its own, as AWS's example shows.
fn write_quoted(source: &Source, facts: &impl Facts, scratch: &mut Scratch, out: &mut Vec<u8>) {
    let message = Source::Context(ContextVariable::ErrorMessage);
    let is_message = *source == Source::Context(ContextVariable::ErrorMessageString);
    let source = if is_message { &message } else { source };
    let mut text = std::mem::take(&mut scratch.text);
    text.clear();
    if source.write(facts, scratch, &mut text) == Ok(true) {
        write_json_escaped(&String::from_utf8_lossy(&text), out);
    }
    scratch.text = text;
}

fn push_text(pieces: &mut Vec<Piece>, plain: &mut String) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain).into()));
    }
}

/// The variable that `rest` begins with, and its length.
fn variable_at_start(rest: &str, scope: &Scope<'_>) -> Option<(Source, usize)> {
    if let Some(inside) = rest.strip_prefix("${") {
        let (name, _) = inside.split_once('}')?;
        return Some((compile_variable(name, scope)?, name.len() + 3));
    }
    let (name, mark) = match rest.strip_prefix('$') {
        Some(tail) => (name_at_start(tail), 1),
        None if rest.starts_with(REQUEST) => (name_at_start(rest), 0),
        None => return None,
    };
    Some((compile_variable(name, scope)?, name.len() + mark))
}

const REQUEST: &str = "method.request.";

fn compile_variable(name: &str, scope: &Scope<'_>) -> Option<Source> {
    if let Some(name) = name.strip_prefix("context.") {
        return ContextVariable::find(name).map(Source::Context);
    }
    if let Some(name) = name.strip_prefix("stageVariables.") {
        let value = (scope.stage_variables)(name).unwrap_or_default();
        return Some(Source::Static(value.into()));
    }
    request_parameter(name.strip_prefix(REQUEST)?).ok()
}

/// The longest name at the start: a full stop at its end is the sentence's.
fn name_at_start(tail: &str) -> &str {
    let is_end = |one: char| !(one.is_ascii_alphanumeric() || "._-".contains(one));
    tail[..tail.find(is_end).unwrap_or(tail.len())].trim_end_matches(['.', '-'])
}

/// Whether a place in a template is between the quotes of a JSON string.
struct Quotes {
    is_json: bool,
    is_open: bool,
    is_escaped: bool,
}

impl Quotes {
    fn of(text: &str) -> Self {
        let is_json = text.trim_start().starts_with(['{', '[', '"']);
        Self { is_json, is_open: false, is_escaped: false }
    }

    fn pass(&mut self, letter: char) {
        match letter {
            _ if self.is_escaped => self.is_escaped = false,
            '\\' if self.is_open => self.is_escaped = true,
            '"' => self.is_open = !self.is_open,
            _ => {}
        }
    }

    fn is_open(&self) -> bool {
        self.is_json && self.is_open
    }
}
