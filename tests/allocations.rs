//! What a request costs in allocations, on the thread of its shard. A figure that grows is a
//! regression, one that shrinks wants the bound lowered.

#[path = "in_process/mod.rs"]
mod in_process;

use in_process::OneShard;
use in_process::counting::{Counting, allocations, exempt_this_thread};
use in_process::exchange::{configuration, exchange, start_target};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const REQUESTS: u64 = 500;
const TICKS: &str = "shardgate_shard_loop_lag_seconds_count";
/// What a tick of the shard may allocate: its timer, and once a second a little more.
const PER_TICK: u64 = 4;

/// One test, so that nothing else allocates in this process meanwhile.
#[test]
fn requests_on_kept_connections_allocate_no_more_than_they_did() {
    exempt_this_thread();
    let folder = tempfile::tempdir().expect("a folder");
    const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\ncontent-type: a/b\r\n\r\nbody";
    start_target(folder.path(), ANSWER);
    let shard = OneShard::start(folder.path(), &configuration(folder.path()));
    for (what, request, end, per_request_max) in CASES {
        let mut stream = shard.connect();
        for _ in 0..50 {
            exchange(&mut stream, request, end); // the stock fills up
        }
        let (ticks, (before, bytes_before)) = (shard.metrics().value(TICKS), allocations());
        for _ in 0..REQUESTS {
            exchange(&mut stream, request, end);
        }
        let (count, bytes) = allocations();
        // One more tick may have begun and not yet be counted.
        let ticks = shard.metrics().value(TICKS) - ticks + 1;
        let (count, bytes) = (count - before, bytes - bytes_before);
        eprintln!("{what}: {count} allocations, {bytes} bytes, {REQUESTS} requests, {ticks} ticks");
        let bound = per_request_max * REQUESTS + PER_TICK * ticks;
        assert!(count <= bound, "{what}: {count} allocations for {REQUESTS} requests");
    }
    drop(shard.end());
}

type Case = (&'static str, &'static [u8], &'static [u8], u64);

const CASES: [Case; 9] = [
    ("mock", b"GET /mock HTTP/1.1\r\nhost: a\r\n\r\n", b"mocked", 0),
    ("mock, dots in the path", b"GET /mock?a=b.c HTTP/1.1\r\nhost: a.b\r\n\r\n", b"mocked", 0),
    ("redirect", b"GET /old/a.b HTTP/1.1\r\nhost: a\r\n\r\n", b"\r\n\r\n", 0),
    ("proxied", b"GET /a/b.c HTTP/1.1\r\nhost: a\r\naccept: */*\r\n\r\n", b"body", 0),
    ("proxied, encoded path", b"GET /a%20b HTTP/1.1\r\nhost: a\r\n\r\n", b"body", 0),
    (
        "mock that discards a chunked body",
        b"POST /mock HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n\r\n",
        b"mocked",
        0,
    ),
    (
        "proxied with a body",
        b"POST /a HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nabcd",
        b"body",
        0,
    ),
    ("throttled", b"GET /limited HTTP/1.1\r\nhost: a\r\n\r\n", b"}", 0),
    (
        "mock that discards a body",
        b"POST /mock HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc",
        b"mocked",
        0,
    ),
];
