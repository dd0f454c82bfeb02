//! Pure checks of credentials: a request and a secret go in, a verdict comes out.
//!
//! Knows neither sockets nor where secrets are kept, and reads no clock. The rule a newcomer would
//! break: secrets and signatures are compared in constant time.

mod library;
mod sigv4;

pub(crate) use library::rand;
pub use sigv4::{Authorization, SignatureError, SignedRequest};
