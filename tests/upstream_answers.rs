//! What targets answer, late, cut, malformed or too much, and what clients get to see of it.

mod harness;

use std::io::Write as _;
use std::net::SocketAddr;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;

use harness::{Client, Echo, Gateway, Upstream};

/// The gateway before `target`. `upstream` and `route` are further settings of its group and of its
/// only route.
fn gateway(target: SocketAddr, upstream: &str, route: &str) -> Gateway {
    Gateway::start(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[admin]
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = ["{target}"]
{upstream}

[[api]]
name = "main"

[[api.route]]
key = "$default"
upstream = "backend"
{route}
"#
    ))
}

fn plain(target: SocketAddr) -> Gateway {
    gateway(target, "", "")
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

/// What a client sees of a malformed answer.
#[derive(Clone, Copy, Debug)]
enum Seen {
    /// The gateway's own 502.
    BadGateway,
    /// This status with "hello", whole.
    Hello(u16),
    /// This status without a body.
    Empty(u16),
    /// The head of a 200 and part of a body that is plainly cut.
    Cut,
}

/// Every malformed answer of the backend.
const MALFORMED: &[(&str, Seen)] = &[
    ("both-lengths", Seen::BadGateway),
    ("two-lengths", Seen::BadGateway),
    ("length-text", Seen::BadGateway),
    ("length-sign", Seen::BadGateway),
    ("length-overflow", Seen::BadGateway),
    ("long", Seen::Hello(200)),
    ("short", Seen::Cut),
    ("extra-bytes", Seen::Hello(200)),
    ("204-body", Seen::Empty(204)),
    ("304-body", Seen::Empty(304)),
    ("chunk-size", Seen::BadGateway),
    ("chunk-overflow", Seen::BadGateway),
    ("chunk-end", Seen::BadGateway),
    ("chunk-cut", Seen::Cut),
    ("chunk-last", Seen::Cut),
    ("chunked-twice", Seen::BadGateway),
    ("coding", Seen::BadGateway),
    ("status", Seen::BadGateway),
    ("status-range", Seen::BadGateway),
    ("version", Seen::BadGateway),
    ("no-head", Seen::BadGateway),
    ("head-cut", Seen::BadGateway),
    ("no-colon", Seen::BadGateway),
    ("space-colon", Seen::BadGateway),
    ("obs-fold", Seen::BadGateway),
    ("bare-cr", Seen::BadGateway),
    ("nul", Seen::BadGateway),
    ("switch", Seen::BadGateway),
    ("nothing", Seen::BadGateway),
];

#[test]
fn malformed_answers_stay_with_the_request_that_caused_them() {
    let echo = Echo::start();
    let gateway = plain(echo.address());
    let listed = gateway.connect().request("GET", "/paths").text().to_owned();
    let (_, names) = listed.split_once("malformed answers").expect("the list of them");
    let mut witness = gateway.connect();
    for (name, seen) in MALFORMED {
        assert!(names.contains(name), "{name} is not in {names}");
        for round in 0..3 {
            let mut client = gateway.connect();
            client.send(get(&format!("/bad/{name}")));
            see(&mut client, name, *seen);
            // Whoever comes next gets what was asked for, from a connection without a past.
            let answer = witness.request("GET", &format!("/bytes/{}", 7 + round));
            assert_eq!((answer.status, answer.body.len()), (200, 7 + round), "after {name}");
        }
    }
    let listed = names.lines().filter(|line| line.starts_with([' ', '\t', '/'])).count();
    assert_eq!(listed, MALFORMED.len(), "the backend has others: {names}");
    drop(witness);
    gateway.wait_until_quiet();
}

fn see(client: &mut Client, name: &str, seen: Seen) {
    match seen {
        Seen::BadGateway => assert_eq!(client.answer().status, 502, "{name}"),
        Seen::Hello(status) => {
            let answer = client.answer();
            assert_eq!((answer.status, answer.text()), (status, "hello"), "{name}");
            let next = client.request("GET", "/bytes/3");
            assert_eq!((next.status, next.body.len()), (200, 3), "after {name}");
        }
        Seen::Empty(status) => {
            let answer = client.answer();
            assert_eq!(answer.status, status, "{name}");
            let next = client.request("GET", "/bytes/3");
            assert_eq!((next.status, next.body.len()), (200, 3), "after {name}");
        }
        Seen::Cut => {
            let (bytes, _) = client.rest_or_reset();
            let text = String::from_utf8_lossy(&bytes);
            assert!(text.is_empty() || text.starts_with("HTTP/1.1 "), "{name}: {text}");
            assert!(!text.ends_with("0\r\n\r\n"), "{name} looks whole: {text}");
            if text.starts_with("HTTP/1.1 200") && !text.contains("chunked") {
                assert!(text.contains("content-length: 50\r\n"), "{name}: {text}");
            }
        }
    }
}

#[test]
fn nothing_leaks_whatever_targets_do() {
    let echo = Echo::start();
    let gateway = gateway(
        echo.address(),
        "keepalive_timeout_ms = 1\nidle_timeout_ms = 50\ntotal_timeout_ms = 1000",
        "timeout_ms = 50",
    );
    let closed = |count: f64| {
        gateway.wait_for_metric("shardgate_upstream_connections_closed_total", "", count);
    };
    let quiet = || {
        gateway.wait_until_quiet();
        // Gauges are as of the last sweep of unused connections. One that closes a connection has
        // surely ended when the next one does.
        for _ in 0..2 {
            assert_eq!(gateway.connect().request("GET", "/x").status, 200);
            closed(gateway.metric("shardgate_upstream_connections_opened_total", ""));
        }
        gateway.wait_until_quiet();
        gateway.wait_for_metric("shardgate_buffers", "state=\"taken\"", 0.0);
        gateway.metric("process_open_fds", "")
    };
    let before = quiet();
    for (name, _) in MALFORMED {
        for _ in 0..3 {
            let mut client = gateway.connect();
            client.send(get(&format!("/bad/{name}")));
            client.end_sending();
            client.rest_or_reset();
        }
    }
    for path in ["/close", "/reset", "/delay/3600000", "/slow/9/3600000", "/until-close/9", "/x"] {
        for method in ["GET", "POST"] {
            for framing in ["x: y", "content-length: 50000", "transfer-encoding: chunked"] {
                let mut client = gateway.connect();
                client.send(format!("{method} {path} HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n"));
                let _ = client.try_send("5\r\nhello\r\n");
                client.end_sending();
                client.rest_or_reset();
            }
        }
    }
    while quiet() > before {}
}

#[test]
fn an_answer_before_its_request_is_never_used() {
    let (poison, told) = mpsc::channel::<()>();
    let (poisoned, done) = mpsc::channel::<()>();
    let (told, poisoned) = (Mutex::new(told), Mutex::new(poisoned));
    let upstream = Upstream::start(move |number, peer| {
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{number}");
        peer.request()?;
        peer.send(answer)?;
        told.lock().expect("sound").recv().map_err(std::io::Error::other)?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\npoisoned")?;
        poisoned.lock().expect("sound").send(()).map_err(std::io::Error::other)?;
        peer.rest()?;
        Ok(())
    });
    let gateway = plain(upstream.address());
    let mut client = gateway.connect();
    for number in 0..10 {
        assert_eq!(client.request("GET", "/").text(), number.to_string());
        poison.send(()).expect("the upstream waits");
        done.recv().expect("sent");
    }
}

#[test]
fn surplus_behind_an_answer_ends_the_connection() {
    for surplus in ["x", "\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 3\r\n\r\nbad"] {
        for head in
            ["200 OK\r\ncontent-length: 0", "204 No", "200 OK\r\ntransfer-encoding: chunked"]
        {
            let body = if head.contains("chunked") { "0\r\n\r\n" } else { "" };
            let upstream = Upstream::answering(format!("HTTP/1.1 {head}\r\n\r\n{body}{surplus}"));
            let gateway = plain(upstream.address());
            let mut client = gateway.connect();
            for _ in 0..3 {
                let answer = client.request("GET", "/");
                assert_eq!(answer.text(), "", "{head} {surplus:?}");
            }
            assert_eq!(upstream.connections_count(), 3, "{head} {surplus:?}");
        }
    }
}

#[test]
fn answers_to_head_and_204_and_304_have_no_body() {
    let upstream = Upstream::start(|_, peer| {
        loop {
            let line = peer.request()?.line().to_owned();
            peer.send(match line.split(' ').nth(1) {
                Some("/304") => "HTTP/1.1 304 X\r\ncontent-length: 5\r\n\r\n",
                Some("/204") => "HTTP/1.1 204 X\r\n\r\n",
                Some("/chunked") => "HTTP/1.1 200 X\r\ntransfer-encoding: chunked\r\n\r\n",
                _ => "HTTP/1.1 200 X\r\ncontent-length: 5\r\n\r\n",
            })?;
        }
    });
    let gateway = plain(upstream.address());
    let mut client = gateway.connect();
    for (method, path, length) in [
        ("HEAD", "/", Some("5")),
        ("GET", "/304", Some("5")),
        ("GET", "/204", None),
        ("HEAD", "/chunked", None),
    ] {
        let answer = client.request(method, path);
        assert_eq!(answer.header("content-length"), length, "{method} {path}");
    }
    assert_eq!(upstream.connections_count(), 1);
}

#[test]
fn heads_are_bounded() {
    let many = format!("HTTP/1.1 200 OK\r\n{}content-length: 0\r\n\r\n", "a: b\r\n".repeat(300));
    let long = format!("HTTP/1.1 200 OK\r\na: {}\r\ncontent-length: 0\r\n\r\n", "x".repeat(70_000));
    for bytes in [many, long] {
        let upstream = Upstream::answering(bytes);
        let gateway = plain(upstream.address());
        assert_eq!(gateway.connect().request("GET", "/").status, 502);
    }
    // An endless head is not waited for to its end.
    let upstream = Upstream::start(|_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\n")?;
        loop {
            peer.send("a: b\r\n".repeat(100))?;
        }
    });
    assert_eq!(plain(upstream.address()).connect().request("GET", "/").status, 502);
    // Large ones that are within bounds come through whole.
    let value = "y".repeat(40_000);
    let upstream = Upstream::answering(format!(
        "HTTP/1.1 200 OK\r\na: {value}\r\ncontent-length: 2\r\n\r\nhi"
    ));
    let gateway = plain(upstream.address());
    let mut client = gateway.connect();
    for _ in 0..2 {
        let answer = client.request("GET", "/");
        assert_eq!(answer.header("a"), Some(value.as_str()));
        assert_eq!(answer.text(), "hi");
    }
}

