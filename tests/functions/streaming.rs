//! Streamed answers of functions: what comes goes on at once, to clients of every version.
//!
//! AWS: "Set up a Lambda proxy integration with payload response streaming in API Gateway". No byte is
//! sent by the function before the client has the one before, so whatever waits for more hangs.

use serde_json::json;
use shardgate::lambda::InvokeComplete;

use crate::client::TlsClient;
use crate::harness::{Client, Upstream};
use crate::scripted::{AccessLog, Call, HEAD, StreamSite, chunk, payload_frame};
use crate::setup::{Setup, create_domain, map, tls_address};

/// Sends a request for `/prod/x`, and waits for the call that comes of it.
fn ask(site: &StreamSite, host: &str, method: &str, version: &str) -> (Client, Call) {
    let mut client = Client::connect(site.gateway.public());
    client.send(request(host, method, version));
    let call = site.call();
    (client, call)
}

fn request(host: &str, method: &str, version: &str) -> String {
    format!("{method} /prod/x HTTP/{version}\r\nHost: {host}\r\n\r\n")
}

fn done() -> InvokeComplete {
    InvokeComplete::default()
}

#[test]
fn each_byte_reaches_the_client_as_the_function_writes_it() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let (mut client, call) = ask(&site, &api.host(), "GET", "1.1");
    let line = "POST /2021-11-15/functions/orders/response-streaming-invocations HTTP/1.1";
    assert!(call.head.starts_with(line), "{}", call.head);
    call.begin(&json!({
        "statusCode": 201, "headers": { "X-One": "1", "Content-Length": "9" },
        "multiValueHeaders": { "X-Two": ["a", "b"] }, "cookies": ["c=1", "d=2"],
    }));
    let head = client.answer_head();
    assert_eq!((head.status, head.header("transfer-encoding")), (201, Some("chunked")));
    assert_eq!((head.header("x-one"), head.header("content-length")), (Some("1"), None));
    assert_eq!(head.header("x-amzn-remapped-content-length"), Some("9"));
    assert_eq!(head.values("x-two"), ["a", "b"]);
    assert_eq!(head.values("set-cookie"), ["c=1", "d=2"]);
    assert_eq!(head.header("content-type"), Some("application/json"));
    assert!(head.header("x-amzn-requestid").is_some(), "{}", head.head);
    for byte in [b'a', 0, 255] {
        call.payload(&[byte]);
        assert_eq!(client.read_exact(6), [b'1', b'\r', b'\n', byte, b'\r', b'\n']);
    }
    call.end(&done());
    assert_eq!(client.read_exact(5), b"0\r\n\r\n");
    // The connection goes on, and so does the one to the endpoint.
    client.send(request(&api.host(), "GET", "1.1"));
    let call = site.call();
    call.begin(&json!({}));
    call.end(&done());
    assert_eq!(client.answer().status, 200);
    assert_eq!(site.server.connections_count(), 1);
}

#[test]
fn metadata_may_come_in_pieces_and_with_the_body() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let (mut client, call) = ask(&site, &api.host(), "GET", "1.1");
    let stream = payload_frame(b"{\"statusCode\":202}\0\0\0\0\0\0\0\0body");
    let (first, second) = stream.split_at(70);
    call.send([HEAD.as_bytes(), &chunk(first)].concat());
    call.send([chunk(&second[..20]), chunk(&second[20..])].concat());
    call.end(&done());
    let answer = client.answer();
    assert_eq!((answer.status, answer.text()), (202, "body"));
}

