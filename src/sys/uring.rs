//! An io_uring whose operations never borrow memory of their callers.
//!
//! The kernel writes into chunks of a pool that belongs to the ring, and nowhere else. What an
//! operation reads (bytes to be sent, the span of a timeout) lives in the ring until its last
//! completion. So a caller may drop whatever waits for an operation at any time.

use std::io;
use std::os::fd::{FromRawFd as _, OwnedFd, RawFd};
use std::time::Duration;

use io_uring::types::{Fd, Timespec};
use io_uring::{IoUring, cqueue, opcode, squeue};
use slab::Slab;

use super::chunk_pool::{Chunk, ChunkPool};

/// A ring whose operations belong to an owner each, who is told of their completions.
pub struct Uring<T> {
    ring: IoUring,
    operations: Slab<Operation<T>>,
    pool: Option<ChunkPool>,
    /// Buffers of sends that are over.
    spare: Vec<Box<SendBuffer>>,
}

/// The most that one [`Uring::send`] takes.
pub const SEND_BYTES_MAX: usize = 4 * 1024;

type SendBuffer = [u8; SEND_BYTES_MAX];

/// Spare buffers that a ring keeps, as many as are sent from in one turn on a busy day.
const SPARE_COUNT_MAX: usize = 256;

/// An operation under way.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct OperationId(usize);

/// What the kernel says of an operation.
#[derive(Debug)]
pub struct Completion<T> {
    /// Whose operation it is.
    pub owner: T,
    /// What the system call of the same name would have returned.
    pub result: io::Result<u32>,
    /// What was received, for [`Uring::receive_multishot`].
    pub chunk: Option<Chunk>,
    /// The connection, for [`Uring::accept`].
    pub descriptor: Option<OwnedFd>,
    /// The operation is over; its id may come again for another one.
    pub is_last: bool,
}

/// What a [`Uring::poll`] waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Interest {
    /// A read would not block.
    Readable,
    /// A write would not block, or a connection is established or refused.
    Writable,
}

struct Operation<T> {
    owner: T,
    kind: Kind,
}

enum Kind {
    /// Holds no memory and makes no descriptor.
    Plain,
    /// Its result is a new descriptor.
    Accept,
    /// The span is read by the kernel when the operation is submitted.
    Timeout { _span: Box<Timespec> },
    /// The buffer is read by the kernel until the completion.
    Send { buffer: Box<SendBuffer> },
}

/// Of operations that nobody waits for: cancellations.
const NOBODY: u64 = u64::MAX;

impl<T: Clone> Uring<T> {
    /// A ring with `entries` for submissions and four times as many for completions.
    pub fn new(builder: &mut io_uring::Builder, entries: u32) -> io::Result<Self> {
        let ring = builder.setup_clamp().setup_cqsize(entries.saturating_mul(4)).build(entries)?;
        Ok(Self { ring, operations: Slab::new(), pool: None, spare: Vec::new() })
    }

    /// Gives the ring at most `count` chunks to receive into, without which
    /// [`Uring::receive_multishot`] fails. Linux 5.19 and later.
    pub fn provide_chunks(&mut self, count: u16, chunk_bytes: u32) -> io::Result<()> {
        assert!(self.pool.is_none(), "the ring has one pool");
        self.pool = Some(ChunkPool::register(&self.ring, count, chunk_bytes)?);
        Ok(())
    }

    /// Receives from a socket, as often as something comes, until end of file, an error, or until
    /// the pool is empty (ENOBUFS; it grows then, so trying again is worth while). Linux 6.0 and
    /// later.
    pub fn receive_multishot(&mut self, fd: RawFd, owner: T) -> OperationId {
        let entry = opcode::RecvMulti::new(Fd(fd), ChunkPool::GROUP).build();
        self.start(entry, owner, Kind::Plain)
    }

