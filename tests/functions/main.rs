//! Lambda functions behind deployed APIs, by the real binary. A function is a server of Lambda's Invoke
//! API that a test answers for, so that what the gateway says and takes can be seen to the byte; or one
//! that runs on this machine (`local*.rs`).
//!
//! Expectations are those of AWS's documentation and of recordings.

#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/authority.rs"]
mod authority;
#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/client.rs"]
mod client;
mod custom;
mod failures;
#[allow(dead_code, reason = "shared with the tests of HTTP/2")]
#[path = "../http2/fields.rs"]
mod fields;
#[allow(dead_code, reason = "shared with the tests of HTTP/2")]
#[path = "../http2/frame.rs"]
mod frame;
mod function;
#[path = "../harness/mod.rs"]
mod harness;
mod http_proxy;
mod local;
mod local_calls;
mod local_clients;
mod local_ends;
mod local_failures;
mod local_runtimes;
#[allow(dead_code, reason = "shared with the tests of HTTP/2")]
#[path = "../http2/peer.rs"]
mod peer;
mod permissions;
mod refusals;
mod rest_proxy;
mod scripted;
mod settings;
#[allow(dead_code, reason = "shared with the tests of TLS of deployed APIs")]
#[path = "../deployed_tls/setup.rs"]
mod setup;
mod signed;
mod stream_failures;
mod streaming;
