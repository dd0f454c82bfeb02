//! Answers that the gateway makes itself: gateway errors in AWS's shape, mocks, redirects.
//!
//! The only place where a [`Fault`] becomes text for a client.

use super::grpc::{self, GrpcForm};
use super::request::Request;
use crate::base::{Fault, RequestId, reason_phrase};
use crate::plan::{MockPlan, PathSpans, RedirectPlan, TemplatePiece};
use crate::proto::Version;

/// What is said about the connection's future in an answer's head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Persistence {
    /// HTTP/1.1 that goes on: nothing is said.
    Persist,
    /// HTTP/1.0 that goes on because the client asked for it.
    PersistHttp10,
    /// The connection closes after this answer.
    Close,
}

impl Persistence {
    /// What to say to a client of `version` when the connection goes on or not.
    pub(crate) fn of(version: Version, goes_on: bool) -> Self {
        match (goes_on, version) {
            (false, _) => Self::Close,
            (true, Version::Http10) => Self::PersistHttp10,
            (true, Version::Http11 | Version::Http2) => Self::Persist,
        }
    }

    /// The field line, or nothing.
    pub(crate) fn line(self) -> &'static [u8] {
        match self {
            Self::Persist => b"",
            Self::PersistHttp10 => b"connection: keep-alive\r\n",
            Self::Close => b"connection: close\r\n",
        }
    }
}

/// Name of the field that carries the request id, as HTTP APIs of Amazon API Gateway send it
/// ("Troubleshooting issues with HTTP API JWT authorizers").
pub(crate) const REQUEST_ID_HEADER: &[u8] = b"apigw-requestid";

