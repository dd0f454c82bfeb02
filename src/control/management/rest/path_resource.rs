//! `Resource`: the tree of paths of a REST API.

use serde_json::{Map, Value};

use super::api::REST_API;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::text;
use crate::control::management::resource::{Context, Kind, Result, load, require};
use crate::model::{
    Ops, Patch, PatchRow, PatchStyle, PatchValue, PathPattern, RouteKey, RouteMethod,
};
use crate::plan::{Precedence, Router};
use crate::store::{Document, Key};

pub(in crate::control::management) static RESOURCE: Kind = Kind {
    parent: Some(&REST_API),
    path: &["resources"],
    missing: "Invalid Resource identifier specified",
    hides_parent: true,
    patch: &PATCH,
    check: check_change,
    view,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[
        PatchRow::new("/parentId", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/pathPart", Ops::REPLACE, PatchValue::Text),
    ],
};

/// The resource that every API has.
pub(super) fn root(id: &str) -> Document {
    let mut root = Map::new();
    root.insert("id".into(), id.into());
    root.insert("path".into(), "/".into());
    root
}

/// `CreateResource`; the id in its path is its parent's.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let (parent_key, parent) = load(context, &RESOURCE)?;
    let collection = RESOURCE.collection(&context.root(), context.call);
    context.check_quota(&collection, context.quotas.resources_count_max, "Resources", "API")?;
    let id = ids::id(6);
    let mut document = Map::new();
    document.insert("id".into(), id.clone().into());
    document.insert("parentId".into(), parent_key.last().into());
    document.insert("pathPart".into(), context.call.text("pathPart").unwrap_or_default().into());
    check_place(context, &collection, &parent, &document)?;
    let path = path_under(&parent, &document);
    check_path(&path)?;
    document.insert("path".into(), path.into());
    context.put(&collection.child(&id), &document);
    Ok(Answer::Document(document))
}

/// `DeleteResource`, with all that is under it.
pub(in crate::control::management) fn delete(context: &mut Context<'_>) -> Result<Answer> {
    let (key, document) = load(context, &RESOURCE)?;
    if !document.contains_key("parentId") {
        return Err(ApiError::bad_request("Root resource cannot be deleted"));
    }
    let collection = RESOURCE.collection(&context.root(), context.call);
    let all = context.children(&collection)?;
    let mut doomed = vec![key.last().to_owned()];
    let mut next = 0;
    while let Some(id) = doomed.get(next).cloned() {
        let children = all.iter().filter(|(_, one)| text(one, "parentId") == Some(&id));
        doomed.extend(children.map(|(id, _)| id.clone()));
        next += 1;
    }
    for id in doomed {
        context.transaction.remove(&collection.child(&id))?;
    }
    Ok(Answer::Empty)
}

fn check_change(
    context: &mut Context<'_>,
    key: &Key,
    before: &Document,
    document: &mut Document,
) -> Result<()> {
    if !before.contains_key("parentId") {
        for name in ["parentId", "pathPart"] {
            if document.contains_key(name) {
                let message = format!("Root resource cannot update its {name}.");
                return Err(ApiError::bad_request(message));
            }
        }
        return Ok(());
    }
    let collection = RESOURCE.collection(&context.root(), context.call);
    let parent_id = text(document, "parentId").unwrap_or_default().to_owned();
    let missing = || RESOURCE.missing(context.call, &parent_id);
    let missing = missing();
    let parent = require(context, &collection, &parent_id, || missing)?;
    let mut ancestor = Some(parent.clone());
    while let Some(one) = ancestor {
        if text(&one, "id") == Some(key.last()) {
            return Err(ApiError::bad_request("Resources cannot be cyclical."));
        }
        ancestor = match text(&one, "parentId") {
            Some(id) => context.document(&collection.child(id))?,
            None => None,
        };
    }
    check_place(context, &collection, &parent, document)?;
    let path = path_under(&parent, document);
    check_path(&path)?;
    document.insert("path".into(), path.into());
    move_children(context, &collection, document)
}

