//! Texts with placeholders: the path that targets see, where a redirect leads, a log line.

use super::fields::check_field_value;
use super::values::{TextForm, Unformed};

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
        if let Some(name) = name.strip_suffix('+') {
            return Err(Unformed::At(offset, format!("here it is written `{{{name}}}`")));
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

/// The format of a line of the access log; presets are expanded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct LogFormat(pub(super) String);

impl TextForm for LogFormat {
    const EXPECTED: &'static str =
        "\"json\", \"clf\", or a line with `$context.*` variables (`$context.requestId`)";

    fn parse(text: &str) -> Result<Self, Unformed> {
        match text {
            "json" => return Ok(Self(JSON_FORMAT.into())),
            "clf" => return Ok(Self(CLF_FORMAT.into())),
            _ => {}
        }
        if let Some(offset) = text.bytes().position(|byte| byte == b'\n' || byte == b'\r') {
            return Err(Unformed::At(offset, "a format is one line".into()));
        }
        if text.len() > FORMAT_BYTES_MAX {
            let reason = format!("a format has at most {FORMAT_BYTES_MAX} bytes");
            return Err(Unformed::At(FORMAT_BYTES_MAX, reason));
        }
        for (offset, _) in text.match_indices('$') {
            let variable = text.get(offset..).and_then(|rest| rest.strip_prefix("$context."));
            if !variable.is_some_and(|rest| rest.starts_with(|letter: char| letter.is_alphabetic()))
            {
                let reason = "a variable is `$context.` and a name";
                return Err(Unformed::At(offset, reason.into()));
            }
        }
        if text.contains('$') { Ok(Self(text.into())) } else { Err(Unformed::Form) }
    }
}

const FORMAT_BYTES_MAX: usize = 4_096;
/// One JSON object a line, with AWS's names of the variables.
const JSON_FORMAT: &str = concat!(
    r#"{"requestId":"$context.requestId","ip":"$context.identity.sourceIp","#,
    r#""requestTime":"$context.requestTime","httpMethod":"$context.httpMethod","#,
    r#""routeKey":"$context.routeKey","path":"$context.path","protocol":"$context.protocol","#,
    r#""status":"$context.status","responseLength":"$context.responseLength","#,
    r#""responseLatency":"$context.responseLatency"}"#,
);
/// The Common Log Format, with the request id at its end.
const CLF_FORMAT: &str = concat!(
    "$context.identity.sourceIp - - [$context.requestTime] ",
    r#""$context.httpMethod $context.path $context.protocol" "#,
    "$context.status $context.responseLength $context.requestId",
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found_with_their_places() {
        let template = PathTemplate::parse("/v1/{a}/x/{proxy}").expect("well formed");
        let names: Vec<_> =
            template.placeholders.iter().map(|one| (&*one.name, one.offset)).collect();
        assert_eq!(names, [("a", 4), ("proxy", 10)]);
        for text in ["", "v1", "/{", "/}", "/{}", "/{a+}", "/{{a}}", "/a b", "/a?b", "/%g0", "/é"]
        {
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
    fn formats_have_variables_and_presets_are_formats() {
        for preset in [JSON_FORMAT, CLF_FORMAT] {
            assert_eq!(LogFormat::parse(preset).expect("a format").0, preset);
        }
        assert_eq!(LogFormat::parse("clf").expect("a preset").0, CLF_FORMAT);
        for text in ["", "common", "$request.id", "$context.", "a\n$context.status"] {
            assert!(LogFormat::parse(text).is_err(), "{text:?}");
        }
        for (bytes, fits) in [(4_095, true), (4_096, true), (4_097, false)] {
            let text = format!("{:-<bytes$}", "$context.status");
            assert_eq!(LogFormat::parse(&text).is_ok(), fits, "{bytes}");
        }
    }
}
