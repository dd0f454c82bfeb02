//! RFC 9113 section 8: what a request is, and what is none. Nothing that is malformed reaches a
//! target, and nothing that one side could take for the end of a line.

use super::fields::{block, literal, request, start};
use super::frame::*;
use super::gateways::{alone, assert_sound, before};
use super::harness::{Gateway, Upstream};
use super::peer::{Answer, Http2};
use super::rfc9113_connection::assert_stream_errors;

const REFUSED: &[u32] = &[PROTOCOL_ERROR];

/// Each of these blocks is sent as a request of its own to a gateway whose target must see none. The
/// stream is reset, or answered 400; for fields that are none at all, `h2` ends the connection.
fn assert_malformed(cases: &[(&str, Vec<u8>)]) {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    for (what, block) in cases {
        let mut client = Http2::connect(&gateway);
        client.send(headers(1, WHOLE, block));
        let is_over = |one: &Answer| one.reset.is_some() || one.is_whole;
        while !is_over(&client.so_far(1)) && client.step().is_some() {}
        let answer = client.so_far(1);
        let code = answer.reset.or(client.goaway.map(|(_, code)| code));
        match answer.status {
            0 => assert_eq!(code, Some(PROTOCOL_ERROR), "{what}"),
            status => assert_eq!(status, 400, "{what}: {answer:?}"),
        }
    }
    assert_eq!(Http2::connect(&gateway).request("GET", "/mock").text(), "mocked");
    assert_eq!(upstream.received(), Vec::<Vec<u8>>::new());
    assert_sound(&gateway);
}

fn with(name: &[u8], value: &[u8]) -> Vec<u8> {
    [request("GET", "/a", &[]), literal(name, value)].concat()
}

/// A request whose pseudo-header `name` has another value.
fn with_pseudo(name: &str, value: &[u8]) -> Vec<u8> {
    let fields = start("GET", "/a");
    let fields = fields
        .iter()
        .map(|(own, old)| literal(own, if *own == name { value } else { old.as_bytes() }));
    fields.flatten().collect()
}

#[test]
fn section_8_1_trailers_must_end_the_stream() {
    let gateway = alone("");
    let begun = headers(1, END_HEADERS, request("POST", "/mock", &[]));
    let trailers = headers(1, END_HEADERS, literal("x-a", "1"));
    let bytes = [begun, data(1, 0, b"x"), trailers].concat();
    assert_stream_errors(&gateway, &[("trailers that do not end", bytes, REFUSED)]);
}

#[test]
fn section_8_2_1_names_are_lower_case_tokens() {
    assert_malformed(&[
        ("upper case", with(b"X-Upper", b"1")),
        ("one upper letter", with(b"x-uppeR", b"1")),
        ("no name", with(b"", b"1")),
        ("a space", with(b"x a", b"1")),
        ("a space behind", with(b"x-a ", b"1")),
        ("a colon", with(b"x-a:", b"1")),
        ("CR", with(b"x-a\r", b"1")),
        ("LF", with(b"x\ny", b"1")),
        ("NUL", with(b"x\0", b"1")),
        ("a line of its own", with(b"x: 1\r\ntransfer-encoding", b"chunked")),
        ("DEL", with(b"x\x7f", b"1")),
        ("beyond ASCII", with("x-ä".as_bytes(), b"1")),
    ]);
}

#[test]
fn section_8_2_1_values_hold_no_line_ends() {
    assert_malformed(&[
        ("CR", with(b"x-a", b"1\r2")),
        ("LF", with(b"x-a", b"1\n2")),
        ("NUL", with(b"x-a", b"1\x002")),
        ("another field", with(b"x-a", b"1\r\ntransfer-encoding: chunked")),
        ("another request", with(b"x-a", b"1\r\n\r\nGET /admin HTTP/1.1\r\nhost: a\r\n\r\n")),
        ("LF at its end", with(b"x-a", b"1\n")),
        ("a control character", with(b"x-a", b"1\x012")),
        ("DEL", with(b"x-a", b"1\x7f")),
    ]);
}

#[test]
fn section_8_2_2_fields_of_a_connection_are_refused() {
    assert_malformed(&[
        ("connection", with(b"connection", b"close")),
        ("connection, a name", with(b"connection", b"x-a")),
        ("keep-alive", with(b"keep-alive", b"timeout=5")),
        ("proxy-connection", with(b"proxy-connection", b"keep-alive")),
        ("transfer-encoding", with(b"transfer-encoding", b"chunked")),
        ("upgrade", with(b"upgrade", b"websocket")),
        ("te", with(b"te", b"gzip")),
        ("te, more than trailers", with(b"te", b"trailers, deflate;q=0.5")),
    ]);
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let answer = Http2::connect(&gateway).request_with("GET", "/a", &[("te", "trailers")]);
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[test]
fn section_8_2_3_crumbs_of_a_cookie_are_joined_for_the_target() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let crumbs = [("cookie", "a=1"), ("x-between", "2"), ("cookie", "b=3"), ("cookie", "c=4")];
    assert_eq!(Http2::connect(&gateway).request_with("GET", "/a", &crumbs).status, 200);
    let request = &upstream.requests()[0];
    assert_eq!(request.header("cookie").as_deref(), Some("a=1; b=3; c=4"));
}

