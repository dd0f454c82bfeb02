//! Functions that run on this machine, as shards and their host see them.
//!
//! The host (on the side thread) starts and ends processes; shards hold the connections of their
//! runtimes and give them events. A process is on one shard at a time and goes where calls wait.
//! The rule that a newcomer would break: who comes to wait, or to be idle, says so first and looks
//! at the others then ([`Supply`]); the other way around both could miss each other.

mod board;
mod function;
mod invoker;
mod places;
mod process;
mod supply;

pub use board::FunctionBoard;
pub use function::{FunctionLimits, LocalFunction};
pub use invoker::Invoker;
pub use places::{Place, Places};
pub use process::RuntimeProcess;
pub use supply::Supply;

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::oneshot;

/// What shards tell the host.
#[derive(Debug)]
pub enum HostMessage {
    /// A call waits on `shard`: start a process for it.
    Start {
        function: Arc<LocalFunction>,
        /// Held until the process has ended.
        place: Place,
        shard: usize,
    },
    /// Its runtime asks for its first event.
    Initialised { process: Arc<RuntimeProcess> },
    /// Its runtime says that it cannot start: the process is to be ended.
    InitFailed { process: Arc<RuntimeProcess>, error: String },
    /// It is to be ended.
    End { process: Arc<RuntimeProcess>, reason: EndReason },
}

/// Why a shard wants a process ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum EndReason {
    /// It has had nothing to do for long.
    Idle,
    /// Its function has changed since it was started.
    Stale,
    /// It has not answered within its function's time.
    TimedOut,
    /// Its runtime does not speak the Runtime API.
    Protocol(String),
}

/// A connection of a runtime: newly accepted, or moved from another shard.
#[derive(Debug)]
pub struct RuntimeConnection {
    pub process: Arc<RuntimeProcess>,
    pub fd: OwnedFd,
    /// What was read of it and not used.
    pub unread: Vec<u8>,
    /// Whether it has asked for an event and waits for it.
    pub waits: bool,
}

/// A call from outside of the shards.
#[derive(Debug)]
pub struct Invocation {
    pub function: Arc<LocalFunction>,
    pub event: Vec<u8>,
    /// The request id that the function is told.
    pub request_id: String,
    /// The ARN that it is told.
    pub function_arn: String,
    /// `X-Amz-Client-Context`, decoded.
    pub client_context: Option<String>,
    /// After this the caller waits no longer.
    pub timeout_ms: u64,
    /// Who waits for the answer; nobody does where it is invoked asynchronously.
    pub answer: Option<oneshot::Sender<InvocationAnswer>>,
}

/// How a call ended.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum InvocationAnswer {
    /// The function answered.
    Answered(Vec<u8>),
    /// The function said that it failed, or its runtime did: the JSON of the error.
    Failed(Vec<u8>),
    /// More calls than may run at once.
    Throttled,
    /// No answer within `timeout_ms`.
    TimedOut,
}
