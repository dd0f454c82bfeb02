//! One connection to a target.
//!
//! It is received from at all times: while it is idle that tells that the target closed it or sent
//! bytes that nobody asked for, in which case the connection is never used again; while a request
//! is under way it is how the answer comes in. So checking a connection before its use costs no
//! system call.

use std::io;

use crate::base::Nanos;
use crate::observe::GroupRecorder;
use crate::rt::{Deadline, Deadlines};
use crate::transport::Transport;

/// What one read brought: the buffer, and how many bytes it grew by (0 is end of file).
pub(crate) type ReadResult = (io::Result<usize>, Vec<u8>);

/// A connection to a target, idle or carrying one request.
pub(crate) struct Connection {
    /// The socket.
    pub(crate) stream: Transport,
    /// Ends whatever is in flight when the target takes too long.
    pub(crate) deadline: Deadline,
    /// Requests that it has carried.
    pub(crate) requests_count: u64,
    /// When it was last put into the pool.
    pub(crate) idle_since: Nanos,
    /// The end of the time for the whole of the request under way; [`Nanos::NEVER`] is no bound.
    pub(crate) due_max: Nanos,
    recorder: GroupRecorder,
}

impl Connection {
    /// Wraps a connected stream and begins to receive from it.
    pub(crate) fn new(stream: Transport, deadlines: &Deadlines, recorder: GroupRecorder) -> Self {
        let deadline = deadlines.watch(stream.raw_fd());
        stream.arm();
        recorder.connection_opened();
        Self {
            stream,
            deadline,
            requests_count: 0,
            idle_since: Nanos(0),
            due_max: Nanos::NEVER,
            recorder,
        }
    }

    /// Sets the deadline to `due`, or to the end of the time for the whole if that comes first.
    #[inline]
    pub(crate) fn set_due(&self, due: Nanos) {
        self.deadline.set(due.min(self.due_max));
    }

    /// Nothing is waited for: only the end of the time for the whole is left.
    #[inline]
    pub(crate) fn clear_due(&self) {
        self.deadline.set(self.due_max);
    }

    /// Reads once into the spare capacity of `buffer`.
    pub(crate) async fn read(&self, buffer: Vec<u8>) -> ReadResult {
        self.stream.read_append(buffer).await
    }

    /// Waits until there is something to read, holding no buffer.
    pub(crate) async fn readable(&self) -> io::Result<()> {
        self.stream.readable().await
    }

    /// Whether something came although nothing was asked: the target closed the connection, or
    /// sent bytes that belong to no request.
    pub(crate) fn is_spoiled(&self) -> bool {
        self.stream.has_input()
    }
}

impl Drop for Connection {
    /// What is in flight holds the descriptor: ending it lets the descriptor go.
    fn drop(&mut self) {
        self.stream.shutdown_both();
        self.recorder.connection_closed();
    }
}
