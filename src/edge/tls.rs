//! The start of a connection to a listener that serves TLS: PROXY header, handshake, and what
//! those get who do not speak TLS.

use std::rc::Rc;

use rustls::pki_types::UnixTime;

use super::Workers;
use super::h1::{linger, refuse_connection, serve_connection};
use super::h2::Http2;
use super::proxied::read_proxy_header;
use crate::base::{Fault, Nanos};
use crate::model::ProxyProtocol;
use crate::observe::{DeadlineKind, HandshakeEnd};
use crate::pipeline::{DISCARD_TIMEOUT, ListenerContext, ShardState};
use crate::rt::{Deadline, Peer, Stream, now};
use crate::transport::{AcceptFailure, Accepted, HandshakeFailure, Transport, accept_tls};

/// Does the handshake, then serves the connection to its end; `held` is dropped then.
pub async fn serve_tls_connection<H: 'static>(
    state: Rc<ShardState>,
    workers: Rc<Workers>,
    stream: Stream,
    peer: Peer,
    listener: Rc<ListenerContext>,
    held: H,
) {
    let start = Start { state: &state, stream: &stream, listener: &listener };
    // Some kilobytes that a connection needs no more once it is served.
    let Some((transport, peer)) = Box::pin(start.run(peer)).await else {
        return stream.shutdown_both();
    };
    drop(stream);
    let (session, recorder) = (transport.clone(), state.recorder.clone());
    if transport.tls().is_some_and(|facts| facts.alpn == b"h2") {
        let connection = Http2::new(state, transport, peer, listener);
        Box::pin(connection.run(&workers, Vec::new())).await;
        connection.close().await;
        drop(held);
    } else {
        Box::pin(serve_connection(state, workers, transport, peer, listener, held)).await;
    }
    if session.is_broken() {
        recorder.tls_session_broken();
    }
}

/// A connection before its first request.
struct Start<'s> {
    state: &'s Rc<ShardState>,
    stream: &'s Stream,
    listener: &'s Rc<ListenerContext>,
}

impl Start<'_> {
    /// The connection inside TLS and who it is from; `None` if there is nobody to serve.
    async fn run(&self, peer: Peer) -> Option<(Transport, Peer)> {
        let tls = self.listener.tls.as_ref()?;
        let deadline = self.state.deadlines.watch(self.stream.raw_fd());
        let started = now();
        deadline.set(started.plus(Nanos::from_millis(tls.settings.handshake_timeout_ms)));
        let (peer, early) = self.proxy_header(peer).await?;
        let wall_clock = self.state.unix_millis_at(started) / 1_000;
        let wall_clock = UnixTime::since_unix_epoch(std::time::Duration::from_secs(wall_clock));
        let default = tls.settings.default_domain;
        let stream = self.stream.clone();
        let challenge = |name: &str| self.state.challenges.tls_certificate(name);
        match accept_tls(stream, early, &tls.server, default, &challenge, wall_clock).await {
            Ok(Accepted::Client(transport)) => {
                self.count_done(&transport);
                Some((transport, peer))
            }
            Ok(Accepted::Authority(transport)) => {
                self.count_done(&transport);
                deadline.set(now().plus(DISCARD_TIMEOUT));
                linger(self.state, &transport).await;
                None
            }
            Err(failure) => {
                self.fail(failure, peer, &deadline).await;
                None
            }
        }
    }

    /// Reads the PROXY header, where there must be one; who it names, and what came behind it.
    async fn proxy_header(&self, peer: Peer) -> Option<(Peer, Vec<u8>)> {
        if self.listener.listener.proxy_protocol != ProxyProtocol::Required {
            return Some((peer, Vec::new()));
        }
        let (source, early) = match self.listener.is_trusted_proxy(peer) {
            true => {
                let buffer = Vec::with_capacity(crate::base::limits::BUFFER_BYTES);
                read_proxy_header(&Transport::from(self.stream.clone()), buffer).await
            }
            false => (Err(Fault::BadProxyHeader), Vec::new()),
        };
        match source {
            Ok(source) => Some((source.unwrap_or(peer), early)),
            Err(fault) => {
                self.state.recorder.connection_fault(fault);
                None
            }
        }
    }

    fn count_done(&self, transport: &Transport) {
        let Some(facts) = transport.tls() else { return };
        self.state.recorder.handshake_ended(&HandshakeEnd::Done {
            version: facts.version,
            suite: facts.suite,
            group: facts.group,
            is_resumed: facts.is_resumed,
        });
    }

    /// Counts why there is no session, and answers who speaks plain HTTP in plain HTTP.
    async fn fail(&self, failure: AcceptFailure, peer: Peer, deadline: &Deadline) {
        let is_late = deadline.passed();
        let recorder = &self.state.recorder;
        let reason = match &failure {
            _ if is_late => "timeout",
            AcceptFailure::PlainHttp => "plain_http",
            AcceptFailure::UnknownName => "unknown_name",
            AcceptFailure::Distrusted(_) => "client_certificate",
            AcceptFailure::Handshake(HandshakeFailure::Gone(_)) => "gone",
            AcceptFailure::Handshake(HandshakeFailure::Refused(error)) => reason(error),
        };
        recorder.handshake_ended(&HandshakeEnd::Failed { reason });
        if is_late {
            return recorder.deadline_fired(DeadlineKind::Handshake);
        }
        tracing::debug!(listener = self.listener.listener.name, ?failure, "no TLS session");
        if let AcceptFailure::PlainHttp = failure {
            let (state, listener) = (Rc::clone(self.state), Rc::clone(self.listener));
            recorder.connection_fault(Fault::PlainHttpToTls);
            let fault = Fault::PlainHttpToTls;
            return refuse_connection(state, self.stream.clone(), peer, listener, fault).await;
        }
        deadline.set(now().plus(DISCARD_TIMEOUT));
        // The alert must not be lost to a reset.
        linger(self.state, &Transport::from(self.stream.clone())).await;
    }
}

/// The label of a failed handshake.
fn reason(error: &rustls::Error) -> &'static str {
    match error {
        rustls::Error::PeerIncompatible(_) => "nothing_in_common",
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => {
            "client_certificate"
        }
        rustls::Error::AlertReceived(_) => "alert_received",
        _ => "protocol",
    }
}
