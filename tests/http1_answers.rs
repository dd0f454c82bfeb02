//! Answers of targets on their way to clients.

mod harness;

use std::sync::mpsc;

use harness::{Gateway, HANG_GUARD, Upstream};

const GET: &str = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
const GET_MOCK: &str = "GET /mock HTTP/1.1\r\nhost: a\r\n\r\n";

/// A gateway in front of a target that answers each request with `bytes` and stays.
fn answering(bytes: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::answering(bytes);
    let gateway = Gateway::before(upstream.address(), "");
    (upstream, gateway)
}

/// A gateway in front of a target that answers with `bytes` and closes.
fn answering_once(bytes: &str) -> (Upstream, Gateway) {
    let upstream = Upstream::answering_once(bytes);
    let gateway = Gateway::before(upstream.address(), "");
    (upstream, gateway)
}

#[test]
fn answers_to_head_have_the_length_and_no_body() {
    let (upstream, gateway) = answering("HTTP/1.1 200 OK\r\ncontent-length: 5000\r\n\r\n");
    let mut client = gateway.connect();
    for _ in 0..3 {
        let answer = client.request("HEAD", "/");
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("5000")));
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
    }
    assert_eq!(upstream.connections_count(), 1);
    let (of_get, of_head) =
        (gateway.connect().request("GET", "/%zz"), client.request("HEAD", "/%zz"));
    assert_eq!((of_get.status, of_head.status), (400, 400));
    assert_eq!(of_head.header("content-length"), Some(&*of_get.body.len().to_string()));
}

#[test]
fn statuses_without_a_body_have_none() {
    for head in [
        "204 No Content\r\n\r\n",
        "304 Not Modified\r\netag: \"x\"\r\n\r\n",
        "304 Not Modified\r\ncontent-length: 7\r\n\r\n",
        "205 Reset Content\r\ncontent-length: 0\r\n\r\n",
    ] {
        let (upstream, gateway) = answering(&format!("HTTP/1.1 {head}"));
        let mut client = gateway.connect();
        for _ in 0..3 {
            let answer = client.request("GET", "/");
            assert_eq!(answer.status.to_string(), head[..3]);
            assert_eq!(answer.header("transfer-encoding"), None);
            if answer.status == 204 {
                assert_eq!(answer.header("content-length"), None);
            }
            assert_eq!(client.request("GET", "/mock").text(), "mocked");
        }
        assert_eq!(upstream.connections_count(), 1, "{head}");
    }
}

/// Bytes where no body may be are never an answer to another request.
#[test]
fn a_body_where_there_can_be_none_is_dropped_with_its_connection() {
    let evil = "HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil";
    for head in [
        "204 No Content\r\n\r\n",
        "204 No Content\r\ncontent-length: 42\r\n\r\n",
        "304 Not Modified\r\n\r\n",
        "200 OK\r\ncontent-length: 0\r\n\r\n",
        "200 OK\r\ncontent-length: 2\r\n\r\nhi",
        "200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
    ] {
        let (upstream, gateway) = answering(&format!("HTTP/1.1 {head}{evil}"));
        let mut client = gateway.connect();
        for number in 1..=3 {
            let answer = client.request("GET", "/");
            assert_eq!(answer.status.to_string(), head[..3]);
            assert_ne!(answer.body, b"evil");
            assert_eq!(upstream.connections_count(), number, "{head:?}");
        }
    }
}

#[test]
fn bytes_that_come_between_two_requests_spoil_the_connection() {
    let (sent_evil, evil_sent) = mpsc::channel();
    let (go_on, wait) = mpsc::channel::<()>();
    let wait = std::sync::Mutex::new(wait);
    let upstream = Upstream::start(move |number, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\ngood")?;
        if number % 2 == 0 {
            wait.lock().expect("one at a time").recv().expect("the test sends");
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nevil")?;
            sent_evil.send(()).expect("the test waits");
        } else {
            peer.close();
        }
        peer.rest()?;
        Ok(())
    });
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    for _ in 0..20 {
        assert_eq!(client.request("GET", "/").text(), "good");
        go_on.send(()).expect("the target waits");
        evil_sent.recv_timeout(HANG_GUARD).expect("it sends");
        assert_eq!(client.request("GET", "/").text(), "good");
    }
}

