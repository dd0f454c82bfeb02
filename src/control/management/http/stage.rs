//! `Stage` of HTTP and WebSocket APIs.

use serde_json::{Value, json};

use super::api::{API, api_of, is_http};
use super::deployment::{deploy_automatically, deploy_stage};
use super::route::require_key;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::resource::document::{default, is_true, table, table_mut, text};
use crate::control::management::resource::{Context, Kind, Result, load, merge, require};
use crate::store::{Document, Key};

pub(in crate::control::management) static STAGE: Kind = Kind {
    parent: Some(&API),
    path: &["stages"],
    missing: "Invalid stage identifier specified",
    has_tags: true,
    grows: &["stageVariables", "routeSettings"],
    check: |context, key, _, document| check(context, key, document),
    remove: |context, key, _| {
        let api_id = api_of(key).last().to_owned();
        let refuse = crate::control::management::rest::domain::refuse_if_mapped;
        refuse(context, &api_id, Some(key.last()))
    },
    ..Kind::PLAIN
};

/// `CreateStage`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let (api, _) = load(context, &API)?;
    let key = store_new(context, &api, context.call.body.clone())?;
    let stage = context.document(&key)?.unwrap_or_default();
    if is_true(&stage, "autoDeploy") {
        return deploy_stage(context, &api, &key, stage).map(Answer::Document);
    }
    Ok(Answer::Document(stage))
}

/// Stores a new stage, and returns its key.
pub(super) fn store_new(
    context: &mut Context<'_>,
    api: &Key,
    mut document: Document,
) -> Result<Key> {
    let collection = api.child("stages");
    let name = text(&document, "stageName").unwrap_or_default().to_owned();
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if name != "$default"
        && (name.is_empty() || name.len() > 128 || !name.bytes().all(is_name_byte))
    {
        return Err(ApiError::bad_request("Stage name only allows a-zA-Z0-9_- and $default"));
    }
    let key = collection.child(&name);
    if context.document(&key)?.is_some() {
        return Err(ApiError::conflict("Stage already exists"));
    }
    context.check_quota(&collection, context.quotas.stages_count_max, "Stages", "API")?;
    default(&mut document, "autoDeploy", false);
    default(&mut document, "routeSettings", json!({}));
    default(&mut document, "stageVariables", json!({}));
    default(&mut document, "tags", json!({}));
    document.insert("createdDate".into(), context.now.into());
    document.insert("lastUpdatedDate".into(), context.now.into());
    check(context, &key, &mut document)?;
    context.put(&key, &document);
    Ok(key)
}

fn check(context: &mut Context<'_>, key: &Key, document: &mut Document) -> Result<()> {
    let api = api_of(key);
    let settings = table_mut(document, "defaultRouteSettings");
    default(settings, "detailedMetricsEnabled", false);
    if !is_http(context, &api)? {
        default(settings, "dataTraceEnabled", false);
        default(settings, "loggingLevel", "OFF");
    }
    if let Some(id) = text(document, "deploymentId").filter(|id| !id.is_empty()) {
        let missing = || ApiError::bad_request("Deployment id does not exist");
        require(context, &api.child("deployments"), id, missing)?;
    }
    let names = table(document, "routeSettings").into_iter().flatten().map(|(name, _)| name);
    for name in names.cloned().collect::<Vec<_>>() {
        let missing = || {
            ApiError::not_found(format!(
                "Unable to find Route by key {name} within the provided RouteSettings"
            ))
        };
        require_key(context, &api, &name, missing)?;
    }
    let settings = table(document, "defaultRouteSettings").into_iter();
    let by_route = table(document, "routeSettings").into_iter().flatten();
    for settings in settings.chain(by_route.filter_map(|(_, one)| one.as_object())) {
        let number = |name: &str| settings.get(name).and_then(Value::as_f64);
        if number("throttlingRateLimit").is_some_and(|rate| rate < 0.0)
            || number("throttlingBurstLimit").is_some_and(|burst| burst < 0.0)
        {
            return Err(ApiError::bad_request("Throttling limits must not be negative"));
        }
    }
    Ok(())
}

/// `UpdateStage`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let (key, before) = load(context, &STAGE)?;
    let names_deployment = context.call.body.contains_key("deploymentId");
    let stays_automatic = match context.call.body.get("autoDeploy").and_then(Value::as_bool) {
        Some(is_automatic) => is_automatic,
        None => is_true(&before, "autoDeploy"),
    };
    if names_deployment && stays_automatic {
        return Err(ApiError::bad_request(
            "Deployment ID cannot be set on a stage with AutoDeploy enabled",
        ));
    }
    let answer = merge(context, &STAGE)?;
    if stays_automatic && !is_true(&before, "autoDeploy") {
        let api = api_of(&key);
        deploy_automatically(context, &api)?;
        return Ok(Answer::Document(context.document(&key)?.unwrap_or_default()));
    }
    Ok(answer)
}

/// `DeleteAccessLogSettings`.
pub(in crate::control::management) fn delete_access_log(
    context: &mut Context<'_>,
) -> Result<Answer> {
    let (key, mut document) = load(context, &STAGE)?;
    document.remove("accessLogSettings");
    context.put(&key, &document);
    Ok(Answer::Empty)
}

/// `DeleteRouteSettings`.
pub(in crate::control::management) fn delete_route_settings(
    context: &mut Context<'_>,
) -> Result<Answer> {
    let (key, mut document) = load(context, &STAGE)?;
    let route_key = context.call.value(2);
    if table_mut(&mut document, "routeSettings").remove(route_key).is_none() {
        let message = format!("Unable to find RouteSettings by key {route_key}");
        return Err(ApiError::not_found(message));
    }
    context.put(&key, &document);
    Ok(Answer::Empty)
}

/// `ResetAuthorizersCache`: caches are not kept here.
pub(in crate::control::management) fn reset_cache(context: &mut Context<'_>) -> Result<Answer> {
    load(context, &STAGE)?;
    Ok(Answer::Empty)
}
