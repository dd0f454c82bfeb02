//! `Model`: schemas of bodies.

use serde_json::{Value, json};

use super::api::REST_API;
use super::mapping::is_media_type;
use super::method::{all_methods, api_of};
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{table, text};
use crate::control::management::resource::{Context, Kind, Result, load_parent};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static MODEL: Kind = Kind {
    parent: Some(&REST_API),
    path: &["models"],
    missing: "Invalid model name specified: {id}",
    hides_parent: true,
    patch: &PATCH,
    check: |_, _, _, document| check_schema(document),
    remove,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[
        PatchRow::new("/description", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/schema", Ops::REPLACE, PatchValue::Text),
    ],
};

/// The two models that every new API has.
pub(super) fn defaults() -> [Document; 2] {
    let model = |name: &str, description: &str, schema: &str| {
        let document = json!({
            "id": ids::id(6),
            "name": name,
            "description": description,
            "schema": schema,
            "contentType": "application/json",
        });
        document.as_object().cloned().unwrap_or_default()
    };
    [
        model("Empty", "This is a default empty schema model", EMPTY_SCHEMA),
        model("Error", "This is a default error schema model", ERROR_SCHEMA),
    ]
}

/// `CreateModel`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &MODEL)?;
    let mut document = context.call.body.clone();
    let name = text(&document, "name").unwrap_or_default().to_owned();
    if name.is_empty() {
        return Err(ApiError::bad_request("Model name must be non-empty"));
    }
    if !name.bytes().all(|byte| byte.is_ascii_alphanumeric()) {
        return Err(ApiError::bad_request(format!("Model name must be alphanumeric: {name}")));
    }
    if !text(&document, "contentType").is_some_and(is_media_type) {
        return Err(ApiError::bad_request("Invalid content type specified"));
    }
    let key = collection.child(&name);
    if context.document(&key)?.is_some() {
        return Err(ApiError::conflict("Model name already exists for this REST API"));
    }
    check_schema(&mut document)?;
    document.insert("id".into(), ids::id(6).into());
    context.put(&key, &document);
    Ok(Answer::Document(document))
}

fn check_schema(document: &mut Document) -> Result<()> {
    let Some(schema) = text(document, "schema").filter(|schema| !schema.is_empty()) else {
        return Err(ApiError::bad_request(
            "Model schema must have at least 1 property or array items defined",
        ));
    };
    let is_json = text(document, "contentType").is_some_and(|one| one.contains("json"));
    if is_json && !serde_json::from_str::<Value>(schema).is_ok_and(|schema| schema.is_object()) {
        return Err(ApiError::bad_request(
            "Invalid model schema specified. The schema is not a JSON object",
        ));
    }
    Ok(())
}

fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    let name = key.last();
    let in_use = |place: String| {
        Err(ApiError::conflict(format!("Cannot delete model '{name}', is referenced in {place}")))
    };
    let api = api_of(key);
    for (path, method) in all_methods(context, &api)? {
        let names = |document: &Document, member: &str| {
            table(document, member).is_some_and(|models| models.values().any(|one| one == name))
        };
        if names(&method, "requestModels") {
            return in_use(format!("method request: {path}"));
        }
        let responses = table(&method, "methodResponses").into_iter().flatten();
        let mut responses = responses.filter_map(|(_, response)| response.as_object());
        if responses.any(|response| names(response, "responseModels")) {
            return in_use(format!("method response: {path}"));
        }
    }
    let reference = format!("/models/{name}\"");
    for (other, model) in context.children(&api.child("models"))? {
        if other != name && text(&model, "schema").is_some_and(|one| one.contains(&reference)) {
            return in_use(format!("model: {other}"));
        }
    }
    Ok(())
}

const EMPTY_SCHEMA: &str = "{\n  \"$schema\": \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Empty Schema\",\n  \"type\" : \"object\"\n}";
const ERROR_SCHEMA: &str = "{\n  \"$schema\" : \"http://json-schema.org/draft-04/schema#\",\n  \"title\" : \"Error Schema\",\n  \"type\" : \"object\",\n  \"properties\" : {\n    \"message\" : { \"type\" : \"string\" }\n  }\n}";