#[test]
fn other_framings_of_the_endpoint_will_do() {
    let stream = |body: &str| {
        let mut stream = payload_frame(format!("{{}}\0\0\0\0\0\0\0\0{body}").as_bytes());
        shardgate::lambda::append_invoke_complete(&mut stream, &done());
        stream
    };
    let with_length = stream("length");
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", with_length.len());
    let until_close = [b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", &*stream("close")].concat();
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let (mut client, call) = ask(&site, &api.host(), "GET", "1.1");
    call.send([head.into_bytes(), with_length].concat());
    assert_eq!(client.answer().text(), "length");
    drop(call);
    let (mut client, call) = ask(&site, &api.host(), "GET", "1.1");
    call.send(until_close);
    assert_eq!(client.answer().text(), "close");
}

#[test]
fn http_1_0_gets_the_bytes_bare() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let (mut client, call) = ask(&site, &api.host(), "GET", "1.0");
    call.begin(&json!({}));
    let head = client.answer_head();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, None), "{}", head.head);
    assert!(head.says_close());
    for byte in [b'a', b'b'] {
        call.payload(&[byte]);
        assert_eq!(client.read_exact(1), [byte]);
    }
    call.end(&done());
    assert_eq!(client.rest(), b"");
}

#[test]
fn http_2_gets_data_frames() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let (mut client, stream, call) = site.ask_http2(&api);
    call.begin(&json!({ "statusCode": 201, "headers": { "X-One": "1" } }));
    let head = client.head(stream);
    assert_eq!((head.status, head.header("x-one")), (201, Some("1")));
    assert_eq!(head.header("transfer-encoding"), None);
    for (count, byte) in [b'a', b'b'].into_iter().enumerate() {
        call.payload(&[byte]);
        let answer = client.body(stream, count + 1);
        assert_eq!((answer.body.last(), answer.is_whole), (Some(&byte), false));
    }
    call.end(&done());
    let answer = client.answer(stream);
    assert_eq!((answer.text(), answer.is_whole, answer.reset), ("ab", true, None));
}

#[test]
fn answers_without_a_body_have_none() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
        let (mut client, call) = ask(&site, &api.host(), method, "1.1");
        call.begin(&json!({ "statusCode": status }));
        let head = client.answer_head();
        assert_eq!((head.status, head.header("transfer-encoding")), (status, None));
        call.payload(b"nobody gets this");
        call.end(&done());
        client.send(request(&api.host(), "GET", "1.1"));
        let call = site.call();
        call.begin(&json!({ "statusCode": 202 }));
        call.end(&done());
        assert_eq!(client.answer().status, 202, "{method} {status}");
    }
}

#[test]
fn a_function_ends_though_its_client_needs_no_body() {
    let log = AccessLog::new();
    let site = StreamSite::start_with(&log.table());
    let api = site.api(json!({}));
    let (mut client, call) = ask(&site, &api.host(), "HEAD", "1.1");
    call.begin(&json!({}));
    assert_eq!(client.answer_head().status, 200);
    drop(client);
    call.payload(b"nobody gets this");
    call.end(&done());
    site.gateway.end();
    assert_eq!(log.lines(), ["200 -"]);
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let mut client = Client::connect(site.gateway.public());
    client.send(request(&api.host(), "GET", "1.1").repeat(3));
    for body in ["one", "two", "three"] {
        let call = site.call();
        call.begin(&json!({}));
        call.payload(body.as_bytes());
        call.end(&done());
        assert_eq!(client.answer().text(), body);
    }
}

#[test]
fn a_client_that_goes_away_ends_the_call() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let (mut client, call) = ask(&site, &api.host(), "GET", "1.1");
    call.begin(&json!({}));
    assert_eq!(client.answer_head().status, 200);
    drop(client);
    // The function says nothing meanwhile.
    call.await_close();
    let (client, call) = ask(&site, &api.host(), "GET", "1.1");
    call.send(HEAD);
    drop(client);
    call.await_close();
}

#[test]
fn a_client_of_http_2_that_goes_away_ends_the_call() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let (mut client, stream, call) = site.ask_http2(&api);
    call.begin(&json!({}));
    assert_eq!(client.head(stream).status, 200);
    client.send(crate::frame::reset(stream, 8));
    call.await_close();
    client.check_alive();
}

