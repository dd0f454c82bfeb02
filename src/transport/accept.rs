//! The handshake with a client: its first message chooses the domain, and that the configuration.

use std::rc::Rc;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::UnixTime;
use rustls::server::ClientHello;
use rustls::sign::CertifiedKey;

use super::Transport;
use super::handshake::{HandshakeFailure, receive_some, shake_hands};
use super::session::Session;
use super::tls_stream::{TlsFacts, TlsStream};
use crate::rt::Stream;
use crate::tls::{
    ACME_TLS_ALPN, ClientCertificate, ClientVerdict, DomainTls, HelloReader, HelloStep, OnInvalid,
    ServerTls, UNRECOGNIZED_NAME_ALERT, challenge_config,
};

/// Who has come.
#[derive(Debug)]
pub enum Accepted {
    /// A client, to be served.
    Client(Transport),
    /// An authority that has seen what it validates a name by. It sends no request, and none may be
    /// read from it: nothing but the name of the challenge was agreed on (RFC 8737 section 3).
    Authority(Transport),
}

/// The certificate to show to an authority that validates this name, if a challenge is under way.
pub type FindChallenge<'f> = &'f dyn Fn(&str) -> Option<Arc<CertifiedKey>>;

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
/// name get the domain `default_domain`, or are refused; authorities get what `find_challenge`
/// has. The caller keeps a deadline.
pub async fn accept_tls(
    stream: Stream,
    early: Vec<u8>,
    server: &ServerTls,
    default_domain: Option<usize>,
    find_challenge: FindChallenge<'_>,
    now: UnixTime,
) -> Result<Accepted, AcceptFailure> {
    let choose = |hello: &ClientHello<'_>| match challenge(hello, find_challenge) {
        Some(config) => Some(Choice::Challenge(config)),
        None => server
            .select(hello.server_name(), default_domain)
            .map(|domain| Choice::Domain(Arc::clone(domain), hello.server_name().map(Into::into))),
    };
    let (choice, bytes) = read_hello(&stream, early, choose).await?;
    let config = match &choice {
        Choice::Domain(domain, _) => Arc::clone(&domain.config),
        Choice::Challenge(config) => Arc::clone(config),
    };
    let mut session = Session::server(config).map_err(HandshakeFailure::Refused)?;
    *session.incoming() = bytes;
    shake_hands(&stream, &mut session).await?;
    let Choice::Domain(domain, server_name) = choice else {
        let facts = TlsFacts::of(&session);
        let transport = Transport::Tls(Rc::new(TlsStream::new(stream, session, facts)));
        return Ok(Accepted::Authority(transport));
    };
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
    let facts = TlsFacts {
        server_name,
        domain: Some(domain),
        verdict,
        client_certificate,
        ..TlsFacts::of(&session)
    };
    Ok(Accepted::Client(Transport::Tls(Rc::new(TlsStream::new(stream, session, facts)))))
}

/// What a first message is for.
enum Choice {
    /// With the name that was asked for.
    Domain(Arc<DomainTls>, Option<Box<str>>),
    Challenge(Arc<ServerConfig>),
}

/// The configuration for an authority that validates a name, which offers that protocol alone
/// (RFC 8737 section 3). Without a challenge it is a client like any other, that asks for a
/// protocol which no domain has.
fn challenge(hello: &ClientHello<'_>, find: FindChallenge<'_>) -> Option<Arc<ServerConfig>> {
    let mut protocols = hello.alpn()?;
    let is_authority = protocols.next() == Some(ACME_TLS_ALPN) && protocols.next().is_none();
    let key = find(hello.server_name().filter(|_| is_authority)?)?;
    // Whoever made the certificate has made such a configuration before.
    challenge_config(&key).ok()
}

/// Reads the client's first message; what is chosen for it, and all bytes that came.
async fn read_hello(
    stream: &Stream,
    early: Vec<u8>,
    choose: impl Fn(&ClientHello<'_>) -> Option<Choice>,
) -> Result<(Choice, Vec<u8>), AcceptFailure> {
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
                let Some(choice) = choose(&accepted.client_hello()) else {
                    say_last(stream, UNRECOGNIZED_NAME_ALERT.to_vec()).await;
                    return Err(AcceptFailure::UnknownName);
                };
                return Ok((choice, bytes));
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
