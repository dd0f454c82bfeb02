//! `ApiKey`. Which key a value belongs to is a document of its own, so that no value is there twice.

use serde_json::{Value, json};

use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, remove_empty, text};
use crate::control::management::resource::{Context, Kind, Result, list_where, load_parent};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static API_KEY: Kind = Kind {
    path: &["apikeys"],
    missing: "Invalid API Key identifier specified",
    has_tags: true,
    is_newest_first: true,
    patch: &PATCH,
    check: |_, _, _, document| check(document),
    view,
    remove,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[
        PatchRow::new("/description", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/enabled", Ops::REPLACE, PatchValue::Boolean),
        PatchRow::new("/name", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/customerId", Ops::REPLACE, PatchValue::Text),
    ],
};

/// `CreateApiKey`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &API_KEY)?;
    context.check_quota(&collection, context.quotas.api_keys_count_max, "API keys", "account")?;
    let mut document = context.call.body.clone();
    document.remove("generateDistinctId");
    remove_empty(&mut document, &["tags"]);
    if text(&document, "name") == Some("") {
        document.remove("name");
    }
    let value = text(&document, "value").map_or_else(ids::key_value, str::to_owned);
    match value.len() {
        0..20 => {
            return Err(ApiError::bad_request("API Key value should be at least 20 characters"));
        }
        20..=128 => {}
        _ => {
            return Err(ApiError::bad_request(
                "API Key value exceeds maximum size of 128 characters",
            ));
        }
    }
    check(&document)?;
    let owner = values(context).child(&value);
    if context.document(&owner)?.is_some() {
        return Err(ApiError::conflict("API Key already exists"));
    }
    let id = ids::id(10);
    document.insert("id".into(), id.clone().into());
    document.insert("value".into(), value.into());
    default(&mut document, "enabled", false);
    let stages = stage_keys(context, &document)?;
    document.insert("stageKeys".into(), stages);
    document.insert("createdDate".into(), context.now.into());
    document.insert("lastUpdatedDate".into(), context.now.into());
    document.insert("createdOrder".into(), context.order.into());
    context.put(&owner, json!({ "id": id }).as_object().unwrap_or(&Document::new()));
    context.put(&collection.child(&id), &document);
    Ok(Answer::Document(document))
}

/// Where the owners of values are.
fn values(context: &Context<'_>) -> Key {
    context.root().child("apikeyvalues")
}

/// `[{restApiId, stageName}]` as `["api/stage"]`.
fn stage_keys(context: &mut Context<'_>, document: &Document) -> Result<Value> {
    let given = document.get("stageKeys").and_then(Value::as_array).cloned().unwrap_or_default();
    let mut keys = Vec::new();
    for one in given {
        let part = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        let (api, stage) = (part("restApiId"), part("stageName"));
        let key = context.root().child("restapis").child(api).child("stages").child(stage);
        if context.document(&key)?.is_none() {
            return Err(ApiError::bad_request("Invalid API Stage specified"));
        }
        keys.push(Value::from(format!("{api}/{stage}")));
    }
    Ok(Value::Array(keys))
}

fn check(document: &Document) -> Result<()> {
    let is_longer = |name: &str, max: usize| {
        text(document, name).is_some_and(|text| text.chars().count() > max)
    };
    if is_longer("name", 1_024) {
        return Err(ApiError::bad_request("Invalid API Key name, can be at most 1024 characters."));
    }
    if is_longer("description", 125_000) {
        return Err(ApiError::bad_request("Invalid API Key description specified."));
    }
    Ok(())
}

/// The value is shown only to who asks for it.
fn view(context: &mut Context<'_>, _: &Key, mut document: Document) -> Result<Document> {
    let call = context.call;
    let is_asked = call.query("includeValue").or(call.query("includeValues"));
    if !is_asked.is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        document.remove("value");
    }
    Ok(document)
}

/// `GetApiKeys`, by name and customer.
pub(in crate::control::management) fn list(context: &mut Context<'_>) -> Result<Answer> {
    let name = context.call.query("name").map(str::to_owned);
    let customer = context.call.query("customerId").map(str::to_owned);
    list_where(context, &API_KEY, |key| {
        let has_name = name
            .as_deref()
            .is_none_or(|name| text(key, "name").is_some_and(|full| full.starts_with(name)));
        has_name && customer.as_deref().is_none_or(|one| text(key, "customerId") == Some(one))
    })
}

/// The key leaves its plans, and its value is free again.
fn remove(context: &mut Context<'_>, key: &Key, document: &Document) -> Result<()> {
    let plans = context.root().child("usageplans");
    for (id, _) in context.children(&plans)? {
        let place = plans.child(&id).child("keys").child(key.last());
        context.transaction.remove(&place)?;
    }
    let owner = values(context).child(text(document, "value").unwrap_or_default());
    Ok(context.transaction.remove(&owner)?)
}
