//! Aliases: names of versions.

use serde_json::Value;

use super::configuration::check_revision;
use super::function::FUNCTION;
use super::name::{arn, not_found};
use super::stored::{LATEST, resolve};
use crate::control::management::answer::Answer;
use crate::control::management::error::{ApiError, Code};
use crate::control::management::ids;
use crate::control::management::resource::document::{default, table, text};
use crate::control::management::resource::{Context, Kind, Result, list_where, load, load_parent};
use crate::store::{Document, Key};

pub(in crate::control::management) static ALIAS: Kind = Kind {
    parent: Some(&FUNCTION),
    path: &["aliases"],
    missing: "Cannot find alias arn: arn:aws:lambda:{region}:{account}:function:{parent}:{id}",
    view,
    ..Kind::PLAIN
};

fn view(context: &mut Context<'_>, key: &Key, mut document: Document) -> Result<Document> {
    let arn = arn(&context.call.realm, context.call.value(0), Some(key.last()));
    document.insert("AliasArn".into(), arn.into());
    Ok(document)
}

/// `CreateAlias`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &ALIAS)?;
    let mut document = context.call.body.clone();
    let key = collection.child(text(&document, "Name").unwrap_or_default());
    if context.document(&key)?.is_some() {
        let arn = arn(&context.call.realm, context.call.value(0), Some(key.last()));
        let message = format!("Alias already exists: {arn}");
        return Err(ApiError::new(Code::ResourceConflict, message));
    }
    default(&mut document, "Description", "");
    put(context, &key, document)
}

/// `UpdateAlias`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut document) = load(context, &ALIAS)?;
    let call = context.call;
    check_revision(call.text("RevisionId"), &document)?;
    for member in ["FunctionVersion", "Description", "RoutingConfig"] {
        if let Some(value) = call.body.get(member) {
            document.insert(member.to_owned(), value.clone());
        }
    }
    put(context, &key, document)
}

fn put(context: &mut Context<'_>, key: &Key, mut document: Document) -> Result<Answer> {
    check_weights(&document)?;
    document.shift_remove("RoutingConfig");
    let function = FUNCTION.key(&context.root(), context.call);
    let version = text(&document, "FunctionVersion").unwrap_or(LATEST);
    if resolve(|key| context.document(key), &function, Some(version))?.is_none() {
        return Err(not_found(&context.call.realm, context.call.value(0), Some(version)));
    }
    document.insert("RevisionId".into(), ids::uuid().into());
    context.put(key, &document);
    view(context, key, document).map(Answer::Document)
}

/// All calls of an alias go to one version.
fn check_weights(document: &Document) -> Result<()> {
    let weights = table(document, "RoutingConfig");
    let weights = weights.and_then(|config| table(config, "AdditionalVersionWeights"));
    let is_used = |weight: &Value| weight.as_f64().is_some_and(|weight| weight > 0.0);
    if weights.is_some_and(|weights| weights.values().any(is_used)) {
        return Err(ApiError::invalid_parameter(
            "Aliases with weights are not available in this version",
        ));
    }
    Ok(())
}

/// `ListAliases`, of one version if that is asked for.
pub(in crate::control::management) fn list(context: &mut Context<'_>) -> Result<Answer> {
    let version = context.call.query("FunctionVersion").map(str::to_owned);
    list_where(context, &ALIAS, |alias| {
        version.as_deref().is_none_or(|version| text(alias, "FunctionVersion") == Some(version))
    })
}

/// `DeleteAlias`. One that is not there is gone already.
pub(in crate::control::management) fn delete(context: &mut Context<'_>) -> Result<Answer> {
    let (function, _) = load(context, &FUNCTION)?;
    let alias = context.call.value(1).to_owned();
    context.transaction.remove(&function.child("aliases").child(&alias))?;
    context.transaction.remove(&function.child("policies").child(&alias))?;
    Ok(Answer::Empty)
}
