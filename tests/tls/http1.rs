//! HTTP/1.1 inside TLS behaves as it does outside.

use std::io::ErrorKind;
use std::sync::mpsc;
use std::time::Duration;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::client::TlsClient;
use super::harness::Upstream;
use super::site::{DONE, Site, assert_sound, nobody};

#[test]
fn both_versions_carry_many_requests_and_are_counted() {
    let site = Site::new(nobody());
    let gateway = site.start();
    for (versions, name) in [(&[&TLS13], "TLSv1.3"), (&[&TLS12], "TLSv1.2")] {
        let config = site.wants().speaking(versions).config();
        let mut client = TlsClient::connect(gateway.address("public"), &config, "a.example");
        assert_eq!(client.session().alpn_protocol(), Some(&b"http/1.1"[..]));
        for _ in 0..3 {
            assert_eq!(client.get("a.example", "/mock").text(), "mocked");
        }
        client.send("GET /mock HTTP/1.1\r\nhost: a.example\r\n\r\n".repeat(20));
        for _ in 0..20 {
            assert_eq!(client.answer_to("GET").text(), "mocked");
        }
        client.send("HEAD /mock HTTP/1.1\r\nhost: a.example\r\nconnection: close\r\n\r\n");
        let answer = client.answer_to("HEAD");
        assert_eq!((answer.status, answer.header("content-length")), (200, Some("6")));
        assert_eq!(client.rest(), b"", "{name}");
        assert_eq!(gateway.metric(DONE, name), 1.0, "{name}");
    }
    let by = |family: &str| gateway.metric(&format!("shardgate_tls_handshakes_by_{family}"), "");
    assert_eq!((by("suite_total"), by("group_total")), (2.0, 2.0));
    assert_sound(&gateway);
}

#[test]
fn one_session_is_full_and_the_next_resumed() {
    let target = Upstream::mirror();
    let site = Site::new(target.address());
    let (gateway, config) = (site.start(), site.config());
    for (round, resumed) in ["no", "yes"].into_iter().enumerate() {
        let mut client = TlsClient::connect(gateway.address("public"), &config, "a.example");
        for _ in 0..3 {
            assert_eq!(client.get("a.example", "/mock").text(), "mocked");
            assert_eq!(client.get("a.example", "/seen").status, 200);
        }
        let is_resumed = client.session().handshake_kind() == Some(HandshakeKind::Resumed);
        assert_eq!(is_resumed, round == 1);
        let labels = format!("version=\"TLSv1.3\",resumed=\"{resumed}\"");
        assert_eq!(gateway.metric(DONE, &labels), 1.0);
    }
}

#[test]
fn a_client_without_alpn_is_served_and_one_with_another_protocol_alone_is_not() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let address = gateway.address("public");
    let mut wants = site.wants();
    wants.alpn = &[];
    let mut client = TlsClient::connect(address, &wants.config(), "a.example");
    assert_eq!(client.session().alpn_protocol(), None);
    assert_eq!(client.get("a.example", "/mock").status, 200);
    wants.alpn = &[b"imap"];
    let refused = TlsClient::try_connect(address, &wants.config(), "a.example").err();
    let text = refused.expect("refused").to_string();
    assert!(text.contains("NoApplicationProtocol"), "{text}");
}

#[test]
fn targets_are_told_that_the_client_speaks_https() {
    let target = Upstream::mirror();
    let site = Site::new(target.address());
    let gateway = site.start();
    let answer = site.connect(&gateway).get("a.example", "/seen");
    assert!(answer.text().to_ascii_lowercase().contains("\r\nx-forwarded-proto: https\r\n"));
}

#[test]
fn large_bodies_pass_both_ways() {
    let target = Upstream::start(|_, peer| {
        loop {
            let request = peer.request()?;
            peer.send(format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
                request.body.len()
            ))?;
            peer.send(&request.body)?;
        }
    });
    let site = Site::new(target.address());
    let gateway = site.start();
    let body: Vec<u8> =
        (0..5_000_000_u32).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    for version in [&TLS13, &TLS12] {
        let versions = [version];
        let config = site.wants().speaking(&versions).config();
        let mut client = TlsClient::connect(gateway.address("public"), &config, "a.example");
        client.send(format!(
            "POST /up HTTP/1.1\r\nhost: a.example\r\ncontent-length: {}\r\n\r\n",
            body.len()
        ));
        client.send(&body);
        assert!(client.answer_to("POST").body == body, "{version:?}");
        client.send("POST /up HTTP/1.1\r\nhost: a.example\r\ntransfer-encoding: chunked\r\n\r\n");
        for chunk in body.chunks(70_001) {
            client.send(format!("{:x}\r\n", chunk.len()));
            client.send(chunk);
            client.send("\r\n");
        }
        client.send("0\r\n\r\n");
        assert!(client.answer_to("POST").body == body, "chunked, {version:?}");
    }
    assert_sound(&gateway);
}