/// Gives all that is under a moved resource its new path.
fn move_children(context: &mut Context<'_>, collection: &Key, moved: &Document) -> Result<()> {
    let all = context.children(collection)?;
    let mut parents = vec![moved.clone()];
    while let Some(parent) = parents.pop() {
        let id = text(&parent, "id");
        for (_, child) in all.iter().filter(|(_, one)| text(one, "parentId") == id) {
            let mut child = child.clone();
            refuse_under_greedy(&parent)?;
            let path = path_under(&parent, &child);
            check_path(&path)?;
            child.insert("path".into(), path.into());
            context.put(&collection.child(text(&child, "id").unwrap_or_default()), &child);
            parents.push(child);
        }
    }
    Ok(())
}

fn check_place(
    context: &mut Context<'_>,
    collection: &Key,
    parent: &Document,
    document: &Document,
) -> Result<()> {
    let part = text(document, "pathPart").unwrap_or_default();
    if !is_path_part(part) {
        return Err(ApiError::bad_request(
            "Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly \
             braces at the beginning and the end",
        ));
    }
    refuse_under_greedy(parent)?;
    let (id, parent_id) = (text(document, "id"), text(parent, "id"));
    let siblings = context.children(collection)?;
    let siblings = siblings.iter().map(|(_, one)| one);
    let siblings =
        siblings.filter(|one| text(one, "parentId") == parent_id && text(one, "id") != id);
    let parts: Vec<&str> = siblings.filter_map(|one| text(one, "pathPart")).collect();
    if parts.contains(&part) {
        return Err(ApiError::conflict(format!(
            "Another resource with the same parent already has this name: {part}"
        )));
    }
    if part.starts_with('{')
        && let Some(other) = parts.iter().find(|part| part.starts_with('{'))
    {
        return Err(ApiError::bad_request(format!(
            "A sibling ({other}) of this resource already has a variable path part -- only one is \
             allowed"
        )));
    }
    Ok(())
}

fn refuse_under_greedy(parent: &Document) -> Result<()> {
    let part = text(parent, "pathPart").unwrap_or_default();
    if !part.ends_with("+}") {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "Cannot create a child of a resource with a greedy path variable: {part}"
    )))
}

/// What holds for a path as a whole: a route for it can be compiled, and a parameter that is named
/// twice would have two values.
fn check_path(path: &str) -> Result<()> {
    let pattern = PathPattern::parse(path).map_err(|error| {
        ApiError::bad_request(format!("Invalid resource path specified: {path} ({error})"))
    })?;
    let key = RouteKey::Path { method: RouteMethod::Any, path: pattern };
    let compiled = Router::compile(&[key], Precedence::RestApi);
    compiled.map(|_| ()).map_err(|errors| {
        let reason = errors.first().map(ToString::to_string).unwrap_or_default();
        ApiError::bad_request(format!("Invalid resource path specified: {reason}"))
    })
}

/// `a.b-c_d:1`, `{name}` or `{name+}`; dot segments are resolved by clients and would never match.
fn is_path_part(part: &str) -> bool {
    let is_plain = |text: &str| {
        !text.is_empty()
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-:".contains(&byte))
    };
    match part.strip_prefix('{').and_then(|rest| rest.strip_suffix('}')) {
        Some(name) => is_plain(name.strip_suffix('+').unwrap_or(name)),
        None => is_plain(part) && !matches!(part, "." | ".."),
    }
}

fn path_under(parent: &Document, document: &Document) -> String {
    let parent_path = text(parent, "path").unwrap_or("/").trim_end_matches('/');
    format!("{parent_path}/{}", text(document, "pathPart").unwrap_or_default())
}

/// Shows the methods of a resource: their names, or all of them with `embed=methods`.
fn view(context: &mut Context<'_>, key: &Key, mut document: Document) -> Result<Document> {
    let embed = context.call.query_all("embed");
    let is_embedded = embed.flat_map(|list| list.split(',')).any(|one| one == "methods");
    let methods = context.children(&key.child("methods"))?;
    if !methods.is_empty() {
        let methods = methods.into_iter().map(|(name, method)| {
            (name, Value::Object(if is_embedded { method } else { Map::new() }))
        });
        document.insert("resourceMethods".into(), Value::Object(methods.collect()));
    }
    Ok(document)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_parts() {
        for part in ["pets", "a.b-c_d:1", "...", ".a", "{id}", "{proxy+}"] {
            assert!(is_path_part(part), "{part}");
        }
        for part in ["", "a/b", "{}", "{+}", "{a", "a}", "{a+b}", "pets?", "é", "a{b}", ".", ".."]
        {
            assert!(!is_path_part(part), "{part}");
        }
    }
}
