//! A client that shakes hands and hangs up.

use std::io::{self, ErrorKind};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::ring::{default_provider, kx_group};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, Error, HandshakeKind,
    SignatureScheme,
};

use crate::run::Plan;
use crate::tickets::Tickets;

/// What all handshakes agree on; nothing else is offered.
pub(crate) const SUITE: &str = "TLS_AES_128_GCM_SHA256";
pub(crate) const GROUP: &str = "x25519";
pub(crate) const SIGNATURE: &str = "ecdsa_secp256r1_sha256";

pub(crate) struct Client {
    address: SocketAddr,
    name: ServerName<'static>,
    timeout: Duration,
    config: Arc<ClientConfig>,
    tickets: Arc<Tickets>,
}

/// A handshake that succeeded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Handshake {
    pub(crate) kind: HandshakeKind,
    /// From before the connection is made to the first ticket.
    pub(crate) latency: Duration,
}

impl Client {
    pub(crate) fn new(plan: &Plan) -> Result<Self, Error> {
        let provider = Arc::new(CryptoProvider {
            cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
            kx_groups: vec![kx_group::X25519],
            ..default_provider()
        });
        let verifier = Expected {
            certificate: plan.certificate.clone(),
            algorithms: provider.signature_verification_algorithms,
        };
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        let tickets = Arc::new(Tickets::new(plan.is_resuming));
        config.resumption = Resumption::store(tickets.clone());
        Ok(Self {
            address: plan.address,
            name: plan.name.clone(),
            timeout: plan.timeout,
            config: Arc::new(config),
            tickets,
        })
    }

    pub(crate) fn tickets_count(&self) -> u64 {
        self.tickets.received_count()
    }

    /// One connection, from its first packet to its last.
    pub(crate) fn shake_hands(&self) -> io::Result<Handshake> {
        let begun = Instant::now();
        let mut stream = TcpStream::connect_timeout(&self.address, self.timeout)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(self.timeout))?;
        stream.set_write_timeout(Some(self.timeout))?;
        let mut tls = ClientConnection::new(self.config.clone(), self.name.clone())
            .map_err(io::Error::other)?;
        let before = self.tickets_count();
        while tls.is_handshaking() {
            // It answers after each flight; an end of the stream is an error while it shakes hands.
            tls.complete_io(&mut stream)?;
        }
        while self.tickets_count() == before {
            if receive(&mut tls, &mut stream)? == 0 {
                return Err(io::Error::new(ErrorKind::UnexpectedEof, "closed without a ticket"));
            }
        }
        let latency = begun.elapsed();
        let kind = tls.handshake_kind().ok_or_else(|| io::Error::other("no handshake"))?;
        close(&mut tls, &mut stream)?;
        Ok(Handshake { kind, latency })
    }
}

/// Reads what there is, at least once; the number of bytes, 0 at the end.
fn receive(tls: &mut ClientConnection, stream: &mut TcpStream) -> io::Result<usize> {
    let bytes = tls.read_tls(stream)?;
    tls.process_new_packets().map_err(io::Error::other)?;
    Ok(bytes)
}

/// Says goodbye and waits for the server to do the same, so that no connection is left for it to
/// clear away beside the next ones.
fn close(tls: &mut ClientConnection, stream: &mut TcpStream) -> io::Result<()> {
    tls.send_close_notify();
    while tls.wants_write() {
        tls.write_tls(stream)?;
    }
    stream.shutdown(Shutdown::Write)?;
    loop {
        match receive(tls, stream) {
            Ok(0) => return Ok(()),
            Ok(_) => {}
            // The server hung up without reading to the end; all that counts was said before.
            Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(()),
            Err(error) => return Err(error),
        }
    }
}

/// Believes one certificate, and that only with an ECDSA signature by P-256.
#[derive(Debug)]
struct Expected {
    certificate: CertificateDer<'static>,
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for Expected {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if *shown == self.certificate {
            Ok(ServerCertVerified::assertion())
        } else {
            Err(CertificateError::ApplicationVerificationFailure.into())
        }
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.2 is not spoken".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
