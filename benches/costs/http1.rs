//! Cost of the HTTP/1 codecs.
//!
//! The tables are reused as a shard reuses them, so after the first round nothing is allocated; the
//! head benches measure finding the end and parsing, as the connection driver does both.

use std::hint::black_box;

use shardgate::base::Method;
use shardgate::proto::{
    ChunkedDecoder, HeadLimits, HeadScanner, RequestHead, ResponseHead, uri, write_chunk_head,
};

use crate::measure::{Case, Measure};

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

pub(crate) fn cases(measure: &mut Measure) {
    request_heads(measure);
    response_head(measure);
    chunked(measure);
    paths(measure);
}

fn request_heads(measure: &mut Measure) {
    for (name, text) in [("small", SMALL_REQUEST), ("browser", BROWSER_REQUEST)] {
        let bytes = text.as_bytes();
        let case = |what| Case::new("request_head", format!("{name}_{what}")).bytes(bytes.len());
        measure.case(case("find_end"), || finding_end(HeadScanner::new(), bytes));
        measure.case(case("parse"), || {
            let mut head = RequestHead::new();
            assert_eq!(head.parse(bytes, &LIMITS), Ok(()));
            move || {
                let parsed = head.parse(black_box(bytes), &LIMITS);
                black_box(&head);
                parsed
            }
        });
    }
}

fn response_head(measure: &mut Measure) {
    let bytes = RESPONSE.as_bytes();
    let case = |what| Case::new("response_head", what).bytes(bytes.len());
    measure.case(case("find_end"), || finding_end(HeadScanner::for_response(), bytes));
    measure.case(case("parse"), || {
        let mut head = ResponseHead::new();
        assert_eq!(head.parse(bytes, Method::Get), Ok(()));
        move || {
            let parsed = head.parse(black_box(bytes), Method::Get);
            black_box(&head);
            parsed
        }
    });
}

fn finding_end(mut scanner: HeadScanner, bytes: &'static [u8]) -> impl FnMut() -> Option<usize> {
    let mut find = move || {
        scanner.reset();
        scanner.find_end(black_box(bytes), &LIMITS).expect("within the limits")
    };
    assert_eq!(find(), Some(bytes.len()));
    find
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

fn chunked(measure: &mut Measure) {
    for chunk_bytes in [16, 256, 4_096, 32_768] {
        let body = chunked_body(chunk_bytes);
        let case = Case::new("chunked", format!("decode_64KiB_in_chunks_of_{chunk_bytes}"));
        let mut decoder = ChunkedDecoder::new();
        assert!(decoder.decode(&mut body.clone()).is_ok());
        // It moves the payload together in the buffer, so each call needs one of its own.
        measure.case_with_input(
            case.bytes(64 * 1024),
            || body.clone(),
            |bytes| {
                decoder.reset();
                decoder.decode(black_box(bytes)).is_ok()
            },
        );
    }
    measure.case(Case::new("chunked", "write_chunk_head"), || {
        let mut out = [0; 18];
        move || {
            let bytes = write_chunk_head(black_box(16_384), &mut out).len();
            black_box(&out);
            bytes
        }
    });
}

fn paths(measure: &mut Measure) {
    for (name, path) in [
        ("plain", "/v1/items/4711/reviews"),
        ("dotted", "/static/app.min.js"),
        ("encoded", "/v1/items/a%20b%2Fc"),
        ("rewritten", "/v1/./items/%2e%2e/%61dmin"),
    ] {
        measure.case(Case::new("normalise_path", name).bytes(path.len()), || {
            let mut out = Vec::new();
            move || {
                let form = uri::normalise_path(black_box(path.as_bytes()), &mut out);
                black_box(&out);
                form
            }
        });
    }
}
