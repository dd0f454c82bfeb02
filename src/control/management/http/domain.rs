//! `DomainName` as the second generation shows it. The document is the first generation's.

use serde_json::{Map, Value, json};

use crate::control::management::answer::Answer;
use crate::control::management::error::ApiError;
use crate::control::management::resource::document::{table, text, texts};
use crate::control::management::resource::{Context, Result, bring_in, load};
use crate::control::management::rest::domain::{DOMAIN_NAME, store_new};
use crate::store::Document;

/// `CreateDomainName`.
pub(in crate::control::management) fn create(context: &mut Context<'_>) -> Result<Answer> {
    let mut document = context.call.body.clone();
    to_first(&mut document)?;
    let (key, document) = store_new(context, document)?;
    (DOMAIN_NAME.view)(context, &key, document).map(Answer::Document)
}

/// `UpdateDomainName`.
pub(in crate::control::management) fn update(context: &mut Context<'_>) -> Result<Answer> {
    let (key, before) = load(context, &DOMAIN_NAME)?;
    let mut given = context.call.body.clone();
    to_first(&mut given)?;
    let mut document = before.clone();
    bring_in(&DOMAIN_NAME, context.call.operation, &mut document, given);
    (DOMAIN_NAME.check)(context, &key, &before, &mut document)?;
    context.put(&key, &document);
    (DOMAIN_NAME.view)(context, &key, document).map(Answer::Document)
}

/// Turns `domainNameConfigurations` and the routing mode into the first generation's members.
fn to_first(document: &mut Document) -> Result<()> {
    if let Some(mode) = text(document, "routingMode") {
        let mode = match mode {
            "API_MAPPING_ONLY" => "BASE_PATH_MAPPING_ONLY",
            "ROUTING_RULE_THEN_API_MAPPING" => "ROUTING_RULE_THEN_BASE_PATH_MAPPING",
            other => other,
        };
        document.insert("routingMode".into(), mode.to_owned().into());
    }
    let Some(configurations) = document.remove("domainNameConfigurations") else { return Ok(()) };
    let configurations = configurations.as_array().cloned().unwrap_or_default();
    let mut types = Vec::new();
    for configuration in configurations.iter().filter_map(Value::as_object) {
        let kind = text(configuration, "endpointType").unwrap_or("REGIONAL");
        let prefix = if kind == "EDGE" { "certificate" } else { "regionalCertificate" };
        types.push(Value::from(kind));
        for (name, target) in [
            ("certificateArn", format!("{prefix}Arn")),
            ("certificateName", format!("{prefix}Name")),
            ("securityPolicy", "securityPolicy".to_owned()),
            (
                "ownershipVerificationCertificateArn",
                "ownershipVerificationCertificateArn".to_owned(),
            ),
        ] {
            if let Some(value) = configuration.get(name) {
                document.insert(target, value.clone());
            }
        }
        if let Some(family) = configuration.get("ipAddressType") {
            document.insert("ipFamily".into(), family.clone());
        }
    }
    if types.is_empty() {
        return Err(ApiError::bad_request("At least one domain name configuration is required"));
    }
    let mut endpoint = Map::new();
    endpoint.insert("types".into(), Value::Array(types));
    if let Some(family) = document.remove("ipFamily") {
        endpoint.insert("ipAddressType".into(), family);
    }
    document.insert("endpointConfiguration".into(), Value::Object(endpoint));
    Ok(())
}

/// The first generation's document, in the form of the second.
pub(in crate::control::management) fn from_first(document: &Document) -> Document {
    let endpoint = table(document, "endpointConfiguration");
    let types = endpoint.map(|endpoint| texts(endpoint, "types")).unwrap_or_default();
    let configurations = types.iter().map(|kind| {
        let (prefix, name, zone) = if kind == "EDGE" {
            ("certificate", "distributionDomainName", "distributionHostedZoneId")
        } else {
            ("regionalCertificate", "regionalDomainName", "regionalHostedZoneId")
        };
        json!({
            "apiGatewayDomainName": document.get(name),
            "certificateArn": document.get(&format!("{prefix}Arn")),
            "certificateName": document.get(&format!("{prefix}Name")),
            "certificateUploadDate": document.get("certificateUploadDate"),
            "domainNameStatus": document.get("domainNameStatus"),
            "endpointType": kind,
            "hostedZoneId": document.get(zone),
            "ipAddressType": endpoint.and_then(|endpoint| endpoint.get("ipAddressType")),
            "securityPolicy": document.get("securityPolicy"),
            "ownershipVerificationCertificateArn":
                document.get("ownershipVerificationCertificateArn"),
        })
    });
    let mode = match text(document, "routingMode") {
        Some("BASE_PATH_MAPPING_ONLY") | None => "API_MAPPING_ONLY",
        Some("ROUTING_RULE_THEN_BASE_PATH_MAPPING") => "ROUTING_RULE_THEN_API_MAPPING",
        Some(other) => other,
    };
    let shown = json!({
        "apiMappingSelectionExpression": "$request.basepath",
        "domainName": document.get("domainName"),
        "domainNameArn": document.get("domainNameArn"),
        "domainNameConfigurations": configurations.collect::<Vec<_>>(),
        "mutualTlsAuthentication": document.get("mutualTlsAuthentication"),
        "routingMode": mode,
        "tags": document.get("tags").cloned().unwrap_or_else(|| json!({})),
    });
    shown.as_object().cloned().unwrap_or_default()
}
