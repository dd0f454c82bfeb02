//! What a failed handshake is told and counted as, for each way to fail; and that nothing of it
//! stays.

use std::io::{Read as _, Write as _};
use std::net::SocketAddr;

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::version::{TLS12, TLS13};

use super::authority::{Authority, Identity};
use super::client::{TlsClient, session, tcp};
use super::harness::Gateway;
use super::site::{FAILURES, Site, assert_sound, nobody};

/// The alert that answers these bytes; `None` if the connection just ends.
fn alert(address: SocketAddr, bytes: &[u8]) -> Option<u8> {
    let mut stream = tcp(address);
    stream.write_all(bytes).expect("sent");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    match *answer {
        [] => None,
        [0x15, 3, _, 0, 2, 2, description] => Some(description),
        ref other => panic!("no alert: {other:?}"),
    }
}

/// A first message that offers this version at most and this suite alone.
fn old_hello(version: [u8; 2], suite: [u8; 2]) -> Vec<u8> {
    let body = [&version[..], &[7; 32], &[0, 0, 2], &suite, &[1, 0]].concat();
    let length = u8::try_from(body.len()).expect("short");
    let message = [&[1, 0, 0, length][..], &body].concat();
    [&[0x16, 3, 1, 0, length + 4][..], &message].concat()
}

const UNEXPECTED_MESSAGE: u8 = 10;
const RECORD_OVERFLOW: u8 = 22;
const HANDSHAKE_FAILURE: u8 = 40;
const DECODE_ERROR: u8 = 50;
const PROTOCOL_VERSION: u8 = 70;
const UNRECOGNIZED_NAME: u8 = 112;

/// Bytes that are no handshake, the alert for them, and the reason that is counted.
fn bad_bytes(site: &Site) -> Vec<(&'static str, Vec<u8>, u8, &'static str)> {
    let mut hello = Vec::new();
    session(&site.config(), "unknown.example").write_tls(&mut hello).expect("to memory");
    let ecdsa_aes = [0xc0, 0x2b];
    let overflow = vec![0x16, 3, 1, 0xff, 0xff, 1, 0, 0, 0];
    let endless = vec![0x16, 3, 1, 0, 4, 1, 0xff, 0xff, 0xff];
    vec![
        ("zeros", vec![0; 64], DECODE_ERROR, "protocol"),
        ("noise", vec![0xf3; 64], DECODE_ERROR, "protocol"),
        ("application data", vec![0x17, 3, 3, 0, 1, 0], UNEXPECTED_MESSAGE, "protocol"),
        ("a record that is too long", overflow, RECORD_OVERFLOW, "protocol"),
        ("a message that is too long", endless, DECODE_ERROR, "protocol"),
        ("another message", vec![0x16, 3, 1, 0, 4, 2, 0, 0, 0], DECODE_ERROR, "protocol"),
        ("SSL 3.0", old_hello([3, 0], ecdsa_aes), PROTOCOL_VERSION, "nothing_in_common"),
        ("TLS 1.0", old_hello([3, 1], ecdsa_aes), PROTOCOL_VERSION, "nothing_in_common"),
        ("TLS 1.1", old_hello([3, 2], ecdsa_aes), PROTOCOL_VERSION, "nothing_in_common"),
        ("RC4", old_hello([3, 3], [0, 5]), HANDSHAKE_FAILURE, "nothing_in_common"),
        ("an unknown name", hello, UNRECOGNIZED_NAME, "unknown_name"),
    ]
}

#[test]
fn each_kind_of_bad_bytes_has_its_alert_and_its_count() {
    let site = Site::new(nobody());
    let gateway = site.start_with("{ unknown_name = \"refuse\" }", "", "");
    let address = gateway.address("public");
    let mut bystander = site.connect(&gateway);
    let mut all = 0.0;
    for (what, bytes, expected, reason) in bad_bytes(&site) {
        let before = gateway.metric(FAILURES, reason);
        assert_eq!(alert(address, &bytes), Some(expected), "{what}");
        gateway.wait_for_metric(FAILURES, reason, before + 1.0);
        assert_eq!(bystander.get("a.example", "/mock").status, 200, "{what}");
        all += 1.0;
    }
    assert_eq!(gateway.metric(FAILURES, ""), all, "each is counted once");
    drop(bystander);
    assert_sound(&gateway);
}

