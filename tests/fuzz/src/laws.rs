//! What must hold for any bytes, one function per fuzz target. A law that is broken panics.
//!
//! Shared by the fuzz targets and by `tests/fuzz_smoke.rs`, which feeds mutated seeds to the same
//! laws on every test run.

use super::expr::{
    gateway_template, http_mapping, integration_uri, json_path, mock_template, rest_mapping,
    selection_pattern,
};
use super::lambda::{event_stream, function_answer, source_arn, stream_prelude};
use super::runtime::{function_zip, runtime_event, runtime_request};
use super::tls::{tls_hello, tls_session};
use http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use shardgate::base::{Fault, Method, Nanos};
use shardgate::http2::{read_response, write_request, write_response};
use shardgate::model::RouteKey;
use shardgate::proto::http2::{Flood, FrameLimits, FrameWatch};
use shardgate::proto::proxy_protocol::{self, ProxyStep};
use shardgate::proto::uri::{self, PathForm};
use shardgate::proto::{
    BodyFraming, ChunkedDecoder, Field, HeadLimits, HeadScanner, RequestHead, ResponseHead,
    Version, write_chunk_head,
};

/// A law: takes the bytes of one input.
pub type Law = fn(&[u8]);

/// Every law by the name of its fuzz target and of its folder of seeds.
pub const LAWS: [(&str, Law); 26] = [
    ("request_head", request_head),
    ("response_head", response_head),
    ("chunked", chunked),
    ("uri", uri),
    ("proxy_protocol", proxy_protocol),
    ("route_key", route_key),
    ("gateway_toml", gateway_toml),
    ("tls_hello", tls_hello),
    ("tls_session", tls_session),
    ("http2_frames", http2_frames),
    ("http2_request", http2_request),
    ("http2_response", http2_response),
    ("json_path", json_path),
    ("rest_mapping", rest_mapping),
    ("http_mapping", http_mapping),
    ("integration_uri", integration_uri),
    ("gateway_template", gateway_template),
    ("mock_template", mock_template),
    ("selection_pattern", selection_pattern),
    ("function_answer", function_answer),
    ("stream_prelude", stream_prelude),
    ("event_stream", event_stream),
    ("source_arn", source_arn),
    ("runtime_request", runtime_request),
    ("runtime_event", runtime_event),
    ("function_zip", function_zip),
];

const LIMITS: HeadLimits =
    HeadLimits { request_line_bytes_max: 1_024, head_bytes_max: 4_096, headers_count_max: 64 };

/// A head is found at the same place however it is cut, what is accepted is unambiguous, and what
/// is forwarded of it reads the same again.
pub fn request_head(bytes: &[u8]) {
    let found = find_end_in_any_cut(HeadScanner::new, bytes);
    let mut head = RequestHead::new();
    if head.parse(bytes, &LIMITS).is_ok() {
        assert_eq!(found, Ok(Some(bytes.len())), "a head that parses is found");
    }
    let Ok(Some(head_bytes)) = found else { return };
    let text = &bytes[..head_bytes];
    if let Err(fault) = head.parse(text, &LIMITS) {
        assert!(fault.closes_connection() || fault == Fault::ExpectationFailed, "{fault:?}");
        return;
    }
    assert_eq!(head.head_bytes, head_bytes);
    assert!(!head.method_token.is_empty() && head.framing != BodyFraming::UntilClose);
    assert!(head.path.of(text).starts_with(b"/") || head.asterisk);
    assert!(head.authority.is_empty() || uri::is_valid_authority(head.authority.of(text)));
    check_fields(&head.fields, text);
    uri(head.path.of(text));

    let start = [head.method_token.of(text), b" ", head.target.of(text), b" "].concat();
    let written = write_head(&start, head.version, b"", &head.fields, text);
    let mut again = RequestHead::new();
    let unlimited = HeadLimits { head_bytes_max: u32::MAX, ..LIMITS };
    assert_eq!(again.parse(&written, &unlimited), Ok(()));
    assert_eq!((again.method, again.framing), (head.method, head.framing));
    assert_eq!((again.keep_alive, again.upgrade), (head.keep_alive, head.upgrade));
    assert_eq!(again.expect_continue, head.expect_continue);
    assert_eq!(again.path.of(&written), head.path.of(text));
    assert_eq!(again.authority.of(&written), head.authority.of(text));
    check_same_fields(&head.fields, text, &again.fields, &written);
}

