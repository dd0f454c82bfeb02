//! Mutual TLS of one domain: which client certificates are believed.
//!
//! The rules are AWS's ("Configuring mutual TLS authentication" in the API Gateway guide): the
//! whole chain up to a root is in the trust store, at most four certificates long, every one of
//! them valid now; RSA from 2048 bits, ECDSA from 256, SHA-256. Revocation lists come on top.

use std::cell::Cell;
use std::sync::Arc;

use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{
    EndEntityCert, ExpirationPolicy, KeyUsage, RevocationCheckDepth, RevocationOptionsBuilder,
    UnknownStatusPolicy, VerifiedPath,
};
use x509_parser::prelude::{GeneralName, ParsedExtension, X509Certificate};

use super::certificate::{parse, seconds};
use super::distinguished_name::has_nul;
use super::options::{MutualTlsOptions, OnInvalid};
use super::problem::{Loaded, TlsProblem};
use super::provider::{base_provider, digest};
use super::revocation::{RevocationList, load_lists};
use super::trust_store::TrustStore;
use super::verdict::{ClientVerdict, Distrust};

/// Which client certificates a domain believes.
#[derive(Debug)]
pub struct ClientTrust {
    pub(super) store: TrustStore,
    lists: Vec<RevocationList>,
    pub(super) algorithms: WebPkiSupportedAlgorithms,
    on_invalid: OnInvalid,
}

impl ClientTrust {
    /// Loads trust store and revocation lists. An error's index is that of the list, if it is in
    /// one.
    pub fn load(
        options: &MutualTlsOptions,
        now: UnixTime,
    ) -> Result<Loaded<Arc<Self>>, (Option<usize>, TlsProblem)> {
        let mut warnings = Vec::new();
        let store = TrustStore::load(&options.trust_store_file, now, &mut warnings)
            .map_err(|problem| (None, problem))?;
        let mut lists = Vec::new();
        for (index, file) in options.crl_files.iter().enumerate() {
            let found =
                load_lists(file, now, &mut warnings).map_err(|problem| (Some(index), problem))?;
            for list in &found {
                if !store.has_authority(&list.issuer) {
                    let message = "no authority in the trust store issued this revocation list";
                    warnings.push(TlsProblem::of_file(file, message));
                }
            }
            lists.extend(found);
        }
        let algorithms = base_provider().signature_verification_algorithms;
        let on_invalid = options.on_invalid;
        let value = Arc::new(Self { store, lists, algorithms, on_invalid });
        Ok(Loaded { value, warnings })
    }

    /// What a client gets that is not trusted.
    #[must_use]
    pub const fn on_invalid(&self) -> OnInvalid {
        self.on_invalid
    }

