//! What integration tests share: the real binary run on a configuration ([`Gateway`]), a client
//! that speaks raw bytes ([`Client`]), and an upstream that does as it is told and records every
//! byte that it gets ([`Upstream`]).
//!
//! Nothing here waits by time: a test waits for an event (a line of the process log, bytes on a
//! socket, the end of a stream). [`HANG_GUARD`] only turns a test that would hang into one that
//! fails.

#![allow(dead_code, unused_imports, unreachable_pub)] // each test binary uses its own part

mod answer;
mod client;
mod echo;
mod gateway;
mod metrics;
mod upstream;

use std::time::Duration;

pub use answer::Answer;
pub use client::Client;
pub use echo::Echo;
pub use gateway::Gateway;
pub use upstream::{Peer, Received, Upstream};

/// Nothing that works takes as long, however slow the machine is.
pub const HANG_GUARD: Duration = Duration::from_secs(30);
