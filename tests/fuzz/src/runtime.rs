//! The laws of the Runtime API and of functions' code: what a runtime sends reads the same however
//! it is cut, whatever it is answered is HTTP, and no zip gets out of its folder.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use shardgate::base::{Fault, Method};
use shardgate::control::{UNZIPPED_BYTES_MAX, unzip_code};
use shardgate::lambda::{EventHead, RuntimeReply, RuntimeRequest};
use shardgate::proto::{BodyFraming, HeadLimits, HeadScanner, RequestHead, ResponseHead};
use shardgate::runtime::{BodyEnd, RuntimeBody};

const LIMITS: HeadLimits =
    HeadLimits { request_line_bytes_max: 1_024, head_bytes_max: 4_096, headers_count_max: 64 };

/// A request names one call or none, its body reads the same however it is cut, and its answer is one
/// of HTTP. The first byte chooses the cut.
pub fn runtime_request(bytes: &[u8]) {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let reply = match HeadScanner::new().find_end(bytes, &LIMITS) {
        Ok(None) => return,
        Err(_) => RuntimeReply::Malformed,
        Ok(Some(head_bytes)) => {
            let (text, body) = bytes.split_at(head_bytes);
            answer_to(text, body, 1 + usize::from(*cut))
        }
    };
    for closes in [false, true] {
        let mut answer = Vec::new();
        reply.write(closes, &mut answer);
        let body = one_answer(&answer, !closes);
        serde_json::from_slice::<serde_json::Value>(body).expect("JSON");
    }
}

/// What a runtime is answered that sent this.
fn answer_to(text: &[u8], body: &[u8], part_bytes: usize) -> RuntimeReply {
    let mut head = RequestHead::new();
    if head.parse(text, &LIMITS).is_err() {
        return RuntimeReply::Malformed;
    }
    let whole = read_body(head.framing, body, usize::MAX);
    assert_eq!(read_body(head.framing, body, part_bytes), whole);
    assert_eq!(read_body(head.framing, body, 1), whole);
    let path = head.path.of(text);
    match RuntimeRequest::parse(head.method, path) {
        None => RuntimeReply::NotFound,
        Some(RuntimeRequest::Next) => {
            assert_eq!(head.method, Method::Get);
            RuntimeReply::UnknownRequest
        }
        Some(RuntimeRequest::InitError) => {
            assert_eq!(path, b"/2018-06-01/runtime/init/error");
            RuntimeReply::Accepted
        }
        Some(RuntimeRequest::Response { request_id }) => {
            check_id(path, request_id, "response");
            RuntimeReply::TooLarge { bytes_max: whole.payload.len() }
        }
        Some(RuntimeRequest::InvocationError { request_id }) => {
            check_id(path, request_id, "error");
            RuntimeReply::UnknownRequest
        }
    }
}

/// The id is a segment of the path, which has nothing else in it.
fn check_id(path: &[u8], request_id: &str, action: &str) {
    assert!(!request_id.is_empty() && !request_id.contains('/'), "{request_id:?}");
    let again = format!("/2018-06-01/runtime/invocation/{request_id}/{action}");
    assert_eq!(path, again.as_bytes());
}

#[derive(Debug, Eq, PartialEq)]
struct Body {
    payload: Vec<u8>,
    end: Option<BodyEnd>,
    /// What is behind it; of a broken one that depends on the cut.
    rest_bytes: usize,
}

fn read_body(framing: BodyFraming, bytes: &[u8], part_bytes: usize) -> Body {
    let (mut body, mut payload, mut taken_bytes) = (RuntimeBody::new(framing), Vec::new(), 0);
    let known = body.bytes_known();
    for part in bytes.chunks(part_bytes) {
        let taken = body.take(&mut part.to_vec(), &mut payload);
        assert!(taken == part.len() || body.end().is_some(), "nothing is left lying");
        taken_bytes += taken;
        if body.end().is_some() {
            break;
        }
    }
    let end = body.end().cloned();
    assert!(payload.len() <= taken_bytes && taken_bytes <= bytes.len());
    if let (BodyFraming::Length(length), Some(_)) = (framing, &end) {
        assert_eq!((known, payload.len() as u64), (length, length));
    }
    if end == Some(BodyEnd::Broken) {
        // What of it was good depends on where it was cut: nobody uses it.
        return Body { payload: Vec::new(), end, rest_bytes: 0 };
    }
    Body { payload, end, rest_bytes: bytes.len() - taken_bytes }
}

