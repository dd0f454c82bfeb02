//! What a client's certificate says, as `$context.identity.clientCert.*` and events have it.

use rustls::pki_types::CertificateDer;

use super::certificate::parse;
use super::distinguished_name::{date_text, name_text, serial_text};
use super::pem;

/// A client's certificate in the words of AWS ("$context variables" in the API Gateway guide).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ClientCertificate {
    /// `clientCertPem`.
    pub client_cert_pem: String,
    /// `subjectDN`.
    pub subject_dn: String,
    /// `issuerDN`.
    pub issuer_dn: String,
    /// `serialNumber`: `a1:a1:a1`.
    pub serial_number: String,
    /// `validity.notBefore`: `May 28 12:30:02 2019 GMT`.
    pub not_before: String,
    /// `validity.notAfter`.
    pub not_after: String,
}

impl ClientCertificate {
    /// Reads the first certificate of what a client showed; `None` if it is none. Allocates: once
    /// for a connection, and only if somebody asks.
    #[must_use]
    pub fn read(shown: &[CertificateDer<'_>]) -> Option<Self> {
        let der = shown.first()?;
        let certificate = parse(der)?;
        let validity = certificate.validity();
        Some(Self {
            client_cert_pem: pem::write_certificate(der),
            subject_dn: name_text(certificate.subject()),
            issuer_dn: name_text(certificate.issuer()),
            serial_number: serial_text(certificate.raw_serial()),
            not_before: date_text(validity.not_before),
            not_after: date_text(validity.not_after),
        })
    }
}
