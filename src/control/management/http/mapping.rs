//! `ApiMapping`: a base path mapping of the first generation, found by its own id.

use serde_json::{Map, Value};

use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::resource::document::text;
use crate::control::management::resource::{Context, Result, load_parent, page};
use crate::control::management::rest::domain::{
    BASE_PATH_MAPPING, NO_BASE_PATH, check_mapping, move_mapping, store_mapping,
};
use crate::store::{Document, Key};

/// `CreateApiMapping`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let document = to_first(&context.call.body)?;
    let document = store_mapping(context, document)?;
    Ok(Answer::Document(from_first(&document)))
}

/// `GetApiMapping`.
pub(in crate::control::management) fn get(context: &mut Context<'_>) -> Result<Answer> {
    let (_, document) = find(context)?;
    Ok(Answer::Document(from_first(&document)))
}

/// `GetApiMappings`.
pub(in crate::control::management) fn list(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &BASE_PATH_MAPPING)?;
    let all = context.children(&collection)?.into_iter();
    let all = all.map(|(id, document)| (id, from_first(&document))).collect();
    page(context, all)
}

/// `UpdateApiMapping`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let (key, before) = find(context)?;
    let mut document = before.clone();
    document.extend(to_first(&context.call.body)?);
    if !context.call.body.contains_key("apiMappingKey")
        && let Some(path) = before.get("basePath")
    {
        document.insert("basePath".into(), path.clone());
    }
    check_mapping(context, &mut document)?;
    move_mapping(context, &key, &before, &document)?;
    Ok(Answer::Document(from_first(&document)))
}

/// `DeleteApiMapping`.
pub(in crate::control::management) fn delete(context: &mut Context<'_>) -> Result<Answer> {
    let (key, _) = find(context)?;
    context.transaction.remove(&key)?;
    Ok(Answer::Empty)
}

fn find(context: &mut Context<'_>) -> Result<(Key, Document)> {
    let collection = load_parent(context, &BASE_PATH_MAPPING)?;
    let id = context.call.value(1).to_owned();
    let mut all = context.children(&collection)?.into_iter();
    let found = all.find(|(_, one)| text(one, "apiMappingId") == Some(&id));
    let (base_path, document) =
        found.ok_or_else(|| ApiError::not_found("Invalid API mapping identifier specified"))?;
    Ok((collection.child(&base_path), document))
}

fn to_first(body: &Document) -> Result<Document> {
    let mut document = Map::new();
    let key = text(body, "apiMappingKey").unwrap_or_default();
    let is_key_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"$-_.+!*'()/".contains(&byte);
    if key.len() > 300
        || !key.bytes().all(is_key_byte)
        || key.split('/').any(|part| part.is_empty() && !key.is_empty())
    {
        return Err(ApiError::bad_request(
            "API mapping key should not start with a '/' or have consecutive '/'s",
        ));
    }
    let base_path = if key.is_empty() { NO_BASE_PATH } else { key };
    document.insert("basePath".into(), base_path.into());
    for (name, target) in [("apiId", "restApiId"), ("stage", "stage")] {
        if let Some(value) = body.get(name) {
            document.insert(target.into(), value.clone());
        }
    }
    Ok(document)
}

fn from_first(document: &Document) -> Document {
    let base_path = text(document, "basePath").filter(|path| *path != NO_BASE_PATH);
    let mut shown = Map::new();
    for (name, value) in [
        ("apiId", document.get("restApiId").cloned()),
        ("apiMappingId", document.get("apiMappingId").cloned()),
        ("apiMappingKey", Some(Value::from(base_path.unwrap_or_default()))),
        ("stage", document.get("stage").cloned()),
    ] {
        if let Some(value) = value {
            shown.insert(name.into(), value);
        }
    }
    shown
}
