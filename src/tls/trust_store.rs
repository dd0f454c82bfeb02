//! A trust store: one PEM file with the certificates of authorities from issuers up to roots, and
//! of single clients that issued their own ("Configuring your truststore" in the API Gateway
//! guide).
//!
//! A certificate that has no effect is a warning, as it is at AWS: the others still work.

use std::collections::{HashMap, HashSet};
use std::path::Path;

use rustls::DistinguishedName;
use rustls::pki_types::{CertificateDer, TrustAnchor, UnixTime};
use x509_parser::prelude::X509Certificate;
use x509_parser::public_key::PublicKey;

use super::certificate::{parse, seconds};
use super::distinguished_name::{date_text, name_text};
use super::pem::{self, read_file};
use super::problem::TlsProblem;

/// The certificates that clients may lead to.
#[derive(Debug, Default)]
pub(super) struct TrustStore {
    pub(super) anchors: Vec<TrustAnchor<'static>>,
    /// When each anchor begins and ends; webpki leaves that to us.
    pub(super) anchor_dates: Vec<(i64, i64)>,
    /// The names of anchors, whole.
    roots: HashSet<Vec<u8>>,
    /// Authorities below a root, by their own names.
    issuers: HashMap<Vec<u8>, Vec<CertificateDer<'static>>>,
    /// Certificates that issued themselves, which a client may show as they are.
    pub(super) own_issued: Vec<CertificateDer<'static>>,
    pub(super) hints: Vec<DistinguishedName>,
    /// All certificates, for what tickets are bound to.
    pub(super) all: Vec<CertificateDer<'static>>,
}

impl TrustStore {
    pub(super) fn load(
        file: &Path,
        now: UnixTime,
        warnings: &mut Vec<TlsProblem>,
    ) -> Result<Self, TlsProblem> {
        let bytes = read_file(file, STORE_BYTES_MAX)?;
        let all = pem::certificates(file, &bytes)?;
        if all.len() > STORE_COUNT_MAX {
            let message =
                format!("holds {} certificates; at most {STORE_COUNT_MAX} are taken", all.len());
            return Err(TlsProblem::of_file(file, message));
        }
        let mut store = Self::default();
        let mut subjects = HashMap::new();
        for (index, der) in all.iter().enumerate() {
            let warn = |message: String| {
                TlsProblem::of_file(file, format!("certificate {}: {message}", index + 1))
            };
            match parse(der) {
                None => warnings.push(warn("is no X.509 certificate, and has no effect".into())),
                Some(certificate) => {
                    let found = store.add(der, &certificate, now, &mut subjects);
                    warnings.extend(found.into_iter().map(warn));
                }
            }
        }
        if store.anchors.is_empty() && store.own_issued.is_empty() {
            let help =
                "a trust store has every authority from the issuer of clients up to the root";
            return Err(TlsProblem::of_file(file, "holds no root, so no client would be trusted")
                .help(help));
        }
        store.warn_of_missing_roots(file, warnings);
        store.bound_hints();
        store.all = all;
        Ok(store)
    }

    /// Sorts a certificate in. Returns what is odd about it.
    fn add(
        &mut self,
        der: &CertificateDer<'static>,
        certificate: &X509Certificate<'_>,
        now: UnixTime,
        subjects: &mut HashMap<Vec<u8>, Vec<u8>>,
    ) -> Vec<String> {
        let (subject, issuer) =
            (certificate.subject().as_raw().to_vec(), certificate.issuer().as_raw().to_vec());
        let name = name_text(certificate.subject());
        let mut odd = date_notes(&name, certificate, now);
        if is_weak(certificate) {
            odd.push(format!(
                "the key of {name} is too weak, and nothing that it signed is trusted"
            ));
        }
        let before = subjects.insert(subject.clone(), issuer.clone());
        if before.is_some_and(|before| before != issuer) {
            odd.push(format!(
                "the certificate subject {name} conflicts with an existing certificate from a \
                 different issuer"
            ));
        }
        match (subject == issuer, may_issue(certificate)) {
            (true, may_issue) => {
                if may_issue {
                    match webpki::anchor_from_trusted_cert(der) {
                        Ok(anchor) => self.add_anchor(anchor.to_owned(), certificate),
                        Err(error) => odd.push(format!("{name} cannot be used as a root: {error}")),
                    }
                }
                self.own_issued.push(der.clone());
            }
            (false, true) => {
                self.issuers.entry(subject.clone()).or_default().push(der.clone());
            }
            (false, false) => {
                odd.push(format!(
                    "{name} is neither an authority's certificate nor one that issued itself, and \
                     has no effect"
                ));
                return odd;
            }
        }
        self.hints.push(DistinguishedName::from(subject));
        odd
    }

