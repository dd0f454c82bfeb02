//! `GatewayResponse`: what is answered where no integration answers. A type that is not set has its
//! default.

use serde_json::{Value, json};

use super::api::REST_API;
use super::mapping::{self, Direction};
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::resource::document::{table, table_mut, text};
use crate::control::management::resource::{Context, Kind, Result, load_parent, page, refused};
use crate::model::{Ops, Patch, PatchOperation, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static GATEWAY_RESPONSE: Kind = Kind {
    parent: Some(&REST_API),
    path: &["gatewayresponses"],
    missing: "Gateway response type not defined on api",
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Bare,
    rows: &[
        PatchRow::new("/statusCode", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/responseParameters/*", Ops::ALL, PatchValue::Text)
            .or_missing("Invalid parameter name specified"),
        PatchRow::new("/responseTemplates/*", Ops::ALL, PatchValue::Text)
            .or_missing("Content-Type specified was not found"),
    ],
};

/// The types with their statuses, in the order of their names ("Gateway response types").
const TYPES: [(&str, Option<&str>); 21] = [
    ("ACCESS_DENIED", Some("403")),
    ("API_CONFIGURATION_ERROR", Some("500")),
    ("AUTHORIZER_CONFIGURATION_ERROR", Some("500")),
    ("AUTHORIZER_FAILURE", Some("500")),
    ("BAD_REQUEST_BODY", Some("400")),
    ("BAD_REQUEST_PARAMETERS", Some("400")),
    ("DEFAULT_4XX", None),
    ("DEFAULT_5XX", None),
    ("EXPIRED_TOKEN", Some("403")),
    ("INTEGRATION_FAILURE", Some("504")),
    ("INTEGRATION_TIMEOUT", Some("504")),
    ("INVALID_API_KEY", Some("403")),
    ("INVALID_SIGNATURE", Some("403")),
    ("MISSING_AUTHENTICATION_TOKEN", Some("403")),
    ("QUOTA_EXCEEDED", Some("429")),
    ("REQUEST_TOO_LARGE", Some("413")),
    ("RESOURCE_NOT_FOUND", Some("404")),
    ("THROTTLED", Some("429")),
    ("UNAUTHORIZED", Some("401")),
    ("UNSUPPORTED_MEDIA_TYPE", Some("415")),
    ("WAF_FILTERED", Some("403")),
];

fn default_of(kind: &str) -> Document {
    let status = TYPES.iter().find(|(name, _)| *name == kind).and_then(|(_, status)| *status);
    let document = json!({
        "responseType": kind,
        "statusCode": status,
        "responseParameters": {},
        "responseTemplates": {"application/json": DEFAULT_TEMPLATE},
        "defaultResponse": true,
    });
    let mut document = document.as_object().cloned().unwrap_or_default();
    document.retain(|_, value| !value.is_null());
    document
}

/// What answers for a type: what is set for it, or for all of its class, or its default.
fn effective(context: &mut Context<'_>, collection: &Key, kind: &str) -> Result<Document> {
    if let Some(set) = context.document(&collection.child(kind))? {
        return Ok(set);
    }
    let mut document = default_of(kind);
    let class = match text(&document, "statusCode").and_then(|status| status.chars().next()) {
        Some('4') => "DEFAULT_4XX",
        Some('5') => "DEFAULT_5XX",
        _ => return Ok(document),
    };
    let set = context.document(&collection.child(class))?.unwrap_or_default();
    for name in ["statusCode", "responseParameters", "responseTemplates"] {
        if let Some(value) = set.get(name) {
            document.insert(name.into(), value.clone());
        }
    }
    Ok(document)
}

fn key(context: &mut Context<'_>) -> Result<Key> {
    load_parent(context, &GATEWAY_RESPONSE)?;
    Ok(GATEWAY_RESPONSE.key(&context.root(), context.call))
}

/// `GetGatewayResponse`.
pub(in crate::control::management) fn get(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &GATEWAY_RESPONSE)?;
    let kind = context.call.value(1).to_owned();
    effective(context, &collection, &kind).map(Answer::Document)
}

/// `GetGatewayResponses`: all types, whether set or not.
pub(in crate::control::management) fn list(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &GATEWAY_RESPONSE)?;
    let mut all = Vec::new();
    for (name, _) in TYPES {
        all.push((name.to_owned(), effective(context, &collection, name)?));
    }
    page(context, all)
}

/// `PutGatewayResponse`: what is not given has the type's default.
pub(in crate::control::management) fn put(context: &mut Context<'_>) -> Result<Answer> {
    let key = key(context)?;
    let mut document = default_of(key.last());
    document.extend(context.call.body.clone());
    store(context, &key, document)
}

/// `UpdateGatewayResponse`: a default that is changed is a response of its own.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let key = key(context)?;
    let mut document = context.document(&key)?.unwrap_or_else(|| default_of(key.last()));
    for operation in PatchOperation::read_all(&context.call.body) {
        // A value that is missing counts as an empty one, which is refused below.
        let operation = PatchOperation { value: operation.value.or(Some("")), ..operation };
        PATCH.apply(&mut document, &operation).map_err(refused)?;
    }
    store(context, &key, document)
}

fn store(context: &mut Context<'_>, key: &Key, mut document: Document) -> Result<Answer> {
    for name in ["responseParameters", "responseTemplates"] {
        let is_empty = |value: &Value| value.as_str().is_none_or(str::is_empty);
        if table(&document, name).is_some_and(|entries| entries.values().any(is_empty)) {
            return Err(ApiError::bad_request(format!("Invalid null or empty value in {name}")));
        }
        table_mut(&mut document, name);
    }
    if let Some(status) = document.get("statusCode")
        && !status.as_str().is_some_and(is_status)
    {
        let message =
            format!("Invalid status code specified: {}", status.as_str().unwrap_or("null"));
        return Err(ApiError::bad_request(message));
    }
    mapping::check_mappings(&document, "responseParameters", Direction::Gateway)?;
    document.insert("defaultResponse".into(), false.into());
    context.put(key, &document);
    Ok(Answer::Document(document))
}

/// `[1-5]\d\d`: a body is held to it by its shape, a patch is not.
fn is_status(text: &str) -> bool {
    text.len() == 3
        && text.starts_with(['1', '2', '3', '4', '5'])
        && text.bytes().all(|byte| byte.is_ascii_digit())
}

const DEFAULT_TEMPLATE: &str = "{\"message\":$context.error.messageString}";
