//! The part of a handshake that both sides share.

use std::io;

use super::session::Session;
use crate::base::limits::BUFFER_BYTES;
use crate::rt::Stream;

/// Why a handshake failed. The peer was sent the alert that fits, if any does.
#[derive(Debug)]
pub enum HandshakeFailure {
    /// The peer does not keep to TLS, is not who it should be, or shares nothing with us.
    Refused(rustls::Error),
    /// It went away, or was too slow.
    Gone(io::Error),
}

/// Goes on to the end of the handshake.
pub(super) async fn shake_hands(
    stream: &Stream,
    session: &mut Session,
) -> Result<(), HandshakeFailure> {
    loop {
        let mut out = Vec::new();
        let processed = session.process(&mut out);
        if !out.is_empty() {
            let (written, _) = stream.write_all(out, 0).await;
            if processed.is_ok() {
                written.map_err(HandshakeFailure::Gone)?;
            }
        }
        if let Err(error) = processed {
            let _ = stream.flush().await;
            return Err(HandshakeFailure::Refused(error));
        }
        if !session.facts().is_handshaking() {
            return Ok(());
        }
        if session.is_closed() {
            return Err(HandshakeFailure::Gone(io::ErrorKind::ConnectionAborted.into()));
        }
        receive_some(stream, session.incoming()).await?;
    }
}

/// Waits for bytes and appends them.
pub(super) async fn receive_some(
    stream: &Stream,
    bytes: &mut Vec<u8>,
) -> Result<(), HandshakeFailure> {
    loop {
        stream.readable().await.map_err(HandshakeFailure::Gone)?;
        if take_received(stream, bytes).map_err(HandshakeFailure::Gone)? {
            return Ok(());
        }
    }
}

/// Appends what the socket has now; whether that was anything. A connection that was cut is an
/// error: without a word of TLS it is no end.
pub(super) fn take_received(stream: &Stream, bytes: &mut Vec<u8>) -> io::Result<bool> {
    bytes.reserve(BUFFER_BYTES);
    match stream.read_now(bytes) {
        Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(false),
        Err(error) => Err(error),
    }
}
