//! Bodies of requests: chunked, with trailers, expected, unwanted, streamed both ways at once.

mod harness;

use std::sync::mpsc;

use harness::{Gateway, HANG_GUARD, Upstream};

const HI: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";
const GET_MOCK: &str = "GET /mock HTTP/1.1\r\nhost: a\r\n\r\n";

fn post(path: &str, fields: &str) -> String {
    format!("POST {path} HTTP/1.1\r\nHost: a\r\n{fields}\r\n")
}

/// Bytes that repeat at no power of two, so that a misplaced buffer shows.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at % 251) as u8).collect()
}

#[test]
fn bodies_with_a_length_of_any_size() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    let lengths = [0, 1, 16_383, 16_384, 16_385, 65_536, 65_537, 300_000, 3_000_000];
    for length in lengths {
        client.send(post("/", &format!("content-length: {length}\r\n")));
        client.send(pattern(length));
        client.send(GET_MOCK); // the place where the next request begins is not lost
        assert_eq!(client.answer().text(), "hi", "{length}");
        assert_eq!(client.answer().text(), "mocked", "{length}");
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), lengths.len());
    for (request, length) in requests.iter().zip(lengths) {
        assert_eq!(request.header("content-length"), Some(length.to_string()));
        assert_eq!(request.header("transfer-encoding"), None);
        assert!(request.body == pattern(length), "{length}");
    }
}

#[test]
fn chunked_bodies_of_any_size() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    let lengths = [0, 1, 16_384, 65_536, 300_000, 3_000_000];
    for length in lengths {
        client.send(post("/", "Transfer-Encoding: Chunked\r\n"));
        let mut bytes = Vec::new();
        for (number, chunk) in pattern(length).chunks(10_007).enumerate() {
            let extension = if number % 2 == 0 { ";a;b=c;d=\"e\\\"\"\r\n" } else { "\r\n" };
            bytes.extend_from_slice(format!("0{:X}{extension}", chunk.len()).as_bytes());
            bytes.extend_from_slice(chunk);
            bytes.extend_from_slice(b"\r\n");
        }
        bytes.extend_from_slice(b"000\r\nX-Sum: 7\r\nContent-Length: 5\r\nHost: b\r\n\r\n");
        bytes.extend_from_slice(GET_MOCK.as_bytes());
        client.send(bytes);
        assert_eq!(client.answer().text(), "hi", "{length}");
        assert_eq!(client.answer().text(), "mocked", "{length}");
    }
    let requests = upstream.requests();
    assert_eq!(requests.len(), lengths.len());
    for (request, length) in requests.iter().zip(lengths) {
        assert_eq!(request.header("transfer-encoding").as_deref(), Some("chunked"));
        assert_eq!(request.header("content-length"), None);
        assert!(request.body == pattern(length), "{length}");
        // What may not come in a trailer section is left out (RFC 9110 section 6.5.1).
        assert_eq!(request.trailers, [("x-sum".to_owned(), "7".to_owned())]);
        let passed_on = request.raw.windows(4).any(|bytes| bytes == b";a;b");
        assert!(!passed_on, "extensions are not passed on");
    }
}

#[test]
fn a_client_that_expects_100_gets_it_before_it_sends() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(post("/", "content-length: 5\r\nExpect: 100-Continue\r\n"));
    assert_eq!(client.answer().status, 100);
    client.send(format!("hello{GET_MOCK}"));
    assert_eq!(client.answer().text(), "hi");
    assert_eq!(client.answer().text(), "mocked");
    client.send(post("/", "transfer-encoding: chunked\r\nexpect: 100-continue\r\n"));
    assert_eq!(client.answer().status, 100);
    client.send("5\r\nhello\r\n0\r\n\r\n");
    assert_eq!(client.answer().text(), "hi");
    // Sent without waiting: no 100 is due (RFC 9110 section 10.1.1), none comes.
    client.send(post("/", "content-length: 5\r\nexpect: 100-continue\r\n") + "hello");
    assert_eq!(client.answer().text(), "hi");
    // No body, nothing to wait for.
    client.send(post("/", "content-length: 0\r\nexpect: 100-continue\r\n"));
    assert_eq!(client.answer().text(), "hi");
    // HTTP/1.0 knows no 100.
    client.send("POST / HTTP/1.0\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\nhello");
    assert_eq!(client.answer().text(), "hi");
    for request in upstream.requests() {
        assert_eq!(request.header("expect"), None);
    }
}

