//! `VpcLink` of REST APIs. Its target names a group of targets in the settings, so it is there at
//! once.

use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{remove_empty, table, text, texts};
use crate::control::management::resource::{Context, Kind, Result, load_parent};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static VPC_LINK: Kind = Kind {
    path: &["vpclinks"],
    missing: "Invalid Vpc Link identifier specified",
    has_tags: true,
    patch: &PATCH,
    check: |_, _, _, document| check(document),
    remove,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[
        PatchRow::new("/name", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/description", Ops::REPLACE, PatchValue::Text),
    ],
};

/// `CreateVpcLink`. It is answered as it would be if it had to be set up first: clients ask until it
/// is there.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &VPC_LINK)?;
    context.check_quota(&collection, context.quotas.vpc_links_count_max, "VPC links", "account")?;
    let mut document = context.call.body.clone();
    check(&document)?;
    let id = ids::id(6);
    document.insert("id".into(), id.clone().into());
    remove_empty(&mut document, &["tags"]);
    let mut stored = document.clone();
    stored.insert("status".into(), "AVAILABLE".into());
    stored.insert("statusMessage".into(), "Your vpc link is ready for use".into());
    context.put(&collection.child(&id), &stored);
    document.insert("status".into(), "PENDING".into());
    Ok(Answer::Document(document))
}

fn check(document: &Document) -> Result<()> {
    if text(document, "name").is_none_or(str::is_empty) {
        return Err(ApiError::bad_request("Name cannot be empty"));
    }
    let targets = texts(document, "targetArns");
    let [target] = &targets[..] else {
        return Err(ApiError::bad_request("Invalid target ARN specified. Exactly one is needed"));
    };
    if !target.starts_with("arn:") || target.splitn(6, ':').count() < 6 {
        let message = format!("Invalid ARN. ARN is not well formed {target}");
        return Err(ApiError::bad_request(message));
    }
    Ok(())
}

/// A link that a deployed method goes through cannot go.
fn remove(context: &mut Context<'_>, key: &Key, _: &Document) -> Result<()> {
    let mut users = Vec::new();
    let apis = context.root().child("restapis");
    for (api, _) in context.children(&apis)? {
        let api = apis.child(&api);
        for (stage, document) in context.children(&api.child("stages"))? {
            let id = text(&document, "deploymentId").unwrap_or_default();
            let snapshot = context.document(&api.child("snapshots").child(id))?;
            let methods = snapshot.iter().flat_map(|snapshot| users_of(snapshot, key.last()));
            users.extend(methods.map(|method| format!("{method}:{stage}")));
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    Err(ApiError::bad_request(format!(
        "Cannot delete vpc link. Vpc link '{}', is referenced in [{}] in format of \
         [Method:Resource:Stage].",
        key.last(),
        users.join(", ")
    )))
}

/// The methods of a deployment that go through the link: `GET:abc123`.
fn users_of(snapshot: &Document, link: &str) -> Vec<String> {
    let mut users = Vec::new();
    for (id, resource) in table(snapshot, "resources").into_iter().flatten() {
        let methods = resource.get("resourceMethods").and_then(|one| one.as_object());
        for (name, method) in methods.into_iter().flatten() {
            let integration = method.get("methodIntegration");
            if integration.and_then(|one| one.get("connectionId")).is_some_and(|id| id == link) {
                users.push(format!("{name}:{id}"));
            }
        }
    }
    users
}
