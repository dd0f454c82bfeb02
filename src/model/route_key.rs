//! Route keys in AWS's syntax: `GET /items/{id}`, `ANY /files/{proxy+}`, `$default`.

use std::fmt;

use crate::base::Method;
use crate::base::limits::PATH_PARAMETERS_MAX;

/// What a route matches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RouteKey {
    /// `$default`: whatever no other route takes.
    Default,
    /// A method and a path.
    Path {
        /// The method.
        method: RouteMethod,
        /// The path.
        path: PathPattern,
    },
}

/// The method of a route key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RouteMethod {
    /// `ANY`: methods that no other route of the same path names.
    Any,
    /// GET, HEAD, POST, PUT, DELETE, PATCH or OPTIONS.
    Exact(Method),
}

/// A path of segments.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PathPattern {
    /// The segments in order; none for `/`. A greedy one is the last.
    pub segments: Vec<Segment>,
}

/// One segment of a path pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Segment {
    /// Matches itself. Percent-decoded. Empty between two slashes, and after a `/` at the end:
    /// `/items/` is another path than `/items`.
    Static(String),
    /// `{name}`: one segment, not empty.
    Parameter(String),
    /// `{name+}`: the rest of the path, not empty.
    Greedy(String),
}

/// Why a text is not a route key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct RouteKeyError {
    /// A sentence without full stop that says what was expected.
    pub reason: String,
    /// Byte offset in the text where it goes wrong.
    pub offset: usize,
}

impl RouteKey {
    /// Parses `GET /items/{id}`, `ANY /files/{proxy+}` or `$default`. Static segments are
    /// percent-decoded. Stops at the first mistake of the text.
    pub fn parse(text: &str) -> Result<Self, RouteKeyError> {
        if text == DEFAULT_KEY {
            return Ok(Self::Default);
        }
        let Some((method, path)) = text.split_once(' ') else {
            return Err(mistake(0, "expected a method, a space and a path, or `$default`"));
        };
        Ok(Self::Path {
            method: RouteMethod::parse(method)?,
            path: PathPattern::parse(path).map_err(|mut error| {
                error.offset += method.len() + 1;
                error
            })?,
        })
    }

    /// The path's parameter names in order, the greedy one included.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        let segments = match self {
            Self::Default => &[][..],
            Self::Path { path, .. } => &path.segments,
        };
        segments.iter().filter_map(Segment::parameter)
    }

    /// The name of the greedy parameter, if there is one.
    #[must_use]
    pub fn greedy_parameter(&self) -> Option<&str> {
        let Self::Path { path, .. } = self else { return None };
        match path.segments.last() {
            Some(Segment::Greedy(name)) => Some(name),
            _ => None,
        }
    }
}

impl RouteMethod {
    /// Parses `ANY`, or one of the seven methods in upper case.
    pub fn parse(token: &str) -> Result<Self, RouteKeyError> {
        if token == ANY {
            return Ok(Self::Any);
        }
        let method = Method::from_token(token.as_bytes());
        if METHODS.contains(&method) {
            return Ok(Self::Exact(method));
        }
        let names = "GET, HEAD, POST, PUT, DELETE, PATCH, OPTIONS or ANY, in upper case";
        Err(mistake(0, format!("`{}` is no method; expected {names}", token.escape_debug())))
    }
}

impl PathPattern {
    /// Parses `/items/{id}`. Static segments are percent-decoded.
    pub fn parse(text: &str) -> Result<Self, RouteKeyError> {
        let Some(rest) = text.strip_prefix('/') else {
            return Err(mistake(0, "a path begins with `/`, one space after the method"));
        };
        if text.len() > PATH_BYTES_MAX {
            return Err(mistake(
                PATH_BYTES_MAX,
                format!("a path has at most {PATH_BYTES_MAX} bytes"),
            ));
        }
        let mut path = Self::default();
        if rest.is_empty() {
            return Ok(path);
        }
        let mut offset = 1;
        for piece in rest.split('/') {
            let segment = Segment::parse(piece).map_err(|mut error| {
                error.offset += offset;
                error
            })?;
            path.push(segment).map_err(|reason| mistake(offset, reason))?;
            offset += piece.len() + 1;
        }
        Ok(path)
    }