    /// Sends `bytes`, at most [`SEND_BYTES_MAX`], to their end or to an error. Linux 6.0 and later;
    /// before, the result may be less.
    pub fn send(&mut self, fd: RawFd, bytes: &[u8], owner: T) -> OperationId {
        let mut buffer = self.spare.pop().unwrap_or_else(|| Box::new([0; SEND_BYTES_MAX]));
        buffer[..bytes.len()].copy_from_slice(bytes);
        let length = bytes.len() as u32; // it fits the buffer
        let flags = libc::MSG_NOSIGNAL | libc::MSG_WAITALL;
        let entry = opcode::Send::new(Fd(fd), buffer.as_ptr(), length).flags(flags).build();
        self.start(entry, owner, Kind::Send { buffer })
    }

    /// Waits once for a descriptor to be ready.
    pub fn poll(&mut self, fd: RawFd, interest: Interest, owner: T) -> OperationId {
        let events = match interest {
            Interest::Readable => libc::POLLIN | libc::POLLRDHUP,
            Interest::Writable => libc::POLLOUT,
        };
        let events = u32::from(events.cast_unsigned());
        self.start(opcode::PollAdd::new(Fd(fd), events).build(), owner, Kind::Plain)
    }

    /// Accepts one connection; the result is its descriptor, closed on exec.
    pub fn accept(&mut self, fd: RawFd, owner: T) -> OperationId {
        let (address, length) = (std::ptr::null_mut(), std::ptr::null_mut());
        let entry = opcode::Accept::new(Fd(fd), address, length).flags(libc::SOCK_CLOEXEC).build();
        self.start(entry, owner, Kind::Accept)
    }

    /// Completes with ETIME after `span`.
    pub fn timeout(&mut self, span: Duration, owner: T) -> OperationId {
        let span = Box::new(Timespec::from(span));
        let entry = opcode::Timeout::new(&raw const *span).build();
        self.start(entry, owner, Kind::Timeout { _span: span })
    }

    /// Asks for an operation to end. It completes with ECANCELED, unless it was faster.
    pub fn cancel(&mut self, operation: OperationId) {
        let entry = opcode::AsyncCancel::new(operation.0 as u64).build();
        self.push(entry.user_data(NOBODY));
    }

    fn start(&mut self, entry: squeue::Entry, owner: T, kind: Kind) -> OperationId {
        let id = self.operations.insert(Operation { owner, kind });
        self.push(entry.user_data(id as u64));
        OperationId(id)
    }

    fn push(&mut self, entry: squeue::Entry) {
        loop {
            // SAFETY: an entry refers to no memory but the span of a timeout or the buffer of a
            // send, which its operation keeps in a box of its own until the last completion.
            if unsafe { self.ring.submission().push(&entry) }.is_ok() {
                return;
            }
            // Full: the kernel takes what is there. An error here (out of memory for a moment) is
            // tried again, as there is nowhere else to keep the entry.
            let _ = self.ring.submit();
        }
    }

