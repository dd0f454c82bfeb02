//! HTTP/2 to targets (`protocol = "h2"`) against the real binary: answers of every shape, targets that
//! refuse, stall, lie and leave. `SHARDGATE_TEST_DRIVER` chooses the I/O driver.

mod answers;
#[path = "../tls/authority.rs"]
#[allow(dead_code)] // the tests of TLS use the rest
mod authority;
mod caller;
mod connections;
mod failures;
mod frames;
#[path = "../harness/mod.rs"]
mod harness;
mod health;
mod target;
mod tls;
mod trailers;

use std::net::SocketAddr;

use harness::Gateway;

/// A gateway before `targets`, which speak HTTP/2. `group` is more of the group.
fn gateway(targets: &[SocketAddr], group: &str) -> Gateway {
    Gateway::start(&configuration(targets, group))
}

fn configuration(targets: &[SocketAddr], group: &str) -> String {
    let targets: Vec<_> = targets.iter().map(|target| format!("\"{target}\"")).collect();
    let targets = targets.join(", ");
    format!(
        r#"
[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = [{targets}]
protocol = "h2"
{group}

[[api]]
name = "main"

[[api.route]]
key = "$default"
upstream = "backend"
timeout_ms = 1_000
"#
    )
}
