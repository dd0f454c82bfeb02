//! Heads of HTTP/2 as the text of HTTP/1.1, and back (RFC 9113 section 8).
//!
//! What is written here as text is parsed by `proto` before anybody believes it, and what is read
//! here was written by the pipeline: nothing that one side could take for a line end passes.

use base64::Engine as _;
use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};

use crate::base::limits::HEADERS_COUNT_MAX;
use crate::base::{Fault, reason_phrase};
use crate::proto::may_come_late;

/// A head that cannot be written in the other version.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct MalformedHead;

/// Fields of one connection, which HTTP/2 does not have (RFC 9113 section 8.2.2).
fn is_of_connection(name: &HeaderName) -> bool {
    matches!(
        name.as_str(),
        "connection" | "keep-alive" | "proxy-connection" | "transfer-encoding" | "upgrade"
    )
}

/// Appends a request's head as the text of HTTP/1.1. A body of unknown length is said to be chunked.
///
/// # Errors
///
/// [`Fault::BadHost`] if there is no authority, or Host is another one (RFC 9113 section 8.3.1);
/// [`Fault::BadHeader`] for a field of the connection.
pub fn write_request(
    out: &mut Vec<u8>,
    head: &http::request::Parts,
    has_body: bool,
) -> Result<(), Fault> {
    let has_length = write_start(out, head, head.method.as_str())?;
    if has_body && !has_length {
        out.extend_from_slice(b"transfer-encoding: chunked\r\n");
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends the head of a request for a tunnel of `protocol` as HTTP/1.1 asks for one (RFC 8441
/// section 5, RFC 6455 section 4.1); the key, which HTTP/2 does without, is made of `random`.
pub(super) fn write_upgrade(
    out: &mut Vec<u8>,
    head: &http::request::Parts,
    protocol: &str,
    random: [u64; 2],
) -> Result<(), Fault> {
    write_start(out, head, "GET")?;
    let key = random.map(u64::to_be_bytes).concat();
    for (name, value) in [
        ("connection", "upgrade"),
        ("upgrade", protocol),
        ("sec-websocket-key", &base64::engine::general_purpose::STANDARD.encode(key)),
    ] {
        write_field(out, name.as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
    Ok(())
}

/// Appends the head up to its empty line; whether it says how long the body is.
fn write_start(
    out: &mut Vec<u8>,
    head: &http::request::Parts,
    method: &str,
) -> Result<bool, Fault> {
    out.extend_from_slice(method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(head.uri.path_and_query().map_or(b"/", |url| url.as_str().as_bytes()));
    out.extend_from_slice(b" HTTP/1.1\r\nhost: ");
    out.extend_from_slice(authority(head)?);
    out.extend_from_slice(b"\r\n");
    let mut has_length = false;
    for (name, value) in &head.headers {
        match name {
            &header::HOST | &header::COOKIE => continue,
            &header::CONTENT_LENGTH => has_length = true,
            name if is_of_connection(name) => return Err(Fault::BadHeader),
            _ => {}
        }
        write_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
    write_cookie(out, &head.headers);
    Ok(has_length)
}

fn authority(head: &http::request::Parts) -> Result<&[u8], Fault> {
    let mut hosts = head.headers.get_all(header::HOST).iter();
    let host = hosts.next().map(HeaderValue::as_bytes);
    if hosts.next().is_some() {
        return Err(Fault::BadHost);
    }
    let authority = head.uri.authority().map(|authority| authority.as_str().as_bytes());
    match (authority, host) {
        (Some(authority), Some(host)) if !authority.eq_ignore_ascii_case(host) => {
            Err(Fault::BadHost)
        }
        (Some(authority), _) => Ok(authority),
        (None, Some(host)) => Ok(host),
        (None, None) => Err(Fault::BadHost),
    }
}

/// Crumbs of one cookie header may come apart, and must be joined (RFC 9113 section 8.2.3).
fn write_cookie(out: &mut Vec<u8>, headers: &HeaderMap) {
    let mut crumbs = headers.get_all(header::COOKIE).iter();
    let Some(first) = crumbs.next() else { return };
    out.extend_from_slice(b"cookie: ");
    out.extend_from_slice(first.as_bytes());
    for crumb in crumbs {
        out.extend_from_slice(b"; ");
        out.extend_from_slice(crumb.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// Appends an answer's head as the text of HTTP/1.1.
pub fn write_response(out: &mut Vec<u8>, head: &Response<()>) {
    let status = head.status().as_u16();
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status().as_str().as_bytes());
    out.push(b' ');
    out.extend_from_slice(reason_phrase(status).as_bytes());
    out.extend_from_slice(b"\r\n");
    for (name, value) in head.headers().iter().filter(|(name, _)| !is_of_connection(name)) {
        write_field(out, name.as_str().as_bytes(), value.as_bytes());
    }
    out.extend_from_slice(b"\r\n");
}

/// The lines of trailers, without those that have no place behind a body.
pub(super) fn trailer_lines(trailers: &HeaderMap) -> Vec<u8> {
    let mut lines = Vec::new();
    for (name, value) in trailers {
        if may_come_late(name.as_str().as_bytes()) && !is_of_connection(name) {
            write_field(&mut lines, name.as_str().as_bytes(), value.as_bytes());
        }
    }
    lines
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

/// Reads the text of a head that `text` begins with; the head, and how long its text is.
pub fn read_response(text: &[u8]) -> Result<(Response<()>, usize), MalformedHead> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_COUNT_MAX];
    let mut parsed = httparse::Response::new(&mut headers);
    let Ok(httparse::Status::Complete(head_bytes)) = parsed.parse(text) else {
        return Err(MalformedHead);
    };
    let status = StatusCode::from_u16(parsed.code.unwrap_or(0)).map_err(|_| MalformedHead)?;
    let mut response = Response::new(());
    *response.status_mut() = status;
    *response.version_mut() = Version::HTTP_2;
    *response.headers_mut() = read_fields(text, head_bytes, parsed.headers, |_| true)?;
    Ok((response, head_bytes))
}

/// Reads the text of a request's head, which is all of `text`. `scheme` is `http` or `https`.
pub(super) fn read_request(text: &[u8], scheme: &str) -> Result<Request<()>, MalformedHead> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_COUNT_MAX];
    let mut parsed = httparse::Request::new(&mut headers);
    let Ok(httparse::Status::Complete(head_bytes)) = parsed.parse(text) else {
        return Err(MalformedHead);
    };
    let method = parsed.method.unwrap_or_default().as_bytes();
    let method = Method::from_bytes(method).map_err(|_| MalformedHead)?;
    let host = parsed.headers.iter().find(|field| field.name.eq_ignore_ascii_case("host"));
    let host = host.map_or(&b""[..], |field| field.value);
    let url = parsed.path.unwrap_or_default();
    let uri = Uri::builder().scheme(scheme).authority(host).path_and_query(url);
    let mut request = Request::new(());
    *request.method_mut() = method;
    *request.uri_mut() = uri.build().map_err(|_| MalformedHead)?;
    *request.version_mut() = Version::HTTP_2;
    *request.headers_mut() =
        read_fields(text, head_bytes, parsed.headers, |name| name != header::HOST)?;
    Ok(request)
}

/// Reads lines of trailers, each ended by CRLF.
pub(super) fn read_trailers(lines: &[u8]) -> Result<HeaderMap, MalformedHead> {
    let text = [lines, b"\r\n"].concat();
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_COUNT_MAX];
    match httparse::parse_headers(&text, &mut headers) {
        Ok(httparse::Status::Complete((bytes, parsed))) => {
            read_fields(&text, bytes, parsed, |_| true)
        }
        _ => Err(MalformedHead),
    }
}

/// The fields without those of the connection, sharing one copy of the head.
fn read_fields(
    text: &[u8],
    head_bytes: usize,
    parsed: &[httparse::Header<'_>],
    wanted: impl Fn(&HeaderName) -> bool,
) -> Result<HeaderMap, MalformedHead> {
    let shared = Bytes::copy_from_slice(text.get(..head_bytes).unwrap_or_default());
    let mut fields = HeaderMap::with_capacity(parsed.len());
    for field in parsed {
        let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| MalformedHead)?;
        if is_of_connection(&name) || !wanted(&name) {
            continue;
        }
        let start = field.value.as_ptr().addr() - text.as_ptr().addr();
        let value = shared.slice(start..start + field.value.len());
        let value = HeaderValue::from_maybe_shared(value).map_err(|_| MalformedHead)?;
        fields.try_append(name, value).map_err(|_| MalformedHead)?;
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(build: impl FnOnce(http::request::Builder) -> http::request::Builder) -> String {
        let request = build(Request::builder().uri("https://a.example/b?c")).body(()).expect("one");
        let mut out = Vec::new();
        match write_request(&mut out, &request.into_parts().0, true) {
            Ok(()) => String::from_utf8(out).expect("text"),
            Err(fault) => format!("{fault:?}"),
        }
    }

    #[test]
    fn a_request_is_written_as_text() {
        let text =
            parts(|request| request.method("PUT").header("x-a", "1").header("te", "trailers"));
        assert_eq!(
            text,
            "PUT /b?c HTTP/1.1\r\nhost: a.example\r\nx-a: 1\r\nte: trailers\r\n\
             transfer-encoding: chunked\r\n\r\n"
        );
        let text = parts(|request| request.header("content-length", "7"));
        assert!(!text.contains("chunked"), "{text}");
    }

    #[test]
    fn host_and_authority_must_agree() {
        assert!(parts(|request| request.header("host", "A.example")).contains("host: a.example"));
        assert_eq!(parts(|request| request.header("host", "b.example")), "BadHost");
        let twice = |request: http::request::Builder| {
            request.header("host", "a.example").header("host", "a.example")
        };
        assert_eq!(parts(twice), "BadHost");
    }

    #[test]
    fn fields_of_the_connection_are_refused() {
        for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"]
        {
            assert_eq!(parts(|request| request.header(name, "x")), "BadHeader", "{name}");
        }
    }

    #[test]
    fn crumbs_of_a_cookie_are_joined() {
        let text = parts(|request| request.header("cookie", "a=1").header("cookie", "b=2"));
        assert!(text.contains("\r\ncookie: a=1; b=2\r\n"), "{text}");
        assert_eq!(text.matches("cookie").count(), 1);
    }

    #[test]
    fn an_answers_text_is_read_up_to_its_body() {
        let text = b"HTTP/1.1 200 OK\r\nContent-Type: a/b\r\nconnection: close\r\n\r\nbody";
        let (response, head_bytes) = read_response(text).expect("well formed");
        assert_eq!(&text[head_bytes..], b"body");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers().len(), 1);
        assert_eq!(response.headers()["content-type"], "a/b");
        assert!(read_response(b"HTTP/1.1 200 OK\r\n").is_err());
    }

    #[test]
    fn a_requests_text_is_read() {
        let text = b"POST /a?b HTTP/1.1\r\nhost: c.example:81\r\nx-d: e\r\n\r\n";
        let request = read_request(text, "http").expect("well formed");
        assert_eq!(request.uri(), "http://c.example:81/a?b");
        assert_eq!(request.method(), "POST");
        assert_eq!(request.headers().len(), 1);
    }

    #[test]
    fn trailers_go_both_ways_without_what_may_not_come_late() {
        let trailers = read_trailers(b"grpc-status: 0\r\ngrpc-message: ok\r\n").expect("lines");
        assert_eq!(trailers["grpc-status"], "0");
        assert_eq!(trailer_lines(&trailers), b"grpc-status: 0\r\ngrpc-message: ok\r\n");
        let mut trailers = HeaderMap::new();
        trailers.insert("content-length", HeaderValue::from_static("1"));
        trailers.insert("x-a", HeaderValue::from_static("1"));
        assert_eq!(trailer_lines(&trailers), b"x-a: 1\r\n");
    }
}
