//! `Deployment` of HTTP and WebSocket APIs: a frozen copy of routes, integrations, authorizers and
//! models, beside the deployment under `snapshots`.

use serde_json::{Map, Value};

use super::api::API;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{is_true, text};
use crate::control::management::resource::{Context, Kind, Result, load};
use crate::store::{Document, Key};

pub(in crate::control::management) static DEPLOYMENT: Kind = Kind {
    parent: Some(&API),
    path: &["deployments"],
    missing: "Unable to find Deployment by id {id}",
    remove,
    ..Kind::PLAIN
};

/// `CreateDeployment`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let (api, _) = load(context, &API)?;
    let description = context.call.body.get("description").cloned();
    let stage = match context.call.text("stageName") {
        None => None,
        Some(name) => {
            let key = api.child("stages").child(name);
            let missing = || ApiError::not_found("Invalid stage identifier specified");
            let stage = context.document(&key)?.ok_or_else(missing)?;
            if is_true(&stage, "autoDeploy") {
                return Err(ApiError::bad_request(
                    "Deployment ID cannot be set on a stage with AutoDeploy enabled",
                ));
            }
            Some((key, stage))
        }
    };
    let (id, document) = store_new(context, &api, description, false)?;
    if let Some((key, stage)) = stage {
        point(context, &key, stage, &id);
    }
    Ok(Answer::Document(document))
}

fn store_new(
    context: &mut Context<'_>,
    api: &Key,
    description: Option<Value>,
    is_automatic: bool,
) -> Result<(String, Document)> {
    let frozen = freeze(context, api)?;
    let has_routes =
        frozen.get("routes").and_then(Value::as_object).is_some_and(|all| !all.is_empty());
    if !has_routes && !is_automatic {
        let is_http = super::api::is_http(context, api)?;
        return Err(ApiError::bad_request(if is_http {
            "Unable to deploy API because no routes exist in this API"
        } else {
            "At least one route is required before deploying the Api."
        }));
    }
    let id = ids::id(6);
    let mut document = Map::new();
    document.insert("deploymentId".into(), id.clone().into());
    document.insert("deploymentStatus".into(), "DEPLOYED".into());
    document.insert("autoDeployed".into(), is_automatic.into());
    document.insert("createdDate".into(), context.now.into());
    if let Some(description) = description {
        document.insert("description".into(), description);
    }
    context.put(&api.child("deployments").child(&id), &document);
    context.put(&api.child("snapshots").child(&id), &frozen);
    Ok((id, document))
}

/// The API and its parts as one document; responses stand in what they belong to.
fn freeze(context: &mut Context<'_>, api: &Key) -> Result<Document> {
    let mut frozen = Map::new();
    frozen.insert("api".into(), Value::Object(context.document(api)?.unwrap_or_default()));
    let parts = [
        ("routes", Some("routeresponses")),
        ("integrations", Some("integrationresponses")),
        ("authorizers", None),
        ("models", None),
    ];
    let is_http = super::api::is_http(context, api)?;
    for (part, inner) in parts {
        let collection = api.child(part);
        let mut copies = Map::new();
        for (id, mut document) in context.children(&collection)? {
            // Responses are of WebSocket APIs alone.
            if let Some(inner) = inner.filter(|_| !is_http) {
                let responses = context.children(&collection.child(&id).child(inner))?;
                let responses = responses.into_iter().map(|(id, one)| (id, Value::Object(one)));
                document.insert(inner.into(), Value::Object(responses.collect()));
            }
            copies.insert(id, Value::Object(document));
        }
        frozen.insert(part.to_owned(), Value::Object(copies));
    }
    Ok(frozen)
}

fn point(context: &mut Context<'_>, key: &Key, mut stage: Document, id: &str) -> Document {
    stage.insert("deploymentId".into(), id.into());
    stage.insert("lastUpdatedDate".into(), context.now.into());
    context.put(key, &stage);
    stage
}

/// Gives each stage with `autoDeploy` a deployment of the API as it is now.
pub(super) fn deploy_automatically(context: &mut Context<'_>, api: &Key) -> Result<()> {
    let stages = api.child("stages");
    for (name, stage) in context.children(&stages)? {
        if is_true(&stage, "autoDeploy") {
            deploy_stage(context, api, &stages.child(&name), stage)?;
        }
    }
    Ok(())
}

/// Deploys to one stage that deploys itself. The deployment before, which nothing can point to any
/// more, goes with its copy: it would be a copy of the whole API for each change.
pub(super) fn deploy_stage(
    context: &mut Context<'_>,
    api: &Key,
    key: &Key,
    mut stage: Document,
) -> Result<Document> {
    let before = text(&stage, "deploymentId").map(str::to_owned);
    let description = Value::from(AUTOMATIC);
    let (id, _) = store_new(context, api, Some(description), true)?;
    let message = format!("Successfully deployed stage with deployment ID '{id}'");
    stage.insert("lastDeploymentStatusMessage".into(), message.into());
    let stage = point(context, key, stage, &id);
    let Some(before) = before else { return Ok(stage) };
    let deployment = api.child("deployments").child(&before);
    let was_automatic =
        context.document(&deployment)?.is_some_and(|one| is_true(&one, "autoDeployed"));
    if was_automatic && !is_in_use(context, api, &before)? {
        context.transaction.remove(&deployment)?;
        context.transaction.remove(&api.child("snapshots").child(&before))?;
    }
    Ok(stage)
}

fn is_in_use(context: &mut Context<'_>, api: &Key, id: &str) -> Result<bool> {
    let stages = context.children(&api.child("stages"))?;
    Ok(stages.iter().any(|(_, stage)| text(stage, "deploymentId") == Some(id)))
}

fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    let api = super::api::api_of(key);
    if is_in_use(context, &api, key.last())? {
        return Err(ApiError::bad_request(
            "Active stages pointing to this deployment must be moved or deleted",
        ));
    }
    Ok(context.transaction.remove(&api.child("snapshots").child(key.last()))?)
}

const AUTOMATIC: &str = "Automatic deployment triggered by changes to the Api configuration";
