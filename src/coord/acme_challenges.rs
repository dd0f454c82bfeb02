//! What the gateway answers to an authority that validates a name by ACME: written by the side
//! thread, read by shards.
//!
//! Nearly always empty, and then a shard reads one word. Otherwise a reader takes a snapshot; no
//! reader and no writer waits for another.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use rustls::sign::CertifiedKey;

/// Paths of http-01 begin with it; what follows is the token (RFC 8555 section 8.3).
pub const ACME_HTTP_PATH: &str = "/.well-known/acme-challenge/";

/// The answers to challenges that are under way.
#[derive(Default)]
pub struct AcmeChallenges {
    has_any: AtomicBool,
    table: ArcSwap<Table>,
}

#[derive(Clone, Default)]
struct Table {
    /// By token.
    http: HashMap<String, Arc<str>>,
    /// By name, lower case.
    tls: HashMap<String, Arc<CertifiedKey>>,
}

impl AcmeChallenges {
    /// An empty table.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether there is nothing to answer; one relaxed load. A shard that sees an answer late
    /// answers 404 once, and authorities are told to come only after it was put there.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.has_any.load(Ordering::Relaxed)
    }

    /// The body of the answer to `GET` on [`ACME_HTTP_PATH`] and `token`: the key authorization,
    /// as `application/octet-stream`. `None` if the request is like any other.
    #[must_use]
    pub fn http_answer(&self, token: &str) -> Option<Arc<str>> {
        if self.is_empty() {
            return None;
        }
        self.table.load().http.get(token).cloned()
    }

    /// The certificate for a handshake that offers [`crate::tls::ACME_TLS_ALPN`] and asks for
    /// `server_name`. `None` if no such challenge is under way: the handshake then fails for want
    /// of a common protocol.
    #[must_use]
    pub fn tls_certificate(&self, server_name: &str) -> Option<Arc<CertifiedKey>> {
        if self.is_empty() {
            return None;
        }
        let name = server_name.strip_suffix('.').unwrap_or(server_name).to_ascii_lowercase();
        self.table.load().tls.get(&name).cloned()
    }

    /// Answers `token` from now on.
    pub fn add_http(&self, token: &str, answer: &str) {
        self.change(|table| {
            table.http.insert(token.to_owned(), answer.into());
        });
    }

    /// Shows `certificate` for `name` from now on.
    pub fn add_tls(&self, name: &str, certificate: Arc<CertifiedKey>) {
        self.change(|table| {
            table.tls.insert(name.to_ascii_lowercase(), Arc::clone(&certificate));
        });
    }

    /// Forgets a token.
    pub fn remove_http(&self, token: &str) {
        self.change(|table| {
            table.http.remove(token);
        });
    }

    /// Forgets the certificate of a name.
    pub fn remove_tls(&self, name: &str) {
        self.change(|table| {
            table.tls.remove(&name.to_ascii_lowercase());
        });
    }

    fn change(&self, change: impl Fn(&mut Table)) {
        self.table.rcu(|table| {
            let mut table = Table::clone(table);
            change(&mut table);
            table
        });
        // One writer, the side thread: what is loaded here is what was just stored.
        let table = self.table.load();
        self.has_any.store(!table.http.is_empty() || !table.tls.is_empty(), Ordering::Release);
    }
}

impl fmt::Debug for AcmeChallenges {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let table = self.table.load();
        let (http, tls) = (table.http.len(), table.tls.len());
        write!(out, "AcmeChallenges({http} tokens, {tls} certificates)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tls::challenge_certificate;

    #[test]
    fn what_is_added_is_answered_until_it_is_removed() {
        let challenges = AcmeChallenges::new();
        assert!(challenges.is_empty());
        assert_eq!(challenges.http_answer("a"), None);
        challenges.add_http("a", "a.key");
        challenges.add_http("b", "b.key");
        assert!(!challenges.is_empty());
        assert_eq!(challenges.http_answer("a").as_deref(), Some("a.key"));
        assert_eq!(challenges.http_answer("A"), None, "tokens have a case");
        challenges.remove_http("a");
        assert_eq!(challenges.http_answer("a"), None);
        assert!(!challenges.is_empty());
        challenges.remove_http("b");
        challenges.remove_http("b");
        assert!(challenges.is_empty());
    }

    #[test]
    fn names_have_no_case() {
        let challenges = AcmeChallenges::new();
        let key = challenge_certificate("a.example", [1; 32]).expect("a certificate");
        challenges.add_tls("A.example", Arc::new(key));
        assert!(!challenges.is_empty());
        for name in ["a.example", "A.EXAMPLE", "a.example."] {
            assert!(challenges.tls_certificate(name).is_some(), "{name}");
        }
        assert!(challenges.tls_certificate("b.a.example").is_none());
        challenges.remove_tls("a.EXAMPLE");
        assert!(challenges.is_empty() && challenges.tls_certificate("a.example").is_none());
    }
}