/// The same for answers. The first byte chooses the method that is answered.
pub fn response_head(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let method = if choice % 2 == 0 { Method::Get } else { Method::Head };
    let found = find_end_in_any_cut(HeadScanner::for_response, bytes);
    assert!(matches!(found, Ok(_) | Err(Fault::BadUpstreamAnswer)));
    let mut head = ResponseHead::new();
    let _ = head.parse(bytes, method);
    let Ok(Some(head_bytes)) = found else { return };
    let text = &bytes[..head_bytes];
    if let Err(fault) = head.parse(text, method) {
        assert_eq!(fault, Fault::BadUpstreamAnswer);
        return;
    }
    assert!((100..=599).contains(&head.status));
    assert!(!head.keep_alive || head.framing != BodyFraming::UntilClose);
    assert!(method != Method::Head || head.framing == BodyFraming::None);
    check_fields(&head.fields, text);

    let end = [format!(" {} ", head.status).as_bytes(), head.reason.of(text)].concat();
    let written = write_head(b"", head.version, &end, &head.fields, text);
    let mut again = ResponseHead::new();
    assert_eq!(again.parse(&written, method), Ok(()));
    assert_eq!((again.status, again.framing), (head.status, head.framing));
    assert_eq!((again.keep_alive, again.upgrade), (head.keep_alive, head.upgrade));
    assert_eq!(again.reason.of(&written), head.reason.of(text));
    check_same_fields(&head.fields, text, &again.fields, &written);
}

/// A body cut anywhere decodes the same, and what we write for it decodes to it. The first byte
/// chooses the length of the parts.
pub fn chunked(bytes: &[u8]) {
    let Some((choice, body)) = bytes.split_first() else { return };
    let whole = decode_in_parts(body, usize::MAX);
    assert_eq!(decode_in_parts(body, 1 + usize::from(*choice)), whole);
    assert_eq!(decode_in_parts(body, 1), whole);
    let Ok(whole) = whole else { return };
    let mut written = Vec::new();
    for part in whole.payload.chunks(1 + usize::from(*choice)) {
        written.extend_from_slice(write_chunk_head(part.len(), &mut [0; 18]));
        written.extend_from_slice(part);
        written.extend_from_slice(b"\r\n");
    }
    written.extend_from_slice(b"0\r\n");
    if whole.done {
        written.extend_from_slice(&whole.trailers);
    }
    written.extend_from_slice(b"\r\n");
    let again = decode_in_parts(&written, usize::MAX).expect("we write no bad chunks");
    assert!(again.done && again.payload == whole.payload);
    assert_eq!(again.consumed_bytes, written.len());
    assert!(!whole.done || again.trailers == whole.trailers);
}

/// A normal path stays normal, and no reader that decodes more than we do climbs out of it.
pub fn uri(bytes: &[u8]) {
    let mut decoded = Vec::new();
    let _ = uri::percent_decode(bytes, &mut decoded);
    if let Some((host, _)) = uri::split_authority(bytes) {
        assert!(uri::is_valid_host(host) && uri::is_valid_authority(host));
        assert!(!bytes.iter().any(|byte| byte.is_ascii_control() || b" @/\\,".contains(byte)));
    }
    let mut out = Vec::new();
    let normal = match uri::normalise_path(bytes, &mut out) {
        PathForm::Refused => return,
        PathForm::AsReceived => bytes,
        PathForm::Rewritten => &out,
    };
    let mut again = Vec::new();
    assert_eq!(uri::normalise_path(normal, &mut again), PathForm::AsReceived);
    assert!(normal.starts_with(b"/") && normal.len() <= bytes.len());
    decoded.clear();
    assert_eq!(uri::percent_decode(normal, &mut decoded), Ok(()));
    for segment in decoded.split(|byte| matches!(byte, b'/' | b'\\')) {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        // A `;` that was encoded is not a separator to anyone.
        assert!(!matches!(segment, b"." | b".."), "{decoded:?}");
        assert!(!matches!(name, b"." | b"..") || normal.contains(&b'%'), "{decoded:?}");
    }
}

/// A header is whole at one length only: any shorter prefix asks for more.
pub fn proxy_protocol(bytes: &[u8]) {
    let Ok(ProxyStep::Done { consumed_bytes, source, destination }) = proxy_protocol::parse(bytes)
    else {
        return;
    };
    assert!(consumed_bytes <= bytes.len().min(proxy_protocol::V2_BYTES_MAX));
    assert_eq!(source.is_some(), destination.is_some());
    let header = &bytes[..consumed_bytes];
    assert_eq!(proxy_protocol::parse(header), proxy_protocol::parse(bytes));
    for end in 0..consumed_bytes {
        assert_eq!(proxy_protocol::parse(&bytes[..end]), Ok(ProxyStep::Partial));
    }
}

/// A mistake is within the text; what is accepted is accepted again as it displays itself.
pub fn route_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match RouteKey::parse(text) {
        Ok(key) => assert_eq!(RouteKey::parse(&key.to_string()), Ok(key)),
        Err(error) => {
            assert!(error.offset <= text.len() && !error.reason.is_empty(), "{error:?}");
        }
    }
}

