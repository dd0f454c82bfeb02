//! `Integration` and `IntegrationResponse` of HTTP and WebSocket APIs.

use super::api::{API, api_of, is_http};
use super::deployment::deploy_automatically;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, table, text};
use crate::control::management::resource::{
    Context, Kind, Result, delete, load, load_parent, merge,
};
use crate::expr::{CompileError, HttpRequestMapping, HttpResponseMappings, Scope};
use crate::store::{Document, Key};

pub(in crate::control::management) static INTEGRATION: Kind = Kind {
    parent: Some(&API),
    path: &["integrations"],
    missing: "Unable to find Integration by id {id}",
    grows: &["requestParameters", "responseParameters"],
    check: |context, key, _, document| check(context, key, document),
    remove,
    ..Kind::PLAIN
};

pub(in crate::control::management) static INTEGRATION_RESPONSE: Kind = Kind {
    parent: Some(&INTEGRATION),
    path: &["integrationresponses"],
    missing: "Unable to find IntegrationResponse by id {id}",
    ..Kind::PLAIN
};

/// `CreateIntegration`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let (api, _) = load(context, &API)?;
    let id = store_new(context, &api, context.call.body.clone())?;
    deploy_automatically(context, &api)?;
    let document = context.document(&api.child("integrations").child(&id))?;
    Ok(Answer::Document(document.unwrap_or_default()))
}

/// Stores a new integration, and returns its id.
pub(super) fn store_new(
    context: &mut Context<'_>,
    api: &Key,
    mut document: Document,
) -> Result<String> {
    let collection = api.child("integrations");
    context.check_quota(
        &collection,
        context.quotas.integrations_count_max,
        "Integrations",
        "API",
    )?;
    let id = ids::id(7);
    document.insert("integrationId".into(), id.clone().into());
    let key = collection.child(&id);
    default(&mut document, "connectionType", "INTERNET");
    if text(&document, "integrationType") == Some("AWS_PROXY")
        && !document.contains_key("integrationSubtype")
    {
        default(&mut document, "integrationMethod", "POST");
    }
    if is_http(context, api)? {
        default(&mut document, "timeoutInMillis", context.quotas.http_timeout_ms_max.min(30_000));
    } else {
        default(&mut document, "timeoutInMillis", context.quotas.rest_timeout_ms_max.min(29_000));
        default(&mut document, "passthroughBehavior", "WHEN_NO_MATCH");
        let selection = match text(&document, "integrationType") {
            Some("AWS") => "${integration.response.body.errorMessage}",
            _ => "${integration.response.statuscode}",
        };
        default(&mut document, "integrationResponseSelectionExpression", selection);
    }
    check(context, &key, &mut document)?;
    context.put(&key, &document);
    Ok(id)
}

/// Checks an integration against the protocol of its API.
pub(super) fn check(context: &mut Context<'_>, key: &Key, document: &mut Document) -> Result<()> {
    let api = api_of(key);
    default(document, "payloadFormatVersion", "1.0");
    let kind = text(document, "integrationType").unwrap_or_default().to_owned();
    let subtype = text(document, "integrationSubtype");
    let uri = text(document, "integrationUri").unwrap_or_default();
    let method = text(document, "integrationMethod");
    if is_http(context, &api)? && !matches!(kind.as_str(), "HTTP_PROXY" | "AWS_PROXY") {
        return Err(ApiError::bad_request(format!(
            "Invalid integration type {kind} specified. HTTP APIs support HTTP_PROXY and AWS_PROXY"
        )));
    }
    if let Some(version) = text(document, "payloadFormatVersion")
        && !matches!(version, "1.0" | "2.0")
    {
        return Err(ApiError::bad_request(
            "Invalid PayloadFormatVersion specified. Must be one of [1.0, 2.0]",
        ));
    }
    let is_private = text(document, "connectionType") == Some("VPC_LINK");
    if is_private && text(document, "connectionId").is_none_or(str::is_empty) {
        return Err(ApiError::bad_request("ConnectionId is required for VPC_LINK connections"));
    }
    match kind.as_str() {
        "HTTP" | "HTTP_PROXY" => {
            if method.is_none_or(str::is_empty) {
                return Err(ApiError::bad_request("HttpMethod is required for HTTP integrations"));
            }
            let is_url = uri.starts_with("http://") || uri.starts_with("https://");
            let is_listener = is_private && uri.starts_with("arn:");
            if !is_url && !is_listener {
                return Err(ApiError::bad_request("Invalid HTTP endpoint specified for URI"));
            }
        }
        "AWS" | "AWS_PROXY" if subtype.is_none() && !uri.starts_with("arn:") => {
            return Err(ApiError::bad_request("Invalid ARN specified in the request"));
        }
        _ => {}
    }
    let is_mapped = is_http(context, &api)? && subtype.is_none();
    check_mappings(document, is_mapped)
}

