//! The body of what a runtime sends, read from its connection.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use crate::proto::{BodyFraming, ChunkedDecoder};
use crate::rt::Stream;

/// A body that is being read. Whoever drops it before its end gives the rest up: the connection's
/// task reads and forgets it.
pub struct StreamedAnswer {
    parts: Option<Parts>,
    handed_back: Rc<HandedBack>,
}

impl fmt::Debug for StreamedAnswer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("StreamedAnswer")
    }
}

/// The connection's end of a body that another task reads.
#[derive(Default)]
pub(super) struct HandedBack {
    parts: RefCell<Option<Parts>>,
    waker: Cell<Option<Waker>>,
}

impl HandedBack {
    /// Waits for the body to come back.
    pub(super) async fn parts(&self) -> Parts {
        std::future::poll_fn(|context| match self.parts.borrow_mut().take() {
            Some(parts) => Poll::Ready(parts),
            None => {
                self.waker.set(Some(context.waker().clone()));
                Poll::Pending
            }
        })
        .await
    }
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

/// What is read of a body.
pub(super) struct Parts {
    stream: Stream,
    /// What was read of the connection; `[..start]` is used up.
    pub(super) input: Vec<u8>,
    pub(super) start: usize,
    left: Left,
}

/// How much of it is to come.
enum Left {
    Bytes(u64),
    Chunks(Box<ChunkedDecoder>),
    Nothing(Box<BodyEnd>),
}

impl Parts {
    pub(super) fn new(stream: Stream, input: Vec<u8>, start: usize, framing: BodyFraming) -> Self {
        let left = match framing {
            BodyFraming::Length(bytes) => Left::Bytes(bytes),
            BodyFraming::Chunked => Left::Chunks(Box::default()),
            // Requests have no other framing.
            BodyFraming::None | BodyFraming::UntilClose => Left::Bytes(0),
        };
        Self { stream, input, start, left }
    }

    /// A lower bound on what is to come.
    pub(super) fn bytes_known(&self) -> u64 {
        match &self.left {
            Left::Bytes(bytes) => *bytes,
            Left::Chunks(_) | Left::Nothing(_) => 0,
        }
    }

