//! The laws of mapping expressions: whatever an API's author writes and whoever sends what, values
//! stay where they are put.

use serde_json::{Value, json};
use shardgate::expr::{
    CompileError, ContextVariable, Facts, Found, GatewayResponseMapping, GatewayTemplate,
    HeaderMapping, HttpRequestMapping, HttpResponseMappings, HttpUri, JsonPath, NameCase, Pick,
    RequestTarget, ResponseSelection, ResponseTarget, RestRequestMapping, RestResponseMapping,
    Scope, Scratch, answer_text, mock_status,
};
use shardgate::proto::uri::{is_valid_host, percent_decode};

/// An exchange in which everything there is has these bytes.
struct Echo<'a>(&'a [u8]);

impl Echo<'_> {
    fn write(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(self.0);
        true
    }
}

impl Facts for Echo<'_> {
    fn request_header(&self, _: &str, _: NameCase, _: Pick, out: &mut Vec<u8>) -> bool {
        self.write(out)
    }

    fn request_query(&self, _: &str, _: Pick, out: &mut Vec<u8>) -> bool {
        self.write(out)
    }

    fn each_request_query(&self, _: &str, _: &mut Vec<u8>, mut visit: impl FnMut(&[u8])) {
        visit(self.0);
        visit(self.0);
    }

    fn path_parameter(&self, _: &str, out: &mut Vec<u8>) -> bool {
        self.write(out)
    }

    /// Which the pipeline gives in its normal form.
    fn request_path(&self, out: &mut Vec<u8>) -> bool {
        out.extend_from_slice(b"/a%2Fb");
        true
    }

    fn request_body(&self) -> Option<&[u8]> {
        Some(self.0)
    }

    fn context(&self, variable: &ContextVariable, out: &mut Vec<u8>) -> bool {
        assert_ne!(variable, &ContextVariable::ErrorMessageString);
        self.write(out)
    }

    fn answer_header(&self, _: &str, _: NameCase, _: Pick, out: &mut Vec<u8>) -> bool {
        self.write(out)
    }

    fn answer_body(&self) -> Option<&[u8]> {
        Some(self.0)
    }
}

const SCOPE: Scope<'static> = Scope {
    stage_variables: &|name| if name == "host" { Some("a.example:81/b?c") } else { None },
    greedy: Some("proxy"),
};

/// The text before the first mark, the text before the second, and all that follows.
fn three(bytes: &[u8]) -> Option<(&str, &str, &[u8])> {
    let mut parts = bytes.splitn(3, |byte| *byte == b'|');
    let (one, two) = (parts.next()?, parts.next()?);
    let (one, two) = (std::str::from_utf8(one).ok()?, std::str::from_utf8(two).ok()?);
    Some((one, two, parts.next()?))
}

fn check_mistakes(mistakes: &[CompileError]) {
    assert!(!mistakes.is_empty() && mistakes.iter().all(|mistake| !mistake.reason.is_empty()));
}

fn check_header_value(value: &[u8]) {
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    assert!(!value.iter().any(is_control), "{}", value.escape_ascii());
}

fn check_target(target: &[u8]) {
    let ends = |byte: &u8| !byte.is_ascii_graphic() || matches!(byte, b'?' | b'#');
    assert!(!target.iter().any(ends), "{}", target.escape_ascii());
}

fn check_path(path: &[u8]) {
    check_target(path);
    assert!(path.starts_with(b"/"));
    for segment in path.split(|byte| *byte == b'/') {
        let mut decoded = Vec::new();
        if percent_decode(segment, &mut decoded).is_ok() {
            assert!(decoded != b"." && decoded != b"..", "{}", path.escape_ascii());
        }
    }
}

/// What a path finds is in the body, and an array of what it matched is that array. The input is
/// the path, a line end, the body.
pub fn json_path(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(path) = std::str::from_utf8(&bytes[..end]) else { return };
    let path = match JsonPath::compile(path) {
        Ok(path) => path,
        Err(mistake) => return check_mistakes(&[mistake]),
    };
    let Ok(body) = serde_json::from_slice::<Value>(&bytes[end + 1..]) else { return };
    let mut text = Vec::new();
    let is_value = path.write_text(&body, &mut text);
    match path.find(&body) {
        None => assert!(!is_value && text.is_empty()),
        Some(Found::One(value)) => {
            assert!(!path.descends() && is_value != value.is_null());
            let wanted = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            assert!(!is_value || text == wanted.as_bytes());
        }
        Some(Found::Many(values)) => {
            assert_eq!(
                serde_json::from_slice::<Vec<Value>>(&text).expect("an array").len(),
                values.len()
            );
        }
    }
}

/// No value of a REST mapping ends a header or its place in a query. The input is key, value and
/// what everything in the exchange holds, with `|` between them.
pub fn rest_mapping(bytes: &[u8]) {
    let Some((key, value, held)) = three(bytes) else { return };
    let (facts, pair, mut scratch) = (Echo(held), [(key, value)], Scratch::new());
    match RestRequestMapping::compile(pair, &SCOPE) {
        Err(mistakes) => check_mistakes(&mistakes),
        Ok(mapping) => {
            check_headers(mapping.headers(), &facts, &mut scratch);
            for query in mapping.query() {
                let mut out = Vec::new();
                let found = query.write_pairs(&facts, &mut scratch, &mut out);
                assert_eq!(found == Ok(true), !out.is_empty());
                check_target(&out);
            }
        }
    }
    if let Ok(mapping) = RestResponseMapping::compile(pair, &SCOPE) {
        check_headers(mapping.headers(), &facts, &mut scratch);
    }
    if let Ok(mapping) = GatewayResponseMapping::compile(pair, &SCOPE) {
        check_headers(mapping.headers(), &facts, &mut scratch);
    }
}

