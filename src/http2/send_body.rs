//! The sending half of a stream: pieces of a body as the peer's windows allow, then the end.

use std::cell::RefCell;
use std::future::poll_fn;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::{Reason, SendStream};

use super::heads::read_trailers;
use crate::base::Nanos;
use crate::rt::{Deadline, now};

/// The stream was reset, its connection ended, or the peer took nothing for too long.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct StreamGone;

/// The sending half of a stream.
pub struct SendBody(RefCell<SendStream<Bytes>>);

impl SendBody {
    pub(super) fn new(stream: SendStream<Bytes>) -> Self {
        Self(RefCell::new(stream))
    }

    /// Sends `bytes`, as the peer makes room for them. `deadline` is an alarm, which is moved by
    /// `timeout` from each piece that the peer makes room for.
    pub async fn send(
        &self,
        mut bytes: &[u8],
        is_last: bool,
        deadline: &Deadline,
        timeout: Nanos,
    ) -> Result<(), StreamGone> {
        if bytes.is_empty() {
            return if is_last { self.send_piece(bytes, true) } else { Ok(()) };
        }
        while !bytes.is_empty() {
            let room = self.room(bytes.len(), deadline, timeout).await?;
            let (piece, rest) = bytes.split_at(room.min(bytes.len()));
            bytes = rest;
            self.send_piece(piece, is_last && bytes.is_empty())?;
        }
        deadline.clear();
        Ok(())
    }

    /// Ends the body with trailers, given as lines that end with CRLF; none is an end without.
    pub fn end(&self, trailers: &[u8]) -> Result<(), StreamGone> {
        let trailers = match trailers {
            b"" => None,
            lines => read_trailers(lines).ok(), // lines that no field has are none
        };
        match trailers {
            None => self.send_piece(b"", true),
            Some(trailers) => self.0.borrow_mut().send_trailers(trailers).map_err(|_| StreamGone),
        }
    }

    /// What was sent is not all of it, and nothing more will be.
    pub fn cancel(&self) {
        self.reset(Reason::CANCEL);
    }

    pub(super) fn reset(&self, reason: Reason) {
        self.0.borrow_mut().send_reset(reason);
    }

    /// Waits for the peer to give the stream up.
    pub(super) fn poll_given_up(&self, context: &mut Context<'_>) -> Poll<()> {
        self.0.borrow_mut().poll_reset(context).map(drop)
    }

    fn send_piece(&self, piece: &[u8], is_last: bool) -> Result<(), StreamGone> {
        let piece = Bytes::copy_from_slice(piece);
        self.0.borrow_mut().send_data(piece, is_last).map_err(|_| StreamGone)
    }

    /// Waits for room for some of `wanted` bytes.
    async fn room(
        &self,
        wanted: usize,
        deadline: &Deadline,
        timeout: Nanos,
    ) -> Result<usize, StreamGone> {
        self.0.borrow_mut().reserve_capacity(wanted);
        let mut is_waiting = false;
        poll_fn(|context| {
            let mut stream = self.0.borrow_mut();
            loop {
                let room = stream.capacity();
                if room > 0 {
                    return Poll::Ready(Ok(room));
                }
                match stream.poll_capacity(context) {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Poll::Ready(Err(StreamGone)),
                    Poll::Pending => break,
                }
            }
            if !std::mem::replace(&mut is_waiting, true) {
                deadline.set(now().plus(timeout));
            }
            deadline.poll_passed(context).map(|()| Err(StreamGone))
        })
        .await
    }
}
