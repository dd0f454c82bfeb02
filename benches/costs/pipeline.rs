//! The whole pipeline: a shard in this process, one client and one target on unix sockets.
//!
//! What the sockets cost is in every time (a round trip of two threads, about 15 us on its own), so
//! `relay_alone` is the same exchange with a target and no gateway, to be taken off; batches of
//! pipelined requests spread the sockets' cost thin. Instructions are those of the shard's thread
//! outside the kernel: the pipeline without its sockets. Allocations are of that thread too, its
//! ticks included; `tests/allocations.rs` holds them to their bound.

use std::cell::OnceCell;
use std::hint::black_box;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;

use tempfile::TempDir;

use crate::in_process::OneShard;
use crate::in_process::counting::exempt_this_thread;
use crate::in_process::exchange::{configuration, exchange, start_target};
use crate::measure::{Case, Measure};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 256\r\ncontent-type: text/plain\r\n\r\n\
0123456789012345678901234567890123456789012345678901234567890123\
0123456789012345678901234567890123456789012345678901234567890123\
0123456789012345678901234567890123456789012345678901234567890123\
012345678901234567890123456789012345678901234567890123456789.end";
const PROXIED: &[u8] = b"GET /pets/7/photo.png?size=2 HTTP/1.1\r\nhost: api.example.com\r\n\
user-agent: bench/1.0\r\naccept: */*\r\naccept-encoding: gzip\r\ncookie: a=b\r\n\r\n";
const MOCK: &[u8] = b"GET /mock HTTP/1.1\r\nhost: api.example.com\r\n\
user-agent: bench/1.0\r\naccept: */*\r\naccept-encoding: gzip\r\ncookie: a=b\r\n\r\n";
const REDIRECT: &[u8] = b"GET /old/7?size=2 HTTP/1.1\r\nhost: api.example.com\r\n\r\n";
const PIPELINED: usize = 16;

/// A shard that serves, and its target.
struct World {
    folder: TempDir,
    shard: OneShard,
}

impl World {
    /// The shard first: its thread is the one that is counted.
    fn start() -> Self {
        exempt_this_thread();
        let folder = tempfile::tempdir().expect("a folder");
        let shard = OneShard::start(folder.path(), &configuration(folder.path()));
        start_target(folder.path(), ANSWER);
        Self { folder, shard }
    }
}

pub(crate) fn cases(measure: &mut Measure) {
    let world = OnceCell::new();
    let case = |name: &str| Case::new("pipeline", name).on_other_thread();
    // On the target's side nothing is counted, so that this has no instructions.
    measure.case(case("relay_alone"), || {
        let target = world.get_or_init(World::start).folder.path().join("target.sock");
        let mut direct = UnixStream::connect(target).expect("connected");
        move || exchange(black_box(&mut direct), PROXIED, b".end")
    });
    for (name, request, end) in [
        ("proxied", PROXIED, &b".end"[..]),
        ("mock", MOCK, b"mocked"),
        ("redirect", REDIRECT, b"\r\n\r\n"),
    ] {
        measure.case(case(name), || {
            let mut stream = world.get_or_init(World::start).shard.connect();
            move || exchange(black_box(&mut stream), request, end)
        });
    }
    measure.case(case("mock_pipelined_16").items(PIPELINED as u64), || {
        // The last one is known by its status: 16 answers of one mock are equally long.
        let batch = [&MOCK.repeat(PIPELINED - 1)[..], REDIRECT].concat();
        let mut stream = world.get_or_init(World::start).shard.connect();
        move || exchange_batch(black_box(&mut stream), &batch)
    });
    if let Some(world) = world.into_inner() {
        drop(world.shard.end());
    }
}

/// Sends a batch whose last request, and no other, is redirected.
fn exchange_batch(stream: &mut UnixStream, batch: &[u8]) {
    let mut buffer = [0; 16 * 1024];
    let mut filled = 0;
    stream.write_all(batch).expect("sent");
    while !(buffer[..filled].ends_with(b"\r\n\r\n")
        && memchr::memmem::find(&buffer[..filled], b" 308 ").is_some())
    {
        let count = stream.read(&mut buffer[filled..]).expect("answers");
        assert!(count > 0, "closed");
        filled += count;
    }
}
