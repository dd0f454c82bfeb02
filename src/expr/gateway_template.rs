//! The bodies of gateway responses: text in which variables are replaced, and no more.
//!
//! AWS: "Gateway responses in API Gateway": not VTL. Variables are `$context.x`,
//! `$stageVariables.x` and parameters of the request, `method.request.header.x`, with or without
//! their dollar sign, and each may stand in `${...}`. What is no variable is text.
//!
//! What a request gives cannot end the string or the element that it is put into: in a template
//! that begins like JSON values are escaped between quotes, in one that begins with `<` everywhere.
//! Elsewhere they stand as they are; in JSON, there they are numbers or bring their own quotes.

use super::rest_value::request_parameter;
use super::source::Source;
use super::{ContextVariable, Facts, Scope, Scratch};
use crate::base::write_json_escaped;

/// A compiled template.
#[derive(Clone, Debug, PartialEq)]
pub struct GatewayTemplate {
    pieces: Box<[Piece]>,
}

/// How a value is written, by the place it stands in.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Escape {
    None,
    /// Between the quotes of a JSON string.
    Quoted,
    /// In XML or HTML.
    Markup,
}

#[derive(Clone, Debug, PartialEq)]
enum Piece {
    Text(Box<str>),
    Value { source: Source, escape: Escape },
}

impl GatewayTemplate {
    /// AWS's template for every response that has none.
    pub const DEFAULT: &'static str = "{\"message\":$context.error.messageString}";

    /// Compiles a template. Every text is one.
    #[must_use]
    pub fn compile(text: &str, scope: &Scope<'_>) -> Self {
        let mut place = Place::of(text);
        let (mut pieces, mut plain, mut rest) = (Vec::new(), String::new(), text);
        while let Some(first) = rest.chars().next() {
            match variable_at_start(rest, scope) {
                Some((source, length)) => {
                    push_text(&mut pieces, &mut plain);
                    pieces.push(Piece::Value { source, escape: place.escape() });
                    rest = &rest[length..];
                }
                None => {
                    place.pass(first);
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
                Piece::Value { source, escape } => {
                    write_value(source, *escape, facts, scratch, out);
                }
            }
        }
    }
}

/// In a string the message comes without quotes of its own, as AWS's example shows.
fn write_value(
    source: &Source,
    escape: Escape,
    facts: &impl Facts,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) {
    let message = Source::Context(ContextVariable::ErrorMessage);
    let is_message = *source == Source::Context(ContextVariable::ErrorMessageString);
    let source = if is_message && escape == Escape::Quoted { &message } else { source };
    let mut text = std::mem::take(&mut scratch.text);
    text.clear();
    // A template's sources are no bodies, so none fails.
    if source.write(facts, scratch, &mut text) == Ok(true) {
        match escape {
            Escape::None => out.extend_from_slice(&text),
            Escape::Quoted => write_json_escaped(out, &text),
            Escape::Markup => write_markup_escaped(&text, out),
        }
    }
    scratch.text = text;
}

fn write_markup_escaped(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'&' => out.extend_from_slice(b"&amp;"),
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'"' => out.extend_from_slice(b"&#34;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            _ => out.push(*byte),
        }
    }
}

fn push_text(pieces: &mut Vec<Piece>, plain: &mut String) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain).into()));
    }
}

/// The variable that `rest` begins with, and its length.
fn variable_at_start(rest: &str, scope: &Scope<'_>) -> Option<(Source, usize)> {
    if let Some(inside) = rest.strip_prefix("${") {
        let name = name_at_start(inside);
        let is_closed = inside[name.len()..].starts_with('}');
        return Some((compile_variable(name, scope).filter(|_| is_closed)?, name.len() + 3));
    }
    let (name, mark) = match rest.strip_prefix('$') {
        Some(tail) => (name_at_start(tail), 1),
        None if rest.starts_with(REQUEST) => (name_at_start(rest), 0),
        None => return None,
    };
    // A hyphen belongs to names of the user's, but ends one of AWS's.
    let short = name.split('-').next().unwrap_or_default();
    [name, short]
        .into_iter()
        .find_map(|name| Some((compile_variable(name, scope)?, name.len() + mark)))
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
    let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
    let length = tail.bytes().take(NAME_BYTES_MAX).take_while(is_part).count();
    tail[..length].trim_end_matches(['.', '-'])
}

/// Longer than any name is, so that a template is compiled in one pass.
const NAME_BYTES_MAX: usize = 512;

/// A place in a template: what it is written in, and whether quotes are open.
struct Place {
    is_json: bool,
    is_markup: bool,
    is_open: bool,
    is_escaped: bool,
}

impl Place {
    fn of(text: &str) -> Self {
        let text = text.trim_start();
        let is_json = text.starts_with(['{', '[', '"']);
        Self { is_json, is_markup: text.starts_with('<'), is_open: false, is_escaped: false }
    }

    fn pass(&mut self, letter: char) {
        match letter {
            _ if self.is_escaped => self.is_escaped = false,
            '\\' if self.is_open => self.is_escaped = true,
            '"' => self.is_open = !self.is_open,
            _ => {}
        }
    }

