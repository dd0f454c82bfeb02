//! Integrations that call a function, by Lambda's Invoke API.

use super::Origin;
use crate::lambda::BinaryMediaTypes;
use crate::model::Limits;
use crate::plan::GroupSlot;

/// A function that answers a method or a route (`AWS_PROXY`).
#[derive(Debug)]
pub struct FunctionPlan {
    /// Where it runs.
    pub target: FunctionTarget,
    /// The form of its events and answers.
    pub format: PayloadFormat,
    /// Media types whose bodies are bytes to the function and the client; for REST APIs alone.
    pub binary_media_types: BinaryMediaTypes,
    /// From the request's last byte sent to the answer's first byte; to its last if it is streamed.
    pub timeout_ms: u64,
    /// How the answer reaches the client.
    pub transfer: Transfer,
}

/// How an integration's answer reaches the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Transfer {
    /// As its kind of integration has it.
    Buffered,
    /// While it comes, under the time-outs of streams.
    Streamed {
        /// Its API is edge-optimized: other silences are borne.
        is_edge: bool,
    },
}

impl Transfer {
    /// How long a streamed answer may bring nothing; `None` for others.
    #[must_use]
    pub fn idle_timeout_ms(self, limits: &Limits) -> Option<u64> {
        match self {
            Self::Buffered => None,
            Self::Streamed { is_edge: false } => Some(limits.stream_idle_timeout_ms),
            Self::Streamed { is_edge: true } => Some(limits.edge_stream_idle_timeout_ms),
        }
    }
}

/// Where a function runs.
#[derive(Debug)]
pub enum FunctionTarget {
    /// Behind a server of the Invoke API.
    Endpoint(FunctionEndpointPlan),
}

/// A server of the Invoke API, and what is asked of it.
#[derive(Debug)]
pub struct FunctionEndpointPlan {
    /// Who is asked.
    pub group: GroupSlot,
    /// `Host` for the endpoint.
    pub host: Box<str>,
    /// The path and query that invoke the function.
    pub target: Box<str>,
}

/// The form of a function's events and answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PayloadFormat {
    /// That of REST APIs.
    Rest,
    /// `1.0`, that of REST APIs as HTTP APIs have it.
    HttpV1,
    /// `2.0`.
    HttpV2,
}

/// Where calls of a function go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionEndpoint {
    /// A server of the Invoke API.
    pub origin: Origin,
    /// What it calls the function, without a qualifier.
    pub name: String,
}
