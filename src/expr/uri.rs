//! The URI of an HTTP integration: where it leads, with places in its path and query that each
//! exchange fills.
//!
//! Stage variables are resolved when it is compiled, wherever they stand. `{name}` may stand in
//! the path and the query only: which host is called is never up to a request.

use super::http_request::place_in_path;
use super::percent::{Place, encode, has_dot_segment};
use super::rest_value::compile_name;
use super::source::Source;
use super::uri_host::{parse_authority, unfit_character};
use super::{CompileError, Facts, MappingFault, RestRequestMapping, Scope, Scratch};

/// Whether the connection to the integration is encrypted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scheme {
    /// `http`
    Http,
    /// `https`
    Https,
}

/// A compiled URI.
///
/// # Invariants
///
/// - What it writes as a path begins with a slash, and neither part holds a byte that ends it.
#[derive(Clone, Debug, PartialEq)]
pub struct HttpUri {
    scheme: Scheme,
    host: Box<str>,
    port: u16,
    path: Box<[Piece]>,
    query: Option<Box<[Piece]>>,
}

/// A part of a path or a query.
#[derive(Clone, Debug, PartialEq)]
enum Piece {
    /// As the author wrote it.
    Text(Box<str>),
    /// What stands for `{name}`; `None` until something gives it a value.
    Value { name: Box<str>, source: Option<Source>, place: Place },
}

impl HttpUri {
    /// Compiles the URI of a REST integration, whose placeholders are filled by the mappings of
    /// `integration.request.path`. A placeholder that has none is kept, see
    /// [`HttpUri::unfilled`].
    ///
    /// # Errors
    ///
    /// What is no URI of HTTP, or names a stage variable that is not there.
    pub fn compile_rest(
        text: &str,
        mapping: &RestRequestMapping,
        scope: &Scope<'_>,
    ) -> Result<Self, CompileError> {
        let find = |name: &str| mapping.path_value(name).map(|value| value.source.clone());
        Self::compile(text, &find, scope)
    }

    /// Compiles the URI of an HTTP API's integration, whose placeholders are the parameters of the
    /// route's path.
    ///
    /// # Errors
    ///
    /// What is no URI of HTTP, or names a stage variable that is not there.
    pub fn compile_http(text: &str, scope: &Scope<'_>) -> Result<Self, CompileError> {
        Self::compile(text, &|name| Some(Source::PathParameter(name.into())), scope)
    }

    fn compile(text: &str, find: &Find<'_>, scope: &Scope<'_>) -> Result<Self, CompileError> {
        let text = scope.resolve(text)?;
        Self::parse(&text, find, scope).map_err(|reason| CompileError::new(&text, reason))
    }

    fn parse(text: &str, find: &Find<'_>, scope: &Scope<'_>) -> Result<Self, String> {
        if let Some(unfit) = unfit_character(text) {
            return Err(format!("a URI cannot hold {unfit:?}"));
        }
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let scheme = match scheme.to_ascii_lowercase().as_str() {
            "http" => Scheme::Http,
            "https" => Scheme::Https,
            _ => return Err("a URI begins with `http://` or `https://`".into()),
        };
        let (authority, rest) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
        let (host, port) = parse_authority(authority)?;
        let (path, query) = rest.split_once('?').map_or((rest, None), |(a, b)| (a, Some(b)));
        let path = parse_pieces(path, true, find, scope)?;
        let query = query.map(|query| parse_pieces(query, false, find, scope)).transpose()?;
        Ok(Self { scheme, host: host.into(), port: port.unwrap_or(scheme.port()), path, query })
    }

    /// The scheme.
    #[must_use]
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// The host in lower case; an IPv6 address keeps its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port, which is the scheme's where the URI has none.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The placeholders that nothing fills: evaluating ends with
    /// [`MappingFault::MissingPathValue`].
    pub fn unfilled(&self) -> impl Iterator<Item = &str> {
        self.pieces().filter_map(|piece| match piece {
            Piece::Value { name, source: None, .. } => Some(&**name),
            _ => None,
        })
    }

    /// Whether the request's body must be kept for this.
    #[must_use]
    pub fn needs_request_body(&self) -> bool {
        self.pieces().any(|piece| match piece {
            Piece::Value { source: Some(source), .. } => source.needs_request_body(),
            _ => false,
        })
    }

    fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.path.iter().chain(self.query.iter().flatten())
    }

    /// Appends the path, encoded, from its first slash.
    ///
    /// # Errors
    ///
    /// A value that is missing, or that would make a dot segment of the path; a body that is no
    /// JSON. `out` is then as it was.
    pub fn write_path(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<(), MappingFault> {
        let start = out.len();
        if !matches!(self.path.first(), Some(Piece::Text(text)) if text.starts_with('/')) {
            out.push(b'/');
        }
        let written = write_pieces(&self.path, facts, scratch, out).and_then(|()| {
            let is_fit = !has_dot_segment(&out[start..]);
            is_fit.then_some(()).ok_or(MappingFault::UnfitPath)
        });
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    /// Appends the query, encoded and without its question mark, and answers whether there is one.
    ///
    /// # Errors
    ///
    /// A value that is missing; a body that is no JSON. `out` is then as it was.
    pub fn write_query(
        &self,
        facts: &impl Facts,
        scratch: &mut Scratch,
        out: &mut Vec<u8>,
    ) -> Result<bool, MappingFault> {
        let Some(query) = &self.query else { return Ok(false) };
        let start = out.len();
        let written = write_pieces(query, facts, scratch, out);
        if written.is_err() {
            out.truncate(start);
        }
        written.map(|()| out.len() > start)
    }
}

impl Scheme {
    const fn port(self) -> u16 {
        match self {
            Self::Http => 80,
            Self::Https => 443,
        }
    }
}

/// Finds what fills a placeholder.
type Find<'a> = dyn Fn(&str) -> Option<Source> + 'a;

fn parse_pieces(
    text: &str,
    is_path: bool,
    find: &Find<'_>,
    scope: &Scope<'_>,
) -> Result<Box<[Piece]>, String> {
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((plain, tail)) = rest.split_once('{') {
        let (name, after) = tail.split_once('}').ok_or("a brace is not closed")?;
        push_text(plain, &mut pieces)?;
        let name = compile_name(name)?;
        let source = find(&name);
        let place = match &source {
            Some(source) if is_path => place_of_value(source, scope.greedy),
            _ if is_path => Place::Segment,
            _ => Place::Query,
        };
        pieces.push(Piece::Value { name, source, place });
        rest = after;
    }
    push_text(rest, &mut pieces)?;
    if is_path && has_static_dot_segment(&pieces) {
        return Err("the path has a segment of dots".into());
    }
    Ok(pieces.into())
}

/// Whether the path has a dot segment whatever fills it.
fn has_static_dot_segment(pieces: &[Piece]) -> bool {
    let texts = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => &**text,
        Piece::Value { .. } => "x",
    });
    has_dot_segment(texts.collect::<String>().as_bytes())
}

/// A static value is data here, not a part of the URI as written.
fn place_of_value(source: &Source, greedy: Option<&str>) -> Place {
    match source {
        Source::Static(_) => Place::Segment,
        _ => place_in_path(source, greedy),
    }
}

fn push_text(text: &str, pieces: &mut Vec<Piece>) -> Result<(), String> {
    if text.contains('}') {
        return Err("a brace is not opened".into());
    }
    if !text.is_empty() {
        pieces.push(Piece::Text(text.into()));
    }
    Ok(())
}

fn write_pieces(
    pieces: &[Piece],
    facts: &impl Facts,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), MappingFault> {
    for piece in pieces {
        match piece {
            Piece::Text(text) => out.extend_from_slice(text.as_bytes()),
            Piece::Value { source, place, .. } => {
                write_value(source.as_ref(), *place, facts, scratch, out)?;
            }
        }
    }
    Ok(())
}

