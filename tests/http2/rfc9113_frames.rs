//! RFC 9113 section 6: each type of frame. Section 7: codes.

use super::fields::{get_mock, literal, request};
use super::frame::*;
use super::gateways::{alone, assert_sound, before};
use super::harness::Upstream;
use super::peer::Http2;
use super::rfc9113_connection::{assert_connection_errors, assert_stream_errors};

/// Of a frame whose length is wrong.
const SIZE: &[u32] = &[FRAME_SIZE_ERROR, PROTOCOL_ERROR];

#[test]
fn section_6_1_data() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/a", &[("content-length", "4")]));
    let padded = [&[3][..], b"ab", &[0; 3]].concat();
    client.send(data(stream, PADDED, &padded));
    client.send(data(stream, PADDED, [0, b'c']));
    client.send(data(stream, PADDED, [0]));
    client.send(data(stream, PADDED | END_STREAM, [&[1][..], b"d", &[0]].concat()));
    assert_eq!(client.answer(stream).status, 200);
    assert_eq!(upstream.requests()[0].body, b"abcd", "padding is not of the body");
    drop(client);
    let begun = headers(1, END_HEADERS, request("POST", "/mock", &[]));
    let after = |bytes: Vec<u8>| [begun.clone(), bytes].concat();
    assert_connection_errors(
        &gateway,
        &[
            ("on stream 0", data(0, END_STREAM, b"x"), &[PROTOCOL_ERROR]),
            ("nothing but padding", after(data(1, PADDED, [5, 0, 0, 0, 0])), &[PROTOCOL_ERROR]),
            ("more padding than frame", after(data(1, PADDED, [9, 0])), &[PROTOCOL_ERROR]),
            ("without its padding's length", after(data(1, PADDED, [])), SIZE),
        ],
    );
}

#[test]
fn section_6_2_headers() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    let block = get_mock();
    let stream = client.new_stream();
    client.send(headers(stream, WHOLE | PADDED, [&[2][..], &block, &[0, 0]].concat()));
    assert_eq!(client.answer(stream).text(), "mocked");
    let stream = client.new_stream();
    let both = [&[1, 0, 0, 0, 0, 9][..], &block, &[0]].concat();
    client.send(headers(stream, WHOLE | PADDED | WITH_PRIORITY, both));
    assert_eq!(client.answer(stream).text(), "mocked");
    drop(client);
    assert_connection_errors(
        &gateway,
        &[
            ("on stream 0", headers(0, WHOLE, &block), &[PROTOCOL_ERROR]),
            ("more padding than frame", headers(1, WHOLE | PADDED, [9, 0]), &[PROTOCOL_ERROR]),
            ("without its padding's length", headers(1, WHOLE | PADDED, []), SIZE),
            ("half a priority", headers(1, WHOLE | WITH_PRIORITY, [0, 0, 0]), SIZE),
        ],
    );
}

#[test]
fn section_6_3_priority() {
    let gateway = alone("");
    assert_connection_errors(
        &gateway,
        &[
            ("on stream 0", priority(0, 1), &[PROTOCOL_ERROR]),
            ("four bytes", frame(PRIORITY, 0, 1, [0; 4]), SIZE),
            ("six bytes", frame(PRIORITY, 0, 1, [0; 6]), SIZE),
        ],
    );
}

#[test]
fn section_6_4_rst_stream() {
    let gateway = alone("");
    let begun = headers(1, END_HEADERS, request("POST", "/mock", &[]));
    let three = [begun.clone(), frame(RST_STREAM, 0, 1, [0; 3])].concat();
    let five = [begun, frame(RST_STREAM, 0, 1, [0; 5])].concat();
    assert_connection_errors(
        &gateway,
        &[
            ("on stream 0", reset(0, CANCEL), &[PROTOCOL_ERROR]),
            ("on an idle stream", reset(7, CANCEL), &[PROTOCOL_ERROR]),
            ("three bytes", three, SIZE),
            ("five bytes", five, SIZE),
        ],
    );
}

