//! `Stage` of REST APIs: which deployment it serves, and settings that are live.

use serde_json::{Value, json};

use super::api::REST_API;
use super::stage_patch;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::resource::document::{
    default, is_true, remove_empty, table, table_mut, text,
};
use crate::control::management::resource::{
    Context, Kind, Result, list_where, load, load_parent, patch_with, require,
};
use crate::store::{Document, Key};

pub(in crate::control::management) static STAGE: Kind = Kind {
    parent: Some(&REST_API),
    path: &["stages"],
    missing: "Invalid stage identifier specified",
    hides_parent: true,
    check: |context, key, _, document| check(context, key, document),
    remove,
    ..Kind::PLAIN
};

/// `CreateStage`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &STAGE)?;
    let mut document = context.call.body.clone();
    let name = text(&document, "stageName").unwrap_or_default().to_owned();
    check_name(&name)?;
    let key = collection.child(&name);
    if context.document(&key)?.is_some() {
        return Err(ApiError::conflict("Stage already exists"));
    }
    context.check_quota(&collection, context.quotas.stages_count_max, "Stages", "API")?;
    complete(context, &mut document);
    check(context, &key, &mut document)?;
    context.put(&key, &document);
    Ok(Answer::Document(document))
}

fn check_name(name: &str) -> Result<()> {
    let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"_-".contains(&byte);
    if !(1..=128).contains(&name.len()) || !name.bytes().all(is_name_byte) {
        return Err(ApiError::bad_request("Stage name only allows a-zA-Z0-9_-"));
    }
    Ok(())
}

fn complete(context: &Context<'_>, document: &mut Document) {
    default(document, "cacheClusterEnabled", false);
    default(document, "methodSettings", json!({}));
    default(document, "tracingEnabled", false);
    document.insert("createdDate".into(), context.now.into());
    document.insert("lastUpdatedDate".into(), context.now.into());
}

/// Points the stage of a deployment to it, and makes the stage if need be. A canary takes the
/// deployment instead, if the request has one.
pub(super) fn deploy(context: &mut Context<'_>, api: &Key, name: &str, id: &str) -> Result<()> {
    check_name(name)?;
    let collection = api.child("stages");
    let key = collection.child(name);
    let body = context.call.body.clone();
    let mut stage = match context.document(&key)? {
        Some(stage) => stage,
        None => {
            context.check_quota(&collection, context.quotas.stages_count_max, "Stages", "API")?;
            let mut stage = Document::new();
            stage.insert("stageName".into(), name.into());
            complete(context, &mut stage);
            stage
        }
    };
    if let Some(canary) = table(&body, "canarySettings") {
        let mut canary = canary.clone();
        canary.insert("deploymentId".into(), id.into());
        stage.insert("canarySettings".into(), Value::Object(canary));
    } else {
        stage.insert("deploymentId".into(), id.into());
        if let Some(description) = body.get("stageDescription") {
            stage.insert("description".into(), description.clone());
        }
    }
    for name in ["cacheClusterEnabled", "cacheClusterSize", "tracingEnabled"] {
        if let Some(value) = body.get(name) {
            stage.insert(name.into(), value.clone());
        }
    }
    if let Some(variables) = table(&body, "variables") {
        table_mut(&mut stage, "variables").extend(variables.clone());
    }
    stage.insert("lastUpdatedDate".into(), context.now.into());
    check(context, &key, &mut stage)?;
    context.put(&key, &stage);
    Ok(())
}

