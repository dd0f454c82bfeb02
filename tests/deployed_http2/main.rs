//! HTTP/2 clients of APIs that are made through the management API, by the real binary: with prior
//! knowledge and by ALPN. `SHARDGATE_TEST_DRIVER` chooses the I/O driver.

#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/authority.rs"]
mod authority;
mod bodies;
#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/client.rs"]
mod client;
#[allow(dead_code, reason = "shared with the tests of HTTP/2")]
#[path = "../http2/fields.rs"]
mod fields;
#[allow(dead_code, reason = "shared with the tests of HTTP/2")]
#[path = "../http2/frame.rs"]
mod frame;
#[path = "../harness/mod.rs"]
mod harness;
mod heads;
#[allow(dead_code, reason = "shared with the tests of HTTP/2")]
#[path = "../http2/peer.rs"]
mod peer;
mod requests;
mod secure;
#[allow(dead_code, reason = "shared with the tests of TLS of deployed APIs")]
#[path = "../deployed_tls/setup.rs"]
mod setup;