    fn add_anchor(&mut self, anchor: TrustAnchor<'static>, certificate: &X509Certificate<'_>) {
        let validity = certificate.validity();
        self.anchors.push(anchor);
        self.roots.insert(certificate.subject().as_raw().to_vec());
        self.anchor_dates.push((validity.not_before.timestamp(), validity.not_after.timestamp()));
    }

    /// AWS wants the whole chain up to the root in the store, and so does the verifier.
    fn warn_of_missing_roots(&self, file: &Path, warnings: &mut Vec<TlsProblem>) {
        for der in self.issuers.values().flatten() {
            let Some(certificate) = parse(der) else { continue };
            let issuer = certificate.issuer().as_raw();
            if !self.has_authority(issuer) {
                let message = format!(
                    "the issuer of {} ({}) is not in the trust store",
                    name_text(certificate.subject()),
                    name_text(certificate.issuer())
                );
                let help = "add every authority up to the root, or its clients are refused";
                warnings.push(TlsProblem::of_file(file, message).help(help));
            }
        }
    }

    /// Clients are told which authorities are believed, so that they can choose; with more than
    /// fit they are told nothing, and send what they have.
    fn bound_hints(&mut self) {
        self.hints.sort_by(|a, b| a.as_ref().cmp(b.as_ref()));
        self.hints.dedup_by(|a, b| a.as_ref() == b.as_ref());
        let bytes: usize = self.hints.iter().map(|hint| hint.as_ref().len() + 2).sum();
        if bytes > HINTS_BYTES_MAX {
            self.hints.clear();
        }
    }

    /// Whether the store has an authority of that name.
    pub(super) fn has_authority(&self, name: &[u8]) -> bool {
        self.issuers.contains_key(name) || self.roots.contains(name)
    }

    /// The authorities of the store that may stand between a certificate of that issuer and a
    /// root, so that a store of a thousand is not read for each client.
    pub(super) fn issuers_above<'a>(
        &'a self,
        names: impl IntoIterator<Item = Vec<u8>>,
    ) -> Vec<CertificateDer<'a>> {
        let mut wanted: Vec<_> = names.into_iter().collect();
        let mut found: Vec<CertificateDer<'a>> = Vec::new();
        let mut index = 0;
        while let Some(name) = wanted.get(index).filter(|_| index < NAMES_COUNT_MAX) {
            for der in self.issuers.get(name).map_or(&[][..], Vec::as_slice) {
                if found.len() < ISSUERS_COUNT_MAX && !found.contains(der) {
                    let above = parse(der).map(|one| one.issuer().as_raw().to_vec());
                    found.push(CertificateDer::from(der.as_ref()));
                    wanted.extend(above);
                    break_if_same(&mut wanted);
                }
            }
            index += 1;
        }
        found
    }
}

/// Takes the last name out again if it is there already, so that a loop of issuers ends.
fn break_if_same(wanted: &mut Vec<Vec<u8>>) {
    if let Some((last, before)) = wanted.split_last()
        && before.contains(last)
    {
        wanted.pop();
    }
}

/// Whether what it signs may be believed. A certificate of a client that issued itself must not
/// make further clients.
fn may_issue(certificate: &X509Certificate<'_>) -> bool {
    let may_sign = match certificate.key_usage() {
        Ok(Some(usage)) => usage.value.key_cert_sign(),
        Ok(None) => true,
        Err(_) => false,
    };
    certificate.is_ca() && may_sign
}

fn is_weak(certificate: &X509Certificate<'_>) -> bool {
    match certificate.public_key().parsed() {
        Ok(PublicKey::RSA(key)) => key.key_size() < 2_048,
        Ok(PublicKey::EC(point)) => point.key_size() < 256,
        _ => false,
    }
}

fn date_notes(name: &str, certificate: &X509Certificate<'_>, now: UnixTime) -> Vec<String> {
    let validity = certificate.validity();
    match seconds(now) {
        now if now > validity.not_after.timestamp() => {
            vec![format!("{name} expired on {}", date_text(validity.not_after))]
        }
        now if now < validity.not_before.timestamp() => {
            vec![format!("{name} is not valid before {}", date_text(validity.not_before))]
        }
        _ => Vec::new(),
    }
}

/// Certificates in a store.
pub(super) const STORE_COUNT_MAX: usize = 1_000;
const STORE_BYTES_MAX: u64 = 4 * 1024 * 1024;
/// A quarter of what a handshake message may hold.
const HINTS_BYTES_MAX: usize = 16 * 1024;
const NAMES_COUNT_MAX: usize = 64;
const ISSUERS_COUNT_MAX: usize = 32;
