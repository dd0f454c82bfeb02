//! `UpdateUsagePlan`: stages are added by `api:stage`, and have throttles of their own.

use serde_json::{Map, Value, json};

use crate::control::management::error::ApiError;
use crate::control::management::resource::document::table_mut;
use crate::control::management::resource::{Result, refused};
use crate::model::{Ops, Patch, PatchOp, PatchOperation, PatchRow, PatchStyle, PatchValue};
use crate::store::Document;

static PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/name", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/description", Ops::ALL, PatchValue::Text),
        PatchRow::new("/productCode", Ops::ALL, PatchValue::Text),
        PatchRow::new("/throttle", Ops::ALL, PatchValue::Json),
        PatchRow::new("/throttle/rateLimit", Ops::ADD_REPLACE, PatchValue::Number),
        PatchRow::new("/throttle/burstLimit", Ops::ADD_REPLACE, PatchValue::Integer),
        PatchRow::new("/quota", Ops::ALL, PatchValue::Json),
        PatchRow::new("/quota/limit", Ops::ADD_REPLACE, PatchValue::Integer),
        PatchRow::new("/quota/offset", Ops::ADD_REPLACE, PatchValue::Integer),
        PatchRow::new("/quota/period", Ops::ADD_REPLACE, PatchValue::Text),
    ],
};

static USAGE_PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[PatchRow::new("/remaining", Ops::REPLACE, PatchValue::Integer)],
};

/// Applies one operation to what a key has left.
pub(super) fn apply_usage(usage: &mut Document, operation: &PatchOperation<'_>) -> Result<()> {
    USAGE_PATCH.apply(usage, operation).map_err(refused)
}

/// Applies one operation to a plan.
pub(super) fn apply(plan: &mut Document, operation: &PatchOperation<'_>) -> Result<()> {
    let segments = operation.segments().unwrap_or_default();
    match segments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["apiStages"] => change_stages(plan, operation),
        ["apiStages", stage, "throttle", ref rest @ ..] => {
            let (api, name) = split(stage)?;
            let stages = plan.get_mut("apiStages").and_then(Value::as_array_mut);
            let is_it = |one: &&mut Value| one["apiId"] == api && one["stage"] == name;
            match stages.into_iter().flatten().find(is_it) {
                Some(Value::Object(stage)) => change_throttle(stage, operation, rest),
                _ => Err(ApiError::bad_request("Invalid API Stage specified")),
            }
        }
        _ => PATCH.apply(plan, operation).map_err(refused),
    }
}

fn split(stage: &str) -> Result<(&str, &str)> {
    let parts = stage.split_once(':').filter(|(api, name)| !api.is_empty() && !name.is_empty());
    parts.ok_or_else(|| ApiError::bad_request("Invalid API Stage specified"))
}

fn change_stages(plan: &mut Document, operation: &PatchOperation<'_>) -> Result<()> {
    let (api, name) = split(operation.value.unwrap_or_default())?;
    let stages = plan.entry("apiStages").or_insert_with(|| json!([]));
    let Value::Array(stages) = stages else { return Ok(()) };
    let place = stages.iter().position(|one| one["apiId"] == api && one["stage"] == name);
    match (operation.op, place) {
        (PatchOp::Add, None) => stages.push(json!({ "apiId": api, "stage": name })),
        (PatchOp::Add, Some(_)) => {}
        (PatchOp::Remove, Some(place)) => {
            stages.remove(place);
        }
        (PatchOp::Remove, None) => {
            return Err(ApiError::bad_request("Invalid API Stage specified"));
        }
        _ => {
            let path = operation.path.unwrap_or_default();
            return Err(ApiError::bad_request(format!("Invalid patch path {path}")));
        }
    }
    Ok(())
}

/// `rest` is `{path}/{method}/{limit}`, less of it to remove more, or nothing with a JSON value.
fn change_throttle(
    stage: &mut Document,
    operation: &PatchOperation<'_>,
    rest: &[&str],
) -> Result<()> {
    let path = operation.path.unwrap_or_default();
    let wrong = || Err(ApiError::bad_request(format!("Invalid patch path {path}")));
    let value = operation.value.unwrap_or_default();
    // A path of a resource has slashes, which not every client escapes.
    match (operation.op, rest) {
        (PatchOp::Remove, []) => {
            stage.remove("throttle");
        }
        (PatchOp::Add | PatchOp::Replace, []) => match serde_json::from_str::<Value>(value) {
            Ok(throttle @ Value::Object(_)) => {
                stage.insert("throttle".into(), throttle);
            }
            _ => return wrong(),
        },
        (PatchOp::Remove, [resource @ .., method]) => {
            let name = format!("{}/{method}", resource.join("/"));
            table_mut(stage, "throttle").remove(&name);
        }
        (PatchOp::Add | PatchOp::Replace, [resource @ .., method, limit]) => {
            let number = match (*limit, value.parse::<f64>(), value.parse::<i64>()) {
                ("rateLimit", Ok(rate), _) if rate.is_finite() => Value::from(rate),
                ("burstLimit", _, Ok(burst)) => Value::from(burst),
                _ => return wrong(),
            };
            let name = format!("{}/{method}", resource.join("/"));
            let limits = table_mut(stage, "throttle").entry(name);
            if let Value::Object(limits) = limits.or_insert_with(|| Value::Object(Map::new())) {
                limits.insert((*limit).to_owned(), number);
            }
        }
        _ => return wrong(),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(op: PatchOp, path: &str, value: &str) -> Result<Value> {
        let plan = json!({"name": "p", "apiStages": [{"apiId": "a", "stage": "prod"}]});
        let Value::Object(mut plan) = plan else { unreachable!("an object") };
        let operation = PatchOperation { op, path: Some(path), value: Some(value), from: None };
        apply(&mut plan, &operation).map(|()| Value::Object(plan))
    }

    #[test]
    fn stages_come_and_go() {
        let more = changed(PatchOp::Add, "/apiStages", "b:dev").expect("applied");
        assert_eq!(more["apiStages"][1], json!({"apiId": "b", "stage": "dev"}));
        let less = changed(PatchOp::Remove, "/apiStages", "a:prod").expect("applied");
        assert_eq!(less["apiStages"], json!([]));
        for value in ["", "a", "a:", "x:y"] {
            let error = changed(PatchOp::Remove, "/apiStages", value).expect_err(value);
            assert_eq!(error.message, "Invalid API Stage specified");
        }
    }

    #[test]
    fn methods_of_a_stage_have_throttles_of_their_own() {
        let path = "/apiStages/a:prod/throttle/~1pets/GET/rateLimit";
        let set = changed(PatchOp::Replace, path, "2.5").expect("applied");
        assert_eq!(set["apiStages"][0]["throttle"], json!({"/pets/GET": {"rateLimit": 2.5}}));
        assert!(changed(PatchOp::Replace, "/apiStages/a:prod/throttle/x/GET/other", "1").is_err());
    }
}