#[test]
fn interim_answers_pass_up_to_a_bound() {
    let echo = Echo::start();
    let gateway = plain(echo.address());
    let mut client = gateway.connect();
    for count in [1, 15, 16] {
        client.send(get(&format!("/interim/{count}")));
        for _ in 0..count {
            assert_eq!(client.answer_head().status, 103);
        }
        assert_eq!(client.answer().status, 200, "after {count}");
    }
    client.send(get("/interim/17"));
    for _ in 0..16 {
        assert_eq!(client.answer_head().status, 103);
    }
    assert_eq!(client.answer().status, 502);
    client.send(get("/interim/1000000"));
    for _ in 0..16 {
        assert_eq!(client.answer_head().status, 103);
    }
    assert_eq!(client.answer().status, 502);
    // HTTP/1.0 knows no interim answers.
    let mut old = gateway.connect();
    old.send("GET /interim/3 HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!(old.answer().status, 200);
}

#[test]
fn an_answer_that_is_cut_looks_cut() {
    let heads = [
        ("content-length: 100", ""),
        ("transfer-encoding: chunked", "64\r\n"),
        ("transfer-encoding: chunked", "a\r\n0123456789\r\n"),
    ];
    for resets in [false, true] {
        for (head, first) in heads {
            let upstream = Upstream::start(move |_, peer| {
                peer.request()?;
                peer.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n{first}0123456789"))?;
                if resets {
                    reset(peer.socket());
                }
                peer.close();
                Ok(())
            });
            let gateway = plain(upstream.address());
            let mut client = gateway.connect();
            client.send(get("/"));
            let (bytes, _) = client.rest_or_reset();
            let text = String::from_utf8_lossy(&bytes);
            // A reset may take away what was not read yet, the head included.
            assert!(!text.ends_with("0\r\n\r\n"), "{text}");
            if text.starts_with("HTTP/1.1 200") {
                assert!(text.contains(head), "{text}");
            } else {
                assert!(resets && text.starts_with("HTTP/1.1 502"), "{text}");
            }
        }
    }
}

/// Makes the close of `socket` a reset.
fn reset(socket: &std::net::TcpStream) {
    let socket = socket2::SockRef::from(socket);
    socket.set_linger(Some(std::time::Duration::ZERO)).expect("a socket");
}

#[test]
fn an_answer_that_ends_with_a_reset_has_no_last_chunk() {
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\n\r\nno length")?;
        gone.lock().expect("sound").recv().map_err(std::io::Error::other)?;
        reset(peer.socket());
        Ok(())
    });
    let gateway = plain(upstream.address());
    let mut client = gateway.connect();
    client.send(get("/"));
    assert_eq!(client.answer_head().header("transfer-encoding"), Some("chunked"));
    assert_eq!(client.read_exact(14), b"9\r\nno length\r\n");
    go.send(()).expect("the upstream waits");
    let (rest, _) = client.rest_or_reset();
    assert_eq!(rest, b"");
}

