//! A request's body before anyone has asked for it.

use std::cell::Cell;
use std::rc::Rc;

use super::upload::{Upload, UploadState};
use crate::base::{Fault, Nanos};
use crate::proto::{BodyFraming, ChunkedDecoder};
use crate::rt::Buffers;

/// Most bytes of an unwanted body that are read and thrown away to keep the connection. Above it
/// the connection closes: reading on would cost more than connecting again.
pub(crate) const DISCARD_BYTES_MAX: u64 = 64 * 1024;

/// How long a connection that closes goes on reading what the client still sends, so that the
/// answer is not lost to a reset.
pub(crate) const DISCARD_TIMEOUT: Nanos = Nanos::from_millis(2_000);

/// The body of one request: how it is framed, and what of it came with the head.
pub struct RequestBody<'r> {
    /// The framing that the head declares.
    pub(crate) framing: BodyFraming,
    /// The bytes after the head that have been read: the body's beginning, and perhaps the next
    /// request.
    pub(crate) early: &'r mut [u8],
    /// The client waits for a 100 before it sends the body.
    pub(crate) awaits_continue: bool,
    /// Longest body of the route.
    pub(crate) bytes_max: u64,
    /// What has become of it.
    pub(crate) fate: BodyFate,
    /// Payload of a chunked body that was sent on.
    pub(crate) chunked_bytes: u64,
    /// The raw length of a chunked body that was found to lie whole within the early bytes.
    pub(crate) chunked_end: Cell<Option<usize>>,
    /// The payload, if it was read whole for an integration that looks into it.
    pub(crate) collected: Option<Vec<u8>>,
}

/// What has become of a request's body.
pub enum BodyFate {
    /// Nobody has touched it.
    Untouched,
    /// It was read to its end, beyond the early bytes; this much more had been read by then.
    TakenWhole(Vec<u8>),
    /// A task of its own reads it; see [`Upload::discard`] for how to end that.
    Uploading(Rc<Upload>),
    /// It was not read to its end and never will be: the connection must close.
    Abandoned,
}

impl RequestBody<'_> {
    /// The length of the body within the early bytes, if all of it is there and has a length.
    pub(crate) fn whole_length(&self) -> Option<usize> {
        match self.framing {
            BodyFraming::Length(length) => {
                let length = usize::try_from(length).ok()?;
                (length <= self.early.len()).then_some(length)
            }
            BodyFraming::Chunked | BodyFraming::UntilClose => None,
            BodyFraming::None => Some(0),
        }
    }

    /// Whether an answer that does not read the body may keep the connection: the rest is short
    /// enough to be thrown away, and surely comes.
    pub(crate) fn is_cheap_to_discard(&self, scratch: &Buffers) -> bool {
        if !matches!(self.fate, BodyFate::Untouched) {
            return false; // part of it went elsewhere
        }
        match self.framing {
            BodyFraming::None => true,
            BodyFraming::Length(length) => {
                let left = length.saturating_sub(self.early.len() as u64);
                left == 0 || (left <= DISCARD_BYTES_MAX && !self.awaits_continue)
            }
            BodyFraming::Chunked => self.find_chunked_end(scratch).is_some(),
            BodyFraming::UntilClose => false,
        }
    }

    /// The raw length of a chunked body that lies whole within the early bytes. Decodes a copy, as
    /// decoding changes the bytes.
    fn find_chunked_end(&self, scratch: &Buffers) -> Option<usize> {
        if self.chunked_end.get().is_none() {
            let mut copy = scratch.take();
            copy.extend_from_slice(self.early);
            if let Ok(decoded) = ChunkedDecoder::new().decode(&mut copy)
                && decoded.done
            {
                self.chunked_end.set(Some(decoded.consumed_bytes));
            }
            scratch.put(copy);
        }
        self.chunked_end.get()
    }

    /// Whether nothing of it is left to be read or sent.
    pub(crate) fn is_taken(&self) -> bool {
        match &self.fate {
            BodyFate::Untouched | BodyFate::TakenWhole(_) => true,
            BodyFate::Uploading(upload) => upload.state() == UploadState::Done,
            BodyFate::Abandoned => false,
        }
    }

    /// How long the body was: as declared, or as counted.
    pub(crate) fn received_bytes(&self) -> u64 {
        match self.framing {
            BodyFraming::Length(length) => length,
            _ => self.chunked_bytes,
        }
    }

    /// Refuses a body that is declared longer than the route allows.
    pub(crate) fn check_length(&self) -> Result<(), Fault> {
        match self.framing {
            BodyFraming::Length(length) if length > self.bytes_max => Err(Fault::BodyTooLarge),
            _ => Ok(()),
        }
    }
}
