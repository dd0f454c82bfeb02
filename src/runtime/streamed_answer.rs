//! The body of what a runtime sends, read from its connection.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::body::{BodyEnd, RuntimeBody};
use crate::proto::BodyFraming;
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

/// What is read of a body.
pub(super) struct Parts {
    stream: Stream,
    /// What was read of the connection; `[..start]` is used up.
    pub(super) input: Vec<u8>,
    pub(super) start: usize,
    body: RuntimeBody,
}

impl Parts {
    pub(super) fn new(stream: Stream, input: Vec<u8>, start: usize, framing: BodyFraming) -> Self {
        Self { stream, input, start, body: RuntimeBody::new(framing) }
    }

    /// A lower bound on what is to come.
    pub(super) fn bytes_known(&self) -> u64 {
        self.body.bytes_known()
    }

    /// Whether nothing of it has been read from the connection.
    pub(super) fn is_awaited(&self) -> bool {
        self.end().is_none() && self.start == self.input.len()
    }

    /// How it ended, if it has.
    pub(super) fn end(&self) -> Option<&BodyEnd> {
        self.body.end()
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
            let left = self.body.bytes_known();
            if left >= LONG_BYTES {
                // A long body is read to where it belongs, without a copy.
                let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(PIECE_BYTES_MAX);
                piece.reserve(wanted);
                let before = piece.len();
                let target = std::mem::take(piece);
                let (result, target) = self.stream.read_append_up_to(target, wanted).await;
                *piece = target;
                let count = (piece.len() - before) as u64;
                if !is_more(&result) {
                    self.body.breaks();
                    return false;
                }
                self.body.pass(count);
                return true;
            }
            self.input.clear();
            self.start = 0;
            let (result, input) = self.stream.read_append(std::mem::take(&mut self.input)).await;
            self.input = input;
            if !is_more(&result) {
                self.body.breaks();
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
                _ => self.body.breaks(),
            }
        }
    }

    /// Takes what there is of it in the input; whether that was anything.
    fn take(&mut self, piece: &mut Vec<u8>) -> bool {
        let before = piece.len();
        self.start += self.body.take(&mut self.input[self.start..], piece);
        piece.len() > before
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

/// From here on a body is read without going through the connection's buffer.
const LONG_BYTES: u64 = 32 * 1024;
const PIECE_BYTES_MAX: usize = 256 * 1024;
