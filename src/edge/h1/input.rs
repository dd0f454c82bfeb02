//! Reads from a connection: heads, their rest, the PROXY header in front; and what it means when
//! nothing comes.

use super::work::Work;
use super::{Http1, Next};
use crate::base::limits::{BUFFER_BYTES, HEAD_BYTES_CEILING};
use crate::base::{Fault, Nanos};
use crate::edge::proxied::read_proxy_header;
use crate::model::Limits;
use crate::observe::DeadlineKind;
use crate::rt::now;

impl Http1 {
    /// Reads once. At the end of input the connection closes without a word.
    pub(super) async fn read(&self, work: &mut Work<'_>) -> Result<(), Next> {
        let input = std::mem::take(&mut work.buffers.input);
        let (result, input) = self.stream.read_append(input).await;
        work.buffers.input = input;
        work.at = now();
        match result {
            Ok(count) if count > 0 => Ok(()),
            _ => Err(Next::Close),
        }
    }

    /// Reads more of a head that is not complete.
    pub(super) async fn read_head(&self, work: &mut Work<'_>, limits: &Limits) -> Result<(), Next> {
        if work.start > 0 {
            work.buffers.input.drain(..work.start);
            work.start = 0;
        }
        if work.buffers.input.len() == work.buffers.input.capacity() {
            let bytes_max = HEAD_BYTES_CEILING + BUFFER_BYTES;
            work.buffers.input.reserve(bytes_max.saturating_sub(work.buffers.input.len()).max(1));
        }
        let head_timeout = Nanos::from_millis(limits.head_timeout_ms);
        let head_since = *work.head_since.get_or_insert(work.at);
        self.deadline.set_read(head_since.plus(head_timeout));
        let was_empty = work.buffers.input.is_empty();
        match self.read(work).await {
            Ok(()) => Ok(()),
            Err(_) if was_empty => Err(Next::Close),
            Err(_) => Err(self.end_of_input(work, DeadlineKind::Head, None)),
        }
    }

    /// The input ended in the middle of a request: an answer if it was slow, else nothing.
    pub(super) fn end_of_input(
        &self,
        work: &mut Work<'_>,
        kind: DeadlineKind,
        head_end: Option<usize>,
    ) -> Next {
        if self.count_passed(kind) {
            self.refuse(work, Fault::RequestTimeout, head_end);
        } else {
            self.state.recorder.connection_fault(Fault::ClientGone);
            let id = self.state.next_request_id();
            self.log_refusal(work, Fault::ClientGone, id, head_end, 0);
        }
        Next::Close
    }

    /// Counts the connection's deadline as `kind` if it has passed; whether it has.
    pub(super) fn count_passed(&self, kind: DeadlineKind) -> bool {
        let has_passed = self.deadline.passed();
        if has_passed {
            self.state.recorder.deadline_fired(kind);
        }
        has_passed
    }

    pub(super) async fn take_proxy_header(&self, work: &mut Work<'_>) -> Result<(), Next> {
        // Whoever is not the proxy could claim any address: not a word to them.
        if !self.listener.is_trusted_proxy(self.peer.get()) {
            self.state.recorder.connection_fault(Fault::BadProxyHeader);
            return Err(Next::Close);
        }
        let limits = self.state.plan().plan.limits.head_timeout_ms;
        self.deadline.set_read(work.at.plus(Nanos::from_millis(limits)));
        let input = std::mem::take(&mut work.buffers.input);
        let (result, input) = read_proxy_header(&self.stream, input).await;
        work.buffers.input = input;
        match result {
            Ok(source) => {
                if let Some(source) = source {
                    self.peer.set(source);
                }
                self.awaits_proxy_header.set(false);
                self.deadline.clear();
                Ok(())
            }
            Err(fault) => {
                // Whoever speaks no PROXY protocol here is not the proxy: not a word to them.
                self.count_passed(DeadlineKind::Head);
                self.state.recorder.connection_fault(fault);
                Err(Next::Close)
            }
        }
    }
}
