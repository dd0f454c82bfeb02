//! The verbs that work on any kind of resource.

use super::context::{Context, Result};
use serde_json::{Map, Value};

use super::document::{default, text};
use super::kind::Kind;
use super::page::page;
use super::update::bring_in;
use crate::control::management::answer::Answer;
use crate::control::management::error::{ApiError, Code};
use crate::model::{PatchOperation, PatchRefusal};
use crate::store::{Document, Key};

/// The resource that the request names, after all that it belongs to was found.
pub(in crate::control::management) fn load(
    context: &mut Context<'_>,
    kind: &'static Kind,
) -> Result<(Key, Document)> {
    let key = kind.key(&context.root(), context.call);
    let missing = kind.missing(context.call, key.last());
    if kind.hides_parent {
        load_parent_or(context, kind, || missing.clone())?;
    } else {
        load_parent(context, kind)?;
    }
    let document = context.document(&key)?;
    document.map(|document| (key, document)).ok_or(missing)
}

/// The key that resources of the kind lie under, after all that they belong to was found.
pub(in crate::control::management) fn load_parent(
    context: &mut Context<'_>,
    kind: &'static Kind,
) -> Result<Key> {
    if let Some(parent) = kind.parent {
        load(context, parent)?;
    }
    Ok(kind.collection(&context.root(), context.call))
}

/// The same, with what is said where something that they belong to is not there.
pub(in crate::control::management) fn load_parent_or(
    context: &mut Context<'_>,
    kind: &'static Kind,
    refusal: impl FnOnce() -> ApiError,
) -> Result<Key> {
    load_parent(context, kind).map_err(|error| match error.code {
        Code::NotFound => refusal(),
        _ => error,
    })
}

/// The resource of this id under `collection`, which something names.
pub(in crate::control::management) fn require(
    context: &mut Context<'_>,
    collection: &Key,
    id: &str,
    refusal: impl FnOnce() -> ApiError,
) -> Result<Document> {
    context.document(&collection.child(id))?.ok_or_else(refusal)
}

/// `Get...`
pub(in crate::control::management) fn get(
    context: &mut Context<'_>,
    kind: &'static Kind,
) -> Result<Answer> {
    let (key, document) = load(context, kind)?;
    shown(context, kind, &key, document).map(Answer::Document)
}

/// A document as `Get...` and `Update...` show it.
fn shown(
    context: &mut Context<'_>,
    kind: &'static Kind,
    key: &Key,
    document: Document,
) -> Result<Document> {
    let mut document = (kind.view)(context, key, document)?;
    if kind.has_tags {
        default(&mut document, "tags", Map::new());
    }
    Ok(document)
}

/// `Get...s`
pub(in crate::control::management) fn list(
    context: &mut Context<'_>,
    kind: &'static Kind,
) -> Result<Answer> {
    list_where(context, kind, |_| true)
}

/// `Get...s` of those that fit.
pub(in crate::control::management) fn list_where(
    context: &mut Context<'_>,
    kind: &'static Kind,
    fits: impl Fn(&Document) -> bool,
) -> Result<Answer> {
    let collection = load_parent(context, kind)?;
    list_in(context, kind, &collection, fits)
}

/// `Get...s` of those under `collection` that fit.
pub(in crate::control::management) fn list_in(
    context: &mut Context<'_>,
    kind: &'static Kind,
    collection: &Key,
    fits: impl Fn(&Document) -> bool,
) -> Result<Answer> {
    let mut all = Vec::new();
    for (id, document) in context.children(collection)? {
        if fits(&document) {
            let place =
                if kind.is_newest_first { newest_first(&id, &document) } else { id.clone() };
            all.push((place, (kind.view)(context, &collection.child(&id), document)?));
        }
    }
    if kind.is_newest_first {
        all.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    }
    page(context, all)
}

/// A text that is the smaller the later a resource was made.
fn newest_first(id: &str, document: &Document) -> String {
    let order = document.get("createdOrder").and_then(Value::as_u64).unwrap_or(0);
    format!("{:020}{id}", u64::MAX - order)
}

/// `Delete...`
pub(in crate::control::management) fn delete(
    context: &mut Context<'_>,
    kind: &'static Kind,
) -> Result<Answer> {
    let (key, document) = load(context, kind)?;
    (kind.remove)(context, &key, &document)?;
    context.transaction.remove(&key)?;
    Ok(Answer::Empty)
}

/// `Update...` of the first generation: by patch operations.
pub(in crate::control::management) fn patch(
    context: &mut Context<'_>,
    kind: &'static Kind,
) -> Result<Answer> {
    patch_with(context, kind, |_, document, operation| {
        kind.patch.apply(document, operation).map_err(refused)
    })
}

/// `Update...` by patch operations that `apply` understands.
pub(in crate::control::management) fn patch_with(
    context: &mut Context<'_>,
    kind: &'static Kind,
    apply: impl Fn(&mut Context<'_>, &mut Document, &PatchOperation<'_>) -> Result<()>,
) -> Result<Answer> {
    let (key, before) = load(context, kind)?;
    let mut document = before.clone();
    let call = context.call;
    for operation in PatchOperation::read_all(&call.body) {
        apply(context, &mut document, &operation)?;
    }
    store_changed(context, kind, &key, &before, document)
}

/// `Update...` of the second generation.
pub(in crate::control::management) fn merge(
    context: &mut Context<'_>,
    kind: &'static Kind,
) -> Result<Answer> {
    let (key, before) = load(context, kind)?;
    let mut document = before.clone();
    bring_in(kind, context.call.operation, &mut document, context.call.body.clone());
    store_changed(context, kind, &key, &before, document)
}

fn store_changed(
    context: &mut Context<'_>,
    kind: &'static Kind,
    key: &Key,
    before: &Document,
    mut document: Document,
) -> Result<Answer> {
    (kind.check)(context, key, before, &mut document)?;
    if document != *before {
        for name in ["lastUpdatedDate"] {
            if document.contains_key(name) {
                document.insert(name.to_owned(), context.now.into());
            }
        }
        context.put(key, &document);
    }
    debug_assert!(text(&document, "id").is_none_or(|id| !id.is_empty()));
    shown(context, kind, key, document).map(Answer::Document)
}

/// A refusal of the patch table as an error.
pub(in crate::control::management) fn refused(refusal: PatchRefusal) -> ApiError {
    match refusal {
        PatchRefusal::Bad(message) | PatchRefusal::Unfit(message) => ApiError::bad_request(message),
        PatchRefusal::Missing(message) => ApiError::not_found(message),
    }
}
