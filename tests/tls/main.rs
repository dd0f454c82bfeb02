//! TLS against the real binary: HTTP/1.1 inside it, domains and mutual TLS, what is no TLS,
//! reloads and drains, HTTPS to targets. `SHARDGATE_TEST_DRIVER` chooses the I/O driver.

mod alerts;
mod authority;
mod bad_input;
mod changed_files;
mod client;
mod domains;
mod expiry;
#[path = "../harness/mod.rs"]
mod harness;
mod http1;
mod lifecycle;
mod site;
mod targets;
mod testssl;
