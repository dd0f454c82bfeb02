//! The line of the access log of a request that ended before its phases began.
//!
//! `pipeline::serve` writes the lines of all others. The rule that a newcomer would break: a head
//! that was not understood has no method and no path. What its bytes seem to say is not for the
//! log; only what `proto` has parsed is.

use std::net::IpAddr;

use crate::base::{Fault, Nanos, RequestId};
use crate::observe::access_log::AccessRecord;
use crate::pipeline::{ShardState, fault_message};
use crate::proto::{BodyFraming, FieldName, RequestHead};
use crate::rt::now;
use crate::transport::TlsFacts;

/// A request that ended before its phases began, as far as it is known.
pub(super) struct Refusal<'r> {
    pub(super) id: RequestId,
    pub(super) fault: Fault,
    pub(super) source_ip: Option<IpAddr>,
    /// What was negotiated, over TLS.
    pub(super) tls: Option<&'r TlsFacts>,
    pub(super) understood: Option<Understood<'r>>,
    /// Bytes of the answer's body.
    pub(super) answer_bytes: usize,
    /// When its first byte was read.
    pub(super) started: Nanos,
}

/// A request whose head was parsed.
#[derive(Clone, Copy)]
pub(super) struct Understood<'r> {
    pub(super) head: &'r RequestHead,
    /// The bytes that the head's ranges point into.
    pub(super) bytes: &'r [u8],
    /// What was read after the head: the body's beginning, and perhaps more.
    pub(super) early_bytes: usize,
}

impl Refusal<'_> {
    /// Writes the line, if a log is kept.
    pub(super) fn log(&self, state: &ShardState) {
        let plan = state.plan();
        let (Some(format), Some(sink)) = (&plan.log_format, &mut *state.access_log.borrow_mut())
        else {
            return;
        };
        let known = self.understood;
        let record = AccessRecord {
            request_id: self.id,
            request_uuid: None,
            connection_id: None,
            source_ip: self.source_ip,
            method: known.map_or(b"", |one| one.head.method_token.of(one.bytes)),
            path: known.map_or(b"", |one| one.head.path.of(one.bytes)),
            query: known.and_then(|one| one.head.query.of(one.bytes).strip_prefix(b"?")),
            protocol: known.map_or("", |one| one.head.version.as_str()),
            host: known.map_or(b"", |one| one.head.authority.of(one.bytes)),
            user_agent: known.and_then(Understood::user_agent),
            api_id: None,
            stage: None,
            route_key: None,
            status: self.fault.status(),
            request_bytes: known.map_or(0, Understood::body_bytes),
            response_bytes: self.answer_bytes as u64,
            request_time_unix_ms: state.unix_millis_at(self.started),
            latency: now().since(self.started),
            integration_latency: None,
            integration_status: None,
            target: None,
            tls: self.tls,
            fault: Some(self.fault),
            error_message: Some(fault_message(self.fault)),
        };
        sink.line(|line| format.render(&record, line));
    }
}

impl<'r> Understood<'r> {
    fn user_agent(self) -> Option<&'r [u8]> {
        self.head.field(FieldName::UserAgent).map(|field| field.value.of(self.bytes))
    }

    /// How much of the body came.
    fn body_bytes(self) -> u64 {
        match self.head.framing {
            BodyFraming::Length(length) => length.min(self.early_bytes as u64),
            // Nobody has looked for the chunks.
            BodyFraming::Chunked | BodyFraming::None | BodyFraming::UntilClose => 0,
        }
    }
}
