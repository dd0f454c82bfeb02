//! Functions that run on this machine: their processes, started, supervised and ended.
//!
//! Owns what a function is ([`FunctionDefinition`]) and everything about its processes but what
//! their runtimes say: shards speak the Runtime API with those. Runs on the side thread.

mod definition;

pub use definition::{
    CONCURRENCY, FunctionDefinition, FunctionProgram, FunctionUser, HandlerCode, HandlerRuntime,
    IDLE_MS, INIT_TIMEOUT_MS, MEMORY_BYTES_MAX, TIMEOUT_MS, TIMEOUT_MS_MAX,
};
