//! gRPC through the real binary, between a real client and a real service (tonic), in clear text and
//! over TLS on both sides; and gRPC-Web. `SHARDGATE_TEST_DRIVER` chooses the I/O driver.

#[path = "../tls/authority.rs"]
#[allow(dead_code)] // the tests of TLS use the rest
mod authority;
#[path = "../http2_targets/caller.rs"]
#[allow(dead_code)] // the tests of HTTP/2 to targets use the rest
mod caller;
mod calls;
mod deadlines;
mod faults;
#[path = "../harness/mod.rs"]
mod harness;
mod health;
mod lifecycle;
mod probe;
mod site;
mod streams;
#[path = "../http2_targets/target.rs"]
#[allow(dead_code)] // as above
mod target;
mod web;
