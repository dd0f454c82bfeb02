//! Connections that change protocols: bytes both ways, each direction ended on its own.

mod harness;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::{Mutex, mpsc};
use std::thread;

use harness::{Client, Echo, Gateway, Upstream};

fn gateway(target: SocketAddr, timeouts: &str) -> Gateway {
    Gateway::start(&format!(
        r#"
[timeouts]
{timeouts}

[[listener]]
name = "public"
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = ["{target}"]

[[api]]
name = "main"

[[api.route]]
key = "$default"
upstream = "backend"
"#
    ))
}

const UPGRADE: &str =
    "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\nx-key: 1\r\n\r\n";
const SWITCH: &str = "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\nx-accept: 2\r\n\r\n";

/// Switches, then runs `script`.
fn switching(
    script: impl Fn(&mut harness::Peer) -> std::io::Result<()> + Send + Sync + 'static,
) -> Upstream {
    Upstream::start(move |_, peer| {
        peer.head()?;
        peer.send(SWITCH)?;
        script(peer)
    })
}

fn upgraded(gateway: &Gateway) -> Client {
    let mut client = gateway.connect();
    client.send(UPGRADE);
    let head = client.answer_head();
    assert_eq!(head.status, 101, "{}", head.head);
    assert_eq!(head.header("upgrade"), Some("echo"));
    assert_eq!(head.header("connection").map(str::to_ascii_lowercase).as_deref(), Some("upgrade"));
    client
}

#[test]
fn bytes_pass_both_ways() {
    let (heads, head) = mpsc::channel();
    let heads = Mutex::new(heads);
    let upstream = Upstream::start(move |_, peer| {
        heads.lock().expect("sound").send(peer.head()?).map_err(std::io::Error::other)?;
        peer.send(SWITCH)?;
        peer.send("hello")?;
        while let Ok(bytes) = peer.read_exact(4) {
            peer.send(bytes.to_ascii_uppercase())?;
        }
        Ok(())
    });
    let gateway = gateway(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(UPGRADE);
    let answer = client.answer_head();
    assert_eq!((answer.status, answer.header("x-accept")), (101, Some("2")));
    let head = head.recv().expect("a request").to_ascii_lowercase();
    assert!(head.contains("connection: upgrade"), "{head}");
    assert!(head.contains("upgrade: echo") && head.contains("x-key: 1"), "{head}");
    assert_eq!(client.read_exact(5), b"hello");
    for _ in 0..100 {
        client.send("ping");
        assert_eq!(client.read_exact(4), b"PING");
    }
    assert_eq!(gateway.metric("shardgate_tunnels", ""), 1.0);
    drop(client);
    gateway.wait_until_quiet();
}

#[test]
fn a_client_may_end_its_side_first() {
    let upstream = switching(|peer| {
        let rest = peer.rest()?;
        peer.send(format!("{} bytes", rest.len()))
    });
    let gateway = gateway(upstream.address(), "");
    let mut client = upgraded(&gateway);
    client.send("x".repeat(1000));
    client.end_sending();
    assert_eq!(client.rest(), b"1000 bytes");
    gateway.wait_until_quiet();
}

#[test]
fn a_target_may_end_its_side_first() {
    let (got, gets) = mpsc::channel();
    let got = Mutex::new(got);
    let upstream = switching(move |peer| {
        peer.send("goodbye")?;
        peer.end_sending();
        got.lock().expect("sound").send(peer.rest()?).map_err(std::io::Error::other)
    });
    let gateway = gateway(upstream.address(), "");
    let mut client = upgraded(&gateway);
    assert_eq!(client.rest(), b"goodbye");
    client.send("still here");
    client.end_sending();
    assert_eq!(gets.recv().expect("the target reads on"), b"still here");
    gateway.wait_until_quiet();
}

#[test]
fn the_backends_farewell_follows_the_clients_end() {
    let echo = Echo::start();
    let gateway = gateway(echo.address(), "");
    let mut client = gateway.connect();
    client.send(
        "GET /upgrade/5000000 HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
    );
    assert_eq!(client.answer_head().status, 101);
    client.send("abc");
    client.end_sending();
    let rest = client.rest();
    assert_eq!(rest.len(), 3 + 5_000_000);
    assert!(rest.starts_with(b"abc"));
}

#[test]
fn early_bytes_are_held_until_the_target_has_switched() {
    let (early, arrived) = mpsc::channel();
    let early = Mutex::new(early);
    let upstream = Upstream::start(move |_, peer| {
        peer.head()?;
        // Nothing but the request until it has agreed, however long that takes.
        peer.socket().set_read_timeout(Some(std::time::Duration::from_millis(100)))?;
        let is_early = peer.read_exact(1).is_ok();
        peer.socket().set_read_timeout(Some(harness::HANG_GUARD))?;
        early.lock().expect("sound").send(is_early).map_err(std::io::Error::other)?;
        peer.send(SWITCH)?;
        let bytes = peer.read_exact(5)?;
        peer.send(bytes)?;
        peer.rest()?;
        Ok(())
    });
    let gateway = gateway(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(format!("{UPGRADE}early"));
    assert_eq!(client.answer_head().status, 101);
    assert!(!arrived.recv().expect("looked"), "bytes came before the 101");
    assert_eq!(client.read_exact(5), b"early");
}

#[test]
fn a_refused_upgrade_is_an_ordinary_answer() {
    let upstream = Upstream::answering("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\n\r\nno");
    let gateway = gateway(upstream.address(), "");
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send(UPGRADE);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (403, "no"));
    }
    // What follows is taken for what it is: requests.
    client.send(format!("{UPGRADE}GET / HTTP/1.1\r\nhost: a\r\n\r\n"));
    assert_eq!(client.answer().status, 403);
    assert_eq!(client.answer().status, 403);
    assert_eq!(upstream.connections_count(), 1);
    assert_eq!(gateway.metric("shardgate_tunnels", ""), 0.0);
    assert_eq!(upstream.requests().len(), 5);
}

