//! RFC 9113 sections 3.4 (preface), 4 (frames, their sizes, blocks of fields), 5.4 and 5.5 (errors,
//! extensions).

use super::fields::{block, get_mock, indexed_literal, integer, request};
use super::frame::*;
use super::gateways::{ENDED, alone, assert_sound};
use super::harness::{Client, Gateway};
use super::peer::Http2;

/// Each of these is sent on a new connection, which must end with GOAWAY and one of the codes.
/// Where the RFC wants a code of its own, `h2` says PROTOCOL_ERROR at some places; who breaks the
/// protocol is told no less.
pub(crate) fn assert_connection_errors(gateway: &Gateway, cases: &[(&str, Vec<u8>, &[u32])]) {
    for (what, bytes, codes) in cases {
        let mut client = Http2::connect(gateway);
        client.check_alive();
        let _ = client.try_send(bytes);
        client.read_to_end();
        let Some((_, code)) = client.goaway else { panic!("{what}: no GOAWAY") };
        assert!(codes.contains(&code), "{what}: {code}");
    }
    let served = Http2::connect(gateway).request("GET", "/mock");
    assert_eq!(served.text(), "mocked", "others are served");
    gateway.wait_for_metric(ENDED, "reason=\"protocol\"", cases.len() as f64);
    assert_sound(gateway);
}

/// Each of these is sent as all of what comes on stream 1; the stream must be reset with one of the
/// codes, or answered 400, and the connection goes on.
pub(crate) fn assert_stream_errors(gateway: &Gateway, cases: &[(&str, Vec<u8>, &[u32])]) {
    for (what, bytes, codes) in cases {
        let mut client = Http2::connect(gateway);
        client.send(bytes);
        let answer = client.wait(1, what, |one| one.reset.is_some() || one.is_whole);
        match answer.reset {
            Some(code) => assert!(codes.contains(&code), "{what}: {code}"),
            None => assert_eq!(answer.status, 400, "{what}: {answer:?}"),
        }
        let next = 3;
        client.send(headers(next, WHOLE, get_mock()));
        assert_eq!(client.answer(next).text(), "mocked", "{what}: the next stream");
    }
    assert_sound(gateway);
}

#[test]
fn section_3_4_the_gateway_begins_with_settings_and_acknowledges_the_clients() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    let first = client.step().expect("a frame");
    assert_eq!((first.kind, first.flags, first.stream), (SETTINGS, 0, 0));
    assert_eq!(client.settings.get(&CONNECT_PROTOCOL), Some(&1));
    assert_eq!(client.settings.get(&CONCURRENT_STREAMS), Some(&128));
    assert_ne!(client.settings.get(&ENABLE_PUSH), Some(&1), "servers do not say that they push");
    while client.settings_acks == 0 {
        client.step().expect("an acknowledgement");
    }
    client.send(settings(&[(CONCURRENT_STREAMS, 5)]));
    client.check_alive();
    assert_eq!(client.settings_acks, 2, "before what came later");
}

#[test]
fn section_3_4_a_preface_in_pieces_is_one() {
    let gateway = alone("");
    for cut in [1, 3, 17, 18, 23] {
        let mut client = Http2::silent(gateway.address("public"));
        let (first, rest) = PREFACE.split_at(cut);
        client.send(first);
        client.send(rest);
        client.send(settings(&[]));
        assert_eq!(client.request("GET", "/mock").text(), "mocked", "{cut}");
    }
    let mut client = Http2::silent(gateway.address("public"));
    client.send([PREFACE, &settings(&[]), &headers(1, WHOLE, get_mock())].concat());
    assert_eq!(client.answer(1).text(), "mocked", "all at once");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn section_3_4_a_broken_preface_ends_the_connection() {
    let gateway = alone("");
    let mut client = Http2::silent(gateway.address("public"));
    client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\rX\x00\x00\x00\x04\x00\x00\x00\x00\x00");
    client.read_to_end();
    assert!(client.so_far(1).status == 0 && client.has_ended);
    for text in ["PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n", "PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n"] {
        let mut client = Client::connect(gateway.address("public"));
        client.send(text);
        let answer = client.answer();
        assert!(matches!(answer.status, 400 | 505), "{text:?}: {}", answer.head);
    }
    assert_sound(&gateway);
}

#[test]
fn section_3_4_a_preface_behind_a_request_is_refused() {
    let gateway = alone("");
    let mut client = gateway.connect();
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    client.send([PREFACE, &settings(&[])].concat());
    assert_eq!(client.answer().status, 505);
    client.rest_or_reset();
    assert_sound(&gateway);
}

#[test]
fn section_3_3_prior_knowledge_may_be_switched_off() {
    let gateway = Gateway::start(
        r#"
[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"
http2_prior_knowledge = false

[[api]]
name = "main"
route = [{ key = "ANY /mock", mock = { body = "mocked" } }]
"#,
    );
    let mut client = gateway.connect();
    client.send([PREFACE, &settings(&[])].concat());
    assert_eq!(client.answer().status, 505);
    client.rest_or_reset();
    assert_eq!(gateway.connect().request("GET", "/mock").text(), "mocked");
    assert_sound(&gateway);
}

#[test]
fn section_4_1_unknown_types_flags_and_reserved_bits_are_ignored() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    client.send(frame(0xfa, 0xff, 0, b"whatever"));
    client.send(frame(0x16, 0, 77, [0; 100]));
    client.send(frame(PING, 0xfe, 0, b"flagged!"));
    client.send(frame(PING, 0, 0x8000_0000, b"reserved"));
    client.check_alive();
    assert_eq!(client.pongs[..2], [b"flagged!".to_vec(), b"reserved".into()]);
    let stream = client.new_stream();
    client.send(headers(stream | 0x8000_0000, WHOLE | 0xc2, get_mock()));
    assert_eq!(client.answer(stream).text(), "mocked");
}

#[test]
fn section_4_2_the_largest_frame_is_taken_and_a_larger_one_is_not() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/mock", &[("content-length", "16384")]));
    client.send(data(stream, END_STREAM, [7; 16_384]));
    assert_eq!(client.answer(stream).text(), "mocked");
    drop(client);
    let large = vec![0; 16_385];
    let begun = headers(1, END_HEADERS, request("POST", "/mock", &[]));
    assert_connection_errors(
        &gateway,
        &[
            ("DATA", [&begun[..], &data(1, 0, &large)].concat(), &[FRAME_SIZE_ERROR]),
            ("HEADERS", headers(1, WHOLE, &large), &[FRAME_SIZE_ERROR]),
            ("SETTINGS", frame(SETTINGS, 0, 0, vec![0; 16_386]), &[FRAME_SIZE_ERROR]),
            ("an unknown frame", frame(0xfa, 0, 0, &large), &[FRAME_SIZE_ERROR]),
        ],
    );
}