    /// What the certificates are worth that a client showed, its own first. Asked once for each
    /// connection, resumed ones included: a session carries the certificates, but not time.
    #[must_use]
    pub fn judge(&self, shown: Option<&[CertificateDer<'_>]>, now: UnixTime) -> ClientVerdict {
        match shown.and_then(<[_]>::split_first) {
            None => ClientVerdict::Absent,
            Some((leaf, intermediates)) => match self.verify(leaf, intermediates, now) {
                Ok(()) => ClientVerdict::Trusted,
                Err(reason) => ClientVerdict::Untrusted(reason),
            },
        }
    }

    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Distrust> {
        if intermediates.len() > SHOWN_COUNT_MAX {
            return Err(Distrust::ChainTooLong);
        }
        let parsed = parse(leaf).ok_or(Distrust::Malformed)?;
        if has_nul_in_name(&parsed)? {
            return Err(Distrust::NulInName);
        }
        if self.store.own_issued.contains(leaf) {
            return check_own_issued(&parsed, now);
        }
        self.verify_path(leaf, &parsed, intermediates, now)
    }

    fn verify_path(
        &self,
        leaf: &CertificateDer<'_>,
        parsed: &X509Certificate<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Distrust> {
        let end_entity =
            EndEntityCert::try_from(leaf).map_err(|error| Distrust::of_webpki(&error))?;
        let names =
            intermediates.iter().filter_map(parse).map(|one| one.issuer().as_raw().to_vec());
        let names = names.chain([parsed.issuer().as_raw().to_vec()]);
        let mut between = self.store.issuers_above(names);
        between.extend(intermediates.iter().map(|der| CertificateDer::from(der.as_ref())));
        let lists: Vec<_> = self.lists.iter().map(|list| &list.list).collect();
        let revocation = RevocationOptionsBuilder::new(&lists).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build()
        });
        // What was wrong with a path that leads to a root says more than that no other does.
        let reason = Cell::new(None);
        let check = |path: &VerifiedPath<'_>| {
            self.check_path(path, now).map_err(|distrust| {
                reason.set(Some(distrust));
                webpki::Error::UnknownIssuer
            })
        };
        let found = end_entity.verify_for_usage(
            self.algorithms.all,
            &self.store.anchors,
            &between,
            now,
            KeyUsage::client_auth(),
            revocation,
            Some(&check),
        );
        match found {
            Ok(_) => Ok(()),
            Err(error) => Err(reason.get().unwrap_or_else(|| Distrust::of_webpki(&error))),
        }
    }

    fn check_path(&self, path: &VerifiedPath<'_>, now: UnixTime) -> Result<(), Distrust> {
        if path.intermediate_certificates().count() + 2 > CHAIN_COUNT_MAX {
            return Err(Distrust::ChainTooLong);
        }
        let anchors = self.store.anchors.iter().zip(&self.store.anchor_dates);
        let mut dates = anchors.filter(|(anchor, _)| std::ptr::eq(*anchor, path.anchor()));
        let &(not_before, not_after) = dates.next().ok_or(Distrust::UnknownIssuer)?.1;
        check_dates(not_before, not_after, now)
    }

    /// Stands for all that a verdict rests on but time.
    pub(super) fn fingerprint(&self) -> [u8; 32] {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(match self.on_invalid {
            OnInvalid::Refuse => b"refuse",
            OnInvalid::Forbid => b"forbid",
        });
        let certificates = self.store.all.iter().map(|der| der.as_ref());
        let lists = self.lists.iter().map(|list| list.der.as_slice());
        for der in certificates.chain(lists) {
            hash.update(&(der.len() as u64).to_be_bytes());
            hash.update(der);
        }
        let mut fingerprint = [0; 32];
        fingerprint.copy_from_slice(hash.finish().as_ref());
        fingerprint
    }
}

/// A certificate that stands in the trust store itself, and issued itself. Whether its signature is
/// right does not matter: it is the same bytes, and the client proves that it has the key.
fn check_own_issued(certificate: &X509Certificate<'_>, now: UnixTime) -> Result<(), Distrust> {
    let validity = certificate.validity();
    check_dates(validity.not_before.timestamp(), validity.not_after.timestamp(), now)?;
    match certificate.extended_key_usage() {
        Ok(None) => Ok(()),
        Ok(Some(usage)) if usage.value.any || usage.value.client_auth => Ok(()),
        Ok(Some(_)) => Err(Distrust::WrongUsage),
        Err(_) => Err(Distrust::Malformed),
    }
}

fn check_dates(not_before: i64, not_after: i64, now: UnixTime) -> Result<(), Distrust> {
    match seconds(now) {
        now if now > not_after => Err(Distrust::Expired),
        now if now < not_before => Err(Distrust::NotYetValid),
        _ => Ok(()),
    }
}

/// Whether a name of the certificate holds a NUL (CVE-2025-66220): `admin\0.example.com` is one
/// name to us and another to what reads names of C.
fn has_nul_in_name(certificate: &X509Certificate<'_>) -> Result<bool, Distrust> {
    if has_nul(certificate.subject()) || has_nul(certificate.issuer()) {
        return Ok(true);
    }
    for extension in certificate.extensions() {
        let ParsedExtension::SubjectAlternativeName(names) = extension.parsed_extension() else {
            continue;
        };
        for name in &names.general_names {
            let has_nul = match name {
                GeneralName::DNSName(text)
                | GeneralName::RFC822Name(text)
                | GeneralName::URI(text) => text.contains('\0'),
                GeneralName::DirectoryName(name) => has_nul(name),
                GeneralName::Invalid(..) => return Err(Distrust::Malformed),
                _ => false,
            };
            if has_nul {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Certificates from a client's own to the root, both counted (AWS: "maximum chain length of
/// four").
const CHAIN_COUNT_MAX: usize = 4;
/// Certificates that a client may show besides its own; what is useful is at most two.
const SHOWN_COUNT_MAX: usize = 9;

#[cfg(test)]
mod tests;