#[test]
fn section_6_5_settings() {
    let gateway = alone("");
    assert_connection_errors(
        &gateway,
        &[
            ("an acknowledgement with a payload", frame(SETTINGS, ACK, 0, [0; 6]), SIZE),
            ("on a stream", frame(SETTINGS, 0, 1, []), &[PROTOCOL_ERROR]),
            ("seven bytes", frame(SETTINGS, 0, 0, [0; 7]), SIZE),
            // 6.5.2
            ("push: 2", settings(&[(ENABLE_PUSH, 2)]), &[PROTOCOL_ERROR]),
            (
                "window: 2^31",
                settings(&[(INITIAL_WINDOW, 1 << 31)]),
                &[FLOW_CONTROL_ERROR, PROTOCOL_ERROR],
            ),
            ("frames: 16,383", settings(&[(MAX_FRAME, 16_383)]), &[PROTOCOL_ERROR]),
            ("frames: 2^24", settings(&[(MAX_FRAME, 1 << 24)]), &[PROTOCOL_ERROR]),
            ("connect: 2", settings(&[(CONNECT_PROTOCOL, 2)]), &[PROTOCOL_ERROR]),
        ],
    );
    let mut client = Http2::connect(&gateway);
    client.send(settings(&[(0xfafa, 7), (ENABLE_PUSH, 0), (MAX_FRAME, (1 << 24) - 1)]));
    client.send(settings(&[(INITIAL_WINDOW, 1), (INITIAL_WINDOW, 70_000)]));
    client.check_alive();
    assert_eq!(client.settings_acks, 3, "unknown ones are ignored, all are acknowledged");
}

#[test]
fn section_6_5_3_the_table_may_be_switched_off() {
    let gateway = alone("");
    let mut client = Http2::connect_with(&gateway, &[(HEADER_TABLE_SIZE, 0)]);
    for _ in 0..3 {
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
    }
    client.send(settings(&[(HEADER_TABLE_SIZE, 4_096)]));
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
}

#[test]
fn section_6_6_clients_do_not_push() {
    let gateway = alone("");
    let promise = [&[0, 0, 0, 2][..], &get_mock()].concat();
    let begun = headers(1, END_HEADERS, request("POST", "/mock", &[]));
    let bytes = [begun, frame(PUSH_PROMISE, END_HEADERS, 1, promise)].concat();
    assert_connection_errors(&gateway, &[("PUSH_PROMISE", bytes, &[PROTOCOL_ERROR])]);
}

#[test]
fn section_6_7_ping() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    client.send([ping(b"first..."), frame(PING, ACK, 0, b"unasked!"), ping(b"second..")].concat());
    client.check_alive();
    assert_eq!(client.pongs[..2], [b"first...".to_vec(), b"second..".into()]);
    assert_eq!(client.pongs.len(), 3, "an answer is not answered");
    drop(client);
    assert_connection_errors(
        &gateway,
        &[
            ("on a stream", frame(PING, 0, 1, [0; 8]), &[PROTOCOL_ERROR]),
            ("six bytes", frame(PING, 0, 0, [0; 6]), SIZE),
            ("nine bytes", frame(PING, 0, 0, [0; 9]), SIZE),
        ],
    );
}

#[test]
fn section_6_8_a_client_that_says_goodbye_still_gets_its_answers() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/mock", &[("content-length", "1")]));
    client.send(goaway(0, NO_ERROR));
    client.send(data(stream, END_STREAM, b"x"));
    assert_eq!(client.answer(stream).text(), "mocked");
    drop(client);
    let mut client = Http2::connect(&gateway);
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    client.send(goaway(0, 0x7777)); // section 7: an unknown code means nothing special
    client.read_to_end();
    drop(client);
    let on_stream = frame(GOAWAY, 0, 1, [0; 8]);
    let mut client = Http2::connect(&gateway);
    client.send(on_stream);
    client.read_to_end();
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn section_6_9_window_update() {
    let gateway = alone("");
    let begun = headers(1, END_HEADERS, request("POST", "/mock", &[]));
    let after = |bytes: Vec<u8>| [begun.clone(), bytes].concat();
    let max = (1 << 31) - 1;
    assert_connection_errors(
        &gateway,
        &[
            ("by 0", window_update(0, 0), &[PROTOCOL_ERROR]),
            ("three bytes", frame(WINDOW_UPDATE, 0, 0, [0, 0, 1]), SIZE),
            ("five bytes", after(frame(WINDOW_UPDATE, 0, 1, [0, 0, 0, 0, 1])), SIZE),
            ("over 2^31-1", window_update(0, max), &[FLOW_CONTROL_ERROR]),
        ],
    );
    assert_stream_errors(
        &gateway,
        &[("over 2^31-1", after(window_update(1, max)), &[FLOW_CONTROL_ERROR])],
    );
    // By 0 on a stream is an error of it; that of the connection is allowed.
    let mut client = Http2::connect(&gateway);
    client.send(after(window_update(1, 0)));
    while client.so_far(1).reset.is_none() && client.step().is_some() {}
    let code = client.so_far(1).reset.or(client.goaway.map(|(_, code)| code));
    assert_eq!(code, Some(PROTOCOL_ERROR));
}

