//! `Deployment`: a frozen copy of what an API consists of.
//!
//! The copy lies beside the deployment, under `snapshots`, and never changes: a stage that points to
//! it serves the same for as long as it does.

use serde_json::{Map, Value, json};

use super::api::REST_API;
use super::method::{all_methods, summary};
use super::stage;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{table_mut, text};
use crate::control::management::resource::{Context, Kind, Result, load, load_parent};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static DEPLOYMENT: Kind = Kind {
    parent: Some(&REST_API),
    path: &["deployments"],
    missing: "Invalid Deployment identifier specified",
    hides_parent: true,
    patch: &PATCH,
    view,
    remove,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[PatchRow::new("/description", Ops::REPLACE, PatchValue::Text)],
};

/// What of an API is copied.
pub(super) const PARTS: [&str; 5] =
    ["resources", "models", "authorizers", "requestvalidators", "gatewayresponses"];

/// `CreateDeployment`: copies the API, and points a stage to the copy if one is named.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &DEPLOYMENT)?;
    let (api, _) = load(context, &REST_API)?;
    let body = &context.call.body;
    check_canary(context, &api)?;
    let methods = all_methods(context, &api)?;
    if methods.is_empty() {
        return Err(ApiError::bad_request("The REST API doesn't contain any methods"));
    }
    if methods.iter().any(|(_, method)| !method.contains_key("methodIntegration")) {
        return Err(ApiError::bad_request("No integration defined for method"));
    }
    let id = ids::id(6);
    let mut document = Map::new();
    document.insert("id".into(), id.clone().into());
    if let Some(description) = body.get("description") {
        document.insert("description".into(), description.clone());
    }
    document.insert("createdDate".into(), context.now.into());
    let frozen = freeze(context, &api)?;
    let mut stored = document.clone();
    stored.insert("apiSummary".into(), api_summary(&frozen));
    context.put(&collection.child(&id), &stored);
    context.put(&api.child("snapshots").child(&id), &frozen);
    if let Some(name) =
        body.get("stageName").and_then(Value::as_str).filter(|name| !name.is_empty())
    {
        stage::deploy(context, &api, name, &id)?;
    }
    Ok(Answer::Document(document))
}

fn check_canary(context: &mut Context<'_>, api: &Key) -> Result<()> {
    if !context.call.body.contains_key("canarySettings") {
        return Ok(());
    }
    let name = context.call.text("stageName");
    let Some(name) = name.filter(|name| !name.is_empty()) else {
        return Err(ApiError::bad_request(format!(
            "Invalid deployment content specified.Non null and non empty stageName must be provided \
             for canary deployment. Provided value is {}",
            name.unwrap_or("null")
        )));
    };
    if context.document(&api.child("stages").child(name))?.is_none() {
        return Err(ApiError::bad_request(format!(
            "Invalid deployment content specified.Stage {name} must already be created before making a \
             canary release deployment"
        )));
    }
    Ok(())
}

/// The API and all its parts as one document: `{"api": ..., "resources": {id: ...}, ...}`. Methods
/// stand in their resources.
pub(super) fn freeze(context: &mut Context<'_>, api: &Key) -> Result<Document> {
    let mut frozen = Map::new();
    let document = context.document(api)?.unwrap_or_default();
    frozen.insert("api".into(), Value::Object(document));
    for part in PARTS {
        let collection = api.child(part);
        let mut copies = Map::new();
        for (id, mut document) in context.children(&collection)? {
            if part == "resources" {
                let methods = context.children(&collection.child(&id).child("methods"))?;
                let methods = methods.into_iter().map(|(name, one)| (name, Value::Object(one)));
                document.insert("resourceMethods".into(), Value::Object(methods.collect()));
            }
            copies.insert(id, Value::Object(document));
        }
        frozen.insert(part.to_owned(), Value::Object(copies));
    }
    Ok(frozen)
}

fn api_summary(frozen: &Document) -> Value {
    let mut paths = Map::new();
    let resources = frozen.get("resources").and_then(Value::as_object);
    for resource in resources.into_iter().flatten().filter_map(|(_, one)| one.as_object()) {
        let methods = resource.get("resourceMethods").and_then(Value::as_object);
        let methods = methods
            .into_iter()
            .flatten()
            .filter_map(|(name, method)| Some((name.clone(), summary(method.as_object()?))));
        let methods: Map<String, Value> = methods.collect();
        if !methods.is_empty() {
            let path = text(resource, "path").unwrap_or("/");
            table_mut(&mut paths, path).extend(methods);
        }
    }
    json!(paths)
}

/// The summary is shown only where `embed=apisummary` asks for it.
fn view(context: &mut Context<'_>, _: &Key, mut document: Document) -> Result<Document> {
    let mut embed = context.call.query_all("embed").flat_map(|list| list.split(','));
    if !embed.any(|one| one.eq_ignore_ascii_case("apisummary")) {
        document.remove("apiSummary");
    }
    Ok(document)
}

fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    let (api, _) = load(context, &REST_API)?;
    for (_, stage) in context.children(&api.child("stages"))? {
        let canary = stage.get("canarySettings").and_then(|canary| canary.get("deploymentId"));
        let is_pointed_to = stage.get("deploymentId").is_some_and(|id| id == key.last())
            || canary.is_some_and(|id| id == key.last());
        if is_pointed_to {
            return Err(ApiError::bad_request(
                "Active stages pointing to this deployment must be moved or deleted",
            ));
        }
    }
    context.transaction.remove(&api.child("snapshots").child(key.last()))?;
    Ok(())
}
