//! What the keys and values of HTTP API parameter mappings have in common: actions, reserved
//! headers, values of headers.

use super::http_value::{HttpValue, Side};
use super::{CompileError, Facts, MappingFault, Scope, Scratch, header};

/// What becomes of what is there already.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Action {
    /// It goes.
    Remove,
    /// It is replaced.
    Overwrite,
    /// It stays, and a value is added.
    Append,
}

pub(super) fn split_key(key: &str) -> Result<(Action, &str, Option<&str>), CompileError> {
    let fail = || CompileError::new(key, "a key begins with `append:`, `overwrite:` or `remove:`");
    let (action, rest) = key.split_once(':').ok_or_else(fail)?;
    let action = match action {
        "append" => Action::Append,
        "overwrite" => Action::Overwrite,
        "remove" => Action::Remove,
        _ => return Err(fail()),
    };
    let (place, name) = rest.split_once('.').map_or((rest, None), |(a, b)| (a, Some(b)));
    Ok((action, place, name))
}

pub(super) fn compile_header(key: &str, name: &str) -> Result<Box<str>, CompileError> {
    if is_reserved_header(name) {
        return Err(CompileError::new(key, "the header is reserved and cannot be mapped"));
    }
    header::compile_name(name)
}

/// None for a pair that says nothing.
pub(super) fn compile_value(
    action: Action,
    value: &str,
    side: Side,
    scope: &Scope<'_>,
) -> Result<Option<HttpValue>, CompileError> {
    match (action, value) {
        (Action::Remove, _) => HttpValue::compile("", side, scope).map(Some),
        (_, "") => Ok(None),
        _ => HttpValue::compile(value, side, scope).map(Some),
    }
}

pub(super) fn check_static(
    key: &str,
    is_header: bool,
    value: Option<&HttpValue>,
) -> Result<(), CompileError> {
    let text = value.and_then(HttpValue::as_static).unwrap_or_default();
    if is_header && !header::is_value(text.as_bytes()) {
        return Err(CompileError::new(key, "the value of a header has a control character"));
    }
    Ok(())
}

pub(super) fn write_header(
    value: &HttpValue,
    facts: &impl Facts,
    scratch: &mut Scratch,
    unfit: MappingFault,
    out: &mut Vec<u8>,
) -> Result<bool, MappingFault> {
    let start = out.len();
    let found = value.write_line(facts, scratch, out);
    if header::is_value(&out[start..]) {
        return Ok(found);
    }
    out.truncate(start);
    Err(unfit)
}

/// Whether no mapping of an HTTP API may name this header.
#[must_use]
pub fn is_reserved_header(name: &str) -> bool {
    let begins_with = |prefix: &str| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    RESERVED_PREFIXES.iter().any(|prefix| begins_with(prefix))
        || RESERVED_NAMES.iter().any(|reserved| reserved.eq_ignore_ascii_case(name))
}

const RESERVED_PREFIXES: [&str; 4] = ["access-control-", "apigw-", "x-amz-", "x-amzn-"];

const RESERVED_NAMES: [&str; 18] = [
    "authorization",
    "connection",
    "content-encoding",
    "content-length",
    "content-location",
    "forwarded",
    "keep-alive",
    "origin",
    "proxy-authenticate",
    "proxy-authorization",
    "te",
    "trailers",
    "transfer-encoding",
    "upgrade",
    "via",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
];

#[cfg(test)]
mod tests {
    use super::super::{HttpRequestMapping, HttpResponseMappings};
    use super::*;

    const NO_SCOPE: Scope<'static> = Scope { stage_variables: &|_| None, greedy: None };

    #[test]
    fn reserved_headers_are_refused() {
        let reserved = "access-control-max-age apigw-requestid Authorization Connection \
            Content-Encoding Content-Length Content-Location Forwarded Keep-Alive Origin \
            Proxy-Authenticate Proxy-Authorization TE Trailers Transfer-Encoding Upgrade \
            x-amz-date x-amzn-trace-id X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto Via";
        for name in reserved.split_whitespace() {
            for action in ["append", "overwrite", "remove"] {
                let key = format!("{action}:header.{name}");
                let errors = HttpRequestMapping::compile([(&*key, "1")], &NO_SCOPE);
                assert_eq!(errors.expect_err(name)[0].expression, key);
                let response = [("200", [(&*key, "1")])];
                assert!(HttpResponseMappings::compile(response, &NO_SCOPE).is_err());
            }
        }
        for name in ["access-control", "x-am", "Host", "Cookie", "X-Forwarded", "content-type"] {
            assert!(!is_reserved_header(name), "{name}");
        }
    }
}
