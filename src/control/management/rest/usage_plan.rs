//! `UsagePlan`, its keys and their usage.

use serde_json::{Map, Value, json};

use super::usage_plan_patch;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, remove_empty, text};
use crate::control::management::resource::{
    Context, Kind, Result, list_in, list_where, load, load_parent, patch_with,
};
use crate::model::PatchOperation;
use crate::store::{Document, Key};

pub(in crate::control::management) static USAGE_PLAN: Kind = Kind {
    path: &["usageplans"],
    missing: "Invalid Usage Plan ID specified",
    has_tags: true,
    check: |context, key, _, document| check(context, key, document),
    remove,
    ..Kind::PLAIN
};

pub(in crate::control::management) static USAGE_PLAN_KEY: Kind = Kind {
    parent: Some(&USAGE_PLAN),
    path: &["keys"],
    missing: "Invalid API Key identifier specified",
    is_newest_first: true,
    ..Kind::PLAIN
};

/// `CreateUsagePlan`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &USAGE_PLAN)?;
    context.check_quota(
        &collection,
        context.quotas.usage_plans_count_max,
        "Usage plans",
        "account",
    )?;
    let mut document = context.call.body.clone();
    let id = ids::id(6);
    document.insert("id".into(), id.clone().into());
    default(&mut document, "apiStages", json!([]));
    remove_empty(&mut document, &["tags"]);
    let key = collection.child(&id);
    check(context, &key, &mut document)?;
    context.put(&key, &document);
    Ok(Answer::Document(document))
}

/// `UpdateUsagePlan`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    patch_with(context, &USAGE_PLAN, |_, document, operation| {
        usage_plan_patch::apply(document, operation)
    })
}

fn check(context: &mut Context<'_>, key: &Key, document: &mut Document) -> Result<()> {
    if text(document, "name").is_none_or(str::is_empty) {
        return Err(ApiError::bad_request("Usage Plan name cannot be empty"));
    }
    let stages = document.get("apiStages").and_then(Value::as_array).cloned().unwrap_or_default();
    for one in &stages {
        let part = |name: &str| one.get(name).and_then(Value::as_str).unwrap_or_default();
        let (api, stage) = (part("apiId"), part("stage"));
        if !has_stage(context, api, stage)? {
            return Err(ApiError::not_found(format!(
                "Invalid API Stage {{api: {api}, stage: {stage}}} specified for usageplan {}",
                key.last()
            )));
        }
    }
    check_throttle(document)?;
    check_quota(document)
}

/// Whether there is such a stage of a REST API, or of a WebSocket API: both know API keys.
fn has_stage(context: &mut Context<'_>, api: &str, stage: &str) -> Result<bool> {
    let rest = context.root().child("restapis").child(api);
    let http = context.root().child("v2").child("apis").child(api);
    let protocol = context.document(&http)?.unwrap_or_default();
    let is_web_socket = text(&protocol, "protocolType") == Some("WEBSOCKET");
    let api = if is_web_socket { http } else { rest };
    Ok(context.document(&api.child("stages").child(stage))?.is_some())
}

fn check_throttle(document: &Document) -> Result<()> {
    let Some(throttle) = document.get("throttle") else { return Ok(()) };
    let number = |name: &str| throttle.get(name).and_then(Value::as_f64);
    if number("rateLimit").is_some_and(|rate| rate < 0.0)
        || number("burstLimit").is_some_and(|burst| burst < 0.0)
    {
        return Err(ApiError::bad_request("Usage Plan throttle limits must not be negative"));
    }
    Ok(())
}

