//! Custom domain names as TLS serves them: certificates by ARN, policies, mutual TLS.
//!
//! What is wrong with one domain is told and closes TLS for that one alone: whoever made it cannot
//! see the files of this machine, and must not keep all others from starting. So every domain is
//! loaded here once, by itself, before it is put among the others.

mod last_certificates;

use std::fmt;
use std::sync::Arc;

pub(crate) use self::last_certificates::LastCertificates;

use super::management::{BoundSource, ManagementOptions, StoredDomain};
use crate::model::{
    Acme, AcmeChallenge, CertificateHeaders, DeployedDomain, Domain, DomainName, Tls,
};
use crate::tls::{
    Alpn, CertificateSource, Clock, DomainOptions, MutualTlsOptions, OnInvalid, SecurityPolicy,
    ServerTls, TicketKeys,
};

/// The domains of the store, ready for TLS and for addresses.
#[derive(Debug, Default)]
pub(crate) struct DeployedDomains {
    /// What TLS answers for, to be put behind the domains of the boot file.
    pub(crate) tls: Vec<Domain>,
    /// Where they lead, for `plan::Addresses`, in the order in which they were given.
    pub(crate) addresses: Vec<DeployedDomain>,
    /// What keeps domains from being served as they were asked for.
    pub(crate) problems: Vec<DeployedDomainProblem>,
}

/// What keeps a domain from being served as it was asked for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct DeployedDomainProblem {
    pub(crate) name: String,
    pub(crate) region: String,
    /// A sentence without full stop.
    pub(crate) message: String,
}

impl fmt::Display for DeployedDomainProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, region, message } = self;
        write!(out, "domain name {name} ({region}): {message}")
    }
}

/// Makes domains of what is stored. `boot` is what the boot file asks of TLS: its domains win over
/// those of the same name. Reads the files of certificates; where they cannot be used, what `last`
/// knows of them is shown on.
pub(crate) fn deployed_domains(
    stored: &[StoredDomain],
    options: &ManagementOptions,
    boot: &Tls,
    last: &mut LastCertificates,
    clock: &Clock,
) -> DeployedDomains {
    let mut deployed = DeployedDomains::default();
    last.retain(stored.iter().map(|one| &one.deployed));
    let mut builder = Builder { options, boot, last, clock };
    for one in stored {
        let (tls, messages) = builder.build(one, &deployed.tls);
        let DeployedDomain { domain, region, .. } = &one.deployed;
        deployed.problems.extend(messages.into_iter().map(|message| DeployedDomainProblem {
            name: domain.name.clone(),
            region: region.clone(),
            message,
        }));
        let is_closed = domain.mutual_tls.is_some() && !tls.asks_for_certificates();
        deployed.addresses.push(DeployedDomain { is_closed, ..one.deployed.clone() });
        if let DomainTls::Own(domain) = tls {
            deployed.tls.push(*domain);
        }
    }
    deployed
}

/// How TLS serves a domain.
enum DomainTls {
    /// As it was made through the management API.
    Own(Box<Domain>),
    /// As the boot file says, with client certificates or without.
    OfBootFile { is_mutual: bool },
    /// Not at all.
    Absent,
}

impl DomainTls {
    fn asks_for_certificates(&self) -> bool {
        match self {
            Self::Own(domain) => domain.options.mutual_tls.is_some(),
            Self::OfBootFile { is_mutual } => *is_mutual,
            Self::Absent => false,
        }
    }
}

struct Builder<'a> {
    options: &'a ManagementOptions,
    boot: &'a Tls,
    last: &'a mut LastCertificates,
    clock: &'a Clock,
}

