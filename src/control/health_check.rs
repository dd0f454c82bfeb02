//! One active check: a GET over a connection of its own, and whether the answer is a success.

use std::io;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{Request, Response, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

use super::owned_task::OwnedTask;
use crate::coord::TargetEndpoint;
use crate::model::ActiveHealth;

/// Why a check is no success.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// No connection.
    #[error("no connection: {0}")]
    Connect(#[source] io::Error),
    /// The path or the host cannot be sent.
    #[error("the check cannot be sent: {0}")]
    BadRequest(#[source] hyper::http::Error),
    /// The connection broke, or what came is not HTTP.
    #[error("no answer: {0}")]
    NoAnswer(#[source] hyper::Error),
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
}

/// Longest head that a target may answer a check with.
const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Of a body, this much is read before the connection is closed; targets that are cut off in the
/// middle of a page log an error for each check.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// Checks the target once. Connecting, asking and the head of the answer are bounded by the
/// policy's time together.
pub(crate) async fn check(
    address: &TargetEndpoint,
    host: &str,
    policy: &ActiveHealth,
) -> Result<(), CheckError> {
    let timeout = Duration::from_millis(policy.timeout_ms);
    let answer = tokio::time::timeout(timeout, ask(address, host, policy)).await;
    answer.unwrap_or(Err(CheckError::Timeout { timeout_ms: policy.timeout_ms }))
}

async fn ask(
    address: &TargetEndpoint,
    host: &str,
    policy: &ActiveHealth,
) -> Result<(), CheckError> {
    match address {
        TargetEndpoint::Tcp(address) => {
            let stream = TcpStream::connect(address).await.map_err(CheckError::Connect)?;
            get(stream, host, policy).await
        }
        TargetEndpoint::Unix(path) => {
            let stream = UnixStream::connect(path).await.map_err(CheckError::Connect)?;
            get(stream, host, policy).await
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
        .header(
            header::USER_AGENT,
            concat!("shardgate/", env!("CARGO_PKG_VERSION"), " (health check)"),
        )
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
    let status = answer.status().as_u16();
    let (min, max) = (policy.status_min, policy.status_max);
    if !(min..=max).contains(&status) {
        return Err(CheckError::Status { status, min, max });
    }
    read_some(answer).await;
    Ok(())
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
