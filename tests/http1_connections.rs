//! Connections of clients: kept alive, pipelined, split anywhere, ended.

mod harness;

use harness::{Client, Gateway, Upstream};

/// A listener, a route that the gateway answers itself, and everything else proxied.
fn start(upstream: &Upstream) -> Gateway {
    Gateway::start(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = ["{}"]

[[api]]
name = "main"

[[api.route]]
key = "ANY /mock"
mock = {{ body = "mocked" }}

[[api.route]]
key = "$default"
upstream = "backend"
"#,
        upstream.address()
    ))
}

#[test]
fn a_connection_carries_many_requests() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let gateway = start(&upstream);
    let mut client = gateway.connect();
    for _ in 0..50 {
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
        assert_eq!(client.request("GET", "/").text(), "hi");
    }
    assert_eq!(upstream.connections_count(), 1);
}
