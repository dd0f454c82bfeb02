//! `VpcLink` of REST APIs. Its target names a group of targets in the settings, so it is there at
//! once.

use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{default, text, texts};
use crate::control::management::resource::{Context, Kind, Result, load_parent};
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::Document;

pub(in crate::control::management) static VPC_LINK: Kind = Kind {
    path: &["vpclinks"],
    missing: "Invalid Vpc Link identifier specified",
    patch: &PATCH,
    check: |_, _, _, document| check(document),
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[
        PatchRow::new("/name", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/description", Ops::REPLACE, PatchValue::Text),
    ],
};

/// `CreateVpcLink`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &VPC_LINK)?;
    context.check_quota(&collection, context.quotas.vpc_links_count_max, "VPC links", "account")?;
    let mut document = context.call.body.clone();
    check(&document)?;
    let id = ids::id(6);
    document.insert("id".into(), id.clone().into());
    document.insert("status".into(), "AVAILABLE".into());
    default(&mut document, "tags", serde_json::json!({}));
    context.put(&collection.child(&id), &document);
    Ok(Answer::Document(document))
}

fn check(document: &Document) -> Result<()> {
    if text(document, "name").is_none_or(str::is_empty) {
        return Err(ApiError::bad_request("Vpc Link name cannot be empty"));
    }
    let targets = texts(document, "targetArns");
    if targets.len() != 1 || !targets[0].starts_with("arn:") {
        return Err(ApiError::bad_request("Invalid target ARN specified. Exactly one is needed"));
    }
    Ok(())
}
