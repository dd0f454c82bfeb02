//! Functions that run on this machine: their processes, started, supervised and ended.
//!
//! Owns what a function is ([`FunctionDefinition`]) and everything about its processes but what
//! their runtimes say: shards speak the Runtime API with those. Runs on the side thread, but for the
//! [`Keeper`], which is a process of its own. The rule that a newcomer would break: nothing is said
//! about a process's end before the process is gone.

mod backoff;
mod bound;
mod definition;
mod ended;
mod environment;
mod handler;
mod host;
mod keeper;
mod launch;
mod log;
mod mail;
mod process;
mod tree;
mod watch;

pub use definition::{
    CONCURRENCY, FunctionDefinition, FunctionProgram, FunctionUser, HandlerCode, HandlerRuntime,
    IDLE_MS, INIT_TIMEOUT_MS, MEMORY_BYTES_MAX, TIMEOUT_MS, TIMEOUT_MS_MAX,
};
pub use host::{DefinitionSource, Host};
pub use keeper::Keeper;
pub use launch::HostOptions;
