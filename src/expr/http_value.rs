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

    /// Appends the value for a header and answers whether there is one.
    pub(super) fn write_line(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> bool {
        // Only bodies by REST's rules can fail, and none is in here.
        let write = |piece: &Source| piece.write_line(facts, scratch, out).unwrap_or(false);
        let found_count = self.pieces.iter().map(write).filter(|found| *found).count();
        found_count > 0 || self.pieces.len() != 1
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

#[cfg(test)]
mod tests {
    use super::super::test_facts::{TestFacts, list};
    use super::*;

    const SCOPE: Scope<'static> = Scope {
        stage_variables: &|name| if name == "env" { Some("beta") } else { None },
        greedy: None,
    };

    fn facts() -> TestFacts {
        TestFacts {
            headers: list(&[("Header1", "value1"), ("header1", "value2")]),
            query: list(&[("querystring1", "Value1"), ("querystring1", "Value2"), ("q", "")]),
            path: list(&[("petId", "6"), ("name", "Rex")]),
            request_path: b"/pets/6".to_vec(),
            request_body: Some(
                br#"{"name": "Rex", "tags": [1, {"}": "x"}], "none": null}"#.to_vec(),
            ),
            context: list(&[("requestId", "id-1")]),
            answer_headers: list(&[("A", "1"), ("a", "2")]),
            answer_body: Some(b"[17]".to_vec()),
        }
    }

    fn evaluate(text: &str, side: Side) -> Option<String> {
        let value = HttpValue::compile(text, side, &SCOPE);
        let value = value.unwrap_or_else(|error| panic!("{error}"));
        let mut out = Vec::new();
        let found = value.write_line(&facts(), &mut Scratch::new(), &mut out);
        assert!(found || out.is_empty());
        found.then(|| String::from_utf8(out).expect("the facts are text"))
    }

    /// AWS: "Request parameter mapping values".
    #[test]
    fn every_value_of_a_request_is_known_in_both_forms() {
        for (name, wanted) in [
            ("request.header.HEADER1", Some("value1,value2")),
            ("request.querystring.querystring1", Some("Value1,Value2")),
            ("request.querystring.Querystring1", None),
            ("request.querystring.q", Some("")),
            ("request.body.name", Some("Rex")),
            ("request.body.tags[0]", Some("1")),
            ("request.body.tags[1]['}']", Some("x")),
            ("request.body.tags[*]", Some("[1,{\"}\":\"x\"}]")),
            ("request.body.none", None),
            ("request.body.missing", None),
            ("request.path", Some("/pets/6")),
            ("request.path.petId", Some("6")),
            ("request.path.none", None),
            ("context.requestId", Some("id-1")),
            ("stageVariables.env", Some("beta")),
            ("stageVariables.none", None),
        ] {
            assert_eq!(evaluate(&format!("${name}"), Side::Request).as_deref(), wanted, "{name}");
            let braced = format!("${{{name}}}");
            assert_eq!(evaluate(&braced, Side::Request).as_deref(), wanted, "{braced}");
            let mixed = format!("a{braced}b");
            let wanted = format!("a{}b", wanted.unwrap_or_default());
            assert_eq!(evaluate(&mixed, Side::Request), Some(wanted), "{mixed}");
        }
    }

    #[test]
    fn every_value_of_a_response_is_known() {
        for (text, wanted) in [
            ("$response.header.a", Some("1,2")),
            ("$response.body", Some("[17]")),
            ("${response.body[0]}", Some("17")),
            ("$response.body[1]", None),
            ("$context.requestId", Some("id-1")),
            ("$stageVariables.env", Some("beta")),
            ("403", Some("403")),
        ] {
            assert_eq!(evaluate(text, Side::Response).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn text_and_variables_are_mixed() {
        for (text, wanted) in [
            ("static", "static"),
            ("${request.path.name} ${request.path.petId}", "Rex 6"),
            ("\\$request.path", "$request.path"),
            ("costs 5$ {a} \\ b", "costs 5$ {a} \\ b"),
            ("\\${request.path.name}", "${request.path.name}"),
            ("${request.path.none}${request.path.none}", ""),
        ] {
            assert_eq!(evaluate(text, Side::Request).as_deref(), Some(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_no_value_is_said() {
        for (text, side, reason) in [
            ("$", Side::Request, "there is no variable `$` here"),
            ("$5", Side::Request, "there is no variable `$5` here"),
            ("${", Side::Request, "a brace is not closed"),
            ("${request.header.a", Side::Request, "a brace is not closed"),
            ("a${}", Side::Request, "there is no variable `$` here"),
            ("$response.header.a", Side::Request, "there is no variable `$response.header.a` here"),
            ("$request.header.a", Side::Response, "there is no variable `$request.header.a` here"),
            ("$request.cookie.a", Side::Request, "a request has no `cookie`"),
            ("$request.header", Side::Request, "a request has no `header`"),
            ("$response.path.a", Side::Response, "a response has no `path`"),
            ("$request.body..name", Side::Request, "recursive descent is not supported here"),
            ("$request.body[?(@.a)]", Side::Request, "filter expressions are not supported"),
            ("$context.nothing", Side::Request, "there is no such context variable"),
        ] {
            let error = HttpValue::compile(text, side, &SCOPE).expect_err(text);
            assert_eq!(error.reason, reason, "{text}");
        }
        let two = "$request.path.name $request.path.id";
        assert!(HttpValue::compile(two, Side::Request, &SCOPE).is_err());
    }
}
