//! Finds the stage of an API that was made through the management API.
//!
//! Owns AWS's forms of addresses; the boot file's are in `hosts`, which goes on where an answer is
//! [`AddressMatch::NotOurs`]. Asked in this order, and the first form that fits is final:
//!
//! 1. A custom domain: its rules by priority, then the mapping with the longest base path, as far
//!    as its mode says.
//! 2. `{api}.execute-api.{region}.{anything}`: the stage that the first segment names, else
//!    `$default`. `{api}-{vpce}` in its place is for private APIs alone, and where the first label
//!    is an endpoint alone the API is named by `x-apigw-api-id`.
//! 3. On any other host by path: `/_aws/execute-api/{api}/{stage}/...` and
//!    `/restapis/{api}/{stage}/_user_request_/...`.
//!
//! The invariant a newcomer would break: what may be reached is asked of the stage that was found,
//! never of the form, so there is no form that goes around `disableExecuteApiEndpoint` or the bounds
//! of a private API. The work of a lookup is bounded by what is configured: a path is read no
//! further than base paths and stage names go.

mod build;
mod domains;
mod endpoints;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

use self::domains::{DomainEntry, Domains, Hit};
use self::endpoints::{EndpointHost, EndpointPath, Endpoints, StageEntry};
use super::host_name::{HOST_BYTES_MAX, folded_name};
use crate::model::{ApiProtocol, DeployedDomain, EndpointAccessMode, EndpointType};

/// The addresses of every deployed stage, compiled.
#[derive(Debug, Default)]
pub struct Addresses {
    endpoints: Endpoints,
    domains: Domains,
}

/// A stage that can be addressed.
#[derive(Clone, Copy, Debug)]
pub struct AddressedStage<'a> {
    /// Its region.
    pub region: &'a str,
    /// The id of its API.
    pub api_id: &'a str,
    /// The kind of its API.
    pub protocol: ApiProtocol,
    /// Its name.
    pub stage_name: &'a str,
    /// What a match answers with: its index among the stages of the plan.
    pub stage_index: u32,
    /// AWS's `disableExecuteApiEndpoint`: custom domains alone lead to it.
    pub is_default_endpoint_disabled: bool,
    /// The type of its API's endpoint.
    pub endpoint_type: EndpointType,
    /// Of the default endpoint; a custom domain has its own.
    pub access_mode: EndpointAccessMode,
}

/// Where a request says it wants to go, and where it comes from.
#[derive(Clone, Copy, Debug)]
pub struct AddressQuery<'a> {
    /// The Host, with or without port.
    pub host: &'a [u8],
    /// The path, normalised.
    pub path: &'a [u8],
    /// Whether private APIs may be reached from there (`model::Listener::is_private_for`).
    pub is_private_source: bool,
    /// Which name the TLS handshake was for.
    pub handshake: HandshakeName<'a>,
    /// Whether the connection was made with a domain that asks clients for certificates.
    pub is_mutual_tls: bool,
}

/// Which name a TLS handshake was for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandshakeName<'a> {
    /// There was no handshake, so there is nothing to compare.
    Plain,
    /// None.
    Unnamed,
    /// This one.
    Named(&'a [u8]),
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressMatch {
    /// To a stage.
    Found(Address),
    /// Nowhere.
    Refused(AddressRefusal),
    /// To the health check of a custom domain, which is answered 200 (AWS's reserved `/ping` and
    /// `/sping`).
    Health {
        /// Index of the domain.
        domain_index: u32,
    },
    /// Neither a custom domain nor a form of a default endpoint.
    NotOurs,
}

/// The stage that a request goes to, and how it was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Address {
    /// The stage's index, as it was given.
    pub stage_index: u32,
    /// How much of the path was taken for the address: what is left is the path that routes see;
    /// nothing left is `/`.
    pub prefix_bytes: u16,
    /// By which form.
    pub form: AddressForm,
}

/// A form of addresses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressForm {
    /// The host of a default endpoint.
    DefaultHost,
    /// A path that names the API.
    Path,
    /// A custom domain.
    Domain {
        /// Index of the domain, as it was given.
        domain_index: u32,
        /// How much of the path the base path of the mapping or rule is, from its first slash on;
        /// 0 for `(none)`. More than the address takes where a rule does not strip it.
        base_path_bytes: u16,
        /// The rule that matched, for [`Addresses::rule_id`]; `None` if a mapping did.
        rule_index: Option<u32>,
    },
}

/// Why a request goes nowhere.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressRefusal {
    /// No API of the region has a deployed stage and this id.
    UnknownApi,
    /// The API has no such stage.
    NoSuchStage {
        /// The kind of the API.
        protocol: ApiProtocol,
    },
    /// The default endpoint of the API is closed.
    EndpointDisabled {
        /// The kind of the API.
        protocol: ApiProtocol,
    },
    /// The API or the domain can be reached from private sources alone.
    PrivateOnly,
    /// The handshake was for another name than the request, and the access mode is strict.
    OtherName,
    /// Clients of the domain must show certificates, and this one was not asked.
    ClientCertificateRequired,
    /// The custom domain leads nowhere from this path: no rule and no mapping match, or the one
    /// that matches is to a stage that is not deployed.
    NoMapping,
}

/// Something that leads nowhere. All the rest works.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct AddressProblem {
    /// Index of the domain that is concerned, if it is one.
    pub domain_index: Option<u32>,
    /// A sentence without full stop.
    pub message: String,
}