    fn push(&mut self, segment: Segment) -> Result<(), String> {
        if let Some(Segment::Greedy(name)) = self.segments.last() {
            return Err(format!("nothing may follow the greedy `{{{name}+}}`"));
        }
        if let Some(name) = segment.parameter() {
            let mut names = self.segments.iter().filter_map(Segment::parameter);
            if names.any(|earlier| earlier == name) {
                return Err(format!("the parameter `{name}` is named twice"));
            }
            if self.segments.iter().filter_map(Segment::parameter).count() == PATH_PARAMETERS_MAX {
                return Err(format!("a path has at most {PATH_PARAMETERS_MAX} parameters"));
            }
        }
        self.segments.push(segment);
        Ok(())
    }
}

impl Segment {
    fn parse(piece: &str) -> Result<Self, RouteKeyError> {
        let Some(inner) = piece.strip_prefix('{') else {
            return parse_static(piece).map(Self::Static);
        };
        let Some(inner) = inner.strip_suffix('}') else {
            return Err(mistake(0, "a parameter `{name}` fills its whole segment"));
        };
        let (name, greedy) = match inner.strip_suffix('+') {
            Some(name) => (name, true),
            None => (inner, false),
        };
        if name.is_empty() || name.len() > PARAMETER_BYTES_MAX {
            let reason = format!("a parameter's name has 1 to {PARAMETER_BYTES_MAX} characters");
            return Err(mistake(1, reason));
        }
        if let Some(at) = name.bytes().position(|byte| !is_parameter_byte(byte)) {
            let reason = "a parameter's name has letters, digits, `.`, `_`, `:` and `-` only";
            return Err(mistake(1 + at, reason));
        }
        Ok(if greedy { Self::Greedy(name.into()) } else { Self::Parameter(name.into()) })
    }

    /// The name, if it is a parameter.
    #[must_use]
    pub fn parameter(&self) -> Option<&str> {
        match self {
            Self::Static(_) => None,
            Self::Parameter(name) | Self::Greedy(name) => Some(name),
        }
    }
}

/// Decodes a static segment. What a request's path could never hold raw (RFC 3986 section 3.3) is
/// refused, for such a route would never match; so are dot segments, which clients resolve.
fn parse_static(piece: &str) -> Result<String, RouteKeyError> {
    let mut decoded = Vec::with_capacity(piece.len());
    let mut offset = 0;
    while let Some(&byte) = piece.as_bytes().get(offset) {
        match byte {
            b'%' => {
                let Some(byte) = piece.as_bytes().get(offset + 1..offset + 3).and_then(hex_byte)
                else {
                    return Err(mistake(offset, "`%` is followed by two hexadecimal digits"));
                };
                if byte < b' ' || byte == 0x7f {
                    return Err(mistake(offset, "a segment holds no control characters"));
                }
                decoded.push(byte);
                offset += 2;
            }
            b'{' | b'}' => {
                return Err(mistake(offset, "a parameter `{name}` fills its whole segment"));
            }
            b'?' | b'#' => return Err(mistake(offset, "a route key has no query and no fragment")),
            byte if byte >= 0x80 || is_path_byte(byte) => decoded.push(byte),
            _ => {
                let reason = format!("this character is written `%{byte:02X}` in a path");
                return Err(mistake(offset, reason));
            }
        }
        offset += 1;
    }
    match String::from_utf8(decoded) {
        Ok(text) if text == "." || text == ".." => {
            Err(mistake(0, "a path has no `.` and no `..` segments"))
        }
        Ok(text) => Ok(text),
        Err(_) => Err(mistake(0, "a decoded segment is UTF-8")),
    }
}

