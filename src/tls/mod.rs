//! Certificates, security policies, trust stores: from files and settings to rustls
//! configurations. No sockets, no runtime.
//!
//! Owns what a handshake may negotiate, which certificate answers which name, what a client
//! certificate is worth, and the keys of session tickets. Knows nothing of listeners, connections
//! or epochs: whoever drives a connection asks [`ServerTls`] or [`UpstreamTls`] for a
//! configuration. The rule that a newcomer would break: a session that is resumed does not go
//! through the verifier again, so the answer of [`ClientTrust::judge`] is asked for on every
//! connection of a domain with mutual TLS, and tickets are bound to all that the verdict rests on.

mod acme;
mod certificate;
mod client;
mod client_certificate;
mod distinguished_name;
mod hello;
mod ocsp;
mod options;
mod pem;
mod policy;
mod policy_table;
mod problem;
mod provider;
mod resolver;
mod revocation;
mod server;
mod shown;
mod ticket_keys;
mod tickets;
mod trust;
mod trust_store;
mod verdict;
mod verifier;

#[cfg(test)]
mod handshake_tests;
#[cfg(test)]
mod test_authority;
#[cfg(test)]
mod test_handshake;

pub use acme::{ACME_TLS_ALPN, challenge_certificate, challenge_config};
pub use certificate::{Certificate, CertificateFacts, KeyKind};
pub use client::UpstreamTls;
pub use client_certificate::ClientCertificate;
pub use hello::{HelloReader, HelloStep, UNRECOGNIZED_NAME_ALERT};
pub use options::{
    Alpn, CertificateFiles, CertificateMaterial, CertificateSource, CertificateText, DomainOptions,
    MutualTlsOptions, OnInvalid, ServerRoots, UpstreamTlsOptions,
};
pub use policy::{Group, SecurityPolicy, Suite, TlsVersion};
pub use policy_table::policy_table;
pub use problem::{Loaded, TlsProblem};
pub use provider::{Clock, PROVIDER_NAME};
pub use resolver::NameTable;
pub use server::{DomainPart, DomainProblem, DomainTls, ServerTls};
pub use shown::{Expiry, ShownCertificate, ShownTo};
pub use ticket_keys::TicketKeys;
pub use trust::ClientTrust;
pub use verdict::{ClientVerdict, Distrust};
