//! Bodies of any size, both ways at once, in bounded memory.

use std::io;
use std::sync::{Mutex, mpsc};

use super::fields::request;
use super::frame::*;
use super::gateways::{assert_sound, before};
use super::harness::{Echo, Gateway, HANG_GUARD, Upstream};
use super::peer::Http2;

/// Bytes that do not repeat within what is in flight.
fn noise(bytes: usize) -> Vec<u8> {
    (0..bytes as u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect()
}

/// The memory that the gateway has in use, in bytes.
pub(crate) fn resident_bytes(gateway: &Gateway) -> u64 {
    let path = format!("/proc/{}/statm", gateway.pid());
    let text = std::fs::read_to_string(path).expect("a process");
    let pages: u64 = text.split(' ').nth(1).and_then(|pages| pages.parse().ok()).expect("pages");
    pages * 4_096
}

#[test]
fn bodies_of_all_sizes_come_back() {
    let echo = Echo::start();
    let gateway = before(echo.address(), "");
    let mut client = Http2::connect(&gateway);
    client.check_alive();
    for bytes in [0, 1, 5, 16_383, 16_384, 16_385, 65_535, 65_536, 300_000, 3_000_000] {
        let (body, length) = (noise(bytes), bytes.to_string());
        for fields in [&[("content-length", length.as_str())][..], &[]] {
            let stream = client.begin(request("POST", "/echo", fields));
            client.send_body(stream, &body, true);
            let answer = client.answer(stream);
            assert_eq!((answer.status, answer.is_whole), (200, true), "{bytes}");
            assert!(answer.body == body, "{bytes}, {fields:?}");
        }
    }
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn both_directions_run_at_once() {
    let echo = Echo::start();
    let gateway = before(echo.address(), "");
    let mut client = Http2::connect(&gateway);
    client.check_alive();
    let (first, second) = (noise(50_000), noise(200_000));
    let streams = [0, 1, 2].map(|_| client.begin(request("POST", "/echo", &[])));
    for stream in streams {
        client.send_body(stream, &first, false);
    }
    for stream in streams {
        // What was sent is back before the rest leaves.
        assert!(client.body(stream, first.len()).body == first);
    }
    for stream in streams {
        client.send_body(stream, &second, true);
    }
    for stream in streams {
        let answer = client.answer(stream);
        assert!(answer.is_whole && answer.body == [&first[..], &second].concat());
    }
}

#[test]
fn an_answer_may_come_before_the_upload_has_ended() {
    let echo = Echo::start();
    let gateway = before(echo.address(), "");
    let mut client = Http2::connect(&gateway);
    client.check_alive();
    let stream = client.begin(request("POST", "/early/403", &[("content-length", "300000")]));
    client.send_body(stream, &noise(100_000), false);
    let answer = client.answer(stream);
    assert_eq!(answer.status, 403);
    // RFC 9113 section 8.1: a reset without an error asks the client to stop.
    let answer = client.wait(stream, "an end", |one| one.is_whole);
    assert!(answer.reset.is_none_or(|code| code == NO_ERROR), "{answer:?}");
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn an_answer_of_the_gateway_does_not_wait_for_the_body() {
    let gateway = super::gateways::alone("");
    let mut client = Http2::connect(&gateway);
    client.check_alive();
    for path in ["/mock", "/moved", "/limited"] {
        let stream = client.begin(request("POST", path, &[("content-length", "300000")]));
        client.send_body(stream, &noise(20_000), false);
        let answer = client.answer(stream);
        assert!(answer.status != 0 && answer.is_whole, "{path}: {answer:?}");
        let answer = client.wait(stream, "a reset", |one| one.reset.is_some());
        assert_eq!(answer.reset, Some(NO_ERROR), "{path}: the rest is not wanted");
    }
    // The windows of what was thrown away were given back: a connection that loses them stalls.
    for _ in 0..100 {
        let stream = client.begin(request("POST", "/mock", &[("content-length", "300000")]));
        client.send_body(stream, &noise(30_000), false);
        assert_eq!(client.answer(stream).status, 200);
        client.send(reset(stream, CANCEL));
    }
    assert_eq!(client.request("GET", "/mock").text(), "mocked");
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn a_client_that_takes_nothing_slows_the_target_and_bounds_memory() {
    let (stalled, stall) = mpsc::channel();
    let stalled = Mutex::new(stalled);
    const BYTES: usize = 20 << 20;
    let upstream = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {BYTES}\r\n\r\n"))?;
        let (block, mut sent) = (noise(1 << 20), 0);
        peer.socket().set_write_timeout(Some(std::time::Duration::from_millis(300)))?;
        while sent < BYTES {
            match io::Write::write(&mut peer.socket(), &block[sent % block.len()..]) {
                Ok(count) => sent += count,
                Err(_) => break,
            }
        }
        stalled.lock().expect("sound").send(sent).map_err(io::Error::other)?;
        peer.socket().set_write_timeout(Some(HANG_GUARD))?;
        while sent < BYTES {
            sent += io::Write::write(&mut peer.socket(), &block[sent % block.len()..])?;
        }
        Ok(())
    });
    let gateway = before(upstream.address(), "[limits]\nbody_bytes_max = 1000000000\n");
    let before_bytes = resident_bytes(&gateway);
    let mut client = Http2::connect(&gateway);
    client.keep_windows();
    let stream = client.ask(request("GET", "/a", &[]));
    let sent = stall.recv_timeout(HANG_GUARD).expect("the target is stopped");
    assert!(sent < BYTES, "what nobody takes is not asked for");
    let grown = resident_bytes(&gateway).saturating_sub(before_bytes);
    assert!(grown < 16 << 20, "{grown} bytes for one stalled stream");
    let other = client.ask(request("GET", "/mock", &[]));
    assert_eq!(client.head(other).status, 200, "a head needs no window");
    client.send([window_update(0, 1 << 30), window_update(stream, 1 << 30)].concat());
    let answer = client.answer(stream);
    assert_eq!(answer.body.len(), BYTES);
    let block = noise(1 << 20);
    assert!(answer.body.chunks(block.len()).all(|piece| piece == &block[..piece.len()]));
}

#[test]
fn a_slow_target_slows_the_client_and_bounds_memory() {
    let (begun, has_begun) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel();
    let (begun, may_go_on) = (Mutex::new(begun), Mutex::new(may_go_on));
    let upstream = Upstream::start(move |_, peer| {
        peer.head()?;
        begun.lock().expect("sound").send(()).map_err(io::Error::other)?;
        may_go_on.lock().expect("sound").recv().map_err(io::Error::other)?;
        peer.read_exact(20_000_000)?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
    });
    let gateway = before(
        upstream.address(),
        "[limits]\nbody_bytes_max = 1000000000\n[http2]\nconnection_window_bytes = 65535\n",
    );
    let before_bytes = resident_bytes(&gateway);
    let mut client = Http2::connect(&gateway);
    client.check_alive();
    let body = noise(20_000_000);
    let stream = client.begin(request("PUT", "/a", &[("content-length", "20000000")]));
    client.send_body(stream, &body[..65_000], false);
    has_begun.recv_timeout(HANG_GUARD).expect("the target was asked");
    let grown = resident_bytes(&gateway).saturating_sub(before_bytes);
    assert!(grown < 16 << 20, "{grown} bytes for one upload");
    go_on.send(()).expect("the target waits");
    client.send_body(stream, &body[65_000..], true);
    assert_eq!(client.answer(stream).status, 200);
    let received = upstream.received();
    assert!(received[0].ends_with(&body[body.len() - 1_000_000..]));
}
