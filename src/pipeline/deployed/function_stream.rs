//! A function's answer on its way to the client while it comes: metadata and a delimiter first, then
//! the body piece by piece.
//!
//! Where the pieces come from is behind [`AnswerPieces`]. Until the head is written a failure is told
//! to the client as that of any function; from then on its connection, or its stream, is cut, so that
//! half an answer is never taken for a whole one. The next piece is asked for when the client has
//! taken the last: a slow client slows the function down.
//!
//! AWS: "Set up a Lambda proxy integration with payload response streaming in API Gateway",
//! "Troubleshoot issues with response streaming in API Gateway".

use std::rc::Rc;

use super::super::ShardState;
use super::super::body::RequestBody;
use super::super::chunk_frames::{CHUNK_HEAD_ROOM, append_last_chunk, append_payload, frame_chunk};
use super::super::client::ClientLink;
use super::super::exchange::flush_earlier;
use super::super::forward::write_framing;
use super::super::relay::framing_for_client;
use super::super::respond::Persistence;
use super::Failed;
use super::facts::Call;
use super::function_answer::write_answer;
use crate::base::limits::BODY_BUFFER_BYTES;
use crate::base::{Fault, Method, Nanos};
use crate::lambda::{Answer, PreludeStep, StreamPrelude};
use crate::plan::deployed::FunctionPlan;
use crate::proto::BodyFraming;
use crate::rt::now;

/// Where the pieces of a function's streamed answer come from. To drop it is to give the call up.
pub(super) trait AnswerPieces {
    /// Appends what comes next to `piece`, which may be nothing; `false` at the end of an answer that
    /// is whole. A failure says what the client is told if it still can be, and the log in any case;
    /// nothing is asked for after it. The time-outs of the stream are kept here.
    async fn next(&mut self, piece: &mut Vec<u8>) -> Result<bool, Failed>;
}

/// What an answer is written with.
pub(super) struct StreamOut<'o, 'b> {
    pub(super) state: &'o Rc<ShardState>,
    pub(super) body: &'o RequestBody<'b>,
    /// Answers to earlier requests may wait in it.
    pub(super) out: &'o mut Vec<u8>,
}

/// An answer that was passed on whole.
pub(super) struct Streamed {
    /// What the client saw.
    pub(super) status: u16,
    pub(super) goes_on: bool,
    pub(super) answer_bytes: u64,
    /// When its head was known.
    pub(super) came: Nanos,
    pub(super) ended: Nanos,
}

/// From a call of a function to the end of the time that it has.
pub(super) fn timeout(call: &Call<'_>, plan: &FunctionPlan) -> Nanos {
    let timeout = Nanos::from_millis(plan.timeout_ms);
    let is_streamed = plan.transfer.idle_timeout_ms(&call.plan.limits).is_some();
    match call.state.trial {
        Some(_) if is_streamed => timeout.min(TRIAL_TIMEOUT),
        _ => timeout,
    }
}

/// Passes on what the function answers.
pub(super) async fn stream_answer(
    call: &Call<'_>,
    pieces: &mut impl AnswerPieces,
    to: StreamOut<'_, '_>,
) -> Result<Streamed, Failed> {
    flush_earlier(call.client, to.out, call.request.started).await?;
    let framing = match call.state.trial {
        Some(_) => BodyFraming::UntilClose, // whoever tries a method takes all that there is
        None => framing_for_client(BodyFraming::Chunked, call.request.head.version),
    };
    let mut stream = Stream { call, pieces, to, framing, piece: Vec::new(), answer_bytes: 0 };
    let streamed = stream.run().await;
    if streamed.is_err()
        && framing == BodyFraming::UntilClose
        && call.state.trial.is_none()
        && call.client.answer_started.get()
        && let ClientLink::Http1(link) = &call.client.link
    {
        link.must_reset.set(true); // the end of the connection would be the end of the answer
    }
    streamed
}

/// One answer on its way.
struct Stream<'s, 'o, 'b, P> {
    call: &'s Call<'s>,
    pieces: &'s mut P,
    to: StreamOut<'o, 'b>,
    framing: BodyFraming,
    /// What came last; it grows with what comes, so that a stream that is silent holds little.
    piece: Vec<u8>,
    answer_bytes: u64,
}

