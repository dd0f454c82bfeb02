//! What a server shows to prove by TLS that a name is its own: the tls-alpn-01 challenge of ACME
//! (RFC 8737).

use std::sync::Arc;

use rcgen::{CertificateParams, CustomExtension, DistinguishedName, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};

use super::problem::TlsProblem;
use super::provider::base_provider;

/// The protocol that an authority asks for when it validates a name (RFC 8737 section 6.2).
pub const ACME_TLS_ALPN: &[u8] = b"acme-tls/1";

/// The certificate that proves `name`: it issued itself, has that name alone, and the digest of
/// the key authorization in a critical extension (RFC 8737 section 3).
pub fn challenge_certificate(name: &str, digest: [u8; 32]) -> Result<CertifiedKey, TlsProblem> {
    let failed = |error: rcgen::Error| {
        TlsProblem::new(format!("cannot make the challenge certificate of {name}: {error}"))
    };
    let key = KeyPair::generate().map_err(failed)?;
    let mut params = CertificateParams::new(vec![name.to_owned()]).map_err(failed)?;
    params.distinguished_name = DistinguishedName::new();
    params.custom_extensions = vec![CustomExtension::new_acme_identifier(&digest)];
    let certificate = params.self_signed(&key).map_err(failed)?;
    let key = PrivatePkcs8KeyDer::from(key.serialize_der());
    let key = base_provider().key_provider.load_private_key(key.into()).map_err(|error| {
        TlsProblem::new(format!("the challenge key of {name} is not usable: {error}"))
    })?;
    Ok(CertifiedKey::new(vec![certificate.der().clone()], key))
}

/// The configuration for the one handshake of a validation: that certificate, that protocol, and
/// nothing that outlives the connection. Such a connection carries no request (RFC 8737 section 3).
pub fn challenge_config(certificate: &CertifiedKey) -> Result<Arc<ServerConfig>, TlsProblem> {
    let mut config = ServerConfig::builder_with_provider(base_provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsProblem::new(format!("the challenge cannot be shown: {error}")))?
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certificate.clone())));
    config.alpn_protocols = vec![ACME_TLS_ALPN.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use x509_parser::der_parser::oid;
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};

    #[test]
    fn the_certificate_has_the_name_and_the_digest() {
        let key = challenge_certificate("api.example.com", [7; 32]).expect("a certificate");
        let (rest, certificate) = X509Certificate::from_der(&key.cert[0]).expect("X.509");
        assert!(rest.is_empty() && key.cert.len() == 1);
        let names = certificate.subject_alternative_name().expect("well-formed").expect("there");
        assert_eq!(names.value.general_names, [GeneralName::DNSName("api.example.com")]);
        // id-pe-acmeIdentifier, an OCTET STRING of 32 bytes.
        let extension = certificate.extensions().iter();
        let mut extension =
            extension.filter(|one| one.oid == oid!(1.3.6.1.5.5.7.1.31) && one.critical);
        let mut value = vec![0x04, 0x20];
        value.extend([7; 32]);
        assert_eq!(extension.next().expect("the extension").value, value);
        assert!(extension.next().is_none());
        let config = challenge_config(&key).expect("a configuration");
        assert_eq!(config.alpn_protocols, [b"acme-tls/1".to_vec()]);
    }

    #[test]
    fn a_name_that_no_certificate_can_have_is_a_problem() {
        let problem = challenge_certificate("ä.example", [0; 32]).expect_err("not ASCII");
        assert!(problem.message.contains("ä.example"), "{problem}");
    }
}
