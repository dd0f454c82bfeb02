//! One active check: a connection of its own, one question, and whether the answer is a success.
//!
//! Targets are asked in the protocol that their group speaks, over its TLS: what requests cannot
//! reach must not look healthy, nor the other way round.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;

use super::health_http2;
use super::owned_task::OwnedTask;
use crate::coord::TargetEndpoint;
use crate::model::{ActiveHealth, TargetProtocol};
use crate::tls::UpstreamTls;
use crate::upstream::without_port;

/// How the targets of one group are checked.
#[derive(Clone)]
pub(crate) struct CheckPlan {
    /// What is asked, and what counts.
    pub(crate) policy: ActiveHealth,
    /// What targets speak.
    pub(crate) protocol: TargetProtocol,
    /// How they are reached over TLS, if they are.
    pub(crate) tls: Option<CheckTls>,
}

/// TLS to the targets of one group, with sessions of the side thread's own.
#[derive(Clone)]
pub(crate) struct CheckTls {
    shared: Arc<UpstreamTls>,
    config: Arc<ClientConfig>,
}

impl CheckPlan {
    /// Whether checks by `other` would be the same ones.
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        let is_same_tls = match (&self.tls, &other.tls) {
            (None, None) => true,
            (Some(one), Some(two)) => Arc::ptr_eq(&one.shared, &two.shared),
            (None, Some(_)) | (Some(_), None) => false,
        };
        is_same_tls && self.protocol == other.protocol && self.policy == other.policy
    }
}

impl CheckTls {
    pub(crate) fn new(shared: &Arc<UpstreamTls>) -> Self {
        Self { shared: Arc::clone(shared), config: shared.shard_config() }
    }
}

/// Why a check is no success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// No connection, or no TLS session on it.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// The path or the host cannot be sent.
    #[error("the check cannot be sent: {0}")]
    BadRequest(#[source] hyper::http::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("no answer: {0}")]
    NoAnswer(#[source] hyper::Error),
    /// The same over HTTP/2.
    #[error("no answer over HTTP/2: {0}")]
    NoHttp2Answer(#[from] h2::Error),
    /// Connecting and answering took too long together.
    #[error("no answer within {timeout_ms} ms")]
    Timeout {
        /// The bound.
        timeout_ms: u64,
    },
    /// An answer with another status.
    #[error("status {status} is not from {min} to {max}")]
    Status {
        /// What came.
        status: u16,
        /// The least status that is a success.
        min: u16,
        /// The greatest.
        max: u16,
    },
    /// gRPC's service for it does not say that the service serves.
    #[error("gRPC: {0}")]
    Grpc(String),
}

/// Longest head that a target may answer a check with.
pub(super) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Of a body, this much is read before the connection is closed; targets that are cut off in the
/// middle of a page log an error for each check.
pub(super) const BODY_BYTES_MAX: usize = 64 * 1024;
/// What checks call themselves.
pub(super) const USER_AGENT: &str =
    concat!("shardgate/", env!("CARGO_PKG_VERSION"), " (health check)");

/// Checks the target once. Connecting, asking and the head of the answer are bounded by the
/// policy's time together.
pub(crate) async fn check(
    address: &TargetEndpoint,
    host: &str,
    plan: &CheckPlan,
) -> Result<(), CheckError> {
    let timeout_ms = plan.policy.timeout_ms;
    let timeout = Duration::from_millis(timeout_ms);
    let answer = tokio::time::timeout(timeout, reach(address, host, plan)).await;
    answer.unwrap_or(Err(CheckError::Timeout { timeout_ms }))
}

async fn reach(address: &TargetEndpoint, host: &str, plan: &CheckPlan) -> Result<(), CheckError> {
    match address {
        TargetEndpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(CheckError::Connect)?;
            secure(stream, host, plan).await
        }
        TargetEndpoint::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(CheckError::Connect)?;
            secure(stream, host, plan).await
        }
    }
}

async fn secure(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    host: &str,
    plan: &CheckPlan,
) -> Result<(), CheckError> {
    let Some(tls) = &plan.tls else { return ask(stream, host, plan).await };
    let name = tls.shared.server_name(without_port(host));
    let name = name.map_err(|problem| CheckError::Connect(io::Error::other(problem)))?;
    let connector = TlsConnector::from(Arc::clone(&tls.config));
    let stream = connector.connect(name, stream).await.map_err(CheckError::Connect)?;
    let is_h2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
    if plan.protocol == TargetProtocol::Http2 && !is_h2 {
        let error = io::Error::other("the target does not speak h2 inside TLS");
        return Err(CheckError::Connect(error));
    }
    ask(stream, host, plan).await
}

async fn ask(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    host: &str,
    plan: &CheckPlan,
) -> Result<(), CheckError> {
    let scheme = if plan.tls.is_some() { "https" } else { "http" };
    match (plan.protocol, &plan.policy.grpc_service) {
        (TargetProtocol::Http1, _) => get(stream, host, &plan.policy).await,
        (TargetProtocol::Http2, None) => {
            health_http2::get(stream, (scheme, host), &plan.policy).await
        }
        (TargetProtocol::Http2, Some(service)) => {
            health_http2::ask_service(stream, (scheme, host), service).await
        }
    }
}

async fn get(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    host: &str,
    policy: &ActiveHealth,
) -> Result<(), CheckError> {
    let request = Request::get(policy.path.as_str())
        .header(header::HOST, host)
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .map_err(CheckError::BadRequest)?;
    let mut client = http1::Builder::new();
    client.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) =
        client.handshake(TokioIo::new(stream)).await.map_err(CheckError::NoAnswer)?;
    let _connection = OwnedTask::spawn(async move {
        // How it ended is told to whoever waits for the answer.
        let _ = connection.await;
    });
    let answer = sender.send_request(request).await.map_err(CheckError::NoAnswer)?;
    judge(answer.status().as_u16(), policy)?;
    read_some(answer).await;
    Ok(())
}

/// Whether `status` is a success.
pub(super) fn judge(status: u16, policy: &ActiveHealth) -> Result<(), CheckError> {
    let (min, max) = (policy.status_min, policy.status_max);
    match (min..=max).contains(&status) {
        true => Ok(()),
        false => Err(CheckError::Status { status, min, max }),
    }
}

/// The head has decided: whatever the body does is no matter.
async fn read_some(answer: Response<Incoming>) {
    let mut body = answer.into_body();
    let mut left = BODY_BYTES_MAX;
    while let Some(Ok(frame)) = body.frame().await {
        let length = frame.data_ref().map_or(0, Bytes::len);
        match left.checked_sub(length) {
            Some(less) => left = less,
            None => return,
        }
    }
}