#[test]
fn section_6_9_1_no_more_is_sent_than_there_is_room_for() {
    let gateway = alone("");
    let mut client = Http2::connect_with(&gateway, &[(INITIAL_WINDOW, 1)]);
    client.keep_windows();
    let stream = client.ask(get_mock());
    assert_eq!(client.body(stream, 1).text(), "m");
    client.check_alive();
    assert_eq!(client.so_far(stream).text(), "m");
    client.send(window_update(stream, 2));
    assert_eq!(client.body(stream, 3).text(), "moc");
    client.check_alive();
    assert_eq!(client.so_far(stream).text(), "moc");
    client.send(window_update(stream, 3));
    assert_eq!(client.answer(stream).text(), "mocked");
}

#[test]
fn section_6_9_2_settings_change_the_windows_of_open_streams() {
    let gateway = alone("");
    let mut client = Http2::connect_with(&gateway, &[(INITIAL_WINDOW, 4)]);
    client.keep_windows();
    let stream = client.ask(get_mock());
    assert_eq!(client.body(stream, 4).text(), "mock");
    client.send(settings(&[(INITIAL_WINDOW, 1)])); // the window is -3 now
    client.send(window_update(stream, 3));
    client.check_alive();
    assert_eq!(client.so_far(stream).text(), "mock", "the window is 0");
    client.send(settings(&[(INITIAL_WINDOW, 2)]));
    assert_eq!(client.body(stream, 5).text(), "mocke");
    client.send(settings(&[(INITIAL_WINDOW, 65_535)]));
    assert_eq!(client.answer(stream).text(), "mocked");
    // A window that grows beyond 2^31-1 by settings is an error of the connection.
    let mut client = Http2::connect_with(&gateway, &[(INITIAL_WINDOW, 0)]);
    let stream = client.ask(get_mock());
    client.head(stream);
    client.send(window_update(stream, (1 << 31) - 1));
    client.send(settings(&[(INITIAL_WINDOW, 100)]));
    assert_eq!(client.connection_error(), FLOW_CONTROL_ERROR);
}

#[test]
fn section_6_10_continuation() {
    let gateway = alone("");
    let block = [get_mock(), literal("x-long", "y".repeat(300))].concat();
    let mut client = Http2::connect(&gateway);
    for pieces in [2, 5, 6] {
        let stream = client.new_stream();
        let mut chunks = block.chunks(block.len().div_ceil(pieces)).peekable();
        client.send(headers(stream, END_STREAM, chunks.next().expect("one")));
        while let Some(chunk) = chunks.next() {
            let flags = if chunks.peek().is_none() { END_HEADERS } else { 0 };
            client.send(continuation(stream, flags, chunk));
        }
        assert_eq!(client.answer(stream).text(), "mocked", "{pieces}");
    }
    drop(client);
    let (first, rest) = block.split_at(9);
    let whole = headers(1, WHOLE, get_mock());
    let open = headers(1, END_STREAM, first);
    assert_connection_errors(
        &gateway,
        &[
            ("on stream 0", [open, continuation(0, 4, rest)].concat(), &[PROTOCOL_ERROR]),
            ("behind END_HEADERS", [whole, continuation(1, 4, rest)].concat(), &[PROTOCOL_ERROR]),
            ("without HEADERS", continuation(1, 4, rest), &[PROTOCOL_ERROR]),
            (
                "behind DATA",
                [
                    headers(1, END_HEADERS, request("POST", "/mock", &[])),
                    data(1, 0, b"x"),
                    continuation(1, 4, rest),
                ]
                .concat(),
                &[PROTOCOL_ERROR],
            ),
        ],
    );
}

#[test]
fn section_7_unknown_codes_mean_nothing_special() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/mock", &[("content-length", "1")]));
    client.send(reset(stream, 0xdead_beef));
    client.check_alive();
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    gateway.wait_for_metric("shardgate_http2_streams_active", "", 0.0);
}
