//! shardgate: an API gateway with Amazon API Gateway's semantics, one shard per core.
//!
//! The map of the modules, and the way of one request through them, is `src/ARCHITECTURE.md`.

pub mod base;
pub mod cli;
pub mod control;
pub mod coord;
pub mod edge;
pub mod expr;
pub mod function;
pub mod http2;
pub mod lambda;
pub mod model;
pub mod observe;
pub mod pipeline;
pub mod plan;
pub mod proto;
pub mod rt;
pub mod runtime;
pub mod settings;
pub mod shard;
pub mod sign;
pub mod store;
pub mod sys;
pub mod tls;
pub mod transport;
pub mod upstream;
