//! Integrations that call a function, by Lambda's Invoke API or on this machine.

use std::sync::Arc;

use super::{BodyTemplate, Origin, RequestTemplates, RestResponsesPlan};
use crate::expr::RestRequestMapping;
use crate::lambda::BinaryMediaTypes;
use crate::model::Limits;
use crate::plan::{FunctionSlot, GroupSlot};
use crate::sign::{CanonicalTarget, Signer};

/// A function that answers a method or a route.
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
    /// What is made of requests and answers in place of events and answers of the format; `None` for
    /// proxies (`AWS_PROXY`).
    pub custom: Option<Box<CustomFunctionPlan>>,
    /// How the answer reaches the client.
    pub transfer: Transfer,
}

/// A custom integration (`AWS`) with a function: the request's body is the event.
#[derive(Debug)]
pub struct CustomFunctionPlan {
    /// What becomes a header of the invocation.
    pub request: RestRequestMapping,
    /// What becomes of the request's body.
    pub templates: RequestTemplates<BodyTemplate>,
    /// What becomes of what the function says: selected by the message of its error.
    pub responses: RestResponsesPlan,
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
    /// On this machine.
    Local(LocalFunctionPlan),
}

/// A function of this machine.
#[derive(Debug)]
pub struct LocalFunctionPlan {
    pub slot: FunctionSlot,
    /// The ARN that it was called by.
    pub arn: Box<str>,
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
    /// How it is signed, if it is.
    pub signing: Option<FunctionSigningPlan>,
}

/// How invocations of one function are signed.
#[derive(Debug)]
pub struct FunctionSigningPlan {
    /// With whose secret.
    pub signer: Arc<Signer>,
    /// What of them is always the same.
    pub target: CanonicalTarget,
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
pub enum FunctionPlace {
    /// To an endpoint.
    Endpoint(FunctionEndpoint),
    /// To processes of this machine: its name on the board of functions.
    Local(String),
}

/// A server that calls of a function go to.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionEndpoint {
    /// A server of the Invoke API.
    pub origin: Origin,
    /// What it calls the function, without a qualifier.
    pub name: String,
    /// Who signs its calls, if they are signed; or why nobody can.
    pub signer: Result<Option<Arc<Signer>>, String>,
}
