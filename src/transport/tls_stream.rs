//! A TLS session on its socket.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::{Poll, Waker};

use rustls::{HandshakeKind, ProtocolVersion};

use super::handshake::take_received;
use super::session::Session;
use crate::rt::Stream;
use crate::tls::{ClientCertificate, ClientVerdict, DomainTls};

/// A connection over TLS whose handshake is over.
pub struct TlsStream {
    stream: Stream,
    session: RefCell<Session>,
    /// Encrypted, in order, and not yet handed to the socket.
    outgoing: RefCell<Vec<u8>>,
    /// A task hands it over now; it goes on until nothing is left.
    is_sending: Cell<bool>,
    sender: Cell<Option<Waker>>,
    /// Something came that is no part of the session.
    is_broken: Cell<bool>,
    facts: TlsFacts,
}

/// What was negotiated.
#[derive(Clone, Debug)]
pub struct TlsFacts {
    /// `TLSv1.2` or `TLSv1.3`.
    pub version: &'static str,
    /// The cipher suite by the name that IANA gave it.
    pub suite: &'static str,
    /// The group of the key exchange by the name that IANA gave it; empty where there was none.
    pub group: &'static str,
    /// The session goes on from an earlier one.
    pub is_resumed: bool,
    /// The protocol on top, as ALPN has it; empty if the client did not ask.
    pub alpn: Vec<u8>,
    /// The name that the client asked for, on the server's side.
    pub server_name: Option<Box<str>>,
    /// The domain that the handshake was for, on the server's side.
    pub domain: Option<Arc<DomainTls>>,
    /// What the client's certificate is worth, where the domain asks for one.
    pub verdict: Option<ClientVerdict>,
    /// The client's certificate.
    pub client_certificate: Option<Box<ClientCertificate>>,
}

impl TlsFacts {
    /// What the session of a connection whose handshake is over says.
    pub(super) fn of(session: &Session) -> Self {
        let facts = session.facts();
        let suite = facts.negotiated_cipher_suite();
        let group = facts.negotiated_key_exchange_group();
        Self {
            version: match facts.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => "TLSv1.3",
                _ => "TLSv1.2",
            },
            suite: suite.and_then(|suite| suite.suite().as_str()).map_or("", iana_name),
            group: group.and_then(|group| group.name().as_str()).unwrap_or_default(),
            is_resumed: facts.handshake_kind() == Some(HandshakeKind::Resumed),
            alpn: facts.alpn_protocol().unwrap_or_default().to_vec(),
            server_name: None,
            domain: None,
            verdict: None,
            client_certificate: None,
        }
    }
}

