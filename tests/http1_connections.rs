//! Connections of clients: kept alive, pipelined, cut anywhere, bounded, ended.

mod harness;

use harness::{Gateway, HANG_GUARD, Upstream};

const HI: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n")
}

#[test]
fn a_connection_carries_many_requests() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    for _ in 0..50 {
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
        assert_eq!(client.request("GET", "/").text(), "hi");
    }
    assert_eq!(upstream.connections_count(), 1);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let upstream = Upstream::start(|_, peer| {
        loop {
            let request = peer.request()?;
            let path = request.line().split(' ').nth(1).unwrap_or_default().to_owned();
            peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{path}", path.len()))?;
        }
    });
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    // More than a turn's bound of each kind, and more bytes than one buffer holds.
    let count = 600;
    let mut requests = String::new();
    for number in 0..count {
        requests += &get("/mock");
        requests += &get(&format!("/{number}"));
        requests += "POST /mock HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nGET ";
        requests += "POST /p HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nGET /";
        requests += "POST /c HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                     5\r\nGET /\r\n0\r\n\r\n";
        requests += "HEAD /mock HTTP/1.1\r\nhost: a\r\n\r\n";
    }
    let mut writer = client.socket().try_clone().expect("a socket");
    let writing = std::thread::spawn(move || {
        use std::io::Write as _;
        writer.write_all(requests.as_bytes()).expect("sent");
    });
    for number in 0..count {
        assert_eq!(client.answer().text(), "mocked");
        assert_eq!(client.answer().text(), format!("/{number}"));
        assert_eq!(client.answer().text(), "mocked");
        assert_eq!(client.answer().text(), "/p");
        assert_eq!(client.answer().text(), "/c");
        let head = client.answer_to("HEAD");
        assert_eq!((head.header("content-length"), head.body.len()), (Some("6"), 0));
    }
    writing.join().expect("sent");
    assert_eq!(upstream.requests().len(), count * 3);
}

#[test]
fn requests_may_be_cut_at_every_byte() {
    let upstream = Upstream::mirror();
    let gateway = Gateway::before(upstream.address(), "");
    let request = "POST /a?b HTTP/1.1\r\nHost: a\r\nX: y\r\nTransfer-Encoding: chunked\r\n\r\n\
                   3\r\nabc\r\n2;x=\"y\"\r\nde\r\n0\r\nT: u\r\n\r\n";
    let mut whole = gateway.connect();
    whole.send(request);
    let expected = whole.answer();
    assert!(expected.text().contains("POST /a?b HTTP/1.1\r\n"));
    // A request id is of fixed length: what differs is its text alone.
    let length = expected.body.len();
    for cut in 1..request.len() {
        let mut client = gateway.connect();
        client.send(&request[..cut]);
        // The answer to another request shows that the shard has had the first part.
        assert_eq!(gateway.connect().request("GET", "/mock").status, 200);
        client.send(&request[cut..]);
        let text = client.answer();
        assert!(text.text().contains("\r\nT: u\r\n\r\n"), "cut at {cut}: {}", text.text());
        let chunks_differ = text.body.len().abs_diff(length);
        assert!(chunks_differ <= 12, "cut at {cut}: {}", text.text());
    }
    let mut client = gateway.connect();
    for byte in request.bytes() {
        client.send([byte]);
    }
    assert_eq!(client.answer().status, 200);
    for request in upstream.requests() {
        assert_eq!(request.body, b"abcde");
        assert_eq!(request.trailers, [("t".to_owned(), "u".to_owned())]);
    }
}

#[test]
fn an_empty_line_before_a_request_is_ignored() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(format!("\r\n{}\r\n{}", get("/mock"), get("/")));
    assert_eq!(client.answer().text(), "mocked");
    assert_eq!(client.answer().text(), "hi");
}

#[test]
fn connection_close_is_honoured_both_ways() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    for path in ["/mock", "/"] {
        let mut client = gateway.connect();
        client.send(format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: Close\r\n\r\n"));
        // Never looked at.
        let _ = client.try_send(get("/never"));
        assert!(client.answer().says_close(), "{path}");
        assert_eq!(client.rest_or_reset().0, b"", "{path}");
    }
    assert_eq!(upstream.requests().len(), 1);
}

#[test]
fn a_target_that_closes_does_not_close_the_client() {
    let upstream = Upstream::answering_once(
        "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n",
    );
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    for _ in 0..3 {
        let answer = client.request("GET", "/");
        assert!(!answer.says_close() && answer.status == 200);
    }
    assert_eq!(upstream.connections_count(), 3);
}

