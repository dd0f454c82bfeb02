//! HTTP/2 connections over any transport: to clients and to targets.
//!
//! Drives `h2`, which has the protocol's state, and bounds what a peer may have it do. Heads leave
//! and enter this module as the text of HTTP/1.1, which is what the rest of the crate reads and
//! writes: so one strict parser stands in front of everything, whatever the message came in. Knows
//! nothing of routes, targets or metrics. The rule that a newcomer would break: only the task of a
//! connection touches its socket; streams hand frames to it.

mod drive;
mod heads;
mod pipe;
mod receive_body;
mod send_body;
mod server;
mod server_stream;
mod target;

pub use drive::LinkTimeouts;
pub use heads::{MalformedHead, read_response, write_request, write_response};
pub use receive_body::ReceiveBody;
pub use send_body::{SendBody, StreamGone};
pub use server::{ServerControl, ServerEnd, ServerOptions, serve};
pub use server_stream::{Incoming, ServerStream};
pub use target::{Call, CallFailure, TargetConnection, TargetOptions, connect};