#[test]
fn clients_inside_tls_get_bytes_at_once_and_may_go_away() {
    const NAME: &str = "a.example.com";
    let setup = Setup::new(&[NAME]);
    let site = StreamSite::start_by(|tables| setup.start_with(tables));
    let api = site.api(json!({}));
    create_domain(&site.gateway, NAME, json!({}));
    map(&site.gateway, NAME, &api);
    for says_so in [true, false] {
        let (address, config) = (tls_address(&site.gateway), setup.wants().config());
        let mut client = TlsClient::connect(address, &config, NAME);
        client.send(format!("GET /x HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
        let call = site.call();
        call.begin(&json!({}));
        assert_eq!(client.answer_head().status, 200);
        call.payload(b"a");
        assert_eq!(client.read_exact(6), b"1\r\na\r\n");
        if says_so {
            client.close_notify();
        } else {
            drop(client);
        }
        call.await_close();
    }
}

#[test]
fn a_slow_client_slows_the_function() {
    const BYTES_MAX: usize = 64 << 20;
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let (mut client, call) = ask(&site, &api.host(), "GET", "1.1");
    call.begin(&json!({}));
    assert_eq!(client.answer_head().status, 200);
    let taken = call.fill(&[b'x'; 60_000]);
    assert!(taken < BYTES_MAX, "{taken} bytes were taken though nobody reads");
    // What was sent comes when it is read.
    let first = client.read_exact(1_000_000);
    assert!(first.iter().filter(|byte| **byte == b'x').count() > 990_000);
}

#[test]
fn a_streamed_method_can_be_tested() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let path = api.method_path("/x", "ANY");
    let body = json!({});
    let (status, told) = std::thread::scope(|scope| {
        let invoking = scope.spawn(|| api.management().call("POST", &path, Some(&body)));
        let call = site.call();
        call.begin(&json!({ "statusCode": 202, "headers": { "X-One": "1" } }));
        call.payload(b"tr");
        call.payload(b"ied");
        call.end(&done());
        invoking.join().expect("it answers")
    });
    assert_eq!(
        (status, &told["status"], &told["body"]),
        (200, &json!(202), &json!("tried")),
        "{told}"
    );
    assert_eq!(told["headers"]["X-One"], "1");
}

#[test]
fn a_method_that_is_tested_shows_the_beginning_of_a_long_stream() {
    let site = StreamSite::start();
    let api = site.api(json!({}));
    let path = api.method_path("/x", "ANY");
    let body = json!({});
    let (status, told) = std::thread::scope(|scope| {
        let invoking = scope.spawn(|| api.management().call("POST", &path, Some(&body)));
        let call = site.call();
        call.begin(&json!({}));
        call.payload(&vec![b'x'; 1_200_000]);
        let answer = invoking.join().expect("it answers");
        call.await_close();
        answer
    });
    assert_eq!((status, &told["status"]), (200, &json!(200)));
    let shown = told["body"].as_str().map_or(0, str::len);
    assert!((1_000_000..=1_200_000).contains(&shown), "{shown}");
}

#[test]
fn http_proxies_stream_too() {
    let server = Upstream::start(|_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")?;
        peer.rest().map(drop) // silent until the gateway ends it
    });
    let tables = "[timeouts]\nedge_stream_idle_timeout_ms = 50\n";
    let site = StreamSite::start_with(tables);
    let api = site.gateway.create_rest_api();
    api.put_method("/x", "GET", json!({}));
    let uri = format!("http://{}/", server.address());
    api.put_integration(
        "/x",
        "GET",
        json!({
            "type": "HTTP_PROXY", "httpMethod": "GET", "uri": uri, "responseTransferMode": "STREAM",
            "timeoutInMillis": 900_000,
        }),
    );
    api.deploy("prod");
    let mut client = Client::connect(site.gateway.public());
    client.send(request(&api.host(), "GET", "1.1"));
    assert_eq!(client.answer_head().status, 200);
    // The rest is not waited for any longer than the stream may be silent.
    assert_eq!(client.rest(), b"1\r\na\r\n");
}
