//! The phases of a request over HTTP/2: the same answers as over HTTP/1, without its framing.

use std::sync::{Mutex, mpsc};

use super::fields::{block, literal, request};
use super::frame::*;
use super::gateways::{alone, assert_sound, before};
use super::harness::{Echo, Upstream};
use super::peer::{Answer, Http2, value};

/// What no answer over HTTP/2 has (RFC 9113 section 8.2.2).
fn assert_no_connection_fields(answer: &Answer) {
    for name in ["connection", "keep-alive", "proxy-connection", "transfer-encoding", "upgrade"] {
        assert_eq!(answer.header(name), None, "{answer:?}");
    }
    assert!(answer.fields.iter().all(|(name, _)| *name == name.to_ascii_lowercase()));
}

#[test]
fn answers_of_the_gateway_itself() {
    let gateway = alone("[[api.route]]\nkey = \"GET /none\"\nmock = { status = 204 }\n");
    let mut client = Http2::connect(&gateway);
    let answer = client.request("GET", "/mock");
    assert_eq!((answer.status, answer.text()), (200, "mocked"));
    assert_eq!(answer.header("content-length"), Some("6"));
    assert!(answer.header("apigw-requestid").is_some_and(|id| id.ends_with('=')));
    assert_no_connection_fields(&answer);
    let answer = client.request("HEAD", "/mock");
    assert_eq!((answer.status, answer.text()), (200, ""));
    assert_eq!(answer.header("content-length"), Some("6"));
    let answer = client.request("GET", "/moved");
    assert_eq!(answer.header("location"), Some("https://b.example/elsewhere"));
    assert_no_connection_fields(&answer);
    let answer = client.request("GET", "/limited");
    assert_eq!((answer.status, answer.text()), (429, r#"{"message":"Too Many Requests"}"#));
    assert!(answer.header("retry-after").is_some());
    let answer = client.request("GET", "/none");
    assert_eq!((answer.status, answer.text(), answer.is_whole), (204, "", true));
    assert_eq!(client.request("GET", "/mock").text(), "mocked", "after all of them");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn bounds_of_a_request_are_those_of_http1() {
    let limits = "[limits]\nhead_bytes_max = 4096\nrequest_line_bytes_max = 1024\n\
                  headers_count_max = 20\n";
    let gateway = alone(limits);
    let mut client = Http2::connect(&gateway);
    let long = |count| "a".repeat(count);
    let answer = client.request("GET", &format!("/{}", long(2_000)));
    assert_eq!(answer.status, 414);
    assert_no_connection_fields(&answer);
    assert_eq!(client.request_with("GET", "/mock", &[("x-a", &long(5_000))]).status, 431);
    assert_eq!(client.request_with("GET", "/mock", &[("x-a", "1"); 30]).status, 431);
    assert_eq!(client.request_with("GET", "/mock", &[("x-a", "1"); 10]).status, 200);
    // By its Content-Length; then by what comes.
    let stream = client.begin(request("POST", "/small", &[("content-length", "11")]));
    client.send(data(stream, END_STREAM, b"12345678901"));
    assert_eq!(client.answer(stream).status, 413);
    let stream = client.begin(request("POST", "/small", &[]));
    client.send(data(stream, END_STREAM, b"12345678901"));
    let answer = client.wait(stream, "an end", |one| one.is_whole || one.reset.is_some());
    assert!(matches!(answer.status, 413 | 502), "{answer:?}");
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn a_body_that_grows_too_long_is_413() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/small", &[]));
    client.send(data(stream, END_STREAM, b"1234567890"));
    assert_eq!(client.answer(stream).status, 200, "at the bound");
    let stream = client.begin(request("POST", "/small", &[]));
    client.send([data(stream, 0, b"123456"), data(stream, END_STREAM, b"78901")].concat());
    assert_eq!(client.answer(stream).status, 413, "one above");
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
}

#[test]
fn a_path_that_no_route_takes_is_404() {
    let gateway = super::harness::Gateway::start(
        r#"
[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"

[[api]]
name = "main"
hosts = ["a.example"]
route = [{ key = "GET /items/{id}", mock = { body = "item" } }]
"#,
    );
    let mut client = Http2::connect(&gateway);
    assert_eq!(client.request("GET", "/nothing").status, 421, "no API is of that host");
    let ask = |client: &mut Http2, path| client.request_to("a.example", path);
    assert_eq!(ask(&mut client, "/items/7").text(), "item");
    let answer = ask(&mut client, "/elsewhere");
    assert_eq!((answer.status, answer.text()), (404, r#"{"message":"Not Found"}"#));
}

#[test]
fn a_target_gets_http1_and_its_answer_loses_what_is_of_a_connection() {
    let upstream = Upstream::start(|_, peer| {
        loop {
            peer.request()?;
            peer.send(
                "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nConnection: keep-alive, x-own\r\n\
                 keep-alive: timeout=5\r\nx-own: 1\r\nX-Two: a\r\nx-two: b\r\n\
                 transfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            )?;
        }
    });
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let answer = client.request_with("GET", "/a?b=c", &[("x-mine", "1"), ("x-mine", "2")]);
    assert_eq!((answer.status, answer.text()), (200, "hi"));
    assert_no_connection_fields(&answer);
    assert_eq!(answer.header("content-type"), Some("text/plain"));
    let two: Vec<_> = answer.fields.iter().filter(|(name, _)| name == "x-two").collect();
    assert_eq!(two.len(), 2);
    let request = &upstream.requests()[0];
    assert_eq!(request.line(), "GET /a?b=c HTTP/1.1");
    assert_eq!(request.header("x-forwarded-host").as_deref(), Some("a"));
    assert_eq!(request.values("x-mine"), ["1", "2"]);
    assert_eq!(request.header("x-forwarded-proto").as_deref(), Some("http"));
    assert_eq!(request.header("x-forwarded-for").as_deref(), Some("127.0.0.1"));
    assert_eq!(request.header("transfer-encoding"), None, "a request without a body");
}

#[test]
fn answers_without_a_body_end_at_once() {
    let upstream = Upstream::start(|_, peer| {
        loop {
            let request = peer.request()?;
            peer.send(match request.line() {
                "GET /204 HTTP/1.1" => "HTTP/1.1 204 No Content\r\n\r\n",
                "GET /304 HTTP/1.1" => {
                    "HTTP/1.1 304 Not Modified\r\netag: \"a\"\r\ncontent-length: 9\r\n\r\n"
                }
                "GET /0 HTTP/1.1" => "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
                _ => "HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n",
            })?;
        }
    });
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    for (method, path, status) in
        [("GET", "/204", 204), ("GET", "/304", 304), ("GET", "/0", 200), ("HEAD", "/a", 200)]
    {
        let answer = client.request(method, path);
        assert_eq!((answer.status, answer.text()), (status, ""), "{path}");
        assert!(answer.is_whole && answer.reset.is_none());
    }
    assert_eq!(upstream.connections_count(), 1, "its connection goes on");
}

#[test]
fn interim_answers_come_before_the_final_one() {
    let echo = Echo::start();
    let gateway = before(echo.address(), "");
    let mut client = Http2::connect(&gateway);
    let answer = client.request("GET", "/interim/3");
    let statuses: Vec<_> = answer.interim.iter().map(|(status, _)| *status).collect();
    assert_eq!((answer.status, statuses), (200, vec![103; 3]));
}

#[test]
fn expectations_are_met_or_refused() {
    let echo = Echo::start();
    let gateway = before(echo.address(), "");
    let mut client = Http2::connect(&gateway);
    for length in [Some("5"), None] {
        let mut fields = vec![("expect", "100-continue")];
        fields.extend(length.map(|length| ("content-length", length)));
        let stream = client.begin(request("POST", "/echo", &fields));
        client.wait(stream, "100 Continue", |one| one.interim.iter().any(|(it, _)| *it == 100));
        client.send(data(stream, END_STREAM, b"hello"));
        let answer = client.answer(stream);
        assert_eq!((answer.status, answer.text()), (200, "hello"), "{length:?}");
    }
    let stream = client.begin(request("POST", "/echo", &[("expect", "miracles")]));
    assert_eq!(client.answer(stream).status, 417);
    // Who is refused is not asked to go on.
    let fields = [("expect", "100-continue"), ("content-length", "11")];
    let stream = client.begin(request("POST", "/small", &fields));
    let answer = client.answer(stream);
    assert_eq!((answer.status, answer.interim.len()), (413, 0));
}

#[test]
fn many_requests_at_once_are_answered_each_by_its_own() {
    let echo = Echo::start();
    let gateway = before(echo.address(), "");
    let mut client = Http2::connect(&gateway);
    let mut asked = Vec::new();
    for number in 0..100_usize {
        let body = number.to_string();
        let stream = client.begin(request("POST", "/echo", &[]));
        client.send(data(stream, END_STREAM, &body));
        asked.push((stream, body));
    }
    for (stream, body) in asked.into_iter().rev() {
        let answer = client.answer(stream);
        assert_eq!((answer.status, answer.text()), (200, body.as_str()));
    }
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn bad_targets_are_502_and_silent_ones_504() {
    let upstream = Upstream::start(|_, peer| {
        let request = peer.request()?;
        if request.line() == "GET /bad HTTP/1.1" {
            peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n")?;
        }
        peer.rest().map(drop)
    });
    let silent = "[[api.route]]\nkey = \"GET /silent\"\nupstream = \"backend\"\ntimeout_ms = 200\n";
    let gateway = before(upstream.address(), silent);
    let mut client = Http2::connect(&gateway);
    assert_eq!(client.request("GET", "/bad").status, 502);
    assert_eq!(client.request("GET", "/silent").status, 504);
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
}

#[test]
fn an_answer_that_is_cut_is_a_reset_and_no_end() {
    let (cut, is_cut) = mpsc::channel();
    let is_cut = Mutex::new(is_cut);
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf")?;
        is_cut.lock().expect("sound").recv().map_err(std::io::Error::other)?;
        peer.close();
        Ok(())
    });
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let stream = client.ask(request("GET", "/a", &[]));
    assert_eq!(client.body(stream, 4).text(), "half");
    cut.send(()).expect("the target waits");
    let answer = client.answer(stream);
    assert_eq!((answer.status, answer.is_whole), (200, false));
    assert!(answer.reset.is_some_and(|code| code != NO_ERROR), "{answer:?}");
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
}

#[test]
fn trailers_of_a_target_become_trailers() {
    let upstream = Upstream::answering(
        "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n\
         3\r\nabc\r\n0\r\nx-sum: 6\r\nX-More: yes\r\n\r\n",
    );
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let answer = client.request("GET", "/a");
    assert_eq!((answer.text(), answer.is_whole), ("abc", true));
    assert_eq!(value(&answer.trailers, "x-sum"), Some("6"));
    assert_eq!(value(&answer.trailers, "x-more"), Some("yes"));
}

#[test]
fn trailers_of_a_request_become_chunked_trailers() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/a", &[]));
    client.send(data(stream, 0, b"abc"));
    client.send(headers(stream, WHOLE, literal("x-sum", "6")));
    assert_eq!(client.answer(stream).status, 200);
    let stream = client.begin(request("POST", "/b", &[]));
    client.send(headers(stream, WHOLE, block(&[("x-a", "1"), ("x-b", "2")])));
    assert_eq!(client.answer(stream).status, 200);
    let requests = upstream.requests();
    assert_eq!(requests[0].header("transfer-encoding").as_deref(), Some("chunked"));
    assert_eq!((&requests[0].body[..], &requests[1].body[..]), (&b"abc"[..], &b""[..]));
    assert_eq!(value(&requests[0].trailers, "x-sum"), Some("6"));
    assert_eq!(value(&requests[1].trailers, "x-b"), Some("2"));
}

#[test]
fn a_route_with_a_host_of_another_kind_is_not_found_by_another_spelling() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    // Paths are made normal as over HTTP/1: no spelling goes around a route.
    for path in ["/./mock", "/x/../mock", "/%6dock", "//mock"] {
        let answer = client.request("GET", path);
        assert!(answer.text() == "mocked" || answer.status == 400 || path == "//mock", "{path}");
    }
}
