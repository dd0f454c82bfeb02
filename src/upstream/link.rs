//! What carries one request to a target: a connection of its own, or a stream of a shared one.

use std::io;

use super::connection::{Connection, ReadResult};
use crate::base::Nanos;
use crate::http2::Call;
use crate::rt::Deadline;

/// What carries one request to a target.
pub(crate) enum TargetLink {
    /// An HTTP/1 connection.
    Http1(Connection),
    /// A request on an HTTP/2 connection.
    Http2 {
        call: Call,
        /// See [`Connection::due_max`].
        due_max: Nanos,
    },
}

impl TargetLink {
    /// See [`Connection::set_due`].
    #[inline]
    pub(crate) fn set_due(&self, due: Nanos) {
        match self {
            Self::Http1(connection) => connection.set_due(due),
            Self::Http2 { call, due_max } => call.deadline.set(due.min(*due_max)),
        }
    }

    /// See [`Connection::clear_due`].
    #[inline]
    pub(crate) fn clear_due(&self) {
        match self {
            Self::Http1(connection) => connection.clear_due(),
            Self::Http2 { call, due_max } => call.deadline.set(*due_max),
        }
    }

    /// Of the exchange: a socket's, or an alarm.
    pub(crate) fn deadline(&self) -> &Deadline {
        match self {
            Self::Http1(connection) => &connection.deadline,
            Self::Http2 { call, .. } => &call.deadline,
        }
    }

    /// See [`Connection::due_max`].
    pub(crate) fn due_max(&self) -> Nanos {
        match self {
            Self::Http1(connection) => connection.due_max,
            Self::Http2 { due_max, .. } => *due_max,
        }
    }

    /// Waits until a read would return at once, holding no buffer. Errors show when it is read.
    pub(crate) async fn readable(&self) {
        match self {
            Self::Http1(connection) => drop(connection.readable().await),
            Self::Http2 { call, .. } => {
                if let Some(body) = call.body() {
                    let _ = body.readable(&call.deadline).await;
                }
            }
        }
    }

    /// Reads once of the answer's body into the spare capacity of `buffer`; 0 is the end.
    pub(crate) async fn read(&self, mut buffer: Vec<u8>) -> ReadResult {
        match self {
            Self::Http1(connection) => connection.read(buffer).await,
            Self::Http2 { call, .. } => {
                let Some(body) = call.body() else { return (Ok(0), buffer) };
                let room = buffer.capacity() - buffer.len();
                let read = Box::pin(body.read(&mut buffer, room, &call.deadline)).await;
                (read.map_err(|_| io::ErrorKind::ConnectionReset.into()), buffer)
            }
        }
    }

    /// Whether a body whose length was said, and is there, is all that will come.
    pub(crate) fn ends_by_length(&self) -> bool {
        match self {
            Self::Http1(_) => true,
            Self::Http2 { call, .. } => call.body().is_none_or(|body| body.has_ended()),
        }
    }

    /// The trailers behind a body that was read to its end, as lines that end with CRLF; chunks
    /// bring their own.
    pub(crate) fn trailers(&self) -> Vec<u8> {
        match self {
            Self::Http1(_) => Vec::new(),
            Self::Http2 { call, .. } => {
                let trailers = call.body().map(|body| body.trailers_now());
                trailers.and_then(Result::ok).unwrap_or_default()
            }
        }
    }
}
