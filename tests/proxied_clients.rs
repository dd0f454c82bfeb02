//! Clients behind a proxy: whose word about them is believed, and what targets are told.

mod harness;

use harness::{Client, Gateway, Upstream};

/// A gateway whose listener asks for PROXY headers and believes `trusted`.
fn gateway(upstream: &Upstream, listener: &str) -> Gateway {
    Gateway::start(&format!(
        "[[listener]]\nname = \"public\"\naddress = \"127.0.0.1:0\"\n{listener}\n\
         [[upstream]]\nname = \"backend\"\ntargets = [\"{}\"]\n\
         [[api]]\nname = \"a\"\nroute = [{{ key = \"$default\", upstream = \"backend\" }}]\n",
        upstream.address()
    ))
}

const REQUIRED: &str = "proxy_protocol = \"required\"\ntrusted_proxies = [\"127.0.0.1\"]";
const REQUEST: &str =
    "GET / HTTP/1.1\r\nHost: a\r\nX-Forwarded-Proto: https\r\nConnection: close\r\n\r\n";

/// The head that the target got, in lower case.
fn seen_by_target(client: &mut Client) -> String {
    let answer = client.answer();
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.text().to_ascii_lowercase()
}

#[test]
fn a_trusted_proxy_names_the_client_in_version_1_and_2() {
    let upstream = Upstream::mirror();
    let gateway = gateway(&upstream, REQUIRED);
    let mut version_2 = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c".to_vec();
    version_2.extend([192, 0, 2, 7, 127, 0, 0, 1, 0x12, 0x34, 0, 80]);
    for header in [b"PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\r\n".to_vec(), version_2] {
        let mut client = gateway.connect();
        client.send([&header[..], REQUEST.as_bytes()].concat());
        let seen = seen_by_target(&mut client);
        assert!(seen.contains("\r\nx-forwarded-for: 192.0.2.7\r\n"), "{seen}");
        // The proxy's word is about the connection; what the client writes is the client's.
        assert!(seen.contains("\r\nx-forwarded-proto: http\r\n"), "{seen}");
    }
}

#[test]
fn whoever_is_not_the_proxy_is_closed_without_a_word() {
    let upstream = Upstream::mirror();
    let listener = REQUIRED.replace("127.0.0.1", "192.0.2.0/24");
    let gateway = gateway(&upstream, &listener);
    let mut client = gateway.connect();
    client.send(["PROXY TCP4 192.0.2.7 127.0.0.1 4660 80\r\n", REQUEST].concat());
    assert_eq!(client.rest_or_reset().0, b"");
    assert_eq!(upstream.connections_count(), 0);
}

#[test]
fn a_connection_without_a_header_is_closed_without_a_word() {
    let upstream = Upstream::mirror();
    let gateway = gateway(&upstream, REQUIRED);
    let mut client = gateway.connect();
    client.send(REQUEST);
    assert_eq!(client.rest_or_reset().0, b"");
    assert_eq!(upstream.connections_count(), 0);
}

#[test]
fn forwarding_headers_of_a_trusted_peer_are_kept_and_of_others_replaced() {
    let upstream = Upstream::mirror();
    for (listener, expected) in [("trusted_proxies = [\"127.0.0.1\"]", "https"), ("", "http")] {
        let gateway = gateway(&upstream, listener);
        let mut client = gateway.connect();
        client.send(REQUEST);
        let seen = seen_by_target(&mut client);
        assert!(seen.contains(&format!("\r\nx-forwarded-proto: {expected}\r\n")), "{seen}");
        assert_eq!(seen.matches("x-forwarded-proto").count(), 1, "{seen}");
    }
}
