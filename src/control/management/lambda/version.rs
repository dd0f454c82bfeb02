//! Versions: copies of `$LATEST` that never change.

use serde_json::Value;

use super::code::folder;
use super::configuration::{check_revision, shown, touch};
use super::function::FUNCTION;
use super::stored::LATEST;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::resource::document::text;
use crate::control::management::resource::{Context, Result, load, page};
use crate::store::{Document, Key};

/// `PublishVersion`.
pub(in crate::control::management) fn publish(context: &mut Context<'_>) -> Result<Answer> {
    let (key, document) = load(context, &FUNCTION)?;
    let call = context.call;
    check_revision(call.text("RevisionId"), &document)?;
    if call.body.contains_key("PublishTo") {
        return Err(ApiError::invalid_parameter("PublishTo is not available in this version"));
    }
    let current = text(&document, "CodeSha256").unwrap_or_default();
    if let Some(wanted) = call.text("CodeSha256").filter(|wanted| *wanted != current) {
        return Err(ApiError::invalid_parameter(format!(
            "CodeSHA256 ({wanted}) is different from current CodeSHA256 in $LATEST ({current}). \
             Please try again with the CodeSHA256 in $LATEST."
        )));
    }
    let name = call.value(0).to_owned();
    publish_latest(context, &name, &key, document, call.text("Description"))
}

/// Publishes what `latest` is, unless the last version is the same.
pub(super) fn publish_latest(
    context: &mut Context<'_>,
    name: &str,
    key: &Key,
    mut latest: Document,
    description: Option<&str>,
) -> Result<Answer> {
    if folder(&latest).is_some() {
        return Err(ApiError::invalid_parameter(
            "A function that runs from a folder has no versions, as the folder may change",
        ));
    }
    let versions = key.child("versions");
    let last = latest.get("lastVersion").and_then(Value::as_u64).unwrap_or(0);
    if let Some(before) = context.document(&versions.child(&last.to_string()))?
        && content(&before) == content(&latest)
    {
        let version = last.to_string();
        return Ok(Answer::Document(shown(&context.call.realm, name, Some(&version), before)));
    }
    let number = last + 1;
    let version = number.to_string();
    latest.insert("lastVersion".into(), number.into());
    context.put(key, &latest);
    let mut published = latest;
    for member in OF_THE_FUNCTION {
        published.shift_remove(member);
    }
    published.insert("Version".into(), version.clone().into());
    if let Some(description) = description {
        published.insert("Description".into(), description.into());
    }
    touch(context, &mut published);
    context.put(&versions.child(&version), &published);
    Ok(Answer::Document(shown(&context.call.realm, name, Some(&version), published)))
}

/// `ListVersionsByFunction`: `$LATEST` first.
pub(in crate::control::management) fn list(context: &mut Context<'_>) -> Result<Answer> {
    let (key, latest) = load(context, &FUNCTION)?;
    let (call, name) = (context.call, context.call.value(0));
    let mut all = vec![(format!("{:>10}", 0), shown(&call.realm, name, Some(LATEST), latest))];
    for (version, document) in context.children(&key.child("versions"))? {
        all.push((format!("{version:>10}"), shown(&call.realm, name, Some(&version), document)));
    }
    all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    page(context, all)
}

/// What makes a version another: not its name, its age or its description.
fn content(document: &Document) -> Document {
    let mut content = document.clone();
    for member in OF_THE_FUNCTION.iter().chain(&OF_A_VERSION) {
        content.shift_remove(*member);
    }
    content
}

/// Members that a function has and its versions do not.
const OF_THE_FUNCTION: [&str; 3] = ["Tags", "lastVersion", "reservedConcurrency"];
const OF_A_VERSION: [&str; 4] = ["Version", "RevisionId", "LastModified", "Description"];