/// Certificates of clients that are not believed, with the alerts for them.
fn bad_clients(site: &Site) -> Vec<(&'static str, Identity, &'static str)> {
    let clients = &site.clients;
    let first = clients.below("first");
    let second = first.below("second");
    let third = second.below("third");
    let usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    vec![
        (
            "expired",
            clients.issue(|one| one.not_after = date_time_ymd(2025, 6, 1)),
            "CertificateExpired",
        ),
        ("self-signed", Identity::self_signed(), "UnknownCA"),
        ("a stranger", Authority::root("strangers").client("stranger"), "UnknownCA"),
        (
            "for servers",
            clients.issue(|one| one.extended_key_usages = usages),
            "UnsupportedCertificate",
        ),
        ("five in a chain", third.client("far").behind(&[&third, &second, &first]), "Certificate"),
    ]
}

#[test]
fn each_kind_of_bad_client_has_its_alert_and_its_count() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let mut count = 0.0;
    for (version, without) in [(&TLS13, "CertificateRequired"), (&TLS12, "Certificate")] {
        let versions = [version];
        let refused = |identity: Option<&Identity>| {
            let wants = site.wants().speaking(&versions);
            let wants = identity.into_iter().fold(wants, |wants, one| wants.showing(one));
            let address = gateway.address("public");
            TlsClient::try_connect(address, &wants.config(), "mutual.example")
                .and_then(|mut client| client.try_get("mutual.example", "/mock"))
                .expect_err("refused")
                .to_string()
        };
        let mut check = |what: &str, error: String, alert: &str| {
            assert!(error.contains(&format!("fatal alert: {alert}")), "{what}: {error}");
            count += 1.0;
            gateway.wait_for_metric(FAILURES, "client_certificate", count);
        };
        for (what, identity, alert) in bad_clients(&site) {
            check(what, refused(Some(&identity)), alert);
        }
        check("no certificate", refused(None), without);
    }
    assert_eq!(gateway.metric(FAILURES, ""), count, "nothing else is counted");
    assert_sound(&gateway);
}

/// Descriptors of the process, and buffers that connections hold.
fn held(gateway: &Gateway) -> (f64, f64) {
    let descriptors = gateway.metric("process_open_fds", "");
    (descriptors, gateway.metric("shardgate_buffers", "state=\"taken\""))
}

#[test]
fn failed_handshakes_leave_no_descriptor_and_no_buffer() {
    let site = Site::new(nobody());
    let gateway = site.start_with("{ unknown_name = \"refuse\" }", "", "");
    let round = || {
        for (_, bytes, ..) in bad_bytes(&site) {
            alert(gateway.address("public"), &bytes);
        }
        for (_, identity, _) in bad_clients(&site) {
            let config = site.wants().showing(&identity).config();
            let _ = TlsClient::try_connect(gateway.address("public"), &config, "mutual.example");
        }
        let mut plain = tcp(gateway.address("public"));
        plain.write_all(b"GET / HTTP/1.1\r\nhost: a.example\r\n\r\n").expect("sent");
        let _ = plain.read_to_end(&mut Vec::new());
        drop(plain);
        gateway.wait_until_quiet();
    };
    round();
    let before = held(&gateway);
    for _ in 0..5 {
        round();
    }
    let (descriptors, buffers) = held(&gateway);
    assert!(descriptors <= before.0, "{descriptors} descriptors, and before {}", before.0);
    assert_eq!(buffers, 0.0, "buffers are held for nobody");
    assert_sound(&gateway);
}
