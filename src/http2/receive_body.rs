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
    /// `None` once nobody wants more of it.
    stream: Option<RecvStream>,
    /// What came last, as far as it was not read.
    piece: Bytes,
    /// Of who waits for more.
    reader: Option<Waker>,
}

impl ReceiveBody {
    pub(super) fn new(stream: RecvStream) -> Self {
        Self(RefCell::new(Receiving { stream: Some(stream), piece: Bytes::new(), reader: None }))
    }

    /// Whether nothing more will come, as far as is known.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let receiving = self.0.borrow();
        receiving.piece.is_empty()
            && receiving.stream.as_ref().is_none_or(RecvStream::is_end_stream)
    }

    /// Nobody wants what is still to come; who waits for it hears of a [`StreamGone`].
    pub(super) fn abandon(&self) {
        let mut receiving = self.0.borrow_mut();
        receiving.stream = None;
        receiving.piece.clear();
        if let Some(reader) = receiving.reader.take() {
            reader.wake();
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
            Poll::Ready(Ok(receiving.take(buffer, bytes_max)))
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
            receiving.take(out, bytes_max - out.len());
        }
        Ok(false)
    }

    /// The trailers behind a body that was read to its end, as lines that end with CRLF. They came
    /// with the end.
    pub fn trailers_now(&self) -> Result<Vec<u8>, StreamGone> {
        let receiving = &mut *self.0.borrow_mut();
        let stream = receiving.stream.as_mut().ok_or(StreamGone)?;
        match stream.poll_trailers(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(Some(trailers))) => Ok(trailer_lines(&trailers)),
            Poll::Ready(Ok(None)) => Ok(Vec::new()),
            Poll::Ready(Err(_)) | Poll::Pending => Err(StreamGone),
        }
    }
}

impl Receiving {
    /// Waits for bytes; whether there are any, rather than the end.
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Result<bool, StreamGone>> {
        while self.piece.is_empty() {
            let Some(stream) = &mut self.stream else { return Poll::Ready(Err(StreamGone)) };
            let came = stream.poll_data(context);
            self.reader = came.is_pending().then(|| context.waker().clone());
            match ready!(came) {
                Some(Ok(piece)) => self.piece = piece,
                Some(Err(_)) => return Poll::Ready(Err(StreamGone)),
                None => return Poll::Ready(Ok(false)),
            }
        }
        Poll::Ready(Ok(true))
    }

    /// Appends what is there, at most `bytes_max`, and lets the peer send as much again; how much.
    fn take(&mut self, out: &mut Vec<u8>, bytes_max: usize) -> usize {
        let count = self.piece.len().min(bytes_max);
        out.extend_from_slice(&self.piece[..count]);
        self.piece.advance(count);
        // The stream may be gone by now; that shows when it is read again.
        if let Some(stream) = &mut self.stream {
            let _ = stream.flow_control().release_capacity(count);
        }
        count
    }
}
