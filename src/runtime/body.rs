//! The body of what a runtime sends, as bytes: where it ends, and what its end says.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::proto::{BodyFraming, ChunkedDecoder};

/// A body that comes piece by piece.
#[derive(Debug)]
pub struct RuntimeBody {
    left: Left,
}

/// How much of it is to come.
#[derive(Debug)]
enum Left {
    Bytes(u64),
    Chunks(Box<ChunkedDecoder>),
    Nothing(Box<BodyEnd>),
}

/// How a body ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum BodyEnd {
    /// As it should.
    Whole,
    /// The function failed after it had begun: what its trailers say.
    FunctionFailed { error_type: String, error: Vec<u8> },
    /// The connection ended before it, or it cannot be read.
    Broken,
}

impl RuntimeBody {
    /// One of a request with this framing.
    #[must_use]
    pub fn new(framing: BodyFraming) -> Self {
        let left = match framing {
            BodyFraming::Length(bytes) => Left::Bytes(bytes),
            BodyFraming::Chunked => Left::Chunks(Box::default()),
            // Requests have no other framing.
            BodyFraming::None | BodyFraming::UntilClose => Left::Bytes(0),
        };
        Self { left }
    }

    /// A lower bound on what is to come.
    #[must_use]
    pub fn bytes_known(&self) -> u64 {
        match &self.left {
            Left::Bytes(bytes) => *bytes,
            Left::Chunks(_) | Left::Nothing(_) => 0,
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub fn end(&self) -> Option<&BodyEnd> {
        match &self.left {
            Left::Nothing(end) => Some(end),
            Left::Bytes(0) => Some(&BodyEnd::Whole),
            Left::Bytes(_) | Left::Chunks(_) => None,
        }
    }

    /// Appends what is of it in `input` to `piece`; how much of the input that took. What is left over
    /// comes behind the body. The input is used for decoding and is no good afterwards.
    pub fn take(&mut self, input: &mut [u8], piece: &mut Vec<u8>) -> usize {
        match &mut self.left {
            Left::Bytes(left) => {
                let count = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                piece.extend_from_slice(&input[..count]);
                *left -= count as u64;
                count
            }
            Left::Chunks(decoder) => match decoder.decode(input) {
                Ok(decoded) => {
                    piece.extend_from_slice(&input[..decoded.payload_bytes]);
                    if decoded.done {
                        self.left = Left::Nothing(Box::new(end_of(decoder.trailers())));
                    }
                    decoded.consumed_bytes
                }
                Err(_) => {
                    self.breaks();
                    0
                }
            },
            Left::Nothing(_) => 0,
        }
    }

    /// So many of the bytes that are known to come went past it.
    pub(super) fn pass(&mut self, count: u64) {
        if let Left::Bytes(left) = &mut self.left {
            debug_assert!(count <= *left, "what is behind a body is not its own");
            *left = left.saturating_sub(count);
        }
    }

    /// Nothing more of it comes.
    pub(super) fn breaks(&mut self) {
        self.left = Left::Nothing(Box::new(BodyEnd::Broken));
    }
}

/// What the trailers say of the end (AWS Lambda Developer Guide, "Building a custom runtime":
/// `Lambda-Runtime-Function-Error-Type` and `-Body`, the latter as base64).
fn end_of(trailers: &[u8]) -> BodyEnd {
    let (mut error_type, mut error) = (None, Vec::new());
    for line in trailers.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"lambda-runtime-function-error-type") {
            error_type = Some(String::from_utf8_lossy(value).into_owned());
        } else if name.eq_ignore_ascii_case(b"lambda-runtime-function-error-body") {
            let decoded = STANDARD.decode(value);
            error = decoded.unwrap_or_else(|_| value.to_vec());
        }
    }
    match error_type {
        Some(error_type) => BodyEnd::FunctionFailed { error_type, error },
        None => BodyEnd::Whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trailers_tell_of_a_failure() {
        assert_eq!(end_of(b""), BodyEnd::Whole);
        assert_eq!(end_of(b"X-Other: 1\r\n"), BodyEnd::Whole);
        let trailers = b"Lambda-Runtime-Function-Error-Type: Unhandled\r\n\
            lambda-runtime-function-error-body: eyJhIjoxfQ==\r\n";
        let failed = BodyEnd::FunctionFailed {
            error_type: "Unhandled".to_owned(),
            error: b"{\"a\":1}".to_vec(),
        };
        assert_eq!(end_of(trailers), failed);
    }

    #[test]
    fn what_is_behind_a_body_is_left_over() {
        for (framing, text) in [
            (BodyFraming::Length(3), &b"abcPOST"[..]),
            (BodyFraming::Chunked, b"3\r\nabc\r\n0\r\n\r\nPOST"),
        ] {
            let (mut body, mut input, mut piece) =
                (RuntimeBody::new(framing), text.to_vec(), vec![]);
            let taken = body.take(&mut input, &mut piece);
            assert_eq!((&piece[..], &text[taken..]), (&b"abc"[..], &b"POST"[..]));
            assert_eq!(body.end(), Some(&BodyEnd::Whole));
            assert_eq!(body.take(&mut input, &mut piece), 0, "nothing more is taken");
        }
        let mut body = RuntimeBody::new(BodyFraming::Chunked);
        assert_eq!(body.take(&mut b"no chunk".to_vec(), &mut Vec::new()), 0);
        assert_eq!(body.end(), Some(&BodyEnd::Broken));
    }
}
