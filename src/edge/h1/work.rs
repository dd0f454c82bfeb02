//! What a connection holds while it is at work, and gives back when it is idle.

use super::Http1;
use crate::base::Nanos;
use crate::proto::{HeadScanner, RequestHead};

/// A connection at work.
pub(super) struct Work<'c> {
    pub(super) buffers: WorkBuffers<'c>,
    pub(super) head: Box<RequestHead>,
    pub(super) scanner: HeadScanner,
    /// Where in the input the next request begins.
    pub(super) start: usize,
    /// Answers in the output.
    pub(super) answers_count: u32,
    /// When the latest read or answer was done.
    pub(super) at: Nanos,
    /// When the first bytes of the head that is being read came; set by the first read that leaves
    /// it incomplete.
    pub(super) head_since: Option<Nanos>,
}

/// Its buffers. They go back to their stock however the work ends.
pub(super) struct WorkBuffers<'c> {
    /// What was read and not yet used up.
    pub(super) input: Vec<u8>,
    /// Answers that were not yet sent.
    pub(super) output: Vec<u8>,
    pub(super) connection: &'c Http1,
}

impl<'c> WorkBuffers<'c> {
    pub(super) fn new(connection: &'c Http1) -> Self {
        let stock = &connection.state.head_buffers;
        Self { input: stock.take(), output: stock.take(), connection }
    }
}

impl Drop for WorkBuffers<'_> {
    fn drop(&mut self) {
        let connection = self.connection;
        let stock = &connection.state.head_buffers;
        stock.put(std::mem::take(&mut self.input));
        let mut output = std::mem::take(&mut self.output);
        let waiting_bytes = connection.waiting_bytes.replace(0);
        if std::thread::panicking() && output.len() >= waiting_bytes {
            // The answers to the requests before the one that panicked are whole: they are sent.
            output.truncate(waiting_bytes);
            connection.rescued.set(output);
            stock.write_off();
        } else {
            stock.put(output);
        }
    }
}