#[test]
fn http_1_0_closes_unless_it_asks_to_stay() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    for path in ["/mock", "/"] {
        let mut client = gateway.connect();
        client.send(format!("GET {path} HTTP/1.0\r\n\r\n"));
        let answer = client.answer();
        assert!(answer.says_close() && answer.status == 200, "{}", answer.head);
        assert_eq!(client.rest(), b"");

        let mut client = gateway.connect();
        for _ in 0..3 {
            client.send(format!("GET {path} HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n"));
            let answer = client.answer();
            assert_eq!(answer.header("connection"), Some("keep-alive"));
        }
    }
    // Forwarded as HTTP/1.1, with a Host.
    for request in upstream.requests() {
        assert_eq!(request.line(), "GET / HTTP/1.1");
        assert_eq!(request.values("host").len(), 1);
    }
}

#[test]
fn a_client_that_ends_its_side_gets_its_answers() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(get("/mock") + &get("/") + &get("/"));
    client.end_sending();
    assert_eq!(client.answer().text(), "mocked");
    assert_eq!(client.answer().text(), "hi");
    assert_eq!(client.answer().text(), "hi");
    assert_eq!(client.rest(), b"");
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "[timeouts]\nidle_timeout_ms = 50\n");
    let mut fresh = gateway.connect();
    assert_eq!(fresh.rest(), b"");
    let mut used = gateway.connect();
    assert_eq!(used.request("GET", "/mock").status, 200);
    assert_eq!(used.rest(), b"");
    let mut used = gateway.connect();
    assert_eq!(used.request("GET", "/").status, 200);
    assert_eq!(used.rest(), b"");
}

#[test]
fn a_connection_serves_as_many_requests_as_it_may() {
    let upstream = Upstream::answering(HI);
    let limits = "[limits]\nrequests_per_connection_max = 3\n";
    let gateway = Gateway::before(upstream.address(), limits);
    for path in ["/mock", "/"] {
        let mut client = gateway.connect();
        client.send(get(path).repeat(4));
        for number in 1..=3 {
            assert_eq!(client.answer().says_close(), number == 3, "{path} {number}");
        }
        assert_eq!(client.rest_or_reset().0, b"");
    }
    assert_eq!(upstream.requests().len(), 3);
}

#[test]
fn a_connection_has_a_bound_on_its_rate() {
    let upstream = Upstream::answering(HI);
    let limits = "[limits]\nrequests_per_connection_per_second_max = 2\n";
    let gateway = Gateway::before(upstream.address(), limits);
    let mut client = gateway.connect();
    // In one write, so in one second; but a second may end between them, hence five for two.
    client.send(get("/").repeat(5));
    let mut answered = 0;
    let refused = loop {
        let answer = client.answer();
        if answer.status == 429 {
            break answer;
        }
        answered += 1;
    };
    assert!((2..=4).contains(&answered), "{answered}");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.text(), r#"{"message":"Too Many Requests"}"#);
    assert!(refused.says_close());
    assert_eq!(client.rest_or_reset().0, b"");
    assert_eq!(upstream.requests().len(), answered);
    // Others have their own.
    assert_eq!(gateway.connect().request("GET", "/").status, 200);
}

#[test]
fn connections_over_the_bound_are_refused_with_503() {
    let upstream = Upstream::answering(HI);
    let limits = "[limits]\nconnections_per_shard_max = 2\n";
    let gateway = Gateway::before(upstream.address(), limits);
    let mut first = gateway.connect();
    assert_eq!(first.request("GET", "/").status, 200);
    let mut second = gateway.connect();
    assert_eq!(second.request("GET", "/").status, 200);
    let mut third = gateway.connect();
    let answer = third.answer();
    assert_eq!((answer.status, answer.text()), (503, r#"{"message":"Service Unavailable"}"#));
    assert!(answer.says_close());
    assert!(answer.header("apigw-requestid").is_some());
    third.end_sending();
    assert_eq!(third.rest(), b"");
    // The others are as they were, and their place can be taken.
    assert_eq!(first.request("GET", "/").status, 200);
    first.send("GET /mock HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n");
    assert_eq!(first.answer().status, 200);
    assert_eq!(first.rest(), b"");
    drop(first);
    loop {
        let mut fourth = gateway.connect();
        let _ = fourth.try_send(get("/mock"));
        let answer = fourth.answer();
        if answer.status == 200 {
            break; // the shard has seen the end of the first
        }
        assert_eq!(answer.status, 503);
    }
}

#[test]
fn a_client_that_takes_nothing_is_closed() {
    let (ended, end) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
        while peer.send(&chunk).is_ok() {}
        ended.send(()).expect("the test waits");
        Ok(())
    });
    let gateway = Gateway::before(upstream.address(), "[timeouts]\nwrite_timeout_ms = 100\n");
    let mut client = gateway.connect();
    client.send(get("/"));
    assert_eq!(client.answer_head().status, 200);
    // The client reads no more, so the gateway must give up both connections.
    end.recv_timeout(HANG_GUARD).expect("the target was let go");
    assert_eq!(gateway.connect().request("GET", "/mock").status, 200);
}
