//! A shard's end of the access log: a buffer of lines, handed over whole.

use std::mem;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crossbeam::channel::{Sender, TrySendError};

use super::writer::{Batch, Shared};
use crate::base::Nanos;

/// A buffer is handed over when it holds this much. Room for one more line is left, so that a
/// line of ordinary length never moves the buffer.
const HAND_OVER_BYTES: usize = BUFFER_BYTES - 4 * 1024;
/// Size of a buffer of lines.
pub(super) const BUFFER_BYTES: usize = 64 * 1024;
/// Longest time that a line waits for others, at a shard that ticks.
const FLUSH_AGE: Nanos = Nanos::from_millis(200);
/// How long a shard that ends waits for the writer to take its last lines.
const LAST_FLUSH_WAIT: Duration = Duration::from_secs(1);

/// One shard's sink of lines. Nothing here blocks, except that the drop waits a bounded while for
/// its last lines to be taken.
///
/// When the writer does not keep up, lines are dropped and counted: new ones, without being
/// rendered, while the full buffer waits for room in the queue.
#[derive(Debug)]
pub struct ShardLogSink {
    batches: Sender<Batch>,
    shared: Arc<Shared>,
    buffer: Vec<u8>,
    /// End of the last whole line, so that a line whose rendering panicked leaves nothing.
    whole_bytes: usize,
    lines: u64,
    lines_dropped: u64,
    /// The first tick that saw the buffer's oldest line.
    seen: Option<Nanos>,
}

impl ShardLogSink {
    pub(super) fn new(batches: Sender<Batch>, shared: Arc<Shared>) -> Self {
        Self {
            batches,
            shared,
            buffer: Vec::new(),
            whole_bytes: 0,
            lines: 0,
            lines_dropped: 0,
            seen: None,
        }
    }

    /// Adds one line, which `render` appends without a newline.
    pub fn line(&mut self, render: impl FnOnce(&mut Vec<u8>)) {
        if self.whole_bytes >= HAND_OVER_BYTES && !self.hand_over() {
            self.lines_dropped += 1;
            return;
        }
        if self.buffer.capacity() == 0 {
            let spare = self.shared.spare.pop();
            self.buffer = spare.unwrap_or_else(|| Vec::with_capacity(BUFFER_BYTES));
        }
        self.buffer.truncate(self.whole_bytes);
        render(&mut self.buffer);
        self.buffer.push(b'\n');
        self.whole_bytes = self.buffer.len();
        self.lines += 1;
        if self.whole_bytes >= HAND_OVER_BYTES {
            self.hand_over();
        }
    }

    /// Hands over what has waited long enough, and publishes the count of drops. Called at each
    /// tick of the shard.
    pub fn tick(&mut self, now: Nanos) {
        self.publish_drops();
        if self.lines == 0 {
            return;
        }
        let seen = *self.seen.get_or_insert(now);
        if now.since(seen) >= FLUSH_AGE {
            self.hand_over();
        }
    }

    /// Hands over what there is, if the queue has room.
    pub fn flush(&mut self) {
        self.publish_drops();
        if self.lines > 0 {
            self.hand_over();
        }
    }

    /// Whether the buffer was taken off our hands.
    fn hand_over(&mut self) -> bool {
        let batch = self.take_batch();
        match self.batches.try_send(batch) {
            Ok(()) => true,
            Err(TrySendError::Full(batch)) => {
                self.put_back(batch);
                false
            }
            Err(TrySendError::Disconnected(batch)) => {
                self.lines_dropped += batch.lines;
                true
            }
        }
    }

    fn take_batch(&mut self) -> Batch {
        self.buffer.truncate(self.whole_bytes);
        self.whole_bytes = 0;
        self.seen = None;
        Batch { bytes: mem::take(&mut self.buffer), lines: mem::take(&mut self.lines) }
    }

    fn put_back(&mut self, batch: Batch) {
        self.whole_bytes = batch.bytes.len();
        self.buffer = batch.bytes;
        self.lines = batch.lines;
    }

    fn publish_drops(&mut self) {
        if self.lines_dropped > 0 {
            let dropped = mem::take(&mut self.lines_dropped);
            self.shared.counts.lines_dropped.fetch_add(dropped, Ordering::Relaxed);
        }
    }
}

impl Drop for ShardLogSink {
    fn drop(&mut self) {
        if self.lines > 0 {
            let batch = self.take_batch();
            let lines = batch.lines;
            if self.batches.send_timeout(batch, LAST_FLUSH_WAIT).is_err() {
                self.lines_dropped += lines;
            }
        }
        self.publish_drops();
    }
}
