//! Which cryptography rustls runs on. The provider is always handed over by name, never set for
//! the process: a library that sets its own would otherwise change what the gateway negotiates.

use std::fmt;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::UnixTime;
use rustls::time_provider::{DefaultTimeProvider, TimeProvider};

#[cfg(all(feature = "tls-aws-lc", not(feature = "tls-ring")))]
mod library {
    pub(crate) use aws_lc_rs::{aead, digest, hmac, rand};
    pub(super) use rustls::crypto::aws_lc_rs::{
        ALL_CIPHER_SUITES, ALL_KX_GROUPS, default_provider,
    };

    /// What `version` and the documentation call the provider.
    pub const PROVIDER_NAME: &str = "aws-lc-rs";
}

#[cfg(feature = "tls-ring")]
mod library {
    pub(super) use ::rustls::crypto::ring::{ALL_CIPHER_SUITES, ALL_KX_GROUPS, default_provider};
    pub(crate) use ring::{aead, digest, hmac, rand};

    /// What `version` and the documentation call the provider.
    pub const PROVIDER_NAME: &str = "ring";
}

#[cfg(not(any(feature = "tls-aws-lc", feature = "tls-ring")))]
compile_error!("TLS needs a provider: build with the feature tls-aws-lc or tls-ring");

pub use library::PROVIDER_NAME;
pub(crate) use library::{aead, digest, hmac, rand};

/// The provider with every suite and group that it has; policies choose among them.
pub(crate) fn base_provider() -> Arc<CryptoProvider> {
    static BASE: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        Arc::new(CryptoProvider {
            cipher_suites: library::ALL_CIPHER_SUITES.to_vec(),
            kx_groups: library::ALL_KX_GROUPS.to_vec(),
            ..library::default_provider()
        })
    });
    Arc::clone(&BASE)
}

/// Where "now" comes from: the system, or an instant that a test chose.
#[derive(Clone)]
pub struct Clock(Arc<dyn TimeProvider>);

impl Clock {
    /// The system's wall clock, read in handshakes alone.
    #[must_use]
    pub fn system() -> Self {
        Self(Arc::new(DefaultTimeProvider))
    }

    /// A clock that stands still.
    #[must_use]
    pub fn fixed(unix_seconds: u64) -> Self {
        Self(Arc::new(Fixed(unix_seconds)))
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> UnixTime {
        // A clock that cannot be read makes every certificate expired, which is the safe side.
        let end_of_time = UnixTime::since_unix_epoch(Duration::from_secs(253_402_300_799));
        self.0.current_time().unwrap_or(end_of_time)
    }

    pub(crate) fn provider(&self) -> Arc<dyn TimeProvider> {
        Arc::clone(&self.0)
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "Clock({})", self.now().as_secs())
    }
}

#[derive(Debug)]
struct Fixed(u64);

impl TimeProvider for Fixed {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(self.0)))
    }
}
