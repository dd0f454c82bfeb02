//! Tags, of resources of both generations: they stand in the documents of their resources.

use serde_json::{Map, Value};

use super::api::REST_API;
use super::api_key::API_KEY;
use super::certificate::CLIENT_CERTIFICATE;
use super::domain::DOMAIN_NAME;
use super::stage::STAGE;
use super::usage_plan::USAGE_PLAN;
use super::vpc_link::VPC_LINK;
use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::http;
use crate::control::management::resource::document::{remove_empty, table, table_mut};
use crate::control::management::resource::{Context, Kind, Result};
use crate::store::{Document, Key};

/// `GetTags`.
pub(in crate::control::management) fn get(context: &mut Context<'_>) -> Result<Answer> {
    let (_, document) = load(context)?;
    let tags = table(&document, "tags").cloned().unwrap_or_default();
    let mut answer = Map::new();
    answer.insert("tags".into(), Value::Object(tags));
    Ok(Answer::Document(answer))
}

/// `TagResource`.
pub(in crate::control::management) fn tag(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut document) = load(context)?;
    let given = table(&context.call.body, "tags").cloned().unwrap_or_default();
    if let Some((name, _)) = given.iter().find(|(name, _)| name.starts_with("aws:")) {
        let message = format!("Invalid tag key: {name}. Tag keys may not begin with aws:");
        return Err(ApiError::bad_request(message));
    }
    let tags = table_mut(&mut document, "tags");
    tags.extend(given);
    if tags.len() > TAGS_COUNT_MAX {
        let message = format!("A resource can have at most {TAGS_COUNT_MAX} tags");
        return Err(ApiError::bad_request(message));
    }
    context.put(&key, &document);
    // The second generation answers an object, the first nothing.
    let is_second = context.call.operation.output.is_some();
    Ok(if is_second { Answer::Document(Map::new()) } else { Answer::Empty })
}

/// `UntagResource`.
pub(in crate::control::management) fn untag(context: &mut Context<'_>) -> Result<Answer> {
    let (key, mut document) = load(context)?;
    let tags = table_mut(&mut document, "tags");
    for name in context.call.query_all("tagKeys") {
        tags.remove(name);
    }
    remove_empty(&mut document, &["tags"]);
    context.put(&key, &document);
    Ok(Answer::Empty)
}

/// The resource that the ARN in the path names.
fn load(context: &mut Context<'_>) -> Result<(Key, Document)> {
    let arn = context.call.value(0);
    let malformed = || ApiError::bad_request(format!("Invalid ARN. ARN is not well formed {arn}"));
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", partition, "apigateway", region, _, path] = parts[..] else {
        return Err(malformed());
    };
    if !partition.starts_with("aws") || region.is_empty() {
        return Err(malformed());
    }
    let segments: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let (kind, id) = match segments[..] {
        ["restapis", id] => (&REST_API, id),
        ["restapis", _, "stages", id] => (&STAGE, id),
        ["apikeys", id] => (&API_KEY, id),
        ["usageplans", id] => (&USAGE_PLAN, id),
        ["clientcertificates", id] => (&CLIENT_CERTIFICATE, id),
        ["domainnames", id] => (&DOMAIN_NAME, id),
        ["apis", id] => (&http::api::API, id),
        ["apis", _, "stages", id] => (&http::stage::STAGE, id),
        ["vpclinks", id] => (vpc_link_kind(context, region, id)?, id),
        _ => return Err(malformed()),
    };
    let is_second =
        matches!(segments[0], "apis") || std::ptr::eq(kind, &raw const http::vpc_link::VPC_LINK);
    let root = Key::new(&[region]);
    let root = if is_second { root.child("v2") } else { root };
    let key = segments.iter().fold(root, |key, segment| key.child(segment));
    let document = context.document(&key)?;
    document.map(|document| (key, document)).ok_or_else(|| kind.missing(context.call, id))
}

/// Links of both generations have the same ARNs.
fn vpc_link_kind(context: &mut Context<'_>, region: &str, id: &str) -> Result<&'static Kind> {
    let first = Key::new(&[region, "vpclinks", id]);
    let is_first = context.document(&first)?.is_some();
    Ok(if is_first { &VPC_LINK } else { &http::vpc_link::VPC_LINK })
}

const TAGS_COUNT_MAX: usize = 50;
