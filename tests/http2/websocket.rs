//! Extended CONNECT (RFC 8441): a WebSocket of a client over HTTP/2 with a target over HTTP/1.

use std::io;

use super::fields::block;
use super::frame::*;
use super::gateways::{assert_sound, before};
use super::harness::Upstream;
use super::peer::Http2;

fn connect(path: &str) -> Vec<u8> {
    block(&[
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", path),
        ("sec-websocket-version", "13"),
        ("sec-websocket-protocol", "chat"),
    ])
}

const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\n\
                      upgrade: websocket\r\nsec-websocket-accept: x\r\n\
                      sec-websocket-protocol: chat\r\n\r\n";

/// A target that switches and says everything back in upper case, then "bye" at the end.
fn switching() -> Upstream {
    Upstream::start(|_, peer| {
        let head = peer.head()?;
        if head.starts_with("GET /refused ") {
            return peer.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
        }
        peer.send(SWITCH)?;
        peer.send("hello")?;
        while let Ok(bytes) = peer.read_exact(4) {
            peer.send(bytes.to_ascii_uppercase())?;
        }
        peer.send("bye")?;
        peer.end_sending();
        Ok(())
    })
}

#[test]
fn bytes_pass_both_ways_and_each_direction_ends_on_its_own() {
    let upstream = switching();
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(connect("/chat?room=1"));
    let head = client.head(stream);
    assert_eq!(head.status, 200, "{head:?}");
    assert_eq!(head.header("sec-websocket-protocol"), Some("chat"));
    for name in ["connection", "upgrade", "sec-websocket-accept"] {
        assert_eq!(head.header(name), None, "{name}");
    }
    assert_eq!(client.body(stream, 5).text(), "hello");
    client.send(data(stream, 0, b"abcd"));
    assert_eq!(client.body(stream, 9).text(), "helloABCD");
    assert_eq!(client.request("GET", "/mock").text(), "mocked", "beside it");
    assert_eq!(gateway.metric("shardgate_tunnels", ""), 1.0);
    client.send(data(stream, END_STREAM, b"efgh"));
    let answer = client.answer(stream);
    assert_eq!((answer.text(), answer.is_whole), ("helloABCDEFGHbye", true));
    let head = String::from_utf8(upstream.received()[0].clone()).expect("text");
    let head = head.to_ascii_lowercase();
    assert!(head.starts_with("get /chat?room=1 http/1.1\r\n"), "{head}");
    for line in ["upgrade: websocket", "connection: upgrade", "sec-websocket-version: 13"] {
        assert!(head.contains(&format!("\r\n{line}\r\n")), "no {line} in {head}");
    }
    let key = head.split("sec-websocket-key: ").nth(1).and_then(|rest| rest.split("\r\n").next());
    assert_eq!(key.map(str::len), Some(24), "16 bytes in base64");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn large_amounts_pass() {
    let upstream = Upstream::start(|_, peer| {
        peer.head()?;
        peer.send(SWITCH)?;
        let bytes = peer.read_exact(1_000_000)?;
        peer.send(bytes)?;
        peer.end_sending();
        peer.rest().map(drop)
    });
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    client.check_alive();
    let stream = client.begin(connect("/chat"));
    assert_eq!(client.head(stream).status, 200);
    let bytes: Vec<u8> = (0..1_000_000_u32).map(|at| (at % 251) as u8).collect();
    client.send_body(stream, &bytes, true);
    assert!(client.answer(stream).body == bytes);
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn a_target_may_refuse() {
    let upstream = switching();
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(connect("/refused"));
    let answer = client.answer(stream);
    assert_eq!((answer.status, answer.text()), (403, "no"));
    let stream = client.begin(connect("/mock"));
    assert_eq!(client.answer(stream).status, 200, "a mock answers whatever asks");
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn a_reset_on_one_side_ends_the_other() {
    let (ended, end) = std::sync::mpsc::channel();
    let ended = std::sync::Mutex::new(ended);
    let upstream = Upstream::start(move |_, peer| {
        peer.head()?;
        peer.send(SWITCH)?;
        let _ = peer.rest();
        ended.lock().expect("sound").send(()).map_err(io::Error::other)
    });
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(connect("/chat"));
    assert_eq!(client.head(stream).status, 200);
    client.send(reset(stream, CANCEL));
    end.recv_timeout(super::harness::HANG_GUARD).expect("the target's connection has ended");
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn a_silent_tunnel_ends() {
    let upstream = Upstream::start(|_, peer| {
        peer.head()?;
        peer.send(SWITCH)?;
        peer.rest().map(drop)
    });
    let gateway = before(upstream.address(), "[timeouts]\ntunnel_idle_timeout_ms = 200\n");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(connect("/chat"));
    assert_eq!(client.head(stream).status, 200);
    client.answer(stream);
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}