/// A file is taken, or refused with at least one mistake that can be drawn.
pub fn gateway_toml(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Err(mistakes) = shardgate::settings::parse("fuzz.toml", text) {
        assert!(!mistakes.to_string().is_empty());
    }
}

const FRAME_LIMITS: FrameLimits = FrameLimits {
    resets_per_second_max: 2,
    control_frames_per_second_max: 3,
    continuation_frames_max: 2,
    window_updates_per_second_max: 3,
    tiny_data_frames_per_second_max: 4,
};

/// The same flood is found however frames are cut, and it is the one that counting whole frames
/// finds. The first byte chooses the cut.
pub fn http2_frames(bytes: &[u8]) {
    let Some((choice, bytes)) = bytes.split_first() else { return };
    let whole = watch_in_parts(bytes, usize::MAX);
    assert_eq!(watch_in_parts(bytes, 1 + usize::from(*choice)), whole);
    assert_eq!(watch_in_parts(bytes, 1), whole);
    assert_eq!(whole.0, count_floods(bytes));
}

/// The first flood, and whether the bytes end within a head.
fn watch_in_parts(bytes: &[u8], part_bytes: usize) -> (Option<Flood>, bool) {
    let mut watch = FrameWatch::of_server();
    let at = Nanos::from_millis(7);
    let mut parts = bytes.chunks(part_bytes);
    let flood = parts.find_map(|part| watch.take(part, at, &FRAME_LIMITS));
    // Behind a flood nothing is looked at, so how far it got depends on the cut.
    (flood, flood.is_none() && watch.is_inside_head())
}

/// What [`FrameWatch`] must find, worked out from whole frames.
fn count_floods(mut bytes: &[u8]) -> Option<Flood> {
    let (mut tiny, mut resets, mut control, mut updates, mut continued) = (0, 0, 0, 0, 0);
    while let [high, middle, low, kind, flags, _, _, _, _, rest @ ..] = bytes {
        let length = usize::from(*high) << 16 | usize::from(*middle) << 8 | usize::from(*low);
        let (count, max, flood) = match kind {
            0 if length < 64 && flags & 1 == 0 => (&mut tiny, 4, Flood::TinyData),
            0 => (&mut 0, 1, Flood::TinyData),
            1 | 5 => {
                continued = 0;
                (&mut 0, 1, Flood::Continuations)
            }
            3 => (&mut resets, 2, Flood::Resets),
            8 => (&mut updates, 3, Flood::WindowUpdates),
            9 => (&mut continued, 2, Flood::Continuations),
            _ => (&mut control, 3, Flood::Control),
        };
        *count += 1;
        if *count > max {
            return Some(flood);
        }
        bytes = rest.get(length..)?;
    }
    None
}

/// A request as HTTP/2 carries it becomes one head and no more, whose parts are what they were.
/// The input is method, authority, path, and names with their values, with `|` between them.
pub fn http2_request(bytes: &[u8]) {
    let mut parts = bytes.split(|byte| *byte == b'|');
    let mut part = || parts.next().unwrap_or_default();
    let (method, authority, path) = (part(), part(), part());
    let mut request = http::Request::builder().method(method);
    let uri = http::Uri::builder().scheme("https").authority(authority).path_and_query(path);
    let Ok(uri) = uri.build() else { return };
    request = request.uri(uri);
    let Some(fields) = fields_of(parts) else { return };
    let Ok(mut request) = request.body(()) else { return };
    *request.headers_mut() = fields;
    let (parts, ()) = request.into_parts();
    for has_body in [true, false] {
        let mut text = Vec::new();
        match write_request(&mut text, &parts, has_body) {
            Ok(()) => check_request_text(&text, &parts),
            Err(fault) => assert_eq!(fault.status(), 400),
        }
    }
}

/// Names and values by turns, as `h2` takes them in.
fn fields_of<'b>(mut parts: impl Iterator<Item = &'b [u8]>) -> Option<HeaderMap> {
    let mut fields = HeaderMap::new();
    while let (Some(name), Some(value)) = (parts.next(), parts.next()) {
        let name = HeaderName::from_lowercase(name).ok()?;
        fields.append(name, HeaderValue::from_bytes(value).ok()?);
    }
    Some(fields)
}

