//! RFC 9113 section 5: states of streams, their numbers, how many, priorities, flow control.

use super::fields::{get_mock, request};
use super::frame::*;
use super::gateways::{alone, assert_sound, before};
use super::harness::Upstream;
use super::peer::Http2;
use super::rfc9113_connection::assert_connection_errors;

#[test]
fn section_5_1_idle_streams_take_headers_and_priority_alone() {
    let gateway = alone("");
    assert_connection_errors(
        &gateway,
        &[
            ("DATA", data(1, END_STREAM, b"x"), &[PROTOCOL_ERROR]),
            ("RST_STREAM", reset(1, CANCEL), &[PROTOCOL_ERROR]),
            ("WINDOW_UPDATE", window_update(1, 100), &[PROTOCOL_ERROR]),
            ("CONTINUATION", continuation(1, END_HEADERS, get_mock()), &[PROTOCOL_ERROR]),
        ],
    );
}

#[test]
fn section_5_1_half_closed_streams_take_no_more() {
    let gateway = alone("");
    for (what, bytes) in
        [("DATA", data(1, END_STREAM, b"late")), ("HEADERS", headers(1, WHOLE, get_mock()))]
    {
        let mut client = Http2::connect(&gateway);
        client.send([headers(1, WHOLE, get_mock()), bytes].concat());
        client.send(headers(3, WHOLE, get_mock()));
        // Of the stream or of the connection: both are allowed.
        let answer = loop {
            let so_far = client.so_far(1);
            if so_far.reset.is_some() || client.step().is_none() {
                break client.so_far(1);
            }
        };
        let code = answer.reset.or(client.goaway.map(|(_, code)| code));
        assert!(matches!(code, Some(STREAM_CLOSED | PROTOCOL_ERROR)), "{what}: {code:?}");
    }
    assert_sound(&gateway);
}

#[test]
fn section_5_1_a_stream_that_was_answered_takes_no_more() {
    let gateway = alone("");
    for (what, bytes) in
        [("DATA", data(1, END_STREAM, b"late")), ("HEADERS", headers(1, WHOLE, get_mock()))]
    {
        let mut client = Http2::connect(&gateway);
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
        client.send(bytes);
        while client.so_far(1).reset.is_none() && client.goaway.is_none() {
            assert!(client.step().is_some(), "{what}: no word of it");
        }
        let code = client.so_far(1).reset.or(client.goaway.map(|(_, code)| code));
        assert!(matches!(code, Some(STREAM_CLOSED | PROTOCOL_ERROR)), "{what}: {code:?}");
    }
    // What may come late is ignored.
    let mut client = Http2::connect(&gateway);
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    client.send([window_update(1, 10), priority(1, 0), reset(1, CANCEL)].concat());
    client.check_alive();
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn section_5_1_what_comes_behind_a_reset_is_no_request() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/a", &[("content-length", "4")]));
    client.send([data(stream, 0, b"ab"), reset(stream, CANCEL)].concat());
    client.send(data(stream, END_STREAM, b"cd"));
    client.check_alive();
    assert_eq!(client.so_far(stream).status, 0);
    assert_eq!(client.request("GET", "/b").status, 200);
    let lines: Vec<_> = upstream.requests().iter().map(|one| one.line().to_owned()).collect();
    assert_eq!(lines, ["GET /b HTTP/1.1"], "the request was never whole");
}

#[test]
fn section_5_1_1_numbers_are_odd_and_grow() {
    let gateway = alone("");
    let twice = [headers(5, WHOLE, get_mock()), headers(3, WHOLE, get_mock())].concat();
    assert_connection_errors(
        &gateway,
        &[
            ("an even number", headers(2, WHOLE, get_mock()), &[PROTOCOL_ERROR]),
            ("number 0", headers(0, WHOLE, get_mock()), &[PROTOCOL_ERROR]),
            ("a smaller number", twice, &[PROTOCOL_ERROR, STREAM_CLOSED]),
        ],
    );
}

#[test]
fn section_5_1_1_numbers_may_be_left_out_up_to_the_largest() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    for stream in [1, 99, 0x7fff_fffd, 0x7fff_ffff] {
        client.send(headers(stream, WHOLE, get_mock()));
        assert_eq!(client.answer(stream).text(), "mocked");
    }
}

#[test]
fn section_5_1_2_streams_over_the_bound_are_refused_and_may_be_tried_again() {
    let gateway = alone("[http2]\nstreams_per_connection_max = 3\n");
    let mut client = Http2::connect(&gateway);
    let post = request("POST", "/mock", &[("content-length", "1")]);
    let waiting = [1, 2, 3].map(|_| client.begin(&post));
    let over = client.ask(get_mock());
    assert_eq!(client.stream_error(over), REFUSED_STREAM);
    assert_eq!(gateway.metric("shardgate_http2_streams_active", ""), 3.0);
    for stream in waiting {
        client.send(data(stream, END_STREAM, b"x"));
        assert_eq!(client.answer(stream).text(), "mocked");
    }
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    assert_eq!(client.settings.get(&CONCURRENT_STREAMS), Some(&3));
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn section_5_2_a_client_that_overruns_a_window_is_stopped() {
    let gateway = alone("[http2]\nstream_window_bytes = 16384\n");
    let post_small = request("POST", "/mock", &[("content-length", "16000")]);
    let mut client = Http2::connect(&gateway);
    client.check_alive();
    assert_eq!(client.settings.get(&INITIAL_WINDOW), Some(&16_384));
    let stream = client.begin(post_small);
    client.send(data(stream, 0, [1; 15_000]));
    client.send(data(stream, 0, [1; 16_000]));
    client.send(data(stream, 0, [1; 16_000]));
    let answer = client.wait(stream, "an end", |one| one.reset.is_some());
    assert!(matches!(answer.reset, Some(FLOW_CONTROL_ERROR | PROTOCOL_ERROR)), "{answer:?}");
    client.check_alive();
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn section_5_3_priorities_are_taken_and_change_nothing() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    client.send([priority(9, 7), priority(7, 9), priority(11, 0)].concat());
    let stream = client.new_stream();
    let with_priority = [&[0x80, 0, 0, 7, 255][..], &get_mock()].concat();
    client.send(headers(stream, WHOLE | WITH_PRIORITY, with_priority));
    assert_eq!(client.answer(stream).text(), "mocked");
    // On itself: an error of the stream by RFC 7540 section 5.3.1; ignored at will by RFC 9113.
    let stream = client.new_stream();
    let [a, b, c, d] = stream.to_be_bytes();
    let on_itself = [&[a, b, c, d, 15][..], &get_mock()].concat();
    client.send(headers(stream, WHOLE | WITH_PRIORITY, on_itself));
    let answer = client.wait(stream, "either", |one| one.is_whole || one.reset.is_some());
    assert!(answer.reset == Some(PROTOCOL_ERROR) || answer.text() == "mocked");
    client.send(priority(1, 1));
    client.check_alive();
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
}