#[test]
fn section_8_3_pseudo_headers_come_first_and_once() {
    let without = |name: &str| {
        let fields: Vec<_> =
            start("GET", "/a").into_iter().filter(|(own, _)| *own != name).collect();
        block(&fields)
    };
    let late = [literal("x-a", "1"), request("GET", "/a", &[])].concat();
    let mut mixed = start("GET", "/a");
    mixed.insert(2, ("x-a", "1"));
    assert_malformed(&[
        ("no method", without(":method")),
        ("no scheme", without(":scheme")),
        ("no path", without(":path")),
        ("nothing at all", Vec::new()),
        ("no pseudo-header", literal("x-a", "1")),
        ("behind a field", late),
        ("between fields", block(&mixed)),
        ("the method twice", with(b":method", b"GET")),
        ("the path twice", with(b":path", b"/b")),
        ("the authority twice", with(b":authority", b"a")),
        ("the scheme twice", with(b":scheme", b"http")),
        ("an unknown one", [literal(":test", "1"), request("GET", "/a", &[])].concat()),
        ("one of answers", [literal(":status", "200"), request("GET", "/a", &[])].concat()),
        ("upper case", [literal(":Method", "GET"), without(":method")].concat()),
        ("a protocol without CONNECT", with_first(":protocol", "websocket")),
    ]);
}

fn with_first(name: &str, value: &str) -> Vec<u8> {
    [literal(name, value), request("GET", "/a", &[])].concat()
}

#[test]
fn section_8_3_1_paths_methods_and_authorities_are_what_they_must_be() {
    assert_malformed(&[
        ("an empty path", with_pseudo(":path", b"")),
        ("a path without slash", with_pseudo(":path", b"a")),
        ("a path with a space", with_pseudo(":path", b"/a b")),
        ("a path with a request line", with_pseudo(":path", b"/a HTTP/1.1\r\nhost: b\r\n\r\n")),
        ("a path with LF", with_pseudo(":path", b"/a\nb")),
        ("a path with NUL", with_pseudo(":path", b"/a\0")),
        ("an empty method", with_pseudo(":method", b"")),
        ("a method with a space", with_pseudo(":method", b"GET /admin HTTP/1.1\r\nx:")),
        ("a method with CR", with_pseudo(":method", b"GET\r")),
        ("an empty authority", with_pseudo(":authority", b"")),
        ("an authority with a user", with_pseudo(":authority", b"user@a")),
        ("an authority with a path", with_pseudo(":authority", b"a/b")),
        ("an authority with a line", with_pseudo(":authority", b"a\r\nx: y")),
        ("an authority with a space", with_pseudo(":authority", b"a b")),
        ("a scheme with a space", with_pseudo(":scheme", b"http ://b/")),
    ]);
}

#[test]
fn section_8_3_1_a_fragment_is_not_of_the_path() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    assert_eq!(Http2::connect(&gateway).request("GET", "/a?b#c").status, 200);
    assert_eq!(upstream.requests()[0].line(), "GET /a?b HTTP/1.1", "`h2` leaves it out");
}

#[test]
fn section_8_3_1_host_and_authority_must_agree() {
    assert_malformed(&[
        ("another host", with(b"host", b"b")),
        ("two hosts", [with(b"host", b"a"), literal("host", "a")].concat()),
        ("another port", with(b"host", b"a:81")),
    ]);
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    assert_eq!(client.request_with("GET", "/a", &[("host", "A")]).status, 200);
    let host_alone = [(":method", "GET"), (":scheme", "http"), (":path", "/a"), ("host", "c")];
    let stream = client.ask(block(&host_alone));
    assert_eq!(client.answer(stream).status, 200);
    let hosts: Vec<_> =
        upstream.requests().iter().map(|one| one.header("x-forwarded-host")).collect();
    assert_eq!(hosts, [Some("a".into()), Some("c".into())]);
    let no_host = &host_alone[..3];
    let stream = client.ask(block(no_host));
    let answer = client.wait(stream, "a refusal", |one| one.is_whole || one.reset.is_some());
    assert!(answer.status == 400 || answer.reset == Some(PROTOCOL_ERROR), "{answer:?}");
}

