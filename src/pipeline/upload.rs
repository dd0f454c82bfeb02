//! The rest of a request's body, sent to the target by a task of its own while the answer may
//! already be coming.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::body::DISCARD_BYTES_MAX;
use super::chunk_frames::{CHUNK_HEAD_ROOM, append_last_chunk, frame_chunk};
use super::state::ShardState;
use crate::base::{Fault, Nanos};
use crate::observe::DeadlineKind;
use crate::proto::ChunkedDecoder;
use crate::rt::{Contained, Deadline, DeadlineMover, now, spawn};
use crate::transport::Transport;

/// What of a body is still to come.
pub(super) enum BodyLeft {
    /// So many bytes.
    Length(u64),
    /// Chunks, with at most `left_max` bytes of payload.
    Chunked {
        /// As far as it was decoded.
        decoder: Box<ChunkedDecoder>,
        /// Above it the body is too large.
        left_max: u64,
    },
}

/// How far an upload is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum UploadState {
    /// Still going on.
    Running,
    /// The whole body was sent.
    Done,
    /// The client is at fault; the connection to the target was shut down.
    Failed(Fault),
    /// The target takes no more: its answer, if one comes, is what counts.
    Refused,
}

/// An upload as the task that reads the answer sees it.
///
/// # Invariants
///
/// - While it has not ended it alone reads from the client: whoever else would, waits for
///   [`Upload::discard`] first.
pub struct Upload {
    state: Cell<UploadState>,
    /// From then on the target's deadline belongs to the task that relays the answer.
    answer_came: Cell<bool>,
    discards: Cell<bool>,
    surplus: RefCell<Vec<u8>>,
    payload_bytes: Cell<u64>,
    waiter: Cell<Option<Waker>>,
    has_ended: Cell<bool>,
}

impl Upload {
    /// How far it is.
    pub(super) fn state(&self) -> UploadState {
        self.state.get()
    }

    /// Payload of a chunked body that was sent on.
    pub(super) fn payload_bytes(&self) -> u64 {
        self.payload_bytes.get()
    }

    /// What was read behind the end of the body: the next request's first bytes.
    pub(super) fn take_surplus(&self) -> Vec<u8> {
        self.surplus.take()
    }

    /// The target has begun to answer.
    pub(super) fn answer_came(&self) {
        self.answer_came.set(true);
    }

