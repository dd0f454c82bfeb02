//! `Method` and `MethodResponse`.

use serde_json::{Map, Value};

use super::mapping;
use super::path_resource::RESOURCE;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::resource::document::{
    default, is_true, remove_emptied, remove_empty, table, table_mut, text,
};
use crate::control::management::resource::{
    Context, Kind, Result, load, load_parent, refused, require,
};
use crate::model::{Ops, Patch, PatchOperation, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static METHOD: Kind = Kind {
    parent: Some(&RESOURCE),
    path: &["methods"],
    missing: "Invalid Method identifier specified",
    patch: &PATCH,
    check: |context, key, before, document| {
        remove_emptied(before, document, &TABLES);
        check(context, key, document)
    },
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/authorizationType", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/authorizerId", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/authorizationScopes", Ops::ALL, PatchValue::Items),
        PatchRow::new("/apiKeyRequired", Ops::REPLACE, PatchValue::Boolean),
        PatchRow::new("/operationName", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/requestValidatorId", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/requestParameters/*", Ops::ALL, PatchValue::Boolean)
            .or_missing("Invalid parameter name specified"),
        PatchRow::new("/requestModels/*", Ops::ALL, PatchValue::Text)
            .or_missing("Content-Type specified was not found"),
    ],
};

static RESPONSE_PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/responseParameters/*", Ops::ALL, PatchValue::Boolean)
            .or_missing("Invalid parameter name specified"),
        PatchRow::new("/responseModels/*", Ops::ALL, PatchValue::Text)
            .or_missing("Content-Type specified was not found"),
    ],
};

/// `PutMethod`.
pub(in crate::control::management) fn put(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &METHOD)?;
    let name = context.call.value(2).to_owned();
    if !HTTP_METHODS.contains(&name.as_str()) {
        return Err(ApiError::bad_request(
            "Invalid HttpMethod specified. Valid options are GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY",
        ));
    }
    let key = collection.child(&name);
    if context.document(&key)?.is_some() {
        return Err(ApiError::conflict("Method already exists for this resource"));
    }
    let mut document = context.call.body.clone();
    document.insert("httpMethod".into(), name.into());
    default(&mut document, "apiKeyRequired", false);
    check(context, &key, &mut document)?;
    context.put(&key, &document);
    Ok(Answer::Document(document))
}

/// The key of the API that a key belongs to.
pub(super) fn api_of(key: &Key) -> Key {
    Key::new(&key.segments().take(3).collect::<Vec<_>>())
}

fn check(context: &mut Context<'_>, key: &Key, document: &mut Document) -> Result<()> {
    let api = api_of(key);
    check_authorization(context, &api, document)?;
    if text(document, "requestValidatorId") == Some("") {
        document.remove("requestValidatorId");
    }
    if let Some(id) = text(document, "requestValidatorId") {
        let missing = || ApiError::bad_request("Invalid Request Validator identifier specified");
        require(context, &api.child("requestvalidators"), id, missing)?;
    }
    mapping::check_parameters(document)?;
    mapping::check_content_types(document, "requestModels")?;
    check_models(context, &api, document, "requestModels")
}

fn check_authorization(
    context: &mut Context<'_>,
    api: &Key,
    document: &mut Document,
) -> Result<()> {
    if let Some(kind) = text(document, "authorizationType").map(str::to_ascii_uppercase) {
        document.insert("authorizationType".into(), kind.into());
    }
    let wants_authorizer = match text(document, "authorizationType") {
        Some("NONE" | "AWS_IAM") => false,
        Some("CUSTOM" | "COGNITO_USER_POOLS" | "JWT") => true,
        _ => return Err(ApiError::bad_request("Invalid Authorization Type specified")),
    };
    if !wants_authorizer {
        document.remove("authorizerId");
        return Ok(());
    }
    let refusal = || {
        ApiError::bad_request(
            "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or \
             COGNITO_USER_POOLS requires a valid authorizer.",
        )
    };
    let id = text(document, "authorizerId").unwrap_or_default();
    require(context, &api.child("authorizers"), id, refusal).map(|_| ())
}

fn check_models(
    context: &mut Context<'_>,
    api: &Key,
    document: &Document,
    name: &str,
) -> Result<()> {
    for (_, model) in table(document, name).into_iter().flatten() {
        let model = model.as_str().unwrap_or_default();
        let missing =
            || ApiError::bad_request(format!("Invalid model identifier specified: {model}"));
        require(context, &api.child("models"), model, missing)?;
    }
    Ok(())
}

const TABLES: [&str; 3] = ["requestParameters", "requestModels", "authorizationScopes"];
const RESPONSE_TABLES: [&str; 2] = ["responseParameters", "responseModels"];

/// `PutMethodResponse`.
pub(in crate::control::management) fn put_response(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut method) = load(context, &METHOD)?;
    let status = context.call.value(3).to_owned();
    let mut response = context.call.body.clone();
    response.insert("statusCode".into(), status.clone().into());
    check_response(context, &key, &mut response)?;
    let responses = table_mut(&mut method, "methodResponses");
    if responses.contains_key(&status) {
        return Err(ApiError::conflict("Response already exists for this resource"));
    }
    responses.insert(status, Value::Object(response.clone()));
    context.put(&key, &method);
    Ok(Answer::Document(response))
}

fn check_response(context: &mut Context<'_>, key: &Key, response: &mut Document) -> Result<()> {
    for (parameter, _) in table(response, "responseParameters").into_iter().flatten() {
        if parameter.strip_prefix("method.response.header.").is_none_or(str::is_empty) {
            let error = format!("Invalid mapping expression specified: {parameter}");
            return Err(ApiError::invalid_mapping(&error));
        }
    }
    mapping::check_content_types(response, "responseModels")?;
    check_models(context, &api_of(key), response, "responseModels")
}

/// `GetMethodResponse`.
pub(in crate::control::management) fn get_response(context: &mut Context<'_>) -> Result<Answer> {
    let (_, method) = load(context, &METHOD)?;
    find_response(context, &method).map(Answer::Document)
}

/// `UpdateMethodResponse`.
pub(in crate::control::management) fn update_response(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut method) = load(context, &METHOD)?;
    let before = find_response(context, &method)?;
    let mut response = before.clone();
    for operation in PatchOperation::read_all(&context.call.body) {
        RESPONSE_PATCH.apply(&mut response, &operation).map_err(refused)?;
    }
    remove_emptied(&before, &mut response, &RESPONSE_TABLES);
    check_response(context, &key, &mut response)?;
    let status = context.call.value(3).to_owned();
    table_mut(&mut method, "methodResponses").insert(status, Value::Object(response.clone()));
    context.put(&key, &method);
    Ok(Answer::Document(response))
}

/// `DeleteMethodResponse`.
pub(in crate::control::management) fn delete_response(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut method) = load(context, &METHOD)?;
    find_response(context, &method)?;
    table_mut(&mut method, "methodResponses").remove(context.call.value(3));
    remove_empty(&mut method, &["methodResponses"]);
    context.put(&key, &method);
    Ok(Answer::Empty)
}

fn find_response(context: &Context<'_>, method: &Document) -> Result<Document> {
    let responses = table(method, "methodResponses");
    let found = responses.and_then(|responses| responses.get(context.call.value(3)));
    found
        .and_then(Value::as_object)
        .cloned()
        .ok_or_else(|| ApiError::not_found("Invalid Response status code specified"))
}

/// What a deployment says of its methods.
pub(super) fn summary(method: &Document) -> Value {
    let mut summary = Map::new();
    let kind = text(method, "authorizationType").unwrap_or("NONE");
    summary.insert("authorizationType".into(), kind.into());
    summary.insert("apiKeyRequired".into(), is_true(method, "apiKeyRequired").into());
    Value::Object(summary)
}

const HTTP_METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"];

/// Methods, for what checks that it is not referenced: the path of each and the method.
pub(super) fn all_methods(context: &mut Context<'_>, api: &Key) -> Result<Vec<(String, Document)>> {
    let mut methods = Vec::new();
    let resources = api.child("resources");
    for (id, resource) in context.children(&resources)? {
        let path = text(&resource, "path").unwrap_or("/").to_owned();
        for (name, method) in context.children(&resources.child(&id).child("methods"))? {
            methods.push((format!("{path}/{name}"), method));
        }
    }
    Ok(methods)
}
