//! HTTPS to the directory: one request, one connection, everything bounded.
//!
//! Certificates are ordered a few times a year; what a pool of connections saves is nothing, and
//! what it could keep alive is trouble. Runs on the provider that the gateway was built with.

use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::header::{HOST, RETRY_AFTER};
use hyper::http::uri::PathAndQuery;
use hyper::{HeaderMap, Request, Response, StatusCode, Uri, header::HeaderValue};
use hyper_util::rt::TokioIo;
use instant_acme::{BodyWrapper, BytesResponse, HttpClient};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::schedule::Seconds;
use crate::control::owned_task::OwnedTask;

/// The client. Clones share what is known of the directory's patience.
#[derive(Clone)]
pub(super) struct Https {
    config: Arc<ClientConfig>,
    /// 0 for none.
    retry_after: Arc<AtomicI64>,
}

impl Https {
    pub(super) fn new(config: Arc<ClientConfig>) -> Self {
        Self { config, retry_after: Arc::default() }
    }

    /// Before when the directory does not want to be asked again, if a refusal since the last call
    /// said so.
    pub(super) fn take_retry_after(&self) -> Option<Seconds> {
        Some(self.retry_after.swap(0, Ordering::Relaxed)).filter(|at| *at != 0)
    }
}

type Failure = Box<dyn Error + Send + Sync>;
type Answer = Pin<Box<dyn Future<Output = Result<BytesResponse, instant_acme::Error>> + Send>>;

impl HttpClient for Https {
    fn request(&self, request: Request<BodyWrapper<Bytes>>) -> Answer {
        let client = self.clone();
        Box::pin(async move {
            let host = request.uri().host().unwrap_or_default().to_owned();
            let answer = tokio::time::timeout(REQUEST_LIMIT, exchange(client.config, request));
            let answer = answer.await.unwrap_or_else(|_| {
                Err(format!("no answer within {} seconds", REQUEST_LIMIT.as_secs()).into())
            });
            let answer = answer.map_err(|error| {
                instant_acme::Error::Other(format!("{host}: {}", with_causes(&*error)).into())
            })?;
            if let Some(at) = patience(answer.status(), answer.headers(), SystemTime::now()) {
                client.retry_after.fetch_max(at, Ordering::Relaxed);
            }
            Ok(BytesResponse::from(answer))
        })
    }
}

async fn exchange(
    config: Arc<ClientConfig>,
    mut request: Request<BodyWrapper<Bytes>>,
) -> Result<Response<Full<Bytes>>, Failure> {
    let uri = request.uri().clone();
    if uri.scheme_str() != Some("https") {
        return Err(format!("{uri} is not https").into());
    }
    let authority = uri.authority().ok_or("the URL has no host")?;
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    request.headers_mut().insert(HOST, HeaderValue::from_str(authority.as_str())?);
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    *request.uri_mut() = Uri::try_from(path)?;

    let socket = TcpStream::connect((host.as_str(), authority.port_u16().unwrap_or(443))).await?;
    let name = ServerName::try_from(host)?;
    let stream = TlsConnector::from(config).connect(name, socket).await?;
    let mut builder = http1::Builder::new();
    builder.max_buf_size(HEAD_BYTES_MAX);
    let (mut sender, connection) = builder.handshake(TokioIo::new(stream)).await?;
    // Its error is the request's.
    let _connection = OwnedTask::spawn(async move { drop(connection.await) });
    let (head, body) = sender.send_request(request).await?.into_parts();
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await?;
    Ok(Response::from_parts(head, Full::new(body.to_bytes())))
}

/// When a refusal says to come again (RFC 8555 section 6.6, RFC 9110 section 10.2.3).
fn patience(status: StatusCode, headers: &HeaderMap, now: SystemTime) -> Option<Seconds> {
    let refuses = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE];
    if !refuses.contains(&status) {
        return None;
    }
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let at = match text.parse::<u32>() {
        Ok(seconds) => now + Duration::from_secs(seconds.into()),
        Err(_) => httpdate::parse_http_date(text).ok()?,
    };
    Seconds::try_from(at.duration_since(UNIX_EPOCH).ok()?.as_secs()).ok()
}

fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let more = error.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = error.source();
    }
    text
}

/// Authorities validate and issue in the background; no single answer takes as long.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
const HEAD_BYTES_MAX: usize = 64 * 1_024;
/// The longest answer is a chain of certificates.
const BODY_BYTES_MAX: usize = 256 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patience_is_asked_for_in_seconds_or_by_a_date() {
        let now = UNIX_EPOCH + Duration::from_secs(1_000);
        let asked = |status: u16, value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, HeaderValue::from_static(value));
            patience(StatusCode::from_u16(status).expect("a status"), &headers, now)
        };
        assert_eq!(asked(429, "120"), Some(1_120));
        assert_eq!(asked(503, "Thu, 01 Jan 1970 01:00:00 GMT"), Some(3_600));
        assert_eq!(asked(429, "4294967296"), None, "nobody means that");
        assert_eq!(asked(429, "soon"), None);
        // It says when to poll again here.
        assert_eq!(asked(200, "3"), None);
        assert_eq!(patience(StatusCode::TOO_MANY_REQUESTS, &HeaderMap::new(), now), None);
    }
}