#[test]
fn a_cut_answer_to_http_1_0_ends_with_a_reset() {
    // Its end is the connection's end, so only a reset tells that something is missing.
    let (go, gone) = mpsc::channel::<()>();
    let gone = Mutex::new(gone);
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n")?;
        gone.lock().expect("sound").recv().map_err(std::io::Error::other)?;
        peer.close();
        Ok(())
    });
    let gateway = plain(upstream.address());
    let mut client = gateway.connect();
    client.send("GET / HTTP/1.0\r\nhost: a\r\n\r\n");
    assert_eq!(client.answer_head().header("transfer-encoding"), None);
    assert_eq!(client.read_exact(5), b"hello");
    go.send(()).expect("the upstream waits");
    let (rest, error) = client.rest_or_reset();
    assert_eq!((rest, error), (Vec::new(), Some(std::io::ErrorKind::ConnectionReset)));
}

#[test]
fn a_head_that_is_cut_is_tried_again_if_that_is_safe() {
    let upstream = Upstream::start(|number, peer| {
        peer.request()?;
        match number {
            0 | 2 => peer.send("HTTP/1.1 200 OK\r\ncontent-le")?,
            _ => peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")?,
        }
        peer.close();
        Ok(())
    });
    let gateway = plain(upstream.address());
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/").text(), "hi");
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n");
    assert_eq!(client.answer().status, 502);
}