impl<P: AnswerPieces> Stream<'_, '_, '_, P> {
    async fn run(&mut self) -> Result<Streamed, Failed> {
        let (answer, body_start) = self.prelude().await?;
        let (status, came) = (answer.status, now());
        let has_body =
            !matches!(status, 204 | 304) && self.call.request.head.method != Method::Head;
        let goes_on = self.write_head(&answer, has_body, body_start).await?;
        if has_body {
            self.body().await?;
        } else {
            self.discard().await?;
        }
        let ended = now();
        Ok(Streamed { status, goes_on, answer_bytes: self.answer_bytes, came, ended })
    }

    /// Waits for the whole of the metadata; where in the piece the body begins.
    async fn prelude(&mut self) -> Result<(Answer<'static>, usize), Failed> {
        let mut prelude = StreamPrelude::new();
        loop {
            if !self.next_piece().await? {
                let reason = "the answer ended before the eight NUL bytes behind its metadata";
                return Err(Failed::because(Fault::FunctionFailed, reason));
            }
            match prelude.feed(&self.piece[CHUNK_HEAD_ROOM..]) {
                Ok(PreludeStep::More) => {}
                Ok(PreludeStep::Done { answer, body_start }) => {
                    return Ok((answer, CHUNK_HEAD_ROOM + body_start));
                }
                Err(malformed) => {
                    let reason = format!("Malformed Lambda proxy response: {malformed}");
                    return Err(Failed::because(Fault::FunctionFailed, reason));
                }
            }
        }
    }

    /// Sends the head, with what of the body came with it; whether the connection goes on after the
    /// answer.
    async fn write_head(
        &mut self,
        answer: &Answer<'_>,
        has_body: bool,
        body_start: usize,
    ) -> Result<bool, Failed> {
        let (call, head) = (self.call, self.call.request.head);
        let goes_on = call.client.may_go_on(self.to.state, call.request)
            && self.to.body.is_taken()
            && !(has_body && self.framing == BodyFraming::UntilClose && !is_http2(call));
        let out = &mut *self.to.out;
        write_answer(call, answer, out);
        if has_body {
            write_framing(out, self.framing);
        }
        out.extend_from_slice(Persistence::of(head.version, goes_on).line());
        out.extend_from_slice(b"\r\n");
        if has_body {
            let body = &self.piece[body_start..];
            append_payload(out, body, self.framing == BodyFraming::Chunked);
            self.answer_bytes += body.len() as u64;
        }
        call.client.answer_started.set(true);
        let out = std::mem::take(self.to.out);
        let (result, out) = call.client.write(out, 0, now(), !has_body).await;
        *self.to.out = out;
        self.to.out.clear();
        result?;
        Ok(goes_on)
    }

    /// Sends what else comes, and the end.
    async fn body(&mut self) -> Result<(), Failed> {
        let as_chunks = self.framing == BodyFraming::Chunked;
        while !self.has_trial_enough() && self.next_piece_of_trial().await? {
            let payload_bytes = self.piece.len() - CHUNK_HEAD_ROOM;
            if payload_bytes == 0 {
                continue;
            }
            self.answer_bytes += payload_bytes as u64;
            let start = match as_chunks {
                true => frame_chunk(&mut self.piece, payload_bytes),
                false => CHUNK_HEAD_ROOM,
            };
            let piece = std::mem::take(&mut self.piece);
            let (result, piece) = self.call.client.write(piece, start, now(), false).await;
            if piece.capacity() <= BODY_BUFFER_BYTES {
                self.piece = piece;
            }
            result?;
        }
        let client = self.call.client;
        if as_chunks {
            let mut end = Vec::new();
            append_last_chunk(&mut end, b"");
            client.write(end, 0, now(), true).await.0?;
        }
        Ok(client.end(b"")?)
    }

    /// Waits for the end of an answer that the client has already: it may be gone by now, and the
    /// function comes to its end all the same.
    async fn discard(&mut self) -> Result<(), Failed> {
        self.call.client.deadline.clear();
        loop {
            self.piece.clear();
            if !self.pieces.next(&mut self.piece).await? {
                return Ok(());
            }
        }
    }

    /// Waits for the next piece; `false` at the end.
    async fn next_piece(&mut self) -> Result<bool, Failed> {
        self.piece.clear();
        self.piece.resize(CHUNK_HEAD_ROOM, 0);
        let client = self.call.client;
        client.deadline.clear();
        let next = self.pieces.next(&mut self.piece);
        match self.to.state.trial {
            Some(_) => next.await, // its client has ended its direction
            None => client.unless_gone(next).await?,
        }
    }

    /// The same, but what is tried ends where its time does.
    async fn next_piece_of_trial(&mut self) -> Result<bool, Failed> {
        let next = self.next_piece().await;
        match next {
            Err(failed)
                if failed.fault == Fault::UpstreamTimeout && self.to.state.trial.is_some() =>
            {
                Ok(false)
            }
            next => next,
        }
    }

    fn has_trial_enough(&self) -> bool {
        self.to.state.trial.is_some() && self.answer_bytes > TRIAL_BYTES_MAX
    }
}

fn is_http2(call: &Call<'_>) -> bool {
    matches!(call.client.link, ClientLink::Http2(_))
}

/// How long a method that is tried is waited for (AWS: 35 seconds).
const TRIAL_TIMEOUT: Nanos = Nanos::from_millis(35_000);
/// How much of the answer of one is shown (AWS: 1 MB).
const TRIAL_BYTES_MAX: u64 = 1024 * 1024;
