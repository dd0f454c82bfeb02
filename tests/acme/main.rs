//! Certificates by ACME against a real authority: Pebble (Debian package `pebble`), which verifies
//! every signature, validates every name by a real request, handshake or look-up, and issues.
//!
//! `orders` runs the task that orders, with answers by listeners of the test; `shard` asks a shard
//! in this process; `served` is all of it, the real binary between Pebble and clients.
//! `SHARDGATE_TEST_DRIVER` chooses the I/O driver.

#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/authority.rs"]
mod authority;
mod boot;
#[allow(dead_code, reason = "shared with the tests of TLS")]
#[path = "../tls/client.rs"]
mod client;
mod front;
#[path = "../harness/mod.rs"]
mod harness;
mod impatient;
#[path = "../in_process/mod.rs"]
mod in_process;
mod names;
mod orders;
mod pebble;
mod served;
mod shard;

/// Ends the test early, and says so, where Pebble is not installed; in CI that is a failure.
macro_rules! pebble_or_return {
    ($ports:expr, $names:expr) => {
        match $crate::pebble::Pebble::start($ports, $names) {
            Some(pebble) => pebble,
            None => {
                eprintln!("skipped: pebble is missing (Debian: apt-get install pebble)");
                return;
            }
        }
    };
}
pub(crate) use pebble_or_return;
