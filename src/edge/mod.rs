//! Bytes to requests and back: the drivers of client connections.
//!
//! A driver reads, lets `proto` find the messages, hands each to `pipeline::serve`, and decides
//! whether the connection goes on. It knows nothing of routes or targets.

mod h1;
mod h2;
mod proxied;
mod refusal;
mod request_rate;
mod tls;
mod worker;

use worker::Stock;

use crate::model::Limits;
use crate::proto::HeadLimits;

pub use h1::{refuse_connection, serve_connection};
pub use tls::serve_tls_connection;

/// A shard's stock of what connections borrow while they have something to serve.
#[derive(Debug, Default)]
pub struct Workers {
    http1: Stock<h1::Http1>,
    http2: Stock<h2::Http2Request>,
}

/// Bodies up to this length are read whole before the request is forwarded.
const SMALL_BODY_BYTES: u64 = 16 * 1024;

fn head_limits(limits: &Limits) -> HeadLimits {
    HeadLimits {
        request_line_bytes_max: limits.request_line_bytes_max,
        head_bytes_max: limits.head_bytes_max,
        headers_count_max: limits.headers_count_max,
    }
}
