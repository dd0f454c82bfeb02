//! The whole pipeline: a shard in this process, one client and one target on unix sockets. What
//! the sockets cost is in every figure (a round trip of two threads, about 15 us on its own), so
//! `relay_alone` is the same exchange with a target and no gateway, to be taken off; a batch of
//! 16 pipelined requests spreads the sockets' cost thin. Allocations of the shard's thread are
//! printed per request; `tests/allocations.rs` holds them to their bound.
//!
//! For instruction counts: `valgrind --tool=callgrind target/release/deps/pipeline-* --profile-time 1`.

#[path = "../tests/in_process/mod.rs"]
mod in_process;

use std::hint::black_box;
use std::os::unix::net::UnixStream;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

use in_process::OneShard;
use in_process::counting::{Counting, allocations, exempt_this_thread};
use in_process::exchange::{configuration, exchange, start_target};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

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

fn pipeline(criterion: &mut Criterion) {
    exempt_this_thread();
    let folder = tempfile::tempdir().expect("a folder");
    start_target(folder.path(), ANSWER);
    let shard = OneShard::start(folder.path(), &configuration(folder.path()));
    let mut group = criterion.benchmark_group("pipeline");
    group.throughput(Throughput::Elements(1));

    let mut direct = UnixStream::connect(folder.path().join("target.sock")).expect("connected");
    group.bench_function("relay_alone", |bench| {
        bench.iter(|| exchange(black_box(&mut direct), PROXIED, b".end"));
    });
    for (name, request, end) in [
        ("proxied", PROXIED, &b".end"[..]),
        ("mock", MOCK, b"mocked"),
        ("redirect", REDIRECT, b"\r\n\r\n"),
    ] {
        let mut stream = shard.connect();
        exchange(&mut stream, request, end);
        let (before, mut requests) = (allocations(), 0_u64);
        group.bench_function(name, |bench| {
            bench.iter(|| {
                requests += 1;
                exchange(black_box(&mut stream), request, end);
            });
        });
        report(name, before, requests);
    }

    group.throughput(Throughput::Elements(PIPELINED as u64));
    // The last one is known by its length alone: 16 answers of one mock are equally long.
    let batch = [&MOCK.repeat(PIPELINED - 1)[..], REDIRECT].concat();
    let mut stream = shard.connect();
    exchange_batch(&mut stream, &batch);
    let (before, mut requests) = (allocations(), 0_u64);
    group.bench_function("mock_pipelined_16", |bench| {
        bench.iter(|| {
            requests += PIPELINED as u64;
            exchange_batch(black_box(&mut stream), &batch);
        });
    });
    report("mock_pipelined_16", before, requests);
    group.finish();
    drop((direct, stream));
    drop(shard.end());
}

/// Sends a batch whose last request, and no other, is redirected.
fn exchange_batch(stream: &mut UnixStream, batch: &[u8]) {
    use std::io::{Read as _, Write as _};
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

fn report(name: &str, before: (u64, u64), requests: u64) {
    let (count, bytes) = allocations();
    let per_request = |after: u64, before: u64| (after - before) as f64 / requests.max(1) as f64;
    println!(
        "{name}: {:.4} allocations and {:.2} bytes per request, ticks of the shard included",
        per_request(count, before.0),
        per_request(bytes, before.1),
    );
}

criterion_group!(benches, pipeline);
criterion_main!(benches);
