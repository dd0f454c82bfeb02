//! `Route` and `RouteResponse`.

use serde_json::json;

use super::api::{API, api_of, is_http};
use super::deployment::deploy_automatically;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, is_true, table_mut, text};
use crate::control::management::resource::{
    Context, Kind, Result, delete, load, load_parent, merge, require,
};
use crate::model::{PathPattern, RouteKey, Segment};
use crate::plan::{Precedence, Router};
use crate::store::{Document, Key};

pub(in crate::control::management) static ROUTE: Kind = Kind {
    parent: Some(&API),
    path: &["routes"],
    missing: "Unable to find Route by id {id}",
    grows: &["requestParameters"],
    check: check_change,
    remove: |context, key, document| {
        let place = key_place(&api_of(key), text(document, "routeKey").unwrap_or_default());
        Ok(context.transaction.remove(&place)?)
    },
    ..Kind::PLAIN
};

pub(in crate::control::management) static ROUTE_RESPONSE: Kind = Kind {
    parent: Some(&ROUTE),
    path: &["routeresponses"],
    missing: "Unable to find RouteResponse by id {id}",
    ..Kind::PLAIN
};

/// `CreateRoute`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let (api, _) = load(context, &API)?;
    let document = store_new(context, &api, context.call.body.clone())?;
    deploy_automatically(context, &api)?;
    Ok(Answer::Document(document))
}

/// Stores a new route.
pub(super) fn store_new(
    context: &mut Context<'_>,
    api: &Key,
    mut document: Document,
) -> Result<Document> {
    let collection = api.child("routes");
    context.check_quota(&collection, context.quotas.routes_count_max, "Routes", "API")?;
    let id = ids::id(7);
    document.insert("routeId".into(), id.clone().into());
    default(&mut document, "apiKeyRequired", false);
    default(&mut document, "authorizationType", "NONE");
    let key = collection.child(&id);
    check(context, &key, &mut document)?;
    take_key(context, &key, None, &document)?;
    context.put(&key, &document);
    Ok(document)
}

/// Checks a route that was changed.
pub(super) fn check_change(
    context: &mut Context<'_>,
    key: &Key,
    before: &Document,
    document: &mut Document,
) -> Result<()> {
    check(context, key, document)?;
    if text(before, "routeKey") == text(document, "routeKey") {
        return Ok(());
    }
    take_key(context, key, Some(before), document)
}

/// Checks a route against its API.
fn check(context: &mut Context<'_>, key: &Key, document: &mut Document) -> Result<()> {
    let api = api_of(key);
    let route_key = text(document, "routeKey").unwrap_or_default();
    let is_http = is_http(context, &api)?;
    if is_http && !is_routable(route_key) {
        return Err(ApiError::bad_request(
            "The provided route key is not formatted properly for HTTP protocol. Format should be \
             \"<HTTP METHOD> /<RESOURCE PATH>\" or \"$default\"",
        ));
    }
    if route_key.is_empty() {
        return Err(ApiError::bad_request("Route key must be non-empty"));
    }
    if is_http && is_true(document, "apiKeyRequired") {
        return Err(ApiError::bad_request("ApiKeyRequired is not supported for HTTP APIs"));
    }
    if let Some(target) = text(document, "target").filter(|target| !target.is_empty()) {
        let Some(id) = target.strip_prefix("integrations/") else {
            return Err(ApiError::bad_request(
                "Invalid target specified. Must be integrations/{id}",
            ));
        };
        let missing = || ApiError::not_found(format!("Unable to find Integration by id {id}"));
        require(context, &api.child("integrations"), id, missing)?;
    }
    check_authorization(context, &api, is_http, document)
}

/// Whether it is a route key, within the bounds of what can be routed.
fn is_routable(route_key: &str) -> bool {
    RouteKey::parse(route_key).is_ok_and(|key| Router::compile(&[key], Precedence::HttpApi).is_ok())
}

fn check_authorization(
    context: &mut Context<'_>,
    api: &Key,
    is_http: bool,
    document: &mut Document,
) -> Result<()> {
    match text(document, "authorizationType") {
        Some("NONE" | "AWS_IAM") => {
            document.remove("authorizerId");
            Ok(())
        }
        Some("JWT") if !is_http => {
            Err(ApiError::bad_request("JWT authorizers are supported for HTTP APIs only"))
        }
        _ => {
            let id = text(document, "authorizerId").unwrap_or_default();
            let missing = || ApiError::bad_request("Invalid authorizer ID specified");
            require(context, &api.child("authorizers"), id, missing).map(|_| ())
        }
    }
}

