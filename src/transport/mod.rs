//! A connection as everything above sees it: a stream of bytes, plain or over TLS.
//!
//! Owns the TLS sessions of connections: handshakes, records, alerts. Knows nothing of HTTP, of
//! listeners or of targets. The rule that a newcomer would break: of a session, what was encrypted
//! first is sent first, whichever of the connection's two tasks encrypted it.

mod accept;
mod connect;
mod handshake;
mod session;
#[cfg(test)]
mod tests;
mod tls_stream;

use std::io;
use std::os::fd::RawFd;
use std::rc::Rc;

use crate::rt::Stream;

pub use accept::{AcceptFailure, Accepted, FindChallenge, accept_tls};
pub use connect::connect_tls;
pub use handshake::HandshakeFailure;
pub use session::Session;
pub use tls_stream::{TlsFacts, TlsStream};

/// A connected stream of bytes. Clones share it, so that two tasks may drive its directions.
#[derive(Clone, Debug)]
pub enum Transport {
    /// As it is.
    Plain(Stream),
    /// Inside TLS.
    Tls(Rc<TlsStream>),
}

impl Transport {
    /// What was negotiated, over TLS.
    #[must_use]
    pub fn tls(&self) -> Option<&TlsFacts> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(tls) => Some(tls.facts()),
        }
    }

    /// Whether a session ended because something came that is no part of it: a record that cannot be
    /// read, a message out of place.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        match self {
            Self::Plain(_) => false,
            Self::Tls(tls) => tls.is_broken(),
        }
    }

    /// See [`Stream::read_append`].
    pub async fn read_append(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        self.read_append_up_to(buffer, usize::MAX).await
    }

    /// See [`Stream::read_append_up_to`].
    pub async fn read_append_up_to(
        &self,
        buffer: Vec<u8>,
        bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        match self {
            Self::Plain(stream) => stream.read_append_up_to(buffer, bytes_max).await,
            Self::Tls(tls) => tls.read(buffer, bytes_max).await,
        }
    }

    /// See [`Stream::write_some`].
    pub async fn write_some(&self, buffer: Vec<u8>, start: usize) -> (io::Result<usize>, Vec<u8>) {
        match self {
            Self::Plain(stream) => stream.write_some(buffer, start).await,
            Self::Tls(tls) => (tls.write(&buffer[start..]).await, buffer),
        }
    }

    /// See [`Stream::write_all`].
    pub async fn write_all(&self, buffer: Vec<u8>, start: usize) -> (io::Result<()>, Vec<u8>) {
        match self {
            Self::Plain(stream) => stream.write_all(buffer, start).await,
            Self::Tls(tls) => (tls.write_all(&buffer[start..]).await, buffer),
        }
    }

    /// See [`Stream::readable`]; of a session, that plain text is there.
    pub async fn readable(&self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.readable().await,
            // An idle connection waits here: its task must not pay for what TLS needs.
            Self::Tls(tls) => Box::pin(tls.readable()).await,
        }
    }

    /// See [`Stream::arm`].
    pub fn arm(&self) {
        self.stream().arm();
    }

    /// See [`Stream::has_input`]; what only TLS itself has to say does not count.
    #[must_use]
    pub fn has_input(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.has_input(),
            Self::Tls(tls) => tls.has_input(),
        }
    }

    /// Like [`Transport::readable`], but it may be dropped at any time, and of a session may return
    /// where only TLS itself has something to say.
    pub async fn wait_for_input(&self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.readable().await,
            Self::Tls(tls) => tls.wait_for_input().await,
        }
    }

    /// See [`Stream::has_ended`]; of a session, what TLS itself has yet to say does not count.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.has_ended(),
            Self::Tls(tls) => tls.has_ended(),
        }
    }

    /// See [`Stream::flush`].
    pub async fn flush(&self) -> io::Result<()> {
        self.stream().flush().await
    }

    /// See [`Stream::has_unsent`].
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        self.stream().has_unsent()
    }

    /// Ends the sending direction, over TLS with a word of it; what was written arrives first.
    pub async fn shutdown_write(&self) {
        if let Self::Tls(tls) = self {
            tls.close().await;
        }
        let _ = self.stream().flush().await;
        self.stream().shutdown_write();
    }

    /// Ends both directions at once; operations in flight return.
    pub fn shutdown_both(&self) {
        self.stream().shutdown_both();
    }

    /// See [`Stream::reset_on_close`].
    pub fn reset_on_close(&self) {
        self.stream().reset_on_close();
    }

    /// The descriptor; it stays owned by this transport.
    #[must_use]
    pub fn raw_fd(&self) -> RawFd {
        self.stream().raw_fd()
    }

    fn stream(&self) -> &Stream {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(tls) => tls.stream(),
        }
    }
}

impl From<Stream> for Transport {
    fn from(stream: Stream) -> Self {
        Self::Plain(stream)
    }
}
