//! `VpcLink` of HTTP APIs. What it reaches is a group of targets in the settings, so it is there at
//! once.

use serde_json::json;

use crate::control::management::answer::Answer;
use crate::control::management::ids;
use crate::control::management::resource::document::default;
use crate::control::management::resource::{Context, Kind, Result, load_parent};

pub(in crate::control::management) static VPC_LINK: Kind = Kind {
    path: &["v2", "vpclinks"],
    missing: "Unable to find VpcLink by id {id}",
    has_tags: true,
    ..Kind::PLAIN
};

/// `CreateVpcLink`. It is answered as it would be if it had to be set up first: clients ask until it
/// is there.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let collection = load_parent(context, &VPC_LINK)?;
    context.check_quota(&collection, context.quotas.vpc_links_count_max, "VPC links", "account")?;
    let mut document = context.call.body.clone();
    let id = ids::id(6);
    document.insert("vpcLinkId".into(), id.clone().into());
    document.insert("vpcLinkStatus".into(), "AVAILABLE".into());
    document.insert("vpcLinkStatusMessage".into(), "VPC link is ready to route traffic".into());
    document.insert("vpcLinkVersion".into(), "V2".into());
    document.insert("createdDate".into(), context.now.into());
    default(&mut document, "securityGroupIds", json!([]));
    default(&mut document, "tags", json!({}));
    context.put(&collection.child(&id), &document);
    document.insert("vpcLinkStatus".into(), "PENDING".into());
    document.insert("vpcLinkStatusMessage".into(), "VPC link is provisioning ENIs".into());
    Ok(Answer::Document(document))
}
