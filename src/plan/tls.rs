//! TLS of a plan, loaded.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{CertificateHeaders, ListenerTls};
use crate::tls::{Certificate, ServerTls, ShownCertificate, ShownTo, UpstreamTls};

/// What connections negotiate by. Files were read before the plan was published, so nothing of it
/// can fail to load on a shard.
#[derive(Clone, Debug, Default)]
pub struct TlsPlan {
    /// The domains of all listeners.
    pub server: Arc<ServerTls>,
    /// What targets are told of clients' certificates, by domain.
    pub certificate_headers: Arc<[CertificateHeaders]>,
    /// The names of all of those headers, lower case: what any client sends under one is not
    /// believed, whichever listener it comes by.
    pub certificate_header_names: Arc<[Box<str>]>,
    /// The listeners that serve TLS, by name.
    pub listeners: BTreeMap<String, ListenerTls>,
    /// The listeners that send clients to HTTPS, by name, and to which port.
    pub redirects: BTreeMap<String, u16>,
    /// How the targets of groups are reached, by the group's name.
    pub upstreams: BTreeMap<String, Arc<UpstreamTls>>,
}

impl TlsPlan {
    /// Every certificate that clients and targets are shown.
    #[must_use]
    pub fn certificates(&self) -> Vec<ShownCertificate> {
        let to_clients = self.server.domains().iter().flat_map(|domain| {
            let shown = |one: &Certificate| {
                ShownCertificate::new(ShownTo::Clients(domain.name.clone()), one)
            };
            domain.certificates.iter().map(shown)
        });
        let to_targets = self.upstreams.iter().filter_map(|(group, tls)| {
            let certificate = tls.client_certificate()?;
            Some(ShownCertificate::new(ShownTo::Targets(group.clone()), certificate))
        });
        to_clients.chain(to_targets).collect()
    }
}
