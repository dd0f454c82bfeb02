//! Bodies of requests and answers, short and long, of a known length and streamed.

use serde_json::json;

use crate::harness::{Client, HttpApi, Managed, Received, Request, Upstream};

fn api<'g>(site: &'g Managed, backend: &Upstream) -> HttpApi<'g> {
    let api = site.create_http_api(json!({}));
    api.proxy("ANY /x", &format!("http://{}/", backend.address()));
    api.create_default_stage();
    api
}

fn bytes(count: usize) -> Vec<u8> {
    (0..count).map(|number| (number % 251) as u8).collect()
}

#[test]
fn a_thousand_characters_pass_both_ways() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    let body: String = "abcdefghi\u{e4}".chars().cycle().take(1_000).collect();
    let received = Received::of(&api.ask_for(200, &Request::post("/x", body.clone())));
    assert_eq!(received.body, body.as_bytes());
}

#[test]
fn every_size_around_a_buffer_passes() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    for count in [1, 4_095, 4_096, 16_383, 16_384, 16_385, 65_536, 1_048_577] {
        let body = bytes(count);
        let received = Received::of(&api.ask_for(200, &Request::post("/x", body.clone())));
        assert!(received.body == body, "{count} bytes became {}", received.body.len());
    }
}

#[test]
fn a_streamed_request_passes() {
    let (site, backend) = (Managed::start(), Upstream::mirror());
    let api = api(&site, &backend);
    api.ask_for(200, &Request::get("/x"));
    let mut client = Client::connect(site.public());
    let host = api.host();
    client.send(format!("POST /x HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\n"));
    let body = bytes(3 * 1024 * 1024);
    for chunk in body.chunks(60_000) {
        client.send(format!("{:x}\r\n", chunk.len()));
        client.send(chunk);
        client.send("\r\n");
    }
    client.send("0\r\n\r\n");
    let received = Received::of(&client.answer_to("POST"));
    assert!(received.body == body, "{} bytes", received.body.len());
}

#[test]
fn a_streamed_answer_passes_as_it_comes() {
    let site = Managed::start();
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let gone = std::sync::Mutex::new(gone);
    let backend = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nfirst\r\n")?;
        // Only a client that has the first part lets the second one go.
        let waited = gone.lock().expect("no panic").recv();
        waited.map_err(std::io::Error::other)?;
        let body = bytes(3 * 1024 * 1024);
        peer.send(format!("{:x}\r\n", body.len()))?;
        peer.send(&body)?;
        peer.send("\r\n0\r\n\r\n")
    });
    let (api, ready) = (api(&site, &backend), Upstream::mirror());
    api.proxy("GET /ready", &format!("http://{}/", ready.address()));
    api.ask_for(200, &Request::get("/ready"));
    let mut client = Client::connect(site.public());
    let host = api.host();
    client.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    let head = client.answer_head();
    assert_eq!(head.status, 200, "{}", head.head);
    let mut begun = Vec::new();
    while !begun.ends_with(b"first") {
        begun.extend(client.read_exact(1));
    }
    go.send(()).expect("the backend waits");
    let rest = client.rest();
    assert!(rest.len() > 3 * 1024 * 1024 && rest.ends_with(b"\r\n0\r\n\r\n"), "{}", rest.len());
}
