//! What the gateway thinks of a client's certificate.

use std::fmt;

use rustls::pki_types::UnixTime;
use rustls::{CertificateError, Error};

/// What a client certificate is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ClientVerdict {
    /// It leads to an authority of the trust store.
    Trusted,
    /// The client showed none.
    Absent,
    /// It is not believed.
    Untrusted(Distrust),
}

/// Why a client certificate is not believed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Distrust {
    /// It, or one of its issuers, is over.
    Expired,
    /// It, or one of its issuers, is not yet valid.
    NotYetValid,
    /// No authority of the trust store is behind it, or a signature is wrong.
    UnknownIssuer,
    /// A revocation list has it, or one of its issuers.
    Revoked,
    /// No revocation list says anything of it, although there are some.
    RevocationUnknown,
    /// The revocation list for it is over, or is not good.
    RevocationListInvalid,
    /// From it to the root there are more certificates than AWS allows.
    ChainTooLong,
    /// It is for something else than being a client.
    WrongUsage,
    /// Its key or a signature is of a kind that is too weak or not known.
    WeakAlgorithm,
    /// One of its names holds a NUL, which other software may take for its end.
    NulInName,
    /// It breaks a constraint of one of its issuers.
    ConstraintViolated,
    /// It cannot be read.
    Malformed,
}

impl Distrust {
    /// Every reason.
    pub const ALL: [Self; 12] = [
        Self::Expired,
        Self::NotYetValid,
        Self::UnknownIssuer,
        Self::Revoked,
        Self::RevocationUnknown,
        Self::RevocationListInvalid,
        Self::ChainTooLong,
        Self::WrongUsage,
        Self::WeakAlgorithm,
        Self::NulInName,
        Self::ConstraintViolated,
        Self::Malformed,
    ];

    /// Its name in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Revoked => "revoked",
            Self::RevocationUnknown => "revocation_unknown",
            Self::RevocationListInvalid => "revocation_list_invalid",
            Self::ChainTooLong => "chain_too_long",
            Self::WrongUsage => "wrong_usage",
            Self::WeakAlgorithm => "weak_algorithm",
            Self::NulInName => "nul_in_name",
            Self::ConstraintViolated => "constraint_violated",
            Self::Malformed => "malformed",
        }
    }

    /// The reason behind an error with which a handshake ended, if the client's certificate was
    /// the reason.
    #[must_use]
    pub fn of_error(error: &Error) -> Option<Self> {
        let Error::InvalidCertificate(CertificateError::Other(other)) = error else {
            return match error {
                Error::InvalidCertificate(error) => Self::of_certificate_error(error),
                _ => None,
            };
        };
        other.0.downcast_ref::<Self>().copied()
    }

    fn of_certificate_error(error: &CertificateError) -> Option<Self> {
        Some(match error {
            CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::UnknownIssuer => Self::UnknownIssuer,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::InvalidPurpose => Self::WrongUsage,
            CertificateError::BadEncoding => Self::Malformed,
            _ => return None,
        })
    }

    /// The error that ends the handshake with the alert that fits.
    pub(super) fn into_error(self, now: UnixTime) -> Error {
        let error = match self {
            Self::Expired => CertificateError::ExpiredContext { time: now, not_after: now },
            Self::NotYetValid => {
                CertificateError::NotValidYetContext { time: now, not_before: now }
            }
            Self::UnknownIssuer => CertificateError::UnknownIssuer,
            Self::Revoked => CertificateError::Revoked,
            Self::WrongUsage => CertificateError::InvalidPurpose,
            Self::Malformed => CertificateError::BadEncoding,
            other => CertificateError::Other(rustls::OtherError(std::sync::Arc::new(other))),
        };
        Error::InvalidCertificate(error)
    }

    pub(super) fn of_webpki(error: &webpki::Error) -> Self {
        use webpki::Error as E;
        match error {
            E::CertExpired { .. } | E::InvalidCertValidity => Self::Expired,
            E::CertNotValidYet { .. } => Self::NotYetValid,
            E::CertRevoked => Self::Revoked,
            E::UnknownRevocationStatus => Self::RevocationUnknown,
            E::CrlExpired { .. }
            | E::InvalidCrlSignatureForPublicKey
            | E::IssuerNotCrlSigner
            | E::UnsupportedCrlSignatureAlgorithmContext(_)
            | E::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_) => {
                Self::RevocationListInvalid
            }
            E::MaximumPathDepthExceeded => Self::ChainTooLong,
            E::RequiredEkuNotFoundContext(_) | E::EmptyEkuExtension | E::CaUsedAsEndEntity => {
                Self::WrongUsage
            }
            E::UnsupportedSignatureAlgorithmContext(_)
            | E::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Self::WeakAlgorithm,
            E::NameConstraintViolation
            | E::PathLenConstraintViolated
            | E::EndEntityUsedAsCa
            | E::MaximumNameConstraintComparisonsExceeded => Self::ConstraintViolated,
            E::BadDer
            | E::BadDerTime
            | E::ExtensionValueInvalid
            | E::MalformedExtensions
            | E::TrailingData(_)
            | E::UnsupportedCertVersion
            | E::UnsupportedCriticalExtension
            | E::SignatureAlgorithmMismatch => Self::Malformed,
            _ => Self::UnknownIssuer,
        }
    }
}

impl fmt::Display for Distrust {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "the client's certificate is not trusted: {}", self.label())
    }
}

impl std::error::Error for Distrust {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_survives_the_error_that_carries_it() {
        let now = UnixTime::since_unix_epoch(std::time::Duration::from_secs(1));
        let mut labels: Vec<_> = Distrust::ALL.iter().map(|reason| reason.label()).collect();
        for reason in Distrust::ALL {
            assert_eq!(Distrust::of_error(&reason.into_error(now)), Some(reason));
        }
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), Distrust::ALL.len());
        assert_eq!(Distrust::of_error(&Error::DecryptError), None);
    }
}
