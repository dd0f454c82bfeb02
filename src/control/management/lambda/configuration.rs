//! The configuration of a function: what is taken, what is refused, how it is shown.

use serde_json::{Value, json};

use super::name::arn;
use super::stored::FunctionRuntime;
use crate::base::iso8601;
use crate::control::management::call::Realm;
use crate::control::management::error::{ApiError, Code};
use crate::control::management::ids;
use crate::control::management::resource::document::{table, table_mut, text};
use crate::control::management::resource::{Context, Result};
use crate::store::Document;

/// Brings what a request says of a function into its document.
pub(super) fn bring_in(document: &mut Document, name: &str, given: &Document) -> Result<()> {
    check(given)?;
    for member in TAKEN {
        if let Some(value) = given.get(member) {
            document.insert(member.to_owned(), value.clone());
        }
    }
    if table(document, "Environment")
        .is_some_and(|one| table(one, "Variables").is_none_or(Document::is_empty))
    {
        document.shift_remove("Environment");
    }
    for (member, part, value) in [
        ("TracingConfig", "Mode", json!("PassThrough")),
        ("EphemeralStorage", "Size", json!(512)),
        ("SnapStart", "ApplyOn", json!("None")),
        ("LoggingConfig", "LogFormat", json!("Text")),
        ("LoggingConfig", "LogGroup", json!(format!("/aws/lambda/{name}"))),
    ] {
        table_mut(document, member).entry(part).or_insert(value);
    }
    table_mut(document, "SnapStart").insert("OptimizationStatus".into(), "Off".into());
    Ok(())
}

/// A new revision.
pub(super) fn touch(context: &Context<'_>, document: &mut Document) {
    document.insert("LastModified".into(), last_modified(context).into());
    document.insert("RevisionId".into(), ids::uuid().into());
}

/// Refuses a request that was made for another revision.
pub(super) fn check_revision(wanted: Option<&str>, document: &Document) -> Result<()> {
    if wanted.is_none_or(|wanted| text(document, "RevisionId") == Some(wanted)) {
        return Ok(());
    }
    Err(ApiError::new(
        Code::PreconditionFailed,
        "The Revision Id provided does not match the latest Revision Id. Call the \
         GetFunction/GetAlias API to retrieve the latest Revision Id",
    ))
}

/// A function or a version as it is shown.
pub(super) fn shown(
    realm: &Realm,
    name: &str,
    qualifier: Option<&str>,
    mut document: Document,
) -> Document {
    document.insert("FunctionName".into(), name.into());
    document.insert("FunctionArn".into(), arn(realm, name, qualifier).into());
    document
}

/// `2026-11-26T10:00:00.000+0000`
fn last_modified(context: &Context<'_>) -> String {
    let millis = context.order / 1_000_000 % 1_000;
    let text = iso8601(context.now);
    format!("{}.{millis:03}+0000", text.trim_end_matches('Z'))
}

fn check(given: &Document) -> Result<()> {
    let is_there = |name: &&&str| match given.get(**name) {
        None => false,
        Some(Value::Array(items)) => !items.is_empty(),
        Some(Value::Object(table)) => !table.is_empty(),
        Some(value) => value != "",
    };
    if let Some(name) = REFUSED.iter().find(is_there) {
        let message = format!("{name} is not available in this version");
        return Err(ApiError::invalid_parameter(message));
    }
    if let Some(runtime) = text(given, "Runtime")
        && FunctionRuntime::of(runtime).is_none()
    {
        let message = format!(
            "Value {runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum \
             value set: [nodejs, python and provided, each with a version] or be a valid ARN"
        );
        return Err(ApiError::invalid_parameter(message));
    }
    let variables = table(given, "Environment").and_then(|one| table(one, "Variables"));
    variables.map_or(Ok(()), check_variables)
}

fn check_variables(variables: &Document) -> Result<()> {
    let mut bytes_count = 0;
    for (name, value) in variables {
        let value = value.as_str().unwrap_or_default();
        if !is_variable(name) || value.contains('\0') {
            let message = format!(
                "1 validation error detected: Value '{name}' at 'environment.variables' failed to \
                 satisfy constraint: Map keys must satisfy constraint: [Member must satisfy regular \
                 expression pattern: [a-zA-Z]([a-zA-Z0-9_])+], and values hold no NUL"
            );
            return Err(ApiError::new(Code::Validation, message));
        }
        bytes_count += name.len() + value.len();
    }
    let reserved = variables.keys().map(String::as_str).filter(|name| RESERVED.contains(name));
    let reserved: Vec<_> = reserved.collect();
    let because = if !reserved.is_empty() {
        format!(
            "contains reserved keys that are currently not supported for modification. Reserved \
             keys used in this request: {}",
            reserved.join(", ")
        )
    } else if bytes_count > VARIABLES_BYTES_MAX {
        "exceeded the 4KB limit".to_owned()
    } else {
        return Ok(());
    };
    Err(ApiError::invalid_parameter(format!(
        "Lambda was unable to configure your environment variables because the environment \
         variables you have provided {because}"
    )))
}

fn is_variable(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|first| first.is_ascii_alphabetic())
        && name.len() > 1
        && bytes.all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Members that are kept as they are given.
const TAKEN: [&str; 16] = [
    "Architectures",
    "DeadLetterConfig",
    "Description",
    "Environment",
    "EphemeralStorage",
    "Handler",
    "KMSKeyArn",
    "LoggingConfig",
    "MemorySize",
    "PackageType",
    "Role",
    "Runtime",
    "SnapStart",
    "Timeout",
    "TracingConfig",
    "VpcConfig",
];

/// Members that would change what runs, or how.
const REFUSED: [&str; 11] = [
    "AcceleratorConfig",
    "CapacityProviderConfig",
    "CodeSigningConfigArn",
    "DurableConfig",
    "FileSystemConfigs",
    "ImageConfig",
    "Layers",
    "PublishTo",
    "RuntimeConfig",
    "SourceKMSKeyArn",
    "TenancyConfig",
];

/// Variables that a runtime sets (developer guide, "Defined runtime environment variables").
const RESERVED: [&str; 15] = [
    "_HANDLER",
    "_X_AMZN_TRACE_ID",
    "AWS_DEFAULT_REGION",
    "AWS_REGION",
    "AWS_EXECUTION_ENV",
    "AWS_LAMBDA_FUNCTION_NAME",
    "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
    "AWS_LAMBDA_FUNCTION_VERSION",
    "AWS_LAMBDA_INITIALIZATION_TYPE",
    "AWS_LAMBDA_LOG_GROUP_NAME",
    "AWS_LAMBDA_LOG_STREAM_NAME",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_LAMBDA_RUNTIME_API",
];

/// Names and values together ("Lambda quotas").
const VARIABLES_BYTES_MAX: usize = 4_096;
