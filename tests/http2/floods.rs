//! Clients that make the gateway work for nothing. Each kind has its bound: one below it is served,
//! one above ends the connection with ENHANCE_YOUR_CALM, is counted, and touches nobody else.

use super::fields::{block, get_mock, indexed_literal, integer, literal, request, start};
use super::frame::*;
use super::gateways::{ENDED, FLOODS, alone, assert_sound, before};
use super::harness::{Gateway, Upstream};
use super::peer::Http2;

/// More than one second's worth, should a second end in the middle.
const OVER: usize = 3;

fn bounded(settings: &str) -> Gateway {
    alone(&format!("[http2]\n{settings}\n"))
}

/// Sends as often as two bounds and one more, which no second's border can hide; the connection must
/// end as a flood of this kind.
fn assert_flood(gateway: &Gateway, kind: &str, what: &str, one: &[u8], max: usize) {
    let before = gateway.metric(FLOODS, kind);
    let mut other = Http2::connect(gateway);
    assert_eq!(other.request("GET", "/mock").text(), "mocked");
    let mut client = Http2::connect(gateway);
    client.check_alive();
    let _ = client.try_send(one.repeat(max * OVER));
    assert_eq!(client.connection_error(), ENHANCE_YOUR_CALM, "{what}");
    gateway.wait_for_metric(FLOODS, kind, before + 1.0);
    assert_eq!(other.request("GET", "/mock").text(), "mocked", "{what}: others go on");
}

/// So many are served: a second's border can only make it fewer for each second.
fn assert_no_flood(gateway: &Gateway, what: &str, one: &[u8], max: usize) {
    let mut client = Http2::connect(gateway);
    client.check_alive();
    client.send(one.repeat(max));
    assert_eq!(client.request("GET", "/mock").text(), "mocked", "{what}");
}

#[test]
fn control_frames() {
    let gateway = bounded("control_frames_per_second_max = 20");
    let kinds = [
        ("SETTINGS", settings(&[(INITIAL_WINDOW, 65_535)])),
        ("empty SETTINGS", settings(&[])),
        ("acknowledged PING", frame(PING, ACK, 0, b"12345678")),
        ("PING", ping(b"12345678")),
        ("PRIORITY", priority(3, 1)),
        ("unknown frames", frame(0xfa, 0, 0, b"")),
    ];
    for (what, one) in &kinds {
        assert_no_flood(&gateway, what, one, 10);
        assert_flood(&gateway, "control_frames", what, one, 20);
    }
    gateway.wait_for_metric(ENDED, "reason=\"flood\"", kinds.len() as f64);
    assert_sound(&gateway);
}

#[test]
fn rapid_reset() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "[http2]\nresets_per_second_max = 20\n");
    let mut other = Http2::connect(&gateway);
    let mut client = Http2::connect(&gateway);
    client.check_alive();
    let mut bytes = Vec::new();
    for number in 0..200 {
        let stream = 2 * number + 1;
        bytes.extend(headers(stream, WHOLE, request("GET", "/a", &[])));
        bytes.extend(reset(stream, CANCEL));
    }
    let _ = client.try_send(bytes);
    assert_eq!(client.connection_error(), ENHANCE_YOUR_CALM);
    gateway.wait_for_metric(FLOODS, "resets", 1.0);
    assert_eq!(other.request("GET", "/mock").text(), "mocked");
    assert!(upstream.connections_count() <= 60, "targets are not asked for what was given up");
    drop((client, other));
    assert_sound(&gateway);
}

