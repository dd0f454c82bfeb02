//! The client's side of a request: its connection, and what is known of it.

use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::io;
use std::net::{IpAddr, Ipv4Addr};
use std::pin::pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::Poll;

use super::request::Request;
use super::state::ShardState;
use crate::base::{Fault, Nanos};
use crate::http2::{ServerStream, StreamGone};
use crate::model::{CertificateHeaders, Listener, ListenerTls};
use crate::plan::{HandshakeName, RedirectPlan, StageLabels, TemplatePiece, TlsPlan};
use crate::proto::{FieldName, RequestHead};
use crate::rt::{Deadline, Peer, now};
use crate::tls::ServerTls;
use crate::transport::{TlsFacts, Transport};
use crate::upstream::stable_hash;

/// What all connections of one listener have in common.
#[derive(Debug)]
pub struct ListenerContext {
    /// The listener's settings.
    pub listener: Listener,
    /// `http` or `https`.
    pub scheme: &'static str,
    /// How it serves TLS, if it does.
    pub tls: Option<ListenerTlsContext>,
    /// See [`TlsPlan::certificate_header_names`].
    pub certificate_header_names: Arc<[Box<str>]>,
    /// It sends clients to this port of the same host, by HTTPS.
    pub redirect_to_https: Option<RedirectPlan>,
    /// The local port as text, empty for unix sockets.
    pub port: Box<str>,
    /// The field lines that tell targets about the listener, each ended by CRLF.
    pub forwarded_lines: Box<[u8]>,
}

/// How a listener serves TLS.
#[derive(Clone, Debug)]
pub struct ListenerTlsContext {
    /// The domains.
    pub server: Arc<ServerTls>,
    /// The listener's own settings.
    pub settings: ListenerTls,
    /// What targets are told of clients' certificates, by domain.
    pub certificate_headers: Arc<[CertificateHeaders]>,
}

impl ListenerContext {
    /// The context of `listener`, bound to `port`, with what `tls` has for it.
    #[must_use]
    pub fn new(listener: Listener, port: Option<u16>, tls: &TlsPlan) -> Self {
        let redirect_to_https = tls.redirects.get(&listener.name).map(|port| to_https(*port));
        let certificate_header_names = Arc::clone(&tls.certificate_header_names);
        let tls = tls.listeners.get(&listener.name).map(|settings| ListenerTlsContext {
            server: Arc::clone(&tls.server),
            settings: *settings,
            certificate_headers: Arc::clone(&tls.certificate_headers),
        });
        let scheme = if tls.is_some() { "https" } else { "http" };
        let port = port.map(|port| port.to_string()).unwrap_or_default();
        let mut lines = format!("x-forwarded-proto: {scheme}\r\n");
        if !port.is_empty() {
            lines.push_str(&format!("x-forwarded-port: {port}\r\n"));
        }
        Self {
            listener,
            scheme,
            tls,
            certificate_header_names,
            redirect_to_https,
            port: port.into_boxed_str(),
            forwarded_lines: lines.into_bytes().into_boxed_slice(),
        }
    }

    /// The address that a request came from at first: the peer's, or, where trusted proxies passed
    /// it on, the last one in `X-Forwarded-For` that is not a trusted proxy's. Without a head that
    /// was understood (it comes with its bytes) it is the peer's.
    #[must_use]
    pub fn source_ip(&self, peer: Peer, head: Option<(&RequestHead, &[u8])>) -> Option<IpAddr> {
        let Peer::Tcp(address) = peer else {
            return None;
        };
        let mut source = address.ip().to_canonical();
        let Some((head, bytes)) = head.filter(|_| self.trusts(source)) else {
            return Some(source);
        };
        let lines = head.fields.iter().rev();
        for field in lines.filter(|field| field.known == FieldName::XForwardedFor) {
            for element in field.value.of(bytes).rsplit(|byte| *byte == b',') {
                let text = std::str::from_utf8(element.trim_ascii()).ok();
                let Some(ip) = text.and_then(|text| text.parse::<IpAddr>().ok()) else {
                    return Some(source);
                };
                source = ip.to_canonical();
                if !self.trusts(source) {
                    return Some(source);
                }
            }
        }
        Some(source)
    }