    /// Whether the client is no longer read from.
    pub(crate) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Throws the rest away instead of sending it, and waits for the end of it: the client's end
    /// of file, its deadline, or a bound.
    pub(crate) async fn discard(&self) {
        self.discards.set(true);
        poll_fn(|context| {
            if self.has_ended.get() {
                return Poll::Ready(());
            }
            self.waiter.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn end(&self) {
        self.has_ended.set(true);
        if let Some(waiter) = self.waiter.take() {
            waiter.wake();
        }
    }
}

/// What an upload works with.
pub(super) struct UploadTask {
    pub(super) state: Rc<ShardState>,
    pub(super) client: Transport,
    /// Of the client's sending; its own, as the answer's writes have another one.
    pub(super) client_deadline: Deadline,
    pub(super) body_timeout: Nanos,
    pub(super) target: Transport,
    pub(super) target_deadline: DeadlineMover,
    pub(super) target_timeout: Nanos,
    /// The end of the time for the whole exchange.
    pub(super) target_due_max: Nanos,
    pub(super) left: BodyLeft,
}

/// What one turn came to.
enum Turn {
    More,
    End(UploadState),
}

impl UploadTask {
    /// Starts the task.
    pub(super) fn start(self) -> Rc<Upload> {
        let upload = Rc::new(Upload {
            state: Cell::new(UploadState::Running),
            answer_came: Cell::new(false),
            discards: Cell::new(false),
            surplus: RefCell::default(),
            payload_bytes: Cell::new(0),
            waiter: Cell::new(None),
            has_ended: Cell::new(false),
        });
        let (state, target) = (Rc::clone(&self.state), self.target.clone());
        let run = Contained::new(self.run(Rc::clone(&upload)));
        let of_task = Rc::clone(&upload);
        state.uploads_count.set(state.uploads_count.get() + 1);
        spawn(async move {
            if run.await.is_err() {
                // Whoever waits for this upload must hear of its end.
                state.recorder.panicked();
                target.shutdown_both();
                of_task.state.set(UploadState::Failed(Fault::Panicked));
                of_task.end();
            }
            state.uploads_count.set(state.uploads_count.get().saturating_sub(1));
        });
        upload
    }

    async fn run(mut self, upload: Rc<Upload>) {
        let mut discarded_bytes = 0;
        loop {
            let turn = self.turn(&upload, &mut discarded_bytes).await;
            if let Turn::End(state) = turn {
                upload.state.set(state);
                if let UploadState::Failed(_) = state {
                    // Wakes the task that waits for an answer; the target sees half a request and
                    // must not take it for a whole one.
                    self.target.shutdown_both();
                }
                return upload.end();
            }
        }
    }

    async fn turn(&mut self, upload: &Upload, discarded_bytes: &mut u64) -> Turn {
        let mut buffer = self.state.body_buffers.take();
        buffer.resize(CHUNK_HEAD_ROOM, 0);
        let bytes_max = match &self.left {
            BodyLeft::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
            // Room for the end of a chunk and the last chunk with its trailers.
            BodyLeft::Chunked { .. } => buffer.capacity() - CHUNK_HEAD_ROOM,
        };
        if !upload.discards.get() {
            self.client_deadline.set_read(now().plus(self.body_timeout));
            // The target waits for the client; that is not its fault.
            self.set_target_due(upload, Nanos::NEVER);
        }
        let (result, mut buffer) = self.client.read_append_up_to(buffer, bytes_max).await;
        let count = result.unwrap_or(0);
        if count == 0 {
            self.state.body_buffers.put(buffer);
            if self.client_deadline.passed() {
                self.state.recorder.deadline_fired(DeadlineKind::Body);
                return Turn::End(UploadState::Failed(Fault::RequestTimeout));
            }
            return Turn::End(UploadState::Failed(Fault::ClientGone));
        }
        self.client_deadline.clear();
        if upload.discards.get() {
            self.state.body_buffers.put(buffer);
            *discarded_bytes += count as u64;
            let enough = *discarded_bytes > 16 * DISCARD_BYTES_MAX;
            return if enough { Turn::End(UploadState::Refused) } else { Turn::More };
        }
        let framed = self.frame(&mut buffer, count, upload);
        let (start, done) = match framed {
            Ok(framed) => framed,
            Err(fault) => {
                self.state.body_buffers.put(buffer);
                return Turn::End(UploadState::Failed(fault));
            }
        };
        self.set_target_due(upload, now().plus(self.target_timeout));
        let (written, buffer) = self.target.write_all(buffer, start).await;
        self.state.body_buffers.put(buffer);
        match written {
            // Only while some of the body is still to come: a read of no bytes would never do.
            Err(_) if upload.discards.get() && !done => Turn::More,
            Err(_) => Turn::End(UploadState::Refused),
            Ok(()) if done => Turn::End(UploadState::Done),
            Ok(()) => Turn::More,
        }
    }

    fn set_target_due(&self, upload: &Upload, due: Nanos) {
        if !upload.answer_came.get() {
            self.target_deadline.set(due.min(self.target_due_max));
        }
    }

    /// Frames what was read for the target; where it starts, and whether the body is complete.
    fn frame(
        &mut self,
        buffer: &mut Vec<u8>,
        count: usize,
        upload: &Upload,
    ) -> Result<(usize, bool), Fault> {
        match &mut self.left {
            BodyLeft::Length(left) => {
                *left = left.saturating_sub(count as u64);
                Ok((CHUNK_HEAD_ROOM, *left == 0))
            }
            BodyLeft::Chunked { decoder, left_max } => {
                let decoded = decoder.decode(&mut buffer[CHUNK_HEAD_ROOM..])?;
                let payload_bytes = decoded.payload_bytes;
                upload.payload_bytes.set(upload.payload_bytes.get() + payload_bytes as u64);
                *left_max =
                    left_max.checked_sub(payload_bytes as u64).ok_or(Fault::BodyTooLarge)?;
                let raw_end = CHUNK_HEAD_ROOM + decoded.consumed_bytes;
                upload.surplus.borrow_mut().extend_from_slice(&buffer[raw_end..]);
                buffer.truncate(CHUNK_HEAD_ROOM + payload_bytes);
                let mut start = CHUNK_HEAD_ROOM;
                if payload_bytes > 0 {
                    start = frame_chunk(buffer, payload_bytes);
                }
                if decoded.done {
                    append_last_chunk(buffer, decoder.trailers());
                }
                Ok((start, decoded.done))
            }
        }
    }
}