/// The head of an event is one answer with the event behind it, whatever the caller sent for a
/// function. The input is ARN, trace id and client context, with `|` between them.
pub fn runtime_event(bytes: &[u8]) {
    let mut parts = bytes.splitn(3, |byte| *byte == b'|');
    let mut part = || parts.next().unwrap_or_default();
    let (arn, trace_id, context) = (part(), part(), part());
    let (arn, context) = (String::from_utf8_lossy(arn), String::from_utf8_lossy(context));
    let event = b"{\"key\":\"HTTP/1.1 200 OK\\r\\n\\r\\n\"}";
    let head = EventHead {
        request_id: "8476a536-e9f4-11e8-9739-2dfe598c3fcd",
        deadline_unix_ms: u64::MAX,
        function_arn: &arn,
        trace_id: Some(trace_id),
        client_context: Some(&context),
    };
    let mut answer = Vec::new();
    head.write(event.len(), &mut answer);
    assert!(answer.ends_with(b"\r\n\r\n"));
    answer.extend_from_slice(event);
    assert_eq!(one_answer(&answer, true), event);
}

/// The body of bytes that are one answer and no more.
fn one_answer(bytes: &[u8], keeps_alive: bool) -> &[u8] {
    let unbounded = HeadLimits {
        request_line_bytes_max: u32::MAX,
        head_bytes_max: u32::MAX,
        headers_count_max: 64,
    };
    let found: Result<_, Fault> = HeadScanner::for_response().find_end(bytes, &unbounded);
    let Ok(Some(head_bytes)) = found else { panic!("no head: {}", bytes.escape_ascii()) };
    let mut head = ResponseHead::new();
    assert_eq!(head.parse(&bytes[..head_bytes], Method::Get), Ok(()));
    let body = &bytes[head_bytes..];
    assert_eq!(head.framing, BodyFraming::Length(body.len() as u64));
    assert_eq!(head.keep_alive, keeps_alive);
    body
}

/// Whatever a zip says of itself, nothing of it gets out of its folder, it is no longer than it may
/// be, and nothing in it has more than permissions.
pub fn function_zip(bytes: &[u8]) {
    let outer = tempfile::tempdir().expect("a folder");
    let inside = outer.path().join("a/inside");
    fs::create_dir_all(&inside).expect("made");
    let unzipped = unzip_code(bytes, &inside);
    for (folder, name) in [(outer.path(), "a"), (&outer.path().join("a"), "inside")] {
        let found = fs::read_dir(folder).expect("read").flatten();
        let found: Vec<_> = found.map(|one| one.file_name()).collect();
        assert_eq!(found, [name], "something got out");
    }
    let inside = inside.canonicalize().expect("it is there");
    let (mut entries_count, mut bytes_count) = (0, 0);
    check_folder(&inside, &inside, &mut |length| {
        entries_count += 1;
        bytes_count += length;
    });
    assert!(bytes_count <= UNZIPPED_BYTES_MAX);
    if let Ok(count) = unzipped {
        assert!(entries_count <= count, "{entries_count} files and links of {count} entries");
    }
}

/// Calls `each` with the length of each file and link.
fn check_folder(folder: &Path, top: &Path, each: &mut impl FnMut(u64)) {
    for entry in fs::read_dir(folder).expect("read").flatten() {
        let (path, facts) = (entry.path(), entry.metadata().expect("it is there"));
        if facts.is_dir() {
            check_folder(&path, top, each);
        } else if facts.is_symlink() {
            // A link that leads nowhere, or around, leads to nothing outside either.
            if let Ok(target) = path.canonicalize() {
                assert!(
                    target.starts_with(top),
                    "{} leads to {}",
                    path.display(),
                    target.display()
                );
            }
            each(0);
        } else {
            assert!(facts.is_file(), "{}", path.display());
            assert_eq!(facts.permissions().mode() & 0o7000, 0, "{}", path.display());
            each(facts.len());
        }
    }
}
