//! Redirects, PROXY headers, reloads and drains.

use std::io::Write as _;

use rustls::HandshakeKind;
use rustls::version::{TLS12, TLS13};

use super::client::{TlsClient, tcp};
use super::harness::{Client, Gateway, Upstream};
use super::site::{Site, assert_sound, nobody};

#[test]
fn plain_listeners_send_clients_to_https() {
    let site = Site::new(nobody());
    let plain = "[[listener]]\nname = \"plain\"\naddress = \"127.0.0.1:0\"\n";
    for (port, authority) in [(443, "a.example"), (8443, "a.example:8443")] {
        let tables = format!("{plain}redirect_to_https = {port}\n");
        let gateway = site.start_with("true", "", &tables);
        let mut client = Client::connect(gateway.address("plain"));
        client.send("GET /x/y?z=1 HTTP/1.1\r\nhost: a.example:80\r\n\r\n");
        let answer = client.answer();
        assert!(matches!(answer.status, 301 | 307 | 308), "{}", answer.head);
        let location = format!("https://{authority}/x/y?z=1");
        assert_eq!(answer.header("location"), Some(&*location));
    }
}

#[test]
fn the_proxy_header_comes_before_tls() {
    let target = Upstream::mirror();
    let site = Site::new(target.address());
    let required = "proxy_protocol = \"required\"\ntrusted_proxies = [\"127.0.0.1\"]";
    let gateway = site.start_with("true", required, "");
    let mut stream = tcp(gateway.address("public"));
    stream.write_all(b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 443\r\n").expect("sent");
    let mut client = TlsClient::shake_hands(stream, &site.config(), "a.example").expect("TLS");
    let seen = client.get("a.example", "/seen").text().to_ascii_lowercase();
    assert!(seen.contains("\r\nx-forwarded-for: 192.0.2.7\r\n"), "{seen}");
    assert!(seen.contains("\r\nx-forwarded-proto: https\r\n"), "{seen}");
    let bare = TlsClient::try_connect(gateway.address("public"), &site.config(), "a.example");
    assert!(bare.is_err(), "a client without the header is not served");
    drop(client);
    assert_sound(&gateway);
}

fn reload(gateway: &Gateway, times: usize) {
    gateway.signal("HUP");
    gateway.wait_for_log_times(times, |line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with("the configuration was reloaded")
    });
}

#[test]
fn a_reload_swaps_a_certificate_and_drops_no_connection() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let mut old = site.connect(&gateway);
    assert_eq!(old.get("a.example", "/mock").status, 200);
    let before = old.session().peer_certificates().expect("shown").to_vec();
    let renewed = site.servers.server(&["a.example"]);
    site.files.write_identity("a", &renewed);
    reload(&gateway, 1);
    assert_eq!(old.get("a.example", "/mock").status, 200, "the connection goes on");
    let new = site.connect(&gateway);
    let after = new.session().peer_certificates().expect("shown");
    assert_eq!(after[..1], renewed.chain[..]);
    assert_ne!(after, before);
}

#[test]
fn a_broken_certificate_changes_nothing() {
    let site = Site::new(nobody());
    let gateway = site.start();
    site.files.write("a.pem", "no certificate");
    gateway.signal("HUP");
    gateway.wait_for_log("that it was not", |line| {
        let message = line["message"].as_str().unwrap_or_default();
        message.starts_with("the configuration was not reloaded")
    });
    assert_eq!(site.connect(&gateway).get("a.example", "/mock").status, 200);
}

#[test]
fn sessions_go_on_across_shards_and_reloads() {
    let site = Site::new(nobody());
    let gateway = site.start_with("true", "", "[process]\nshards = 2\n");
    for (round, version) in [&TLS13, &TLS12].into_iter().enumerate() {
        let versions = [version];
        let config = site.wants().speaking(&versions).config();
        let mut clients = Vec::new();
        for number in 0..24 {
            if number == 12 {
                reload(&gateway, round + 1);
            }
            let mut client = TlsClient::connect(gateway.address("public"), &config, "a.example");
            assert_eq!(client.get("a.example", "/mock").status, 200);
            let is_resumed = client.session().handshake_kind() == Some(HandshakeKind::Resumed);
            assert_eq!(is_resumed, number > 0, "{number}, {version:?}");
            clients.push(client);
        }
        for shard in ["shard=\"0\"", "shard=\"1\""] {
            assert!(gateway.metric("shardgate_connections", shard) > 0.0, "{shard}");
        }
    }
}

#[test]
fn a_drain_ends_idle_sessions_in_good_order() {
    let site = Site::new(nobody());
    let mut gateway = site.start();
    let mut idle = site.connect(&gateway);
    assert_eq!(idle.get("a.example", "/mock").status, 200);
    gateway.signal("TERM");
    assert_eq!(idle.rest(), b"");
    assert!(gateway.wait().success());
}