/// Checks what a stage says, against the API that it belongs to.
fn check(context: &mut Context<'_>, key: &Key, document: &mut Document) -> Result<()> {
    let api = super::method::api_of(key);
    let refusal = || ApiError::bad_request("Deployment id does not exist");
    let id = text(document, "deploymentId").unwrap_or_default();
    if id.is_empty() {
        return Err(ApiError::bad_request("DeploymentId cannot be empty"));
    }
    require(context, &api.child("deployments"), id, refusal)?;
    let serves = document.get("deploymentId").cloned();
    if let Some(Value::Object(canary)) = document.get_mut("canarySettings") {
        if let Some(serves) = serves {
            default(canary, "deploymentId", serves);
        }
        default(canary, "percentTraffic", 0.0);
        default(canary, "useStageCache", false);
    }
    if let Some(canary) = table(document, "canarySettings") {
        if let Some(id) = text(canary, "deploymentId") {
            require(context, &api.child("deployments"), id, refusal)?;
        }
        let percent = canary.get("percentTraffic").and_then(Value::as_f64).unwrap_or(0.0);
        if !(0.0..=100.0).contains(&percent) {
            return Err(ApiError::bad_request(
                "Invalid percentTraffic specified. Must be between 0 and 100",
            ));
        }
    }
    remove_empty(document, &["variables", "tags"]);
    check_variables(document, "variables")?;
    if let Some(canary) = table(document, "canarySettings") {
        check_variables(canary, "stageVariableOverrides")?;
    }
    if let Some(id) = text(document, "clientCertificateId").filter(|id| !id.is_empty()) {
        let missing = || ApiError::bad_request("Invalid client certificate identifier specified");
        let certificates = context.root().child("clientcertificates");
        require(context, &certificates, id, missing)?;
    }
    if let Some(version) = text(document, "documentationVersion").filter(|one| !one.is_empty()) {
        let missing = || ApiError::bad_request("Invalid Documentation version specified");
        require(context, &api.child("documentation").child("versions"), version, missing)?;
    }
    let is_cached = is_true(document, "cacheClusterEnabled");
    if is_cached {
        default(document, "cacheClusterSize", "0.5");
    }
    let status = if is_cached { "AVAILABLE" } else { "NOT_AVAILABLE" };
    document.insert("cacheClusterStatus".into(), status.into());
    Ok(())
}

/// "Amazon API Gateway stage variables reference": names, values and how many.
fn check_variables(document: &Document, member: &str) -> Result<()> {
    let Some(variables) = table(document, member) else { return Ok(()) };
    if variables.len() > VARIABLES_COUNT_MAX {
        let message = format!("A stage can have at most {VARIABLES_COUNT_MAX} variables");
        return Err(ApiError::bad_request(message));
    }
    for (name, value) in variables {
        let is_name_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
        if !(1..=64).contains(&name.len()) || !name.bytes().all(is_name_byte) {
            let message = format!("Stage variable name not valid: {name}");
            return Err(ApiError::bad_request(message));
        }
        let value = value.as_str().unwrap_or_default();
        let is_value_byte =
            |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?#&=,".contains(&byte);
        if value.len() > 512 || !value.bytes().all(is_value_byte) {
            return Err(ApiError::bad_request(format!(
                "Stage variable value not valid: {value}. Please use values with alphanumeric \
                 characters and the symbols - . _ : / ? & = ,"
            )));
        }
    }
    Ok(())
}

/// `GetStages`, of one deployment or of all; there are no pages.
pub(in crate::control::management) fn list(context: &mut Context<'_>) -> Result<Answer> {
    let wanted = context.call.query("deploymentId").map(str::to_owned);
    list_where(context, &STAGE, |stage| {
        wanted.as_deref().is_none_or(|id| text(stage, "deploymentId") == Some(id))
    })
}

/// `UpdateStage`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    patch_with(context, &STAGE, stage_patch::apply)
}

/// `FlushStageCache` and `FlushStageAuthorizersCache`: caches are not kept here.
pub(in crate::control::management) fn flush(context: &mut Context<'_>) -> Result<Answer> {
    load(context, &STAGE)?;
    Ok(Answer::Empty)
}

/// A stage that a usage plan or a base path mapping names cannot go.
fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    let api_id = super::method::api_of(key).last().to_owned();
    super::domain::refuse_if_mapped(context, &api_id, Some(key.last()))
}

const VARIABLES_COUNT_MAX: usize = 100;