#[test]
fn resets_below_the_bound_are_served() {
    let gateway = bounded("resets_per_second_max = 50");
    let mut client = Http2::connect(&gateway);
    for _ in 0..40 {
        let stream = client.begin(request("POST", "/mock", &[("content-length", "9")]));
        client.send(reset(stream, CANCEL));
    }
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

/// CVE-2025-8671: a client that has the gateway reset its streams.
#[test]
fn resets_that_the_gateway_is_made_to_send_are_bounded() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    client.check_alive();
    let post = request("POST", "/mock", &[("content-length", "9")]);
    for _ in 0..5_000 {
        let stream = client.new_stream();
        let bytes = [headers(stream, END_HEADERS, &post), window_update(stream, 0)].concat();
        if client.try_send(bytes).is_err() {
            break;
        }
    }
    client.read_to_end();
    assert_ne!(client.goaway.map(|(_, code)| code), Some(NO_ERROR));
    assert!(client.goaway.is_some(), "5,000 errors are not answered one by one");
    drop(client);
    assert_eq!(Http2::connect(&gateway).request("GET", "/mock").text(), "mocked");
    assert_sound(&gateway);
}

#[test]
fn continuation_frames() {
    let gateway = bounded("continuation_frames_max = 3");
    let head = get_mock();
    let block_of = |pieces: usize| {
        let mut bytes = headers(1, END_STREAM, &head);
        for number in 1..=pieces {
            let flags = if number == pieces { END_HEADERS } else { 0 };
            bytes.extend(continuation(1, flags, literal("x-a", "1")));
        }
        bytes
    };
    for pieces in [1, 2, 3] {
        let mut client = Http2::connect(&gateway);
        client.send(block_of(pieces));
        assert_eq!(client.answer(1).text(), "mocked", "{pieces}");
    }
    for pieces in [4, 1_000] {
        let mut client = Http2::connect(&gateway);
        let _ = client.try_send(block_of(pieces));
        assert_eq!(client.connection_error(), ENHANCE_YOUR_CALM, "{pieces}");
    }
    // Empty ones, which no bound on bytes would ever end.
    let mut client = Http2::connect(&gateway);
    let empty = continuation(1, 0, b"").repeat(10_000);
    let _ = client.try_send([headers(1, END_STREAM, &head), empty].concat());
    assert_eq!(client.connection_error(), ENHANCE_YOUR_CALM);
    gateway.wait_for_metric(FLOODS, "continuations", 3.0);
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn window_updates() {
    let gateway = bounded("window_updates_per_second_max = 100");
    assert_no_flood(&gateway, "WINDOW_UPDATE", &window_update(0, 1), 50);
    assert_flood(&gateway, "window_updates", "WINDOW_UPDATE", &window_update(0, 1), 100);
    assert_sound(&gateway);
}

#[test]
fn empty_and_tiny_data() {
    let gateway = bounded("tiny_data_frames_per_second_max = 50");
    for (what, piece) in [("empty", &b""[..]), ("tiny", b"x"), ("63 bytes", &[b'x'; 63])] {
        let mut client = Http2::connect(&gateway);
        let stream = client.begin(request("POST", "/mock", &[("content-length", "10000")]));
        let _ = client.try_send(data(stream, 0, piece).repeat(151));
        assert_eq!(client.connection_error(), ENHANCE_YOUR_CALM, "{what}");
    }
    gateway.wait_for_metric(FLOODS, "tiny_data", 3.0);
    // Each of many short bodies is one frame: no flood.
    let mut client = Http2::connect(&gateway);
    for _ in 0..200 {
        let stream = client.begin(request("POST", "/mock", &[("content-length", "1")]));
        client.send(data(stream, END_STREAM, b"x"));
        assert_eq!(client.answer(stream).text(), "mocked");
    }
    drop(client);
    assert_sound(&gateway);
}

/// CVE-2016-6581, CVE-2026-49975: one byte on the wire is a field of 4,000.
#[test]
fn a_bomb_of_fields_is_refused_in_bounded_memory() {
    let gateway = alone("");
    let large = "y".repeat(4_000);
    let before_bytes = resident_bytes(&gateway);
    let mut client = Http2::connect(&gateway);
    client.keep_windows();
    let mut is_over = false;
    for _ in 0..50 {
        let stream = client.new_stream();
        let mut fields = block(&start("GET", "/mock"));
        fields.extend(indexed_literal("x-a", &large));
        fields.extend(integer(0x80, 7, 62).repeat(12_000));
        if client.try_send(headers(stream, WHOLE, fields)).is_err() {
            is_over = true;
            break;
        }
        let enough = |client: &Http2| {
            let answer = client.so_far(stream);
            answer.status != 0 || answer.reset.is_some()
        };
        while !enough(&client) && client.step().is_some() {}
        is_over = client.has_ended;
        let answer = client.so_far(stream);
        assert!(is_over || answer.reset.is_some() || answer.status == 431, "{answer:?}");
        if is_over {
            break;
        }
    }
    let grown = resident_bytes(&gateway).saturating_sub(before_bytes);
    assert!(grown < 16 << 20, "{grown} bytes; the connection has ended: {is_over}");
    assert_eq!(Http2::connect(&gateway).request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn many_empty_fields_are_431() {
    let gateway = alone("");
    let mut client = Http2::connect(&gateway);
    let mut fields = get_mock();
    for number in 0..200 {
        fields.extend(literal(format!("x-{number}"), ""));
    }
    let stream = client.ask(fields);
    assert_eq!(client.answer(stream).status, 431);
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
}

#[test]
fn a_slow_preface_ends_the_connection() {
    let gateway = alone("[timeouts]\nhead_timeout_ms = 150\n");
    for cut in [18, 20, 23] {
        let mut client = gateway.connect();
        client.send(&PREFACE[..cut]);
        let (said, _) = client.rest_or_reset();
        assert_eq!(said[3..5], [SETTINGS, 0], "no more than the gateway's own preface");
    }
    gateway.wait_for_metric(ENDED, "reason=\"head_timeout\"", 3.0);
    assert_eq!(Http2::connect(&gateway).request("GET", "/mock").text(), "mocked");
    assert_sound(&gateway);
}

#[test]
fn a_slow_head_ends_the_connection_and_a_slow_body_does_not() {
    let gateway = alone("[timeouts]\nhead_timeout_ms = 150\n");
    let whole = headers(1, WHOLE, get_mock());
    let half_block = headers(1, END_STREAM, &get_mock()[..9]);
    for (what, bytes) in
        [("half a frame", &whole[..20]), ("half a header", &whole[..5]), ("no end", &half_block)]
    {
        let mut client = Http2::connect(&gateway);
        client.check_alive();
        client.send(bytes);
        client.read_to_end();
        assert_eq!(client.so_far(1).status, 0, "{what}");
    }
    gateway.wait_for_metric(ENDED, "reason=\"head_timeout\"", 3.0);
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/mock", &[("content-length", "4")]));
    client.check_alive();
    let frame = data(stream, END_STREAM, b"abcd");
    client.send(&frame[..11]);
    // Three deadlines of heads pass on other connections meanwhile.
    for _ in 0..3 {
        let mut slow = gateway.connect();
        slow.send(&PREFACE[..20]);
        slow.rest_or_reset();
    }
    client.send(&frame[11..]);
    assert_eq!(client.answer(stream).text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

/// A client that never takes what its pings and settings are answered with.
#[test]
fn answers_to_control_frames_do_not_pile_up() {
    let gateway = alone(
        "[http2]\ncontrol_frames_per_second_max = 1000000\n[timeouts]\nwrite_timeout_ms = 300\n",
    );
    let before_bytes = resident_bytes(&gateway);
    let mut client = Http2::connect(&gateway);
    let pings = ping(b"12345678").repeat(10_000);
    for _ in 0..200 {
        if client.try_send(&pings).is_err() {
            break;
        }
    }
    let grown = resident_bytes(&gateway).saturating_sub(before_bytes);
    assert!(grown < 16 << 20, "{grown} bytes");
    client.read_to_end();
    drop(client);
    assert_eq!(Http2::connect(&gateway).request("GET", "/mock").text(), "mocked");
    assert_sound(&gateway);
}

fn resident_bytes(gateway: &Gateway) -> u64 {
    super::bodies::resident_bytes(gateway)
}