impl Builder<'_> {
    /// What TLS makes of the domain, and what is wrong with it. `others` were built before.
    fn build(&mut self, stored: &StoredDomain, others: &[Domain]) -> (DomainTls, Vec<String>) {
        let own = &stored.deployed.domain;
        let has_name = |domain: &&Domain| domain.options.names.contains(&own.name);
        if let Some(first) = self.boot.domains.iter().find(has_name) {
            let message = "[[domain]] of the boot file has the name too, and its certificates, \
                policy and mutual TLS are served";
            let is_mutual = first.options.mutual_tls.is_some();
            return (DomainTls::OfBootFile { is_mutual }, vec![message.to_owned()]);
        }
        if others.iter().any(|domain| has_name(&domain)) {
            // Addresses tell of it: the first region has the name.
            return (DomainTls::Absent, Vec::new());
        }
        let mut messages = Vec::new();
        match self.options_of(stored, &mut messages) {
            Ok(options) => {
                let certificate_headers = CertificateHeaders::default();
                (DomainTls::Own(Box::new(Domain { options, certificate_headers })), messages)
            }
            Err(reason) => {
                let consequence = match own.mutual_tls {
                    Some(_) => "it is not served at all, as its clients must show certificates",
                    None => "it is served over plain HTTP only",
                };
                messages.push(format!("{reason}; {consequence}"));
                (DomainTls::Absent, messages)
            }
        }
    }

    /// The options, of which all could be loaded just now.
    fn options_of(
        &mut self,
        stored: &StoredDomain,
        messages: &mut Vec<String>,
    ) -> Result<DomainOptions, String> {
        let domain = &stored.deployed.domain;
        let options = DomainOptions {
            names: vec![domain.name.clone()],
            certificates: self.certificates_of(stored)?,
            policy: policy_of(domain, messages)?,
            mutual_tls: self.mutual_tls_of(domain)?,
            alpn: vec![Alpn::H2, Alpn::Http11],
        };
        let CertificateSource::Files(files) = &options.certificates else {
            return self.load(&options).map(|()| options);
        };
        let [files] = &files[..] else { return self.load(&options).map(|()| options) };
        let text = LastCertificates::read(files);
        match self.load(&options) {
            Ok(()) => {
                if let Some(text) = text {
                    self.last.keep(&stored.deployed, files, text);
                }
                Ok(options)
            }
            Err(reason) => {
                let text = self.last.find(&stored.deployed, files).ok_or_else(|| reason.clone())?;
                let certificates = CertificateSource::Text(text.clone());
                let options = DomainOptions { certificates, ..options };
                self.load(&options).map_err(|_| reason.clone())?;
                messages.push(format!("{reason}; the certificate of before is shown on"));
                Ok(options)
            }
        }
    }

    /// Loads one domain by itself; why it cannot be.
    fn load(&self, options: &DomainOptions) -> Result<(), String> {
        let tickets = TicketKeys::random(0).map_err(|problem| problem.to_string())?;
        let tried = ServerTls::load(std::slice::from_ref(options), &Arc::new(tickets), self.clock);
        tried.map(drop).map_err(|problems| {
            let texts: Vec<_> = problems.iter().map(|one| one.problem.to_string()).collect();
            texts.join("; ")
        })
    }

    fn certificates_of(&self, stored: &StoredDomain) -> Result<CertificateSource, String> {
        let domain = &stored.deployed.domain;
        let arn = domain.certificate_arn.as_deref();
        let bound = arn.and_then(|arn| self.options.certificates.iter().find(|one| one.arn == arn));
        match (bound.map(|bound| &bound.source), &stored.certificate, arn) {
            (Some(BoundSource::Files(files)), _, _) => {
                Ok(CertificateSource::Files(vec![files.clone()]))
            }
            (Some(BoundSource::Acme), _, _) => self.acme_certificate(&domain.name),
            (None, Some(text), _) => Ok(CertificateSource::Text(text.clone())),
            (None, None, Some(arn)) => {
                Err(format!("no [[management.certificate]] of the boot file has the ARN {arn}"))
            }
            (None, None, None) => Err("it has no certificate".to_owned()),
        }
    }

    fn acme_certificate(&self, name: &str) -> Result<CertificateSource, String> {
        let acme = self.boot.acme.as_ref().ok_or("the boot file has no [acme]")?;
        if name.starts_with("*.") && !matches!(acme.challenge, AcmeChallenge::Dns01(_)) {
            return Err("a wildcard can only be proved by dns-01".to_owned());
        }
        if name.len() > Acme::FIRST_NAME_BYTES_MAX {
            let max = Acme::FIRST_NAME_BYTES_MAX;
            return Err(format!("a name with a certificate of ACME has at most {max} bytes"));
        }
        Ok(CertificateSource::Acme(Acme::certificate_file(&acme.folder, name)))
    }

    fn mutual_tls_of(&self, domain: &DomainName) -> Result<Option<MutualTlsOptions>, String> {
        let Some(mutual) = &domain.mutual_tls else { return Ok(None) };
        let uri = &mutual.truststore_uri;
        let bound = self.options.trust_stores.iter().find(|one| one.uri == *uri);
        let bound = bound.ok_or_else(|| {
            format!("no [[management.truststore]] of the boot file has the URI {uri}")
        })?;
        Ok(Some(MutualTlsOptions {
            trust_store_file: bound.file.clone(),
            crl_files: Vec::new(),
            // AWS answers such clients with that.
            on_invalid: OnInvalid::Forbid,
        }))
    }
}

/// The policy by its name. What AWS would negotiate beside TLS 1.2 under its oldest one, this
/// gateway does not have.
fn policy_of(
    domain: &DomainName,
    messages: &mut Vec<String>,
) -> Result<&'static SecurityPolicy, String> {
    match SecurityPolicy::find(&domain.security_policy) {
        Ok(policy) => Ok(policy),
        Err(problem) if domain.security_policy == "TLS_1_0" => {
            messages.push(format!("{problem}; it is served as TLS_1_2"));
            Ok(SecurityPolicy::DEFAULT)
        }
        Err(problem) => Err(problem.to_string()),
    }
}

#[cfg(test)]
mod tests;
