//! Which domain a name belongs to, and which of its certificates a client is shown.

use std::collections::HashMap;
use std::sync::Arc;

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::certificate::{Certificate, KeyKind};

/// Names, exact or with a wildcard for one label, and what they stand for. A name is looked for as
/// it is, then under the wildcard.
#[derive(Clone, Debug)]
pub struct NameTable<T> {
    exact: HashMap<String, T, ahash::RandomState>,
    /// By what follows the `*.`.
    wildcards: HashMap<String, T, ahash::RandomState>,
}

impl<T> Default for NameTable<T> {
    fn default() -> Self {
        Self { exact: HashMap::default(), wildcards: HashMap::default() }
    }
}

impl<T> NameTable<T> {
    /// Adds a name, lower case; hands the value back if the name is taken.
    pub fn insert(&mut self, name: &str, value: T) -> Result<(), T> {
        let (names, key) = match name.strip_prefix("*.") {
            Some(rest) => (&mut self.wildcards, rest),
            None => (&mut self.exact, name),
        };
        if names.contains_key(key) {
            return Err(value);
        }
        names.insert(key.to_owned(), value);
        Ok(())
    }

    /// What `name` stands for, in whatever case and with or without a dot at its end.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&T> {
        let name = name.strip_suffix('.').unwrap_or(name);
        if name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return self.find_lower(&name.to_ascii_lowercase());
        }
        self.find_lower(name)
    }

    fn find_lower(&self, name: &str) -> Option<&T> {
        self.exact.get(name).or_else(|| {
            let (label, rest) = name.split_once('.')?;
            self.wildcards.get(rest).filter(|_| !label.is_empty())
        })
    }
}

/// Whether a certificate's or a domain's name `own` is for `name`; both lower case. A wildcard
/// stands for exactly one label (RFC 6125 section 6.4.3).
pub(super) fn name_covers(own: &str, name: &str) -> bool {
    match own.strip_prefix("*.") {
        None => own == name,
        // A domain for all names under one is covered by the same wildcard alone.
        Some(_) if name.starts_with("*.") => own == name,
        Some(rest) => {
            name.split_once('.').is_some_and(|(label, tail)| !label.is_empty() && tail == rest)
        }
    }
}

/// Whether the text has the form of a DNS name: labels of letters, digits, `-` and `_`. Nothing
/// else, a NUL above all, gets into a table of names.
pub(super) fn is_dns_name(name: &str) -> bool {
    let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    let is_label = |label: &str| (1..=63).contains(&label.len()) && label.bytes().all(is_byte);
    name.len() <= 253 && name.split('.').all(is_label)
}

/// The certificates of one domain, ECDSA before RSA. A client is shown the first that is for the
/// name it asks for and whose signature it can verify.
#[derive(Debug)]
pub(super) struct CertificateSet {
    certificates: Vec<(Arc<CertifiedKey>, KeyKind, Vec<String>)>,
}

impl CertificateSet {
    pub(super) fn new(certificates: &[Certificate]) -> Self {
        let mut certificates: Vec<_> = certificates
            .iter()
            .map(|one| (Arc::clone(&one.key), one.kind, one.facts.names.clone()))
            .collect();
        certificates.sort_by_key(|(_, kind, _)| *kind);
        Self { certificates }
    }
}

impl ResolvesServerCert for CertificateSet {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        // rustls has already taken out the schemes that no suite of the client goes with.
        let schemes = hello.signature_schemes();
        let mut usable =
            self.certificates.iter().filter(|(key, _, _)| key.key.choose_scheme(schemes).is_some());
        let first = usable.clone().next();
        let found = match hello.server_name() {
            Some(name) => {
                usable.find(|(_, _, names)| names.iter().any(|own| name_covers(own, name)))
            }
            None => None,
        };
        found.or(first).map(|(key, _, _)| Arc::clone(key))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_names_go_before_wildcards_of_one_label() {
        let mut table = NameTable::default();
        for (name, value) in [("a.example.com", 1), ("*.example.com", 2), ("example.com", 3)] {
            assert_eq!(table.insert(name, value), Ok(()));
        }
        assert_eq!(table.insert("*.example.com", 9), Err(9));
        assert_eq!(table.insert("a.example.com", 9), Err(9));
        for (name, found) in [
            ("a.example.com", Some(1)),
            ("A.Example.COM", Some(1)),
            ("a.example.com.", Some(1)),
            ("b.example.com", Some(2)),
            ("b.a.example.com", None),
            ("example.com", Some(3)),
            (".example.com", None),
            ("*.example.com", Some(2)),
            ("com", None),
            ("", None),
            (".", None),
            ("a.example.com\0.evil.org", None),
        ] {
            assert_eq!(table.find(name).copied(), found, "{name:?}");
        }
    }

    #[test]
    fn a_wildcard_covers_one_label_and_itself() {
        for (own, name, covers) in [
            ("a.b", "a.b", true),
            ("*.b", "a.b", true),
            ("*.b", "x.a.b", false),
            ("*.b", "b", false),
            ("*.b", ".b", false),
            ("*.b", "*.b", true),
            ("*.b", "*.a.b", false),
            ("a.b", "*.b", false),
        ] {
            assert_eq!(name_covers(own, name), covers, "{own} {name}");
        }
    }

    #[test]
    fn only_dns_names_get_into_tables() {
        for name in ["a", "a.b", "xn--bcher-kva.example", "_dmarc.a"] {
            assert!(is_dns_name(name), "{name}");
        }
        for name in ["", ".", "a.", "a b", "a\0b", "a\0.b", "é", "a/b", "*"] {
            assert!(!is_dns_name(name), "{name:?}");
        }
    }
}