/// An upstream that takes requests and says `first`, then nothing; it reports when the gateway has
/// ended the connection.
fn stalling(first: &'static str) -> (Upstream, mpsc::Receiver<()>) {
    let (ended, end) = mpsc::channel();
    let ended = Mutex::new(ended);
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send(first)?;
        let _ = peer.rest();
        let _ = ended.lock().expect("sound").send(());
        Ok(())
    });
    (upstream, end)
}

#[test]
fn a_target_that_does_not_begin_its_answer_is_504() {
    for first in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 103 X\r\n\r\n"] {
        let (upstream, end) = stalling(first);
        let gateway = gateway(upstream.address(), "", "timeout_ms = 50");
        let mut client = gateway.connect();
        client.send(get("/"));
        if first.contains("103") {
            assert_eq!(client.answer_head().status, 103);
        }
        assert_eq!(client.answer().status, 504);
        end.recv().expect("the connection to the target ends");
        assert_eq!(upstream.connections_count(), 1, "it is not tried again");
        let fired = |kind| gateway.metric("shardgate_deadlines_fired_total", kind);
        assert_eq!(fired("kind=\"first_byte\""), 1.0);
        // The client's connection goes on.
        client.send(get("/"));
        if first.contains("103") {
            assert_eq!(client.answer_head().status, 103);
        }
        assert_eq!(client.answer().status, 504);
    }
}

