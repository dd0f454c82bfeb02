//! The handshake with a client: its first message chooses the domain, and that the configuration.

use std::rc::Rc;
use std::sync::Arc;

use rustls::pki_types::UnixTime;

use super::Transport;
use super::handshake::{HandshakeFailure, receive_some, shake_hands};
use super::session::Session;
use super::tls_stream::{TlsFacts, TlsStream};
use crate::rt::Stream;
use crate::tls::{
    ClientCertificate, ClientVerdict, DomainTls, HelloReader, HelloStep, OnInvalid, ServerTls,
    UNRECOGNIZED_NAME_ALERT,
};

/// Why there is no session. The peer was sent the alert that fits, if any does.
#[derive(Debug)]
pub enum AcceptFailure {
    /// The client speaks plain HTTP; nothing was sent to it.
    PlainHttp,
    /// It asked for a name that is not served.
    UnknownName,
    /// Its certificate is not worth enough, or missing.
    Distrusted(ClientVerdict),
    /// The handshake failed.
    Handshake(HandshakeFailure),
}

impl From<HandshakeFailure> for AcceptFailure {
    fn from(failure: HandshakeFailure) -> Self {
        Self::Handshake(failure)
    }
}

/// Does the handshake on `stream`, of which `early` was read before. Clients that ask for no known
/// name get the domain `default_domain`, or are refused. The caller keeps a deadline.
pub async fn accept_tls(
    stream: Stream,
    early: Vec<u8>,
    server: &ServerTls,
    default_domain: Option<usize>,
    now: UnixTime,
) -> Result<Transport, AcceptFailure> {
    let (domain, bytes) = read_hello(&stream, early, server, default_domain).await?;
    let config = Arc::clone(&domain.config);
    let mut session = Session::server(config).map_err(HandshakeFailure::Refused)?;
    *session.incoming() = bytes;
    shake_hands(&stream, &mut session).await?;
    let verdict = judge(&domain, &session, now);
    if let (Some(trust), Some(verdict)) = (&domain.trust, &verdict)
        && !matches!(verdict, ClientVerdict::Trusted)
        && trust.on_invalid() == OnInvalid::Refuse
    {
        return Err(AcceptFailure::Distrusted(*verdict));
    }
    let client_certificate = session
        .facts()
        .peer_certificates()
        .filter(|_| domain.trust.is_some())
        .and_then(ClientCertificate::read)
        .map(Box::new);
    let facts =
        TlsFacts { domain: Some(domain), verdict, client_certificate, ..TlsFacts::of(&session) };
    Ok(Transport::Tls(Rc::new(TlsStream::new(stream, session, facts))))
}

/// Reads the client's first message; which domain it is for, and all bytes that came.
async fn read_hello(
    stream: &Stream,
    early: Vec<u8>,
    server: &ServerTls,
    default_domain: Option<usize>,
) -> Result<(Arc<DomainTls>, Vec<u8>), AcceptFailure> {
    let (mut reader, mut bytes) = (HelloReader::default(), early);
    let mut read_before = 0;
    loop {
        if read_before == bytes.len() {
            receive_some(stream, &mut bytes).await?;
        }
        let step = reader.push(&bytes[read_before..]);
        read_before = bytes.len();
        match step {
            HelloStep::More => {}
            HelloStep::PlainHttp => return Err(AcceptFailure::PlainHttp),
            HelloStep::Refused { error, alert } => {
                say_last(stream, alert).await;
                return Err(HandshakeFailure::Refused(error).into());
            }
            HelloStep::Hello { accepted, .. } => {
                let hello = accepted.client_hello();
                let Some(domain) = server.select(hello.server_name(), default_domain) else {
                    say_last(stream, UNRECOGNIZED_NAME_ALERT.to_vec()).await;
                    return Err(AcceptFailure::UnknownName);
                };
                return Ok((Arc::clone(domain), bytes));
            }
        }
    }
}

fn judge(domain: &DomainTls, session: &Session, now: UnixTime) -> Option<ClientVerdict> {
    let trust = domain.trust.as_ref()?;
    Some(trust.judge(session.facts().peer_certificates(), now))
}

async fn say_last(stream: &Stream, alert: Vec<u8>) {
    if !alert.is_empty() && stream.write_all(alert, 0).await.0.is_ok() {
        let _ = stream.flush().await;
    }
}
