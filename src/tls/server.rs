//! The server's side: from domains to one rustls configuration for each.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::UnixTime;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};

use super::certificate::{Certificate, find_in_folder};
use super::options::{Alpn, CertificateFiles, CertificateSource, DomainOptions};
use super::policy::SecurityPolicy;
use super::problem::{Loaded, TlsProblem};
use super::provider::{Clock, digest};
use super::resolver::{CertificateSet, NameTable, is_dns_name};
use super::ticket_keys::TicketKeys;
use super::tickets::DomainTickets;
use super::trust::ClientTrust;
use super::verifier::ClientVerifier;

/// Every domain's configuration, and which name leads to which. Made anew at each reload; shards
/// share it without writing.
#[derive(Debug, Default)]
pub struct ServerTls {
    domains: Vec<Arc<DomainTls>>,
    names: NameTable<usize>,
}

/// What connections of one domain get.
#[derive(Debug)]
pub struct DomainTls {
    /// Its place among the domains.
    pub index: usize,
    /// The first of its names, for logs and metrics.
    pub name: String,
    /// What rustls is given.
    pub config: Arc<ServerConfig>,
    /// Which clients are believed; `None` if none is asked for a certificate.
    pub trust: Option<Arc<ClientTrust>>,
    /// What stays the same from one load to the next while the same clients are believed.
    trust_identity: Option<Box<str>>,
    /// What may be negotiated.
    pub policy: &'static SecurityPolicy,
    /// What it shows.
    pub certificates: Vec<Certificate>,
}

/// What is wrong with a domain.
#[derive(Clone, Debug)]
pub struct DomainProblem {
    /// Its place among the domains.
    pub domain: usize,
    /// Which part of it.
    pub part: DomainPart,
    /// What is wrong.
    pub problem: TlsProblem,
}

/// A part of a domain's options.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DomainPart {
    /// One of its names, by index.
    Name(usize),
    /// One of its certificates, by index.
    Certificate(usize),
    /// The folder of its certificates.
    Folder,
    /// Its policy.
    Policy,
    /// Its trust store.
    TrustStore,
    /// One of its revocation lists, by index.
    RevocationList(usize),
}

impl ServerTls {
    /// Loads all that the domains name. Every domain with a problem is reported.
    pub fn load(
        domains: &[DomainOptions],
        tickets: &Arc<TicketKeys>,
        clock: &Clock,
    ) -> Result<Loaded<Self>, Vec<DomainProblem>> {
        let mut loading = Loading { clock, tickets, warnings: Vec::new(), problems: Vec::new() };
        let mut server = Self::default();
        for (index, options) in domains.iter().enumerate() {
            for (position, name) in options.names.iter().enumerate() {
                if let Err(problem) = server.add_name(name, index) {
                    loading.record(index, DomainPart::Name(position), problem);
                }
            }
            server.domains.extend(loading.load_domain(index, options).map(Arc::new));
        }
        match loading.problems.is_empty() {
            true => Ok(Loaded { value: server, warnings: loading.warnings }),
            false => Err(loading.problems),
        }
    }

    fn add_name(&mut self, name: &str, domain: usize) -> Result<(), TlsProblem> {
        if !is_dns_name(name.strip_prefix("*.").unwrap_or(name)) {
            return Err(TlsProblem::new(format!("{} is no name of a domain", name.escape_debug())));
        }
        self.names.insert(name, domain).map_err(|_| {
            TlsProblem::new(format!("the name {name} belongs to another domain already"))
        })
    }

    /// The domains, in the order of their options.
    #[must_use]
    pub fn domains(&self) -> &[Arc<DomainTls>] {
        &self.domains
    }

    /// The domain that answers a client: that of the name it asks for, else `default`. A listener
    /// that refuses unknown names has no default, and then gets `None`.
    #[must_use]
    pub fn select(
        &self,
        server_name: Option<&str>,
        default: Option<usize>,
    ) -> Option<&Arc<DomainTls>> {
        let found = server_name.and_then(|name| self.names.find(name)).copied();
        self.domains.get(found.or(default)?)
    }

    /// Whether a request for `host` (without port) may be served on a connection that was made
    /// with `domain`. What another domain asks of clients, a connection must not go around by
    /// naming it in its requests only; such a request is answered 421 (RFC 9110 section 15.5.20).
    #[must_use]
    pub fn may_serve(&self, domain: &DomainTls, host: &str) -> bool {
        match self.names.find(host).and_then(|index| self.domains.get(*index)) {
            Some(own) => own.trust.is_none() || own.trust_identity == domain.trust_identity,
            None => true,
        }
    }
}

