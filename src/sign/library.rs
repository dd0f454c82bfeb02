//! Digests, HMAC and random bytes, from the library that TLS uses: each feature brings its own.

#[cfg(not(feature = "tls-ring"))]
pub(crate) use aws_lc_rs::{digest, hmac, rand};
#[cfg(feature = "tls-ring")]
pub(crate) use ring::{digest, hmac, rand};
