//! `UpdateStage`: its paths are more than a table holds, for they name methods, and its refusals have
//! words of their own.

use serde_json::{Value, json};

use crate::control::management::error::ApiError;
use crate::control::management::resource::document::{table, table_mut};
use crate::control::management::resource::{Context, Result, refused};
use crate::model::{
    Ops, Patch, PatchOp, PatchOperation, PatchRefusal, PatchRow, PatchStyle, PatchValue,
};
use crate::store::Document;

static PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/deploymentId", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/description", Ops::ALL, PatchValue::Text),
        PatchRow::new("/cacheClusterEnabled", Ops::ADD_REPLACE, PatchValue::Boolean),
        PatchRow::new("/cacheClusterSize", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/clientCertificateId", Ops::ALL, PatchValue::Text),
        PatchRow::new("/documentationVersion", Ops::ALL, PatchValue::Text),
        PatchRow::new("/tracingEnabled", Ops::ADD_REPLACE, PatchValue::Boolean),
        PatchRow::new("/variables", Ops::REPLACE_REMOVE, PatchValue::Texts),
        PatchRow::new("/variables/*", Ops::ALL, PatchValue::Text),
        PatchRow::new("/accessLogSettings", Ops::REPLACE_REMOVE, PatchValue::Texts),
        PatchRow::new("/accessLogSettings/destinationArn", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/accessLogSettings/format", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/canarySettings/percentTraffic", Ops::ADD_REPLACE, PatchValue::Number),
        PatchRow::new("/canarySettings/deploymentId", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/canarySettings/useStageCache", Ops::ADD_REPLACE, PatchValue::Boolean),
        PatchRow::new("/canarySettings/stageVariableOverrides", Ops::REPLACE, PatchValue::Texts),
        PatchRow::new("/canarySettings/stageVariableOverrides/*", Ops::ALL, PatchValue::Text),
    ],
};

/// Applies one operation.
pub(super) fn apply(
    _: &mut Context<'_>,
    stage: &mut Document,
    operation: &PatchOperation<'_>,
) -> Result<()> {
    let path = operation.path.unwrap_or_default();
    let segments: Vec<&str> = path.split('/').skip(1).collect();
    match (operation.op, &segments[..]) {
        (PatchOp::Copy, _) => copy(stage, operation),
        (PatchOp::Move | PatchOp::Test, _) => {
            // The table refuses the operation as such.
            PATCH.apply(stage, operation).map_err(refused)
        }
        (PatchOp::Remove, ["canarySettings" | "accessLogSettings"]) => {
            stage.remove(segments[0]);
            Ok(())
        }
        (PatchOp::Remove, ["variables", _] | ["canarySettings", "stageVariableOverrides", _]) => {
            PATCH.apply(stage, operation).map_err(refused)
        }
        (PatchOp::Remove, [first, second]) => remove_method_setting(stage, first, second),
        (PatchOp::Add, ["canarySettings", "deploymentId"]) => {
            Err(ApiError::bad_request(format!("Invalid add operation with path: {path}")))
        }
        (_, ["accessLogSettings", _]) => set_access_log(stage, operation),
        (PatchOp::Add | PatchOp::Replace, [resource, method, group, name]) => {
            set_method_setting(stage, operation, &[resource, method, group, name])
        }
        _ => PATCH.apply(stage, operation).map_err(|refusal| match refusal {
            PatchRefusal::Unfit(_) => refused(refusal),
            _ => wrong_path(path),
        }),
    }
}

fn set_access_log(stage: &mut Document, operation: &PatchOperation<'_>) -> Result<()> {
    if operation.op != PatchOp::Remove && operation.value.is_none_or(str::is_empty) {
        return Err(ApiError::bad_request("Access Log value must not be empty"));
    }
    PATCH.apply(stage, operation).map_err(|_| {
        ApiError::bad_request(
            "Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, \
             /accessLogSettings/format]",
        )
    })
}

/// The three copies that promote a canary.
fn copy(stage: &mut Document, operation: &PatchOperation<'_>) -> Result<()> {
    let (path, from) = (operation.path.unwrap_or_default(), operation.from.unwrap_or_default());
    let promoted = match (path, from) {
        ("/deploymentId", "/canarySettings/deploymentId") => "deploymentId",
        ("/variables", "/canarySettings/stageVariableOverrides") => "stageVariableOverrides",
        _ => {
            return Err(ApiError::bad_request(format!(
                "Invalid copy operation with path: {path} and from {from}. Valid copy:path are \
                 [/deploymentId, /variables] and valid copy:from are [/canarySettings/deploymentId, \
                 /canarySettings/stageVariableOverrides]"
            )));
        }
    };
    let Some(canary) = table(stage, "canarySettings").cloned() else {
        return Err(ApiError::bad_request("Promotion not available. Canary does not exist."));
    };
    match canary.get(promoted) {
        Some(Value::Object(overrides)) => {
            table_mut(stage, "variables").extend(overrides.clone());
        }
        Some(id) => {
            stage.insert("deploymentId".into(), id.clone());
        }
        None => {}
    }
    Ok(())
}

fn remove_method_setting(stage: &mut Document, resource: &str, method: &str) -> Result<()> {
    let name = format!("{resource}/{method}");
    match table_mut(stage, "methodSettings").remove(&name) {
        Some(_) => Ok(()),
        None => Err(ApiError::bad_request(format!(
            "Cannot remove method setting {name} because there is no method setting for this method "
        ))),
    }
}

