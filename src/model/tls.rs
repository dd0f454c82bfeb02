//! What is asked of TLS: domains, and which listeners and target groups speak it.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::acme::Acme;
use crate::tls::{DomainOptions, UpstreamTlsOptions};

/// What is asked of TLS. Nothing of it is loaded yet.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tls {
    /// The domains, in the order of the file; no name is there twice.
    pub domains: Vec<Domain>,
    /// The listeners that serve TLS, by name.
    pub listeners: BTreeMap<String, ListenerTls>,
    /// The listeners that send clients to HTTPS, by name, and to which port.
    pub redirects: BTreeMap<String, u16>,
    /// The target groups that are reached over TLS, by name.
    pub upstreams: BTreeMap<String, UpstreamTlsOptions>,
    /// Where the keys of session tickets come from.
    pub ticket_keys: TicketKeySource,
    /// How long clients keep tickets, and how often random keys are made anew.
    pub ticket_rotation_ms: u64,
    /// How certificates are had that the gateway orders itself.
    pub acme: Option<Acme>,
    /// How many days before a certificate expires the log warns of it.
    pub expiry_warning_days: u32,
}

impl Tls {
    /// Every file and folder whose change asks for a reload.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let domains = self.domains.iter().flat_map(|domain| domain.options.paths());
        let upstreams = self.upstreams.values().flat_map(UpstreamTlsOptions::paths);
        let mut paths: Vec<_> = domains.chain(upstreams).collect();
        if let TicketKeySource::File(file) = &self.ticket_keys {
            paths.push(file.clone());
        }
        paths
    }
}

/// A domain name with what clients of it get.
#[derive(Clone, Debug, PartialEq)]
pub struct Domain {
    /// Names, certificates, policy, mutual TLS.
    pub options: DomainOptions,
    /// What targets are told of the client's certificate.
    pub certificate_headers: CertificateHeaders,
}

/// The headers that tell targets of the client's certificate, lower case. What a client sends under
/// such a name is not believed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CertificateHeaders {
    /// The certificate as PEM, percent-encoded.
    pub certificate: Option<String>,
    /// Its subject.
    pub subject: Option<String>,
}

/// How a listener serves TLS.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct ListenerTls {
    /// The domain of clients that ask for no known name, by index; `None` refuses them.
    pub default_domain: Option<usize>,
    /// How long a handshake may take.
    pub handshake_timeout_ms: u64,
}

/// Where the keys of session tickets come from.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub enum TicketKeySource {
    /// Made in memory.
    #[default]
    Random,
    /// A file that several machines share.
    File(PathBuf),
}