impl Addresses {
    /// Compiles the addresses of `stages`. What cannot be used is left out and told.
    #[must_use]
    pub fn compile(
        stages: &[AddressedStage<'_>],
        domains: &[DeployedDomain],
    ) -> (Self, Vec<AddressProblem>) {
        build::build(stages, domains)
    }

    /// Where a request goes. `header` gives the value of the header with that lower-case name.
    /// Does not allocate.
    #[inline]
    #[must_use]
    pub fn find<'h>(
        &self,
        query: &AddressQuery<'_>,
        header: impl Fn(&str) -> Option<&'h [u8]>,
    ) -> AddressMatch {
        self.find_among(query, &header)
    }

    /// The name of a domain that was matched, as it was given: it may begin with `*.`.
    #[must_use]
    pub fn domain_name(&self, domain_index: u32) -> Option<&str> {
        self.domains.get(domain_index).map(|domain| &*domain.name)
    }

    /// The id of a rule that matched.
    #[must_use]
    pub fn rule_id(&self, rule_index: u32) -> Option<&str> {
        self.domains.rule(rule_index).map(|rule| &*rule.id)
    }

    fn find_among<'h>(
        &self,
        query: &AddressQuery<'_>,
        header: &impl Fn(&str) -> Option<&'h [u8]>,
    ) -> AddressMatch {
        let mut folded = [0; HOST_BYTES_MAX];
        let name = folded_name(query.host, &mut folded).unwrap_or_default();
        if let Some((domain_index, domain)) = self.domains.find(name) {
            return self.find_in_domain(domain_index, domain, name, query, header);
        }
        let found = if let Some(host) = EndpointHost::parse(name) {
            let id = host.api_id.or_else(|| header(API_ID_HEADER)).unwrap_or_default();
            self.endpoints.find_by_host(&host, id, query.path)
        } else if let Some(path) = EndpointPath::parse(query.path) {
            self.endpoints.find_by_path(&path, query.path)
        } else {
            return AddressMatch::NotOurs;
        };
        answer(found.and_then(|found| found.checked(query, name)))
    }

    fn find_in_domain<'h>(
        &self,
        domain_index: u32,
        domain: &DomainEntry,
        name: &[u8],
        query: &AddressQuery<'_>,
        header: &impl Fn(&str) -> Option<&'h [u8]>,
    ) -> AddressMatch {
        if domain.is_private && !query.is_private_source {
            return AddressMatch::Refused(AddressRefusal::PrivateOnly);
        }
        if domain.is_closed || (domain.is_mutual && !query.is_mutual_tls) {
            return AddressMatch::Refused(AddressRefusal::ClientCertificateRequired);
        }
        if domain.is_strict && !query.handshake.is_for(name) {
            return AddressMatch::Refused(AddressRefusal::OtherName);
        }
        if matches!(query.path, b"/ping" | b"/sping") {
            return AddressMatch::Health { domain_index };
        }
        let Some(hit) = self.domains.hit(domain, query.path, header) else {
            return AddressMatch::Refused(AddressRefusal::NoMapping);
        };
        answer(self.follow(domain_index, &hit, query))
    }

    /// From the mapping or rule that matched to the stage.
    fn follow(
        &self,
        domain_index: u32,
        hit: &Hit,
        query: &AddressQuery<'_>,
    ) -> Result<Address, AddressRefusal> {
        let (stage, end) = self.endpoints.stage_of(hit.target, query.path, hit.stripped_end)?;
        if stage.is_private && !query.is_private_source {
            return Err(AddressRefusal::PrivateOnly);
        }
        let form = AddressForm::Domain {
            domain_index,
            base_path_bytes: prefix_bytes(hit.base_path_end)?,
            rule_index: hit.rule_index,
        };
        Ok(Address { stage_index: stage.stage_index, prefix_bytes: prefix_bytes(end)?, form })
    }
}

/// A stage of a default endpoint, before it is asked whether it may be reached.
#[derive(Debug)]
struct Found<'a> {
    stage: &'a StageEntry,
    protocol: ApiProtocol,
    /// Where its address ends in the path.
    end: usize,
    form: AddressForm,
}

impl Found<'_> {
    fn checked(&self, query: &AddressQuery<'_>, name: &[u8]) -> Result<Address, AddressRefusal> {
        if self.stage.is_private && !query.is_private_source {
            return Err(AddressRefusal::PrivateOnly);
        }
        if self.stage.is_strict && !query.handshake.is_for(name) {
            return Err(AddressRefusal::OtherName);
        }
        if self.stage.is_disabled {
            return Err(AddressRefusal::EndpointDisabled { protocol: self.protocol });
        }
        let prefix_bytes = prefix_bytes(self.end)?;
        Ok(Address { stage_index: self.stage.stage_index, prefix_bytes, form: self.form })
    }
}

impl HandshakeName<'_> {
    /// Whether it was for `name`, or there was none that could have been.
    fn is_for(self, name: &[u8]) -> bool {
        match self {
            Self::Plain => true,
            Self::Unnamed => false,
            Self::Named(own) => own.strip_suffix(b".").unwrap_or(own).eq_ignore_ascii_case(name),
        }
    }
}

fn answer(found: Result<Address, AddressRefusal>) -> AddressMatch {
    match found {
        Ok(address) => AddressMatch::Found(address),
        Err(refusal) => AddressMatch::Refused(refusal),
    }
}

/// A prefix that does not fit is longer than any path that routes match.
fn prefix_bytes(end: usize) -> Result<u16, AddressRefusal> {
    u16::try_from(end).map_err(|_| AddressRefusal::NoMapping)
}

/// Names the API of a request to a private endpoint.
const API_ID_HEADER: &str = "x-apigw-api-id";
