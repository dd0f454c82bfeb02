//! Integrations that call a function, by Lambda's Invoke API or on this machine.

use super::Origin;
use crate::lambda::BinaryMediaTypes;
use crate::plan::{FunctionSlot, GroupSlot};

/// A function that answers a method or a route (`AWS_PROXY`).
#[derive(Debug)]
pub struct FunctionPlan {
    /// Where it runs.
    pub target: FunctionTarget,
    /// The form of its events and answers.
    pub format: PayloadFormat,
    /// Media types whose bodies are bytes to the function and the client; for REST APIs alone.
    pub binary_media_types: BinaryMediaTypes,
    /// From the request's last byte sent to the answer's first byte.
    pub timeout_ms: u64,
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
}
