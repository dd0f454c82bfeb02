//! Parameter mappings and templates, as far as they are checked when they are stored ("Amazon API
//! Gateway API request and response data mapping reference").

use crate::control::management::error::ApiError;
use crate::control::management::resource::Result;
use crate::control::management::resource::document::table;
use crate::expr::{GatewayResponseMapping, RestRequestMapping, RestResponseMapping, Scope};
use crate::store::Document;

/// Which names and values a table of mappings may have.
#[derive(Clone, Copy, Debug)]
pub(super) enum Direction {
    /// `integration.request...` from `method.request...`.
    Request,
    /// `method.response.header...` from `integration.response...`.
    Response,
    /// `gatewayresponse.header...` from `method.request...`.
    Gateway,
}

/// Checks a table of mappings: what passes is what `expr` compiles, whatever the stage's variables
/// are.
pub(super) fn check_mappings(document: &Document, name: &str, direction: Direction) -> Result<()> {
    for (target, value) in table(document, name).into_iter().flatten() {
        let source = value.as_str().unwrap_or_default();
        let is_target = match direction {
            Direction::Request => is_request_target(target),
            Direction::Response => is_named(target, "method.response.header."),
            Direction::Gateway => is_named(target, "gatewayresponse.header."),
        };
        // A right target is never what a pair fails for.
        let wrong = if is_target { source } else { target };
        if !is_target || !compiles(direction, (target, source)) {
            return Err(ApiError::invalid_mapping(&format!(
                "Invalid mapping expression specified: {wrong}"
            )));
        }
    }
    Ok(())
}

fn compiles(direction: Direction, pair: (&str, &str)) -> bool {
    match direction {
        Direction::Request => RestRequestMapping::compile([pair], &ANY_STAGE).is_ok(),
        Direction::Response => RestResponseMapping::compile([pair], &ANY_STAGE).is_ok(),
        Direction::Gateway => GatewayResponseMapping::compile([pair], &ANY_STAGE).is_ok(),
    }
}

/// Values of variables come with a stage, and may be any.
const ANY_STAGE: Scope<'static> = Scope { stage_variables: &|_| Some("200"), greedy: None };

/// Checks the names of declared parameters: `method.request.{path,querystring,header}.x`.
pub(super) fn check_parameters(document: &Document) -> Result<()> {
    let mut names = std::collections::HashSet::new();
    for (parameter, _) in table(document, "requestParameters").into_iter().flatten() {
        let places = ["path", "querystring", "header", "multivaluequerystring", "multivalueheader"];
        let name = places.iter().find_map(|place| {
            parameter.strip_prefix("method.request.")?.strip_prefix(place)?.strip_prefix('.')
        });
        let Some(name) = name.filter(|name| is_parameter_name(name)) else {
            return Err(ApiError::invalid_mapping(&format!(
                "Invalid mapping expression specified: {parameter}"
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn check(name: &str, target: &str, source: &str) -> bool {
        let document = json!({ name: { target: source } });
        let direction =
            if name == "requestParameters" { Direction::Request } else { Direction::Response };
        check_mappings(document.as_object().expect("an object"), name, direction).is_ok()
    }

    /// Texts that are nearly mappings.
    fn pieces() -> impl Strategy<Value = String> {
        let piece = prop::sample::select(vec![
            "integration",
            "method",
            "gatewayresponse",
            ".request.",
            ".response.",
            "header.",
            "multivalueheader.",
            "querystring.",
            "multivaluequerystring.",
            "path.",
            "body",
            ".a",
            "..",
            "[0]",
            "['a']",
            "[*]",
            "[?(@.a)]",
            "context.",
            "requestId",
            "identity.sourceIp",
            "authorizer.",
            "claims.",
            "nothing",
            "stageVariables.",
            "v",
            "'",
            "a-b",
            "_$",
            " ",
            "\r\n",
            "\t",
            "é",
            "",
        ]);
        prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
    }

    fn targets() -> impl Strategy<Value = String> {
        let known = prop::sample::select(vec![
            "integration.request.header.",
            "integration.request.querystring.",
            "integration.request.path.",
            "method.response.header.",
            "gatewayresponse.header.",
        ]);
        prop_oneof![(known, "[a-zA-Z0-9._$ -]{0,6}").prop_map(|(a, b)| format!("{a}{b}")), pieces()]
    }

    proptest! {
        #[test]
        fn what_is_stored_compiles_for_any_stage(
            target in targets(),
            source in pieces(),
            variable in prop::option::of("[A-Za-z0-9._~:/?#&=,-]{0,8}"),
        ) {
            let find = |_: &str| variable.as_deref();
            let scope = Scope { stage_variables: &find, greedy: None };
            let document = json!({ "m": { &target: &source } });
            let document = document.as_object().expect("an object");
            let is_stored = |direction| check_mappings(document, "m", direction).is_ok();
            let pair = [(&*target, &*source)];
            if is_stored(Direction::Request) {
                prop_assert!(RestRequestMapping::compile(pair, &scope).is_ok());
            }
            if is_stored(Direction::Response) {
                prop_assert!(RestResponseMapping::compile(pair, &scope).is_ok());
            }
            if is_stored(Direction::Gateway) {
                prop_assert!(GatewayResponseMapping::compile(pair, &scope).is_ok());
            }
        }
    }

    #[test]
    fn refusals_name_the_side_that_is_wrong() {
        let said = |target: &str, source: &str| {
            let document = json!({ "m": { target: source } });
            let document = document.as_object().expect("an object");
            check_mappings(document, "m", Direction::Request).expect_err("refused").message
        };
        let start = "Invalid mapping expression specified: Validation Result: warnings : [], errors : \
                     [Invalid mapping expression specified: ";
        for (target, source, wrong) in [
            ("integration.request.header.a", "true", "true"),
            ("integration.request.header.a", "context.nothing", "context.nothing"),
            ("integration.request.header.a", "'a\nb'", "'a\nb'"),
            ("integration.request.cookie.a", "true", "integration.request.cookie.a"),
        ] {
            assert_eq!(said(target, source), format!("{start}{wrong}]"));
        }
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
        for source in ["method.request.header.a", "integration.response.querystring.a", "context.x"]
        {
            assert!(!check("responseParameters", "method.response.header.a", source), "{source}");
        }
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
