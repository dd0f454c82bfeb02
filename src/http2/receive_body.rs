//! The receiving half of a stream: pieces of a body, whose windows grow as they are taken, then its
//! trailers.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use h2::RecvStream;

use super::StreamGone;
use super::heads::trailer_lines;
use crate::rt::Deadline;

/// The receiving half of a stream.
pub struct ReceiveBody(RefCell<Receiving>);

struct Receiving {
    stream: RecvStream,
    /// What came last, as far as it was not read.
    piece: Bytes,
    /// Nobody wants the rest.
    is_given_up: bool,
    /// Who waits for more.
    waiter: Option<Waker>,
}

impl ReceiveBody {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self(RefCell::new(Receiving {
            stream,
            piece: Bytes::new(),
            is_given_up: false,
            waiter: None,
        }))
    }

    /// Whether nothing more will come, as far as is known.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let receiving = self.0.borrow();
        receiving.piece.is_empty() && receiving.stream.is_end_stream()
    }

    /// Whoever reads, now or later, hears that the stream is gone.
    pub(super) fn give_up(&self) {
        let waiter = {
            let receiving = &mut *self.0.borrow_mut();
            receiving.is_given_up = true;
            receiving.waiter.take()
        };
        if let Some(waiter) = waiter {
            waiter.wake();
        }
    }

    /// Waits until a read would return at once. See [`ReceiveBody::read`] for the deadline.
    pub async fn readable(&self, deadline: &Deadline) -> Result<(), StreamGone> {
        poll_fn(|context| {
            let receiving = &mut *self.0.borrow_mut();
            match receiving.poll(context) {
                Poll::Pending => deadline.poll_passed(context).map(|()| Err(StreamGone)),
                Poll::Ready(result) => Poll::Ready(result.map(drop)),
            }
        })
        .await
    }

    /// Reads once into the spare capacity of `buffer`, at most `bytes_max`; 0 is the end of the body.
    /// `deadline` is an alarm that the caller has set; [`StreamGone`] too when it passes.
    pub async fn read(
        &self,
        buffer: &mut Vec<u8>,
        bytes_max: usize,
        deadline: &Deadline,
    ) -> Result<usize, StreamGone> {
        let bytes_max = bytes_max.min(buffer.capacity() - buffer.len());
        debug_assert!(bytes_max > 0, "a read without room would look like the end");
        poll_fn(|context| {
            let receiving = &mut *self.0.borrow_mut();
            match receiving.poll(context) {
                Poll::Pending => {
                    ready!(deadline.poll_passed(context));
                    return Poll::Ready(Err(StreamGone));
                }
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(result) => return Poll::Ready(result.map(|_| 0)),
            }
            let count = receiving.piece.len().min(bytes_max);
            buffer.extend_from_slice(&receiving.piece[..count]);
            receiving.piece.advance(count);
            // The stream may be gone by now; that shows when it is read again.
            let _ = receiving.stream.flow_control().release_capacity(count);
            Poll::Ready(Ok(count))
        })
        .await
    }

    /// Appends what has come already, up to about `bytes_max`; whether that is all there was to come.
    pub fn take_present(&self, out: &mut Vec<u8>, bytes_max: usize) -> Result<bool, StreamGone> {
        let receiving = &mut *self.0.borrow_mut();
        let mut context = Context::from_waker(Waker::noop());
        while out.len() < bytes_max {
            match receiving.poll(&mut context) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(true)) => {}
                Poll::Ready(Ok(false)) => return Ok(true),
                Poll::Ready(Err(gone)) => return Err(gone),
            }
            let count = receiving.piece.len().min(bytes_max - out.len());
            out.extend_from_slice(&receiving.piece[..count]);
            receiving.piece.advance(count);
            // See `read`.
            let _ = receiving.stream.flow_control().release_capacity(count);
        }
        Ok(false)
    }

    /// The trailers behind a body that was read to its end, as lines that end with CRLF. They came
    /// with the end.
    pub fn trailers_now(&self) -> Result<Vec<u8>, StreamGone> {
        let receiving = &mut *self.0.borrow_mut();
        match receiving.stream.poll_trailers(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Some(trailers))) => Ok(trailer_lines(&trailers)),
            Poll::Ready(Ok(None)) => Ok(Vec::new()),
            Poll::Ready(Err(_)) | Poll::Pending => Err(StreamGone),
        }
    }
}

impl Receiving {
    /// Waits for bytes; whether there are any, rather than the end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, StreamGone>> {
        if self.is_given_up {
            return Poll::Ready(Err(StreamGone));
        }
        while self.piece.is_empty() {
            match self.stream.poll_data(context) {
                Poll::Ready(Some(Ok(piece))) => self.piece = piece,
                Poll::Ready(Some(Err(_))) => return Poll::Ready(Err(StreamGone)),
                Poll::Ready(None) => return Poll::Ready(Ok(false)),
                Poll::Pending => {
                    self.waiter = Some(context.waker().clone());
                    return Poll::Pending;
                }
            }
        }
        Poll::Ready(Ok(true))
    }
}
