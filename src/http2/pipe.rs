//! What lies between a connection's socket and `h2`: bytes that came and bytes that are to leave.
//!
//! `h2` asks for polled reads and writes, sockets are driven by futures that own their buffer; both
//! are polled by one task (`drive`), so that nobody here has to wake anybody.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Above this nothing more is taken from `h2`, until the socket has taken some.
const OUTGOING_BYTES_MAX: usize = 64 * 1024;

/// Bytes in both directions; clones share them.
#[derive(Clone, Default)]
pub(super) struct Pipe(Rc<Pipes>);

#[derive(Default)]
struct Pipes {
    incoming: RefCell<Incoming>,
    outgoing: RefCell<Vec<u8>>,
    /// Nothing more will come.
    has_ended: Cell<bool>,
    /// Nothing more can leave.
    is_broken: Cell<bool>,
}

#[derive(Default)]
struct Incoming {
    bytes: Vec<u8>,
    read: usize,
}

impl Pipe {
    /// Hands over what came.
    pub(super) fn fill(&self, bytes: Vec<u8>) {
        debug_assert!(!self.has_incoming());
        self.0.incoming.replace(Incoming { bytes, read: 0 });
    }

    /// Whether `h2` has not read all that came.
    pub(super) fn has_incoming(&self) -> bool {
        let incoming = self.0.incoming.borrow();
        incoming.read < incoming.bytes.len()
    }

    /// The buffer that was filled last.
    pub(super) fn take_buffer(&self) -> Vec<u8> {
        self.0.incoming.take().bytes
    }

    /// Nothing more will come.
    pub(super) fn end(&self) {
        self.0.has_ended.set(true);
    }

    /// Nothing more can leave.
    pub(super) fn break_off(&self) {
        self.0.is_broken.set(true);
        self.0.outgoing.take();
    }

    /// Whether something is to leave.
    pub(super) fn has_outgoing(&self) -> bool {
        !self.0.outgoing.borrow().is_empty()
    }

    /// Whether `h2` was or would be told to wait.
    pub(super) fn is_full(&self) -> bool {
        self.0.outgoing.borrow().len() >= OUTGOING_BYTES_MAX
    }

    /// Has this leave behind what `h2` has written.
    pub(super) fn push(&self, bytes: &[u8]) {
        self.0.outgoing.borrow_mut().extend_from_slice(bytes);
    }

    /// What is to leave.
    pub(super) fn take_outgoing(&self) -> Vec<u8> {
        self.0.outgoing.take()
    }

    /// Gives the empty buffer back.
    pub(super) fn put_outgoing(&self, buffer: Vec<u8>) {
        let mut outgoing = self.0.outgoing.borrow_mut();
        if outgoing.capacity() == 0 {
            *outgoing = buffer;
        }
    }

    fn room(&self) -> Poll<io::Result<usize>> {
        if self.0.is_broken.get() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        match OUTGOING_BYTES_MAX.saturating_sub(self.0.outgoing.borrow().len()) {
            0 => Poll::Pending,
            room => Poll::Ready(Ok(room)),
        }
    }
}

impl AsyncRead for Pipe {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut incoming = self.0.incoming.borrow_mut();
        let unread = incoming.bytes.get(incoming.read..).unwrap_or_default();
        if unread.is_empty() {
            return if self.0.has_ended.get() { Poll::Ready(Ok(())) } else { Poll::Pending };
        }
        let count = unread.len().min(buffer.remaining());
        buffer.put_slice(&unread[..count]);
        incoming.read += count;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.room().map_ok(|room| {
            let count = bytes.len().min(room);
            self.0.outgoing.borrow_mut().extend_from_slice(&bytes[..count]);
            count
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.room().map_ok(|room| {
            let mut outgoing = self.0.outgoing.borrow_mut();
            let mut left = room;
            for slice in slices {
                let count = slice.len().min(left);
                outgoing.extend_from_slice(&slice[..count]);
                left -= count;
            }
            room - left
        })
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(())) // it leaves with this turn
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
