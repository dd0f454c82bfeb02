//! `RequestValidator`.

use super::api::REST_API;
use super::method::{all_methods, api_of};
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, text};
use crate::control::management::resource::{Context, Kind, Result, load_parent_or};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static REQUEST_VALIDATOR: Kind = Kind {
    parent: Some(&REST_API),
    path: &["requestvalidators"],
    missing: "Invalid Request Validator identifier specified",
    hides_parent: true,
    patch: &PATCH,
    check: |_, _, _, document| check(document),
    remove,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[
        PatchRow::new("/name", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/validateRequestParameters", Ops::REPLACE, PatchValue::Boolean),
        PatchRow::new("/validateRequestBody", Ops::REPLACE, PatchValue::Boolean),
    ],
};

/// `CreateRequestValidator`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let missing = || ApiError::bad_request("Invalid REST API identifier specified");
    let collection = load_parent_or(context, &REQUEST_VALIDATOR, missing)?;
    let mut document = context.call.body.clone();
    default(&mut document, "validateRequestBody", false);
    default(&mut document, "validateRequestParameters", false);
    check(&document)?;
    let id = ids::id(6);
    document.insert("id".into(), id.clone().into());
    context.put(&collection.child(&id), &document);
    Ok(Answer::Document(document))
}

fn check(document: &Document) -> Result<()> {
    if text(document, "name").is_none_or(|name| name.trim().is_empty()) {
        return Err(ApiError::bad_request("Request Validator name cannot be blank"));
    }
    Ok(())
}

/// A deployment whose method names a validator that is gone would check nothing.
fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    for (path, method) in all_methods(context, &api_of(key))? {
        if text(&method, "requestValidatorId") == Some(key.last()) {
            return Err(ApiError::conflict(format!(
                "Cannot delete Request Validator '{}', is referenced in method: {path}",
                key.last()
            )));
        }
    }
    Ok(())
}