#[test]
fn close_delimited_answers_are_chunked_for_1_1_and_close_for_1_0() {
    let (_upstream, gateway) = answering_once("HTTP/1.0 200 OK\r\nx: y\r\n\r\nto the end");
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send(GET);
        let answer = client.answer();
        assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
        assert_eq!(answer.text(), "to the end");
    }
    for extra in ["", "connection: keep-alive\r\n"] {
        let mut client = gateway.connect();
        client.send(format!("GET / HTTP/1.0\r\n{extra}\r\n"));
        let answer = client.answer();
        assert_eq!(answer.header("transfer-encoding"), None);
        assert!(answer.says_close());
        assert_eq!(answer.text(), "to the end");
    }
}

#[test]
fn chunked_answers_with_trailers() {
    let (upstream, gateway) = answering(
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\nTrailer: x-sum\r\n\r\n\
         5;a=b\r\nhello\r\n0006\r\n world\r\n0\r\nX-Sum: 7\r\nContent-Length: 3\r\n\r\n",
    );
    let mut client = gateway.connect();
    for _ in 0..3 {
        let answer = client.request("GET", "/");
        assert_eq!(answer.text(), "hello world");
        assert_eq!(answer.trailers, [("x-sum".to_owned(), "7".to_owned())]);
        let mut old = gateway.connect();
        old.send("GET / HTTP/1.0\r\n\r\n");
        let answer = old.answer();
        assert_eq!((answer.header("transfer-encoding"), answer.text()), (None, "hello world"));
    }
    assert_eq!(upstream.connections_count(), 1);
}

#[test]
fn long_answers_in_every_framing() {
    const LENGTH: usize = 3_000_000;
    let upstream = Upstream::start(|_, peer| {
        loop {
            let request = peer.request()?;
            let body: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
            if request.line().contains("/length") {
                peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {LENGTH}\r\n\r\n"))?;
                peer.send(&body)?;
            } else if request.line().contains("/chunked") {
                peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
                for chunk in body.chunks(70_001) {
                    peer.send(format!("{:x}\r\n", chunk.len()))?;
                    peer.send(chunk)?;
                    peer.send("\r\n")?;
                }
                peer.send("0\r\n\r\n")?;
            } else {
                peer.send("HTTP/1.1 200 OK\r\n\r\n")?;
                peer.send(&body)?;
                peer.end_sending();
                return Ok(());
            }
        }
    });
    let gateway = Gateway::before(upstream.address(), "");
    let expected: Vec<u8> = (0..LENGTH).map(|at| (at % 251) as u8).collect();
    let mut client = gateway.connect();
    for path in ["/length", "/chunked", "/close", "/length"] {
        let answer = client.request("GET", path);
        assert!(answer.body == expected, "{path}: {} bytes", answer.body.len());
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
    }
}

#[test]
fn interim_answers_pass() {
    let (upstream, gateway) = answering(
        "HTTP/1.1 100 Continue\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nconnection: x-hop\r\nx-hop: y\r\n\r\n\
         HTTP/1.1 103 Early Hints\r\nlink: </b>\r\n\r\n\
         HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi",
    );
    let mut client = gateway.connect();
    for _ in 0..3 {
        client.send(GET);
        for link in ["</a>", "</b>"] {
            let hint = client.answer();
            assert_eq!((hint.status, hint.header("link")), (103, Some(link)));
            assert_eq!((hint.header("x-hop"), hint.header("connection")), (None, None));
        }
        assert_eq!(client.answer().text(), "hi");
    }
    // HTTP/1.0 has none of them.
    let mut old = gateway.connect();
    old.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(old.answer().text(), "hi");
    assert_eq!(upstream.connections_count(), 1);
}

