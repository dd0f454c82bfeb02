//! Writes to a connection: answers that waited, refusals, the last word before the end.

use super::work::Work;
use super::{Http1, Next};
use crate::base::{Fault, Nanos, RequestId};
use crate::edge::refusal::{Refusal, Understood};
use crate::observe::DeadlineKind;
use crate::pipeline::{DISCARD_BYTES_MAX, DISCARD_TIMEOUT, Persistence, ShardState, write_fault};
use crate::rt::now;
use crate::transport::Transport;

impl Http1 {
    /// Appends the answer to a request that cannot be served; the connection ends with it.
    /// `head_end` is where its head ends in the input, if it was understood.
    pub(super) fn refuse(
        &self,
        work: &mut Work<'_>,
        fault: Fault,
        head_end: Option<usize>,
    ) -> Next {
        self.state.recorder.connection_fault(fault);
        let id: RequestId = self.state.next_request_id();
        // The table may still hold the request before: only the bytes tell what this one is.
        let has_body = !work.buffers.input[work.start..].starts_with(b"HEAD ");
        let (date, out) = (self.state.http_date(), &mut work.buffers.output);
        let answer_bytes = write_fault(out, fault, None, id, Persistence::Close, has_body, &date);
        self.log_refusal(work, fault, id, head_end, answer_bytes);
        Next::Linger
    }

    /// Writes the access-log line of a request that comes to no phase.
    pub(super) fn log_refusal(
        &self,
        work: &Work<'_>,
        fault: Fault,
        id: RequestId,
        head_end: Option<usize>,
        answer_bytes: usize,
    ) {
        let input = &work.buffers.input;
        let understood = head_end.map(|end| Understood {
            head: &work.head,
            bytes: &input[work.start..end],
            early_bytes: input.len() - end,
        });
        let head = understood.map(|one| (one.head, one.bytes));
        let source_ip = self.listener.source_ip(self.peer.get(), head);
        let started = work.head_since.unwrap_or(work.at);
        Refusal { id, fault, source_ip, tls: self.stream.tls(), understood, answer_bytes, started }
            .log(&self.state);
    }

    /// Sends the answers that wait.
    pub(super) async fn flush(&self, work: &mut Work<'_>) -> Result<(), Next> {
        if work.buffers.output.is_empty() {
            return Ok(());
        }
        let plan = self.state.plan();
        let write_timeout = Nanos::from_millis(plan.plan.limits.write_timeout_ms);
        self.answer_started.set(true); // until it is out, nothing else may be said
        let mut output = std::mem::take(&mut work.buffers.output);
        let mut written = 0;
        while written < output.len() {
            self.deadline.set(work.at.plus(write_timeout));
            let (result, same_output) = self.stream.write_some(output, written).await;
            output = same_output;
            match result {
                Ok(count) => written += count,
                Err(_) => {
                    self.count_passed(DeadlineKind::Write);
                    return Err(Next::Close);
                }
            }
            if written < output.len() {
                work.at = now();
            }
        }
        output.clear();
        work.buffers.output = output;
        work.answers_count = 0;
        self.waiting_bytes.set(0);
        self.answer_started.set(false);
        Ok(())
    }

    pub(super) async fn linger(&self) {
        // With an upload in flight the end of file must do: its read keeps the socket open.
        if self.must_reset.get() && self.upload.borrow().is_none() {
            return;
        }
        self.must_reset.set(false);
        self.deadline.set(now().plus(DISCARD_TIMEOUT));
        // Two tasks must not read from one socket.
        let upload = self.upload.take().filter(|upload| !upload.has_ended());
        if let Some(upload) = upload {
            self.stream.shutdown_write().await;
            return upload.discard().await;
        }
        linger(&self.state, &self.stream).await;
    }

    /// Sends the answers that waited and a 500 after a panic, if no answer had begun.
    pub(super) async fn answer_panic(&self) {
        self.state.recorder.panicked();
        let (id, fault) = (self.state.next_request_id(), Fault::Panicked);
        let source_ip = self.listener.source_ip(self.peer.get(), None);
        let (understood, started) = (None, now());
        let mut line = Refusal {
            id,
            fault,
            source_ip,
            tls: self.stream.tls(),
            understood,
            answer_bytes: 0,
            started,
        };
        if self.answer_started.get() {
            return line.log(&self.state);
        }
        let (mut out, date) = (self.rescued.take(), self.state.http_date());
        line.answer_bytes = write_fault(&mut out, fault, None, id, Persistence::Close, true, &date);
        line.log(&self.state);
        self.deadline.set(now().plus(DISCARD_TIMEOUT));
        if self.stream.write_all(out, 0).await.0.is_ok() {
            self.linger().await;
        }
    }
}

/// Ends the sending direction and reads on for a while: closing with unread input would reset the
/// connection and could take the answer away from the client (RFC 9112 section 9.6). The caller has
/// set a deadline.
pub(in crate::edge) async fn linger(state: &ShardState, stream: &Transport) {
    stream.shutdown_write().await;
    let mut buffer = state.body_buffers.take();
    let mut left = 16 * DISCARD_BYTES_MAX;
    loop {
        buffer.clear();
        let (result, same_buffer) = stream.read_append(buffer).await;
        buffer = same_buffer;
        match result {
            Ok(count) if count > 0 && left > count as u64 => left -= count as u64,
            _ => break,
        }
    }
    state.body_buffers.put(buffer);
}
