//! Texts with placeholders: the path that targets see, where a redirect leads, a log line.

use super::fields::check_field_value;
use super::values::{TextForm, Unformed};
use crate::observe::access_log::{AccessLogFormat, PRESETS};

/// `{name}` in a template.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Placeholder {
    pub(super) name: String,
    /// Byte offset of its `{`.
    pub(super) offset: usize,
}

/// The path that targets see, with placeholders.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct PathTemplate {
    pub(super) text: String,
    pub(super) placeholders: Vec<Placeholder>,
}

impl TextForm for PathTemplate {
    const EXPECTED: &'static str =
        "a path with parameters of the route in braces (`/v2/items/{id}`), without query";
    const PATTERN: Option<&'static str> = Some("^/[^ ?#]*$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        if !text.starts_with('/') {
            return Err(Unformed::because("a path begins with `/`"));
        }
        let is_other = |byte: u8| !byte.is_ascii_graphic() || b"?#\"<>\\^`|".contains(&byte);
        if let Some(offset) = text.bytes().position(is_other) {
            return Err(Unformed::At(offset, "this character may not stand in a path".into()));
        }
        check_percents(text)?;
        Ok(Self { text: text.into(), placeholders: parse_placeholders(text)? })
    }
}

/// Where a redirect leads, with placeholders.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LocationTemplate {
    pub(super) text: String,
    pub(super) placeholders: Vec<Placeholder>,
}

impl LocationTemplate {
    /// What may stand in braces beside the parameters of the route.
    pub(super) const NAMES: [&'static str; 3] = ["host", "path", "query"];
}

impl TextForm for LocationTemplate {
    const EXPECTED: &'static str = "a URL or a path, with `{host}`, `{path}`, `{query}` and \
        parameters of the route in braces (`https://{host}{path}{query}`)";

    fn parse(text: &str) -> Result<Self, Unformed> {
        if text.is_empty() {
            return Err(Unformed::Form);
        }
        check_field_value(text)?;
        let is_other = |byte: u8| !byte.is_ascii_graphic() || b"\"<>\\^`|".contains(&byte);
        if let Some(offset) = text.bytes().position(is_other) {
            return Err(Unformed::At(offset, "this character may not stand in a URL".into()));
        }
        check_percents(text)?;
        Ok(Self { text: text.into(), placeholders: parse_placeholders(text)? })
    }
}

fn parse_placeholders(text: &str) -> Result<Vec<Placeholder>, Unformed> {
    let mut placeholders = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let offset = text.len() - rest.len() + at;
        let inner = rest.get(at..).unwrap_or_default();
        let Some((name, after)) = inner.strip_prefix('{').and_then(|inner| inner.split_once('}'))
        else {
            return Err(Unformed::At(offset, "a brace has no partner".into()));
        };
        if name.is_empty() || name.contains('{') {
            return Err(Unformed::At(offset, "a name stands in braces".into()));
        }
        placeholders.push(Placeholder { name: name.into(), offset });
        rest = after;
    }
    Ok(placeholders)
}

/// Checks that each `%` begins an encoded byte (RFC 3986 section 2.1).
fn check_percents(text: &str) -> Result<(), Unformed> {
    for (offset, _) in text.match_indices('%') {
        let digits = text.as_bytes().get(offset + 1..offset + 3).unwrap_or_default();
        if digits.len() < 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            let reason = "`%` is followed by two hexadecimal digits";
            return Err(Unformed::At(offset, reason.into()));
        }
    }
    Ok(())
}

/// The path and query of a health check.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct CheckPath(pub(super) String);

impl TextForm for CheckPath {
    const EXPECTED: &'static str = "a path (`/health`), with or without a query";
    const PATTERN: Option<&'static str> = Some("^/[^ #]*$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        if !text.starts_with('/') {
            return Err(Unformed::because("a path begins with `/`"));
        }
        let is_other = |byte: u8| !byte.is_ascii_graphic() || b"#\"<>\\^`{|}".contains(&byte);
        if let Some(offset) = text.bytes().position(is_other) {
            return Err(Unformed::At(offset, "this character may not stand in a path".into()));
        }
        check_percents(text)?;
        Ok(Self(text.into()))
    }
}

/// The full name of a gRPC service, or nothing.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct GrpcService(pub(super) String);

impl TextForm for GrpcService {
    const EXPECTED: &'static str = "the name of a gRPC service (`shop.v1.Orders`), or \"\"";
    const PATTERN: Option<&'static str> = Some("^[A-Za-z0-9_.]*$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        let is_other = |byte: u8| !byte.is_ascii_alphanumeric() && !b"_.".contains(&byte);
        match text.bytes().position(is_other) {
            Some(offset) => {
                Err(Unformed::At(offset, "this character may not stand in a name".into()))
            }
            None => Ok(Self(text.into())),
        }
    }
}

/// The format of a line of the access log; presets are expanded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LogFormat(pub(super) String);

impl TextForm for LogFormat {
    const EXPECTED: &'static str = "\"json\", \"clf\", \"csv\", \"xml\", or a line with \
        `$context.*` variables, `$context.requestId` among them";

    fn parse(text: &str) -> Result<Self, Unformed> {
        let preset = PRESETS.iter().find(|(name, _)| *name == text);
        match AccessLogFormat::compile(text) {
            Ok(_) => Ok(Self(preset.map_or(text, |(_, format)| format).into())),
            Err(error) => Err(Unformed::At(error.offset, error.message)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_with_their_places() {
        let template = PathTemplate::parse("/v1/{a}/x/{proxy}").expect("well formed");
        let names: Vec<_> =
            template.placeholders.iter().map(|one| (&*one.name, one.offset)).collect();
        assert_eq!(names, [("a", 4), ("proxy", 10)]);
        for text in ["", "v1", "/{", "/}", "/{}", "/{{a}}", "/a b", "/a?b", "/%g0", "/é"] {
            assert!(PathTemplate::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn locations_hold_nothing_that_ends_a_header() {
        assert!(LocationTemplate::parse("https://{host}{path}{query}#top").is_ok());
        for text in ["", "/a\r\nb", "/a b", "/{a", "\"/\""] {
            assert!(LocationTemplate::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn formats_are_checked_and_presets_expanded() {
        for (name, format) in PRESETS {
            assert_eq!(LogFormat::parse(name).expect(name).0, format);
            assert_eq!(LogFormat::parse(format).expect(name).0, format);
        }
        for text in ["", "common", "$context.status", "$context.requestId $context.statsu"] {
            assert!(LogFormat::parse(text).is_err(), "{text:?}");
        }
    }
}