#[test]
fn a_client_that_expects_100_may_be_refused_instead() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "[limits]\nbody_bytes_max = 100\n");
    let expecting = "content-length: 50\r\nexpect: 100-continue\r\n";
    let cases = [
        ("/mock", expecting, 200),
        ("/moved", expecting, 308),
        ("/limited", expecting, 429),
        ("/small", expecting, 413),
        ("/", "content-length: 101\r\nexpect: 100-continue\r\n", 413),
    ];
    for (path, fields, status) in cases {
        let mut client = gateway.connect();
        client.send(post(path, fields));
        let answer = client.answer();
        assert_eq!(answer.status, status, "{path}");
        // Whether the body still comes is not known, so nothing else may.
        assert!(answer.says_close(), "{path}");
        let _ = client.try_send(GET_MOCK);
        client.end_sending();
        assert_eq!(client.rest_or_reset().0, b"", "{path}");
    }
    assert_eq!(upstream.connections_count(), 0);
}

/// CVE-2025-4366: an answer that comes before the body was read must not leave the body to be
/// taken for a request.
#[test]
fn unread_bodies_are_never_taken_for_requests() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    let smuggled = "GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n";
    for (path, status) in [("/mock", 200), ("/moved", 308), ("/limited", 429), ("//a/..//%zz", 400)]
    {
        // At hand, coming soon, and too long to wait for.
        for length in [smuggled.len(), 40_000, 60_000, 200_000, 5_000_000] {
            let body = smuggled.repeat(length / smuggled.len() + 1);
            let body = &body[..length];
            let mut client = gateway.connect();
            client.send(post(path, &format!("content-length: {length}\r\n")));
            let _ = client.try_send(format!("{body}{GET_MOCK}"));
            let answer = client.answer();
            assert_eq!(answer.status, status, "{path} {length}");
            if answer.says_close() {
                let _ = client.socket().shutdown(std::net::Shutdown::Write);
            } else {
                assert_eq!(client.answer().text(), "mocked", "{path} {length}");
                client.end_sending();
            }
            assert_eq!(client.rest_or_reset().0, b"", "{path} {length}");
        }
        for chunks in [1, 3_000] {
            let chunk = format!("{:x}\r\n{smuggled}\r\n", smuggled.len());
            let mut client = gateway.connect();
            client.send(post(path, "transfer-encoding: chunked\r\n"));
            let _ = client.try_send(format!("{}0\r\n\r\n{GET_MOCK}", chunk.repeat(chunks)));
            let answer = client.answer();
            assert_eq!(answer.status, status, "{path} {chunks} chunks");
            if answer.says_close() {
                let _ = client.socket().shutdown(std::net::Shutdown::Write);
            } else {
                assert_eq!(client.answer().text(), "mocked", "{path} {chunks} chunks");
                client.end_sending();
            }
            assert_eq!(client.rest_or_reset().0, b"", "{path} {chunks} chunks");
        }
    }
    assert_eq!(upstream.connections_count(), 0);
}

