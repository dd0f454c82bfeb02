//! The client's side: how targets are reached over TLS.

use std::fmt;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{Resumption, WebPkiServerVerifier};
use rustls::crypto::{
    CryptoProvider, WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature,
};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::SingleCertAndKey;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use webpki::EndEntityCert;

use super::certificate::{Certificate, parse, seconds};
use super::options::{CertificateMaterial, ServerRoots, UpstreamTlsOptions};
use super::pem::{self, read_file};
use super::problem::{Loaded, TlsProblem};
use super::provider::Clock;

/// How the targets of one group are reached.
pub struct UpstreamTls {
    config: ClientConfig,
    server_name: Option<ServerName<'static>>,
    is_insecure: bool,
    client_certificate: Option<Certificate>,
}

impl UpstreamTls {
    /// Loads all that the options name.
    pub fn load(options: &UpstreamTlsOptions, clock: &Clock) -> Result<Loaded<Self>, TlsProblem> {
        let mut warnings = Vec::new();
        let provider = options.policy.provider()?;
        let server_name = match &options.server_name {
            None => None,
            Some(name) => Some(parse_name(name)?),
        };
        let verifier = load_verifier(options, &provider, clock.now(), &mut warnings)?;
        let builder = ClientConfig::builder_with_details(provider, clock.provider())
            .with_protocol_versions(options.policy.versions())
            .map_err(|error| TlsProblem::new(format!("{}: {error}", options.policy.name)))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let loaded = match &options.client_certificate {
            None => None,
            Some(CertificateMaterial::Files(files)) => {
                Some(Certificate::load_of_client(files, clock.now())?)
            }
            Some(CertificateMaterial::Text(text)) => {
                Some(Certificate::read_of_client(text, clock.now())?)
            }
        };
        let client_certificate = loaded.map(|loaded| {
            warnings.extend(loaded.warnings);
            loaded.value
        });
        let mut config = match &client_certificate {
            None => builder.with_no_client_auth(),
            Some(certificate) => {
                let key = (*certificate.key).clone();
                builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key)))
            }
        };
        config.alpn_protocols = options.alpn.iter().map(|alpn| alpn.wire_name().to_vec()).collect();
        let is_insecure = options.insecure_skip_verification;
        let value = Self { config, server_name, is_insecure, client_certificate };
        Ok(Loaded { value, warnings })
    }

    /// The configuration for one shard, with a store of sessions of its own: rustls keeps it
    /// behind a lock, which no other shard may meet.
    #[must_use]
    pub fn shard_config(&self) -> Arc<ClientConfig> {
        let mut config = self.config.clone();
        config.resumption = Resumption::in_memory_sessions(SESSIONS_COUNT_MAX);
        Arc::new(config)
    }

    /// The name that is asked for and verified at a target: the one that was set, else the
    /// target's host, a name or an address. A problem if a host is neither.
    pub fn server_name(&self, host: &str) -> Result<ServerName<'static>, TlsProblem> {
        match &self.server_name {
            Some(name) => Ok(name.clone()),
            None => parse_name(host),
        }
    }

    /// What the gateway shows to targets that ask for a certificate.
    #[must_use]
    pub fn client_certificate(&self) -> Option<&Certificate> {
        self.client_certificate.as_ref()
    }

    /// Whether targets are believed whoever issued their certificates. What uses this says so in
    /// the log, at each start and reload.
    #[must_use]
    pub const fn is_insecure(&self) -> bool {
        self.is_insecure
    }
}

impl fmt::Debug for UpstreamTls {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let insecure = if self.is_insecure { ", INSECURE: any issuer is believed" } else { "" };
        write!(out, "UpstreamTls({:?}{insecure})", self.server_name)
    }
}

fn parse_name(name: &str) -> Result<ServerName<'static>, TlsProblem> {
    let bare = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    ServerName::try_from(bare.to_owned()).map_err(|_| {
        let shown = name.escape_debug();
        TlsProblem::new(format!("{shown} is neither a DNS name nor an IP address"))
    })
}

fn load_verifier(
    options: &UpstreamTlsOptions,
    provider: &Arc<CryptoProvider>,
    now: UnixTime,
    warnings: &mut Vec<TlsProblem>,
) -> Result<Arc<dyn ServerCertVerifier>, TlsProblem> {
    if options.insecure_skip_verification {
        warnings.push(TlsProblem::new(
            "insecure_skip_verification: whoever stands between the gateway and its targets can \
             read and change everything",
        ));
        let algorithms = provider.signature_verification_algorithms;
        return Ok(Arc::new(AnyIssuer { algorithms }));
    }
    let roots = Arc::new(load_roots(&options.roots, now, warnings)?);
    let verifier = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(provider)).build();
    let verifier =
        verifier.map_err(|error| TlsProblem::new(format!("the roots cannot be used: {error}")))?;
    Ok(verifier)
}

fn load_roots(
    source: &ServerRoots,
    now: UnixTime,
    warnings: &mut Vec<TlsProblem>,
) -> Result<RootCertStore, TlsProblem> {
    let mut roots = RootCertStore::empty();
    match source {
        ServerRoots::Mozilla => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        ServerRoots::System => {
            let (taken, _) =
                roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if taken == 0 {
                let help = "install the package ca-certificates, or set `ca_file` or `roots`";
                return Err(TlsProblem::new("this machine has no root certificates").help(help));
            }
        }
        ServerRoots::File(file) => {
            for (index, der) in
                pem::certificates(file, &read_file(file, ROOTS_BYTES_MAX)?)?.into_iter().enumerate()
            {
                let number = index + 1;
                if parse(&der)
                    .is_some_and(|one| one.validity().not_after.timestamp() < seconds(now))
                {
                    let message = format!("certificate {number} has expired");
                    warnings.push(TlsProblem::of_file(file, message));
                }
                roots.add(der).map_err(|error| {
                    let message = format!("certificate {number} is no authority's: {error}");
                    TlsProblem::of_file(file, message)
                })?;
            }
        }
    }
    Ok(roots)
}

/// Believes whoever issued a certificate, as AWS does with `insecureSkipVerification`: "API Gateway
/// still performs basic certificate validation", of dates and name.
#[derive(Debug)]
struct AnyIssuer {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyIssuer {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let malformed = || Error::from(CertificateError::BadEncoding);
        let parsed = parse(leaf).ok_or_else(malformed)?;
        let validity = parsed.validity();
        if seconds(now) > validity.not_after.timestamp() {
            return Err(CertificateError::Expired.into());
        }
        if seconds(now) < validity.not_before.timestamp() {
            return Err(CertificateError::NotValidYet.into());
        }
        EndEntityCert::try_from(leaf)
            .map_err(|_| malformed())?
            .verify_is_valid_for_subject_name(server_name)
            .map_err(|_| CertificateError::NotValidForName)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// Sessions that a shard remembers of a group's targets.
const SESSIONS_COUNT_MAX: usize = 256;
/// The bundle of a distribution is about 250 KiB.
const ROOTS_BYTES_MAX: u64 = 8 * 1024 * 1024;

#[cfg(test)]
mod tests;
