//! The questions of active checks over HTTP/2: a GET, or gRPC's own service for health
//! (`grpc.health.v1.Health/Check`, GRPC health checking protocol of the gRPC project).

use bytes::{BufMut as _, Bytes, BytesMut};
use h2::RecvStream;
use h2::client::{Builder, SendRequest};
use http::{HeaderMap, Request, header};
use tokio::io::{AsyncRead, AsyncWrite};

use super::health_check::{BODY_BYTES_MAX, CheckError, HEAD_BYTES_MAX, USER_AGENT, judge};
use super::owned_task::OwnedTask;
use crate::model::ActiveHealth;

/// Asks for the policy's path. `place` is the scheme and the host.
pub(super) async fn get(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: (&str, &str),
    policy: &ActiveHealth,
) -> Result<(), CheckError> {
    let request = Request::get(url(place, &policy.path))
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::ACCEPT, "*/*")
        .body(())
        .map_err(CheckError::BadRequest)?;
    let (mut sender, _connection) = connect(stream).await?;
    let (answer, _) = sender.send_request(request, true)?;
    let answer = answer.await?;
    judge(answer.status().as_u16(), policy)?;
    // The head has decided: whatever the body does is no matter.
    let _ = read(answer.into_body()).await;
    Ok(())
}

/// Asks whether `service` serves.
pub(super) async fn ask_service(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
    place: (&str, &str),
    service: &str,
) -> Result<(), CheckError> {
    let request = Request::post(url(place, "/grpc.health.v1.Health/Check"))
        .header(header::USER_AGENT, USER_AGENT)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers")
        .body(())
        .map_err(CheckError::BadRequest)?;
    let (mut sender, _connection) = connect(stream).await?;
    let (answer, mut body) = sender.send_request(request, false)?;
    body.send_data(question(service), true)?;
    let answer = answer.await?;
    let status = answer.status().as_u16();
    if status != 200 {
        return Err(CheckError::Status { status, min: 200, max: 200 });
    }
    // An answer without messages has its status in the head.
    let early = grpc_status(answer.headers());
    let (message, trailers) = read(answer.into_body()).await?;
    match early.or_else(|| grpc_status(&trailers)).as_deref() {
        Some("0") if serves(&message) => Ok(()),
        Some("0") => Err(CheckError::Grpc("the service does not serve".to_owned())),
        Some(status) => Err(CheckError::Grpc(format!("grpc-status {status:?}"))),
        None => Err(CheckError::Grpc("no grpc-status".to_owned())),
    }
}

fn url((scheme, host): (&str, &str), path: &str) -> String {
    format!("{scheme}://{host}{path}")
}

/// A connection that takes a request, and what drives it.
async fn connect(
    stream: impl AsyncRead + AsyncWrite + Send + Unpin + 'static,
) -> Result<(SendRequest<Bytes>, OwnedTask), CheckError> {
    let mut builder = Builder::new();
    builder.enable_push(false).max_header_list_size(HEAD_BYTES_MAX as u32);
    let (sender, connection) = builder.handshake(stream).await?;
    let driver = OwnedTask::spawn(async move {
        // How it ended is told to whoever waits for the answer.
        let _ = connection.await;
    });
    Ok((sender.ready().await?, driver))
}

/// Reads a body and its trailers, as far as is bearable.
async fn read(mut body: RecvStream) -> Result<(BytesMut, HeaderMap), CheckError> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = body.data().await {
        let piece = piece?;
        body.flow_control().release_capacity(piece.len())?;
        if bytes.len() + piece.len() > BODY_BYTES_MAX {
            return Ok((bytes, HeaderMap::new()));
        }
        bytes.extend_from_slice(&piece);
    }
    Ok((bytes, body.trailers().await?.unwrap_or_default()))
}

fn grpc_status(fields: &HeaderMap) -> Option<String> {
    let value = fields.get("grpc-status")?;
    Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
}

/// `HealthCheckRequest { service }` as the one message of a call.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(SERVICE_FIELD);
        put_varint(&mut message, service.len());
        message.put_slice(service.as_bytes());
    }
    let mut framed = BytesMut::new();
    framed.put_u8(0); // not compressed
    framed.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    framed.put_slice(&message);
    framed.freeze()
}

/// Field 1, a string.
const SERVICE_FIELD: u8 = 1 << 3 | 2;

fn put_varint(out: &mut BytesMut, mut value: usize) {
    while value >= 0x80 {
        out.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.put_u8(value as u8);
}

/// Whether `body` is one message that begins with `HealthCheckResponse { status: SERVING }`: field 1,
/// a varint, of 1. Servers write nothing else; what is compressed was not asked for.
fn serves(body: &[u8]) -> bool {
    matches!(body, [0, _, _, _, _, 0x08, 1, ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_messages() {
        assert_eq!(&question("")[..], b"\0\0\0\0\0");
        assert_eq!(&question("a.B")[..], b"\0\0\0\0\x05\x0a\x03a.B");
        let long = "x".repeat(300);
        assert_eq!(&question(&long)[..8], b"\0\0\0\x01\x2f\x0a\xac\x02");
    }

    #[test]
    fn only_serving_serves() {
        assert!(serves(b"\0\0\0\0\x02\x08\x01"));
        for other in [&b""[..], b"\0\0\0\0\0", b"\0\0\0\0\x02\x08\x02", b"\x01\0\0\0\x02\x08\x01"] {
            assert!(!serves(other), "{other:?}");
        }
    }
}
