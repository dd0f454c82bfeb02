//! HTTP/2 inside TLS: chosen by ALPN where the domain offers it, under the same rules as HTTP/1.

use super::client::TlsClient;
use super::gateways::assert_sound;
use super::harness::{Gateway, Upstream};
use super::peer::Http2;
use super::site::{DONE, Site, nobody};

/// The site with HTTP/2 for all its domains but `*.wild.example`.
pub(crate) fn start(site: &Site, tables: &str) -> Gateway {
    let configuration = site.configuration("true", "", tables);
    let mut text = String::new();
    for line in configuration.lines() {
        text.push_str(line);
        text.push('\n');
        if line.starts_with("names = ") && line.contains("wild") {
            text.push_str("protocols = [\"http/1.1\"]\n");
        }
    }
    Gateway::start(&text)
}

fn alpn<'w>(site: &'w Site, protocols: &'w [&'w [u8]]) -> super::client::Wants<'w> {
    let mut wants = site.wants();
    wants.alpn = protocols;
    wants
}

const BOTH: &[&[u8]] = &[b"h2", b"http/1.1"];

#[test]
fn the_protocol_is_the_one_that_both_want() {
    let site = Site::new(nobody());
    let gateway = start(&site, "");
    let address = gateway.address("public");
    let (mut client, agreed) =
        Http2::secure(address, &alpn(&site, BOTH).config(), "a.example").expect("a handshake");
    assert_eq!(agreed.as_deref(), Some(&b"h2"[..]));
    for _ in 0..3 {
        assert_eq!(client.request_to("a.example", "/mock").text(), "mocked");
    }
    let mut old = TlsClient::connect(address, &site.config(), "a.example");
    assert_eq!(old.session().alpn_protocol(), Some(&b"http/1.1"[..]));
    assert_eq!(old.get("a.example", "/mock").text(), "mocked");
    let wild = TlsClient::connect(address, &alpn(&site, BOTH).config(), "b.wild.example");
    assert_eq!(wild.session().alpn_protocol(), Some(&b"http/1.1"[..]), "not offered there");
    let alone = alpn(&site, &[b"h2"]).config();
    assert!(TlsClient::try_connect(address, &alone, "b.wild.example").is_err());
    assert!(gateway.metric(DONE, "") >= 3.0);
    drop((client, old, wild));
    assert_sound(&gateway);
}

#[test]
fn a_preface_without_alpn_is_refused_over_tls() {
    let site = Site::new(nobody());
    let gateway = start(&site, "");
    let mut client = TlsClient::connect(gateway.address("public"), &site.config(), "a.example");
    client.send(super::frame::PREFACE);
    assert_eq!(client.answer_to("GET").status, 505);
}

#[test]
fn large_bodies_pass_both_ways_inside_tls() {
    let target = super::harness::Echo::start();
    let site = Site::new(target.address());
    let gateway = start(&site, "");
    let config = alpn(&site, BOTH).config();
    let (mut client, _) =
        Http2::secure(gateway.address("public"), &config, "a.example").expect("a handshake");
    client.check_alive();
    let body: Vec<u8> = (0..2_000_000_u32).map(|at| (at % 251) as u8).collect();
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "a.example"),
        (":path", "/echo"),
    ];
    let stream = client.begin(super::fields::block(&fields));
    client.send_body(stream, &body, true);
    assert!(client.answer(stream).body == body);
    drop(client);
    assert_sound(&gateway);
}

#[test]
fn hosts_that_ask_for_certificates_are_not_reached_by_another_domain() {
    let target = Upstream::mirror();
    let site = Site::new(target.address());
    let gateway = start(&site, "");
    let address = gateway.address("public");
    let config = alpn(&site, BOTH).config();
    let (mut client, _) = Http2::secure(address, &config, "a.example").expect("a handshake");
    for host in ["mutual.example", "MUTUAL.example:443", "soft.example"] {
        assert_eq!(client.request_to(host, "/seen").status, 421, "{host}");
    }
    assert_eq!(client.request_to("b.wild.example", "/mock").status, 200);
    assert_eq!(client.request_to("a.example", "/mock").status, 200, "the connection goes on");
    let (mut soft, _) = Http2::secure(address, &config, "soft.example").expect("a handshake");
    assert_eq!(soft.request_to("soft.example", "/mock").status, 403);
    let identity = site.clients.client("one");
    let mut wants = alpn(&site, BOTH);
    wants.identity = Some(&identity);
    let (mut known, _) =
        Http2::secure(address, &wants.config(), "mutual.example").expect("a handshake");
    let answer = known.request_to("mutual.example", "/seen");
    assert_eq!(answer.status, 200);
    assert!(answer.text().contains("\r\nx-subject: CN=one\r\n"), "{}", answer.text());
    assert!(answer.text().contains("\r\nx-forwarded-proto: https\r\n"), "{}", answer.text());
    // By TLS 1.3 the client learns only with its first read that it was refused.
    if let Ok((mut refused, _)) = Http2::secure(address, &config, "mutual.example") {
        refused.read_to_end();
        assert!(refused.settings.is_empty(), "nothing of HTTP/2 was said");
    }
}

#[test]
fn the_log_tells_protocol_and_session() {
    let site = Site::new(nobody());
    let log = "[access_log]\npath = \"{dir}/access.log\"\nformat = '{\"id\":\"$context.requestId\",\
               \"protocol\":\"$context.protocol\",\"tls\":\"$context.tlsVersion\",\
               \"suite\":\"$context.cipherSuite\"}'\n";
    let mut gateway = start(&site, log);
    let config = alpn(&site, BOTH).config();
    let (mut client, _) =
        Http2::secure(gateway.address("public"), &config, "a.example").expect("a handshake");
    assert_eq!(client.request_to("a.example", "/mock").text(), "mocked");
    drop(client);
    let lines = super::seen::lines(&mut gateway);
    assert_eq!((&lines[0]["protocol"], &lines[0]["tls"]), (&"HTTP/2.0".into(), &"TLSv1.3".into()));
    assert!(lines[0]["suite"].as_str().is_some_and(|suite| suite.starts_with("TLS_")), "{lines:?}");
}

#[test]
fn a_drain_ends_a_session_in_good_order() {
    let site = Site::new(nobody());
    let mut gateway = start(&site, "");
    let config = alpn(&site, BOTH).config();
    let (mut client, _) =
        Http2::secure(gateway.address("public"), &config, "a.example").expect("a handshake");
    assert_eq!(client.request_to("a.example", "/mock").text(), "mocked");
    gateway.signal("TERM");
    assert_eq!(client.connection_error(), super::frame::NO_ERROR);
    assert!(gateway.wait().success());
}
