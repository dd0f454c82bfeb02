//! Tags of functions: they stand in their documents.

use serde_json::Value;

use super::function::FUNCTION;
use super::name::{not_found, own_name};
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::resource::document::{remove_empty, table, table_mut};
use crate::control::management::resource::{Context, Result, load_parent};
use crate::store::{Document, Key};

/// `ListTags`.
pub(in crate::control::management) fn list(context: &mut Context<'_>) -> Result<Answer> {
    let (_, function) = load(context)?;
    let tags = table(&function, "Tags").cloned().unwrap_or_default();
    Ok(Answer::Document(Document::from_iter([("Tags".to_owned(), Value::Object(tags))])))
}

/// `TagResource`.
pub(in crate::control::management) fn tag(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut function) = load(context)?;
    let given = table(&context.call.body, "Tags").cloned().unwrap_or_default();
    let tags = table_mut(&mut function, "Tags");
    tags.extend(given);
    if tags.len() > TAGS_COUNT_MAX {
        let message = format!("A function can have at most {TAGS_COUNT_MAX} tags");
        return Err(ApiError::invalid_parameter(message));
    }
    context.put(&key, &function);
    Ok(Answer::Empty)
}

/// `UntagResource`.
pub(in crate::control::management) fn untag(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut function) = load(context)?;
    let tags = table_mut(&mut function, "Tags");
    for name in context.call.query_all("tagKeys") {
        tags.shift_remove(name);
    }
    remove_empty(&mut function, &["Tags"]);
    context.put(&key, &function);
    Ok(Answer::Empty)
}

/// The function of the ARN in the path.
fn load(context: &mut Context<'_>) -> Result<(Key, Document)> {
    let (name, qualifier) = own_name(&context.call.realm, context.call.value(0))?;
    if qualifier.is_some() {
        return Err(ApiError::invalid_parameter(
            "Tags on function aliases and versions are not supported. Please specify a function ARN.",
        ));
    }
    let key = load_parent(context, &FUNCTION)?.child(&name);
    let function = context.document(&key)?;
    function.map(|one| (key, one)).ok_or_else(|| not_found(&context.call.realm, &name, None))
}

const TAGS_COUNT_MAX: usize = 50;
