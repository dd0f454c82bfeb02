//! What rustls asks about a client's certificate in a handshake.

use std::sync::Arc;

use rustls::client::danger::HandshakeSignatureValid;
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

use super::certificate::parse;
use super::options::OnInvalid;
use super::trust::ClientTrust;
use super::verdict::Distrust;

/// Refuses in the handshake, or leaves the verdict to [`ClientTrust::judge`]. In either case the
/// client proves that it has the key of what it shows.
#[derive(Debug)]
pub(super) struct ClientVerifier(pub(super) Arc<ClientTrust>);

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.0.on_invalid() == OnInvalid::Refuse
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.0.store.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let verdict = match self.0.on_invalid() {
            OnInvalid::Refuse => self.0.verify(leaf, intermediates, now),
            OnInvalid::Forbid => parse(leaf).map(|_| ()).ok_or(Distrust::Malformed),
        };
        match verdict {
            Ok(()) => Ok(ClientCertVerified::assertion()),
            Err(reason) => Err(reason.into_error(now)),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.0.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.0.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}