/// Of HTTP APIs mappings are checked, for any stage; an action of a service has parameters of its own.
/// A status is one whatever answers.
fn check_mappings(document: &Document, is_mapped: bool) -> Result<()> {
    let by_status = table(document, "responseParameters").into_iter().flatten();
    for (status, parameters) in by_status {
        if !is_answer_status(status) {
            let error = format!("Invalid response status code specified: {status}");
            return Err(ApiError::invalid_mapping(&error));
        }
        if is_mapped {
            check_pairs(parameters.as_object(), |pair| {
                HttpResponseMappings::compile([(status.as_str(), [pair])], &ANY_STAGE).map(|_| ())
            })?;
        }
    }
    if is_mapped {
        check_pairs(table(document, "requestParameters"), |pair| {
            HttpRequestMapping::compile([pair], &ANY_STAGE).map(|_| ())
        })?;
    }
    Ok(())
}

fn check_pairs(
    parameters: Option<&Document>,
    compile: impl Fn((&str, &str)) -> std::result::Result<(), Vec<CompileError>>,
) -> Result<()> {
    for (key, value) in parameters.into_iter().flatten() {
        if let Err(errors) = compile((key, value.as_str().unwrap_or_default())) {
            let wrong = errors.first().map_or(key.as_str(), |error| &error.expression);
            let error = format!("Invalid mapping expression specified: {wrong}");
            return Err(ApiError::invalid_mapping(&error));
        }
    }
    Ok(())
}

/// "Transforming API requests and responses": 200 to 599.
fn is_answer_status(text: &str) -> bool {
    text.len() == 3 && text.parse().is_ok_and(|status: u16| (200..=599).contains(&status))
}

/// Values of variables come with a stage, and may be any; such a one is also a status.
const ANY_STAGE: Scope<'static> = Scope { stage_variables: &|_| Some("200"), greedy: None };

/// `UpdateIntegration`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let answer = merge(context, &INTEGRATION)?;
    let (api, _) = load(context, &API)?;
    deploy_automatically(context, &api)?;
    Ok(answer)
}

/// `DeleteIntegration`.
pub(in crate::control::management) fn delete_integration(
    context: &mut Context<'_>,
) -> Result<Answer> {
    let answer = delete(context, &INTEGRATION)?;
    let (api, _) = load(context, &API)?;
    deploy_automatically(context, &api)?;
    Ok(answer)
}

fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    let target = format!("integrations/{}", key.last());
    for (_, route) in context.children(&api_of(key).child("routes"))? {
        if text(&route, "target") == Some(&target) {
            let key = text(&route, "routeKey").unwrap_or_default();
            return Err(ApiError::conflict(format!(
                "Cannot delete Integration '{}', is referenced in route: {key}",
                target.trim_start_matches("integrations/")
            )));
        }
    }
    Ok(())
}

/// `CreateIntegrationResponse`.
pub(in crate::control::management) fn create_response(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &INTEGRATION_RESPONSE)?;
    let mut document = context.call.body.clone();
    let wanted = text(&document, "integrationResponseKey").unwrap_or_default();
    let is_regex = wanted.len() > 2 && wanted.starts_with('/') && wanted.ends_with('/');
    if wanted != "$default" && !is_regex {
        return Err(ApiError::bad_request(
            "Invalid integrationResponseKey specified. Must be $default or a pattern as /pattern/",
        ));
    }
    for (_, other) in context.children(&collection)? {
        if text(&other, "integrationResponseKey") == Some(wanted) {
            let message = format!("Integration response with key {wanted} already exists");
            return Err(ApiError::conflict(message));
        }
    }
    let id = ids::id(7);
    document.insert("integrationResponseId".into(), id.clone().into());
    context.put(&collection.child(&id), &document);
    Ok(Answer::Document(document))
}