/// Requests that must reach the target as ordinary ones, without a word of changing protocols.
#[test]
fn some_upgrades_are_not_passed_on() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let gateway = gateway(upstream.address(), "");
    let with =
        |fields: &str, body: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{fields}\r\n{body}");
    let upgrade = "connection: upgrade\r\nupgrade: echo\r\n";
    let requests = [
        // With a body (CVE-2026-58055).
        with(&format!("{upgrade}content-length: 5\r\n"), "hello"),
        with(&format!("{upgrade}transfer-encoding: chunked\r\n"), "5\r\nhello\r\n0\r\n\r\n"),
        // To HTTP itself, which would hide requests from the gateway.
        with(
            "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABk\r\n",
            "",
        ),
        with("connection: Upgrade\r\nupgrade: H2C\r\n", ""),
        with("connection: upgrade\r\nupgrade: echo, h2c\r\n", ""),
        with("connection: upgrade\r\nupgrade: echo\r\nupgrade: h2c\r\n", ""),
        with("connection: upgrade\r\nupgrade: HTTP/2.0\r\n", ""),
        with("connection: upgrade\r\nupgrade: TLS/1.0\r\n", ""),
        // Not asked for on this hop.
        with("upgrade: echo\r\n", ""),
    ];
    let count = requests.len();
    for request in requests {
        let mut client = gateway.connect();
        client.send(&request);
        assert_eq!(client.answer().text(), "ok", "{request}");
    }
    let heads = upstream.requests();
    assert_eq!(heads.len(), count);
    for head in heads {
        assert_eq!(head.values("upgrade"), Vec::<String>::new(), "{}", head.head);
        assert_eq!(head.values("http2-settings"), Vec::<String>::new(), "{}", head.head);
        let connection = head.values("connection").join(",").to_ascii_lowercase();
        assert!(!connection.contains("upgrade"), "{}", head.head);
    }
}

#[test]
fn http_1_0_does_not_upgrade() {
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
    let gateway = gateway(upstream.address(), "");
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.0\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(client.answer().text(), "ok");
    assert_eq!(upstream.requests()[0].values("upgrade"), Vec::<String>::new());
}

#[test]
fn a_switch_that_nobody_asked_for_is_502() {
    let upstream = switching(|_| Ok(()));
    let gateway = gateway(upstream.address(), "");
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/").status, 502);
    client.send(
        "POST / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\
         content-length: 1\r\n\r\nx",
    );
    assert_eq!(client.answer().status, 502);
}