#[test]
fn chunked_answers_and_expectations_pass() {
    let target = Upstream::start(|_, peer| {
        loop {
            peer.request()?;
            peer.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n")?;
            peer.send("4\r\ndefg\r\n0\r\nx-after: 1\r\n\r\n")?;
        }
    });
    let site = Site::new(target.address());
    let gateway = site.start();
    let mut client = site.connect(&gateway);
    client.send(
        "POST /up HTTP/1.1\r\nhost: a.example\r\nexpect: 100-continue\r\ncontent-length: 4\r\n\r\n",
    );
    assert_eq!(client.answer_head().status, 100);
    client.send("body");
    assert_eq!(client.answer_to("POST").text(), "abcdefg");
}

#[test]
fn an_answer_may_come_while_the_upload_runs() {
    let target = Upstream::start(|_, peer| {
        peer.head()?;
        peer.send("HTTP/1.1 403 Forbidden\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")?;
        peer.rest().map(|_| ())
    });
    let site = Site::new(target.address());
    let gateway = site.start();
    let mut client = site.connect(&gateway);
    client.send("POST /up HTTP/1.1\r\nhost: a.example\r\ncontent-length: 5000000\r\n\r\n");
    client.send([b'x'; 50_000]);
    let answer = client.answer_to("POST");
    assert_eq!((answer.status, answer.text()), (403, "no"));
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn a_client_that_has_ended_its_direction_still_gets_its_answer() {
    let (asked, answer_now) = (mpsc::channel(), mpsc::channel::<()>());
    let (asked_sender, answer_receiver) = (asked.0, std::sync::Mutex::new(answer_now.1));
    let target = Upstream::start(move |_, peer| {
        peer.request()?;
        let _ = asked_sender.send(());
        let _ = answer_receiver.lock().expect("one connection").recv();
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nlate")
    });
    let site = Site::new(target.address());
    let gateway = site.start();
    let mut client = site.connect(&gateway);
    client.send("GET /late HTTP/1.1\r\nhost: a.example\r\n\r\n");
    client.close_notify();
    asked.1.recv().expect("the target was asked");
    answer_now.0.send(()).expect("the target waits");
    assert_eq!(client.answer_to("GET").text(), "late");
    assert_eq!(client.rest(), b"");
    assert_sound(&gateway);
}

#[test]
fn a_tunnel_carries_bytes_both_ways_and_ends_each_on_its_own() {
    let target = Upstream::start(|_, peer| {
        peer.head()?;
        peer.send(
            "HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
        )?;
        peer.send("first")?;
        let rest = peer.rest()?;
        peer.send(rest)?;
        peer.end_sending();
        Ok(())
    });
    let site = Site::new(target.address());
    let gateway = site.start();
    let mut client = site.connect(&gateway);
    client.send(
        "GET /chat HTTP/1.1\r\nhost: a.example\r\nconnection: upgrade\r\nupgrade: echo\r\n\r\n",
    );
    assert_eq!(client.answer_head().status, 101);
    assert_eq!(client.read_exact(5), b"first");
    let bytes = vec![7; 300_000];
    client.send(&bytes);
    client.close_notify();
    assert!(client.rest() == bytes, "all came back, and then close_notify");
    assert_sound(&gateway);
}

#[test]
fn a_head_in_many_records_is_one_head() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let mut client = site.connect(&gateway);
    for byte in b"GET /mock HTTP/1.1\r\nhost: a.example\r\nx-long: 0123456789\r\n\r\n" {
        client.send([*byte]);
    }
    assert_eq!(client.answer_to("GET").text(), "mocked");
}

/// What a client does not read is not read from the target either.
#[test]
fn a_slow_reader_holds_the_target_up() {
    let (sender, receiver) = mpsc::channel();
    let target = Upstream::start(move |_, peer| {
        peer.request()?;
        peer.socket().set_write_timeout(Some(Duration::from_secs(1)))?;
        peer.send("HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n")?;
        let (piece, mut sent) = (vec![0; 100_000], 0);
        let end = loop {
            match peer.send(&piece) {
                Ok(()) if sent < 1_000_000_000 => sent += piece.len(),
                Ok(()) => break None,
                Err(error) => break Some(error.kind()),
            }
        };
        let _ = sender.send((sent, end));
        Ok(())
    });
    let site = Site::new(target.address());
    let gateway = site.start();
    let mut client = site.connect(&gateway);
    client.send("GET /large HTTP/1.1\r\nhost: a.example\r\n\r\n");
    let (sent, end) = receiver.recv().expect("the target's account");
    assert_eq!(end, Some(ErrorKind::WouldBlock), "{sent} bytes were taken");
    assert!(sent < 50_000_000, "{sent} bytes wait between target and client");
    assert_eq!(client.answer_head().status, 200);
}