fn check_headers(headers: &[HeaderMapping], facts: &Echo<'_>, scratch: &mut Scratch) {
    for header in headers {
        assert!(!header.name().is_empty());
        let mut out = Vec::new();
        let found = header.write_value(facts, scratch, &mut out);
        assert_eq!(found == Ok(true), !out.is_empty());
        check_header_value(&out);
    }
}

/// The same for an HTTP API's, whose paths have no dot segments either.
pub fn http_mapping(bytes: &[u8]) {
    let Some((key, value, held)) = three(bytes) else { return };
    let (facts, mut scratch) = (Echo(held), Scratch::new());
    match HttpRequestMapping::compile([(key, value)], &SCOPE) {
        Err(mistakes) => check_mistakes(&mistakes),
        Ok(mapping) => {
            for operation in mapping.operations() {
                let mut out = Vec::new();
                let found = operation.write_value(&facts, &mut scratch, &mut out);
                assert!(found == Ok(true) || out.is_empty());
                match operation.target() {
                    RequestTarget::Header(_) => check_header_value(&out),
                    RequestTarget::Query(_) => check_target(&out),
                    RequestTarget::Path if out.is_empty() => {}
                    RequestTarget::Path => check_path(&out),
                }
            }
        }
    }
    let Ok(mappings) = HttpResponseMappings::compile([("200", [(key, value)])], &SCOPE) else {
        return;
    };
    let mapping = mappings.find(200).expect("it was compiled");
    let status = mapping.status(&facts, &mut scratch);
    assert!(status.is_none_or(|status| (100..=599).contains(&status)));
    for operation in mapping.operations() {
        if let ResponseTarget::Header(_) = operation.target() {
            let mut out = Vec::new();
            let _ = operation.write_value(&facts, &mut scratch, &mut out);
            check_header_value(&out);
        }
    }
}

/// Where a URI leads is up to its author alone, and what is written of it is one target. The input
/// is the URI, `|`, and what everything in the exchange holds.
pub fn integration_uri(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'|') else { return };
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else { return };
    let uri = match HttpUri::compile_http(text, &SCOPE) {
        Ok(uri) => uri,
        Err(mistake) => return check_mistakes(&[mistake]),
    };
    assert!(is_valid_host(uri.host().as_bytes()) && uri.port() != 0);
    let (facts, mut scratch, mut out) = (Echo(&bytes[end + 1..]), Scratch::new(), Vec::new());
    match uri.write_path(&facts, &mut scratch, &mut out) {
        Ok(()) => check_path(&out),
        Err(_) => assert!(out.is_empty()),
    }
    out.clear();
    let found = uri.write_query(&facts, &mut scratch, &mut out);
    assert_eq!(found == Ok(true), !out.is_empty());
    // A question mark of the author's own may stand in a query.
    assert!(out.iter().all(|byte| byte.is_ascii_graphic() && *byte != b'#'));
}

/// Any text is a template, and no value ends the JSON string that it stands in. The input is what
/// stands in the string, `|`, and what everything in the exchange holds.
pub fn gateway_template(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'|') else { return };
    let Ok(text) = std::str::from_utf8(&bytes[..end]) else { return };
    let facts = Echo(&bytes[end + 1..]);
    let render = |template: &str| {
        let mut out = Vec::new();
        GatewayTemplate::compile(template, &SCOPE).write(&facts, &mut Scratch::new(), &mut out);
        out
    };
    let _ = render(text);
    let inside: String =
        text.chars().filter(|one| !one.is_control() && !matches!(one, '"' | '\\')).collect();
    let answer = render(&format!("{{\"a\": \"{inside}\", \"b\": $context.error.messageString}}"));
    let answer: Value = serde_json::from_slice(&answer).expect("JSON, whatever was put into it");
    assert!(answer["a"].is_string() && answer["b"] == json!(String::from_utf8_lossy(facts.0)));
}

/// A template that gives a status has no directive, and gives the one that JSON has.
pub fn mock_template(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let status = mock_status(text);
    if let Ok(plain) = answer_text(text) {
        assert!(!plain.contains(['$', '#']));
        if let Ok(object) = serde_json::from_str::<serde_json::Map<String, Value>>(&plain) {
            let wanted = object.get("statusCode").and_then(Value::as_i64);
            // A name that is written with an escape is another name to it.
            if !plain.contains('\\') {
                assert_eq!(status.ok(), wanted);
            }
        }
    } else {
        assert!(status.is_err());
    }
}

/// What a status selects is what its text selects. The input is a pattern, a line end, a text.
pub fn selection_pattern(bytes: &[u8]) {
    let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else { return };
    let Ok(pattern) = std::str::from_utf8(&bytes[..end]) else { return };
    let selection = match ResponseSelection::compile([Some(pattern), None]) {
        Ok(selection) => selection,
        Err(mistakes) => return check_mistakes(&mistakes),
    };
    for status in [99, 100, 200, 404, 503, 599, 600] {
        assert_eq!(selection.select_status(status), selection.select(&status.to_string()));
    }
    let _ = selection.select(&String::from_utf8_lossy(&bytes[end + 1..]));
}
