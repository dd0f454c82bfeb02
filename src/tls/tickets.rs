//! Session tickets of one domain.
//!
//! A ticket opens only for the domain that it was made for, under the same policy and the same
//! trust store: a client that was let in by another domain, or before its certificate was revoked,
//! must go through the verifier (CVE-2025-23419). Each ticket is closed with a key of its own, so
//! there is no bound on how many one key of the ring makes.

use std::fmt;
use std::sync::Arc;

use rustls::server::ProducesTickets;

use super::provider::rand::{SecureRandom as _, SystemRandom};
use super::provider::{aead, hmac};
use super::ticket_keys::{KEY_ID_BYTES, TicketKey, TicketKeys};

/// Makes and opens tickets: key id, salt, what is closed, tag.
pub(super) struct DomainTickets {
    keys: Arc<TicketKeys>,
    /// Stands for all that a session's validity rests on.
    binding: [u8; BINDING_BYTES],
    random: SystemRandom,
}

impl DomainTickets {
    pub(super) fn new(keys: Arc<TicketKeys>, binding: [u8; BINDING_BYTES]) -> Self {
        Self { keys, binding, random: SystemRandom::new() }
    }

    fn ticket_key(&self, key: &TicketKey, salt: &[u8]) -> Option<aead::LessSafeKey> {
        let mut context = hmac::Context::with_key(&key.secret);
        context.update(b"shardgate session ticket: key");
        context.update(&self.binding);
        context.update(salt);
        let secret = context.sign();
        let key = aead::UnboundKey::new(&aead::AES_256_GCM, secret.as_ref()).ok()?;
        Some(aead::LessSafeKey::new(key))
    }
}

/// The key is used once, so its only nonce may be this one.
fn nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

impl ProducesTickets for DomainTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        self.keys.lifetime_seconds()
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut salt = [0; SALT_BYTES];
        self.random.fill(&mut salt).ok()?;
        self.keys.with_key(None, |key| {
            let sealing = self.ticket_key(key, &salt)?;
            let mut ticket = Vec::with_capacity(HEAD_BYTES + plain.len() + TAG_BYTES);
            ticket.extend_from_slice(&key.id);
            ticket.extend_from_slice(&salt);
            ticket.extend_from_slice(plain);
            let (head, rest) = ticket.split_at_mut(HEAD_BYTES);
            let aad = aead::Aad::from(&*head);
            let tag = sealing.seal_in_place_separate_tag(nonce(), aad, rest).ok()?;
            ticket.extend_from_slice(tag.as_ref());
            Some(ticket)
        })
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        if !(HEAD_BYTES + TAG_BYTES..=TICKET_BYTES_MAX).contains(&cipher.len()) {
            return None;
        }
        let (head, closed) = cipher.split_at_checked(HEAD_BYTES)?;
        let (id, salt) = head.split_at_checked(KEY_ID_BYTES)?;
        self.keys.with_key(Some(id), |key| {
            let opening = self.ticket_key(key, salt)?;
            let mut plain = closed.to_vec();
            let length =
                opening.open_in_place(nonce(), aead::Aad::from(head), &mut plain).ok()?.len();
            plain.truncate(length);
            Some(plain)
        })
    }
}

impl fmt::Debug for DomainTickets {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.keys.fmt(out)
    }
}

/// SHA-256.
pub(super) const BINDING_BYTES: usize = 32;
const SALT_BYTES: usize = 24;
const HEAD_BYTES: usize = KEY_ID_BYTES + SALT_BYTES;
const TAG_BYTES: usize = 16;
/// A ticket is a field of TLS with a length of 16 bits.
const TICKET_BYTES_MAX: usize = 65_535;

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Arc<TicketKeys> {
        Arc::new(TicketKeys::random(60).expect("random"))
    }

    #[test]
    fn a_ticket_opens_for_its_domain_alone() {
        let keys = keys();
        let one = DomainTickets::new(Arc::clone(&keys), [1; 32]);
        let two = DomainTickets::new(keys, [2; 32]);
        for plain in [&b""[..], b"session", &[7; 60_000]] {
            let ticket = one.encrypt(plain).expect("made");
            assert_eq!(one.decrypt(&ticket).as_deref(), Some(plain));
            assert_eq!(two.decrypt(&ticket), None);
        }
        let (a, b) = (one.encrypt(b"same"), one.encrypt(b"same"));
        assert_ne!(a, b, "each has its own salt");
    }

    #[test]
    fn tickets_open_until_their_key_is_rotated_out() {
        let keys = keys();
        let tickets = DomainTickets::new(Arc::clone(&keys), [1; 32]);
        let ticket = tickets.encrypt(b"session").expect("made");
        keys.rotate().expect("random");
        assert!(tickets.decrypt(&ticket).is_some());
        keys.rotate().expect("random");
        assert!(tickets.decrypt(&ticket).is_none());
    }

    #[test]
    fn machines_with_one_key_file_open_each_other_s_tickets() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        std::fs::write(&path, "ab".repeat(32)).expect("written");
        let machine = || {
            let keys = TicketKeys::from_file(&path, 60).expect("good").value;
            DomainTickets::new(Arc::new(keys), [1; 32])
        };
        let ticket = machine().encrypt(b"session").expect("made");
        assert_eq!(machine().decrypt(&ticket).as_deref(), Some(&b"session"[..]));
    }

    #[test]
    fn a_ticket_that_was_touched_does_not_open() {
        let tickets = DomainTickets::new(keys(), [1; 32]);
        let ticket = tickets.encrypt(b"session").expect("made");
        for index in 0..ticket.len() {
            let mut bent = ticket.clone();
            bent[index] ^= 1;
            assert_eq!(tickets.decrypt(&bent), None, "{index}");
            assert_eq!(tickets.decrypt(&ticket[..index]), None, "{index}");
        }
        assert_eq!(tickets.decrypt(&[0; TICKET_BYTES_MAX + 1]), None);
    }
}
