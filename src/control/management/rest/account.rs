//! `Account`: the settings of a region.

use serde_json::{Map, Value, json};

use crate::control::management::answer::Answer;
use crate::control::management::resource::document::{default, text};
use crate::control::management::resource::{Context, Result, refused};
use crate::model::{Ops, Patch, PatchOperation, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

static PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/cloudwatchRoleArn", Ops::ALL, PatchValue::Text),
        PatchRow::new("/features", Ops::ADD_REMOVE, PatchValue::Items),
    ],
};

fn load(context: &mut Context<'_>) -> Result<(Key, Document)> {
    let key = context.root().child("account").child("settings");
    let mut account = context.document(&key)?.unwrap_or_else(Map::new);
    default(&mut account, "throttleSettings", json!({"burstLimit": 5_000, "rateLimit": 10_000.0}));
    default(&mut account, "features", json!(["UsagePlans"]));
    default(&mut account, "apiKeyVersion", "4");
    Ok((key, account))
}

/// `GetAccount`.
pub(in crate::control::management) fn get(context: &mut Context<'_>) -> Result<Answer> {
    load(context).map(|(_, account)| Answer::Document(account))
}

/// `UpdateAccount`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut account) = load(context)?;
    for operation in PatchOperation::read_all(&context.call.body) {
        PATCH.apply(&mut account, &operation).map_err(refused)?;
    }
    if text(&account, "cloudwatchRoleArn") == Some("") {
        account.insert("cloudwatchRoleArn".into(), Value::Null);
    }
    account.retain(|_, value| !value.is_null());
    context.put(&key, &account);
    Ok(Answer::Document(account))
}
