//! Bytes to requests and back: the drivers of client connections.
//!
//! A driver reads, lets `proto` find the messages, hands each to `pipeline::serve`, and decides
//! whether the connection goes on. It knows nothing of routes or targets.

mod h1;
mod proxied;
mod refusal;
mod tls;
mod worker;

pub use h1::{Workers, refuse_connection, serve_connection};
pub use tls::serve_tls_connection;