    fn escape(&self) -> Escape {
        match (self.is_markup, self.is_json && self.is_open) {
            (true, _) => Escape::Markup,
            (false, true) => Escape::Quoted,
            (false, false) => Escape::None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_facts::{TestFacts, list};
    use super::*;

    const SCOPE: Scope<'static> = Scope {
        stage_variables: &|name| if name == "a" { Some("value-a") } else { None },
        greedy: None,
    };

    fn facts() -> TestFacts {
        TestFacts {
            headers: list(&[("Accept", "text/\"html\"")]),
            query: list(&[("q", "<b>&'"), ("q", "1\n2")]),
            path: list(&[("petId", "5")]),
            context: list(&[
                ("error.message", "Missing \"Authentication\" Token"),
                ("error.responseType", "MISSING_AUTHENTICATION_TOKEN"),
                ("stage", "custErr"),
                ("resourcePath", "/pets/{petId}"),
            ]),
            ..TestFacts::default()
        }
    }

    fn render(template: &str, facts: &TestFacts) -> String {
        let mut out = Vec::new();
        GatewayTemplate::compile(template, &SCOPE).write(facts, &mut Scratch::new(), &mut out);
        String::from_utf8(out).expect("the facts are text")
    }

    #[test]
    fn the_default_template_gives_the_message() {
        let found = render(GatewayTemplate::DEFAULT, &facts());
        assert_eq!(found, r#"{"message":"Missing \"Authentication\" Token"}"#);
        assert_eq!(render(GatewayTemplate::DEFAULT, &TestFacts::default()), "{\"message\":null}");
    }

    /// The template of "Set up gateway response customization in OpenAPI".
    #[test]
    fn an_example_of_the_guide_is_rendered() {
        let template = "{\n     \"message\": $context.error.messageString,\n     \
            \"type\":  \"$context.error.responseType\",\n     \"stage\":  \"$context.stage\",\n     \
            \"resourcePath\":  \"$context.resourcePath\",\n     \
            \"stageVariables.a\":  \"$stageVariables.a\",\n     \"statusCode\": \"'404'\"\n}";
        let found: serde_json::Value =
            serde_json::from_str(&render(template, &facts())).expect("the answer is JSON");
        assert_eq!(
            found,
            serde_json::json!({
                "message": "Missing \"Authentication\" Token",
                "type": "MISSING_AUTHENTICATION_TOKEN",
                "stage": "custErr",
                "resourcePath": "/pets/{petId}",
                "stageVariables.a": "value-a",
                "statusCode": "'404'",
            })
        );
    }

    #[test]
    fn variables_are_known_in_every_form() {
        for (template, wanted) in [
            (
                "{\"m\":\"$context.error.messageString\"}",
                r#"{"m":"Missing \"Authentication\" Token"}"#,
            ),
            ("$context.stage.", "custErr."),
            ("${context.stage}x-$context.stage-y", "custErrx-custErr-y"),
            ("$stageVariables.a, $stageVariables.none!", "value-a, !"),
            ("method.request.path.petId", "5"),
            ("$method.request.path.petId", "5"),
            ("${method.request.querystring.q}", "1\n2"),
            ("{\"q\": \"$method.request.querystring.q\"}", "{\"q\": \"1\\n2\"}"),
            ("{\"a\": \"$method.request.header.Accept\"}", r#"{"a": "text/\"html\""}"#),
            ("<p>$method.request.header.Accept</p>", "<p>text/&#34;html&#34;</p>"),
            ("$context.error.validationErrorString|", "|"),
            (r#"{"a": "\" $method.request.header.Accept"}"#, r#"{"a": "\" text/\"html\""}"#),
            // What is no variable is text.
            ("costs $5, $x ${y} $", "costs $5, $x ${y} $"),
            ("${context.stage", "${context.stage"),
            ("${context.stage.}", "${context.stage.}"),
            ("$context.nothing", "$context.nothing"),
            ("$method.request.body", "$method.request.body"),
            ("$input.body #set($a = 1)", "$input.body #set($a = 1)"),
            ("", ""),
        ] {
            assert_eq!(render(template, &facts()), wanted, "{template}");
        }
    }

    proptest! {
        #[test]
        fn no_request_ends_the_string_it_is_put_into(header in any::<String>(), message in any::<String>()) {
            let facts = TestFacts {
                headers: list(&[("H", &header)]),
                context: list(&[("error.message", &message)]),
                ..TestFacts::default()
            };
            let template = "{\"h\": \"$method.request.header.H\", \"m\": $context.error.messageString, \
                \"n\": \"${context.error.messageString}\"}";
            let found = serde_json::from_str::<serde_json::Value>(&render(template, &facts)).ok();
            let wanted = serde_json::json!({"h": header, "m": message, "n": message});
            prop_assert_eq!(found, Some(wanted));
        }

        #[test]
        fn any_text_is_a_template(template in "[a-z${}.\"\\\\<\u{e9} ]{0,32}") {
            let template = template.replace("c", "$context.stage").replace('m', "method.request.");
            let _ = render(&template, &facts());
        }
    }
}
