//! `Authorizer` of REST APIs.

use serde_json::Value;

use super::api::REST_API;
use super::method::{all_methods, api_of};
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, text, texts};
use crate::control::management::resource::{Context, Kind, Result, load, load_parent_or};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key, StoreError};

pub(in crate::control::management) static AUTHORIZER: Kind = Kind {
    parent: Some(&REST_API),
    path: &["authorizers"],
    missing: "Invalid Authorizer identifier specified",
    hides_parent: true,
    patch: &PATCH,
    check: |context, key, _, document| check(context, key, document),
    remove,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/name", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/type", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/authType", Ops::ALL, PatchValue::Text),
        PatchRow::new("/authorizerUri", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/authorizerCredentials", Ops::ALL, PatchValue::Text),
        PatchRow::new("/authorizerResultTtlInSeconds", Ops::ALL, PatchValue::Integer),
        PatchRow::new("/identitySource", Ops::ALL, PatchValue::Text),
        PatchRow::new("/identityValidationExpression", Ops::ALL, PatchValue::Text),
        PatchRow::new("/providerARNs", Ops::ALL, PatchValue::Items),
    ],
};

/// `CreateAuthorizer`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    // As recorded: an API that is not there counts as one that went a moment ago.
    let collection = load_parent_or(context, &AUTHORIZER, || StoreError::Conflict.into())?;
    context.check_quota(&collection, context.quotas.authorizers_count_max, "Authorizers", "API")?;
    let mut document = context.call.body.clone();
    let id = ids::id(6);
    document.insert("id".into(), id.clone().into());
    let kind = match text(&document, "type") {
        Some("COGNITO_USER_POOLS") => "cognito_user_pools",
        Some("JWT") => "jwt",
        _ => "custom",
    };
    default(&mut document, "authType", kind);
    let key = collection.child(&id);
    check(context, &key, &mut document)?;
    context.put(&key, &document);
    Ok(Answer::Document(document))
}

/// `TestInvokeAuthorizer`: authorizers are stored now and run later.
pub(in crate::control::management) fn test_invoke(context: &mut Context<'_>) -> Result<Answer> {
    load(context, &AUTHORIZER)?;
    Err(ApiError::not_available("Invoking an authorizer"))
}

fn check(context: &mut Context<'_>, key: &Key, document: &mut Document) -> Result<()> {
    let name = text(document, "name").unwrap_or_default();
    if name.is_empty() {
        return Err(ApiError::bad_request("Authorizer name cannot be empty"));
    }
    for (id, other) in context.children(&api_of(key).child("authorizers"))? {
        if id != key.last() && text(&other, "name") == Some(name) {
            return Err(ApiError::bad_request(format!(
                "Authorizer name must be unique. Authorizer {name} already exists in this RestApi."
            )));
        }
    }
    let ttl = document.get("authorizerResultTtlInSeconds").and_then(Value::as_i64);
    if ttl.is_some_and(|ttl| !(0..=TTL_SECONDS_MAX).contains(&ttl)) {
        return Err(ApiError::bad_request(
            "Invalid authorizerResultTtlInSeconds specified. Must be between 0 and 3600",
        ));
    }
    match text(document, "type") {
        Some("TOKEN" | "REQUEST") => check_function(document, ttl),
        Some("COGNITO_USER_POOLS") if texts(document, "providerARNs").is_empty() => {
            Err(ApiError::bad_request("Invalid providerARNs specified"))
        }
        Some("JWT") if !document.contains_key("jwtConfiguration") => {
            Err(ApiError::bad_request("Invalid jwtConfiguration specified"))
        }
        Some("COGNITO_USER_POOLS" | "JWT") => {
            default(document, "identitySource", "method.request.header.Authorization");
            Ok(())
        }
        _ => Err(ApiError::bad_request("Invalid Authorizer type specified")),
    }
}

fn check_function(document: &mut Document, ttl: Option<i64>) -> Result<()> {
    let uri = text(document, "authorizerUri").unwrap_or_default();
    if !uri.starts_with("arn:") || !uri.contains(":lambda:path/") {
        return Err(ApiError::bad_request(format!(
            "Invalid Authorizer URI: {uri}. Authorizer URI should be a valid API Gateway ARN that \
             represents a Lambda function invocation."
        )));
    }
    if text(document, "type") == Some("TOKEN") {
        default(document, "identitySource", "method.request.header.Authorization");
    }
    let is_cached = ttl.unwrap_or(TTL_SECONDS_DEFAULT) > 0;
    if is_cached && text(document, "identitySource").is_none_or(str::is_empty) {
        return Err(ApiError::bad_request(
            "Identity source is required when the results of an authorizer are cached",
        ));
    }
    Ok(())
}

fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    for (path, method) in all_methods(context, &api_of(key))? {
        if text(&method, "authorizerId") == Some(key.last()) {
            return Err(ApiError::conflict(format!(
                "Cannot delete authorizer '{}', is referenced in method: {path}",
                key.last()
            )));
        }
    }
    Ok(())
}

const TTL_SECONDS_MAX: i64 = 3_600;
/// What holds where none is set; it is not shown.
const TTL_SECONDS_DEFAULT: i64 = 300;
