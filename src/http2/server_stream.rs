//! One request of a client, and the way back to it.

use std::cell::{Cell, OnceCell, RefCell};
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::header::SEC_WEBSOCKET_ACCEPT;
use http::{StatusCode, request};

use super::heads::{MalformedHead, read_response, write_request, write_upgrade};
use super::{ReceiveBody, SendBody, StreamGone};
use crate::base::{Fault, Nanos};
use crate::rt::Deadline;

/// A request that has come, before its head is believed.
pub struct Incoming {
    pub(super) head: request::Parts,
    pub(super) body: RecvStream,
    pub(super) respond: SendResponse<Bytes>,
}

impl Incoming {
    /// Appends the request's head as the text of HTTP/1.1. A tunnel that is asked for (RFC 8441) is
    /// asked for as HTTP/1.1 does, with a key made of `random`.
    ///
    /// # Errors
    ///
    /// Why it cannot be one.
    pub fn write_head(
        &self,
        out: &mut Vec<u8>,
        random: impl FnOnce() -> [u64; 2],
    ) -> Result<(), Fault> {
        match self.head.extensions.get::<h2::ext::Protocol>() {
            None => write_request(out, &self.head, !self.body.is_end_stream()),
            Some(protocol) if protocol.as_str() == "websocket" => {
                write_upgrade(out, &self.head, protocol.as_str(), random())
            }
            Some(_) => Err(Fault::NotImplemented),
        }
    }

    /// The stream, for answering.
    #[must_use]
    pub fn into_stream(self) -> ServerStream {
        ServerStream {
            respond: RefCell::new(self.respond),
            sending: OnceCell::new(),
            body: ReceiveBody::new(self.body),
            is_ended: Cell::new(false),
        }
    }
}

/// The stream of one request.
pub struct ServerStream {
    respond: RefCell<SendResponse<Bytes>>,
    /// From the head of the final answer on.
    sending: OnceCell<SendBody>,
    body: ReceiveBody,
    is_ended: Cell<bool>,
}

impl ServerStream {
    /// The request's body.
    #[must_use]
    pub fn body(&self) -> &ReceiveBody {
        &self.body
    }

    /// Whether the head of the final answer was sent.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.sending.get().is_some()
    }

    /// Whether the answer was sent whole.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.is_ended.get()
    }

    /// Sends a part of the final answer: first its head, as the text of HTTP/1.1, with whatever of its
    /// body lies behind it; then more of the body. Framing has no place in it. See
    /// [`SendBody::send`] for the deadline.
    ///
    /// # Errors
    ///
    /// [`StreamGone`]; also for a head that HTTP/2 does not have, after which the stream is reset.
    pub async fn send(
        &self,
        bytes: &[u8],
        is_last: bool,
        deadline: &Deadline,
        timeout: Nanos,
    ) -> Result<(), StreamGone> {
        let rest = match self.sending.get() {
            Some(_) => bytes,
            None => &bytes[self.send_head(bytes, is_last)?..],
        };
        if let Some(sending) = self.sending.get()
            && !self.is_ended.get()
        {
            sending.send(rest, is_last, deadline, timeout).await?;
            self.is_ended.set(is_last);
        }
        Ok(())
    }

    /// Sends the head that `bytes` begin with; its length.
    fn send_head(&self, bytes: &[u8], is_last: bool) -> Result<usize, StreamGone> {
        let (mut head, head_bytes) = read_response(bytes).map_err(|MalformedHead| {
            self.reset(Reason::INTERNAL_ERROR);
            StreamGone
        })?;
        if head.status() == StatusCode::SWITCHING_PROTOCOLS {
            // Over HTTP/2 a tunnel is an answer like any other (RFC 8441 section 5).
            *head.status_mut() = StatusCode::OK;
            head.headers_mut().remove(SEC_WEBSOCKET_ACCEPT);
        }
        let ends = is_last && head_bytes == bytes.len();
        let sent = self.respond.borrow_mut().send_response(head, ends);
        let _ = self.sending.set(SendBody::new(sent.map_err(|_| StreamGone)?));
        self.is_ended.set(ends);
        Ok(head_bytes)
    }

    /// Sends an interim answer, given as the text of HTTP/1.1. One that HTTP/2 does not have is not.
    pub fn send_interim(&self, text: &[u8]) -> Result<(), StreamGone> {
        let Ok((head, _)) = read_response(text) else { return Ok(()) };
        self.respond.borrow_mut().send_informational(head).map_err(|_| StreamGone)
    }

    /// Ends an answer whose body is complete, with trailers as lines that end with CRLF.
    pub fn end(&self, trailers: &[u8]) -> Result<(), StreamGone> {
        if self.is_ended.get() {
            return Ok(());
        }
        self.sending.get().ok_or(StreamGone)?.end(trailers)?;
        self.is_ended.set(true);
        Ok(())
    }

    /// Gives the stream up: what was sent of an answer is not all of it.
    pub fn reset(&self, reason: Reason) {
        match self.sending.get() {
            Some(sending) => sending.reset(reason),
            None => self.respond.borrow_mut().send_reset(reason),
        }
    }

    /// The answer is complete and what is left of the request's body will not be read. Once the
    /// answer has left and nobody holds the stream any more, `h2` asks the client to stop, by a reset
    /// with NO_ERROR (RFC 9113 section 8.1); a reset from here would throw the answer away.
    pub fn refuse_rest(&self) {
        if !self.body.has_ended() {
            self.body.abandon();
        }
    }

    /// Nobody reads or writes it any more.
    pub fn give_up(&self) {
        self.reset(Reason::CANCEL);
    }

    /// Cuts an answer that cannot be completed.
    pub fn cut(&self) {
        if !self.is_ended.get() {
            self.reset(Reason::INTERNAL_ERROR);
        }
    }

    /// Waits until the client gives up a request whose answer is not complete.
    pub fn poll_given_up(&self, context: &mut Context<'_>) -> Poll<()> {
        if self.is_ended.get() {
            return Poll::Pending;
        }
        match self.sending.get() {
            Some(sending) => sending.poll_given_up(context),
            None => self.respond.borrow_mut().poll_reset(context).map(drop),
        }
    }
}
