//! Cost of the HTTP/1 codecs: `cargo bench --bench http1`.
//!
//! The tables are reused as a shard reuses them, so after the first round nothing is allocated; the
//! head benches measure finding the end and parsing, as the connection driver does both.

use std::hint::black_box;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use shardgate::base::Method;
use shardgate::proto::{
    ChunkedDecoder, HeadLimits, HeadScanner, RequestHead, ResponseHead, uri, write_chunk_head,
};

const LIMITS: HeadLimits =
    HeadLimits { request_line_bytes_max: 8_192, head_bytes_max: 10_240, headers_count_max: 128 };

/// 148 bytes, as a load generator or curl sends it.
const SMALL_REQUEST: &str = "GET /v1/items/4711?verbose=true HTTP/1.1\r\n\
    Host: api.example.com:8080\r\n\
    User-Agent: curl/8.5.0\r\n\
    Accept: */*\r\n\
    X-Request-Id: 0123456789abcdef0123456\r\n\
    \r\n";

/// 12 fields, as a browser sends it.
const BROWSER_REQUEST: &str = "GET /app/orders?page=2&sort=desc HTTP/1.1\r\n\
    Host: shop.example.com\r\n\
    Connection: keep-alive\r\n\
    Cache-Control: max-age=0\r\n\
    sec-ch-ua: \"Chromium\";v=\"126\", \"Not.A/Brand\";v=\"24\"\r\n\
    Upgrade-Insecure-Requests: 1\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Safari/537.36\r\n\
    Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
    Sec-Fetch-Site: same-origin\r\n\
    Referer: https://shop.example.com/app/orders?page=1&sort=desc\r\n\
    Accept-Encoding: gzip, deflate, br, zstd\r\n\
    Accept-Language: en-US,en;q=0.9,de;q=0.8\r\n\
    Cookie: session=6f1ed002ab5595859014ebf0951522d9; theme=dark; consent=yes\r\n\
    \r\n";

const RESPONSE: &str = "HTTP/1.1 200 OK\r\n\
    Server: nginx/1.22.1\r\n\
    Date: Mon, 02 Mar 2026 10:11:12 GMT\r\n\
    Content-Type: application/json\r\n\
    Content-Length: 256\r\n\
    Connection: keep-alive\r\n\
    ETag: \"65e2f3a0-100\"\r\n\
    \r\n";

fn request_heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("request_head");
    for (name, text) in [("small", SMALL_REQUEST), ("browser", BROWSER_REQUEST)] {
        let bytes = text.as_bytes();
        let mut head = RequestHead::new();
        let mut scanner = HeadScanner::new();
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(format!("{name}/find_end"), |bench| {
            bench.iter(|| {
                scanner.reset();
                scanner.find_end(black_box(bytes), &LIMITS)
            });
        });
        group.bench_function(format!("{name}/parse"), |bench| {
            bench.iter(|| head.parse(black_box(bytes), &LIMITS));
        });
        scanner.reset();
        assert_eq!(scanner.find_end(bytes, &LIMITS), Ok(Some(bytes.len())));
        assert_eq!(head.parse(bytes, &LIMITS), Ok(()));
    }
    group.finish();
}

fn response_heads(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("response_head");
    let bytes = RESPONSE.as_bytes();
    let mut head = ResponseHead::new();
    let mut scanner = HeadScanner::for_response();
    group.throughput(Throughput::Bytes(bytes.len() as u64));
    group.bench_function("find_end", |bench| {
        bench.iter(|| {
            scanner.reset();
            scanner.find_end(black_box(bytes), &LIMITS)
        });
    });
    group.bench_function("parse", |bench| {
        bench.iter(|| head.parse(black_box(bytes), Method::Get));
    });
    assert_eq!(head.parse(bytes, Method::Get), Ok(()));
    group.finish();
}

/// 64 KiB of payload in chunks of one size.
fn chunked_body(chunk_bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    for _ in 0..(64 * 1024 / chunk_bytes) {
        body.extend_from_slice(write_chunk_head(chunk_bytes, &mut [0; 18]));
        body.resize(body.len() + chunk_bytes, b'x');
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"0\r\n\r\n");
    body
}

fn chunked(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunked_64KiB");
    let mut decoder = ChunkedDecoder::new();
    for chunk_bytes in [16, 256, 4_096, 32_768] {
        let body = chunked_body(chunk_bytes);
        group.throughput(Throughput::Bytes(64 * 1024));
        group.bench_function(format!("decode/chunks_of_{chunk_bytes}"), |bench| {
            bench.iter_batched_ref(
                || body.clone(),
                |bytes| {
                    decoder.reset();
                    decoder.decode(black_box(bytes))
                },
                BatchSize::SmallInput,
            );
        });
    }
    group.finish();
    criterion.bench_function("chunk_head/write", |bench| {
        let mut out = [0; 18];
        bench.iter(|| write_chunk_head(black_box(16_384), &mut out).len());
    });
}

fn paths(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("normalise_path");
    let mut out = Vec::new();
    for (name, path) in [
        ("plain", "/v1/items/4711/reviews"),
        ("dotted", "/static/app.min.js"),
        ("encoded", "/v1/items/a%20b%2Fc"),
        ("rewritten", "/v1/./items/%2e%2e/%61dmin"),
    ] {
        group.bench_function(name, |bench| {
            bench.iter(|| uri::normalise_path(black_box(path.as_bytes()), &mut out));
        });
    }
    group.finish();
}

criterion_group!(benches, request_heads, response_heads, chunked, paths);
criterion_main!(benches);