    /// Whether `peer` may say who the client is. Only this machine reaches a unix socket.
    #[must_use]
    pub fn is_trusted_proxy(&self, peer: Peer) -> bool {
        match peer {
            Peer::Tcp(address) => self.trusts(address.ip().to_canonical()),
            Peer::Unix => true,
        }
    }

    /// Whether what `peer` says of its own clients is believed.
    #[must_use]
    pub fn trusts(&self, peer: IpAddr) -> bool {
        self.listener.trusted_proxies.iter().any(|network| network.contains(peer))
    }
}

/// To the same host and URL by HTTPS. 308 keeps the method and the body.
fn to_https(port: u16) -> RedirectPlan {
    let port = if port == 443 { String::new() } else { format!(":{port}") };
    let literal = |text: &str| TemplatePiece::Literal(text.as_bytes().into());
    let host = [literal("https://"), TemplatePiece::Host, literal(&port)];
    let url = [TemplatePiece::Path, TemplatePiece::Query];
    RedirectPlan { status: 308, location: host.into_iter().chain(url).collect() }
}

/// The client of a request, and the way back to it.
pub struct Client<'c> {
    /// What its requests come in and its answers go out by.
    pub link: ClientLink<'c>,
    /// What was negotiated, over TLS.
    pub tls: Option<&'c TlsFacts>,
    /// Of the connection, or over HTTP/2 of this request.
    pub deadline: &'c Deadline,
    /// Who connected: the socket's peer, or the source that a PROXY header named.
    pub peer: Peer,
    /// The listener.
    pub listener: &'c ListenerContext,
    /// How long a write may make no progress.
    pub write_timeout: Nanos,
    /// Set once a byte of the final answer is on its way, and while earlier answers are: a fault
    /// can no longer be told.
    pub answer_started: &'c Cell<bool>,
}

/// The way that requests come and answers go.
pub enum ClientLink<'c> {
    /// A connection that carries one request after the other.
    Http1(Http1Link<'c>),
    /// A stream of a connection that carries many.
    Http2(&'c Rc<ServerStream>),
}

/// An HTTP/1 connection.
pub struct Http1Link<'c> {
    /// The connection.
    pub stream: &'c Transport,
    /// It may carry another request after this one.
    pub may_persist: bool,
    /// How much of what waits to be sent are answers to earlier requests.
    pub waiting_bytes: &'c Cell<usize>,
    /// Set when an answer was cut that ends with its connection: only a reset tells the client.
    pub must_reset: &'c Cell<bool>,
}

