//! `Model` of WebSocket APIs.

use serde_json::Value;

use super::api::{API, api_of};
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, table, text};
use crate::control::management::resource::{Context, Kind, Result, load_parent};
use crate::store::{Document, Key};

pub(in crate::control::management) static MODEL: Kind = Kind {
    parent: Some(&API),
    path: &["models"],
    missing: "Unable to find Model by id {id}",
    check: |context, key, _, document| check(context, key, document),
    remove,
    ..Kind::PLAIN
};

/// `CreateModel`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &MODEL)?;
    let mut document = context.call.body.clone();
    let id = ids::id(6);
    document.insert("modelId".into(), id.clone().into());
    default(&mut document, "contentType", "application/json");
    let key = collection.child(&id);
    check(context, &key, &document)?;
    context.put(&key, &document);
    Ok(Answer::Document(document))
}

fn check(context: &mut Context<'_>, key: &Key, document: &Document) -> Result<()> {
    let name = text(document, "name").unwrap_or_default();
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(ApiError::bad_request(format!("Model name must be alphanumeric: {name}")));
    }
    let schema = text(document, "schema").unwrap_or_default();
    if !serde_json::from_str::<Value>(schema).is_ok_and(|schema| schema.is_object()) {
        return Err(ApiError::bad_request("Invalid model schema specified"));
    }
    for (id, other) in context.children(&api_of(key).child("models"))? {
        if id != key.last() && text(&other, "name") == Some(name) {
            return Err(ApiError::conflict(format!(
                "Model with name {name} already exists for this API"
            )));
        }
    }
    Ok(())
}

/// Routes and route responses name models.
fn remove(context: &mut Context<'_>, key: &Key, model: &Document) -> Result<()> {
    let name = text(model, "name").unwrap_or_default();
    let names = |document: &Document, member: &str| {
        table(document, member).is_some_and(|models| models.values().any(|one| one == name))
    };
    let routes = api_of(key).child("routes");
    for (id, route) in context.children(&routes)? {
        let responses = context.children(&routes.child(&id).child("routeresponses"))?;
        let is_named = names(&route, "requestModels")
            || responses.iter().any(|(_, response)| names(response, "responseModels"));
        if is_named {
            let route_key = text(&route, "routeKey").unwrap_or_default();
            return Err(ApiError::conflict(format!(
                "Cannot delete model '{name}', is referenced in route: {route_key}"
            )));
        }
    }
    Ok(())
}
