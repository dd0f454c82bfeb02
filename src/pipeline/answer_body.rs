//! The body of a target's answer, read piece by piece whatever frames it.
//!
//! What passes as it is goes by `relay`, which frames in place; this is for who looks into it.

use std::rc::Rc;

use super::answer_head::count_deadline;
use super::state::ShardState;
use crate::base::{Fault, Nanos};
use crate::observe::DeadlineKind;
use crate::proto::{BodyFraming, ChunkedDecoder};
use crate::rt::now;
use crate::upstream::TargetLink;

/// The body of one answer.
pub(super) struct AnswerBody {
    state: Rc<ShardState>,
    link: TargetLink,
    left: Left,
    /// What came with the head, until it is read.
    early: Vec<u8>,
    times: AnswerTimes,
    /// Nothing came that is no part of the body.
    is_clean: bool,
    /// When something came last.
    at: Nanos,
}

/// How long an answer's body may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct AnswerTimes {
    /// Between two of its parts.
    pub(super) idle_timeout: Nanos,
    /// The end of the time for all of it.
    pub(super) due: Nanos,
}

/// What is still to come.
enum Left {
    Bytes(u64),
    Chunks(Box<ChunkedDecoder>),
    /// All that comes.
    Everything,
    Nothing,
}

impl AnswerBody {
    /// The body that `framing` frames and `early` begins, behind a head that came at `came`.
    pub(super) fn new(
        state: Rc<ShardState>,
        link: TargetLink,
        (framing, early): (BodyFraming, Vec<u8>),
        times: AnswerTimes,
        came: Nanos,
    ) -> Self {
        let left = match framing {
            BodyFraming::None | BodyFraming::Length(0) => Left::Nothing,
            BodyFraming::Length(length) => Left::Bytes(length),
            BodyFraming::Chunked => Left::Chunks(Box::default()),
            BodyFraming::UntilClose => Left::Everything,
        };
        link.clear_due();
        let is_clean = early.is_empty() || !matches!(left, Left::Nothing);
        Self { state, link, left, early, times, is_clean, at: came }
    }

    /// When something came last.
    pub(super) fn at(&self) -> Nanos {
        self.at
    }

    /// Gives what is left of it another time.
    pub(super) fn set_times(&mut self, times: AnswerTimes) {
        self.times = times;
    }

    /// Whether it was read to its end.
    pub(super) fn is_over(&self) -> bool {
        matches!(self.left, Left::Nothing)
    }

    /// What carried it, and whether nothing else did and nothing more will come.
    pub(super) fn into_link(self) -> (TargetLink, bool) {
        let is_whole = self.is_over() && self.is_clean && self.link.ends_by_length();
        (self.link, is_whole)
    }

    /// Waits, without a buffer, until something comes. Errors show when it is read.
    pub(super) async fn readable(&self) {
        if self.early.is_empty() && !self.is_over() {
            self.link.set_due(self.due());
            self.link.readable().await;
        }
    }

    /// Appends what comes next, which may be nothing; `false` at the end.
    pub(super) async fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, Fault> {
        if self.is_over() {
            return Ok(false);
        }
        if !self.early.is_empty() {
            let mut early = std::mem::take(&mut self.early);
            return self.take(&mut early, piece).map(|()| true);
        }
        let buffer = self.state.body_buffers.take();
        let mut buffer = match self.read(buffer).await? {
            Some(buffer) => buffer,
            None if matches!(self.left, Left::Everything) => {
                (self.left, self.is_clean) = (Left::Nothing, false);
                return Ok(false);
            }
            None => return Err(Fault::UpstreamReset),
        };
        let taken = self.take(&mut buffer, piece);
        self.state.body_buffers.put(buffer);
        taken.map(|()| true)
    }

    /// Appends what of `raw` is the body's.
    fn take(&mut self, raw: &mut [u8], piece: &mut Vec<u8>) -> Result<(), Fault> {
        let (taken, used) = match &mut self.left {
            Left::Nothing => (0, 0),
            Left::Everything => (raw.len(), raw.len()),
            Left::Bytes(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(raw.len());
                *left -= count as u64;
                if *left == 0 {
                    self.left = Left::Nothing;
                }
                (count, count)
            }
            Left::Chunks(decoder) => {
                let decoded = decoder.decode(raw).map_err(|_| Fault::BadUpstreamAnswer)?;
                if decoded.done {
                    self.left = Left::Nothing;
                    (decoded.payload_bytes, decoded.consumed_bytes)
                } else {
                    (decoded.payload_bytes, raw.len())
                }
            }
        };
        piece.extend_from_slice(&raw[..taken]);
        self.is_clean &= used == raw.len();
        Ok(())
    }

    fn due(&self) -> Nanos {
        self.at.plus(self.times.idle_timeout).min(self.times.due)
    }

    /// Reads once; `None` at the end of the stream or of the connection.
    async fn read(&mut self, buffer: Vec<u8>) -> Result<Option<Vec<u8>>, Fault> {
        self.link.set_due(self.due());
        let (result, buffer) = self.link.read(buffer).await;
        self.link.clear_due();
        self.at = now();
        if matches!(result, Ok(count) if count > 0) {
            return Ok(Some(buffer));
        }
        self.state.body_buffers.put(buffer);
        if self.link.deadline().passed() {
            count_deadline(&self.state, self.link.due_max(), DeadlineKind::UpstreamIdle);
            return Err(Fault::UpstreamTimeout);
        }
        result.map_or(Err(Fault::UpstreamReset), |_| Ok(None))
    }
}
