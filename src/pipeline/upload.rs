//! The rest of a request's body, sent to the target by a task of its own while the answer may
//! already be coming.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

use super::body::DISCARD_BYTES_MAX;
use super::chunk_frames::{CHUNK_HEAD_ROOM, append_last_chunk, frame_chunk};
use super::grpc::TextDecoder;
use super::state::ShardState;
use crate::base::{Fault, Nanos};
use crate::http2::{SendBody, ServerStream};
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

/// Where the rest of a body comes from.
pub(super) enum BodySource {
    /// The connection of an HTTP/1 client.
    Http1 { client: Transport, left: BodyLeft },
    /// A stream of an HTTP/2 client, with at most `left_max` bytes to come.
    Http2 { stream: Rc<ServerStream>, left_max: u64 },
}

/// Where the rest of a body goes.
pub(super) enum BodySink {
    /// The connection of an HTTP/1 target.
    Http1 { target: Transport, as_chunks: bool },
    /// A stream of an HTTP/2 target, with what bounds how long it may take nothing.
    Http2 {
        target: Rc<SendBody>,
        alarm: Deadline,
        timeout: Nanos,
        /// Of a body of gRPC-Web in base64.
        decoder: Option<RefCell<TextDecoder>>,
    },
    /// Memory, for an integration that looks into the body.
    Memory(Rc<RefCell<Vec<u8>>>),
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
        self.ended().await;
    }

    /// Waits for its end.
    pub(super) async fn ended(&self) {
        poll_fn(|context| {
            if self.has_ended.get() {
                return Poll::Ready(());
            }
            self.waiter.set(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }

    fn count_payload(&self, payload_bytes: usize, left_max: &mut u64) -> Result<(), Fault> {
        self.payload_bytes.set(self.payload_bytes.get() + payload_bytes as u64);
        *left_max = left_max.checked_sub(payload_bytes as u64).ok_or(Fault::BodyTooLarge)?;
        Ok(())
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
    pub(super) source: BodySource,
    /// Of the client's sending; its own, as the answer's writes have another one.
    pub(super) client_deadline: Deadline,
    pub(super) body_timeout: Nanos,
    pub(super) sink: Rc<BodySink>,
    pub(super) target_deadline: DeadlineMover,
    pub(super) target_timeout: Nanos,
    /// The end of the time for the whole exchange.
    pub(super) target_due_max: Nanos,
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
        let (state, sink) = (Rc::clone(&self.state), Rc::clone(&self.sink));
        let run = Contained::new(self.run(Rc::clone(&upload)));
        let of_task = Rc::clone(&upload);
        state.uploads_count.set(state.uploads_count.get() + 1);
        spawn(async move {
            if run.await.is_err() {
                // Whoever waits for this upload must hear of its end.
                state.recorder.panicked();
                sink.cut();
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
                    self.sink.cut();
                }
                return upload.end();
            }
        }
    }

    async fn turn(&mut self, upload: &Upload, discarded_bytes: &mut u64) -> Turn {
        if !upload.discards.get() {
            self.client_deadline.set_read(now().plus(self.body_timeout));
            // The target waits for the client; that is not its fault.
            self.set_target_due(upload, Nanos::NEVER);
        }
        let mut buffer = self.state.body_buffers.take();
        buffer.resize(CHUNK_HEAD_ROOM, 0);
        let (came, mut buffer) = self.source.read(buffer, &self.client_deadline).await;
        let Some(count) = came else {
            self.state.body_buffers.put(buffer);
            if self.client_deadline.passed() {
                self.state.recorder.deadline_fired(DeadlineKind::Body);
                return Turn::End(UploadState::Failed(Fault::RequestTimeout));
            }
            return Turn::End(UploadState::Failed(Fault::ClientGone));
        };
        self.client_deadline.clear();
        if upload.discards.get() {
            self.state.body_buffers.put(buffer);
            *discarded_bytes += count as u64;
            let enough = count == 0 || *discarded_bytes > 16 * DISCARD_BYTES_MAX;
            return if enough { Turn::End(UploadState::Refused) } else { Turn::More };
        }
        let piece = match self.source.take(&mut buffer, count, upload).await {
            Ok(piece) => piece,
            Err(fault) => {
                self.state.body_buffers.put(buffer);
                return Turn::End(UploadState::Failed(fault));
            }
        };
        if let Err(fault) = self.sink.decode(&mut buffer, piece.is_last) {
            self.state.body_buffers.put(buffer);
            return Turn::End(UploadState::Failed(fault));
        }
        self.set_target_due(upload, now().plus(self.target_timeout));
        let (written, buffer) = self.sink.write(buffer, &piece).await;
        self.state.body_buffers.put(buffer);
        match written {
            // Only while some of the body is still to come: a read of no bytes would never do.
            false if upload.discards.get() && !piece.is_last => Turn::More,
            false => Turn::End(UploadState::Refused),
            true if piece.is_last => Turn::End(UploadState::Done),
            true => Turn::More,
        }
    }

    fn set_target_due(&self, upload: &Upload, due: Nanos) {
        if !upload.answer_came.get() {
            self.target_deadline.set(due.min(self.target_due_max));
        }
    }
}

/// What one read brought of a body: payload, behind [`CHUNK_HEAD_ROOM`] in its buffer.
struct Piece {
    is_last: bool,
    /// Behind the last one, as lines that end with CRLF.
    trailers: Vec<u8>,
}

impl BodySource {
    /// Reads once behind what is in `buffer`; how much, or `None` if the client is gone or late.
    async fn read(&self, mut buffer: Vec<u8>, deadline: &Deadline) -> (Option<usize>, Vec<u8>) {
        match self {
            Self::Http1 { client, left } => {
                let bytes_max = match left {
                    BodyLeft::Length(left) => usize::try_from(*left).unwrap_or(usize::MAX),
                    // Room for the end of a chunk and the last chunk with its trailers.
                    BodyLeft::Chunked { .. } => buffer.capacity() - CHUNK_HEAD_ROOM,
                };
                let (result, buffer) = client.read_append_up_to(buffer, bytes_max).await;
                (result.ok().filter(|count| *count > 0), buffer)
            }
            Self::Http2 { stream, .. } => {
                let bytes_max = buffer.capacity() - 2 * CHUNK_HEAD_ROOM;
                let read = Box::pin(stream.body().read(&mut buffer, bytes_max, deadline)).await;
                (read.ok(), buffer)
            }
        }
    }

    /// Makes payload of the `count` bytes that were read.
    async fn take(
        &mut self,
        buffer: &mut Vec<u8>,
        count: usize,
        upload: &Upload,
    ) -> Result<Piece, Fault> {
        match self {
            Self::Http1 { left: BodyLeft::Length(left), .. } => {
                *left = left.saturating_sub(count as u64);
                Ok(Piece { is_last: *left == 0, trailers: Vec::new() })
            }
            Self::Http1 { left: BodyLeft::Chunked { decoder, left_max }, .. } => {
                let decoded = decoder.decode(&mut buffer[CHUNK_HEAD_ROOM..])?;
                upload.count_payload(decoded.payload_bytes, left_max)?;
                let raw_end = CHUNK_HEAD_ROOM + decoded.consumed_bytes;
                upload.surplus.borrow_mut().extend_from_slice(&buffer[raw_end..]);
                buffer.truncate(CHUNK_HEAD_ROOM + decoded.payload_bytes);
                let trailers = if decoded.done { decoder.trailers() } else { b"" };
                Ok(Piece { is_last: decoded.done, trailers: trailers.to_vec() })
            }
            Self::Http2 { left_max, .. } if count > 0 => {
                upload.count_payload(count, left_max)?;
                Ok(Piece { is_last: false, trailers: Vec::new() })
            }
            Self::Http2 { stream, .. } => {
                // They came with the end of the body.
                let trailers = stream.body().trailers_now().map_err(|_| Fault::ClientGone)?;
                Ok(Piece { is_last: true, trailers })
            }
        }
    }
}

impl BodySink {
    /// Makes payload in base64 the bytes that it stands for.
    fn decode(&self, buffer: &mut Vec<u8>, is_last: bool) -> Result<(), Fault> {
        let Self::Http2 { decoder: Some(decoder), .. } = self else { return Ok(()) };
        let mut decoder = decoder.borrow_mut();
        let text = buffer.split_off(CHUNK_HEAD_ROOM);
        let decoded = decoder.decode(&text, buffer);
        let is_fine = decoded.is_ok() && (!is_last || decoder.is_complete());
        is_fine.then_some(()).ok_or(Fault::BadBody)
    }

    /// Writes a piece; whether the target took it.
    async fn write(&self, mut buffer: Vec<u8>, piece: &Piece) -> (bool, Vec<u8>) {
        match self {
            Self::Http1 { target, as_chunks } => {
                let payload_bytes = buffer.len() - CHUNK_HEAD_ROOM;
                let mut start = CHUNK_HEAD_ROOM;
                if *as_chunks && payload_bytes > 0 {
                    start = frame_chunk(&mut buffer, payload_bytes);
                }
                if *as_chunks && piece.is_last {
                    append_last_chunk(&mut buffer, &piece.trailers);
                }
                let (written, buffer) = target.write_all(buffer, start).await;
                (written.is_ok(), buffer)
            }
            Self::Http2 { target, alarm, timeout, .. } => {
                let payload = &buffer[CHUNK_HEAD_ROOM..];
                let is_last = piece.is_last && piece.trailers.is_empty();
                let mut sent =
                    Box::pin(target.send(payload, is_last, alarm, *timeout)).await.is_ok();
                if sent && piece.is_last && !is_last {
                    sent = target.end(&piece.trailers).is_ok();
                }
                (sent, buffer)
            }
            Self::Memory(payload) => {
                payload.borrow_mut().extend_from_slice(&buffer[CHUNK_HEAD_ROOM..]);
                (true, buffer)
            }
        }
    }

    /// What was sent is not a whole request: the target must not take it for one.
    fn cut(&self) {
        match self {
            Self::Http1 { target, .. } => target.shutdown_both(),
            Self::Http2 { target, .. } => target.cancel(),
            Self::Memory(_) => {}
        }
    }
}
