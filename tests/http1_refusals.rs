//! Requests that must be refused: answered with the right status, the connection closed, and not a
//! byte of them forwarded.

mod harness;

use harness::{Gateway, HANG_GUARD, Upstream};

const HI: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

/// Small bounds, so that tests need few bytes.
const LIMITS: &str = "
[limits]
request_line_bytes_max = 128
head_bytes_max = 512
headers_count_max = 8
body_bytes_max = 100
";

/// A gateway with an upstream that must stay untouched.
struct Fortress {
    upstream: Upstream,
    gateway: Gateway,
}

impl Fortress {
    fn new(tables: &str) -> Self {
        let upstream = Upstream::answering(HI);
        let gateway = Gateway::before(upstream.address(), tables);
        Self { upstream, gateway }
    }

    /// Sends `bytes`, followed by what would be another request if the connection went on, and
    /// checks what comes back: one answer and the end.
    fn refuses(&self, bytes: impl AsRef<[u8]>, status: u16) {
        let bytes = bytes.as_ref();
        let shown = String::from_utf8_lossy(&bytes[..bytes.len().min(300)]).into_owned();
        let mut client = self.gateway.connect();
        client.send(bytes);
        let _ = client.try_send("GET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
        let answer = client.answer();
        assert_eq!(answer.status, status, "{shown:?}: {} {}", answer.head, answer.text());
        assert!(answer.says_close(), "{shown:?}: {}", answer.head);
        assert_eq!(answer.header("content-type"), Some("application/json"));
        assert!(answer.header("apigw-requestid").is_some_and(|id| !id.is_empty()));
        assert!(answer.header("date").is_some());
        let body: serde_json::Value = serde_json::from_slice(&answer.body).expect("JSON");
        assert!(body["message"].is_string(), "{body}");
        let _ = client.socket().shutdown(std::net::Shutdown::Write);
        assert_eq!(client.rest_or_reset().0, b"", "{shown:?}: a second answer");
    }

    /// The upstream has seen one request of ours, which comes last, and no other byte. Connections
    /// are accepted in order, so nothing else can be on its way.
    fn is_untouched(&self) {
        let mut client = self.gateway.connect();
        assert_eq!(client.request("GET", "/sentinel").text(), "hi");
        let requests = self.upstream.requests();
        let lines: Vec<_> = requests.iter().map(|request| request.line()).collect();
        assert_eq!(lines, ["GET /sentinel HTTP/1.1"]);
        assert_eq!(self.upstream.connections_count(), 1);
    }
}

/// A POST to `/` with these field lines (each with its line end) and this body.
fn post(fields: &str, body: &str) -> String {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

#[test]
fn ambiguous_lengths() {
    let fortress = Fortress::new("");
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    // Both, in either order (Pingora issue 945).
    fortress.refuses(post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n", chunks), 400);
    fortress.refuses(post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n", chunks), 400);
    // CVE-2023-40225 (empty), CVE-2023-47627 and -40175 (what a number parser takes), -34188.
    for length in
        ["", "+1", "-1", "0x1", "1_0", "1,1", "1, 2", "1 1", "\u{b}1", "1;", "18446744073709551616"]
    {
        fortress.refuses(post(&format!("Content-Length: {length}\r\n"), "x"), 400);
    }
    fortress.refuses(post("Content-Length: 1\r\nContent-Length: 2\r\n", "xx"), 400);
    fortress.refuses(post("Content-Length: 1\r\ncontent-length: 1\r\n", "x"), 400);
    fortress.is_untouched();
}

#[test]
fn transfer_codings_that_are_not_exactly_chunked() {
    let fortress = Fortress::new("");
    // CVE-2026-89044, CVE-2026-66752, CVE-2019-18277, CVE-2026-2835.
    for coding in [
        "xchunked",
        "chunkedx",
        "chunked,",
        "chunked, identity",
        "chunked, chunked",
        "identity",
        "gzip",
        "\u{b}chunked",
        "\u{c}chunked",
        "chunked;a=b",
        "\"chunked\"",
        "",
    ] {
        let fields = format!("Transfer-Encoding: {coding}\r\n");
        fortress.refuses(post(&fields, "5\r\nhello\r\n0\r\n\r\n"), 400);
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    fortress.refuses(post(twice, "0\r\n\r\n"), 400);
    let hidden = "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n";
    fortress.refuses(post(hidden, "0\r\n\r\n"), 400);
    // Unknown, but well formed: not implemented (RFC 9112 section 6.1).
    fortress.refuses(post("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"), 501);
    let old = "POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    fortress.refuses(old, 400);
    fortress.is_untouched();
}

#[test]
fn malformed_field_lines() {
    let fortress = Fortress::new("");
    for line in [
        "X : y\r\n", // CVE-2023-40518: space before the colon
        "X\t: y\r\n",
        " X: y\r\n",
        "X: y\r\n z\r\n", // obs-fold
        "X: y\r\n\tz\r\n",
        "X: y\nZ: z\r\n", // bare LF
        "X: y\rZ: z\r\n", // bare CR
        "X: y\0\r\n",
        "X\0: y\r\n",
        ": y\r\n", // CVE-2023-25725: an empty name
        "X\r\n",
        "X(y): z\r\n",
        "X: \u{1}\r\n",
        "X: \u{7f}\r\n",
        "\u{e4}: z\r\n",
        "Content-Length : 5\r\n",
        "Transfer-Encoding : chunked\r\n",
        "Transfer-Encoding\u{b}: chunked\r\n",
        "X: y\r\r\n",
    ] {
        fortress.refuses(post(line, ""), 400);
    }
    fortress.refuses("GET / HTTP/1.1\nHost: a\n\n", 400);
    fortress.refuses("GET / HTTP/1.1\r\nHost: a\r\n\n", 400);
    fortress.refuses("GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400);
    fortress.is_untouched();
}

#[test]
fn malformed_request_lines() {
    let fortress = Fortress::new("");
    for line in [
        "GET  / HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.1x",
        "GET / HTTP/11",
        "GET / HTTP/ 1.1",
        "GET /",
        "GET",
        "G(T / HTTP/1.1",
        "G\u{e4}T / HTTP/1.1",
        "GET /a b HTTP/1.1",
        "GET / HTTP/1.1\0",
        "GET /\0 HTTP/1.1",
        "GET /\u{1} HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET /\u{e4} HTTP/1.1",
        "GET /#fragment HTTP/1.1",
        "GET a HTTP/1.1",
        "GET * HTTP/1.1",
        "GET ?a HTTP/1.1",
        "GET a:80 HTTP/1.1",
        "GET ftp://a/ HTTP/1.1",
        "GET http://user@a/ HTTP/1.1",
        "GET http:///a HTTP/1.1",
        "GET http://a:b/ HTTP/1.1",
    ] {
        fortress.refuses(format!("{line}\r\nHost: a\r\n\r\n"), 400);
    }
    fortress.refuses([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3, 13, 10, 13, 10], 400); // a TLS hello
    for version in ["0.9", "1.2", "1.9", "2.0", "3.0"] {
        fortress.refuses(format!("GET / HTTP/{version}\r\nHost: a\r\n\r\n"), 505);
    }
    fortress.is_untouched();
}

#[test]
fn hosts() {
    let fortress = Fortress::new("");
    fortress.refuses("GET / HTTP/1.1\r\n\r\n", 400);
    fortress.refuses("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400);
    fortress.refuses("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400);
    fortress.refuses("GET http://a/ HTTP/1.1\r\n\r\n", 400);
    for host in ["a b", "a/b", "a@b", "a,b", "a:b", "[::1", "a?b", "a#b", "a\\b", "a:99999999"] {
        fortress.refuses(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"), 400);
    }
    fortress.is_untouched();
}

#[test]
fn paths_that_hide_where_they_lead() {
    let fortress = Fortress::new("");
    for path in ["/..", "/../a", "/a/../../b", "/%00", "/a%0", "/%zz", "/%"] {
        fortress.refuses(format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n"), 400);
    }
    fortress.is_untouched();
}

#[test]
fn malformed_chunks() {
    let fortress = Fortress::new("");
    for body in [
        "+5\r\nhello\r\n0\r\n\r\n",
        "-5\r\nhello\r\n0\r\n\r\n",
        "0x5\r\nhello\r\n0\r\n\r\n",
        "5_0\r\nhello\r\n0\r\n\r\n",
        " 5\r\nhello\r\n0\r\n\r\n",
        "\r\nhello\r\n0\r\n\r\n",
        ";a\r\nhello\r\n0\r\n\r\n",
        "g\r\n",
        "5\nhello\r\n0\r\n\r\n", // CVE-2025-22871: bare LF ends a size line
        "5\rhello\r\n0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "00000000000000005\r\nhello\r\n0\r\n\r\n",
        "10000000000000000\r\n",
        "5;a=\"\u{1}\"\r\nhello\r\n0\r\n\r\n",
        "5;a\nb\r\nhello\r\n0\r\n\r\n",
        "0\r\nA : b\r\n\r\n",
        "0\r\nA\r\n\r\n",
        "0\r\n a: b\r\n\r\n",
        "0\r\na: b\n\r\n",
        "0\n\n",
        "0\r\n\n",
    ] {
        fortress.refuses(post("Transfer-Encoding: chunked\r\n", body), 400);
    }
    // CVE-2023-39326: extensions without end, in one line and over many.
    let long = format!("5;{}\r\nhello\r\n0\r\n\r\n", "a".repeat(10_000));
    fortress.refuses(post("Transfer-Encoding: chunked\r\n", &long), 400);
    let many = format!("1;{}\r\nx\r\n", "a".repeat(200)).repeat(1_000);
    let mut client = fortress.gateway.connect();
    let _ = client.try_send(post("Transfer-Encoding: chunked\r\n", &many));
    assert_eq!(client.answer().status, 400);
    drop(client);
    let trailers = format!("0\r\n{}\r\n", "a: b\r\n".repeat(10_000));
    let mut client = fortress.gateway.connect();
    let _ = client.try_send(post("Transfer-Encoding: chunked\r\n", &trailers));
    assert_eq!(client.answer().status, 400);
    // These two were streamed, so an upstream may have seen their beginning, but never their end.
    let mut client = fortress.gateway.connect();
    assert_eq!(client.request("GET", "/sentinel").text(), "hi");
    for bytes in fortress.upstream.received() {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains("0\r\n\r\n") && !text.contains("smuggled"), "{text}");
        assert!(!text.contains("hello"), "{text}");
    }
}

#[test]
fn a_chunk_that_breaks_after_the_upload_has_begun() {
    let (heads, head) = std::sync::mpsc::channel();
    let (ends, end) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |_, peer| {
        heads.send(peer.head()?).expect("the test waits");
        ends.send(peer.rest()).expect("the test waits");
        Ok(())
    });
    let gateway = Gateway::before(upstream.address(), "");
    let mut client = gateway.connect();
    client.send(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"));
    head.recv_timeout(HANG_GUARD).expect("a head");
    client.send("zz\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 400);
    assert!(answer.says_close());
    client.end_sending();
    assert_eq!(client.rest_or_reset().0, b"");
    // The target saw half a body and then the end of the connection.
    let rest = end.recv_timeout(HANG_GUARD).expect("an end").unwrap_or_default();
    assert!(!String::from_utf8_lossy(&rest).contains("smuggled"));
    assert!(!rest.ends_with(b"0\r\n\r\n"));
}

#[test]
fn sizes_at_their_bounds() {
    let fortress = Fortress::new(LIMITS);
    let line = |bytes: usize| format!("GET /{} HTTP/1.1", "a".repeat(bytes - 14));
    assert_eq!(line(128).len(), 128);
    let mut client = fortress.gateway.connect();
    for bytes in [127, 128] {
        client.send(format!("{}\r\nHost: a\r\n\r\n", line(bytes)));
        assert_eq!(client.answer().status, 200, "{bytes}");
    }
    fortress.refuses(format!("{}\r\nHost: a\r\n\r\n", line(129)), 414);
    fortress.refuses(format!("GET /{}", "a".repeat(200)), 414); // before the line ends
    let head = |bytes: usize| {
        let begin = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
        format!("{begin}{}\r\n\r\n", "x".repeat(bytes - begin.len() - 4))
    };
    for bytes in [511, 512] {
        client.send(head(bytes));
        assert_eq!(client.answer().status, 200, "{bytes}");
    }
    fortress.refuses(head(513), 431);
    let fields =
        |count: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(count - 1));
    for count in [7, 8] {
        client.send(fields(count));
        assert_eq!(client.answer().status, 200, "{count}");
    }
    fortress.refuses(fields(9), 431);
    assert_eq!(fortress.upstream.requests().len(), 6);
}

#[test]
fn bodies_at_their_bounds() {
    let fortress = Fortress::new(LIMITS);
    let mut client = fortress.gateway.connect();
    for length in [0, 99, 100] {
        client.send(post(&format!("Content-Length: {length}\r\n"), &"x".repeat(length)));
        assert_eq!(client.answer().status, 200, "{length}");
        let chunks = format!("{length:x}\r\n{}\r\n0\r\n\r\n", "x".repeat(length));
        if length > 0 {
            client.send(post("Transfer-Encoding: chunked\r\n", &chunks));
            assert_eq!(client.answer().status, 200, "{length} chunked");
        }
    }
    let sent = fortress.upstream.requests().len();
    fortress.refuses(post("Content-Length: 101\r\n", &"x".repeat(101)), 413);
    fortress.refuses(post("Content-Length: 18446744073709551615\r\n", ""), 413);
    let chunks = format!("65\r\n{}\r\n0\r\n\r\n", "x".repeat(101));
    fortress.refuses(post("Transfer-Encoding: chunked\r\n", &chunks), 413);
    // A route's own bound.
    let small = |length: usize| {
        let body = "x".repeat(length);
        format!("POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n{body}")
    };
    client.send(small(10));
    assert_eq!(client.answer().status, 200);
    fortress.refuses(small(11), 413);
    assert_eq!(fortress.upstream.requests().len(), sent + 1);
}

#[test]
fn a_chunked_body_that_grows_too_large_while_it_is_streamed() {
    let (heads, head) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |_, peer| {
        heads.send(peer.head()?).expect("the test waits");
        peer.rest()?;
        Ok(())
    });
    let gateway = Gateway::before(upstream.address(), LIMITS);
    let mut client = gateway.connect();
    client.send(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"));
    head.recv_timeout(HANG_GUARD).expect("a head");
    client.send(format!("60\r\n{}\r\n", "x".repeat(0x60)));
    let answer = client.answer();
    assert_eq!(answer.status, 413);
    assert!(answer.says_close());
    let received = upstream.received().concat();
    assert!(!received.ends_with(b"0\r\n\r\n"), "a cut body must not look whole");
}

#[test]
fn slow_heads_and_bodies() {
    let fortress = Fortress::new("[timeouts]\nhead_timeout_ms = 50\nbody_timeout_ms = 50\n");
    for begin in ["G", "GET / HTTP/1.1\r\nHost: a\r\n", "\r\n", "GET / HTTP/1.1\r\nHost: a\r\n\r"] {
        let mut client = fortress.gateway.connect();
        client.send(begin);
        let answer = client.answer();
        assert_eq!((answer.status, answer.says_close()), (408, true), "{begin:?}");
        assert_eq!(client.rest_or_reset().0, b"");
    }
    // A short body is waited for before anything is sent on.
    let mut client = fortress.gateway.connect();
    client.send(post("Content-Length: 5\r\n", "hel"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (408, r#"{"message":"Request Timeout"}"#));
    assert_eq!(client.rest_or_reset().0, b"");
    // So is the head of a request behind another.
    let mut client = fortress.gateway.connect();
    client.send("GET /mock HTTP/1.1\r\nhost: a\r\n\r\nGET /mo");
    assert_eq!(client.answer().text(), "mocked");
    assert_eq!(client.answer().status, 408);
    assert_eq!(client.rest_or_reset().0, b"");
    fortress.is_untouched();
}

#[test]
fn a_long_body_that_stops_coming() {
    let (ends, end) = std::sync::mpsc::channel();
    let upstream = Upstream::start(move |_, peer| {
        let _ = peer.head()?;
        ends.send(peer.rest().unwrap_or_default()).expect("the test waits");
        Ok(())
    });
    let gateway = Gateway::before(upstream.address(), "[timeouts]\nbody_timeout_ms = 50\n");
    let mut client = gateway.connect();
    client.send(post("Content-Length: 100000\r\n", "hello"));
    let answer = client.answer();
    assert_eq!((answer.status, answer.says_close()), (408, true));
    assert_eq!(client.rest_or_reset().0, b"");
    assert_eq!(end.recv_timeout(HANG_GUARD).expect("an end"), b"hello");
    let mut client = gateway.connect();
    client.send(post("Transfer-Encoding: chunked\r\n", "5\r\nhello\r\n"));
    assert_eq!(client.answer().status, 408);
}

#[test]
fn a_client_that_goes_away_gets_no_answer_and_forwards_nothing() {
    let fortress = Fortress::new("");
    for begin in
        ["GET / HT", "GET / HTTP/1.1\r\nHost: a\r\n", &post("Content-Length: 5\r\n", "hel")]
    {
        let mut client = fortress.gateway.connect();
        client.send(begin);
        client.end_sending();
        assert_eq!(client.rest_or_reset().0, b"", "{begin:?}");
    }
    fortress.is_untouched();
}

#[test]
fn expectations_methods_and_tunnels() {
    let fortress = Fortress::new("");
    fortress.refuses(post("Expect: 200-ok\r\nContent-Length: 1\r\n", "x"), 417);
    fortress.refuses(post("Expect: 100-continue, x\r\nContent-Length: 1\r\n", "x"), 417);
    // CVE-2025-64763: what follows CONNECT is never forwarded.
    fortress.refuses("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", 501);
    fortress.refuses("CONNECT / HTTP/1.1\r\nHost: a\r\n\r\n", 501);
    fortress.refuses("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", 501);
    fortress.refuses(format!("{} / HTTP/1.1\r\nHost: a\r\n\r\n", "M".repeat(100)), 501);
    fortress.is_untouched();
}

#[test]
fn a_refusal_behind_good_requests_comes_after_their_answers() {
    let fortress = Fortress::new("");
    let mut client = fortress.gateway.connect();
    client.send(
        "GET /mock HTTP/1.1\r\nhost: a\r\n\r\nHEAD /mock HTTP/1.1\r\nhost: a\r\n\r\nGET / HTTP/1.1\r\n\
         X : y\r\n\r\nGET /smuggled HTTP/1.1\r\nhost: a\r\n\r\n",
    );
    assert_eq!(client.answer().text(), "mocked");
    assert_eq!(client.answer_to("HEAD").status, 200);
    // It is no answer to HEAD, so it has a body.
    let refused = client.answer();
    assert_eq!((refused.status, refused.body.is_empty()), (400, false));
    client.end_sending();
    assert_eq!(client.rest_or_reset().0, b"");
    fortress.is_untouched();
}

#[test]
fn answers_to_head_are_refused_without_a_body() {
    let fortress = Fortress::new("");
    let mut client = fortress.gateway.connect();
    client.send("HEAD / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\nexpect: x\r\n\r\n");
    let answer = client.answer_to("HEAD");
    assert_eq!(answer.status, 417);
    client.end_sending();
    assert_eq!(client.rest_or_reset().0, b"");
    fortress.is_untouched();
}