/// Sets one of a method's settings; the others get those of all methods, or their defaults.
fn set_method_setting(
    stage: &mut Document,
    operation: &PatchOperation<'_>,
    path: &[&str; 4],
) -> Result<()> {
    let [resource, method, group, name] = path;
    let setting = SETTINGS.iter().find(|(wanted, ..)| *wanted == format!("{group}/{name}"));
    let is_method = *method == "*" || METHODS.contains(method);
    let (Some((_, member, kind)), true) = (setting, is_method && !resource.is_empty()) else {
        return Err(wrong_path(operation.path.unwrap_or_default()));
    };
    let text = operation.value.unwrap_or_default();
    let unfit = || {
        let path = operation.path.unwrap_or_default();
        Err(ApiError::bad_request(format!("Invalid value '{text}' specified for {path}")))
    };
    let value = match kind {
        Kind::Boolean => text.eq_ignore_ascii_case("true").into(),
        Kind::Integer { max } => match text.parse::<i64>() {
            Ok(number) if (-1..=*max).contains(&number) => Value::from(number),
            _ => return unfit(),
        },
        Kind::Number => match text.parse::<f64>() {
            Ok(number) if number.is_finite() && number >= -1.0 => Value::from(number),
            _ => return unfit(),
        },
        Kind::Choice(choices) if choices.contains(&text) => Value::from(text),
        Kind::Choice(_) => return unfit(),
    };
    let settings = table_mut(stage, "methodSettings");
    // What is set for all methods is where the settings of one begin.
    let first = settings.get("*/*").cloned().unwrap_or_else(default_settings);
    let settings = settings.entry(format!("{resource}/{method}")).or_insert(first);
    if let Value::Object(settings) = settings {
        settings.insert((*member).to_owned(), value);
    }
    Ok(())
}

fn default_settings() -> Value {
    json!({
        "metricsEnabled": false,
        "dataTraceEnabled": false,
        "throttlingBurstLimit": 5_000,
        "throttlingRateLimit": 10_000.0,
        "cachingEnabled": false,
        "cacheTtlInSeconds": 300,
        "cacheDataEncrypted": false,
        "requireAuthorizationForCacheControl": true,
        "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
    })
}

/// What a setting's values are.
enum Kind {
    Boolean,
    Integer { max: i64 },
    Number,
    Choice(&'static [&'static str]),
}

/// End of the path, member, and kind of each setting.
const SETTINGS: [(&str, &str, Kind); 10] = [
    ("metrics/enabled", "metricsEnabled", Kind::Boolean),
    ("logging/loglevel", "loggingLevel", Kind::Choice(&["OFF", "ERROR", "INFO"])),
    ("logging/dataTrace", "dataTraceEnabled", Kind::Boolean),
    ("throttling/burstLimit", "throttlingBurstLimit", Kind::Integer { max: i32::MAX as i64 }),
    ("throttling/rateLimit", "throttlingRateLimit", Kind::Number),
    ("caching/enabled", "cachingEnabled", Kind::Boolean),
    ("caching/ttlInSeconds", "cacheTtlInSeconds", Kind::Integer { max: 3_600 }),
    ("caching/dataEncrypted", "cacheDataEncrypted", Kind::Boolean),
    (
        "caching/requireAuthorizationForCacheControl",
        "requireAuthorizationForCacheControl",
        Kind::Boolean,
    ),
    (
        "caching/unauthorizedCacheControlHeaderStrategy",
        "unauthorizedCacheControlHeaderStrategy",
        Kind::Choice(&[
            "FAIL_WITH_403",
            "SUCCEED_WITH_RESPONSE_HEADER",
            "SUCCEED_WITHOUT_RESPONSE_HEADER",
        ]),
    ),
];

const METHODS: [&str; 8] = ["GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY"];

fn wrong_path(path: &str) -> ApiError {
    ApiError::bad_request(format!("Invalid method setting path: {path}. Must be one of: [{PATHS}]"))
}

/// As recorded, with the commas that it lacks.
const PATHS: &str = "/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, \
    /clientCertificateId, /accessLogSettings, /accessLogSettings/destinationArn, \
    /accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, \
    /{resourcePath}/{httpMethod}/logging/dataTrace, /{resourcePath}/{httpMethod}/logging/loglevel, \
    /{resourcePath}/{httpMethod}/throttling/burstLimit\
    /{resourcePath}/{httpMethod}/throttling/rateLimit\
    /{resourcePath}/{httpMethod}/caching/ttlInSeconds, \
    /{resourcePath}/{httpMethod}/caching/enabled, \
    /{resourcePath}/{httpMethod}/caching/dataEncrypted, \
    /{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, \
    /{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, \
    /*/*/metrics/enabled, /*/*/logging/dataTrace, /*/*/logging/loglevel, \
    /*/*/throttling/burstLimit /*/*/throttling/rateLimit /*/*/caching/ttlInSeconds, \
    /*/*/caching/enabled, /*/*/caching/dataEncrypted, \
    /*/*/caching/requireAuthorizationForCacheControl, \
    /*/*/caching/unauthorizedCacheControlHeaderStrategy, /variables/{variable_name}, /tracingEnabled";