#[test]
fn a_target_that_stops_within_a_body_is_given_up() {
    for head in ["content-length: 9", "transfer-encoding: chunked"] {
        let first = format!("HTTP/1.1 200 OK\r\n{head}\r\n\r\n4\r\nab");
        let (upstream, end) = stalling(Box::leak(first.into_boxed_str()));
        let gateway = gateway(upstream.address(), "idle_timeout_ms = 50", "");
        let mut client = gateway.connect();
        client.send(get("/"));
        assert_eq!(client.answer_head().status, 200);
        let (rest, _) = client.rest_or_reset();
        assert!(rest.len() < 9 && !rest.ends_with(b"0\r\n\r\n"), "{rest:?}");
        end.recv().expect("the connection to the target ends");
        let kind = "kind=\"upstream_idle\"";
        assert_eq!(gateway.metric("shardgate_deadlines_fired_total", kind), 1.0);
    }
}

#[test]
fn the_whole_answer_has_a_timeout() {
    // Always something new, so that no other timeout ends it.
    let (ended, end) = mpsc::channel();
    let ended = Mutex::new(ended);
    let upstream = Upstream::start(move |_, peer| {
        let slowly = peer.request()?.line().starts_with("GET /slow ");
        if !slowly {
            return peer
                .send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\nconnection: close\r\n\r\nfast");
        }
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let (_never, pause) = mpsc::channel::<()>();
        while peer.send("1\r\nx\r\n").is_ok() {
            let _ = pause.recv_timeout(std::time::Duration::from_millis(5));
        }
        let _ = ended.lock().expect("sound").send(());
        Ok(())
    });
    let gateway = gateway(upstream.address(), "total_timeout_ms = 200", "");
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/").text(), "fast");
    client.send(get("/slow"));
    assert_eq!(client.answer_head().status, 200);
    let (rest, _) = client.rest_or_reset();
    assert!(!rest.ends_with(b"0\r\n\r\n"));
    end.recv().expect("the connection to the target ends");
    assert_eq!(gateway.metric("shardgate_deadlines_fired_total", "kind=\"total\""), 1.0);
    gateway.wait_until_quiet();
}

#[test]
fn the_timeout_of_the_whole_holds_before_the_first_byte() {
    let (upstream, end) = stalling("");
    let gateway = gateway(upstream.address(), "total_timeout_ms = 50", "");
    assert_eq!(gateway.connect().request("GET", "/").status, 504);
    end.recv().expect("the connection to the target ends");
    assert_eq!(gateway.metric("shardgate_deadlines_fired_total", "kind=\"total\""), 1.0);
}

#[test]
fn connections_outlive_the_timeouts_of_their_requests() {
    // Kept for longer than the whole of one exchange may take.
    let upstream = Upstream::answering("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi");
    let (late, end) = stalling("");
    let gateway = Gateway::start(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "quick"
targets = ["{}"]
total_timeout_ms = 50

[[upstream]]
name = "late"
targets = ["{}"]

[[api]]
name = "main"

[[api.route]]
key = "$default"
upstream = "quick"

[[api.route]]
key = "GET /late"
upstream = "late"
timeout_ms = 150
"#,
        upstream.address(),
        late.address()
    ));
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/").text(), "hi");
    assert_eq!(client.request("GET", "/late").status, 504, "meanwhile time passes");
    end.recv().expect("the connection to the target ends");
    assert_eq!(client.request("GET", "/").text(), "hi");
    assert_eq!(upstream.connections_count(), 1);
}

