//! `Api`: an HTTP or WebSocket API, and the quick way to make one with a target.

use serde_json::{Value, json};

use super::{deployment, integration, route, stage};
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, is_true, table, text};
use crate::control::management::resource::{Context, Kind, Result, bring_in, load, load_parent};
use crate::store::{Document, Key};

pub(in crate::control::management) static API: Kind = Kind {
    path: &["v2", "apis"],
    missing: "Invalid API identifier specified {account}:{id}",
    has_tags: true,
    check: |_, _, _, document| check(document),
    remove: |context, key, _| {
        crate::control::management::rest::domain::refuse_if_mapped(context, key.last(), None)
    },
    ..Kind::PLAIN
};

/// `CreateApi`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &API)?;
    context.check_quota(&collection, context.quotas.apis_count_max, "APIs", "account")?;
    let mut document = context.call.body.clone();
    let quick = QuickCreate::take(&mut document);
    let id = ids::id(10);
    let is_http = text(&document, "protocolType") == Some("HTTP");
    let scheme = if is_http { "https" } else { "wss" };
    let region = &context.call.realm.region;
    let endpoint = format!("{scheme}://{id}.execute-api.{region}.amazonaws.com");
    document.insert("apiId".into(), id.clone().into());
    document.insert("apiEndpoint".into(), endpoint.into());
    document.insert("createdDate".into(), context.now.into());
    default(&mut document, "disableExecuteApiEndpoint", false);
    default(&mut document, "ipAddressType", "ipv4");
    default(&mut document, "tags", json!({}));
    if is_http {
        default(&mut document, "routeSelectionExpression", HTTP_SELECTION);
    }
    check(&mut document)?;
    let key = collection.child(&id);
    context.put(&key, &document);
    if let Some(quick) = quick {
        if !is_http {
            return Err(ApiError::bad_request("Quick create is supported for HTTP APIs only"));
        }
        quick.create(context, &key)?;
    }
    Ok(Answer::Document(document))
}

fn check(document: &mut Document) -> Result<()> {
    default(document, "apiKeySelectionExpression", "$request.header.x-api-key");
    let is_http = text(document, "protocolType") == Some("HTTP");
    match text(document, "routeSelectionExpression") {
        Some(expression) if is_http && expression != HTTP_SELECTION => {
            return Err(ApiError::bad_request(format!(
                "Invalid routeSelectionExpression specified. It is {HTTP_SELECTION} for HTTP APIs"
            )));
        }
        Some(expression) if !is_http && !is_selection(expression) => {
            return Err(ApiError::bad_request("Invalid routeSelectionExpression specified"));
        }
        None => return Err(ApiError::bad_request("RouteSelectionExpression is required")),
        Some(_) => {}
    }
    let Some(cors) = table(document, "corsConfiguration") else { return Ok(()) };
    if !is_http {
        return Err(ApiError::bad_request("CORS is supported for HTTP APIs only"));
    }
    let origins = cors.get("allowOrigins").and_then(Value::as_array);
    let allows_all = origins.is_some_and(|origins| origins.iter().any(|origin| origin == "*"));
    if allows_all && is_true(cors, "allowCredentials") {
        return Err(ApiError::bad_request(
            "allowCredentials is not supported together with the origin *",
        ));
    }
    Ok(())
}

/// `$request.body.action` and the like, or a text with `${...}` in it.
fn is_selection(expression: &str) -> bool {
    expression.starts_with("$request.") || expression.contains("${request.")
}

/// `UpdateApi`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let (key, before) = load(context, &API)?;
    let mut document = before.clone();
    let mut given = context.call.body.clone();
    let quick = QuickCreate::take(&mut given);
    bring_in(&API, context.call.operation, &mut document, given);
    check(&mut document)?;
    context.put(&key, &document);
    if let Some(quick) = quick {
        quick.update(context, &key)?;
    }
    deployment::deploy_automatically(context, &key)?;
    Ok(Answer::Document(document))
}

/// `DeleteCorsConfiguration`.
pub(in crate::control::management) fn delete_cors(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut document) = load(context, &API)?;
    document.remove("corsConfiguration");
    context.put(&key, &document);
    deployment::deploy_automatically(context, &key)?;
    Ok(Answer::Empty)
}