impl DomainOptions {
    /// By whose word clients are believed: the domain's, by its trust store.
    fn trust_identity(&self) -> Option<Box<str>> {
        let file = self.mutual_tls.as_ref()?.trust_store_file.display();
        Some(format!("{} {file}", self.names.first()?).into())
    }

    /// Every file and folder whose change asks for a reload.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let mut paths = Vec::new();
        match &self.certificates {
            CertificateSource::Folder(folder) => paths.push(folder.clone()),
            CertificateSource::Files(files) => {
                paths.extend(files.iter().flat_map(CertificateFiles::paths));
            }
            // Whoever writes it brings it into force.
            CertificateSource::Acme(_) | CertificateSource::Text(_) => {}
        }
        if let Some(mutual) = &self.mutual_tls {
            paths.push(mutual.trust_store_file.clone());
            paths.extend(mutual.crl_files.iter().cloned());
        }
        paths
    }
}

struct Loading<'a> {
    clock: &'a Clock,
    tickets: &'a Arc<TicketKeys>,
    warnings: Vec<TlsProblem>,
    problems: Vec<DomainProblem>,
}

impl Loading<'_> {
    fn record(&mut self, domain: usize, part: DomainPart, problem: TlsProblem) {
        self.problems.push(DomainProblem { domain, part, problem });
    }

    /// `None` if a problem was recorded.
    fn load_domain(&mut self, index: usize, options: &DomainOptions) -> Option<DomainTls> {
        let now = self.clock.now();
        let problems_before = self.problems.len();
        let certificates = self.load_certificates(index, options, now);
        let trust = self.load_trust(index, options, now);
        self.warnings.extend(options.policy.warning().map(TlsProblem::new));
        let config = self.configure(options, &certificates, trust.as_ref());
        match config {
            Ok(config) if self.problems.len() == problems_before => Some(DomainTls {
                index,
                name: options.names.first().cloned().unwrap_or_default(),
                config: Arc::new(config),
                trust_identity: options.trust_identity(),
                trust,
                policy: options.policy,
                certificates,
            }),
            Ok(_) => None,
            Err(problem) => {
                self.record(index, DomainPart::Policy, problem);
                None
            }
        }
    }

    fn load_certificates(
        &mut self,
        index: usize,
        options: &DomainOptions,
        now: UnixTime,
    ) -> Vec<Certificate> {
        let (files, folder) = match &options.certificates {
            CertificateSource::Acme(file) => return self.load_issued(file, options, now),
            CertificateSource::Text(text) => {
                let mut certificates = Vec::new();
                let read = Certificate::read(text, now);
                self.take(index, options, DomainPart::Certificate(0), read, &mut certificates);
                self.check_names(index, options, &certificates);
                return certificates;
            }
            CertificateSource::Files(files) => (files.clone(), None),
            CertificateSource::Folder(folder) => match find_in_folder(folder) {
                Ok(files) => (files, Some(folder)),
                Err(problem) => {
                    self.record(index, DomainPart::Folder, problem);
                    return Vec::new();
                }
            },
        };
        let mut certificates = Vec::new();
        for (position, files) in files.iter().enumerate() {
            let part = folder.map_or(DomainPart::Certificate(position), |_| DomainPart::Folder);
            let loaded = Certificate::load(files, now);
            self.take(index, options, part, loaded, &mut certificates);
        }
        self.check_names(index, options, &certificates);
        certificates
    }

    /// Takes a certificate if it has one of the domain's names. Others may lie in a folder.
    fn take(
        &mut self,
        index: usize,
        options: &DomainOptions,
        part: DomainPart,
        loaded: Result<Loaded<Certificate>, TlsProblem>,
        certificates: &mut Vec<Certificate>,
    ) {
        match loaded {
            Err(problem) => self.record(index, part, problem),
            Ok(Loaded { value, warnings }) => {
                if options.names.iter().any(|name| value.facts.covers(name)) {
                    self.warnings.extend(warnings);
                    certificates.push(value);
                } else if part != DomainPart::Folder {
                    self.record(index, part, other_names(&value, &options.names));
                }
            }
        }
    }

    /// The certificate that ACME has issued, if there is one. What is wrong with it is a warning:
    /// it is ordered anew, which no mistake of an operator's has to wait for.
    fn load_issued(
        &mut self,
        file: &Path,
        options: &DomainOptions,
        now: UnixTime,
    ) -> Vec<Certificate> {
        let names = options.names.join(", ");
        if !file.exists() {
            let message = format!("no certificate yet: clients are refused until one for {names}");
            self.warnings.push(TlsProblem::of_file(file, message + " is issued"));
            return Vec::new();
        }
        match Certificate::load(&CertificateFiles::of_one(file), now) {
            Err(problem) => {
                self.warnings.push(problem);
                Vec::new()
            }
            Ok(Loaded { value, warnings }) => {
                self.warnings.extend(warnings);
                let (own, other): (Vec<_>, Vec<_>) =
                    options.names.iter().partition(|name| value.facts.covers(name));
                for name in other {
                    let message = format!("not for {name}: a certificate for {names} is ordered");
                    self.warnings.push(TlsProblem::of_file(file, message));
                }
                if own.is_empty() { Vec::new() } else { vec![value] }
            }
        }
    }

    /// A name that no certificate is for would only ever fail; unless a certificate has a problem
    /// of its own, which may be why.
    fn check_names(&mut self, index: usize, options: &DomainOptions, found: &[Certificate]) {
        if self.problems.iter().any(|one| one.domain == index) {
            return;
        }
        for (position, name) in options.names.iter().enumerate() {
            if !found.iter().any(|one| one.facts.covers(name)) {
                let message = format!("no certificate of the domain is for {name}");
                let problem = TlsProblem::new(message)
                    .help("add a certificate that has the name in its subjectAltName");
                self.record(index, DomainPart::Name(position), problem);
            }
        }
    }

    fn load_trust(
        &mut self,
        index: usize,
        options: &DomainOptions,
        now: UnixTime,
    ) -> Option<Arc<ClientTrust>> {
        match ClientTrust::load(options.mutual_tls.as_ref()?, now) {
            Ok(Loaded { value, warnings }) => {
                self.warnings.extend(warnings);
                Some(value)
            }
            Err((list, problem)) => {
                let part = list.map_or(DomainPart::TrustStore, DomainPart::RevocationList);
                self.record(index, part, problem);
                None
            }
        }
    }

    fn configure(
        &self,
        options: &DomainOptions,
        certificates: &[Certificate],
        trust: Option<&Arc<ClientTrust>>,
    ) -> Result<ServerConfig, TlsProblem> {
        let policy = options.policy;
        let verifier = match trust {
            None => WebPkiClientVerifier::no_client_auth(),
            Some(trust) => Arc::new(ClientVerifier(Arc::clone(trust))),
        };
        let builder = ServerConfig::builder_with_details(policy.provider()?, self.clock.provider())
            .with_protocol_versions(policy.versions())
            .map_err(|error| TlsProblem::new(format!("{}: {error}", policy.name)))?;
        let mut config = builder
            .with_client_cert_verifier(verifier)
            .with_cert_resolver(Arc::new(CertificateSet::new(certificates)));
        config.alpn_protocols = options.alpn.iter().map(|alpn| alpn.wire_name().to_vec()).collect();
        // A cache would be one lock for all shards, and no other machine would know of it.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        let binding = binding(options, trust.map(|trust| trust.fingerprint()));
        config.ticketer = Arc::new(DomainTickets::new(Arc::clone(self.tickets), binding));
        // Early data can be replayed by anyone (RFC 8446 section 8).
        config.max_early_data_size = 0;
        Ok(config)
    }
}

fn other_names(certificate: &Certificate, wanted: &[String]) -> TlsProblem {
    let own = certificate.facts.names.join(", ");
    let message = format!("the certificate is for {own}, not for {}", wanted.join(" or "));
    TlsProblem::of_file(&certificate.file, message)
        .help("name the file of the domain's own certificate, or add the name to the domain")
}

/// What a ticket of the domain is bound to: its names, its policy and its trust store.
fn binding(options: &DomainOptions, trust: Option<[u8; 32]>) -> [u8; 32] {
    let mut hash = digest::Context::new(&digest::SHA256);
    let mut part = |bytes: &[u8]| {
        hash.update(&(bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    let mut names = options.names.clone();
    names.sort();
    for name in &names {
        part(name.as_bytes());
    }
    part(b"");
    part(options.policy.name.as_bytes());
    for alpn in &options.alpn {
        part(Alpn::wire_name(*alpn));
    }
    part(trust.as_ref().map_or(&[], |fingerprint| &fingerprint[..]));
    let mut binding = [0; 32];
    binding.copy_from_slice(hash.finish().as_ref());
    binding
}

#[cfg(test)]
mod tests;