#[test]
fn an_early_answer_is_seen_whole_while_the_upload_runs() {
    let echo = Echo::start();
    let gateway = plain(echo.address());
    for path in ["/early/413", "/early-close/413"] {
        for chunked in [false, true] {
            let mut client = gateway.connect();
            let framing = match chunked {
                true => "transfer-encoding: chunked".to_owned(),
                false => "content-length: 8000000".to_owned(),
            };
            client.send(format!("POST {path} HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n"));
            let mut sender = client.socket().try_clone().expect("a socket");
            let sending = thread::spawn(move || {
                let block = vec![b'x'; 8_000];
                for _ in 0..1_000 {
                    let sent = match chunked {
                        true => sender
                            .write_all(b"1f40\r\n")
                            .and_then(|()| sender.write_all(&block))
                            .and_then(|()| sender.write_all(b"\r\n")),
                        false => sender.write_all(&block),
                    };
                    if sent.is_err() {
                        return;
                    }
                }
                if chunked {
                    let _ = sender.write_all(b"0\r\n\r\n");
                }
            });
            let answer = client.answer();
            assert_eq!(answer.status, 413, "{path} {framing}");
            sending.join().expect("it ends");
        }
    }
    gateway.wait_until_quiet();
}

#[test]
fn an_upload_whose_target_is_gone_is_answered() {
    // Reads a little and resets, with nothing said.
    let upstream = Upstream::start(|_, peer| {
        peer.head()?;
        peer.read_exact(1_000)?;
        reset(peer.socket());
        Ok(())
    });
    let gateway = plain(upstream.address());
    for _ in 0..5 {
        let mut client = gateway.connect();
        client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 9000000\r\n\r\n");
        let mut sender = client.socket().try_clone().expect("a socket");
        let sending = thread::spawn(move || {
            let block = vec![b'x'; 9_000];
            let _ = (0..1_000).try_for_each(|_| sender.write_all(&block));
        });
        assert_eq!(client.answer().status, 502);
        sending.join().expect("it ends");
    }
    gateway.wait_until_quiet();
}

#[test]
fn a_failed_upload_whose_client_waits_leaves_nothing_behind() {
    // The client sends half of its body and waits; the target gives up.
    let upstream = Upstream::start(|_, peer| {
        peer.head()?;
        peer.read_exact(10)?;
        peer.close();
        Ok(())
    });
    let gateway = plain(upstream.address());
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 50000\r\n\r\n0123456789");
    assert_eq!(client.answer().status, 502);
    assert!(!client.has_more(), "the connection ends");
    drop(client);
    gateway.wait_until_quiet();
}

#[test]
fn a_client_that_is_gone_leaves_nothing_behind() {
    let (release, released) = mpsc::channel::<()>();
    let (arrived, arrival) = mpsc::channel();
    let (released, arrived) = (Mutex::new(released), Mutex::new(arrived));
    let upstream = Upstream::start(move |_, peer| {
        loop {
            peer.request()?;
            arrived.lock().expect("sound").send(()).map_err(std::io::Error::other)?;
            released.lock().expect("sound").recv().map_err(std::io::Error::other)?;
            let body = "x".repeat(100_000);
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n{body}"))?;
        }
    });
    let gateway = plain(upstream.address());
    for resets in [false, true] {
        let mut client = gateway.connect();
        client.send(get("/"));
        arrival.recv().expect("it arrives");
        assert_eq!(gateway.metric("shardgate_upstream_requests_outstanding", ""), 1.0);
        if resets {
            reset(client.socket());
        }
        drop(client);
        release.send(()).expect("the upstream waits");
        gateway.wait_until_quiet();
    }
    release.send(()).expect("the upstream waits");
    assert_eq!(gateway.connect().request("GET", "/").body.len(), 100_000);
}

#[test]
fn expectations_and_slow_uploads_do_not_count_against_the_target() {
    // The target has 50 ms to begin its answer once it has the request; the client takes longer.
    let upstream = Arc::new(Upstream::start(|_, peer| {
        loop {
            let request = peer.request()?;
            let body = format!("{}", request.body.len());
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len()))?;
        }
    }));
    let (late, _end) = stalling("");
    let gateway = gateway(upstream.address(), "", "timeout_ms = 50");
    let clock = {
        let address = late.address();
        self::gateway(address, "", "timeout_ms = 150")
    };
    let mut client = gateway.connect();
    client.send("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 40000\r\n\r\n");
    client.send(vec![b'x'; 20_000]);
    assert_eq!(clock.connect().request("GET", "/").status, 504, "meanwhile time passes");
    client.send(vec![b'x'; 20_000]);
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (200, "40000"));
}
