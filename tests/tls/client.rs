//! A client inside TLS that sends what it is told.

use std::io::{self, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion,
};

use super::authority::{Authority, Identity};
use super::harness::{Answer, HANG_GUARD};

/// What clients are made of: whom they believe, what they show and speak.
pub(crate) struct Wants<'w> {
    pub(crate) authority: &'w Authority,
    pub(crate) versions: &'w [&'static SupportedProtocolVersion],
    pub(crate) identity: Option<&'w Identity>,
    pub(crate) alpn: &'w [&'w [u8]],
}

impl<'w> Wants<'w> {
    pub(crate) fn of(authority: &'w Authority) -> Self {
        Self { authority, versions: rustls::ALL_VERSIONS, identity: None, alpn: &[b"http/1.1"] }
    }

    /// Shows a certificate.
    pub(crate) fn showing(self, identity: &'w Identity) -> Self {
        Self { identity: Some(identity), ..self }
    }

    /// Speaks one version alone.
    pub(crate) fn speaking(self, versions: &'w [&'static SupportedProtocolVersion]) -> Self {
        Self { versions, ..self }
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.der()).expect("an authority");
        let builder = ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(self.versions)
            .expect("versions")
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(one) => builder
                .with_client_auth_cert(one.chain.clone(), one.key_der())
                .expect("a certificate and its key"),
        };
        config.alpn_protocols = self.alpn.iter().map(|name| name.to_vec()).collect();
        Arc::new(config)
    }
}

pub(crate) fn provider() -> Arc<CryptoProvider> {
    #[cfg(feature = "tls-ring")]
    return Arc::new(rustls::crypto::ring::default_provider());
    #[cfg(not(feature = "tls-ring"))]
    return Arc::new(rustls::crypto::aws_lc_rs::default_provider());
}

pub(crate) fn tcp(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).expect("connected");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(HANG_GUARD)).expect("a socket");
    stream.set_write_timeout(Some(HANG_GUARD)).expect("a socket");
    stream
}

/// A session before its first byte.
pub(crate) fn session(config: &Arc<ClientConfig>, name: &str) -> ClientConnection {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a session")
}

/// Sends what the session has for the gateway, and waits for nothing.
fn send_all(session: &mut ClientConnection, stream: &mut TcpStream) -> io::Result<()> {
    while session.wants_write() {
        session.write_tls(stream)?;
    }
    Ok(())
}

/// A connection to the gateway whose handshake is over, as far as the client can tell.
pub(crate) struct TlsClient {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl TlsClient {
    pub(crate) fn connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Self {
        Self::try_connect(address, config, name).expect("a handshake")
    }

    pub(crate) fn try_connect(
        address: SocketAddr,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        Self::shake_hands(tcp(address), config, name)
    }

    /// Does the handshake on a connection that was used before.
    pub(crate) fn shake_hands(
        mut stream: TcpStream,
        config: &Arc<ClientConfig>,
        name: &str,
    ) -> io::Result<Self> {
        let mut session = session(config, name);
        while session.is_handshaking() {
            session.complete_io(&mut stream)?;
        }
        send_all(&mut session, &mut stream)?;
        Ok(Self { stream: BufReader::new(StreamOwned::new(session, stream)) })
    }

    pub(crate) fn session(&self) -> &ClientConnection {
        &self.stream.get_ref().conn
    }

    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.stream.get_mut().sock
    }

    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("sent");
    }

    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        let stream = self.stream.get_mut();
        stream.write_all(bytes.as_ref())?;
        stream.flush()
    }

    /// Sends a request without body to `host` and reads the answer.
    pub(crate) fn get(&mut self, host: &str, target: &str) -> Answer {
        self.try_get(host, target).expect("an answer")
    }

    pub(crate) fn try_get(&mut self, host: &str, target: &str) -> io::Result<Answer> {
        self.try_send(format!("GET {target} HTTP/1.1\r\nhost: {host}\r\n\r\n"))?;
        Answer::read(&mut self.stream, "GET")
    }

    pub(crate) fn answer_to(&mut self, method: &str) -> Answer {
        Answer::read(&mut self.stream, method).expect("an answer")
    }

    pub(crate) fn answer_head(&mut self) -> Answer {
        Answer::read_head(&mut self.stream).expect("a head")
    }

    pub(crate) fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("that many bytes");
        bytes
    }

    /// Ends its direction of the session, and leaves that of the connection open.
    pub(crate) fn close_notify(&mut self) {
        let stream = self.stream.get_mut();
        stream.conn.send_close_notify();
        send_all(&mut stream.conn, &mut stream.sock).expect("sent");
    }

    /// Everything to the end of the session, which the gateway must announce.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("close_notify, then an end of file");
        rest
    }
}