/// What makes an API with one integration and a stage that deploys itself.
struct QuickCreate {
    target: Option<String>,
    route_key: Option<String>,
    credentials: Option<Value>,
}

impl QuickCreate {
    fn take(document: &mut Document) -> Option<Self> {
        let take_text = |document: &mut Document, name: &str| {
            let given = document.remove(name);
            given.and_then(|one| one.as_str().map(str::to_owned)).filter(|one| !one.is_empty())
        };
        let target = take_text(document, "target");
        let route_key = take_text(document, "routeKey");
        let credentials = document.remove("credentialsArn");
        (target.is_some() || route_key.is_some()).then_some(Self { target, route_key, credentials })
    }

    fn create(self, context: &mut Context<'_>, api: &Key) -> Result<()> {
        let Some(target) = &self.target else {
            return Err(ApiError::bad_request("A target is required with a routeKey"));
        };
        let mut integration = integration_of(target);
        if let Some(credentials) = &self.credentials {
            integration.insert("credentialsArn".into(), credentials.clone());
        }
        let id = integration::store_new(context, api, integration)?;
        let route = json!({
            "routeKey": self.route_key.as_deref().unwrap_or("$default"),
            "target": format!("integrations/{id}"),
            "apiGatewayManaged": true,
        });
        route::store_new(context, api, route.as_object().cloned().unwrap_or_default())?;
        let stage = json!({
            "stageName": "$default",
            "autoDeploy": true,
            "apiGatewayManaged": true,
        });
        stage::store_new(context, api, stage.as_object().cloned().unwrap_or_default())?;
        deployment::deploy_automatically(context, api)
    }

    fn update(self, context: &mut Context<'_>, api: &Key) -> Result<()> {
        let managed = |(id, document): (String, Document)| {
            is_true(&document, "apiGatewayManaged").then_some((id, document))
        };
        let route = context.children(&api.child("routes"))?.into_iter().find_map(managed);
        let integration =
            context.children(&api.child("integrations"))?.into_iter().find_map(managed);
        let (Some((route_id, mut route)), Some((id, mut integration))) = (route, integration)
        else {
            return Err(ApiError::bad_request("The API was not made by quick create"));
        };
        if let Some(target) = &self.target {
            integration.extend(integration_of(target));
        }
        if let Some(credentials) = self.credentials {
            integration.insert("credentialsArn".into(), credentials);
        }
        let before = route.clone();
        if let Some(route_key) = self.route_key {
            route.insert("routeKey".into(), route_key.into());
        }
        let (routes, integrations) = (api.child("routes"), api.child("integrations"));
        integration::check(context, &integrations.child(&id), &mut integration)?;
        context.put(&integrations.child(&id), &integration);
        route::check_change(context, &routes.child(&route_id), &before, &mut route)?;
        context.put(&routes.child(&route_id), &route);
        Ok(())
    }
}

/// A function's ARN, or the URL of a backend.
fn integration_of(target: &str) -> Document {
    let integration = if target.starts_with("arn:") {
        json!({
            "integrationType": "AWS_PROXY",
            "integrationUri": target,
            "payloadFormatVersion": "2.0",
            "apiGatewayManaged": true,
        })
    } else {
        json!({
            "integrationType": "HTTP_PROXY",
            "integrationUri": target,
            "integrationMethod": "ANY",
            "payloadFormatVersion": "1.0",
            "apiGatewayManaged": true,
        })
    };
    integration.as_object().cloned().unwrap_or_default()
}

/// The protocol of the API that a key belongs to.
pub(super) fn is_http(context: &mut Context<'_>, api: &Key) -> Result<bool> {
    let document = context.document(api)?;
    Ok(document.is_some_and(|api| text(&api, "protocolType") == Some("HTTP")))
}

/// The key of the API that a key belongs to.
pub(super) fn api_of(key: &Key) -> Key {
    Key::new(&key.segments().take(4).collect::<Vec<_>>())
}

const HTTP_SELECTION: &str = "$request.method $request.path";
