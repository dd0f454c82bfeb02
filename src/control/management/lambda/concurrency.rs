//! Reserved concurrency: how many calls of a function, of all its versions together, may run at once.

use serde_json::json;

use super::function::FUNCTION;
use crate::control::management::answer::Answer;
use crate::control::management::resource::{Context, Result, load};
use crate::store::Document;

/// `PutFunctionConcurrency`.
pub(in crate::control::management) fn put(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut document) = load(context, &FUNCTION)?;
    let count = context.call.body.get("ReservedConcurrentExecutions").cloned().unwrap_or_default();
    document.insert("reservedConcurrency".into(), count);
    context.put(&key, &document);
    Ok(Answer::Document(reserved(&document)))
}

/// `GetFunctionConcurrency`.
pub(in crate::control::management) fn get(context: &mut Context<'_>) -> Result<Answer> {
    let (_, document) = load(context, &FUNCTION)?;
    Ok(Answer::Document(reserved(&document)))
}

/// `DeleteFunctionConcurrency`.
pub(in crate::control::management) fn delete(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut document) = load(context, &FUNCTION)?;
    document.shift_remove("reservedConcurrency");
    context.put(&key, &document);
    Ok(Answer::Empty)
}

fn reserved(function: &Document) -> Document {
    let count = function.get("reservedConcurrency").cloned().unwrap_or_else(|| json!(null));
    Document::from_iter([("ReservedConcurrentExecutions".to_owned(), count)])
}
