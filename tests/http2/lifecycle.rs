//! Time and ends: slow clients, stalled readers, requests that are given up, idle connections, drains.

use std::io;
use std::sync::{Mutex, mpsc};

use super::fields::{get_mock, request};
use super::frame::*;
use super::gateways::{ENDED, alone, assert_sound, before};
use super::harness::{HANG_GUARD, Upstream};
use super::peer::Http2;

#[test]
fn a_slow_body_is_408_and_the_connection_goes_on() {
    let upstream = Upstream::mirror();
    let gateway = before(upstream.address(), "[timeouts]\nbody_timeout_ms = 150\n");
    let mut client = Http2::connect(&gateway);
    for fields in [&[("content-length", "5")][..], &[]] {
        let stream = client.begin(request("POST", "/a", fields));
        client.send(data(stream, 0, b"ab"));
        let answer = client.answer(stream);
        assert_eq!(answer.status, 408, "{fields:?}: {answer:?}");
        assert_eq!(client.request("GET", "/mock").text(), "mocked");
    }
    let deadlines = gateway.metric("shardgate_deadlines_fired_total", "kind=\"body\"");
    assert_eq!(deadlines, 2.0);
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn a_stream_that_takes_nothing_is_reset_and_the_others_go_on() {
    let (upstream, end) = endless();
    let gateway = before(upstream.address(), "[timeouts]\nwrite_timeout_ms = 200\n");
    let mut client = Http2::connect_with(&gateway, &[(INITIAL_WINDOW, 0)]);
    let stream = client.ask(request("GET", "/a", &[]));
    assert_eq!(client.head(stream).status, 200);
    // All windows of the connection are open; that of this stream never is.
    let answer = client.wait(stream, "a reset", |one| one.reset.is_some());
    assert!(answer.body.is_empty() && answer.reset != Some(NO_ERROR), "{answer:?}");
    end.recv_timeout(HANG_GUARD).expect("the target was let go");
    client.send(settings(&[(INITIAL_WINDOW, 65_535)]));
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

/// CVE-2026-49975: many streams whose windows stay shut.
#[test]
fn streams_that_all_take_nothing_are_reset_in_bounded_memory() {
    let upstream = Upstream::start(|_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 100000000\r\n\r\n")?;
        while peer.send([b'x'; 65_536]).is_ok() {}
        Ok(())
    });
    let gateway = before(upstream.address(), "[timeouts]\nwrite_timeout_ms = 1000\n");
    let mut client = Http2::connect_with(&gateway, &[(INITIAL_WINDOW, 0)]);
    let mut resident = vec![super::bodies::resident_bytes(&gateway)];
    for _ in 0..3 {
        let streams: Vec<_> = (0..50).map(|_| client.ask(request("GET", "/a", &[]))).collect();
        for stream in &streams {
            client.head(*stream);
        }
        resident.push(super::bodies::resident_bytes(&gateway));
        for stream in streams {
            let answer = client.wait(stream, "a reset", |one| one.reset.is_some());
            assert!(answer.body.is_empty());
        }
    }
    client.check_alive();
    // On a ring one turn may bring a megabyte of each target before its reception stops; 5 GB wait.
    let most = resident.iter().max().expect("four of them") - resident[0];
    assert!(most < 160 << 20, "50 stalled streams, three times: {resident:?}");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn a_connection_that_takes_nothing_is_closed() {
    let (upstream, end) = endless();
    let gateway = before(upstream.address(), "[timeouts]\nwrite_timeout_ms = 200\n");
    let mut client = Http2::connect_with(&gateway, &[(INITIAL_WINDOW, (1 << 31) - 1)]);
    client.send(window_update(0, (1 << 30) - 1));
    client.ask(request("GET", "/a", &[]));
    // Its windows are open, but it reads nothing from its socket.
    end.recv_timeout(HANG_GUARD).expect("the target was let go");
    gateway.wait_for_metric(ENDED, "reason=\"write_timeout\"", 1.0);
    assert_eq!(Http2::connect(&gateway).request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

/// A target that tells when it was asked, and when its connection has ended.
fn telling() -> (Upstream, mpsc::Receiver<&'static str>) {
    let (events, told) = mpsc::channel();
    let events = Mutex::new(events);
    let upstream = Upstream::start(move |_, peer| {
        let tell = |event| events.lock().expect("sound").send(event).map_err(io::Error::other);
        peer.head()?;
        tell("asked")?;
        let _ = peer.rest();
        tell("ended")
    });
    (upstream, told)
}

#[test]
fn a_request_that_is_given_up_ends_at_the_target_and_leaves_a_line() {
    let (upstream, told) = telling();
    let log = "[access_log]\npath = \"{dir}/access.log\"\nformat = '{\"id\":\"$context.requestId\",\
               \"path\":\"$context.path\",\"status\":$context.status,\
               \"cause\":\"$context.shardgate.cause\"}'\n";
    let mut gateway = before(upstream.address(), log);
    let mut client = Http2::connect(&gateway);
    let stream = client.ask(request("GET", "/a", &[]));
    assert_eq!(told.recv_timeout(HANG_GUARD), Ok("asked"));
    client.send(reset(stream, CANCEL));
    assert_eq!(told.recv_timeout(HANG_GUARD), Ok("ended"));
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    // The same by an upload that is given up.
    let stream = client.begin(request("POST", "/b", &[("content-length", "100000")]));
    client.send(data(stream, 0, [b'x'; 16_000]));
    assert_eq!(told.recv_timeout(HANG_GUARD), Ok("asked"));
    client.send(reset(stream, CANCEL));
    assert_eq!(told.recv_timeout(HANG_GUARD), Ok("ended"));
    // And by a connection that goes away.
    client.ask(request("GET", "/c", &[]));
    assert_eq!(told.recv_timeout(HANG_GUARD), Ok("asked"));
    drop(client);
    assert_eq!(told.recv_timeout(HANG_GUARD), Ok("ended"));
    gateway.wait_for_metric("shardgate_http2_streams_given_up_total", "", 3.0);
    assert_sound(&gateway);
    let lines = super::seen::lines(&mut gateway);
    let told: Vec<_> = lines
        .iter()
        .map(|line| (line["path"].as_str().unwrap_or(""), line["status"].as_u64().unwrap_or(0)))
        .collect();
    assert_eq!(told, [("/a", 499), ("/mock", 200), ("/b", 499), ("/c", 499)], "{lines:#?}");
    assert_eq!(lines[0]["cause"], "client_gone");
}

#[test]
fn an_idle_connection_is_told_goodbye() {
    let gateway = alone("[timeouts]\nidle_timeout_ms = 200\n");
    let mut client = Http2::connect(&gateway);
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    assert_eq!(client.connection_error(), NO_ERROR);
    let (last_stream, _) = client.goaway.expect("GOAWAY");
    assert_eq!(last_stream, 1);
    let mut silent = Http2::connect(&gateway);
    assert_eq!(silent.connection_error(), NO_ERROR, "also one that never asked");
    gateway.wait_for_metric(ENDED, "reason=\"idle\"", 2.0);
    assert_sound(&gateway);
}

#[test]
fn a_request_under_way_is_no_idleness() {
    let gateway = alone("[timeouts]\nidle_timeout_ms = 100\n");
    let mut client = Http2::connect(&gateway);
    let stream = client.begin(request("POST", "/mock", &[("content-length", "1")]));
    client.check_alive();
    // Others become idle and end meanwhile.
    for _ in 0..3 {
        assert_eq!(Http2::connect(&gateway).connection_error(), NO_ERROR);
    }
    client.send(data(stream, END_STREAM, b"x"));
    assert_eq!(client.answer(stream).text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn a_connection_ends_after_its_last_request() {
    let gateway = alone("[limits]\nrequests_per_connection_max = 3\n");
    let mut client = Http2::connect(&gateway);
    let waiting = client.begin(request("POST", "/mock", &[("content-length", "1")]));
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    while client.goaway.is_none() {
        assert!(client.step().is_some(), "GOAWAY before the end");
    }
    client.send(data(waiting, END_STREAM, b"x"));
    assert_eq!(client.answer(waiting).text(), "mocked", "what was under way is answered");
    assert_eq!(client.connection_error(), NO_ERROR);
    assert_sound(&gateway);
}

#[test]
fn requests_in_a_second_are_bounded_without_ending_the_connection() {
    let gateway = alone("[limits]\nrequests_per_connection_per_second_max = 2\n");
    let mut client = Http2::connect(&gateway);
    let streams: Vec<_> = (0..7).map(|_| client.ask(get_mock())).collect();
    let statuses: Vec<_> = streams.iter().map(|stream| client.answer(*stream).status).collect();
    assert!(statuses.contains(&200) && statuses.contains(&429), "{statuses:?}");
    client.check_alive();
}

#[test]
fn a_drain_lets_requests_finish_and_says_goodbye() {
    let (asked, was_asked) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let (asked, may_go_on) = (Mutex::new(asked), Mutex::new(may_go_on));
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        asked.lock().expect("sound").send(()).map_err(io::Error::other)?;
        may_go_on.lock().expect("sound").recv().map_err(io::Error::other)?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi")
    });
    let tables = "[[api.route]]\nkey = \"GET /patient\"\nupstream = \"backend\"\n";
    let mut gateway = before(upstream.address(), tables);
    let (mut busy, mut idle) = (Http2::connect(&gateway), Http2::connect(&gateway));
    assert_eq!(idle.request("GET", "/mock").text(), "mocked");
    let stream = busy.ask(request("GET", "/patient", &[]));
    was_asked.recv_timeout(HANG_GUARD).expect("the target was asked");
    gateway.signal("TERM");
    assert_eq!(idle.connection_error(), NO_ERROR);
    while busy.goaway.is_none() {
        assert!(busy.step().is_some(), "GOAWAY before the end");
    }
    go_on.send(()).expect("the target waits");
    assert_eq!(busy.answer(stream).text(), "hi");
    assert_eq!(busy.connection_error(), NO_ERROR);
    assert_eq!(busy.goaway.map(|(last, _)| last), Some(stream), "no later one was taken");
    assert!(gateway.wait().success());
}

#[test]
fn streams_that_begin_in_a_drain_are_not_served() {
    let (upstream, told) = telling();
    let mut gateway = before(upstream.address(), "");
    let mut client = Http2::connect(&gateway);
    let first = client.ask(request("GET", "/a", &[]));
    assert_eq!(told.recv_timeout(HANG_GUARD), Ok("asked"));
    gateway.signal("TERM");
    // The first GOAWAY allows what is on its way; the second names the last one.
    while client.goaway.is_none_or(|(last, _)| last != first) {
        assert!(client.step().is_some(), "two GOAWAYs before the end");
    }
    let late = client.ask(get_mock());
    client.send(reset(first, CANCEL));
    assert_eq!(told.recv_timeout(HANG_GUARD), Ok("ended"));
    client.read_to_end();
    assert_eq!(client.so_far(late).status, 0, "a client may send it again elsewhere");
    assert!(gateway.wait().success());
}

/// A target whose answers end when they are no longer taken, and word of each that has.
fn endless() -> (Upstream, mpsc::Receiver<()>) {
    let (ended, end) = mpsc::channel();
    let ended = Mutex::new(ended);
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
        let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x1_0000));
        while peer.send(&chunk).is_ok() {}
        ended.lock().expect("sound").send(()).map_err(io::Error::other)
    });
    (upstream, end)
}
