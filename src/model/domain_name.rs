//! A custom domain name, read from its document in the store.

use serde_json::Value;

use super::{ApiMapping, Document, EndpointAccessMode, EndpointType, RoutingRule};

/// A custom domain name with everything that leads from it to stages.
#[derive(Clone, Debug, PartialEq)]
pub struct DeployedDomain {
    /// The region that its mappings are of.
    pub region: String,
    /// The name itself.
    pub domain: DomainName,
    /// Its mappings; no base path is there twice.
    pub mappings: Vec<ApiMapping>,
    /// Its routing rules, in any order.
    pub rules: Vec<RoutingRule>,
    /// Its clients must show certificates, and there is no way to ask for them: nothing reaches it.
    pub is_closed: bool,
}

/// A custom domain name.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainName {
    /// `api.example.com`, or `*.example.com` for every name with one label more. Lower case.
    pub name: String,
    /// Where it can be reached from; at least one.
    pub endpoint_types: Vec<EndpointType>,
    /// What leads from it to stages.
    pub routing_mode: RoutingMode,
    /// Whether the name of the handshake must be this one.
    pub access_mode: EndpointAccessMode,
    /// AWS's name of what handshakes may negotiate.
    pub security_policy: String,
    /// The certificate that clients are shown.
    pub certificate_arn: Option<String>,
    /// What clients must show.
    pub mutual_tls: Option<MutualTlsAuthentication>,
}

/// What clients of a domain must show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MutualTlsAuthentication {
    /// `s3://bucket/key`.
    pub truststore_uri: String,
    /// Which version of it.
    pub truststore_version: Option<String>,
}

/// What leads from a domain to stages.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum RoutingMode {
    /// Mappings.
    #[default]
    ApiMappingOnly,
    /// Rules, and mappings where no rule matches.
    RoutingRuleThenApiMapping,
    /// Rules.
    RoutingRuleOnly,
}

impl RoutingMode {
    /// The mode of this name, of either generation; anything else is the default.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        match name {
            "ROUTING_RULE_THEN_API_MAPPING" | "ROUTING_RULE_THEN_BASE_PATH_MAPPING" => {
                Self::RoutingRuleThenApiMapping
            }
            "ROUTING_RULE_ONLY" => Self::RoutingRuleOnly,
            _ => Self::ApiMappingOnly,
        }
    }
}

impl DomainName {
    /// Reads the document; `None` for one without a name.
    #[must_use]
    pub fn read(document: &Document) -> Option<Self> {
        let text = |name: &str| document.get(name).and_then(Value::as_str);
        let name = text("domainName").filter(|name| !name.is_empty())?.to_ascii_lowercase();
        let endpoint_types = read_endpoint_types(document);
        // An edge domain has its certificate elsewhere; one that moves between types has both.
        let arns = match endpoint_types.as_slice() {
            [EndpointType::Edge] => ["certificateArn", "regionalCertificateArn"],
            _ => ["regionalCertificateArn", "certificateArn"],
        };
        let arn = arns.iter().find_map(|arn| text(arn).filter(|arn| !arn.is_empty()));
        Some(Self {
            name,
            endpoint_types,
            routing_mode: RoutingMode::parse(text("routingMode").unwrap_or_default()),
            access_mode: EndpointAccessMode::parse(text("endpointAccessMode").unwrap_or_default()),
            security_policy: text("securityPolicy").unwrap_or(DEFAULT_POLICY).to_owned(),
            certificate_arn: arn.map(str::to_owned),
            mutual_tls: read_mutual_tls(document),
        })
    }

    /// Whether it can be reached from private sources alone.
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.endpoint_types.contains(&EndpointType::Private)
    }
}

fn read_endpoint_types(document: &Document) -> Vec<EndpointType> {
    let types = document.get("endpointConfiguration").and_then(|endpoint| endpoint.get("types"));
    let types = types.and_then(Value::as_array).into_iter().flatten();
    let types: Vec<_> = types.filter_map(Value::as_str).filter_map(EndpointType::parse).collect();
    if types.is_empty() { vec![EndpointType::Edge] } else { types }
}

fn read_mutual_tls(document: &Document) -> Option<MutualTlsAuthentication> {
    let mutual = document.get("mutualTlsAuthentication")?;
    let text =
        |name: &str| mutual.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
    Some(MutualTlsAuthentication {
        truststore_uri: text("truststoreUri")?.to_owned(),
        truststore_version: text("truststoreVersion").map(str::to_owned),
    })
}

const DEFAULT_POLICY: &str = "TLS_1_2";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(document: &Value) -> Option<DomainName> {
        DomainName::read(document.as_object().expect("an object"))
    }

    #[test]
    fn a_document_is_read() {
        let read = read(&json!({
            "domainName": "API.example.com",
            "endpointConfiguration": {"types": ["REGIONAL"]},
            "routingMode": "ROUTING_RULE_THEN_BASE_PATH_MAPPING",
            "endpointAccessMode": "STRICT",
            "securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09",
            "certificateArn": "edge",
            "regionalCertificateArn": "regional",
            "mutualTlsAuthentication": {"truststoreUri": "s3://b/k", "truststoreVersion": "3"},
        }));
        let expected = DomainName {
            name: "api.example.com".into(),
            endpoint_types: vec![EndpointType::Regional],
            routing_mode: RoutingMode::RoutingRuleThenApiMapping,
            access_mode: EndpointAccessMode::Strict,
            security_policy: "SecurityPolicy_TLS13_1_3_2025_09".into(),
            certificate_arn: Some("regional".into()),
            mutual_tls: Some(MutualTlsAuthentication {
                truststore_uri: "s3://b/k".into(),
                truststore_version: Some("3".into()),
            }),
        };
        assert_eq!(read, Some(expected));
    }

    #[test]
    fn what_a_document_does_not_say_has_a_default() {
        let read = |document: Value| self::read(&document);
        let domain = read(json!({"domainName": "a.b", "certificateArn": "edge"})).expect("a name");
        assert_eq!(domain.endpoint_types, [EndpointType::Edge]);
        assert_eq!(domain.certificate_arn.as_deref(), Some("edge"));
        assert_eq!((domain.security_policy.as_str(), domain.mutual_tls), ("TLS_1_2", None));
        assert_eq!(domain.routing_mode, RoutingMode::ApiMappingOnly);
        assert_eq!(read(json!({"domainName": ""})), None);
        assert_eq!(read(json!({})), None);
        let removed =
            json!({"domainName": "a.b", "mutualTlsAuthentication": {"truststoreUri": ""}});
        assert_eq!(read(removed).expect("a name").mutual_tls, None);
    }

    #[test]
    fn both_generations_name_the_modes() {
        for (name, mode) in [
            ("API_MAPPING_ONLY", RoutingMode::ApiMappingOnly),
            ("BASE_PATH_MAPPING_ONLY", RoutingMode::ApiMappingOnly),
            ("ROUTING_RULE_THEN_API_MAPPING", RoutingMode::RoutingRuleThenApiMapping),
            ("ROUTING_RULE_THEN_BASE_PATH_MAPPING", RoutingMode::RoutingRuleThenApiMapping),
            ("ROUTING_RULE_ONLY", RoutingMode::RoutingRuleOnly),
        ] {
            assert_eq!(RoutingMode::parse(name), mode, "{name}");
        }
    }
}
