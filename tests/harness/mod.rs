//! What integration tests share: the real binary run on a configuration ([`Gateway`]), a client
//! that speaks raw bytes ([`Client`]), and an upstream that does as it is told and records every
//! byte that it gets ([`Upstream`]).
//!
//! APIs that are made through the management API: a [`Managed`] gateway, its [`RestApi`]s and
//! [`HttpApi`]s, and [`Request`]s to them.
//!
//! Nothing here waits by time: a test waits for an event (a line of the process log, bytes on a
//! socket, the end of a stream). [`HANG_GUARD`] only turns a test that would hang into one that
//! fails. A deployment that goes live is no event that a client can see: [`eventually`] asks again.

#![allow(dead_code, unused_imports, unreachable_pub)] // each test binary uses its own part

mod answer;
mod client;
mod echo;
mod eventually;
mod gateway;
mod http_api;
mod managed;
mod management;
mod metrics;
mod request;
mod rest_api;
mod upstream;
mod vpc_link;

use std::time::Duration;

pub use answer::Answer;
pub use client::Client;
pub use echo::Echo;
pub use eventually::eventually;
pub use gateway::Gateway;
pub use http_api::HttpApi;
pub use managed::Managed;
pub use management::{Management, copy, remove, replace};
pub use request::Request;
pub use rest_api::RestApi;
pub use upstream::{Peer, Received, Upstream};
pub use vpc_link::vpc_link_to;

/// Nothing that works takes as long, however slow the machine is.
pub const HANG_GUARD: Duration = Duration::from_secs(30);
