//! `DomainName` and `BasePathMapping`, shared by both generations: one document, seen two ways.
//!
//! A mapping is one document too: a base path of the first generation is an API mapping key of the
//! second.

use serde_json::{Map, Value, json};

use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::ids;
use crate::control::management::resource::document::{
    default, remove_empty, table_mut, text, texts,
};
use crate::control::management::resource::{
    Context, Kind, Result, load, load_parent, patch_with, refused,
};
use crate::control::management::service::Service;
use crate::model::{Ops, Patch, PatchRow, PatchStyle, PatchValue};
use crate::store::{Document, Key};

pub(in crate::control::management) static DOMAIN_NAME: Kind = Kind {
    path: &["domainnames"],
    missing: "Invalid domain name identifier specified",
    has_tags: true,
    patch: &PATCH,
    check: |_, _, _, document| check(document),
    view,
    ..Kind::PLAIN
};

static PATCH: Patch = Patch {
    style: PatchStyle::Plain,
    rows: &[
        PatchRow::new("/certificateName", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/certificateArn", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/regionalCertificateName", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/regionalCertificateArn", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/ownershipVerificationCertificateArn", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new("/endpointConfiguration/types/*", Ops::ALL, PatchValue::Items),
        PatchRow::new("/endpointConfiguration/types", Ops::ADD_REMOVE, PatchValue::Items),
        PatchRow::new("/endpointConfiguration/ipAddressType", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/securityPolicy", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/endpointAccessMode", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/routingMode", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/policy", Ops::ALL, PatchValue::Text),
        PatchRow::new("/managementPolicy", Ops::ALL, PatchValue::Text),
        PatchRow::new("/mutualTlsAuthentication/truststoreUri", Ops::ADD_REPLACE, PatchValue::Text),
        PatchRow::new(
            "/mutualTlsAuthentication/truststoreVersion",
            Ops::ADD_REPLACE,
            PatchValue::Text,
        ),
    ],
};

pub(in crate::control::management) static BASE_PATH_MAPPING: Kind = Kind {
    parent: Some(&DOMAIN_NAME),
    path: &["basepathmappings"],
    missing: "Invalid base path mapping identifier specified",
    patch: &MAPPING_PATCH,
    ..Kind::PLAIN
};

static MAPPING_PATCH: Patch = Patch {
    style: PatchStyle::Listed,
    rows: &[
        PatchRow::new("/basePath", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/restapiId", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/restApiId", Ops::REPLACE, PatchValue::Text),
        PatchRow::new("/stage", Ops::REPLACE, PatchValue::Text),
    ],
};

/// The base path of a mapping that has none.
pub(in crate::control::management) const NO_BASE_PATH: &str = "(none)";

/// `CreateDomainName` of the first generation. A certificate that comes with it stays in the store:
/// no answer has a place for it.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let document = context.call.body.clone();
    let (key, document) = store_new(context, document)?;
    view(context, &key, document).map(Answer::Document)
}

/// Stores a new domain of either generation.
pub(in crate::control::management) fn store_new(
    context: &mut Context<'_>,
    mut document: Document,
) -> Result<(Key, Document)> {
    let collection = load_parent(context, &DOMAIN_NAME)?;
    let max = context.quotas.domain_names_count_max;
    context.check_quota(&collection, max, "Custom domain names", "account")?;
    let name = text(&document, "domainName").unwrap_or_default().to_ascii_lowercase();
    if !is_domain_name(&name) {
        return Err(ApiError::bad_request("Invalid domain name specified"));
    }
    let key = collection.child(&name);
    if context.document(&key)?.is_some() {
        return Err(ApiError::conflict("The domain name you provided already exists."));
    }
    let realm = &context.call.realm;
    let arn = format!("arn:aws:apigateway:{}::/domainnames/{name}", realm.region);
    document.insert("domainName".into(), name.into());
    document.insert("domainNameArn".into(), arn.into());
    document.insert("domainNameStatus".into(), "AVAILABLE".into());
    document.insert("alias".into(), format!("d-{}", ids::id(10)).into());
    document.insert("certificateUploadDate".into(), context.now.into());
    default(&mut document, "securityPolicy", "TLS_1_2");
    default(&mut document, "routingMode", "BASE_PATH_MAPPING_ONLY");
    remove_empty(&mut document, &["tags"]);
    check(&mut document)?;
    context.put(&key, &document);
    Ok((key, document))
}

fn is_domain_name(name: &str) -> bool {
    let name = name.strip_prefix("*.").unwrap_or(name);
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    name.len() <= 253 && name.contains('.') && name.split('.').all(is_label)
}