impl Client<'_> {
    /// The client's address; unix sockets count as 127.0.0.1.
    #[must_use]
    pub fn ip(&self) -> IpAddr {
        match self.peer {
            Peer::Tcp(address) => address.ip().to_canonical(),
            Peer::Unix => IpAddr::V4(Ipv4Addr::LOCALHOST),
        }
    }

    /// See [`ListenerContext::source_ip`].
    #[must_use]
    pub fn source_ip(&self, request: &Request<'_>) -> Option<IpAddr> {
        self.listener.source_ip(self.peer, Some((request.head, request.bytes)))
    }

    /// Whether private APIs may be reached from where it is.
    pub(crate) fn is_private_source(&self, request: &Request<'_>) -> bool {
        self.listener.listener.is_private_for(self.source_ip(request))
    }

    /// The name that the TLS handshake was for.
    pub(crate) fn handshake_name(&self) -> HandshakeName<'_> {
        match self.tls {
            None => HandshakeName::Plain,
            Some(facts) => match &facts.server_name {
                Some(name) => HandshakeName::Named(name.as_bytes()),
                None => HandshakeName::Unnamed,
            },
        }
    }

    /// A number that is the same for all requests of one client to a stage, by the names of the stage:
    /// its index is another one with each API that comes or goes.
    pub(crate) fn stable_draw(&self, request: &Request<'_>, stage: &StageLabels) -> u32 {
        let mut bytes = [0_u8; 32];
        match self.source_ip(request).unwrap_or_else(|| self.ip()) {
            IpAddr::V4(ip) => bytes[..4].copy_from_slice(&ip.octets()),
            IpAddr::V6(ip) => bytes[..16].copy_from_slice(&ip.octets()),
        }
        let names = [&stage.api_id, &stage.stage_name].map(|name| stable_hash(name.as_bytes()));
        for (word, name) in bytes[16..].chunks_exact_mut(8).zip(names) {
            word.copy_from_slice(&name.to_le_bytes());
        }
        (stable_hash(&bytes) >> 32) as u32
    }

    /// Whether the connection may carry another request behind `request`, as far as its body lets it.
    pub(crate) fn may_go_on(&self, state: &ShardState, request: &Request<'_>) -> bool {
        request.head.keep_alive && self.may_persist() && !state.draining.get()
    }

    /// Whether another request may come the way that this one came.
    pub(crate) fn may_persist(&self) -> bool {
        match &self.link {
            ClientLink::Http1(link) => link.may_persist,
            ClientLink::Http2(_) => true,
        }
    }

    /// Writes `buffer[start..]` whole; `is_last` says that the answer ends with it.
    /// [`Fault::ClientGone`] if the client went away, or took nothing for too long.
    pub(crate) async fn write(
        &self,
        buffer: Vec<u8>,
        start: usize,
        at: Nanos,
        is_last: bool,
    ) -> (Result<(), Fault>, Vec<u8>) {
        match &self.link {
            ClientLink::Http1(link) => self.write_bytes(link, buffer, start, at).await,
            ClientLink::Http2(stream) => {
                let bytes = &buffer[start..];
                let sending = stream.send(bytes, is_last, self.deadline, self.write_timeout);
                let sent = Box::pin(sending).await;
                (sent.map_err(|StreamGone| Fault::ClientGone), buffer)
            }
        }
    }

    async fn write_bytes(
        &self,
        link: &Http1Link<'_>,
        buffer: Vec<u8>,
        start: usize,
        at: Nanos,
    ) -> (Result<(), Fault>, Vec<u8>) {
        let (mut buffer, mut written, mut at) = (buffer, start, at);
        while written < buffer.len() {
            self.deadline.set(at.plus(self.write_timeout));
            let (result, same_buffer): (io::Result<usize>, _) =
                link.stream.write_some(buffer, written).await;
            buffer = same_buffer;
            match result {
                Ok(count) => written += count,
                Err(_) => return (Err(Fault::ClientGone), buffer),
            }
            if written < buffer.len() {
                at = now();
            }
        }
        (Ok(()), buffer)
    }

    /// Waits for `work`, but no longer than the client is there; `work` is dropped where it stands.
    /// Nobody else may read from the client meanwhile. One that ends its direction counts as gone; one
    /// that sends its next request already is not listened to any more. Over HTTP/2 the whole request
    /// is dropped when its client gives it up.
    pub(crate) async fn unless_gone<T>(&self, work: impl Future<Output = T>) -> Result<T, Fault> {
        let ClientLink::Http1(link) = &self.link else { return Ok(work.await) };
        let (mut work, mut readable) = (pin!(work), pin!(link.stream.wait_for_input()));
        let mut is_watched = true;
        poll_fn(|context| {
            if let Poll::Ready(done) = work.as_mut().poll(context) {
                return Poll::Ready(Ok(done));
            }
            if is_watched && let Poll::Ready(result) = readable.as_mut().poll(context) {
                is_watched = false;
                if result.is_err() || link.stream.has_ended() {
                    return Poll::Ready(Err(Fault::ClientGone));
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Sends an interim answer.
    pub(crate) async fn write_interim(&self, text: Vec<u8>) -> Result<(), Fault> {
        match &self.link {
            ClientLink::Http1(link) => self.write_bytes(link, text, 0, now()).await.0,
            ClientLink::Http2(stream) => {
                stream.send_interim(&text).map_err(|StreamGone| Fault::ClientGone)
            }
        }
    }

    /// Ends an answer whose body was written whole, with trailers as lines that end with CRLF; over
    /// HTTP/1 the body's framing has said so.
    pub(crate) fn end(&self, trailers: &[u8]) -> Result<(), Fault> {
        match &self.link {
            ClientLink::Http1(_) => Ok(()),
            ClientLink::Http2(stream) => {
                stream.end(trailers).map_err(|StreamGone| Fault::ClientGone)
            }
        }
    }
}
