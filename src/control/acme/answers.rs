//! What is put up for an authority to find, and taken down afterwards.

use std::sync::Arc;

use instant_acme::{ChallengeHandle, ChallengeType, Identifier};

use super::dns_hook::{self, HookVerb, TxtRecord};
use super::error::AcmeError;
use crate::coord::AcmeChallenges;
use crate::model::AcmeChallenge;
use crate::tls::challenge_certificate;

/// The answers of one order. What shards would answer is gone when it is dropped, whatever ended
/// the order; records are removed by [`remove`](Self::remove) alone.
pub(super) struct Answers<'a> {
    challenge: &'a AcmeChallenge,
    table: &'a AcmeChallenges,
    tokens: Vec<String>,
    names: Vec<String>,
    records: Vec<TxtRecord>,
}

impl<'a> Answers<'a> {
    pub(super) fn new(challenge: &'a AcmeChallenge, table: &'a AcmeChallenges) -> Self {
        let (tokens, names, records) = Default::default();
        Self { challenge, table, tokens, names, records }
    }

    /// The kind of challenge that is answered.
    pub(super) fn kind(&self) -> ChallengeType {
        match self.challenge {
            AcmeChallenge::Http01 => ChallengeType::Http01,
            AcmeChallenge::TlsAlpn01 => ChallengeType::TlsAlpn01,
            AcmeChallenge::Dns01(_) => ChallengeType::Dns01,
        }
    }

    /// Puts up the answer. When this returns, the authority may come.
    pub(super) async fn add(&mut self, challenge: &ChallengeHandle<'_>) -> Result<(), AcmeError> {
        let key = challenge.key_authorization();
        let Identifier::Dns(name) = challenge.identifier().identifier else {
            return Err(AcmeError::Unproved("the authority asks to prove no host name".to_owned()));
        };
        match self.challenge {
            AcmeChallenge::Http01 => {
                self.table.add_http(&challenge.token, key.as_str());
                self.tokens.push(challenge.token.clone());
            }
            AcmeChallenge::TlsAlpn01 => {
                let mut digest = [0; 32];
                digest.copy_from_slice(key.digest().as_ref());
                let certificate = challenge_certificate(name, digest)?;
                self.table.add_tls(name, Arc::new(certificate));
                self.names.push(name.clone());
            }
            AcmeChallenge::Dns01(hook) => {
                let record = TxtRecord::of(name, key.dns_value());
                // Before it runs: a command that fails may have done it all the same.
                self.records.push(record.clone());
                dns_hook::run(hook, HookVerb::Add, &record).await?;
            }
        }
        Ok(())
    }

    /// Takes everything down. A record that cannot be removed is in the log, and is no failure:
    /// the certificate may well have been issued.
    pub(super) async fn remove(mut self) {
        let AcmeChallenge::Dns01(hook) = self.challenge else { return };
        for record in std::mem::take(&mut self.records) {
            if let Err(error) = dns_hook::run(hook, HookVerb::Remove, &record).await {
                tracing::warn!(name = record.name, "a record stays: {error}");
            }
        }
    }
}

impl Drop for Answers<'_> {
    fn drop(&mut self) {
        for token in &self.tokens {
            self.table.remove_http(token);
        }
        for name in &self.names {
            self.table.remove_tls(name);
        }
    }
}