fn write_value(
    source: Option<&Source>,
    place: Place,
    facts: &impl Facts,
    scratch: &mut Scratch,
    out: &mut Vec<u8>,
) -> Result<(), MappingFault> {
    let source = source.ok_or(MappingFault::MissingPathValue)?;
    let mut text = std::mem::take(&mut scratch.text);
    text.clear();
    let found = source.write(facts, scratch, &mut text);
    // An empty segment would make another path of it; an empty part of a query does no harm.
    let is_there = place == Place::Query || !text.is_empty();
    if found == Ok(true) {
        encode(place, &text, out);
    }
    scratch.text = text;
    if found? && is_there { Ok(()) } else { Err(MappingFault::MissingPathValue) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::test_facts::{TestFacts, list};
    use super::*;

    const SCOPE: Scope<'static> = Scope {
        stage_variables: &|name| match name {
            "full" => Some("beta.example.com:8080/base?k=v"),
            "sub" => Some("beta"),
            _ => None,
        },
        greedy: Some("proxy"),
    };

    fn http(text: &str) -> HttpUri {
        HttpUri::compile_http(text, &SCOPE).unwrap_or_else(|error| panic!("{error}"))
    }

    fn rest(text: &str, parameters: &[(&str, &str)]) -> HttpUri {
        let mapping = RestRequestMapping::compile(parameters.iter().copied(), &SCOPE);
        let mapping = mapping.unwrap_or_else(|errors| panic!("{errors:?}"));
        HttpUri::compile_rest(text, &mapping, &SCOPE).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The path, and the query after a question mark.
    fn target(uri: &HttpUri, facts: &TestFacts) -> Result<String, MappingFault> {
        let (mut scratch, mut out, mut query) = (Scratch::new(), Vec::new(), Vec::new());
        uri.write_path(facts, &mut scratch, &mut out)?;
        if uri.write_query(facts, &mut scratch, &mut query)? {
            out.push(b'?');
            out.append(&mut query);
        }
        Ok(String::from_utf8(out).expect("a target is ASCII"))
    }

    /// The forms of "HTTP integration URIs" in "Amazon API Gateway stage variables reference".
    #[test]
    fn a_uri_leads_somewhere() {
        for (text, scheme, host, port, wanted) in [
            ("http://example.com", Scheme::Http, "example.com", 80, "/"),
            ("HTTPS://Example.COM/a/b", Scheme::Https, "example.com", 443, "/a/b"),
            ("http://10.0.0.1:8080?a=b", Scheme::Http, "10.0.0.1", 8080, "/?a=b"),
            ("http://[2001:db8::1]:81/", Scheme::Http, "[2001:db8::1]", 81, "/"),
            ("http://a/?", Scheme::Http, "a", 80, "/"),
            ("http://${stageVariables.full}", Scheme::Http, "beta.example.com", 8080, "/base?k=v"),
            (
                "https://${stageVariables.sub}.example.com/r/o",
                Scheme::Https,
                "beta.example.com",
                443,
                "/r/o",
            ),
            (
                "http://example.com/${stageVariables.sub}/bar",
                Scheme::Http,
                "example.com",
                80,
                "/beta/bar",
            ),
            (
                "http://example.com/foo?q=${stageVariables.sub}",
                Scheme::Http,
                "example.com",
                80,
                "/foo?q=beta",
            ),
        ] {
            let uri = http(text);
            assert_eq!((uri.scheme(), uri.host(), uri.port()), (scheme, host, port), "{text}");
            assert_eq!(target(&uri, &TestFacts::default()).as_deref(), Ok(wanted), "{text}");
        }
    }

    /// The examples of "HTTP proxy integration with path variables".
    #[test]
    fn placeholders_are_parameters_of_the_path() {
        let facts = TestFacts {
            path: list(&[("petID", "6/../7?a#b"), ("proxy", "cats/black & white"), ("empty", "")]),
            ..TestFacts::default()
        };
        for (text, wanted) in [
            ("http://a/pets/extentendedpath/{petID}", "/pets/extentendedpath/6%2F..%2F7%3Fa%23b"),
            ("https://a/petstore/{proxy}", "/petstore/cats/black%20&%20white"),
            ("https://a/p?q={proxy}&e={empty}", "/p?q=cats%2Fblack%20%26%20white&e="),
        ] {
            assert_eq!(target(&http(text), &facts).as_deref(), Ok(wanted), "{text}");
        }
        for text in ["http://a/{none}", "http://a/{empty}", "http://a/?q={none}"] {
            let fault = target(&http(text), &facts).expect_err(text);
            assert_eq!((fault, fault.status()), (MappingFault::MissingPathValue, 500));
        }
    }

    #[test]
    fn placeholders_are_filled_by_mappings() {
        let parameters = [
            ("integration.request.path.name", "method.request.header.Name"),
            ("integration.request.path.proxy", "method.request.path.proxy"),
            ("integration.request.path.fixed", "'a/b'"),
            ("integration.request.path.pet", "method.request.body.pet"),
        ];
        let uri = rest("http://a/{name}/{fixed}/{pet}/{proxy}?n={name}", &parameters);
        assert!(uri.needs_request_body());
        assert_eq!(uri.unfilled().next(), None);
        let mut facts = TestFacts {
            headers: list(&[("Name", "x y")]),
            path: list(&[("proxy", "p/q")]),
            ..TestFacts::with_request_body("{\"pet\": \"Rex\"}")
        };
        assert_eq!(target(&uri, &facts).as_deref(), Ok("/x%20y/a%2Fb/Rex/p/q?n=x%20y"));
        facts.request_body = Some(b"{".to_vec());
        assert_eq!(target(&uri, &facts), Err(MappingFault::InvalidRequestJson));
        let open = rest("http://a/{name}/{other}", &parameters);
        assert_eq!(open.unfilled().collect::<Vec<_>>(), ["other"]);
        assert!(!open.needs_request_body());
        assert_eq!(target(&open, &facts), Err(MappingFault::MissingPathValue));
    }

    #[test]
    fn no_value_climbs() {
        for (text, value) in [
            ("http://a/b/{petID}", ".."),
            ("http://a/b/{petID}/c", "."),
            ("http://a/b/.{petID}", "."),
            ("http://a/b/{petID}{petID}", "."),
            ("http://a/b/{proxy}", "c/../../d"),
        ] {
            let path = list(&[("petID", value), ("proxy", value)]);
            let facts = TestFacts { path, ..TestFacts::default() };
            assert_eq!(target(&http(text), &facts), Err(MappingFault::UnfitPath), "{text}");
        }
    }

    #[test]
    fn what_is_no_uri_is_said() {
        for (text, reason) in [
            ("", "a URI begins with `http://` or `https://`"),
            ("example.com", "a URI begins with `http://` or `https://`"),
            ("ftp://a", "a URI begins with `http://` or `https://`"),
            ("http://", "`` is no host"),
            ("http://a b/", "a URI cannot hold ' '"),
            ("http://a/b#c", "a URI cannot hold '#'"),
            ("http://a/\u{e9}", "a URI cannot hold '\u{e9}'"),
            ("http://a/\r\n", "a URI cannot hold '\\r'"),
            ("http://{host}/", "a placeholder can stand in the path and the query only"),
            ("http://user:secret@a/", "credentials do not belong into a URI"),
            ("http://a/{b", "a brace is not closed"),
            ("http://a/b}", "a brace is not opened"),
            ("http://a/{}", "`` is no name of a parameter: letters, digits, `.`, `_`, `$`, `-`"),
            ("http://a/../b", "the path has a segment of dots"),
            ("http://a/%2e%2E/{b}", "the path has a segment of dots"),
            ("http://${stageVariables.none}/", "the stage has no variable named `none`"),
        ] {
            let error = HttpUri::compile_http(text, &SCOPE).expect_err(text);
            assert_eq!(error.reason, reason, "{text}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_uri_or_not(text in "[a-z0-9:/?{}\\[\\].@%$# -]{0,24}") {
            let _ = HttpUri::compile_http(&text, &SCOPE);
            let _ = HttpUri::compile_http(&format!("http://{text}"), &SCOPE);
        }

        #[test]
        fn a_value_stays_in_its_place(value in prop::collection::vec(any::<u8>(), 1..24)) {
            let facts = TestFacts {
                path: vec![("id".into(), value.clone()), ("proxy".into(), value.clone())],
                ..TestFacts::default()
            };
            let segments = |text: &str| text.bytes().filter(|byte| *byte == b'/').count();
            if let Ok(target) = target(&http("http://a/b/{id}/c"), &facts) {
                prop_assert_eq!(segments(&target), 3);
                prop_assert!(target.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#".contains(&byte)));
                let mut decoded = Vec::new();
                let inner = &target["/b/".len()..target.len() - "/c".len()];
                prop_assert!(crate::proto::uri::percent_decode(inner.as_bytes(), &mut decoded).is_ok());
                prop_assert_eq!(&decoded, &value);
            }
            if let Ok(target) = target(&http("http://a/b/{proxy}?q={id}"), &facts) {
                let slashes = value.iter().filter(|byte| **byte == b'/').count();
                let (path, query) = target.split_once('?').expect("a query");
                prop_assert_eq!(segments(path), 2 + slashes);
                prop_assert!(!query.bytes().skip(2).any(|byte| b"?#&=+/".contains(&byte)));
            }
        }
    }
}