#[test]
fn answers_that_break_http_become_502() {
    let body = "content-length: 2\r\n\r\nhi";
    for answer in [
        "garbage\r\n\r\n".to_owned(),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\ncontent-length: 3\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\ntransfer-encoding: xchunked\r\nx: {body}"),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: +2\r\n\r\nhi".to_owned(),
        "HTTP/1.1 200 OK\r\ncontent-length: \r\n\r\nhi".to_owned(),
        format!("HTTP/1.1 200 OK\r\nx : y\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nx: y\r\n z\r\n{body}"),
        format!("HTTP/1.1 200 OK\nx: y\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nx: y\nz: z\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\nx: \0\r\n{body}"),
        format!("HTTP/2.0 200 OK\r\n{body}"),
        format!("HTTP/1.1 99 OK\r\n{body}"),
        format!("HTTP/1.1 600 OK\r\n{body}"),
        format!("HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n{body}"),
        format!("HTTP/1.1 200 OK\r\n{}{body}", "x: y\r\n".repeat(300)),
        format!("HTTP/1.1 200 OK\r\nx: {}\r\n{body}", "y".repeat(70_000)),
        "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(17) + "HTTP/1.1 200 OK\r\n" + body,
        "HTTP/1.1 200 OK\r\ncontent-".to_owned(),
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n".to_owned(),
        String::new(),
    ] {
        let (_upstream, gateway) = answering_once(&answer);
        let mut client = gateway.connect();
        client.send(GET);
        let mut got = client.answer();
        while got.status == 103 {
            got = client.answer();
        }
        let shown = &answer[..answer.len().min(120)];
        assert_eq!((got.status, got.text()), (502, r#"{"message":"Bad Gateway"}"#), "{shown:?}");
        // The target's fault is not the client's: its connection goes on.
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
    }
}

#[test]
fn an_answer_that_is_cut_off_is_not_passed_off_as_whole() {
    for cut in [
        "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\nzz\r\n",
    ] {
        let (sent, head_seen) = (cut.find("hello").expect("a body") + 5, mpsc::channel::<()>());
        let (seen, wait) = (head_seen.0, std::sync::Mutex::new(head_seen.1));
        let upstream = Upstream::start(move |_, peer| {
            peer.request()?;
            peer.send(&cut[..sent])?;
            let _ = wait.lock().expect("one connection").recv();
            peer.send(&cut[sent..])?;
            peer.close();
            Ok(())
        });
        let gateway = Gateway::before(upstream.address(), "");
        let mut client = gateway.connect();
        client.send(GET);
        let head = client.answer_head();
        assert_eq!(head.status, 200);
        seen.send(()).expect("the target waits");
        let _ = client.try_send(GET_MOCK);
        let (rest, _) = client.rest_or_reset();
        let rest = String::from_utf8(rest).expect("text");
        assert!(rest.contains("hello"), "{rest}");
        assert!(!rest.ends_with("0\r\n\r\n") && !rest.contains("HTTP/1.1"), "{rest}");
    }
}

#[test]
fn targets_that_cannot_be_reached_or_stay_silent() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = closed.local_addr().expect("a socket");
    drop(closed);
    let gateway = Gateway::before(address, "");
    let mut client = gateway.connect();
    let answer = client.request("GET", "/");
    assert_eq!((answer.status, answer.text()), (502, r#"{"message":"Bad Gateway"}"#));
    assert_eq!(client.request("GET", "/mock").text(), "mocked");

    let silent = Upstream::start(|_, peer| peer.rest().map(drop));
    let gateway = Gateway::start(&format!(
        r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "silent"
targets = ["{}"]

[[api]]
name = "main"

[[api.route]]
key = "$default"
upstream = "silent"
timeout_ms = 50
"#,
        silent.address()
    ));
    let mut client = gateway.connect();
    for method in ["GET", "POST"] {
        let answer = client.request(method, "/");
        assert_eq!(answer.status, 504);
        assert_eq!(answer.text(), r#"{"message":"Endpoint request timed out"}"#);
    }
    // A target that did not answer in time was asked once: it may still be at work.
    assert_eq!(silent.connections_count(), 2);
}

#[test]
fn hop_by_hop_fields_of_answers_stay_behind() {
    let (_upstream, gateway) = answering(
        "HTTP/1.1 200 Fine by me\r\nConnection: x-private, keep-alive\r\nX-Private: 1\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nUpgrade: h2c\r\n\
         Set-Cookie: a=b\r\nSet-Cookie: c=d\r\nX-Empty:\r\napigw-requestid: forged\r\n\
         Content-Length: 2\r\n\r\nhi",
    );
    let mut client = gateway.connect();
    let answer = client.request("GET", "/");
    assert!(answer.head.starts_with("HTTP/1.1 200 Fine by me\r\n"), "{}", answer.head);
    for name in ["connection", "x-private", "keep-alive", "proxy-connection", "upgrade"] {
        assert_eq!(answer.header(name), None, "{}", answer.head);
    }
    assert_eq!(answer.values("set-cookie"), ["a=b", "c=d"]);
    assert_eq!(answer.header("x-empty"), Some(""));
    assert_ne!(answer.header("apigw-requestid"), Some("forged"));
    assert_eq!(answer.text(), "hi");
}
