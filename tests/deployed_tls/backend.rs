//! An endpoint inside TLS that says who asked, and how.

use std::fmt::Write as _;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, ServerConfig, ServerConnection,
    SignatureScheme, StreamOwned,
};

use super::authority::Identity;
use super::client::provider;
use super::harness::{Answer, HANG_GUARD};

/// Answers each request with the name that the handshake was for, the certificate that was shown,
/// and the request's own head.
#[derive(Clone, Debug)]
pub(crate) struct TlsBackend {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

/// What it said of a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Seen {
    pub(crate) server_name: Option<String>,
    /// The first certificate of the client, in hexadecimal digits of its DER.
    pub(crate) certificate: Option<String>,
    pub(crate) head: String,
}

impl TlsBackend {
    /// Asks nobody for a certificate.
    pub(crate) fn start(identity: &Identity) -> Self {
        Self::run(identity, None)
    }

    /// Asks for a certificate, and takes any; none if it may be missing.
    pub(crate) fn asking(identity: &Identity, is_needed: bool) -> Self {
        Self::run(identity, Some(AnyClient { is_needed }))
    }

    fn run(identity: &Identity, clients: Option<AnyClient>) -> Self {
        let builder = ServerConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()
            .expect("versions");
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => builder.with_client_cert_verifier(Arc::new(clients)),
        };
        let config = builder.with_single_cert(identity.chain.clone(), identity.key_der());
        let config = Arc::new(config.expect("a certificate and its key"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a socket");
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counter.fetch_add(1, Ordering::SeqCst);
                let config = Arc::clone(&config);
                // A gateway that goes away is no fault of the endpoint's.
                thread::spawn(move || answer_all(stream, config));
            }
        });
        Self { address, connections }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn connections_count(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Seen {
    #[track_caller]
    pub(crate) fn of(answer: &Answer) -> Self {
        let mut parts = answer.text().splitn(3, '\n').map(str::to_owned);
        let mut next = || parts.next().expect("three parts");
        let some = |text: String| (!text.is_empty()).then_some(text);
        Self { server_name: some(next()), certificate: some(next()), head: next() }
    }
}

/// As [`Seen`] has certificates.
pub(crate) fn hexadecimal(der: &CertificateDer<'_>) -> String {
    der.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn answer_all(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    stream.set_read_timeout(Some(HANG_GUARD))?;
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if stream.read_line(&mut head)? == 0 {
                return Ok(());
            }
        }
        let session = &stream.get_ref().conn;
        let name = session.server_name().unwrap_or_default();
        let shown = session.peer_certificates().and_then(<[_]>::first).map(hexadecimal);
        let body = format!("{name}\n{}\n{head}", shown.unwrap_or_default());
        let length = body.len();
        write!(stream.get_mut(), "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")?;
        stream.get_mut().flush()?;
    }
}

/// Takes every certificate whose key the client has.
#[derive(Debug)]
struct AnyClient {
    is_needed: bool,
}

impl ClientCertVerifier for AnyClient {
    fn client_auth_mandatory(&self) -> bool {
        self.is_needed
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let known = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, &known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, Error> {
        let known = provider().signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, &known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        provider().signature_verification_algorithms.supported_schemes()
    }
}