/// Where it is noted which route has a key: asking all of 300 routes for it would cost more than the
/// rest of `CreateRoute`. Keys that differ in the names of their parameters alone match the same
/// requests, and have one place.
fn key_place(api: &Key, route_key: &str) -> Key {
    api.child("routekeys").child(&shape_of(route_key))
}

/// The key with each parameter's name left out, its static segments as they are compared. What is
/// no key of an HTTP API is its own.
fn shape_of(route_key: &str) -> String {
    let Ok(RouteKey::Path { method, path }) = RouteKey::parse(route_key) else {
        return route_key.to_owned();
    };
    let nameless = |segment| match segment {
        Segment::Parameter(_) => Segment::Parameter("_".into()),
        Segment::Greedy(_) => Segment::Greedy("_".into()),
        Segment::Static(text) => Segment::Static(text),
    };
    let segments = path.segments.into_iter().map(nameless).collect();
    RouteKey::Path { method, path: PathPattern { segments } }.to_string()
}

/// Refuses a key that no route of the API has.
pub(super) fn require_key(
    context: &mut Context<'_>,
    api: &Key,
    route_key: &str,
    missing: impl Fn() -> ApiError,
) -> Result<()> {
    let note = context.document(&key_place(api, route_key))?.ok_or_else(&missing)?;
    let is_same = text(&note, "routeKey").is_none_or(|one| one == route_key);
    if is_same { Ok(()) } else { Err(missing()) }
}

/// Notes the key of a route, in place of the one that it had.
fn take_key(
    context: &mut Context<'_>,
    key: &Key,
    before: Option<&Document>,
    document: &Document,
) -> Result<()> {
    let api = api_of(key);
    let route_key = text(document, "routeKey").unwrap_or_default();
    if let Some(old) = before.and_then(|before| text(before, "routeKey")) {
        context.transaction.remove(&key_place(&api, old))?;
    }
    let place = key_place(&api, route_key);
    if context.document(&place)?.is_some() {
        let message = format!("Route with key {route_key} already exists for this API");
        return Err(ApiError::conflict(message));
    }
    let note = json!({ "routeId": key.last(), "routeKey": route_key });
    context.put(&place, &note.as_object().cloned().unwrap_or_default());
    Ok(())
}

/// `UpdateRoute`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let answer = merge(context, &ROUTE)?;
    let (api, _) = load(context, &API)?;
    deploy_automatically(context, &api)?;
    Ok(answer)
}

/// `DeleteRoute`.
pub(in crate::control::management) fn delete_route(context: &mut Context<'_>) -> Result<Answer> {
    let answer = delete(context, &ROUTE)?;
    let (api, _) = load(context, &API)?;
    deploy_automatically(context, &api)?;
    Ok(answer)
}

/// `DeleteRouteRequestParameter`.
pub(in crate::control::management) fn delete_parameter(
    context: &mut Context<'_>,
) -> Result<Answer> {
    let (key, mut document) = load(context, &ROUTE)?;
    let name = context.call.value(2);
    if table_mut(&mut document, "requestParameters").remove(name).is_none() {
        return Err(ApiError::not_found(format!("Unable to find RequestParameter by key {name}")));
    }
    context.put(&key, &document);
    Ok(Answer::Empty)
}

/// `CreateRouteResponse`: WebSocket APIs answer by `$default` alone.
pub(in crate::control::management) fn create_response(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &ROUTE_RESPONSE)?;
    let mut document = context.call.body.clone();
    if text(&document, "routeResponseKey") != Some("$default") {
        return Err(ApiError::bad_request("Invalid routeResponseKey specified. Must be $default"));
    }
    if !context.children(&collection)?.is_empty() {
        return Err(ApiError::conflict("Route response with key $default already exists"));
    }
    let id = ids::id(7);
    document.insert("routeResponseId".into(), id.clone().into());
    context.put(&collection.child(&id), &document);
    Ok(Answer::Document(document))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_parameters_are_no_part_of_what_a_key_matches() {
        for (one, other) in [
            ("GET /a/{x}", "GET /a/{y}"),
            ("ANY /{proxy+}", "ANY /{rest+}"),
            ("GET /a%62", "GET /ab"),
        ] {
            assert_eq!(shape_of(one), shape_of(other), "{one} {other}");
        }
        for (one, other) in [
            ("GET /a/{x}", "PUT /a/{x}"),
            ("GET /{x}", "GET /{x+}"),
            ("GET /_", "GET /{_}"),
            ("GET /%7B_%7D", "GET /{_}"),
            ("GET /a", "GET /a/"),
            ("$default", "ANY /"),
        ] {
            assert_ne!(shape_of(one), shape_of(other), "{one} {other}");
        }
    }
}
