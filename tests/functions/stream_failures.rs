//! Streams that fail: told as any function's failure before the head, cut behind it, and the next
//! call works.

use std::io::ErrorKind;

use serde_json::{Value as Json, json};
use shardgate::lambda::{InvokeComplete, append_exception, append_invoke_complete};

use crate::harness::{Client, RestApi};
use crate::scripted::{AccessLog, Call, HEAD, StreamSite, chunk, payload_frame};

const INTERNAL_ERROR: &str = r#"{"message": "Internal server error"}"#;

fn failed() -> InvokeComplete {
    InvokeComplete {
        error_code: Some("Unhandled".into()),
        error_details: Some("it threw".into()),
        log_result: None,
    }
}

/// Sends a request on the connection, and waits for the call that comes of it.
fn ask(site: &StreamSite, api: &RestApi<'_>, client: &mut Client, version: &str) -> Call {
    client.send(format!("GET /prod/x HTTP/{version}\r\nHost: {}\r\n\r\n", api.host()));
    site.call()
}

/// Chunks of an event stream that fails, and what is behind them.
type Failure = fn() -> Vec<u8>;

/// What a stream may end with, in place of its end.
const FAILURES: [(&str, Failure); 4] = [
    ("the function fails", || {
        let mut frame = Vec::new();
        append_invoke_complete(&mut frame, &failed());
        chunk(&frame)
    }),
    ("the endpoint gives up", || {
        let mut frame = Vec::new();
        append_exception(&mut frame, "ServiceException", b"{}");
        chunk(&frame)
    }),
    ("a checksum is wrong", || {
        let mut frame = payload_frame(b"more");
        *frame.last_mut().expect("a byte") ^= 1;
        chunk(&frame)
    }),
    ("no frame at all", || chunk(b"HTTP/1.1 200 OK\r\n\r\n")),
];

/// Metadata that is none.
const BAD_METADATA: [(&str, &[u8]); 5] = [
    ("no JSON", b"hello\0\0\0\0\0\0\0\0"),
    ("no object", b"[]\0\0\0\0\0\0\0\0"),
    ("a status that is none", b"{\"statusCode\":1}\0\0\0\0\0\0\0\0"),
    ("a delimiter that breaks off", b"{}\0\0\0body"),
    ("a header that ends its line", b"{\"headers\":{\"a\":\"b\\r\\nc: d\"}}\0\0\0\0\0\0\0\0"),
];

#[test]
fn what_fails_before_the_head_is_a_bad_gateway() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let mut client = Client::connect(site.gateway.public());
    let mut bad: Vec<(&str, Vec<u8>)> =
        FAILURES.iter().map(|(name, make)| (*name, [HEAD.as_bytes(), &make()].concat())).collect();
    for (name, metadata) in BAD_METADATA {
        bad.push((name, [HEAD.as_bytes(), &chunk(&payload_frame(metadata))].concat()));
    }
    let endless = payload_frame(&vec![b' '; 100_000]);
    bad.push(("metadata without an end", [HEAD.as_bytes(), &chunk(&endless)].concat()));
    let mut short = payload_frame(b"{\"statusCode\":200,\"body\":\"all at once\"}");
    append_invoke_complete(&mut short, &InvokeComplete::default());
    bad.push(("no delimiter", [HEAD.as_bytes(), &chunk(&short)].concat()));
    for (name, bytes) in bad {
        let call = ask(&site, &api, &mut client, "1.1");
        call.send(bytes);
        let answer = client.answer();
        assert_eq!((answer.status, answer.text()), (502, INTERNAL_ERROR), "{name}");
        drop(call);
    }
    // What does not invoke is told as for any call.
    let call = ask(&site, &api, &mut client, "1.1");
    call.send(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec());
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (500, INTERNAL_ERROR), "no such function");
    drop(call);
    let call = ask(&site, &api, &mut client, "1.1");
    call.begin(&json!({}));
    call.payload(b"good");
    call.end(&InvokeComplete::default());
    assert_eq!(client.answer().text(), "good");
}

