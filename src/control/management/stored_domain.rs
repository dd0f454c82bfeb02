//! Custom domain names and certificates as the data plane needs them, read from the store.

use super::resource::document::text;
use crate::model::{ApiMapping, DeployedDomain, DomainName, RoutingRule};
use crate::store::{Document, Key, Snapshot, StoreError};
use crate::tls::CertificateText;

/// A custom domain name with its mappings and rules.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StoredDomain {
    pub(crate) deployed: DeployedDomain,
    /// The certificate that it was made with, in the request itself.
    pub(crate) certificate: Option<CertificateText>,
}

impl StoredDomain {
    /// The domain of this name; `None` if there is none.
    pub(super) fn load(
        snapshot: &Snapshot,
        region: &str,
        name: &str,
    ) -> Result<Option<Self>, StoreError> {
        let documents = snapshot.subtree(&Key::new(&[region, "domainnames", name]))?;
        Ok(Self::read_all(region, documents).pop())
    }

    /// All domains of a region, by name.
    #[cfg_attr(not(test), expect(dead_code, reason = "for whoever deploys what is in the store"))]
    pub(crate) fn load_all(snapshot: &Snapshot, region: &str) -> Result<Vec<Self>, StoreError> {
        let documents = snapshot.subtree(&Key::new(&[region, "domainnames"]))?;
        Ok(Self::read_all(region, documents))
    }

    /// `documents` are in the order of their keys: a domain before what lies under it.
    fn read_all(region: &str, documents: Vec<(Key, Document)>) -> Vec<Self> {
        let mut domains = Vec::<Self>::new();
        for (key, document) in documents {
            let kind = key.segments().nth(3);
            match (kind, domains.last_mut()) {
                (None, _) => domains.extend(Self::read(region, &document)),
                (Some("basepathmappings"), Some(domain)) => {
                    domain.deployed.mappings.extend(ApiMapping::read(&document));
                }
                (Some("routingrules"), Some(domain)) => {
                    domain.deployed.rules.extend(RoutingRule::read(&document));
                }
                _ => {}
            }
        }
        domains
    }

    fn read(region: &str, document: &Document) -> Option<Self> {
        let domain = DomainName::read(document)?;
        let name = text(document, "domainNameArn").unwrap_or(&domain.name);
        let certificate = read_certificate(
            name,
            [text(document, "certificateBody"), text(document, "certificateChain")],
            text(document, "certificatePrivateKey"),
        );
        let region = region.to_owned();
        let (mappings, rules) = (Vec::new(), Vec::new());
        let deployed = DeployedDomain { region, domain, mappings, rules, is_closed: false };
        Some(Self { deployed, certificate })
    }
}

/// What the gateway shows to targets of stages that name this client certificate.
pub(super) fn load_client_certificate(
    snapshot: &Snapshot,
    region: &str,
    id: &str,
) -> Result<Option<CertificateText>, StoreError> {
    let document = snapshot.get(&Key::new(&[region, "clientcertificates", id]))?;
    Ok(document.and_then(|document| {
        let name = format!("arn:aws:apigateway:{region}::/clientcertificates/{id}");
        let chain = [text(&document, "pemEncodedCertificate"), None];
        read_certificate(&name, chain, text(&document, "privateKey"))
    }))
}

fn read_certificate(
    name: &str,
    chain: [Option<&str>; 2],
    key: Option<&str>,
) -> Option<CertificateText> {
    let [certificate, issuers] = chain;
    // Whoever writes PEM by hand leaves out the last line break.
    let certificate = format!("{}\n{}\n", certificate?, issuers.unwrap_or_default());
    Some(CertificateText { name: name.to_owned(), certificate, key: key?.to_owned() })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::model::EndpointType;
    use crate::store::Store;

    fn store(documents: &[(&[&str], Value)]) -> Store {
        let store = Store::in_memory(Box::new(|_| {})).expect("a store");
        let written = store.transact(|transaction| {
            for (key, value) in documents {
                let document = value.as_object().cloned().unwrap_or_default();
                transaction.put(Key::new(key), document);
            }
            Ok::<_, StoreError>(())
        });
        written.expect("written");
        store
    }

    #[test]
    fn a_domain_comes_with_all_that_lies_under_it() {
        let own = json!({
            "domainName": "a.example.com",
            "domainNameArn": "arn:a",
            "endpointConfiguration": {"types": ["REGIONAL"]},
            "certificateBody": "body",
            "certificateChain": "chain",
            "certificatePrivateKey": "key",
        });
        let rule = json!({
            "routingRuleId": "r", "priority": 1, "conditions": [],
            "actions": [{"invokeApi": {"apiId": "x", "stage": "prod"}}],
        });
        let mapping = |path: &str| json!({"basePath": path, "restApiId": "x", "stage": "prod"});
        let domain = ["r", "domainnames", "a.example.com"];
        let under = |more: [&'static str; 2]| [&domain[..], &more[..]].concat();
        let documents: Vec<(Vec<&str>, Value)> = vec![
            (domain.to_vec(), own),
            (under(["basepathmappings", "(none)"]), mapping("(none)")),
            (under(["basepathmappings", "a/b"]), mapping("a/b")),
            (under(["routingrules", "r"]), rule),
            (vec!["r", "domainnames", "b.example.com"], json!({"domainName": "b.example.com"})),
            (vec!["other", "domainnames", "c.example.com"], json!({"domainName": "c.example.com"})),
        ];
        let documents: Vec<_> =
            documents.iter().map(|(key, one)| (&key[..], one.clone())).collect();
        let store = store(&documents);
        let snapshot = store.snapshot().expect("a snapshot");
        let all = StoredDomain::load_all(&snapshot, "r").expect("read");
        let names: Vec<_> = all.iter().map(|one| one.deployed.domain.name.as_str()).collect();
        assert_eq!(names, ["a.example.com", "b.example.com"]);
        let first = &all[0].deployed;
        assert_eq!(first.domain.endpoint_types, [EndpointType::Regional]);
        let paths: Vec<_> = first.mappings.iter().map(|one| one.base_path.as_str()).collect();
        assert_eq!((paths, first.rules.len()), (vec!["", "a/b"], 1));
        let certificate = all[0].certificate.as_ref().expect("imported");
        assert_eq!(certificate.certificate, "body\nchain\n");
        assert_eq!((certificate.name.as_str(), certificate.key.as_str()), ("arn:a", "key"));
        assert_eq!(all[1].certificate, None);

        let one = StoredDomain::load(&snapshot, "r", "a.example.com").expect("read");
        assert_eq!(one.as_ref(), Some(&all[0]));
        assert_eq!(StoredDomain::load(&snapshot, "r", "c.example.com").expect("read"), None);
    }

    #[test]
    fn a_client_certificate_comes_with_its_key() {
        let documents: [(&[&str], Value); 2] = [
            (
                &["r", "clientcertificates", "c"],
                json!({"pemEncodedCertificate": "body", "privateKey": "key"}),
            ),
            (&["r", "clientcertificates", "d"], json!({"pemEncodedCertificate": "body"})),
        ];
        let store = store(&documents);
        let snapshot = store.snapshot().expect("a snapshot");
        let load = |id: &str| load_client_certificate(&snapshot, "r", id).expect("read");
        let text = load("c").expect("it is there");
        assert_eq!((text.certificate.as_str(), text.key.as_str()), ("body\n\n", "key"));
        assert_eq!(text.name, "arn:aws:apigateway:r::/clientcertificates/c");
        assert_eq!((load("d"), load("e")), (None, None));
    }
}
