//! Reads the head of a target's answer.
//!
//! Interim answers are passed on as they come; the first final one ends the reading.

use super::exchange::{Answer, Exchange, Failure, TryStage};
use super::forward::write_interim_head;
use super::send::call_failure;
use super::state::ShardState;
use crate::base::limits::{HEAD_BYTES_CEILING, HEADERS_COUNT_MAX, INTERIM_ANSWERS_MAX};
use crate::base::{Fault, Nanos};
use crate::http2::{Call, CallFailure};
use crate::observe::DeadlineKind;
use crate::proto::{BodyFraming, HeadLimits, HeadScanner, ResponseHead, Version};
use crate::rt::now;
use crate::upstream::{Connection, Outcome, TargetLink};

impl Exchange<'_, '_> {
    /// Reads up to the end of the final answer's head; passes interim answers on.
    pub(super) async fn read_answer(
        &mut self,
        connection: Connection,
        sent_whole: bool,
    ) -> Result<Answer, Failure> {
        let mut head = self.state.take_response_head();
        // While the target thinks, no buffer is held. An error shows when it is read.
        let _ = connection.readable().await;
        let mut reading = HeadReading::new(self.state.head_buffers.take());
        loop {
            let (result, buffer) = connection.read(reading.make_room()).await;
            if !matches!(result, Ok(count) if count > 0) {
                self.state.head_buffers.put(buffer);
                self.state.put_response_head(head);
                return Err(self.read_failure(&connection, &reading));
            }
            reading.buffer = buffer;
            match self.take_heads(&mut head, &mut reading).await {
                Ok(true) => {
                    if let Some(upload) = self.upload() {
                        upload.answer_came();
                    }
                    let HeadReading { buffer, start, .. } = reading;
                    let link = TargetLink::Http1(connection);
                    return Ok(Answer { link, head, buffer, start, sent_whole, came: now() });
                }
                Ok(false) => {}
                Err(failure) => {
                    self.state.head_buffers.put(reading.buffer);
                    self.state.put_response_head(head);
                    return Err(failure);
                }
            }
        }
    }

    /// The same from a stream of an HTTP/2 connection.
    pub(super) async fn read_http2_answer(
        &mut self,
        call: Call,
        due_max: Nanos,
        sent_whole: bool,
    ) -> Result<Answer, Failure> {
        let mut head = self.state.take_response_head();
        let mut buffer = self.state.head_buffers.take();
        let result = self.take_http2_heads(&call, &mut head, &mut buffer).await;
        let link = TargetLink::Http2 { call, due_max };
        if let Err(failure) = result {
            self.state.head_buffers.put(buffer);
            self.state.put_response_head(head);
            if failure.outcome == Outcome::Timeout {
                self.upstream_deadline_fired(&link, DeadlineKind::FirstByte);
            }
            return Err(failure);
        }
        if let Some(upload) = self.upload() {
            upload.answer_came();
        }
        Ok(Answer { link, head, buffer, start: 0, sent_whole, came: now() })
    }

    /// Reads up to the final head, which then is all of `buffer`.
    async fn take_http2_heads(
        &self,
        call: &Call,
        head: &mut ResponseHead,
        buffer: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let failed = |failure| match self.upload_fault() {
            Some(fault) => {
                Failure { fault, outcome: Outcome::Abandoned, stage: TryStage::Answering }
            }
            None => call_failure(failure),
        };
        let bad = || call_failure(CallFailure::BadAnswer);
        for _ in 0..=INTERIM_ANSWERS_MAX {
            buffer.clear();
            call.head(buffer).await.map_err(failed)?;
            head.parse(buffer, self.method()).map_err(|_| bad())?;
            head.version = Version::Http2;
            if head.status >= 200 {
                let has_ended = call.body().is_none_or(|body| body.has_ended());
                if has_ended && head.framing == BodyFraming::UntilClose {
                    // Over HTTP/2 the end of the stream says so; elsewhere a length must.
                    head.framing = match self.request.head.version {
                        Version::Http2 => BodyFraming::None,
                        Version::Http10 | Version::Http11 => BodyFraming::Length(0),
                    };
                }
                return Ok(());
            }
            if head.status == 101 {
                return Err(bad()); // HTTP/2 has none
            }
            self.pass_interim(head, buffer).await.map_err(|fault| Failure {
                fault,
                outcome: Outcome::Abandoned,
                stage: TryStage::Answering,
            })?;
        }
        Err(bad())
    }

