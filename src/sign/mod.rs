//! Pure checks of credentials: a request and a secret go in, a verdict comes out.
//!
//! Knows neither sockets nor where secrets are kept, and reads no clock. The rule a newcomer would
//! break: secrets and signatures are compared in constant time.

mod library;
mod sigv4;

pub(crate) use library::{hmac, rand};
pub use sigv4::{Authorization, SignatureError, SignedRequest};

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = library::digest::digest(&library::digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}
