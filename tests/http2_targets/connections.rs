//! How many connections there are, and when they end.

use std::sync::mpsc;

use super::caller::Caller;
use super::frames::{answer, greet, request};
use super::harness::Upstream;
use super::target::Target;
use super::{configuration, gateway};

#[test]
fn requests_share_a_connection() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "");
    let mut client = Caller::connect(gateway.address("public"));
    let calls: Vec<_> = (0..50).map(|_| client.begin_get("/gate")).collect();
    target.wait_for_requests(50);
    target.open_gate(50);
    for call in calls {
        assert_eq!(client.end(call).expect("an answer").body, "through");
    }
    assert_eq!(target.connections_count(), 1);
}

/// A target that takes one request at once on a connection gets more connections.
#[test]
fn a_target_may_bound_the_streams_of_a_connection() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let target = Target::serving(builder);
    let gateway = gateway(&[target.address], "");
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/").text(), "hello"); // its settings are known now
    let mut clients: Vec<_> = (0..5).map(|_| gateway.connect()).collect();
    for client in &mut clients {
        client.send("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n");
    }
    target.wait_for_requests(6);
    assert_eq!(target.connections_count(), 5);
    target.open_gate(5);
    for client in &mut clients {
        assert_eq!(client.answer().text(), "through");
    }
}

/// The same before its settings are known: what it refuses for that is tried again.
#[test]
fn a_burst_on_a_new_connection_loses_nothing() {
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(1);
    let target = Target::serving(builder);
    let gateway = gateway(&[target.address], "");
    let mut client = Caller::connect(gateway.address("public"));
    let calls: Vec<_> = (0..20).map(|_| client.begin_get("/")).collect();
    for call in calls {
        assert_eq!(client.end(call).expect("an answer").body, "hello");
    }
}

#[test]
fn a_connection_carries_as_many_requests_as_it_may() {
    let target = Target::start();
    let gateway = gateway(&[target.address], "keepalive_requests_max = 2");
    let mut client = gateway.connect();
    for _ in 0..6 {
        assert_eq!(client.request("GET", "/").text(), "hello");
    }
    assert_eq!(target.connections_count(), 3);
}

/// A target by hand that tells when a connection of the gateway's has ended.
fn telling(ended: mpsc::Sender<usize>) -> Upstream {
    Upstream::start(move |number, peer| {
        greet(peer)?;
        while let Ok(stream) = request(peer) {
            peer.send(answer(stream, b"hello"))?;
        }
        let _ = ended.send(number);
        Ok(())
    })
}

#[test]
fn connections_that_nobody_uses_end() {
    for group in ["keepalive_timeout_ms = 50", "keepalive_connections_max = 0"] {
        let (ended, ends) = mpsc::channel();
        let target = telling(ended);
        let gateway = gateway(&[target.address()], group);
        assert_eq!(gateway.connect().request("GET", "/").text(), "hello");
        let number = ends.recv_timeout(super::harness::HANG_GUARD).expect("an end");
        assert_eq!(number, 0, "{group}");
        assert_eq!(gateway.connect().request("GET", "/").text(), "hello");
        assert_eq!(target.connections_count(), 2, "{group}");
    }
}

/// What has carried all that it may ends with its last request.
#[test]
fn worn_out_connections_end() {
    let (ended, ends) = mpsc::channel();
    let target = telling(ended);
    let gateway = gateway(&[target.address()], "keepalive_requests_max = 1");
    let mut client = gateway.connect();
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/").text(), "hello");
    }
    let mut over: Vec<_> =
        (0..2).map(|_| ends.recv_timeout(super::harness::HANG_GUARD).expect("an end")).collect();
    over.sort_unstable();
    assert_eq!(over, [0, 1]);
}

#[test]
fn a_drain_waits_for_the_answer() {
    let target = Target::start();
    let mut gateway = gateway(&[target.address], "");
    let mut client = gateway.connect();
    client.send("GET /gate HTTP/1.1\r\nhost: a\r\n\r\n");
    target.wait_for_requests(1);
    gateway.signal("TERM");
    gateway.wait_for_log("the drain", |line| line["message"] == "draining");
    target.open_gate(1);
    assert_eq!(client.answer().text(), "through");
    assert_eq!(client.rest(), b"", "then the connection ends");
    assert!(gateway.wait().success());
}

/// A group that speaks HTTP/1.1 after a reload reaches its targets anew.
#[test]
fn a_reload_may_change_the_protocol() {
    let target = Upstream::start(|_, peer| {
        let first = peer.read_exact(3)?;
        match &first[..] {
            b"PRI" => {
                peer.read_exact(21)?;
                peer.send(super::frames::frame(super::frames::SETTINGS, 0, 0, b""))?;
                loop {
                    let stream = request(peer)?;
                    peer.send(answer(stream, b"new"))?;
                }
            }
            _ => loop {
                peer.head()?;
                peer.send("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nold")?;
            },
        }
    });
    let gateway = gateway(&[target.address()], "");
    assert_eq!(gateway.connect().request("GET", "/").text(), "new");
    gateway.rewrite(&configuration(&[target.address()], "").replace("\"h2\"", "\"http/1.1\""));
    gateway.signal("HUP");
    gateway.wait_for_log("a reload", |line| line["message"] == "the configuration was reloaded");
    assert_eq!(gateway.connect().request("GET", "/").text(), "old");
}
