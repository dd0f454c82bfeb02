//! A request as the phases see it.

use crate::base::{Nanos, RequestId};
use crate::proto::RequestHead;

/// One request: its parsed head, the bytes that the head's ranges point into, and who asks.
pub struct Request<'r> {
    /// The parsed head.
    pub head: &'r RequestHead,
    /// The head's bytes.
    pub bytes: &'r [u8],
    /// Its id.
    pub id: RequestId,
    /// When its first byte was read.
    pub started: Nanos,
}

impl<'r> Request<'r> {
    /// The path as it came, still percent-encoded.
    #[must_use]
    pub fn path(&self) -> &'r [u8] {
        self.head.path.of(self.bytes)
    }

    /// The query with its `?`, or nothing.
    #[must_use]
    pub fn query(&self) -> &'r [u8] {
        self.head.query.of(self.bytes)
    }

    /// The host that it is for, with the port if one was given.
    #[must_use]
    pub fn authority(&self) -> &'r [u8] {
        self.head.authority.of(self.bytes)
    }
}