    /// Whether nothing of it has been read from the connection.
    pub(super) fn is_awaited(&self) -> bool {
        let is_over = matches!(self.left, Left::Nothing(_) | Left::Bytes(0));
        !is_over && self.start == self.input.len()
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<&BodyEnd> {
        match &self.left {
            Left::Nothing(end) => Some(end),
            Left::Bytes(0) => Some(&BodyEnd::Whole),
            Left::Bytes(_) | Left::Chunks(_) => None,
        }
    }

    /// Appends what comes next; false at the end, whichever it is.
    pub(super) async fn next(&mut self, piece: &mut Vec<u8>) -> bool {
        loop {
            if self.end().is_some() {
                return false;
            }
            if self.start < self.input.len() {
                if self.take(piece) {
                    return true;
                }
                continue;
            }
            if let Left::Bytes(left) = &mut self.left
                && *left >= LONG_BYTES
            {
                // A long body is read to where it belongs, without a copy.
                let wanted = usize::try_from(*left).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
                piece.reserve(wanted);
                let before = piece.len();
                let target = std::mem::take(piece);
                let (result, target) = self.stream.read_append_up_to(target, wanted).await;
                *piece = target;
                let count = (piece.len() - before) as u64;
                if !is_more(&result) {
                    self.left = Left::Nothing(Box::new(BodyEnd::Broken));
                    return false;
                }
                *left -= count;
                return true;
            }
            self.input.clear();
            self.start = 0;
            let (result, input) = self.stream.read_append(std::mem::take(&mut self.input)).await;
            self.input = input;
            if !is_more(&result) {
                self.left = Left::Nothing(Box::new(BodyEnd::Broken));
                return false;
            }
        }
    }

    /// The same, but may be dropped while it waits, and loses nothing then.
    async fn next_unless_dropped(&mut self, piece: &mut Vec<u8>) -> bool {
        loop {
            if self.end().is_some() {
                return false;
            }
            if self.start < self.input.len() {
                if self.take(piece) {
                    return true;
                }
                continue;
            }
            self.input.clear();
            self.start = 0;
            // An error shows when it is read.
            let _ = self.stream.readable().await;
            match self.stream.read_now(&mut self.input) {
                Ok(count) if count > 0 => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                _ => self.left = Left::Nothing(Box::new(BodyEnd::Broken)),
            }
        }
    }

    /// Takes what there is of it in the input; whether that was anything.
    fn take(&mut self, piece: &mut Vec<u8>) -> bool {
        let rest = &mut self.input[self.start..];
        match &mut self.left {
            Left::Bytes(left) => {
                let count = rest.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                piece.extend_from_slice(&rest[..count]);
                self.start += count;
                *left -= count as u64;
                count > 0
            }
            Left::Chunks(decoder) => match decoder.decode(rest) {
                Ok(decoded) => {
                    piece.extend_from_slice(&rest[..decoded.payload_bytes]);
                    self.start += decoded.consumed_bytes;
                    if decoded.done {
                        self.left = Left::Nothing(Box::new(end_of(decoder.trailers())));
                    }
                    decoded.payload_bytes > 0
                }
                Err(_) => {
                    self.left = Left::Nothing(Box::new(BodyEnd::Broken));
                    false
                }
            },
            Left::Nothing(_) => false,
        }
    }
}

impl StreamedAnswer {
    /// A body for another task to read, and where it comes back.
    pub(super) fn hand_out(parts: Parts) -> (Self, Rc<HandedBack>) {
        let handed_back = Rc::new(HandedBack::default());
        (Self { parts: Some(parts), handed_back: Rc::clone(&handed_back) }, handed_back)
    }

    /// Appends what comes next to `piece`; false at the end, see [`StreamedAnswer::end`]. May be dropped
    /// while it waits.
    pub async fn next(&mut self, piece: &mut Vec<u8>) -> bool {
        match &mut self.parts {
            Some(parts) => parts.next_unless_dropped(piece).await,
            None => false,
        }
    }

    /// How it ended; to be asked when nothing comes any more.
    #[must_use]
    pub fn end(&self) -> BodyEnd {
        let end = self.parts.as_ref().and_then(Parts::end);
        end.cloned().unwrap_or(BodyEnd::Broken)
    }
}

impl Drop for StreamedAnswer {
    fn drop(&mut self) {
        self.handed_back.parts.replace(self.parts.take());
        if let Some(waker) = self.handed_back.waker.take() {
            waker.wake();
        }
    }
}

fn is_more(result: &io::Result<usize>) -> bool {
    matches!(result, Ok(count) if *count > 0)
}

/// What the trailers say of the end (AWS Lambda Developer Guide, "Building a custom runtime":
/// `Lambda-Runtime-Function-Error-Type` and `-Body`, the latter as base64).
fn end_of(trailers: &[u8]) -> BodyEnd {
    use base64::Engine as _;
    let (mut error_type, mut error) = (None, Vec::new());
    for line in trailers.split(|byte| *byte == b'\n') {
        let Some(colon) = memchr::memchr(b':', line) else { continue };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"lambda-runtime-function-error-type") {
            error_type = Some(String::from_utf8_lossy(value).into_owned());
        } else if name.eq_ignore_ascii_case(b"lambda-runtime-function-error-body") {
            let decoded = base64::engine::general_purpose::STANDARD.decode(value);
            error = decoded.unwrap_or_else(|_| value.to_vec());
        }
    }
    match error_type {
        Some(error_type) => BodyEnd::FunctionFailed { error_type, error },
        None => BodyEnd::Whole,
    }
}

/// From here on a body is read without going through the connection's buffer.
const LONG_BYTES: u64 = 32 * 1024;
const PIECE_BYTES_MAX: usize = 256 * 1024;

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
}
