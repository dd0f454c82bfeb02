//! `Authorizer` of HTTP and WebSocket APIs.

use super::api::{API, api_of, is_http};
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, table, text, texts};
use crate::control::management::resource::{Context, Kind, Result, load, load_parent};
use crate::store::{Document, Key};

pub(in crate::control::management) static AUTHORIZER: Kind = Kind {
    parent: Some(&API),
    path: &["authorizers"],
    missing: "Unable to find Authorizer by id {id}",
    check: |context, key, _, document| check(context, key, document),
    remove,
    ..Kind::PLAIN
};

/// `CreateAuthorizer`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    load(context, &API)?;
    let collection = load_parent(context, &AUTHORIZER)?;
    context.check_quota(&collection, context.quotas.authorizers_count_max, "Authorizers", "API")?;
    let mut document = context.call.body.clone();
    let id = ids::id(6);
    document.insert("authorizerId".into(), id.clone().into());
    let key = collection.child(&id);
    let is_function = text(&document, "authorizerType") == Some("REQUEST");
    if is_function && is_http(context, &api_of(&key))? {
        // Without an identity there is nothing to keep an answer by.
        let is_cached = !texts(&document, "identitySource").is_empty();
        default(&mut document, "authorizerResultTtlInSeconds", if is_cached { 300 } else { 0 });
        default(&mut document, "enableSimpleResponses", false);
    }
    check(context, &key, &mut document)?;
    context.put(&key, &document);
    Ok(Answer::Document(document))
}

fn check(context: &mut Context<'_>, key: &Key, document: &mut Document) -> Result<()> {
    let is_http = is_http(context, &api_of(key))?;
    match text(document, "authorizerType") {
        Some("JWT") => check_jwt(is_http, document),
        _ => check_function(is_http, document),
    }
}

fn check_jwt(is_http: bool, document: &Document) -> Result<()> {
    if !is_http {
        return Err(ApiError::bad_request("JWT authorizers are supported for HTTP APIs only"));
    }
    let configuration = table(document, "jwtConfiguration");
    let issuer = configuration.and_then(|one| text(one, "issuer")).unwrap_or_default();
    let audience = configuration.map(|one| texts(one, "audience")).unwrap_or_default();
    if !issuer.starts_with("https://") && !issuer.starts_with("http://") {
        return Err(ApiError::bad_request(format!(
            "Invalid issuer: {issuer}. Issuer must be a URL"
        )));
    }
    if audience.is_empty() {
        return Err(ApiError::bad_request("JWT configuration must have an audience"));
    }
    if texts(document, "identitySource").len() != 1 {
        return Err(ApiError::bad_request("A JWT authorizer has exactly one identity source"));
    }
    Ok(())
}

fn check_function(is_http: bool, document: &Document) -> Result<()> {
    let uri = text(document, "authorizerUri").unwrap_or_default();
    if !uri.starts_with("arn:") || !uri.contains(":lambda:path/") {
        return Err(ApiError::bad_request(format!(
            "Invalid Authorizer URI: {uri}. Authorizer URI should be a valid API Gateway ARN that \
             represents a Lambda function invocation."
        )));
    }
    if is_http {
        match text(document, "authorizerPayloadFormatVersion") {
            Some("1.0" | "2.0") => {}
            _ => {
                return Err(ApiError::bad_request(
                    "AuthorizerPayloadFormatVersion is a required parameter for REQUEST authorizer",
                ));
            }
        }
    }
    Ok(())
}

fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    for (_, route) in context.children(&api_of(key).child("routes"))? {
        if text(&route, "authorizerId") == Some(key.last()) {
            let route_key = text(&route, "routeKey").unwrap_or_default();
            return Err(ApiError::conflict(format!(
                "Cannot delete authorizer '{}', is referenced in route: {route_key}",
                key.last()
            )));
        }
    }
    Ok(())
}
