//! The handshake with a target.

use std::rc::Rc;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::Transport;
use super::handshake::{HandshakeFailure, shake_hands};
use super::session::Session;
use super::tls_stream::{TlsFacts, TlsStream};
use crate::rt::Stream;

/// Does the handshake on `stream` with the target that should be `name`. The caller keeps a
/// deadline.
pub async fn connect_tls(
    stream: Stream,
    config: &Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Result<Transport, HandshakeFailure> {
    let config = Arc::clone(config);
    let mut session = Session::client(config, name).map_err(HandshakeFailure::Refused)?;
    shake_hands(&stream, &mut session).await?;
    let facts = TlsFacts::of(&session);
    Ok(Transport::Tls(Rc::new(TlsStream::new(stream, session, facts))))
}