#[test]
fn section_8_1_1_content_length_must_match() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let post = |length: &str| {
        headers(1, END_HEADERS, request("POST", "/a", &[("content-length", length)]))
    };
    let get = headers(1, WHOLE, request("GET", "/a", &[("content-length", "5")]));
    let large = [post("20000"), data(1, 0, [1; 15_000]), data(1, END_STREAM, [1; 5_001])].concat();
    let trailing = [post("3"), data(1, 0, b"ab"), headers(1, WHOLE, literal("x-a", "1"))].concat();
    let twice = headers(
        1,
        END_HEADERS,
        request("POST", "/a", &[("content-length", "2"), ("content-length", "3")]),
    );
    assert_stream_errors(
        &gateway,
        &[
            ("less", [post("3"), data(1, END_STREAM, b"ab")].concat(), REFUSED),
            ("more", [post("3"), data(1, END_STREAM, b"abcd")].concat(), REFUSED),
            ("none at all", get, REFUSED),
            ("less before trailers", trailing, REFUSED),
            ("not a number", post("1x"), REFUSED),
            ("a sign", post("+1"), REFUSED),
            ("a list", post("1, 1"), REFUSED),
            ("two of them", [twice, data(1, END_STREAM, b"ab")].concat(), REFUSED),
        ],
    );
    assert_eq!(upstream.received(), Vec::<Vec<u8>>::new());
    // That of a long body comes too late to be kept from the target, which sees it cut.
    let mut client = Http2::connect(&gateway);
    client.send(large);
    let answer = client.wait(1, "a refusal", |one| one.reset.is_some() || one.is_whole);
    assert!(answer.reset == Some(PROTOCOL_ERROR) || answer.status == 400, "{answer:?}");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn section_8_1_trailers_hold_nothing_of_a_connection() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let begun = headers(1, END_HEADERS, request("POST", "/a", &[]));
    let trailers = |block: Vec<u8>| [&begun[..], &data(1, 0, b"x"), &headers(1, 5, block)].concat();
    assert_stream_errors(
        &gateway,
        &[
            ("connection", trailers(literal("connection", "close")), REFUSED),
            ("te", trailers(literal("te", "gzip")), REFUSED),
        ],
    );
    let is_whole = |bytes: &Vec<u8>| bytes.ends_with(b"0\r\n\r\n");
    assert!(!upstream.received().iter().any(is_whole), "no target took it for a whole request");
}

#[test]
fn section_8_1_trailers_that_may_not_come_late_reach_no_target() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/a", &[]));
    // `h2` leaves pseudo-headers out of trailers, where RFC 9113 calls them malformed.
    let late = [
        (":path", "/b"),
        ("content-length", "9"),
        ("host", "b"),
        ("authorization", "c"),
        ("x-a", "1"),
    ];
    client.send([data(stream, 0, b"x"), headers(stream, WHOLE, block(&late))].concat());
    assert_eq!(client.answer(stream).status, 200);
    let request = &upstream.requests()[0];
    assert_eq!(request.body, b"x");
    assert_eq!(request.line(), "POST /a HTTP/1.1");
    assert_eq!(request.trailers, [("x-a".to_owned(), "1".to_owned())]);
}

#[test]
fn section_8_5_connect_is_not_implemented() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(block(&[(":method", "CONNECT"), (":authority", "a:443")]));
    let answer = client.wait(stream, "an answer", |one| one.is_whole || one.reset.is_some());
    assert_eq!(answer.status, 501, "{answer:?}");
    let other = [
        (":method", "CONNECT"),
        (":protocol", "connect-udp"),
        (":scheme", "http"),
        (":authority", "a"),
        (":path", "/mock"),
    ];
    let stream = client.begin(block(&other));
    let answer = client.wait(stream, "an answer", |one| one.is_whole || one.reset.is_some());
    assert_eq!(answer.status, 501, "{answer:?}");
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    // With a path or a scheme it is malformed.
    let stream = client.begin(request("CONNECT", "/a", &[]));
    assert_eq!(client.stream_error(stream), PROTOCOL_ERROR);
}

#[test]
fn section_8_6_upgrade_to_h2c_is_not_taken() {
    let gateway: Gateway = alone("");
    let mut client = gateway.connect();
    client.send(
        "GET /mock HTTP/1.1\r\nhost: a\r\nconnection: upgrade, http2-settings\r\n\
         upgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAoAAAAAIAAAAA\r\n\r\n",
    );
    assert_eq!(client.answer().text(), "mocked", "the header is ignored (section 3.1)");
    assert_eq!(Http2::connect(&gateway).request("GET", "/mock").text(), "mocked");
}