/// Appends the field line with the request id.
pub(crate) fn write_request_id(out: &mut Vec<u8>, id: RequestId) {
    out.extend_from_slice(REQUEST_ID_HEADER);
    out.extend_from_slice(b": ");
    out.extend_from_slice(id.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends `name: value CRLF` for a decimal value.
pub(crate) fn write_number_line(out: &mut Vec<u8>, name: &[u8], value: u64) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Appends the whole answer for a fault; returns the length of its body. `form` is how a gRPC client
/// has to be told. `has_body` is false in answer to HEAD.
pub(crate) fn write_fault(
    out: &mut Vec<u8>,
    fault: Fault,
    form: Option<GrpcForm>,
    id: RequestId,
    persistence: Persistence,
    has_body: bool,
    http_date: &[u8; 29],
) -> usize {
    if let Some(form) = form {
        write_grpc_fault(out, fault, form, id, persistence, http_date);
        return 0;
    }
    let status = fault.status();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\ncontent-type: application/json\r\ndate: ");
    out.extend_from_slice(http_date);
    out.extend_from_slice(b"\r\n");
    let message = fault_message(fault);
    let body_bytes = message.len() + BODY_FRAME_BYTES;
    write_number_line(out, b"content-length", body_bytes as u64);
    if let Fault::Throttled { retry_after_ms, .. } = fault {
        write_number_line(out, b"retry-after", u64::from(retry_after_ms.div_ceil(1_000).max(1)));
    }
    write_request_id(out, id);
    out.extend_from_slice(persistence.line());
    out.extend_from_slice(b"\r\n");
    if !has_body {
        return 0;
    }
    out.extend_from_slice(b"{\"message\":\"");
    out.extend_from_slice(message.as_bytes());
    out.extend_from_slice(b"\"}");
    body_bytes
}

/// The status of `fault` as trailers, lines that end with CRLF.
pub(super) fn status_lines(fault: Fault) -> Vec<u8> {
    let mut lines = Vec::new();
    write_number_line(&mut lines, b"grpc-status", u64::from(grpc::status_of(fault)));
    // Plain text of ours, which needs no percent-encoding.
    lines.extend_from_slice(b"grpc-message: ");
    lines.extend_from_slice(fault_message(fault).as_bytes());
    lines.extend_from_slice(b"\r\n");
    lines
}

/// An answer of gRPC is 200 whatever it says; an error is a head alone ("Trailers-Only").
fn write_grpc_fault(
    out: &mut Vec<u8>,
    fault: Fault,
    form: GrpcForm,
    id: RequestId,
    persistence: Persistence,
    http_date: &[u8; 29],
) {
    out.extend_from_slice(b"HTTP/1.1 200 OK\r\ncontent-type: ");
    out.extend_from_slice(form.name());
    out.extend_from_slice(b"+proto\r\n");
    out.extend_from_slice(&status_lines(fault));
    out.extend_from_slice(b"date: ");
    out.extend_from_slice(http_date);
    out.extend_from_slice(b"\r\n");
    // An HTTP/1 client may name gRPC's types too, and must know where the answer ends.
    write_number_line(out, b"content-length", 0);
    write_request_id(out, id);
    out.extend_from_slice(persistence.line());
    out.extend_from_slice(b"\r\n");
}

/// Bytes of a fault's body around its message.
const BODY_FRAME_BYTES: usize = r#"{"message":""}"#.len();

/// Appends a fixed answer.
pub(crate) fn write_mock(
    out: &mut Vec<u8>,
    mock: &MockPlan,
    id: RequestId,
    persistence: Persistence,
    has_body: bool,
    http_date: &[u8; 29],
) {
    out.extend_from_slice(&mock.head);
    out.extend_from_slice(b"date: ");
    out.extend_from_slice(http_date);
    out.extend_from_slice(b"\r\n");
    write_request_id(out, id);
    out.extend_from_slice(persistence.line());
    out.extend_from_slice(b"\r\n");
    if has_body {
        out.extend_from_slice(&mock.body);
    }
}

/// Appends a redirect.
pub(crate) fn write_redirect(
    out: &mut Vec<u8>,
    redirect: &RedirectPlan,
    request: &Request<'_>,
    spans: &PathSpans,
    routed_path: &[u8],
    persistence: Persistence,
    http_date: &[u8; 29],
) {
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(itoa::Buffer::new().format(redirect.status).as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason_phrase(redirect.status).as_bytes());
    out.extend_from_slice(b"\r\nlocation: ");
    let start = out.len();
    write_template(out, &redirect.location, request, spans, routed_path);
    collapse_leading_slashes(out, start);
    out.extend_from_slice(b"\r\ncontent-length: 0\r\ndate: ");
    out.extend_from_slice(http_date);
    out.extend_from_slice(b"\r\n");
    write_request_id(out, request.id);
    out.extend_from_slice(persistence.line());
    out.extend_from_slice(b"\r\n");
}

/// A location that begins with two slashes would name another host (RFC 3986 section 4.2): a client
/// that asks for `//evil.example` must not be sent there.
fn collapse_leading_slashes(out: &mut Vec<u8>, start: usize) {
    let is_slash = |byte: &&u8| **byte == b'/' || **byte == b'\\';
    let slashes_count = out[start..].iter().take_while(is_slash).count();
    if slashes_count > 1 {
        out.drain(start + 1..start + slashes_count);
    }
}

/// Appends a compiled template. What it takes from the request was checked by the parser: a path,
/// query or host holds no CR, LF or other control character.
pub(crate) fn write_template(
    out: &mut Vec<u8>,
    pieces: &[TemplatePiece],
    request: &Request<'_>,
    spans: &PathSpans,
    routed_path: &[u8],
) {
    for piece in pieces {
        out.extend_from_slice(match piece {
            TemplatePiece::Literal(text) => text,
            TemplatePiece::Parameter(index) => spans.raw(*index, routed_path).unwrap_or_default(),
            TemplatePiece::Host => without_port(request.authority()),
            TemplatePiece::Path => request.path(),
            TemplatePiece::Query => request.query(),
        });
    }
}

/// `host[:port]` without the port.
pub(crate) fn without_port(authority: &[u8]) -> &[u8] {
    let bracket = memchr::memrchr(b']', authority).unwrap_or(0);
    match memchr::memchr(b':', &authority[bracket..]) {
        Some(colon) => &authority[..bracket + colon],
        None => authority,
    }
}

/// What the client is told. AWS's own words where its HTTP APIs have them, else
/// what is wrong with the message.
#[must_use]
pub fn fault_message(fault: Fault) -> &'static str {
    match fault {
        Fault::BadRequestLine => "Bad Request: malformed request line",
        Fault::BadHeader => "Bad Request: malformed header field",
        Fault::BadFraming => "Bad Request: ambiguous or malformed body length",
        Fault::BadHost => "Bad Request: missing, repeated or malformed Host",
        Fault::BadTarget => "Bad Request: malformed request target",
        Fault::BadChunk => "Bad Request: malformed chunked body",
        Fault::BadBody => "Bad Request: the body is not what its type says",
        Fault::BadProxyHeader => "Bad Request: malformed PROXY protocol header",
        Fault::PlainHttpToTls => "Bad Request: plain HTTP was sent to an HTTPS port",
        Fault::VersionNotSupported => "HTTP Version Not Supported",
        Fault::NotImplemented => "Not Implemented",
        Fault::ExpectationFailed => "Expectation Failed",
        Fault::UriTooLong => "URI Too Long",
        Fault::HeadTooLarge => "Request Header Fields Too Large",
        Fault::BodyTooLarge => "Request Entity Too Large",
        Fault::RequestTimeout | Fault::ClientGone => "Request Timeout",
        Fault::ClientCertificateRefused | Fault::EndpointRefused => "Forbidden",
        Fault::MissingParameters => "Missing required request parameters",
        Fault::BadJson => "Invalid JSON in request body",
        Fault::UnsupportedMediaType => "Unsupported Media Type",
        Fault::NotAvailable => "Not available in this version",
        Fault::MisdirectedRequest => "Misdirected Request",
        Fault::NotFound => "Not Found",
        Fault::ConnectFailed | Fault::UpstreamReset | Fault::BadUpstreamAnswer => "Bad Gateway",
        Fault::FunctionFailed | Fault::InvocationRefused => "Internal server error",
        Fault::NoHealthyTarget
        | Fault::CircuitOpen
        | Fault::TooManyConnections
        | Fault::Draining => "Service Unavailable",
        Fault::ConnectTimeout | Fault::UpstreamTimeout => "Endpoint request timed out",
        Fault::Panicked | Fault::ApiConfiguration => "Internal Server Error",
        Fault::Throttled { .. } => "Too Many Requests",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{RequestIdSource, ThrottleScope};

    fn fault_text(fault: Fault, has_body: bool) -> String {
        let id = RequestIdSource::new([1, 2]).next_id();
        let mut out = Vec::new();
        let date = b"Fri, 20 Nov 2026 11:00:00 GMT";
        write_fault(&mut out, fault, None, id, Persistence::Persist, has_body, date);
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn every_fault_has_a_status_a_reason_and_an_exact_length() {
        for fault in Fault::PLAIN {
            let text = fault_text(*fault, true);
            let (head, body) = text.split_once("\r\n\r\n").expect("head and body");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            assert_eq!(length.and_then(|length| length.parse().ok()), Some(body.len()), "{text}");
            if *fault != Fault::ClientGone {
                assert!(!reason_phrase(fault.status()).is_empty(), "{fault:?}");
            }
            assert!(head.contains("\r\napigw-requestid: "));
        }
    }

    #[test]
    fn throttled_answers_say_when_to_come_back() {
        let fault = Fault::Throttled { scope: ThrottleScope::Route, retry_after_ms: 1_001 };
        let text = fault_text(fault, true);
        assert!(text.starts_with("HTTP/1.1 429 Too Many Requests\r\n"));
        assert!(text.contains("\r\nretry-after: 2\r\n"));
        assert!(text.ends_with("{\"message\":\"Too Many Requests\"}"));
    }

    #[test]
    fn grpc_clients_are_told_by_grpc_status() {
        let id = RequestIdSource::new([1, 2]).next_id();
        let date = b"Fri, 20 Nov 2026 11:00:00 GMT";
        for fault in Fault::PLAIN {
            let (mut out, keeps) = (Vec::new(), Persistence::Persist);
            let form = Some(GrpcForm::Native);
            assert_eq!(write_fault(&mut out, *fault, form, id, keeps, true, date), 0);
            let text = String::from_utf8(out).expect("ASCII");
            assert!(
                text.starts_with("HTTP/1.1 200 OK\r\ncontent-type: application/grpc+proto\r\n")
            );
            assert!(text.contains("\r\ngrpc-status: ") && text.contains("\r\ngrpc-message: "));
            assert!(text.ends_with("\r\n\r\n") && !text.contains('%'));
            assert!(text.contains("\r\ncontent-length: 0\r\n"), "HTTP/1 needs an end: {text}");
        }
    }

    #[test]
    fn answers_to_head_have_no_body() {
        assert!(fault_text(Fault::NotFound, false).ends_with("\r\n\r\n"));
    }

    #[test]
    fn a_location_never_begins_with_two_slashes() {
        for (location, expected) in
            [("//evil.example/a", "/evil.example/a"), ("/\\evil", "/evil"), ("/a//b", "/a//b")]
        {
            let mut out = format!("location: {location}").into_bytes();
            collapse_leading_slashes(&mut out, 10);
            assert_eq!(out, format!("location: {expected}").into_bytes());
        }
    }

    #[test]
    fn ports_are_cut_off() {
        assert_eq!(without_port(b"a.b:80"), b"a.b");
        assert_eq!(without_port(b"[::1]:80"), b"[::1]");
        assert_eq!(without_port(b"[::1]"), b"[::1]");
        assert_eq!(without_port(b""), b"");
    }
}
