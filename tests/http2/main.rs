//! HTTP/2 against the real binary: RFC 9113 and RFC 7541 section by section with raw frames, every
//! phase of the pipeline, floods, and other people's clients. `SHARDGATE_TEST_DRIVER` chooses the I/O
//! driver.

#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/authority.rs"]
mod authority;
mod bodies;
#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/client.rs"]
mod client;
mod fields;
mod floods;
mod frame;
mod gateways;
#[path = "../harness/mod.rs"]
mod harness;
mod lifecycle;
mod peer;
mod phases;
mod rfc7541;
mod rfc9113_connection;
mod rfc9113_frames;
mod rfc9113_messages;
mod rfc9113_streams;
mod secure;
mod seen;
#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/site.rs"]
mod site;
mod tools;
mod websocket;