impl fmt::Display for RouteKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => out.write_str(DEFAULT_KEY),
            Self::Path { method, path } => write!(out, "{method} {path}"),
        }
    }
}

impl fmt::Display for RouteMethod {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => out.write_str(ANY),
            Self::Exact(method) => out.write_str(method.token().unwrap_or_default()),
        }
    }
}

impl fmt::Display for PathPattern {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.segments.is_empty() {
            return out.write_str("/");
        }
        self.segments.iter().try_for_each(|segment| write!(out, "/{segment}"))
    }
}

impl fmt::Display for Segment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Static(text) => text.bytes().try_for_each(|byte| match byte {
                byte if is_path_byte(byte) => write!(out, "{}", char::from(byte)),
                byte => write!(out, "%{byte:02X}"),
            }),
            Self::Parameter(name) => write!(out, "{{{name}}}"),
            Self::Greedy(name) => write!(out, "{{{name}+}}"),
        }
    }
}

fn mistake(offset: usize, reason: impl Into<String>) -> RouteKeyError {
    RouteKeyError { reason: reason.into(), offset }
}

fn hex_byte(digits: &[u8]) -> Option<u8> {
    let &[high, low] = digits else { return None };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

/// `pchar` of RFC 3986 section 3.3 without `pct-encoded`.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@".contains(&byte)
}

fn is_parameter_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"._:-".contains(&byte)
}

