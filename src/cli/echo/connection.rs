//! One connection of the test backend: reads requests, answers them in order.
//!
//! Answers gather in one buffer and are written when no whole request is left in the input, so
//! that pipelined requests cost one write. Invariant: the output is flushed before every wait.

use std::io;
use std::net::SocketAddr;
use std::ops::ControlFlow;

use super::body::{Body, Piece};
use super::head::{HEAD_BYTES_MAX, Head, Refusal};
use super::path::Answer;
use crate::rt::Stream;

/// What a connection reads into at first; heads larger than this make it grow.
const INPUT_BYTES: usize = 16 * 1024;
/// How much output may gather before it is written.
pub(super) const OUTPUT_BYTES_MAX: usize = 64 * 1024;
/// How much of an unwanted rest is read before a connection is closed, so that the answer is not
/// lost to a reset.
const LINGER_BYTES_MAX: usize = 1 << 20;

/// A connection that was accepted.
pub(super) struct Connection {
    pub(super) stream: Stream,
    /// The address that it was accepted on.
    pub(super) address: SocketAddr,
    pub(super) output: Vec<u8>,
    input: Vec<u8>,
    /// How much of the input has been dealt with.
    consumed: usize,
}

/// Whether the connection takes another request.
pub(super) type Next = ControlFlow<()>;

impl Connection {
    pub(super) fn new(stream: Stream, address: SocketAddr) -> Self {
        let input = Vec::with_capacity(INPUT_BYTES);
        Self { stream, address, output: Vec::new(), input, consumed: 0 }
    }

    /// Serves requests until either side ends the connection.
    pub(super) async fn serve(mut self) -> io::Result<()> {
        loop {
            match Head::parse(self.waiting()) {
                Ok(Some(head)) => {
                    if self.serve_request(&head).await?.is_break() {
                        return self.flush().await;
                    }
                }
                Ok(None) => {
                    if self.read_more().await? == 0 {
                        return Ok(());
                    }
                }
                Err(refusal) => return self.refuse(refusal).await,
            }
        }
    }

    async fn serve_request(&mut self, head: &Head) -> io::Result<Next> {
        // The path of the comparisons: no body, no wait, one copy.
        if head.answer == Answer::Fixed && head.body == Body::NONE && head.is_plain() {
            self.consume(head.bytes);
            self.answer_fixed();
            if self.output.len() >= OUTPUT_BYTES_MAX {
                self.flush().await?;
            }
            return Ok(Next::Continue(()));
        }
        self.answer(head).await
    }

    /// The input that has not been dealt with.
    pub(super) fn waiting(&self) -> &[u8] {
        &self.input[self.consumed..]
    }

    /// Moves past `bytes` of the input.
    pub(super) fn consume(&mut self, bytes: usize) {
        self.consumed = (self.consumed + bytes).min(self.input.len());
    }

    /// Moves `bytes` of the input to the output.
    pub(super) fn pass(&mut self, bytes: usize) {
        let end = (self.consumed + bytes).min(self.input.len());
        self.output.extend_from_slice(&self.input[self.consumed..end]);
        self.consumed = end;
    }

    /// Flushes, then reads once; 0 at the end of the stream.
    pub(super) async fn read_more(&mut self) -> io::Result<usize> {
        self.flush().await?;
        if self.consumed == self.input.len() {
            self.input.clear();
            self.consumed = 0;
        } else if self.input.len() == self.input.capacity() {
            // Moves the rest to the front, and doubles the room where the rest fills it: a head
            // that needs more than HEAD_BYTES_MAX is refused before this grows past it twice.
            self.input.drain(..self.consumed);
            self.consumed = 0;
            let room = (self.input.capacity() - self.input.len()).max(self.input.len());
            self.input.reserve(room.min(HEAD_BYTES_MAX));
        }
        let (result, input) = self.stream.read_append(std::mem::take(&mut self.input)).await;
        self.input = input;
        result
    }

    /// Writes what has gathered.
    pub(super) async fn flush(&mut self) -> io::Result<()> {
        if self.output.is_empty() {
            return Ok(());
        }
        let (result, output) = self.stream.write_all(std::mem::take(&mut self.output), 0).await;
        self.output = output;
        self.output.clear();
        result
    }

    /// Waits for data of the request's body: so many bytes lie waiting, and are to be consumed;
    /// `None` at its end.
    pub(super) async fn next_data(&mut self, body: &mut Body) -> io::Result<Option<usize>> {
        loop {
            match body.next(self.waiting()) {
                Ok(Piece::Data(bytes)) => return Ok(Some(bytes)),
                Ok(Piece::Framing(bytes)) => self.consume(bytes),
                Ok(Piece::End) => return Ok(None),
                Ok(Piece::More) => {
                    if self.read_more().await? == 0 {
                        return Err(io::ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(_) => {
                    let why = "a chunk is malformed";
                    self.refuse(Refusal { status: 400, why }).await?;
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
        }
    }

    /// Reads the request's body to its end; returns how many bytes of data it had.
    pub(super) async fn drain(&mut self, body: &mut Body) -> io::Result<u64> {
        let mut total = 0;
        while let Some(bytes) = self.next_data(body).await? {
            self.consume(bytes);
            total += bytes as u64;
        }
        Ok(total)
    }

    /// Says what is wrong and closes: where the next request would start is not known.
    async fn refuse(&mut self, refusal: Refusal) -> io::Result<()> {
        self.answer_refusal(refusal);
        self.flush().await?;
        self.stream.flush().await?;
        self.stream.shutdown_write();
        let mut left = LINGER_BYTES_MAX;
        while left > 0 {
            self.consumed = self.input.len();
            match self.read_more().await? {
                0 => break,
                bytes => left = left.saturating_sub(bytes),
            }
        }
        Ok(())
    }
}

impl Head {
    /// Whether the stock answer fits: nothing of it depends on the request.
    fn is_plain(&self) -> bool {
        self.keep_alive && !self.old && !self.bodiless
    }
}
