//! What a domain or a target group asks of TLS, parsed: names of files, a policy, modes.

use std::fmt;
use std::path::{Path, PathBuf};

use super::policy::SecurityPolicy;

/// What clients of one domain get.
#[derive(Clone, Debug, PartialEq)]
pub struct DomainOptions {
    /// The names that it answers, lower case: `api.example.com`, or `*.example.com` for every
    /// name with one label more. At least one.
    pub names: Vec<String>,
    /// Its certificates.
    pub certificates: CertificateSource,
    /// What a handshake may negotiate.
    pub policy: &'static SecurityPolicy,
    /// Whether clients must show a certificate.
    pub mutual_tls: Option<MutualTlsOptions>,
    /// The protocols that are offered, most wanted first.
    pub alpn: Vec<Alpn>,
}

/// Where certificates come from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertificateSource {
    /// Named files; at least one.
    Files(Vec<CertificateFiles>),
    /// Every pair of certificate and key in a folder, of which those are used that have one of
    /// the domain's names.
    Folder(PathBuf),
    /// A file of certificate and key that the gateway keeps itself, by ACME. It may not be there
    /// yet: clients are refused until it is.
    Acme(PathBuf),
    /// A certificate that is in no file.
    Text(CertificateText),
}

/// A certificate that is in no file.
#[derive(Clone, Eq, PartialEq)]
pub struct CertificateText {
    /// What messages call it.
    pub name: String,
    /// PEM: the certificate first, then its issuers.
    pub certificate: String,
    /// PEM: PKCS#8, PKCS#1 or SEC1.
    pub key: String,
}

impl fmt::Debug for CertificateText {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "CertificateText({}, secret)", self.name)
    }
}

/// One certificate, wherever it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum CertificateMaterial {
    /// In files.
    Files(CertificateFiles),
    /// In no file.
    Text(CertificateText),
}

/// The files of one certificate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct CertificateFiles {
    /// PEM: the certificate first, then its issuers.
    pub certificate_file: PathBuf,
    /// PEM: PKCS#8, PKCS#1 or SEC1. May be the same file.
    pub key_file: PathBuf,
    /// DER: an OCSP response for the certificate, to be stapled.
    pub ocsp_file: Option<PathBuf>,
}

impl CertificateFiles {
    /// Certificate and key in one file.
    #[must_use]
    pub fn of_one(file: &Path) -> Self {
        Self { certificate_file: file.to_owned(), key_file: file.to_owned(), ocsp_file: None }
    }
}

/// What clients must show.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct MutualTlsOptions {
    /// PEM: the certificates of authorities from the issuer up to the root, or of single clients.
    pub trust_store_file: PathBuf,
    /// Revocation lists, PEM or DER. With any, every authority below a root needs one.
    pub crl_files: Vec<PathBuf>,
    /// What a client gets whose certificate is missing or not trusted.
    pub on_invalid: OnInvalid,
}

/// What a client gets whose certificate is missing or not trusted.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum OnInvalid {
    /// The handshake fails with an alert.
    Refuse,
    /// The handshake passes, and every request is answered 403.
    Forbid,
}

/// A protocol inside TLS (RFC 7301).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Alpn {
    /// HTTP/2.
    H2,
    /// HTTP/1.1.
    Http11,
}

impl Alpn {
    /// Its name on the wire.
    #[must_use]
    pub const fn wire_name(self) -> &'static [u8] {
        match self {
            Self::H2 => b"h2",
            Self::Http11 => b"http/1.1",
        }
    }
}

/// How targets of a group are reached over TLS.
#[derive(Clone, Debug, PartialEq)]
pub struct UpstreamTlsOptions {
    /// Whose certificates are believed.
    pub roots: ServerRoots,
    /// The name that is asked for (SNI) and verified, in place of the target's host.
    pub server_name: Option<String>,
    /// AWS's `insecureSkipVerification`: whoever issued the target's certificate is believed.
    /// Its dates and its name are verified all the same.
    pub insecure_skip_verification: bool,
    /// What the gateway shows when a target asks for a certificate.
    pub client_certificate: Option<CertificateMaterial>,
    /// What may be negotiated.
    pub policy: &'static SecurityPolicy,
    /// The protocols that are offered, most wanted first.
    pub alpn: Vec<Alpn>,
}

impl CertificateFiles {
    /// Every file whose change asks for a reload.
    pub(crate) fn paths(&self) -> impl Iterator<Item = PathBuf> + use<> {
        let own = [self.certificate_file.clone(), self.key_file.clone()];
        own.into_iter().chain(self.ocsp_file.clone())
    }
}

impl UpstreamTlsOptions {
    /// What AWS does where nothing is set: the roots of this machine, no certificate of its own.
    #[must_use]
    pub fn new(alpn: Alpn) -> Self {
        Self {
            roots: ServerRoots::System,
            server_name: None,
            insecure_skip_verification: false,
            client_certificate: None,
            policy: SecurityPolicy::UPSTREAM_DEFAULT,
            alpn: vec![alpn],
        }
    }

    /// Every file whose change asks for a reload.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        if let ServerRoots::File(file) = &self.roots {
            paths.push(file.clone());
        }
        if let Some(CertificateMaterial::Files(files)) = &self.client_certificate {
            paths.extend(files.paths());
        }
        paths
    }
}

/// Whose certificates are believed of servers.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum ServerRoots {
    /// The roots of this machine.
    #[default]
    System,
    /// Mozilla's roots, as they were when the gateway was built.
    Mozilla,
    /// PEM: these authorities and no others.
    File(PathBuf),
}