fn check(document: &mut Document) -> Result<()> {
    let mutual = document.get("mutualTlsAuthentication").and_then(Value::as_object);
    if mutual.is_some_and(|mutual| text(mutual, "truststoreUri").is_none_or(str::is_empty)) {
        document.remove("mutualTlsAuthentication");
    }
    let endpoint = table_mut(document, "endpointConfiguration");
    let types = texts(endpoint, "types");
    if types.iter().any(|one| !matches!(one.as_str(), "EDGE" | "REGIONAL" | "PRIVATE")) {
        return Err(ApiError::bad_request(
            "Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE",
        ));
    }
    if types.is_empty() {
        let was_set = endpoint.contains_key("types");
        if was_set {
            return Err(ApiError::bad_request(
                "REGIONAL Configuration and EDGE Configuration cannot be both DISABLED.",
            ));
        }
        endpoint.insert("types".into(), json!(["EDGE"]));
    }
    default(endpoint, "ipAddressType", "ipv4");
    Ok(())
}

/// Adds the names under which AWS would reach the domain; this gateway answers for the domain itself.
fn view(context: &mut Context<'_>, _: &Key, mut document: Document) -> Result<Document> {
    let alias = text(&document, "alias").unwrap_or_default().to_owned();
    let endpoint = document.get("endpointConfiguration").and_then(Value::as_object);
    let types = endpoint.map(|endpoint| texts(endpoint, "types")).unwrap_or_default();
    if types.iter().any(|one| one == "REGIONAL") {
        let region = &context.call.realm.region;
        let name = format!("{alias}.execute-api.{region}.amazonaws.com");
        document.insert("regionalDomainName".into(), name.into());
        document.insert("regionalHostedZoneId".into(), REGIONAL_ZONE.into());
    }
    if types.iter().any(|one| one == "EDGE") {
        document.insert("distributionDomainName".into(), format!("{alias}.cloudfront.net").into());
        document.insert("distributionHostedZoneId".into(), EDGE_ZONE.into());
    }
    if context.call.operation.service == Service::Http {
        return Ok(crate::control::management::http::domain::from_first(&document));
    }
    Ok(document)
}

/// `CreateBasePathMapping`.
pub(in crate::control::management) fn create_mapping(context: &mut Context<'_>) -> Result<Answer> {
    let mut document = context.call.body.clone();
    let base_path = text(&document, "basePath").filter(|path| !path.is_empty());
    let base_path = base_path.unwrap_or(NO_BASE_PATH).to_owned();
    document.insert("basePath".into(), base_path.into());
    store_mapping(context, document).map(Answer::Document)
}

/// Stores a new mapping of either generation, under its base path.
pub(in crate::control::management) fn store_mapping(
    context: &mut Context<'_>,
    mut document: Document,
) -> Result<Document> {
    let collection = load_parent(context, &BASE_PATH_MAPPING)?;
    let key = collection.child(text(&document, "basePath").unwrap_or(NO_BASE_PATH));
    if context.document(&key)?.is_some() {
        return Err(is_taken(context));
    }
    check_mapping(context, &mut document)?;
    document.insert("apiMappingId".into(), ids::id(6).into());
    context.put(&key, &document);
    Ok(document)
}

/// A base path leads to one API.
fn is_taken(context: &Context<'_>) -> ApiError {
    ApiError::conflict(match context.call.operation.service {
        Service::Rest => "Base path already exists for this domain name",
        Service::Http | Service::Connections | Service::Lambda => {
            "ApiMapping key already exists for this domain name"
        }
    })
}

/// The API and its stage must be there. Both generations may share a domain. An empty stage is none.
pub(in crate::control::management) fn check_mapping(
    context: &mut Context<'_>,
    document: &mut Document,
) -> Result<()> {
    if text(document, "stage").is_some_and(str::is_empty) {
        document.remove("stage");
    }
    let id = text(document, "restApiId").unwrap_or_default();
    let stage = text(document, "stage");
    let rest = context.root().child("restapis").child(id);
    let http = context.root().child("v2").child("apis").child(id);
    let is_first = context.call.operation.service == Service::Rest;
    let api = if context.document(&rest)?.is_some() {
        rest
    } else if !is_first && context.document(&http)?.is_some() {
        http
    } else if is_first {
        return Err(ApiError::bad_request("Invalid REST API identifier specified"));
    } else {
        return Err(ApiError::bad_request("Invalid API identifier specified"));
    };
    let Some(stage) = stage else { return Ok(()) };
    match context.document(&api.child("stages").child(stage))? {
        Some(_) => Ok(()),
        None => Err(ApiError::bad_request("Invalid stage identifier specified")),
    }
}

