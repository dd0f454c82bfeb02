//! Path and Location templates: text to pieces.
//!
//! A template may hold only what its place on the wire may hold, so that no request needs a
//! check: visible ASCII, other characters percent-encoded (RFC 3986 section 2).

use crate::model::{RouteKey, Segment};
use crate::plan::TemplatePiece;

/// Pieces of the path that targets see. `{name}` is a parameter of the route; `{name+}` is
/// allowed for the greedy one.
pub(super) fn path_template(text: &str, key: &RouteKey) -> Result<Vec<TemplatePiece>, String> {
    if !text.starts_with('/') {
        return Err(format!("path `{text}` must start with `/`"));
    }
    if let Some(found) = text.chars().find(|one| "?#".contains(*one)) {
        return Err(format!("path `{text}` has a `{found}`; the client's query is sent after it"));
    }
    pieces("path", text, key, |_| None)
}

/// Pieces of a `Location`. A parameter of the route that is named `host`, `path` or `query` goes
/// before the request's own.
pub(super) fn location_template(text: &str, key: &RouteKey) -> Result<Vec<TemplatePiece>, String> {
    if text.is_empty() {
        return Err("location is empty".into());
    }
    pieces("location", text, key, |name| match name {
        "host" => Some(TemplatePiece::Host),
        "path" => Some(TemplatePiece::Path),
        "query" => Some(TemplatePiece::Query),
        _ => None,
    })
}

fn pieces(
    what: &str,
    text: &str,
    key: &RouteKey,
    of_request: impl Fn(&str) -> Option<TemplatePiece>,
) -> Result<Vec<TemplatePiece>, String> {
    if let Some(found) = text.chars().find(|one| !one.is_ascii_graphic()) {
        return Err(format!("{what} `{}` has {found:?}; percent-encode it", text.escape_debug()));
    }
    let names = parameter_names(key);
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(brace) = rest.find(['{', '}']) {
        let (literal, from_brace) = rest.split_at(brace);
        push_literal(&mut pieces, literal);
        let inside = from_brace.strip_prefix('{').and_then(|after| after.split_once('}'));
        let Some((name, after)) = inside else {
            return Err(format!("{what} `{text}` has a brace without its partner"));
        };
        let piece = names
            .iter()
            .position(|one| one.is(name))
            .map(TemplatePiece::Parameter)
            .or_else(|| of_request(name))
            .ok_or_else(|| unknown(what, text, name, &names))?;
        pieces.push(piece);
        rest = after;
    }
    push_literal(&mut pieces, rest);
    Ok(pieces)
}

fn push_literal(pieces: &mut Vec<TemplatePiece>, literal: &str) {
    if !literal.is_empty() {
        pieces.push(TemplatePiece::Literal(literal.as_bytes().into()));
    }
}

fn unknown(what: &str, text: &str, name: &str, names: &[ParameterName<'_>]) -> String {
    let known: Vec<_> = names.iter().map(|one| format!("`{{{}}}`", one.name)).collect();
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    format!("{what} `{text}` names `{{{name}}}`; the route's parameters are: {known}")
}

/// A parameter of the route key.
#[derive(Clone, Copy, Debug)]
struct ParameterName<'key> {
    name: &'key str,
    is_greedy: bool,
}

impl ParameterName<'_> {
    fn is(self, written: &str) -> bool {
        self.name == written || (self.is_greedy && written.strip_suffix('+') == Some(self.name))
    }
}

fn parameter_names(key: &RouteKey) -> Vec<ParameterName<'_>> {
    let RouteKey::Path { path, .. } = key else { return Vec::new() };
    let name = |segment| match segment {
        &Segment::Static(_) => None,
        Segment::Parameter(name) => Some(ParameterName { name, is_greedy: false }),
        Segment::Greedy(name) => Some(ParameterName { name, is_greedy: true }),
    };
    path.segments.iter().filter_map(name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{PathPattern, RouteMethod};

    fn key() -> RouteKey {
        let segments = vec![
            Segment::Static("users".into()),
            Segment::Parameter("id".into()),
            Segment::Greedy("proxy".into()),
        ];
        RouteKey::Path { method: RouteMethod::Any, path: PathPattern { segments } }
    }

    fn literal(text: &str) -> TemplatePiece {
        TemplatePiece::Literal(text.as_bytes().into())
    }

    #[test]
    fn parameters_are_named_by_their_place_in_the_key() {
        let pieces = path_template("/v1/{proxy}/of/{id}", &key()).expect("well formed");
        assert_eq!(
            pieces,
            [
                literal("/v1/"),
                TemplatePiece::Parameter(1),
                literal("/of/"),
                TemplatePiece::Parameter(0)
            ]
        );
        assert_eq!(path_template("/{proxy+}", &key()), path_template("/{proxy}", &key()));
        assert_eq!(path_template("/x", &RouteKey::Default), Ok(vec![literal("/x")]));
    }

    #[test]
    fn locations_know_the_request_too() {
        let pieces = location_template("https://{host}{path}{query}", &key()).expect("well formed");
        assert_eq!(
            pieces,
            [literal("https://"), TemplatePiece::Host, TemplatePiece::Path, TemplatePiece::Query]
        );
        let own = RouteKey::Path {
            method: RouteMethod::Any,
            path: PathPattern { segments: vec![Segment::Parameter("path".into())] },
        };
        let pieces = location_template("/{path}", &own).expect("well formed");
        assert_eq!(pieces, [literal("/"), TemplatePiece::Parameter(0)]);
    }

    #[test]
    fn mistakes_are_named() {
        let fault = |text| path_template(text, &key()).expect_err("a mistake");
        assert!(fault("/{nobody}").ends_with("the route's parameters are: `{id}`, `{proxy}`"));
        assert!(fault("/{id+}").contains("`{id+}`"), "only the greedy one may have a plus");
        assert!(fault("/{host}").contains("`{host}`"));
        assert!(fault("items").contains("must start with `/`"));
        assert!(fault("/a?b=c").contains('?'));
        assert!(fault("/{id").contains("brace"));
        assert!(fault("/id}").contains("brace"));
        assert!(fault("/{a{id}}").contains("`{a{id}`"));
        assert!(fault("/a\r\nx: y").contains("'\\r'"));
        assert!(fault("/é").contains("percent-encode"));
        assert!(location_template("", &key()).is_err());
        assert!(location_template("/a b", &key()).is_err());
    }
}