/// rustls marks the suites of TLS 1.3 in their names, IANA does not.
fn iana_name(suite: &'static str) -> &'static str {
    match suite {
        "TLS13_AES_128_GCM_SHA256" => "TLS_AES_128_GCM_SHA256",
        "TLS13_AES_256_GCM_SHA384" => "TLS_AES_256_GCM_SHA384",
        "TLS13_CHACHA20_POLY1305_SHA256" => "TLS_CHACHA20_POLY1305_SHA256",
        other => other,
    }
}

impl TlsStream {
    pub(super) fn new(stream: Stream, session: Session, facts: TlsFacts) -> Self {
        Self {
            stream,
            session: RefCell::new(session),
            outgoing: RefCell::default(),
            is_sending: Cell::new(false),
            sender: Cell::new(None),
            is_broken: Cell::new(false),
            facts,
        }
    }

    /// What was negotiated.
    #[must_use]
    pub fn facts(&self) -> &TlsFacts {
        &self.facts
    }

    /// Whether the session ended because something came that is no part of it.
    pub(super) fn is_broken(&self) -> bool {
        self.is_broken.get()
    }

    pub(super) fn stream(&self) -> &Stream {
        &self.stream
    }

    /// Reads once into the spare capacity of `buffer`, at most `bytes_max`; 0 is the end.
    pub(super) async fn read(
        &self,
        mut buffer: Vec<u8>,
        bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        let bytes_max = bytes_max.min(buffer.capacity() - buffer.len());
        if let Err(error) = self.readable().await {
            return (Err(error), buffer);
        }
        let count = self.session.borrow_mut().read(&mut buffer, bytes_max);
        (Ok(count), buffer)
    }

    /// Waits until plain text is there, or will never be.
    pub(super) async fn readable(&self) -> io::Result<()> {
        while !self.session.borrow().has_input() {
            self.stream.readable().await?;
            let received = self.receive();
            // Answers of TLS itself, and alerts.
            self.send_waiting().await?;
            received?;
        }
        Ok(())
    }

    /// Whether a read would return at once. Bytes that cannot be looked at yet count as such: what
    /// is not known to be TLS's own may be anything.
    pub(super) fn has_input(&self) -> bool {
        while !self.session.borrow().has_input() && self.stream.has_input() {
            if !self.receive().unwrap_or(false) {
                return true;
            }
        }
        self.session.borrow().has_input()
    }

    /// Whether nothing is left to read and nothing will come.
    pub(super) fn has_ended(&self) -> bool {
        let session = self.session.borrow();
        session.has_ended() || (!session.has_input() && self.stream.has_ended())
    }

    /// Waits until there may be plain text to read, or never will be. It sends nothing, not even what
    /// TLS itself has to say, so it may be dropped at any time.
    pub(super) async fn wait_for_input(&self) -> io::Result<()> {
        while !self.has_input() {
            self.stream.readable().await?;
        }
        Ok(())
    }

    /// Takes what the socket has now; whether that was anything.
    fn receive(&self) -> io::Result<bool> {
        let mut session = self.session.borrow_mut();
        let is_received = take_received(&self.stream, session.incoming())?;
        if is_received {
            session.process(&mut self.outgoing.borrow_mut()).map_err(|error| {
                self.is_broken.set(true);
                io::Error::new(io::ErrorKind::InvalidData, error)
            })?;
        }
        Ok(is_received)
    }

    /// Encrypts and sends from the front of `bytes`; returns how much was taken.
    pub(super) async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.wait_for_turn().await;
        let count = bytes.len().min(WRITE_BYTES_MAX);
        let encrypted = {
            let mut session = self.session.borrow_mut();
            session.encrypt(&bytes[..count], &mut self.outgoing.borrow_mut())
        };
        encrypted?;
        self.send_waiting().await?;
        Ok(count)
    }

    /// Encrypts and sends all of `bytes`.
    pub(super) async fn write_all(&self, bytes: &[u8]) -> io::Result<()> {
        let mut written = 0;
        while written < bytes.len() {
            written += self.write(&bytes[written..]).await?;
        }
        Ok(())
    }

    /// Says that nothing more will be sent.
    pub(super) async fn close(&self) {
        self.wait_for_turn().await;
        self.session.borrow_mut().close(&mut self.outgoing.borrow_mut());
        // A peer that is gone need not be told.
        let _ = self.send_waiting().await;
    }

    /// Sends what was encrypted, unless another task is at it: that one goes on with this too.
    async fn send_waiting(&self) -> io::Result<()> {
        if self.is_sending.get() {
            return Ok(());
        }
        self.is_sending.set(true);
        let _turn = Turn(self);
        let mut result = Ok(());
        while result.is_ok() && !self.outgoing.borrow().is_empty() {
            let bytes = self.outgoing.take();
            result = self.stream.write_all(bytes, 0).await.0;
        }
        result
    }

    /// Waits until no other task is sending.
    async fn wait_for_turn(&self) {
        poll_fn(|context| {
            if !self.is_sending.get() {
                return Poll::Ready(());
            }
            self.sender.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

/// A task's turn to send; given back however the task ends.
struct Turn<'s>(&'s TlsStream);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.0.is_sending.set(false);
        if let Some(sender) = self.0.sender.take() {
            sender.wake();
        }
    }
}

impl fmt::Debug for TlsStream {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "TlsStream({:?}, {})", self.stream, self.facts.version)
    }
}

/// The most plain text that one write takes: two records.
const WRITE_BYTES_MAX: usize = 32 * 1024;