/// `UpdateBasePathMapping`: a new base path is a new place.
pub(in crate::control::management) fn update_mapping(context: &mut Context<'_>) -> Result<Answer> {
    let (key, before) = load(context, &BASE_PATH_MAPPING)?;
    let answer = patch_with(context, &BASE_PATH_MAPPING, |_, document, operation| {
        MAPPING_PATCH.apply(document, operation).map_err(refused)?;
        if let Some(id) = document.remove("restapiId") {
            document.insert("restApiId".into(), id);
        }
        Ok(())
    })?;
    let Answer::Document(mut document) = answer else { return Ok(answer) };
    if text(&document, "basePath").is_none_or(str::is_empty) {
        document.insert("basePath".into(), NO_BASE_PATH.into());
    }
    check_mapping(context, &mut document)?;
    move_mapping(context, &key, &before, &document)?;
    Ok(Answer::Document(document))
}

/// Stores a changed mapping where its base path has it.
pub(in crate::control::management) fn move_mapping(
    context: &mut Context<'_>,
    key: &Key,
    before: &Document,
    document: &Document,
) -> Result<()> {
    let collection = load_parent(context, &BASE_PATH_MAPPING)?;
    let target = collection.child(text(document, "basePath").unwrap_or(NO_BASE_PATH));
    if target != *key {
        if context.document(&target)?.is_some() {
            return Err(is_taken(context));
        }
        context.transaction.remove(key)?;
    }
    debug_assert!(before.contains_key("apiMappingId"), "every mapping has an id");
    context.put(&target, document);
    Ok(())
}

/// Refuses to remove an API, or a stage of it, that a domain maps to.
pub(in crate::control::management) fn refuse_if_mapped(
    context: &mut Context<'_>,
    api_id: &str,
    stage: Option<&str>,
) -> Result<()> {
    let domains = context.root().child("domainnames");
    for (domain, _) in context.children(&domains)? {
        for (_, mapping) in context.children(&domains.child(&domain).child("basepathmappings"))? {
            let is_it = text(&mapping, "restApiId") == Some(api_id)
                && stage.is_none_or(|stage| text(&mapping, "stage") == Some(stage));
            if is_it {
                let what = if stage.is_some() { "stage" } else { "API" };
                return Err(ApiError::bad_request(format!(
                    "Please remove all base path mappings related to the {what} in your account before \
                     deleting the {what}."
                )));
            }
        }
    }
    Ok(())
}

pub(in crate::control::management) static ACCESS_ASSOCIATION: Kind = Kind {
    path: &["domainnameaccessassociations"],
    missing: "Invalid domain name access association identifier specified",
    ..Kind::PLAIN
};

/// `CreateDomainNameAccessAssociation`.
pub(in crate::control::management) fn create_association(
    context: &mut Context<'_>,
) -> Result<Answer> {
    let collection = load_parent(context, &ACCESS_ASSOCIATION)?;
    let mut document = context.call.body.clone();
    let domain_arn = text(&document, "domainNameArn").unwrap_or_default().to_owned();
    let name = domain_arn.rsplit("/domainnames/").next().unwrap_or_default();
    let name = name.split('+').next().unwrap_or_default();
    let domain = context.document(&context.root().child("domainnames").child(name))?;
    domain.ok_or_else(|| ApiError::bad_request("Invalid domain name ARN specified"))?;
    let realm = &context.call.realm;
    let arn = format!(
        "arn:aws:apigateway:{}:{}:/domainnameaccessassociations/domainname/{name}/vpcesource/{}",
        realm.region,
        realm.account_id,
        text(&document, "accessAssociationSource").unwrap_or_default()
    );
    let key = collection.child(&arn);
    if context.document(&key)?.is_some() {
        return Err(ApiError::conflict("The access association already exists."));
    }
    document.insert("domainNameAccessAssociationArn".into(), arn.into());
    default(&mut document, "tags", json!({}));
    context.put(&key, &document);
    Ok(Answer::Document(document))
}

/// `RejectDomainNameAccessAssociation`: by query parameters.
pub(in crate::control::management) fn reject_association(
    context: &mut Context<'_>,
) -> Result<Answer> {
    let arn = context.call.query("domainNameAccessAssociationArn").unwrap_or_default().to_owned();
    let key = context.root().child("domainnameaccessassociations").child(&arn);
    let found: Option<Map<String, Value>> = context.document(&key)?;
    found.ok_or_else(|| ACCESS_ASSOCIATION.missing(context.call, &arn))?;
    context.transaction.remove(&key)?;
    Ok(Answer::Empty)
}

/// The hosted zones of AWS's names, which clients print and nobody looks up here.
const REGIONAL_ZONE: &str = "Z1UJRXOUMOOFQ8";
const EDGE_ZONE: &str = "Z2FDTNDATAQYW2";
