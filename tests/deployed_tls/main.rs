//! TLS on both sides of APIs that are made through the management API, by the real binary: custom domain
//! names, mutual TLS, endpoints of `https://`, generated client certificates. `SHARDGATE_TEST_DRIVER` chooses the I/O driver.
//!
//! Expectations are those of AWS's documentation. Where one is from memory alone and was never
//! verified, a comment says `[K]`: change it when somebody knows better.

#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/authority.rs"]
mod authority;
mod backend;
#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/client.rs"]
mod client;
mod client_certificates;
mod domains;
#[path = "../harness/mod.rs"]
mod harness;
mod https_endpoints;
mod mutual_tls;
mod setup;
