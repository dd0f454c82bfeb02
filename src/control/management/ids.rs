//! Ids and secrets, from the system's random source.

use std::fmt::Write as _;

use crate::sign::rand::{SecureRandom as _, SystemRandom};

/// An id as AWS makes them: lower-case letters and digits.
pub(super) fn id(length: usize) -> String {
    text(b"abcdefghijklmnopqrstuvwxyz0123456789", length)
}

/// The value of an API key.
pub(super) fn key_value() -> String {
    text(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", API_KEY_LENGTH)
}

/// A request's id: a random UUID (RFC 9562 version 4).
pub(super) fn uuid() -> String {
    let mut bytes = random::<16>();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        let _ = write!(text, "{byte:02x}");
    }
    text
}

fn text(alphabet: &[u8], length: usize) -> String {
    let mut text = String::with_capacity(length);
    while text.len() < length {
        // A byte that would favour the first letters is thrown away.
        let fair = 256 - 256 % alphabet.len();
        let fair = random::<32>().into_iter().filter(|byte| usize::from(*byte) < fair);
        let letters = fair.map(|byte| char::from(alphabet[usize::from(byte) % alphabet.len()]));
        text.extend(letters.take(length - text.len()));
    }
    text
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the kernel's random source does not fail");
    bytes
}

const API_KEY_LENGTH: usize = 40;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_have_their_length_and_differ() {
        let ids: std::collections::HashSet<_> = (0..1_000).map(|_| id(10)).collect();
        assert_eq!(ids.len(), 1_000);
        assert!(ids.iter().all(|id| id.len() == 10));
        assert_eq!(key_value().len(), 40);
        let uuid = uuid();
        assert_eq!((uuid.len(), &uuid[14..15]), (36, "4"));
    }
}