#[test]
fn a_silent_tunnel_ends() {
    let (ended, end) = mpsc::channel();
    let ended = Mutex::new(ended);
    let upstream = switching(move |peer| {
        let _ = peer.rest();
        ended.lock().expect("sound").send(()).map_err(std::io::Error::other)
    });
    let gateway = gateway(upstream.address(), "tunnel_idle_timeout_ms = 50");
    let mut client = upgraded(&gateway);
    assert_eq!(client.rest(), b"");
    end.recv().expect("the target's side ends too");
    gateway.wait_until_quiet();
    assert_eq!(gateway.metric("shardgate_deadlines_fired_total", "kind=\"tunnel\""), 1.0);
}

#[test]
fn traffic_in_one_direction_keeps_a_tunnel() {
    // The client says nothing for many times the timeout, while the target goes on.
    let upstream = switching(|peer| {
        let (_never, pause) = mpsc::channel::<()>();
        for _ in 0..60 {
            peer.send("x")?;
            let _ = pause.recv_timeout(std::time::Duration::from_millis(10));
        }
        peer.send("done")?;
        peer.rest()?;
        Ok(())
    });
    let gateway = gateway(upstream.address(), "tunnel_idle_timeout_ms = 300");
    let mut client = upgraded(&gateway);
    let bytes = client.read_exact(64);
    assert!(bytes.ends_with(b"done"));
}

#[test]
fn a_side_that_is_reset_ends_the_other() {
    for by_client in [true, false] {
        let (go, told) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        let (told, ended) = (Mutex::new(told), Mutex::new(ended));
        let reset = |socket: &std::net::TcpStream| {
            let socket = socket2::SockRef::from(socket);
            socket.set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
        };
        let upstream = switching(move |peer| {
            if by_client {
                let _ = peer.rest();
                return ended.lock().expect("sound").send(()).map_err(std::io::Error::other);
            }
            told.lock().expect("sound").recv().map_err(std::io::Error::other)?;
            reset(peer.socket());
            Ok(())
        });
        let gateway = gateway(upstream.address(), "");
        let mut client = upgraded(&gateway);
        if by_client {
            reset(client.socket());
            drop(client);
            end.recv().expect("the target's side ends");
        } else {
            go.send(()).expect("the target waits");
            let (rest, _) = client.rest_or_reset();
            assert_eq!(rest, b"");
            drop(client);
        }
        gateway.wait_until_quiet();
    }
}

#[test]
fn much_passes_both_ways_at_once() {
    const BYTES: usize = 20_000_000;
    let echo = Echo::start();
    let gateway = gateway(echo.address(), "");
    let mut client = gateway.connect();
    client.send("GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n");
    assert_eq!(client.answer_head().status, 101);
    let mut sender = client.socket().try_clone().expect("a socket");
    let block: Vec<u8> = (0..100_000_u32).map(|number| (number % 251) as u8).collect();
    let expected = block.clone();
    let sending = thread::spawn(move || {
        for _ in 0..BYTES / block.len() {
            sender.write_all(&block).expect("sent");
        }
        sender.shutdown(std::net::Shutdown::Write).expect("a socket");
    });
    for number in 0..BYTES / expected.len() {
        assert!(client.read_exact(expected.len()) == expected, "block {number} differs");
    }
    assert_eq!(client.rest(), b"");
    sending.join().expect("all was sent");
}

#[test]
fn many_tunnels_stand_at_once() {
    const COUNT: usize = 200;
    let echo = Echo::start();
    let gateway = gateway(echo.address(), "");
    let mut clients: Vec<_> = (0..COUNT)
        .map(|_| {
            let mut client = gateway.connect();
            client.send(
                "GET /upgrade HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
            );
            assert_eq!(client.answer_head().status, 101);
            client
        })
        .collect();
    gateway.wait_for_metric("shardgate_tunnels", "", COUNT as f64);
    for round in 0..3 {
        for (number, client) in clients.iter_mut().enumerate() {
            client.send(format!("{round}-{number:04}"));
        }
        for (number, client) in clients.iter_mut().enumerate() {
            assert_eq!(client.read_exact(6), format!("{round}-{number:04}").as_bytes());
        }
    }
    // Tunnels leave the pool's connections alone.
    assert_eq!(gateway.connect().request("GET", "/bytes/9").body.len(), 9);
    for client in &clients {
        client.socket().shutdown(std::net::Shutdown::Write).expect("a socket");
    }
    for mut client in clients {
        assert_eq!(client.rest(), b"");
    }
    gateway.wait_until_quiet();
}