#[test]
fn a_connection_outlives_a_short_body_that_nobody_wanted() {
    let upstream = Upstream::answering(HI);
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    for (path, status) in [("/mock", 200), ("/moved", 308), ("/limited", 429)] {
        for length in [5, 20_000, 65_536] {
            let head = post(path, &format!("content-length: {length}\r\n"));
            client.send(head + &"x".repeat(length));
            let answer = client.answer();
            assert_eq!((answer.status, answer.says_close()), (status, false), "{path} {length}");
        }
        let chunked = post(path, "transfer-encoding: chunked\r\n") + "5\r\nhello\r\n0\r\n\r\n";
        client.send(chunked + GET_MOCK);
        let answer = client.answer();
        assert_eq!((answer.status, answer.says_close()), (status, false), "{path} chunked");
        assert_eq!(client.answer().text(), "mocked");
    }
    assert_eq!(upstream.connections_count(), 0);
}

#[test]
fn an_answer_may_come_while_the_upload_still_runs() {
    let upstream = Upstream::start(|_, peer| {
        peer.head()?;
        peer.read_exact(5)?;
        peer.send("HTTP/1.1 403 No\r\ncontent-length: 4\r\n\r\nstop")?;
        peer.rest()?;
        Ok(())
    });
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(post("/", "content-length: 10000000\r\n") + "hello");
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (403, "stop"));
    assert!(answer.says_close());
    let _ = client.try_send(GET_MOCK);
    let _ = client.socket().shutdown(std::net::Shutdown::Write);
    assert_eq!(client.rest_or_reset().0, b"");
    let received = upstream.received();
    assert_eq!(received.len(), 1);
    // The target's connection is not used for anything else.
    assert_eq!(gateway.connect().request("GET", "/mock").status, 200);
    assert_eq!(upstream.connections_count(), 1);
}

#[test]
fn bodies_stream_both_ways_at_once() {
    // The target sends back what it gets, piece by piece, and the client sends the next piece only
    // when the last one is back: nothing may be held up anywhere.
    let upstream = Upstream::start(|_, peer| {
        peer.head()?;
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        for _ in 0..20 {
            assert_eq!(peer.read_exact(10)?, b"5\r\nhello\r\n");
            peer.send("5\r\nhello\r\n")?;
        }
        assert_eq!(peer.read_exact(5)?, b"0\r\n\r\n");
        peer.send("0\r\nx-sum: 7\r\n\r\n")?;
        peer.rest()?;
        Ok(())
    });
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(post("/", "transfer-encoding: chunked\r\n") + "5\r\nhello\r\n");
    let head = client.answer_head();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
    for number in 0..20 {
        assert_eq!(client.read_exact(10), b"5\r\nhello\r\n");
        client.send(if number < 19 { "5\r\nhello\r\n" } else { "0\r\n\r\n" });
    }
    let last = "0\r\nx-sum: 7\r\n\r\n";
    assert_eq!(client.read_exact(last.len()), last.as_bytes());
}

#[test]
fn a_target_that_answers_and_closes_before_it_has_read_everything() {
    let upstream = Upstream::start(|_, peer| {
        peer.head()?;
        peer.send("HTTP/1.1 413 Too much\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")?;
        peer.end_sending();
        peer.rest()?;
        Ok(())
    });
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(post("/", "content-length: 3000000\r\n"));
    let _ = client.try_send(pattern(3_000_000));
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (413, "no"));
}

#[test]
fn a_client_that_goes_away_during_its_upload_is_noticed() {
    let (ends, end) = mpsc::channel();
    let (heads, head) = mpsc::channel();
    let upstream = Upstream::start(move |_, peer| {
        heads.send(peer.head()?).expect("the test waits");
        ends.send(peer.rest().unwrap_or_default()).expect("the test waits");
        Ok(())
    });
    let gateway = Gateway::before(upstream.address(), "");
    for fields in ["content-length: 100000\r\n", "transfer-encoding: chunked\r\n"] {
        let mut client = gateway.connect();
        client.send(post("/", fields) + "5\r\nhello\r\n");
        head.recv_timeout(HANG_GUARD).expect("a head");
        drop(client);
        let rest = end.recv_timeout(HANG_GUARD).expect("the target was let go");
        assert_eq!(rest, b"5\r\nhello\r\n", "half a body must not look whole");
    }
}