/// An offset lies in the period that it counts from.
fn check_quota(document: &mut Document) -> Result<()> {
    let Some(Value::Object(quota)) = document.get_mut("quota") else { return Ok(()) };
    default(quota, "offset", 0);
    let number = |name: &str| quota.get(name).and_then(Value::as_i64);
    if number("limit").is_some_and(|limit| limit < 0) {
        return Err(ApiError::bad_request("Usage Plan quota limit must not be negative"));
    }
    let offset_max = match quota.get("period").and_then(Value::as_str) {
        Some("DAY") => 0,
        Some("WEEK") => 6,
        Some("MONTH") => 27,
        _ => return Err(ApiError::bad_request("Usage Plan quota must have a period")),
    };
    if number("offset").is_some_and(|offset| !(0..=offset_max).contains(&offset)) {
        let message = format!("Usage Plan quota offset must be between 0 and {offset_max}");
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

/// `GetUsagePlans`, of one key or of all.
pub(in crate::control::management) fn list(context: &mut Context<'_>) -> Result<Answer> {
    let Some(key_id) = context.call.query("keyId").map(str::to_owned) else {
        return list_where(context, &USAGE_PLAN, |_| true);
    };
    let plans = context.root().child("usageplans");
    let mut holders = Vec::new();
    for (id, _) in context.children(&plans)? {
        if context.document(&plans.child(&id).child("keys").child(&key_id))?.is_some() {
            holders.push(id);
        }
    }
    list_where(context, &USAGE_PLAN, |plan| {
        text(plan, "id").is_some_and(|id| holders.iter().any(|holder| holder == id))
    })
}

fn remove(_: &mut Context<'_>, _: &Key, document: &Document) -> Result<()> {
    let stages = document.get("apiStages").and_then(Value::as_array);
    if stages.is_some_and(|stages| !stages.is_empty()) {
        return Err(ApiError::bad_request(
            "Cannot delete Usage Plan because it is associated with API stages",
        ));
    }
    Ok(())
}

/// `CreateUsagePlanKey`.
pub(in crate::control::management) fn create_key(context: &mut Context<'_>) -> Result<Answer> {
    let (_, plan) = load(context, &USAGE_PLAN)?;
    let collection = load_parent(context, &USAGE_PLAN_KEY)?;
    let body = &context.call.body;
    if text(body, "keyType") != Some("API_KEY") {
        return Err(ApiError::bad_request("Invalid Usage Plan Key type specified"));
    }
    let id = text(body, "keyId").unwrap_or_default();
    let key = context.document(&context.root().child("apikeys").child(id))?;
    let key = key.ok_or_else(|| ApiError::not_found("Invalid API Key identifier specified"))?;
    let place = collection.child(id);
    if context.document(&place)?.is_some() {
        return Err(ApiError::conflict("Usage Plan Key already exists"));
    }
    refuse_second_plan(context, &plan, id)?;
    let mut document = Map::new();
    document.insert("id".into(), id.into());
    document.insert("type".into(), "API_KEY".into());
    for name in ["value", "name"] {
        if let Some(value) = key.get(name) {
            document.insert(name.into(), value.clone());
        }
    }
    document.insert("createdOrder".into(), context.order.into());
    context.put(&place, &document);
    Ok(Answer::Document(document))
}

/// A key is in one plan for each stage.
fn refuse_second_plan(context: &mut Context<'_>, plan: &Document, key_id: &str) -> Result<()> {
    let stage_names = |plan: &Document| -> Vec<(Value, Value)> {
        let stages = plan.get("apiStages").and_then(Value::as_array);
        let stages = stages.into_iter().flatten();
        stages.map(|one| (one["apiId"].clone(), one["stage"].clone())).collect()
    };
    let ours = stage_names(plan);
    let plans = context.root().child("usageplans");
    for (other_id, other) in context.children(&plans)? {
        let is_member = context.document(&plans.child(&other_id).child("keys").child(key_id))?;
        if is_member.is_some() && stage_names(&other).iter().any(|stage| ours.contains(stage)) {
            return Err(ApiError::conflict(format!(
                "API Key {key_id} is already associated with another usage plan for the same stage: \
                 {other_id}"
            )));
        }
    }
    Ok(())
}

/// `GetUsagePlanKeys`, by name. A plan that is not there has no keys.
pub(in crate::control::management) fn list_keys(context: &mut Context<'_>) -> Result<Answer> {
    let collection = USAGE_PLAN_KEY.collection(&context.root(), context.call);
    let name = context.call.query("name").map(str::to_owned);
    list_in(context, &USAGE_PLAN_KEY, &collection, |key| {
        let full = text(key, "name").unwrap_or_default();
        name.as_deref().is_none_or(|name| full.starts_with(name))
    })
}

/// `GetUsage`: what was set by hand; requests are not counted yet.
pub(in crate::control::management) fn usage(context: &mut Context<'_>) -> Result<Answer> {
    let (key, _) = load(context, &USAGE_PLAN)?;
    for name in ["startDate", "endDate"] {
        if !context.call.query(name).is_some_and(is_date) {
            let message = format!("Invalid {name} specified. Must be a date as yyyy-MM-dd");
            return Err(ApiError::bad_request(message));
        }
    }
    let wanted = context.call.query("keyId").map(str::to_owned);
    let mut values = Map::new();
    for (id, usage) in context.children(&key.child("usage"))? {
        if wanted.as_deref().is_none_or(|wanted| wanted == id) {
            values.insert(id, json!([[0, usage.get("remaining")]]));
        }
    }
    let mut answer = Map::new();
    answer.insert("usagePlanId".into(), key.last().into());
    for name in ["startDate", "endDate"] {
        answer.insert(name.into(), context.call.query(name).into());
    }
    answer.insert("values".into(), Value::Object(values));
    Ok(Answer::Document(answer))
}

/// `UpdateUsage`: what a key has left in its period.
pub(in crate::control::management) fn update_usage(context: &mut Context<'_>) -> Result<Answer> {
    let (plan, _) = load(context, &USAGE_PLAN)?;
    let (key, _) = load(context, &USAGE_PLAN_KEY)?;
    let place = plan.child("usage").child(key.last());
    let mut usage = context.document(&place)?.unwrap_or_default();
    for operation in PatchOperation::read_all(&context.call.body) {
        usage_plan_patch::apply_usage(&mut usage, &operation)?;
    }
    context.put(&place, &usage);
    let mut values = Map::new();
    values.insert(key.last().to_owned(), json!([[0, usage.get("remaining")]]));
    let mut answer = Map::new();
    answer.insert("usagePlanId".into(), plan.last().into());
    answer.insert("values".into(), Value::Object(values));
    Ok(Answer::Document(answer))
}

fn is_date(text: &str) -> bool {
    let compact = format!("{}T000000Z", text.replace('-', ""));
    text.len() == 10 && crate::base::parse_basic_iso8601(&compact).is_some()
}
