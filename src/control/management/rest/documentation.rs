//! `DocumentationPart` and `DocumentationVersion`.

use serde_json::{Map, Value};

use super::api::REST_API;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, table, text};
use crate::control::management::resource::{
    Context, Kind, Result, delete, list_where, load_parent,
};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static DOCUMENTATION_PART: Kind = Kind {
    parent: Some(&REST_API),
    path: &["documentation", "parts"],
    missing: "Invalid Documentation part identifier specified",
    hides_parent: true,
    patch: &PART_PATCH,
    check: |_, _, _, document| check_properties(document),
    ..Kind::PLAIN
};

static PART_PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[PatchRow::new("/properties", Ops::REPLACE, PatchValue::Text)],
};

pub(in crate::control::management) static DOCUMENTATION_VERSION: Kind = Kind {
    parent: Some(&REST_API),
    path: &["documentation", "versions"],
    missing: "Invalid Documentation version specified",
    hides_parent: true,
    patch: &VERSION_PATCH,
    remove: remove_version,
    ..Kind::PLAIN
};

static VERSION_PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[PatchRow::new("/description", Ops::REPLACE, PatchValue::Text)],
};

/// `CreateDocumentationPart`.
pub(in crate::control::management) fn create_part(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &DOCUMENTATION_PART)?;
    let max = context.quotas.documentation_parts_count_max;
    context.check_quota(&collection, max, "Documentation parts", "API")?;
    let mut document = context.call.body.clone();
    check_properties(&mut document)?;
    let Some(Value::Object(location)) = document.get_mut("location") else {
        return Err(ApiError::bad_request("Invalid Documentation part location specified"));
    };
    complete_location(location);
    let location = Value::Object(location.clone());
    for (_, other) in context.children(&collection)? {
        if other.get("location") == Some(&location) {
            return Err(ApiError::conflict(
                "Documentation part already exists for the specified location",
            ));
        }
    }
    let id = ids::id(6);
    document.insert("id".into(), id.clone().into());
    context.put(&collection.child(&id), &document);
    Ok(Answer::Document(document))
}

/// Each type of part has the members of its location that AWS gives it, with their defaults
/// ("Representation of API documentation in API Gateway").
fn complete_location(location: &mut Map<String, Value>) {
    let kind = text(location, "type").unwrap_or_default().to_owned();
    let (has_path, has_status) = match kind.as_str() {
        "API" | "AUTHORIZER" | "MODEL" => (false, false),
        "RESPONSE" | "RESPONSE_HEADER" | "RESPONSE_BODY" => (true, true),
        _ => (true, false),
    };
    if has_path {
        default(location, "path", "/");
        if kind != "RESOURCE" {
            default(location, "method", "*");
        }
    }
    if has_status {
        default(location, "statusCode", "*");
    }
}

fn check_properties(document: &mut Document) -> Result<()> {
    let properties = text(document, "properties").unwrap_or_default();
    if !serde_json::from_str::<Value>(properties).is_ok_and(|one| one.is_object()) {
        return Err(ApiError::bad_request(
            "Documentation part properties must be non-empty and a valid JSON object",
        ));
    }
    Ok(())
}

/// `GetDocumentationParts`, by type, name and path.
pub(in crate::control::management) fn list_parts(context: &mut Context<'_>) -> Result<Answer> {
    let wanted = ["type", "name", "path"];
    let wanted = wanted.map(|name| (name, context.call.query(name).map(str::to_owned)));
    list_where(context, &DOCUMENTATION_PART, |document| {
        let location = table(document, "location");
        wanted.iter().all(|(name, value)| match value.as_deref() {
            None => true,
            Some(value) => location.and_then(|location| text(location, name)) == Some(value),
        })
    })
}

/// `DeleteDocumentationPart`: unlike the other operations it says that an API is not there.
pub(in crate::control::management) fn delete_part(context: &mut Context<'_>) -> Result<Answer> {
    load_parent(context, &DOCUMENTATION_PART)?;
    delete(context, &DOCUMENTATION_PART)
}

/// `CreateDocumentationVersion`: a copy of the parts as they are.
pub(in crate::control::management) fn create_version(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &DOCUMENTATION_VERSION)?;
    let api = super::method::api_of(&collection);
    let body = &context.call.body;
    let version = text(body, "documentationVersion").unwrap_or_default().to_owned();
    if version.is_empty() {
        return Err(ApiError::bad_request("Documentation version must be non-empty"));
    }
    let key = collection.child(&version);
    if context.document(&key)?.is_some() {
        return Err(ApiError::conflict("Documentation version already exists"));
    }
    let mut document = Map::new();
    document.insert("version".into(), version.clone().into());
    document.insert("createdDate".into(), context.now.into());
    if let Some(description) = body.get("description") {
        document.insert("description".into(), description.clone());
    }
    let parts = context.children(&api.child("documentation").child("parts"))?;
    let parts = parts.into_iter().map(|(id, part)| (id, Value::Object(part)));
    document.insert("parts".into(), Value::Object(parts.collect()));
    context.put(&key, &document);
    if let Some(name) = text(body, "stageName") {
        let stage_key = api.child("stages").child(name);
        let missing = || ApiError::not_found("Invalid stage identifier specified");
        let mut stage = context.document(&stage_key)?.ok_or_else(missing)?;
        stage.insert("documentationVersion".into(), version.into());
        context.put(&stage_key, &stage);
    }
    Ok(Answer::Document(document))
}

fn remove_version(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    let stages = super::method::api_of(key).child("stages");
    for (name, stage) in context.children(&stages)? {
        if text(&stage, "documentationVersion") == Some(key.last()) {
            return Err(ApiError::bad_request(format!(
                "Cannot delete documentation version, it is used by stage {name}"
            )));
        }
    }
    Ok(())
}