    /// Submits what was started, and runs the kernel's part of what has completed; waits for a
    /// completion if `waits`.
    pub fn enter(&mut self, waits: bool) -> io::Result<()> {
        let submissions_count = u32::try_from(self.ring.submission().len()).unwrap_or(u32::MAX);
        let waits = waits && self.ring.completion().is_empty();
        // SAFETY: no argument is passed, and GETEVENTS only reads the queues.
        let entered = unsafe {
            self.ring.submitter().enter::<()>(
                submissions_count,
                u32::from(waits),
                ENTER_GETEVENTS,
                None,
            )
        };
        match entered {
            Ok(_) => Ok(()),
            // A signal, or completions that are to be taken first.
            Err(error)
                if matches!(
                    error.raw_os_error(),
                    Some(libc::EINTR | libc::EBUSY | libc::ETIME)
                ) =>
            {
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// The next completion that [`Uring::enter`] has brought.
    pub fn next_completion(&mut self) -> Option<Completion<T>> {
        loop {
            let entry = self.ring.completion().next()?;
            if entry.user_data() != NOBODY {
                return Some(self.completion(&entry));
            }
        }
    }

    fn completion(&mut self, entry: &cqueue::Entry) -> Completion<T> {
        let id = usize::try_from(entry.user_data()).unwrap_or(usize::MAX);
        let is_last = !cqueue::more(entry.flags());
        let (owner, is_accept) = if is_last {
            let Operation { owner, kind } = self.operations.remove(id);
            let is_accept = matches!(kind, Kind::Accept);
            if let Kind::Send { buffer } = kind
                && self.spare.len() < SPARE_COUNT_MAX
            {
                self.spare.push(buffer);
            }
            (owner, is_accept)
        } else {
            (self.operations[id].owner.clone(), false)
        };
        let result = u32::try_from(entry.result())
            .map_err(|_| io::Error::from_raw_os_error(-entry.result()));
        let bytes = *result.as_ref().unwrap_or(&0);
        if entry.result() == -libc::ENOBUFS
            && let Some(pool) = &mut self.pool
        {
            pool.grow();
        }
        let chunk = match (cqueue::buffer_select(entry.flags()), &mut self.pool) {
            (Some(index), Some(pool)) => Some(pool.received(index, bytes)),
            _ => None,
        };
        let descriptor = (is_accept && result.is_ok()).then(|| {
            // SAFETY: the kernel has just made this descriptor for the operation, and the
            // completion is seen once, so nobody else owns it.
            unsafe { OwnedFd::from_raw_fd(entry.result()) }
        });
        Completion { owner, result, chunk, descriptor, is_last }
    }

    /// Forgets all operations, and answers with their owners. Nothing is to be started or waited
    /// for afterwards: completions would find nobody.
    #[must_use]
    pub fn abandon(&mut self) -> Vec<T> {
        let forget = |operation: Operation<T>| {
            // The kernel may still read what is to be sent.
            std::mem::forget(operation.kind);
            operation.owner
        };
        std::mem::take(&mut self.operations).into_iter().map(|(_, one)| forget(one)).collect()
    }

    /// The bytes of a chunk.
    #[must_use]
    pub fn bytes(&self, chunk: &Chunk) -> &[u8] {
        self.pool.as_ref().map_or(&[], |pool| pool.bytes(chunk))
    }

    /// Gives a chunk back to the kernel.
    pub fn release(&mut self, chunk: Chunk) {
        if let Some(pool) = &mut self.pool {
            pool.release(chunk);
        }
    }
}

impl<T> Drop for Uring<T> {
    fn drop(&mut self) {
        for (_, operation) in std::mem::take(&mut self.operations) {
            std::mem::forget(operation.kind); // as in `abandon`
        }
        if let Some(pool) = self.pool.take() {
            pool.unregister(&self.ring);
        }
    }
}

/// `IORING_ENTER_GETEVENTS` (io_uring_enter(2)).
const ENTER_GETEVENTS: u32 = 1;

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn ring() -> Option<Uring<&'static str>> {
        let mut ring = Uring::new(&mut IoUring::builder(), 8).ok()?;
        ring.provide_chunks(4, 16).ok()?;
        Some(ring)
    }

    fn next(ring: &mut Uring<&'static str>) -> Completion<&'static str> {
        loop {
            if let Some(completion) = ring.next_completion() {
                return completion;
            }
            ring.enter(true).expect("entered");
        }
    }

    #[test]
    fn what_comes_is_received_in_order_to_the_end() {
        let Some(mut ring) = ring() else { return };
        let (ours, mut theirs) = UnixStream::pair().expect("pair");
        ring.receive_multishot(ours.as_raw_fd(), "receiver");
        ring.enter(false).expect("submitted");
        let mut received = Vec::new();
        for round in 0..20_u8 {
            theirs.write_all(&[round; 10]).expect("sent");
            let completion = next(&mut ring);
            assert_eq!((completion.owner, completion.is_last), ("receiver", false));
            let chunk = completion.chunk.expect("a chunk");
            received.extend_from_slice(ring.bytes(&chunk));
            ring.release(chunk);
        }
        let sent: Vec<u8> = (0..20).flat_map(|round| [round; 10]).collect();
        assert_eq!(received, sent, "chunks are used again");
        drop(theirs);
        let last = next(&mut ring);
        assert!(last.is_last && last.result.expect("end of file") == 0);
        assert!(ring.operations.is_empty());
    }

    #[test]
    fn an_empty_pool_ends_the_reception_and_loses_nothing() {
        let Some(mut ring) = ring() else { return };
        let (ours, mut theirs) = UnixStream::pair().expect("pair");
        theirs.write_all(&[7; 100]).expect("sent");
        ring.receive_multishot(ours.as_raw_fd(), "receiver");
        let mut chunks = Vec::new();
        let error = loop {
            let completion = next(&mut ring);
            match completion.result {
                Ok(_) => chunks.extend(completion.chunk),
                Err(error) => break error,
            }
        };
        assert_eq!(error.raw_os_error(), Some(libc::ENOBUFS));
        assert_eq!(chunks.len(), 4);
        chunks.drain(..).for_each(|chunk| ring.release(chunk));
        ring.receive_multishot(ours.as_raw_fd(), "receiver");
        let mut rest = 0;
        while rest < 100 - 4 * 16 {
            let chunk = next(&mut ring).chunk.expect("more");
            rest += ring.bytes(&chunk).len();
            ring.release(chunk);
        }
        assert_eq!(rest, 36);
    }

    #[test]
    fn what_is_sent_arrives_whole_even_to_a_slow_reader() {
        use std::io::Read as _;
        let Some(mut ring) = ring() else { return };
        let (ours, mut theirs) = UnixStream::pair().expect("pair");
        let mut sent = Vec::new();
        for round in 0..200_u8 {
            let bytes = [round; SEND_BYTES_MAX];
            ring.send(ours.as_raw_fd(), &bytes, "sender");
            sent.extend_from_slice(&bytes);
            ring.enter(false).expect("submitted");
            let completion = loop {
                if let Some(completion) = ring.next_completion() {
                    break completion;
                }
                // The socket is full: somebody has to read for the send to go on.
                theirs.read_exact(&mut sent_check(&mut sent, 1024)).expect("sent before");
                ring.enter(false).expect("submitted");
            };
            assert_eq!(completion.result.expect("sent") as usize, SEND_BYTES_MAX);
        }
        drop(theirs);
        ring.send(ours.as_raw_fd(), b"x", "sender");
        let error = next(&mut ring).result.expect_err("nobody reads");
        assert_eq!(error.raw_os_error(), Some(libc::EPIPE));
        assert!(!ring.spare.is_empty() && ring.spare.len() <= 2, "buffers are used again");
    }

    /// A buffer for the next bytes that arrive, which leave `sent`.
    fn sent_check(sent: &mut Vec<u8>, count: usize) -> Vec<u8> {
        sent.drain(..count.min(sent.len())).collect()
    }

    #[test]
    fn operations_can_be_canceled_and_time_out() {
        let Some(mut ring) = ring() else { return };
        let (ours, _theirs) = UnixStream::pair().expect("pair");
        let waiting = ring.receive_multishot(ours.as_raw_fd(), "canceled");
        ring.timeout(Duration::from_millis(1), "timed out");
        ring.cancel(waiting);
        let mut ended = [next(&mut ring), next(&mut ring)].map(|completion| {
            let error = completion.result.expect_err("no success").raw_os_error();
            (completion.owner, error)
        });
        ended.sort_unstable();
        let expected = [("canceled", Some(libc::ECANCELED)), ("timed out", Some(libc::ETIME))];
        assert_eq!(ended, expected);
    }

    #[test]
    fn more_than_the_queue_holds_can_be_started() {
        let Some(mut ring) = ring() else { return };
        for _ in 0..50 {
            ring.timeout(Duration::ZERO, "one");
        }
        for _ in 0..50 {
            assert_eq!(next(&mut ring).owner, "one");
        }
    }
}