    /// Parses the heads that are complete, and passes interim ones on. Whether the last one is
    /// final; it then lies at `reading.start`.
    async fn take_heads(
        &mut self,
        head: &mut ResponseHead,
        reading: &mut HeadReading,
    ) -> Result<bool, Failure> {
        let bad = |_| Failure {
            fault: Fault::BadUpstreamAnswer,
            outcome: Outcome::BadAnswer,
            stage: TryStage::Answering,
        };
        loop {
            let unread = &reading.buffer[reading.start..];
            let found = reading.scanner.find_end(unread, &ANSWER_HEAD_LIMITS).map_err(bad)?;
            let Some(head_bytes) = found else { return Ok(false) };
            let head_bytes = &unread[..head_bytes];
            head.parse(head_bytes, self.method()).map_err(bad)?;
            let is_switch = head.status == 101;
            if is_switch && !self.wants_upgrade() {
                return Err(bad(Fault::BadUpstreamAnswer));
            }
            if head.status >= 200 || is_switch {
                return Ok(true);
            }
            reading.interim_count += 1;
            if reading.interim_count > INTERIM_ANSWERS_MAX {
                return Err(bad(Fault::BadUpstreamAnswer));
            }
            self.pass_interim(head, head_bytes).await.map_err(|fault| Failure {
                fault,
                outcome: Outcome::Abandoned,
                stage: TryStage::Answering,
            })?;
            reading.start += head_bytes.len();
            reading.scanner = HeadScanner::for_response();
        }
    }

    /// Why no answer came: the upload's own failure explains it, else the deadline, else the
    /// target closed.
    fn read_failure(&self, connection: &Connection, reading: &HeadReading) -> Failure {
        if let Some(fault) = self.upload_fault() {
            return Failure { fault, outcome: Outcome::Abandoned, stage: TryStage::Answering };
        }
        if connection.deadline.passed() {
            self.target_deadline_fired(connection.due_max, DeadlineKind::FirstByte);
            let fault = Fault::UpstreamTimeout;
            return Failure { fault, outcome: Outcome::Timeout, stage: TryStage::Answering };
        }
        // A head that was cut has gone nowhere; an interim answer has.
        let has_begun = reading.interim_count > 0;
        let stage = if has_begun { TryStage::Answering } else { TryStage::Sent };
        Failure { fault: Fault::UpstreamReset, outcome: Outcome::Reset, stage }
    }

    /// Counts the deadline of `link` that passed: the bound on the whole, or `kind`.
    pub(super) fn upstream_deadline_fired(&self, link: &TargetLink, kind: DeadlineKind) {
        self.target_deadline_fired(link.due_max(), kind);
    }

    fn target_deadline_fired(&self, due_max: Nanos, kind: DeadlineKind) {
        count_deadline(self.state, due_max, kind);
    }

    /// Passes an interim answer on to a client that can understand it. A 100 ends here: the gateway
    /// has sent its own.
    async fn pass_interim(&self, head: &ResponseHead, bytes: &[u8]) -> Result<(), Fault> {
        if head.status == 100 || self.request.head.version == Version::Http10 {
            return Ok(());
        }
        let mut out = Vec::with_capacity(bytes.len());
        write_interim_head(&mut out, head, bytes);
        self.client.write_interim(out).await
    }
}

/// Counts a deadline that passed: the bound on the whole, or `kind`.
pub(super) fn count_deadline(state: &ShardState, due_max: Nanos, kind: DeadlineKind) {
    let is_total = now() >= due_max;
    state.recorder.deadline_fired(if is_total { DeadlineKind::Total } else { kind });
}

/// A target's heads as they come in.
struct HeadReading {
    /// What was read. `[..start]` is used up.
    buffer: Vec<u8>,
    start: usize,
    scanner: HeadScanner,
    interim_count: u32,
}

impl HeadReading {
    fn new(buffer: Vec<u8>) -> Self {
        let scanner = HeadScanner::for_response();
        Self { buffer, start: 0, scanner, interim_count: 0 }
    }

    /// The buffer with what is not used up at its front, and room behind.
    fn make_room(&mut self) -> Vec<u8> {
        let mut buffer = std::mem::take(&mut self.buffer);
        if self.start > 0 {
            buffer.drain(..self.start);
            self.start = 0;
        }
        if buffer.len() == buffer.capacity() {
            buffer.reserve(HEAD_BYTES_CEILING - buffer.len().min(HEAD_BYTES_CEILING - 1));
        }
        buffer
    }
}

/// The bounds on a target's head: what the buffers can take.
const ANSWER_HEAD_LIMITS: HeadLimits = HeadLimits {
    request_line_bytes_max: 8_192,
    head_bytes_max: HEAD_BYTES_CEILING as u32,
    headers_count_max: HEADERS_COUNT_MAX as u32,
};
