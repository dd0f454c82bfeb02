//! `Integration` and `IntegrationResponse`: parts of a method's document.

use serde_json::{Value, json};

use super::mapping::{self, Direction};
use super::method::METHOD;
use crate::control::management::answer::Answer;
use crate::control::management::error::{ApiError, Code};
use crate::control::management::resource::document::{
    default, remove_emptied, remove_empty, table, table_mut, text,
};
use crate::control::management::resource::{Context, Result, load, load_parent, refused};
use crate::model::{Ops, Patch, PatchOperation, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

static PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/type", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/httpMethod", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/uri", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/timeoutInMillis", Ops::REPLACE, PatchValue::Integer),
        PatchRow::new("/credentials", Ops::ALL, PatchValue::Text),
        PatchRow::new("/passthroughBehavior", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/contentHandling", Ops::ALL, PatchValue::Text),
        PatchRow::new("/connectionType", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/connectionId", Ops::ALL, PatchValue::Text),
        PatchRow::new("/integrationTarget", Ops::ALL, PatchValue::Text),
        PatchRow::new("/responseTransferMode", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/tlsConfig/insecureSkipVerification", Ops::ALL, PatchValue::Boolean),
        PatchRow::new("/cacheNamespace", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/cacheKeyParameters/*", Ops::ALL, PatchValue::Items),
        PatchRow::new("/requestParameters/*", Ops::ALL, PatchValue::Text)
            .or_missing("Invalid parameter name specified"),
        PatchRow::new("/requestTemplates/*", Ops::ALL, PatchValue::Text)
            .or_missing("Content-Type specified was not found"),
    ],
};

static RESPONSE_PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/selectionPattern", Ops::ALL, PatchValue::Text),
        PatchRow::new("/contentHandling", Ops::ALL, PatchValue::Text),
        PatchRow::new("/responseParameters/*", Ops::ALL, PatchValue::Text)
            .or_missing("Invalid parameter name specified"),
        PatchRow::new("/responseTemplates/*", Ops::ALL, PatchValue::Text)
            .or_missing("Content-Type specified was not found"),
    ],
};

/// `PutIntegration`.
pub(in crate::control::management) fn put(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut method) = load(context, &METHOD)?;
    let mut integration = context.call.body.clone();
    default(&mut integration, "passthroughBehavior", "WHEN_NO_MATCH");
    default(&mut integration, "timeoutInMillis", context.quotas.rest_timeout_ms_max.min(29_000));
    default(&mut integration, "cacheNamespace", context.call.value(1));
    default(&mut integration, "cacheKeyParameters", json!([]));
    if is_http(&integration) {
        default(&mut integration, "connectionType", "INTERNET");
    }
    check(context, &method, &mut integration)?;
    method.insert("methodIntegration".into(), Value::Object(integration.clone()));
    context.put(&key, &method);
    Ok(Answer::Document(integration))
}

fn is_http(integration: &Document) -> bool {
    matches!(text(integration, "type"), Some("HTTP" | "HTTP_PROXY"))
}

fn check(context: &mut Context<'_>, method: &Document, integration: &mut Document) -> Result<()> {
    check_choices(integration)?;
    let kind = text(integration, "type").unwrap_or_default().to_owned();
    let uri = text(integration, "uri").unwrap_or_default();
    if kind != "MOCK" && text(integration, "httpMethod").is_none_or(str::is_empty) {
        return Err(ApiError::bad_request("Enumeration value for HttpMethod must be non-empty"));
    }
    match kind.as_str() {
        // Nothing is called, so it has no address.
        "MOCK" => {
            integration.remove("uri");
        }
        "HTTP" | "HTTP_PROXY" if !is_http_uri(uri) => {
            return Err(ApiError::bad_request("Invalid HTTP endpoint specified for URI"));
        }
        "AWS" | "AWS_PROXY" => check_service_uri(&kind, uri)?,
        _ => {}
    }
    check_transfer_mode(&kind, text(integration, "uri").unwrap_or_default(), integration)?;
    let max = match is_streamed(integration) {
        true => context.quotas.stream_timeout_ms_max,
        false => context.quotas.rest_timeout_ms_max,
    };
    let timeout = integration.get("timeoutInMillis");
    if timeout.and_then(Value::as_u64).is_none_or(|timeout| !(50..=max).contains(&timeout)) {
        let message = format!("Timeout should be between 50 ms and {max} ms");
        return Err(ApiError::bad_request(message));
    }
    mapping::check_mappings(integration, "requestParameters", Direction::Request)?;
    mapping::check_content_types(integration, "requestTemplates")?;
    check_cache_keys(method, integration)
}

/// Members with a few values: bodies are held to them by their shapes, patches are not. An empty
/// text takes one away that need not be there.
fn check_choices(integration: &mut Document) -> Result<()> {
    if let Some(name) = text(integration, "passthroughBehavior").map(str::to_ascii_uppercase) {
        integration.insert("passthroughBehavior".into(), name.into());
    }
    check_choice(integration, "type", &["HTTP", "MOCK", "AWS_PROXY", "HTTP_PROXY", "AWS"])?;
    let passthrough = ["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"];
    check_choice(integration, "passthroughBehavior", &passthrough)?;
    for (name, choices) in [
        ("contentHandling", CONTENT_HANDLING),
        ("connectionType", ["INTERNET", "VPC_LINK"]),
        ("responseTransferMode", ["BUFFERED", "STREAM"]),
    ] {
        check_optional_choice(integration, name, &choices)?;
    }
    Ok(())
}

fn check_optional_choice(document: &Document, name: &str, choices: &[&str]) -> Result<()> {
    match text(document, name) {
        None | Some("") => Ok(()),
        Some(_) => check_choice(document, name, choices),
    }
}

fn check_choice(document: &Document, name: &str, choices: &[&str]) -> Result<()> {
    if text(document, name).is_some_and(|choice| choices.contains(&choice)) {
        return Ok(());
    }
    let choices = choices.join(",");
    Err(ApiError::bad_request(format!("Invalid {name} specified. Valid options are {choices}")))
}

const CONTENT_HANDLING: [&str; 2] = ["CONVERT_TO_BINARY", "CONVERT_TO_TEXT"];

/// `http://` or `https://` and a host, which may come from a stage variable.
fn is_http_uri(uri: &str) -> bool {
    let rest = uri.strip_prefix("http://").or_else(|| uri.strip_prefix("https://"));
    let host = rest.and_then(|rest| rest.split(['/', '?']).next());
    host.is_some_and(|host| !host.is_empty() && !host.contains(char::is_whitespace))
}

/// `arn:aws:apigateway:{region}:{service}:{path|action}/...`
fn check_service_uri(kind: &str, uri: &str) -> Result<()> {
    let parts: Vec<&str> = uri.splitn(6, ':').collect();
    let ["arn", partition, owner, _, service, target] = parts[..] else {
        return Err(ApiError::bad_request("Invalid ARN specified in the request"));
    };
    if !partition.starts_with("aws") {
        return Err(ApiError::bad_request("Invalid ARN specified in the request"));
    }
    let is_target = target.starts_with("path/") || target.starts_with("action/");
    if owner != "apigateway" || service.is_empty() || !is_target {
        return Err(ApiError::bad_request("AWS ARN for integration must contain path or action"));
    }
    let is_function = service == "lambda" && target.starts_with("path/");
    if kind == "AWS_PROXY" && !is_function && service != "firehose" {
        return Err(ApiError::bad_request(
            "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose \
             stream invocations.",
        ));
    }
    Ok(())
}

fn is_streamed(integration: &Document) -> bool {
    text(integration, "responseTransferMode") == Some("STREAM")
}

/// Only proxies stream, and a function's URI must say the same. AWS: "Stream the integration response
/// for your proxy integrations in API Gateway"; of the three messages the second is one that was
/// recorded, the others are worded after it.
fn check_transfer_mode(kind: &str, uri: &str, integration: &Document) -> Result<()> {
    let is_streamed = is_streamed(integration);
    let refused =
        |text: &str| Err(ApiError::bad_request(format!("Invalid ResponseTransferMode. {text}")));
    if is_streamed && !matches!(kind, "HTTP_PROXY" | "AWS_PROXY") {
        return refused(
            "ResponseTransferMode STREAM is only supported for HTTP_PROXY and AWS_PROXY \
             integrations.",
        );
    }
    if kind != "AWS_PROXY" || !uri.contains(":lambda:path/") {
        return Ok(());
    }
    match (is_streamed, uri.ends_with("/response-streaming-invocations")) {
        (false, true) => refused(
            "Cannot use ResponseTransferMode BUFFERED for Lambda functions invoked by \
             InvokeWithResponseStream for AWS_PROXY integrations.",
        ),
        (true, false) => refused(
            "Cannot use ResponseTransferMode STREAM for Lambda functions invoked by Invoke for \
             AWS_PROXY integrations.",
        ),
        (true, true) | (false, false) => Ok(()),
    }
}

/// What keys the cache must be a parameter of the method.
fn check_cache_keys(method: &Document, integration: &Document) -> Result<()> {
    let declared = table(method, "requestParameters");
    let keys = integration.get("cacheKeyParameters").and_then(Value::as_array);
    for key in keys.into_iter().flatten().filter_map(Value::as_str) {
        let is_of_integration = key.starts_with("integration.request.");
        if !is_of_integration && !declared.is_some_and(|declared| declared.contains_key(key)) {
            let message = format!("Invalid cache key parameter specified: {key}");
            return Err(ApiError::bad_request(message));
        }
    }
    Ok(())
}

/// The method with its integration.
fn load_integration(context: &mut Context<'_>) -> Result<(Key, Document, Document)> {
    let (key, method) = load(context, &METHOD)?;
    let integration = table(&method, "methodIntegration").cloned();
    Ok((key, method, integration.ok_or_else(no_integration)?))
}

fn no_integration() -> ApiError {
    ApiError::not_found("Invalid Integration identifier specified")
}

fn store(context: &mut Context<'_>, key: &Key, mut method: Document, integration: Document) {
    method.insert("methodIntegration".into(), Value::Object(integration));
    context.put(key, &method);
}

/// `GetIntegration`.
pub(in crate::control::management) fn get(context: &mut Context<'_>) -> Result<Answer> {
    let (_, _, integration) = load_integration(context)?;
    Ok(Answer::Document(integration))
}

/// `UpdateIntegration`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let (key, method, mut integration) = load_integration(context)?;
    let before = integration.clone();
    for operation in PatchOperation::read_all(&context.call.body) {
        PATCH.apply(&mut integration, &operation).map_err(refused)?;
    }
    remove_emptied(&before, &mut integration, &["requestParameters", "requestTemplates"]);
    check(context, &method, &mut integration)?;
    store(context, &key, method, integration.clone());
    Ok(Answer::Document(integration))
}

/// `DeleteIntegration`.
pub(in crate::control::management) fn delete(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut method, _) = load_integration(context)?;
    method.remove("methodIntegration");
    context.put(&key, &method);
    Ok(Answer::Empty)
}

/// `PutIntegrationResponse`.
pub(in crate::control::management) fn put_response(context: &mut Context<'_>) -> Result<Answer> {
    let (key, method, mut integration) = load_integration(context)?;
    let status = context.call.value(3).to_owned();
    let mut response = context.call.body.clone();
    response.insert("statusCode".into(), status.clone().into());
    check_response(&method, &status, &mut response)?;
    let responses = table_mut(&mut integration, "integrationResponses");
    responses.insert(status, Value::Object(response.clone()));
    store(context, &key, method, integration);
    Ok(Answer::Document(response))
}

/// Headers that are mapped must be declared by the method's response.
fn check_response(method: &Document, status: &str, response: &mut Document) -> Result<()> {
    check_optional_choice(response, "contentHandling", &CONTENT_HANDLING)?;
    mapping::check_mappings(response, "responseParameters", Direction::Response)?;
    mapping::check_content_types(response, "responseTemplates")?;
    let declared = table(method, "methodResponses").and_then(|responses| responses.get(status));
    let declared = declared.and_then(|response| response.get("responseParameters"));
    for (parameter, _) in table(response, "responseParameters").into_iter().flatten() {
        if declared.and_then(|declared| declared.get(parameter)).is_none() {
            return Err(ApiError::invalid_mapping(&format!(
                "Invalid mapping expression parameter specified: {parameter}"
            )));
        }
    }
    // An empty template passes the body on, as one that is null does.
    if response.contains_key("responseTemplates") {
        let templates = table_mut(response, "responseTemplates").values_mut();
        templates.filter(|one| *one == "").for_each(|one| *one = Value::Null);
    }
    Ok(())
}

fn find_response(context: &Context<'_>, integration: &Document) -> Result<Document> {
    let responses = table(integration, "integrationResponses");
    let found = responses.and_then(|responses| responses.get(context.call.value(3)));
    found
        .and_then(Value::as_object)
        .cloned()
        .ok_or_else(|| ApiError::not_found("Invalid Response status code specified"))
}

/// `GetIntegrationResponse`.
pub(in crate::control::management) fn get_response(context: &mut Context<'_>) -> Result<Answer> {
    let (_, _, integration) = load_integration(context)?;
    find_response(context, &integration).map(Answer::Document)
}

/// `UpdateIntegrationResponse`.
pub(in crate::control::management) fn update_response(context: &mut Context<'_>) -> Result<Answer> {
    let (key, method, mut integration) = load_integration(context)?;
    let before = find_response(context, &integration)?;
    let mut response = before.clone();
    for operation in PatchOperation::read_all(&context.call.body) {
        RESPONSE_PATCH.apply(&mut response, &operation).map_err(refused)?;
    }
    remove_emptied(&before, &mut response, &["responseParameters", "responseTemplates"]);
    let status = context.call.value(3).to_owned();
    check_response(&method, &status, &mut response)?;
    let responses = table_mut(&mut integration, "integrationResponses");
    responses.insert(status, Value::Object(response.clone()));
    store(context, &key, method, integration);
    Ok(Answer::Document(response))
}

/// `DeleteIntegrationResponse`: of a method that is not there it says that it has no integration.
pub(in crate::control::management) fn delete_response(context: &mut Context<'_>) -> Result<Answer> {
    load_parent(context, &METHOD)?;
    let (key, method, mut integration) = load_integration(context)
        .map_err(|error| if error.code == Code::NotFound { no_integration() } else { error })?;
    find_response(context, &integration)?;
    table_mut(&mut integration, "integrationResponses").remove(context.call.value(3));
    remove_empty(&mut integration, &["integrationResponses"]);
    store(context, &key, method, integration);
    Ok(Answer::Empty)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_endpoints() {
        for uri in ["http://a", "https://a.example/x?y", "http://${stageVariables.host}/a"] {
            assert!(is_http_uri(uri), "{uri}");
        }
        for uri in ["", "http://", "a.example", "ftp://a", "http:///x", "http://a b"] {
            assert!(!is_http_uri(uri), "{uri}");
        }
    }

    #[test]
    fn modes_of_transfer_agree_with_type_and_uri() {
        let head = "arn:aws:apigateway:us-east-1:lambda:path";
        let buffered = format!("{head}/2015-03-31/functions/f/invocations");
        let streamed = format!("{head}/2021-11-15/functions/f/response-streaming-invocations");
        let (buffered, streamed) = (buffered.as_str(), streamed.as_str());
        let check = |kind, uri, mode: &str| {
            let integration = json!({ "responseTransferMode": mode });
            let integration = integration.as_object().expect("an object");
            check_transfer_mode(kind, uri, integration).map_err(|error| error.message)
        };
        for (kind, uri, mode) in [
            ("AWS_PROXY", buffered, "BUFFERED"),
            ("AWS_PROXY", buffered, ""),
            ("AWS_PROXY", streamed, "STREAM"),
            ("HTTP_PROXY", "http://a", "STREAM"),
            ("MOCK", "", "BUFFERED"),
        ] {
            assert_eq!(check(kind, uri, mode), Ok(()), "{kind} {uri} {mode}");
        }
        for (kind, uri, mode, wanted) in [
            ("HTTP", "http://a", "STREAM", "only supported"),
            ("AWS", buffered, "STREAM", "only supported"),
            ("MOCK", "", "STREAM", "only supported"),
            ("AWS_PROXY", buffered, "STREAM", "Cannot use ResponseTransferMode STREAM"),
            ("AWS_PROXY", streamed, "BUFFERED", "Cannot use ResponseTransferMode BUFFERED"),
            ("AWS_PROXY", streamed, "", "Cannot use ResponseTransferMode BUFFERED"),
        ] {
            let said = check(kind, uri, mode).expect_err(uri);
            let is_wanted =
                said.starts_with("Invalid ResponseTransferMode. ") && said.contains(wanted);
            assert!(is_wanted, "{kind} {uri} {mode}: {said}");
        }
    }

    #[test]
    fn arns_of_services() {
        let function =
            "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/f/invocations";
        assert_eq!(check_service_uri("AWS_PROXY", function), Ok(()));
        let queue = "arn:aws:apigateway:us-east-1:sqs:path/1/q";
        assert_eq!(check_service_uri("AWS", queue), Ok(()));
        let said = |kind, uri| check_service_uri(kind, uri).expect_err(uri).message;
        assert!(said("AWS_PROXY", queue).starts_with("Integrations of type 'AWS_PROXY'"));
        assert_eq!(said("AWS", "http://a"), "Invalid ARN specified in the request");
        let neither = "arn:aws:apigateway:us-east-1:sqs:other/1";
        for neither in [neither, "arn:aws:iam::1:role/r", "arn:aws:apigateway:us-east-1::path/x"] {
            assert_eq!(said("AWS", neither), "AWS ARN for integration must contain path or action");
        }
    }
}
