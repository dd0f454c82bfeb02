//! The gateways that the tests run.

use std::net::SocketAddr;

use super::harness::Gateway;

/// In front of `target`, with an admin listener (see [`Gateway::before`]).
pub(crate) fn before(target: SocketAddr, tables: &str) -> Gateway {
    Gateway::before(target, &format!("[admin]\naddress = \"127.0.0.1:0\"\n{tables}"))
}

/// Whose targets nobody asks.
pub(crate) fn alone(tables: &str) -> Gateway {
    before(super::site::nobody(), tables)
}

/// Nothing panicked, and every connection has ended, as has every request.
pub(crate) fn assert_sound(gateway: &Gateway) {
    super::site::assert_sound(gateway);
    assert_eq!(gateway.metric("shardgate_http2_connections_active", ""), 0.0);
    assert_eq!(gateway.metric("shardgate_http2_streams_active", ""), 0.0);
}

pub(crate) const ENDED: &str = "shardgate_http2_connections_ended_total";
pub(crate) const FLOODS: &str = "shardgate_http2_floods_total";
