//! Signatures of requests: who signed one that came, and signing one that leaves. A request and a
//! secret go in; a verdict, or the lines of a signature, come out.
//!
//! Knows neither sockets nor where secrets are kept, and reads no clock. The rules a newcomer would
//! break: secrets and signatures are compared in constant time, and no secret is shown, not even for
//! debugging.

mod canonical;
mod library;
mod signer;
mod sigv4;

pub(crate) use library::{hmac, rand};
pub use signer::{CanonicalTarget, Signer, SigningCredentials, SigningKeys};
pub use sigv4::{Authorization, SignatureError, SignedRequest};

/// The SHA-256 of `bytes`.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = library::digest::digest(&library::digest::SHA256, bytes);
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}
