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
        let found = self.source.write_line(facts, scratch, out)? && out.len() > start;
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
            headers: list(&[("X-One", "a"), ("X-One", "b"), ("x-one", "c"), ("Empty", "")]),
            query: list(&[("q", "1"), ("q", "2 3"), ("Q", "4")]),
            path: list(&[("id", "7")]),
            request_body: Some(br#" {"pets": [{"name": "Rex"}], "none": null, "n": 1} "#.to_vec()),
            context: list(&[("identity.sourceIp", "192.0.2.1"), ("authorizer.tenant", "t1")]),
            answer_headers: list(&[("X-App-Id", "1"), ("X-App-Id", "2")]),
            answer_body: Some(br#"{"redirect": {"url": "https://example.com/"}}"#.to_vec()),
            ..TestFacts::default()
        }
    }

    fn evaluate(text: &str, side: Side, facts: &TestFacts) -> Result<Option<String>, MappingFault> {
        let value = RestValue::compile(text, side, &SCOPE);
        let value = value.unwrap_or_else(|error| panic!("{error}"));
        let mut out = Vec::new();
        let found = value.write(facts, &mut Scratch::new(), &mut out)?;
        Ok(found.then(|| String::from_utf8(out).expect("the facts are text")))
    }

    /// AWS: "Integration request data mapping expressions".
    #[test]
    fn every_expression_of_a_request_has_its_value() {
        for (text, wanted) in [
            ("method.request.path.id", Some("7")),
            ("method.request.querystring.q", Some("2 3")),
            ("method.request.multivaluequerystring.q", Some("1,2 3")),
            ("method.request.header.X-One", Some("b")),
            ("method.request.multivalueheader.X-One", Some("a,b")),
            ("method.request.body", Some(r#"{"pets": [{"name": "Rex"}], "none": null, "n": 1}"#)),
            ("method.request.body.pets[0].name", Some("Rex")),
            ("method.request.body['n']", Some("1")),
            ("stageVariables.env", Some("beta")),
            ("context.identity.sourceIp", Some("192.0.2.1")),
            ("context.authorizer.tenant", Some("t1")),
            ("'static'", Some("static")),
            ("'it's'", Some("it's")),
            // Names count as they are written, and what is absent or empty is no value.
            ("method.request.header.X-ONE", None),
            ("method.request.header.Empty", None),
            ("method.request.querystring.id", None),
            ("method.request.path.q", None),
            ("method.request.body.none", None),
            ("method.request.body.missing", None),
            ("stageVariables.none", None),
            ("context.stage", None),
            ("''", None),
        ] {
            let found = evaluate(text, Side::Request, &facts());
            assert_eq!(found.as_ref().map(Option::as_deref), Ok(wanted), "{text}");
        }
    }

    /// AWS: "Method response header mapping expressions".
    #[test]
    fn every_expression_of_an_answer_has_its_value() {
        for (text, wanted) in [
            ("integration.response.header.X-App-Id", Some("2")),
            ("integration.response.multivalueheader.X-App-Id", Some("1,2")),
            ("integration.response.header.x-app-id", None),
            ("integration.response.body.redirect.url", Some("https://example.com/")),
            ("integration.response.body", Some(r#"{"redirect": {"url": "https://example.com/"}}"#)),
            ("stageVariables.env", Some("beta")),
            ("'*'", Some("*")),
        ] {
            let found = evaluate(text, Side::Answer, &facts());
            assert_eq!(found.as_ref().map(Option::as_deref), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_gateway_response_reads_parameters_only() {
        for (text, wanted) in [
            ("method.request.header.X-One", Some("b")),
            ("method.request.path.id", Some("7")),
            ("method.request.querystring.q", Some("2 3")),
            ("method.input.params.id", Some("7")),
            ("method.input.params.q", Some("2 3")),
            ("method.input.params.X-One", Some("b")),
            ("method.input.params.none", None),
            ("'a.b.c'", Some("a.b.c")),
        ] {
            let found = evaluate(text, Side::Gateway, &facts());
            assert_eq!(found.as_ref().map(Option::as_deref), Ok(wanted), "{text}");
        }
        for text in ["method.request.body", "integration.response.header.a", "a"] {
            assert!(RestValue::compile(text, Side::Gateway, &SCOPE).is_err(), "{text}");
        }
    }

    #[test]
    fn bodies_that_are_no_json_are_faults_of_who_sent_them() {
        let broken = TestFacts {
            request_body: Some(b"{".to_vec()),
            answer_body: Some(b"[".to_vec()),
            ..TestFacts::default()
        };
        for text in ["method.request.body", "method.request.body.a"] {
            let fault = evaluate(text, Side::Request, &broken).expect_err(text);
            assert_eq!(fault, MappingFault::InvalidRequestJson);
            assert_eq!((fault.status(), fault.message()), (400, "Invalid JSON in request body"));
        }
        for text in ["integration.response.body", "integration.response.body.a"] {
            let fault = evaluate(text, Side::Answer, &broken).expect_err(text);
            assert_eq!((fault, fault.status()), (MappingFault::InvalidAnswerJson, 500));
        }
        let plain = TestFacts::with_request_body("plain");
        let whole = evaluate("method.request.body", Side::Request, &plain);
        assert_eq!(whole, Ok(Some("plain".into())));
        assert_eq!(evaluate("method.request.body.a", Side::Request, &plain), Ok(None));
        let empty = TestFacts::default();
        assert_eq!(evaluate("method.request.body", Side::Request, &empty), Ok(Some("{}".into())));
    }

    #[test]
    fn a_certificate_is_one_line_of_a_header() {
        let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        let context = list(&[("identity.clientCert.clientCertPem", pem), ("stage", "a\nb")]);
        let facts = TestFacts { context, ..TestFacts::default() };
        let header = |text: &str| {
            let value = RestValue::compile(text, Side::Request, &SCOPE).expect("a value");
            let mut out = Vec::new();
            let found = value.write_header(&facts, &mut Scratch::new(), &mut out)?;
            Ok(found.then(|| String::from_utf8(out).expect("the facts are text")))
        };
        let wanted = pem.replace('\n', " ");
        assert_eq!(header("context.identity.clientCert.clientCertPem"), Ok(Some(wanted)));
        assert_eq!(header("context.stage"), Err(MappingFault::UnfitRequestHeader));
    }

    #[test]
    fn what_is_no_expression_is_said() {
        for (text, reason) in [
            ("", "a value is method.request"),
            ("'open", "a static value ends with a single quote"),
            ("'", "a static value ends with a single quote"),
            ("context.nothing", "there is no such context variable"),
            ("method.request.cookie.a", "a request has no `cookie`"),
            ("method.request.header.", "`` is no name of a parameter"),
            ("method.request.header.a b", "`a b` is no name of a parameter"),
            ("method.request.path", "a place and a name are joined by a dot"),
            ("method.request.bodya", "a place and a name are joined by a dot"),
            ("method.request.body.", "a step has no name"),
            ("integration.response.header.a", "a value is method.request"),
        ] {
            let error = RestValue::compile(text, Side::Request, &SCOPE).expect_err(text);
            assert!(error.reason.starts_with(reason), "{error}");
        }
        let error = RestValue::compile("integration.response.path.a", Side::Answer, &SCOPE);
        assert!(error.is_err());
    }

    #[test]
    fn values_tell_which_body_they_need() {
        for (text, side, needs) in [
            ("method.request.body", Side::Request, (true, false)),
            ("method.request.body.a", Side::Request, (true, false)),
            ("method.request.header.a", Side::Request, (false, false)),
            ("integration.response.body.a", Side::Answer, (false, true)),
            ("integration.response.body", Side::Answer, (false, true)),
        ] {
            let source = RestValue::compile(text, side, &SCOPE).expect("a value").source;
            assert_eq!((source.needs_request_body(), source.needs_answer_body()), needs, "{text}");
        }
    }
}