#[test]
fn section_4_3_a_block_is_contiguous_and_whole() {
    let gateway = alone("");
    let block = get_mock();
    let (first, rest) = block.split_at(5);
    let begun = headers(1, END_STREAM, first);
    let broken = |between: Vec<u8>| [begun.clone(), between, continuation(1, 4, rest)].concat();
    let other = headers(3, WHOLE, get_mock());
    assert_connection_errors(
        &gateway,
        &[
            ("no field", headers(1, WHOLE, [0x3f]), &[COMPRESSION_ERROR, PROTOCOL_ERROR]),
            ("half a field", headers(1, WHOLE, &block[..3]), &[COMPRESSION_ERROR, PROTOCOL_ERROR]),
            ("PRIORITY inside", broken(priority(1, 0)), &[PROTOCOL_ERROR]),
            ("PING inside", broken(ping(b"12345678")), &[PROTOCOL_ERROR]),
            ("DATA inside", broken(data(1, 0, b"x")), &[PROTOCOL_ERROR]),
            ("HEADERS inside", broken(other), &[PROTOCOL_ERROR]),
            ("its own HEADERS inside", broken(begun.clone()), &[PROTOCOL_ERROR]),
            ("CONTINUATION of another", broken(continuation(3, 4, rest)), &[PROTOCOL_ERROR]),
            // Section 5.5: extension frames have no place there either.
            ("an unknown frame inside", broken(frame(0xfa, 0, 1, b"x")), &[PROTOCOL_ERROR]),
        ],
    );
}

#[test]
fn section_4_3_state_of_the_fields_is_kept_across_streams_that_fail() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    // A malformed request whose fields enter the table, then one that refers to them.
    let entered = [
        indexed_literal(":path", "/mock"),
        block(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")]),
        indexed_literal("connection", "close"),
    ]
    .concat();
    let stream = client.ask(entered);
    assert_eq!(client.stream_error(stream), PROTOCOL_ERROR);
    let by_index = [
        block(&[(":method", "GET"), (":scheme", "http"), (":authority", "a")]),
        integer(0x80, 7, 63), // the older of the two
    ]
    .concat();
    let stream = client.ask(by_index);
    assert_eq!(client.answer(stream).text(), "mocked");
}

#[test]
fn section_5_4_1_an_error_of_the_connection_names_the_last_stream_and_closes() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
    }
    client.send(frame(PING, 0, 1, b"12345678"));
    assert_eq!(client.connection_error(), PROTOCOL_ERROR);
    assert_eq!(client.goaway, Some((5, PROTOCOL_ERROR)));
}

#[test]
fn section_5_4_2_an_error_of_a_stream_leaves_the_others_alone() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    let waiting = client.begin(request("POST", "/mock", &[("content-length", "2")]));
    let broken = client.ask(request("GET", "/mock", &[("connection", "close")]));
    assert_eq!(client.stream_error(broken), PROTOCOL_ERROR);
    client.send(data(waiting, END_STREAM, b"ab"));
    assert_eq!(client.answer(waiting).text(), "mocked");
}