fn check_request_text(text: &[u8], parts: &http::request::Parts) {
    let unbounded =
        HeadLimits { request_line_bytes_max: u32::MAX, head_bytes_max: u32::MAX, ..LIMITS };
    let ends = text.windows(4).filter(|four| four == b"\r\n\r\n").count();
    assert!(ends == 1 && text.ends_with(b"\r\n\r\n"), "one head: {}", text.escape_ascii());
    let mut head = RequestHead::new();
    if head.parse(text, &unbounded).is_err() {
        return;
    }
    assert_eq!(head.head_bytes, text.len());
    assert_eq!(head.method_token.of(text), parts.method.as_str().as_bytes());
    for field in &head.fields {
        let name = field.name.of(text);
        let is_made = name == b"transfer-encoding" || name == b"cookie" || name == b"host";
        let values = parts.headers.get_all(std::str::from_utf8(name).expect("a token"));
        let value = field.value.of(text);
        let is_one = values.iter().any(|own| own.as_bytes().trim_ascii() == value);
        assert!(is_made || is_one, "a field that nobody sent: {}", text.escape_ascii());
    }
    let of_host = parts.headers.get_all(HOST).iter().count();
    assert!(of_host < 2, "two hosts");
}

/// A head of HTTP/1.1 that is read for HTTP/2 has nothing of a connection, and is read again the
/// same from the text that is written of it.
pub fn http2_response(bytes: &[u8]) {
    let Ok((response, head_bytes)) = read_response(bytes) else { return };
    assert!(head_bytes <= bytes.len() && (100..=999).contains(&response.status().as_u16()));
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert!(!response.headers().contains_key(name));
    }
    let mut text = Vec::new();
    write_response(&mut text, &response);
    let (again, text_bytes) = read_response(&text).expect("we write what we read");
    assert_eq!(text_bytes, text.len());
    assert_eq!((again.status(), again.headers()), (response.status(), response.headers()));
}

/// The end of the head, which must not depend on how the bytes arrive. Which fault refuses them
/// may: a bound can be passed before a wrong byte comes.
fn find_end_in_any_cut(scanner: fn() -> HeadScanner, bytes: &[u8]) -> Result<Option<usize>, Fault> {
    let whole = scanner().find_end(bytes, &LIMITS);
    for step in [1, 7, 64] {
        let mut scanner = scanner();
        let ends = (0..bytes.len()).step_by(step).chain([bytes.len()]);
        let cut = ends
            .map(|end| scanner.find_end(&bytes[..end], &LIMITS))
            .find(|found| *found != Ok(None))
            .unwrap_or(Ok(None));
        assert_eq!(cut.ok(), whole.ok(), "in steps of {step}");
    }
    whole
}

fn check_fields(fields: &[Field], text: &[u8]) {
    for field in fields {
        let value = field.value.of(text);
        assert!(!field.name.is_empty());
        assert!(!value.iter().any(|byte| byte.is_ascii_control() && *byte != b'\t'));
        assert!(!value.starts_with(b" ") && !value.ends_with(b" "));
        let known = field.known.lower().as_bytes();
        assert!(known.is_empty() || field.name.of(text).eq_ignore_ascii_case(known));
    }
}

fn check_same_fields(fields: &[Field], text: &[u8], again: &[Field], written: &[u8]) {
    assert_eq!(fields.len(), again.len());
    for (one, two) in fields.iter().zip(again) {
        assert_eq!(one.name.of(text), two.name.of(written));
        assert_eq!(one.value.of(text), two.value.of(written));
        assert_eq!((one.known, one.hop_by_hop), (two.known, two.hop_by_hop));
    }
}

/// `start`, the version, `end`, then the fields: as a head is written from its parts.
fn write_head(
    start: &[u8],
    version: Version,
    end: &[u8],
    fields: &[Field],
    text: &[u8],
) -> Vec<u8> {
    let mut written = [start, version.as_str().as_bytes(), end, b"\r\n"].concat();
    for field in fields {
        written.extend([field.name.of(text), b":", field.value.of(text), b"\r\n"].concat());
    }
    written.extend_from_slice(b"\r\n");
    written
}

#[derive(Debug, Default, PartialEq)]
struct Body {
    payload: Vec<u8>,
    trailers: Vec<u8>,
    consumed_bytes: usize,
    done: bool,
}

fn decode_in_parts(body: &[u8], part_bytes: usize) -> Result<Body, Fault> {
    let mut decoder = ChunkedDecoder::new();
    let mut result = Body::default();
    for part in body.chunks(part_bytes) {
        let mut part = part.to_vec();
        let decoded = decoder.decode(&mut part)?;
        assert!(decoded.payload_bytes <= decoded.consumed_bytes);
        assert!(decoded.done || decoded.consumed_bytes == part.len());
        result.payload.extend_from_slice(&part[..decoded.payload_bytes]);
        result.consumed_bytes += decoded.consumed_bytes;
        result.done = decoded.done;
        if decoded.done {
            break;
        }
    }
    result.trailers = decoder.trailers().to_vec();
    Ok(result)
}