const DEFAULT_KEY: &str = "$default";
const ANY: &str = "ANY";
const METHODS: [Method; 7] = [
    Method::Get,
    Method::Head,
    Method::Post,
    Method::Put,
    Method::Delete,
    Method::Patch,
    Method::Options,
];
/// Longer than any path that the default bounds on a request line let in.
const PATH_BYTES_MAX: usize = 8_192;
const PARAMETER_BYTES_MAX: usize = 128;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn statics(text: &str) -> Segment {
        Segment::Static(text.into())
    }

    fn path(method: RouteMethod, segments: Vec<Segment>) -> RouteKey {
        RouteKey::Path { method, path: PathPattern { segments } }
    }

    #[test]
    fn keys_in_the_forms_of_the_guide_are_parsed() {
        let get = RouteMethod::Exact(Method::Get);
        for (text, expected) in [
            ("$default", RouteKey::Default),
            ("GET /", path(get, vec![])),
            ("GET /items", path(get, vec![statics("items")])),
            ("GET /items/{id}", path(get, vec![statics("items"), Segment::Parameter("id".into())])),
            (
                "ANY /files/{proxy+}",
                path(RouteMethod::Any, vec![statics("files"), Segment::Greedy("proxy".into())]),
            ),
            ("GET /a%2Fb/%7e", path(get, vec![statics("a/b"), statics("~")])),
            ("GET /items/", path(get, vec![statics("items"), statics("")])),
            ("GET //", path(get, vec![statics(""), statics("")])),
            ("GET /caf%C3%A9", path(get, vec![statics("café")])),
        ] {
            assert_eq!(RouteKey::parse(text).as_ref(), Ok(&expected), "{text}");
        }
    }

    #[test]
    fn every_method_but_connect_and_trace_is_taken() {
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "ANY"] {
            let text = format!("{method} /x");
            assert_eq!(RouteKey::parse(&text).expect("a method").to_string(), text);
        }
        for method in ["CONNECT", "TRACE", "get", "", "FOO"] {
            let error = RouteKey::parse(&format!("{method} /x")).expect_err("no method");
            assert_eq!(error.offset, 0, "{method}");
        }
    }

    #[test]
    fn mistakes_are_found_where_they_are() {
        for (text, offset, reason) in [
            ("", 0, "a method, a space and a path"),
            ("GET", 0, "a method, a space and a path"),
            ("$defaults", 0, "`$default`"),
            ("GET items", 4, "begins with `/`"),
            ("GET  /items", 4, "begins with `/`"),
            ("GET /a/{}", 8, "1 to 128"),
            ("GET /a/{+}", 8, "1 to 128"),
            ("GET /a/{b c}", 9, "letters"),
            ("GET /a/{b", 7, "whole segment"),
            ("GET /a/x{b}", 8, "whole segment"),
            ("GET /a/{b}x", 7, "whole segment"),
            ("GET /{a}/{a}", 9, "twice"),
            ("GET /{a}/{a+}", 9, "twice"),
            ("GET /{a+}/b", 10, "nothing may follow"),
            ("GET /a?b=c", 6, "no query"),
            ("GET /a#b", 6, "no fragment"),
            ("GET /a b", 6, "`%20`"),
            ("GET /a%2", 6, "hexadecimal"),
            ("GET /a%zz", 6, "hexadecimal"),
            ("GET /a%00", 6, "control"),
            ("GET /a/%ff", 7, "UTF-8"),
            ("GET /a/..", 7, "`..`"),
            ("GET /a/%2e", 7, "`..`"),
        ] {
            let error = RouteKey::parse(text).expect_err(text);
            assert_eq!(error.offset, offset, "{text}: {error}");
            assert!(error.reason.contains(reason), "{text}: {error}");
        }
    }

    #[test]
    fn bounds_hold_at_below_and_above() {
        for (count, fits) in [
            (PATH_PARAMETERS_MAX - 1, true),
            (PATH_PARAMETERS_MAX, true),
            (PATH_PARAMETERS_MAX + 1, false),
        ] {
            let path: String = (0..count).map(|index| format!("/{{p{index}}}")).collect();
            assert_eq!(RouteKey::parse(&format!("GET {path}")).is_ok(), fits, "{count}");
        }
        for (bytes, fits) in [(127, true), (128, true), (129, false)] {
            let key = format!("GET /{{{}}}", "n".repeat(bytes));
            assert_eq!(RouteKey::parse(&key).is_ok(), fits, "{bytes}");
        }
        for (bytes, fits) in [(8_191, true), (8_192, true), (8_193, false)] {
            let key = format!("GET /{}", "p".repeat(bytes - 1));
            assert_eq!(RouteKey::parse(&key).is_ok(), fits, "{bytes}");
        }
    }

    fn any_segment() -> impl Strategy<Value = Segment> {
        prop_oneof![
            "[^\\x00-\\x1f\\x7f]{0,12}"
                .prop_filter("dot segments are refused", |text| text != "." && text != "..")
                .prop_map(Segment::Static),
            "[A-Za-z0-9._:-]{1,12}".prop_map(Segment::Parameter),
        ]
    }

    proptest! {
        #[test]
        fn what_is_displayed_parses_back(
            segments in prop::collection::vec(any_segment(), 0..8),
            greedy in prop::option::of("[A-Za-z0-9._:-]{1,12}"),
        ) {
            let mut path = PathPattern::default();
            for segment in segments.into_iter().chain(greedy.map(Segment::Greedy)) {
                // Names that repeat are refused, here as in a text.
                let _ = path.push(segment);
            }
            // One empty segment alone is no text: `/` has none.
            prop_assume!(path.segments != [statics("")]);
            let key = RouteKey::Path { method: RouteMethod::Any, path };
            prop_assert_eq!(RouteKey::parse(&key.to_string()), Ok(key));
        }

        #[test]
        fn mistakes_lie_within_the_text(text in "(GET |ANY )?[/{}+%a-z\\PC]{0,40}") {
            match RouteKey::parse(&text) {
                Ok(key) => prop_assert_eq!(RouteKey::parse(&key.to_string()), Ok(key)),
                Err(error) => prop_assert!(error.offset <= text.len()),
            }
        }
    }
}
