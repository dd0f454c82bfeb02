//! Parameter mappings and templates, as far as they are checked when they are stored ("Amazon API
//! Gateway API request and response data mapping reference").

use crate::control::management::error::ApiError;
use crate::control::management::resource::Result;
use crate::control::management::resource::document::table;
use crate::store::Document;

/// Which names and values a table of mappings may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    /// `integration.request...` from `method.request...`.
    Request,
    /// `method.response.header...` from `integration.response...`.
    Response,
}

/// Checks a table of mappings.
pub(super) fn check_mappings(document: &Document, name: &str, direction: Direction) -> Result<()> {
    for (target, value) in table(document, name).into_iter().flatten() {
        let source = value.as_str().unwrap_or_default();
        let (is_target, sources) = match direction {
            Direction::Request => (is_request_target(target), "method.request."),
            Direction::Response => {
                (is_named(target, "method.response.header."), "integration.response.")
            }
        };
        for (text, is_good) in [(target.as_str(), is_target), (source, is_source(source, sources))]
        {
            if !is_good {
                return Err(ApiError::bad_request(format!(
                    "Invalid mapping expression specified: Validation Result: warnings : [], errors : \
                     [Invalid mapping expression specified: {text}]"
                )));
            }
        }
    }
    Ok(())
}

/// Checks the names of declared parameters: `method.request.{path,querystring,header}.x`.
pub(super) fn check_parameters(document: &Document) -> Result<()> {
    let mut names = std::collections::HashSet::new();
    for (parameter, _) in table(document, "requestParameters").into_iter().flatten() {
        let places = ["path", "querystring", "header", "multivaluequerystring", "multivalueheader"];
        let name = places.iter().find_map(|place| {
            parameter.strip_prefix("method.request.")?.strip_prefix(place)?.strip_prefix('.')
        });
        let Some(name) = name.filter(|name| is_parameter_name(name)) else {
            return Err(ApiError::bad_request(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : \
                 [Invalid mapping expression specified: {parameter}]"
            )));
        };
        if !names.insert(name) {
            return Err(ApiError::bad_request(
                "Parameter names must be unique across querystring, header and path",
            ));
        }
    }
    Ok(())
}

/// Checks the media types that a table has templates or models for.
pub(super) fn check_content_types(document: &Document, name: &str) -> Result<()> {
    let types = table(document, name).into_iter().flatten().map(|(media_type, _)| media_type);
    let wrong = types.clone().find(|one| one.as_str() != "$default" && !is_media_type(one));
    match wrong {
        None => Ok(()),
        Some(wrong) => Err(ApiError::bad_request(format!(
            "Validation Result: warnings : [], errors : [Invalid content type specified: {wrong}]"
        ))),
    }
}

/// `type/subtype`, with parameters or not.
pub(super) fn is_media_type(text: &str) -> bool {
    let (essence, _) = text.split_once(';').unwrap_or((text, ""));
    let is_token = |part: &str| {
        !part.is_empty()
            && part
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-*".contains(&byte))
    };
    essence.trim().split_once('/').is_some_and(|(kind, sub)| is_token(kind) && is_token(sub))
}

fn is_request_target(target: &str) -> bool {
    ["header", "querystring", "path"]
        .iter()
        .any(|place| is_named(target, &format!("integration.request.{place}.")))
}

fn is_named(text: &str, prefix: &str) -> bool {
    text.strip_prefix(prefix).is_some_and(is_parameter_name)
}

/// `^[a-zA-Z0-9._$-]+$`.
fn is_parameter_name(name: &str) -> bool {
    !name.is_empty()
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._$-".contains(&byte))
}

fn is_source(source: &str, prefix: &str) -> bool {
    let is_static = source.len() >= 2 && source.starts_with('\'') && source.ends_with('\'');
    if is_static || is_named(source, "context.") || is_named(source, "stageVariables.") {
        return true;
    }
    let Some(rest) = source.strip_prefix(prefix) else { return false };
    if rest == "body" || rest.strip_prefix("body").is_some_and(|path| path.starts_with(['.', '[']))
    {
        return true;
    }
    let places = ["header", "multivalueheader", "querystring", "multivaluequerystring", "path"];
    places.iter().any(|place| is_named(rest, &format!("{place}.")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn check(name: &str, target: &str, source: &str) -> bool {
        let document = json!({ name: { target: source } });
        let direction =
            if name == "requestParameters" { Direction::Request } else { Direction::Response };
        check_mappings(document.as_object().expect("an object"), name, direction).is_ok()
    }

    #[test]
    fn mappings_of_requests() {
        let target = "integration.request.header.x";
        for source in [
            "'static'",
            "method.request.header.a-b",
            "method.request.multivaluequerystring.q",
            "method.request.body",
            "method.request.body.a[0]",
            "context.requestId",
            "stageVariables.v",
        ] {
            assert!(check("requestParameters", target, source), "{source}");
        }
        for source in ["true", "", "'", "integration.response.header.a", "method.request.header."] {
            assert!(!check("requestParameters", target, source), "{source}");
        }
        assert!(!check("requestParameters", "integration.request.body.x", "'a'"));
    }

    #[test]
    fn mappings_of_responses() {
        assert!(check(
            "responseParameters",
            "method.response.header.a",
            "integration.response.body.x"
        ));
        assert!(!check("responseParameters", "method.response.body.a", "'a'"));
        assert!(!check(
            "responseParameters",
            "method.response.header.a",
            "method.request.header.a"
        ));
    }

    #[test]
    fn media_types() {
        for text in
            ["application/json", "*/*", "text/html; charset=utf-8", "application/vnd.a+json"]
        {
            assert!(is_media_type(text), "{text}");
        }
        for text in ["123", "", "/json", "a/", "a b/c"] {
            assert!(!is_media_type(text), "{text}");
        }
    }
}
