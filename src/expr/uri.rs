//! The URI of an HTTP integration: where it leads, with places in its path and query that each
//! exchange fills.
//!
//! Stage variables are resolved when it is compiled, wherever they stand. `{name}` may stand in
//! the path and the query only: which host is called is never up to a request.

use super::http_mapping::place_in_path;
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