#[test]
fn what_fails_behind_the_head_is_cut_off() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    for (name, make) in FAILURES {
        let mut client = Client::connect(site.gateway.public());
        let call = ask(&site, &api, &mut client, "1.1");
        call.begin(&json!({}));
        call.payload(b"a");
        assert_eq!(client.answer_head().status, 200);
        assert_eq!(client.read_exact(6), b"1\r\na\r\n");
        call.send(make());
        assert_eq!(client.rest(), b"", "{name}: no last chunk");
    }
}

#[test]
fn http_1_0_is_reset_where_an_answer_is_cut_off() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let mut client = Client::connect(site.gateway.public());
    let call = ask(&site, &api, &mut client, "1.0");
    call.begin(&json!({}));
    call.payload(b"a");
    assert_eq!(client.answer_head().status, 200);
    assert_eq!(client.read_exact(1), b"a");
    call.close();
    assert_eq!(client.rest_or_reset(), (Vec::new(), Some(ErrorKind::ConnectionReset)));
}

#[test]
fn http_2_streams_are_reset_where_an_answer_is_cut_off() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let (mut client, stream, call) = site.ask_http2(&api);
    call.begin(&json!({}));
    call.payload(b"a");
    assert_eq!(client.body(stream, 1).text(), "a");
    call.end(&failed());
    assert_eq!(client.stream_error(stream), 2, "INTERNAL_ERROR");
    client.check_alive();
}

#[test]
fn an_event_stream_that_ends_early_is_no_end() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let mut client = Client::connect(site.gateway.public());
    let call = ask(&site, &api, &mut client, "1.1");
    call.begin(&json!({}));
    assert_eq!(client.answer_head().status, 200);
    call.send("0\r\n\r\n");
    assert_eq!(client.rest(), b"");
}

/// A stream that begins and then is silent is cut off; one that never begins is told of.
#[track_caller]
fn cut_by(tables: &str, integration: Json) {
    let site = StreamSite::start_with(tables);
    let api = site.api(integration);
    let mut client = Client::connect(site.gateway.public());
    let call = ask(&site, &api, &mut client, "1.1");
    call.begin(&json!({}));
    call.payload(b"a");
    assert_eq!(client.answer_head().status, 200);
    assert_eq!(client.rest(), b"1\r\na\r\n");
    call.await_close();
    // Nothing was said before the time was over.
    let mut client = Client::connect(site.gateway.public());
    let call = ask(&site, &api, &mut client, "1.1");
    call.send(HEAD);
    let answer = client.answer();
    let body = r#"{"message": "Endpoint request timed out"}"#;
    assert_eq!((answer.status, answer.text()), (504, body));
    call.await_close();
}

#[test]
fn a_silent_stream_is_cut_off() {
    cut_by("[timeouts]\nstream_idle_timeout_ms = 80\n", json!({ "timeoutInMillis": 900_000 }));
}

#[test]
fn the_time_of_the_integration_is_that_of_the_whole_stream() {
    cut_by("", json!({ "timeoutInMillis": 300 }));
}

#[test]
fn what_follows_the_end_is_nobodys() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let mut client = Client::connect(site.gateway.public());
    let call = ask(&site, &api, &mut client, "1.1");
    call.begin(&json!({}));
    let mut frames = payload_frame(b"all");
    append_invoke_complete(&mut frames, &InvokeComplete::default());
    frames.extend_from_slice(&payload_frame(b"more"));
    call.send([chunk(&frames), b"0\r\n\r\n".to_vec()].concat());
    assert_eq!(client.answer().text(), "all");
    call.await_close();
    let call = ask(&site, &api, &mut client, "1.1");
    call.begin(&json!({}));
    call.end(&InvokeComplete::default());
    assert_eq!(client.answer().status, 200);
    assert_eq!(site.server.connections_count(), 2, "what brought more is not used again");
}

#[test]
fn the_log_tells_why_an_answer_was_cut_off() {
    let log = AccessLog::new();
    let site = StreamSite::start_with(&log.table());
    let api = site.api(json!({}));
    let mut client = Client::connect(site.gateway.public());
    let call = ask(&site, &api, &mut client, "1.1");
    call.begin(&json!({}));
    assert_eq!(client.answer_head().status, 200);
    call.end(&failed());
    assert_eq!(client.rest(), b"");
    site.gateway.end();
    assert_eq!(log.lines(), [r"502 the function failed: \x22Unhandled\x22 \x22it threw\x22"]);
}
