//! One connection to a target.
//!
//! A read is always armed: while the connection is idle it tells that the target closed it or sent
//! bytes that nobody asked for, in which case the connection is never used again; while a request
//! is under way it is the read that the answer comes in with. So checking a connection before its
//! use costs no system call.

use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};

use crate::base::Nanos;
use crate::observe::GroupRecorder;
use crate::rt::{Buffers, BuffersLedger, Deadline, Deadlines, Stream};

/// What one read brought: the buffer, and how many bytes it grew by (0 is end of file).
pub(crate) type ReadResult = (io::Result<usize>, Vec<u8>);

/// A connection to a target, idle or carrying one request.
pub(crate) struct Connection {
    /// The socket.
    pub(crate) stream: Stream,
    /// Ends whatever is in flight when the target takes too long.
    pub(crate) deadline: Deadline,
    /// Requests that it has carried.
    pub(crate) requests_count: u64,
    /// When it was last put into the pool.
    pub(crate) idle_since: Nanos,
    /// The end of the time for the whole of the request under way; [`Nanos::NEVER`] is no bound.
    pub(crate) due_max: Nanos,
    recorder: GroupRecorder,
    ledger: BuffersLedger,
    reader: ArmedRead,
}

impl Connection {
    /// Wraps a connected stream and arms its first read. Reads that are armed while it is idle have
    /// their buffers from `buffers`.
    pub(crate) fn new(
        stream: Stream,
        deadlines: &Deadlines,
        buffers: &Buffers,
        recorder: GroupRecorder,
    ) -> Self {
        let deadline = deadlines.watch(stream.raw_fd());
        let mut reader = ArmedRead::new(stream.clone());
        reader.arm(buffers.take());
        recorder.connection_opened();
        Self {
            stream,
            deadline,
            requests_count: 0,
            idle_since: Nanos(0),
            due_max: Nanos::NEVER,
            recorder,
            ledger: buffers.ledger(),
            reader,
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

    /// Arms the next read. There must be none in flight.
    pub(crate) fn arm(&mut self, buffer: Vec<u8>) {
        self.reader.arm(buffer);
    }

    /// Waits for the armed read.
    pub(crate) async fn read(&mut self) -> ReadResult {
        self.reader.wait().await
    }

    /// Whether the armed read has ended although nothing was asked: the target closed the
    /// connection, or sent bytes that belong to no request.
    pub(crate) fn is_spoiled(&mut self) -> bool {
        self.reader.has_ended() || self.stream.has_unnoticed_input()
    }
}

impl Drop for Connection {
    /// The read in flight holds the descriptor: ending it lets the descriptor go.
    fn drop(&mut self) {
        self.stream.shutdown_both();
        self.recorder.connection_closed();
        if self.reader.armed {
            self.ledger.write_off();
        }
    }
}

/// A read operation that outlives the task that began it. One allocation for the life of the
/// connection, none per read.
struct ArmedRead {
    task: Pin<Box<dyn Future<Output = ()>>>,
    slot: Rc<Slot>,
    armed: bool,
}

#[derive(Default)]
struct Slot {
    input: Cell<Option<Vec<u8>>>,
    output: RefCell<Option<ReadResult>>,
}

impl ArmedRead {
    fn new(stream: Stream) -> Self {
        let slot = Rc::new(Slot::default());
        let task = Box::pin(read_on_demand(stream, Rc::clone(&slot)));
        Self { task, slot, armed: false }
    }

    /// Begins a read into `buffer`. Polling with a waker that does nothing only submits it; whoever
    /// waits later puts its own waker in.
    fn arm(&mut self, buffer: Vec<u8>) {
        debug_assert!(!self.armed, "one read at a time");
        self.slot.input.set(Some(buffer));
        self.armed = true;
        self.poll_task(&mut Context::from_waker(Waker::noop()));
    }

    fn has_ended(&mut self) -> bool {
        self.poll_task(&mut Context::from_waker(Waker::noop()));
        self.slot.output.borrow().is_some()
    }

    async fn wait(&mut self) -> ReadResult {
        let result = poll_fn(|context| {
            if self.slot.output.borrow().is_none() {
                self.poll_task(context);
            }
            self.slot.output.borrow_mut().take().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        self.armed = false;
        result
    }

    fn poll_task(&mut self, context: &mut Context<'_>) {
        // The task loops for ever; it is pending again once its answer is in the slot.
        let _ = self.task.as_mut().poll(context);
    }
}

/// Reads whenever the slot holds a buffer, and leaves the result in the slot.
async fn read_on_demand(stream: Stream, slot: Rc<Slot>) {
    loop {
        let buffer = poll_fn(|_| slot.input.take().map_or(Poll::Pending, Poll::Ready)).await;
        let result = stream.read_append(buffer).await;
        slot.output.replace(Some(result));
    }
}
