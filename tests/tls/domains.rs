//! Names, certificates of clients, and sessions that go on.

use std::sync::Arc;
use std::{fs, io};

use rcgen::{ExtendedKeyUsagePurpose, date_time_ymd};
use rustls::client::{
    ClientSessionMemoryCache, ClientSessionStore, Resumption, Tls12ClientSessionValue,
    Tls13ClientSessionValue,
};
use rustls::pki_types::ServerName;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, HandshakeKind, NamedGroup};
use serde_json::Value as Json;

use super::authority::{Authority, Identity};
use super::client::TlsClient;
use super::harness::{Answer, Client, Gateway, Upstream};
use super::site::{FAILURES, Site, assert_sound, nobody};

/// Asks on a connection of its own, for a name that is also the host.
fn ask(gateway: &Gateway, config: &Arc<ClientConfig>, name: &str) -> io::Result<Answer> {
    TlsClient::try_connect(gateway.address("public"), config, name)?.try_get(name, "/mock")
}

#[test]
fn each_name_gets_its_own_certificate() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let config = site.config();
    for name in ["a.example", "A.Example", "b.wild.example"] {
        // The client verifies the name.
        assert_eq!(ask(&gateway, &config, name).expect(name).text(), "mocked");
    }
    for name in ["two.labels.wild.example", "unknown.example"] {
        let error = ask(&gateway, &config, name).expect_err("the default's certificate");
        assert!(error.to_string().contains("not valid for name"), "{name}: {error}");
    }
    gateway.wait_for_metric(FAILURES, "alert_received", 2.0);
    assert_sound(&gateway);
}

#[test]
fn unknown_names_are_refused_by_name_where_that_is_asked_for() {
    let site = Site::new(nobody());
    let gateway = site.start_with("{ unknown_name = \"refuse\" }", "", "");
    let config = site.config();
    assert_eq!(ask(&gateway, &config, "a.example").expect("known").status, 200);
    for name in ["unknown.example", "127.0.0.1"] {
        let error = ask(&gateway, &config, name).expect_err("refused").to_string();
        assert!(error.contains("UnrecognisedName"), "{name}: {error}");
    }
    gateway.wait_for_metric(FAILURES, "unknown_name", 2.0);
    assert_sound(&gateway);
}

#[test]
fn a_host_that_asks_for_certificates_is_not_reached_by_another_domain() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let mut client = site.connect(&gateway);
    for host in ["mutual.example", "MUTUAL.example:443", "mutual.example.", "soft.example"] {
        assert_eq!(client.get(host, "/mock").status, 421, "{host}");
        client = site.connect(&gateway);
    }
    assert_eq!(client.get("b.wild.example", "/mock").status, 200);
    client.send("GET http://mutual.example/mock HTTP/1.1\r\nhost: mutual.example\r\n\r\n");
    assert_eq!(client.answer_to("GET").status, 421);
}

#[test]
fn mutual_tls_lets_trusted_clients_in() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let identity = site.clients.client("partner");
    for version in [&TLS13, &TLS12] {
        let versions = [version];
        let config = site.wants().showing(&identity).speaking(&versions).config();
        for _ in 0..2 {
            assert_eq!(ask(&gateway, &config, "mutual.example").expect("trusted").status, 200);
        }
        assert_eq!(ask(&gateway, &config, "soft.example").expect("trusted").status, 200);
    }
    assert!(gateway.metric("shardgate_tls_handshakes_total", "resumed=\"yes\"") >= 2.0);
}

#[test]
fn targets_are_told_whose_certificate_it_was_and_not_what_the_client_writes() {
    let target = Upstream::mirror();
    let site = Site::new(target.address());
    let gateway = site.start();
    let identity = site.clients.client("partner");
    let config = site.wants().showing(&identity).config();
    let address = gateway.address("public");
    let mut client = TlsClient::connect(address, &config, "mutual.example");
    client.send("GET /seen HTTP/1.1\r\nhost: mutual.example\r\nX-Subject: CN=forged\r\n\r\n");
    let seen = client.answer_to("GET").text().to_ascii_lowercase();
    assert!(seen.contains("\r\nx-subject: cn=partner"), "{seen}");
    assert!(!seen.contains("forged"), "{seen}");
}

#[test]
fn what_a_certificate_says_is_told_and_logged_and_nobody_else_can_say_it() {
    let target = Upstream::mirror();
    let site = Site::new(target.address());
    let plain = "[[listener]]\nname = \"plain\"\naddress = \"127.0.0.1:0\"\n";
    let log = r#"
[access_log]
path = "{dir}/access.log"
format = '{"status":$context.status,"tls":"$context.tlsVersion","suite":"$context.cipherSuite","subject":"$context.identity.clientCert.subjectDN","issuer":"$context.identity.clientCert.issuerDN","serial":"$context.identity.clientCert.serialNumber","begin":"$context.identity.clientCert.validity.notBefore","end":"$context.identity.clientCert.validity.notAfter","protocol":"$context.protocol","requestId":"$context.requestId"}'
"#;
    let mut gateway = site.start_with("true", "", &format!("{plain}{log}"));
    let identity = site.clients.client("partner");
    let config = site.wants().showing(&identity).config();
    let mut client = TlsClient::connect(gateway.address("public"), &config, "mutual.example");
    let answer = client.get("mutual.example", "/seen");
    assert_eq!(answer.status, 200);
    let pem = "\r\nx-certificate: -----BEGIN%20CERTIFICATE-----%0A";
    assert!(answer.text().contains(pem), "{}", answer.text());

    let mut client = Client::connect(gateway.address("plain"));
    client.send("GET /seen HTTP/1.1\r\nhost: a\r\nX-Subject: CN=forged\r\n\r\n");
    let answer = client.answer();
    assert_eq!(answer.status, 200);
    assert!(!answer.text().contains("forged"), "{}", answer.text());

    drop(client);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let text = fs::read_to_string(gateway.folder().join("access.log")).expect("a log");
    let lines: Vec<Json> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    let with = lines.iter().find(|line| line["subject"] != "-").expect("it has a subject");
    assert_eq!((&with["status"], &with["tls"]), (&Json::from(200), &Json::from("TLSv1.3")));
    assert_eq!((&with["subject"], &with["issuer"]), (&"CN=partner".into(), &"CN=clients".into()));
    assert_eq!(with["begin"], "Jan  1 00:00:00 2025 GMT");
    assert_eq!(with["end"], "Jan  1 00:00:00 2090 GMT");
    assert_eq!(with["protocol"], "HTTP/1.1");
    assert!(with["serial"].as_str().is_some_and(|serial| serial.contains(':')), "{with}");
    assert!(with["suite"].as_str().is_some_and(|suite| suite.starts_with("TLS_AES_")), "{with}");
}

/// Certificates that must not be believed, by what is wrong with them.
fn distrusted(site: &Site) -> Vec<(&'static str, Identity)> {
    let clients = &site.clients;
    let (first, second, third) = chain(clients);
    vec![
        ("expired", clients.issue(|one| one.not_after = date_time_ymd(2025, 6, 1))),
        ("not yet valid", clients.issue(|one| one.not_before = date_time_ymd(2089, 6, 1))),
        ("self-signed", Identity::self_signed()),
        ("of another authority", Authority::root("clients").client("stranger")),
        (
            "for servers",
            clients
                .issue(|one| one.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        ),
        ("five in a chain", third.client("far").behind(&[&third, &second, &first])),
    ]
}

fn chain(root: &Authority) -> (Authority, Authority, Authority) {
    let first = root.below("first");
    let second = first.below("second");
    let third = second.below("third");
    (first, second, third)
}

#[test]
fn distrusted_clients_are_refused_or_answered_403() {
    let site = Site::new(nobody());
    let gateway = site.start();
    let mut refused_count = 0.0;
    for version in [&TLS13, &TLS12] {
        let versions = [version];
        for (what, identity) in distrusted(&site) {
            let config = site.wants().showing(&identity).speaking(&versions).config();
            let error = ask(&gateway, &config, "mutual.example").expect_err(what).to_string();
            assert!(error.contains("received fatal alert"), "{what}: {error}");
            refused_count += 1.0;
            let answer = ask(&gateway, &config, "soft.example").expect(what);
            assert_eq!(answer.status, 403, "{what}");
        }
        let config = site.wants().speaking(&versions).config();
        let error = ask(&gateway, &config, "mutual.example").expect_err("none").to_string();
        assert!(error.contains("received fatal alert"), "{error}");
        refused_count += 1.0;
        assert_eq!(ask(&gateway, &config, "soft.example").expect("let through").status, 403);
    }
    gateway.wait_for_metric(FAILURES, "client_certificate", refused_count);
    let (first, second, _) = chain(&site.clients);
    let near = second.client("near").behind(&[&second, &first]);
    let config = site.wants().showing(&near).config();
    assert_eq!(ask(&gateway, &config, "mutual.example").expect("four in a chain").status, 200);
    assert_sound(&gateway);
}

/// Keeps the sessions of all names as those of one, as an attacker would.
#[derive(Debug)]
struct OneName(ClientSessionMemoryCache);

fn one_name() -> ServerName<'static> {
    ServerName::try_from("one.example").expect("a name")
}

impl ClientSessionStore for OneName {
    fn set_kx_hint(&self, _: ServerName<'static>, group: NamedGroup) {
        self.0.set_kx_hint(one_name(), group);
    }

    fn kx_hint(&self, _: &ServerName<'_>) -> Option<NamedGroup> {
        self.0.kx_hint(&one_name())
    }

    fn set_tls12_session(&self, _: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.0.set_tls12_session(one_name(), value);
    }

    fn tls12_session(&self, _: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.0.tls12_session(&one_name())
    }

    fn remove_tls12_session(&self, _: &ServerName<'static>) {
        self.0.remove_tls12_session(&one_name());
    }

    fn insert_tls13_ticket(&self, _: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.0.insert_tls13_ticket(one_name(), value);
    }

    fn take_tls13_ticket(&self, _: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.0.take_tls13_ticket(&one_name())
    }
}

/// CVE-2025-23419.
#[test]
fn a_session_of_another_name_is_no_certificate() {
    let site = Site::new(nobody());
    let gateway = site.start();
    for version in [&TLS13, &TLS12] {
        let versions = [version];
        let mut config = (*site.wants().speaking(&versions).config()).clone();
        config.resumption = Resumption::store(Arc::new(OneName(ClientSessionMemoryCache::new(8))));
        let config = Arc::new(config);
        assert_eq!(ask(&gateway, &config, "a.example").expect("served").status, 200);
        let mut again = TlsClient::connect(gateway.address("public"), &config, "a.example");
        assert_eq!(again.session().handshake_kind(), Some(HandshakeKind::Resumed));
        assert_eq!(again.get("a.example", "/mock").status, 200);
        assert!(ask(&gateway, &config, "mutual.example").is_err(), "{version:?}");
        assert_eq!(ask(&gateway, &config, "a.example").expect("served").status, 200);
        assert_eq!(ask(&gateway, &config, "soft.example").expect("let through").status, 403);
    }
}

#[test]
fn even_a_request_about_the_server_as_a_whole_needs_the_certificate() {
    let site = Site::new(nobody());
    let gateway = site.start();
    for (name, host, status) in [
        ("a.example", "a.example", 204),
        ("a.example", "mutual.example", 421),
        ("soft.example", "soft.example", 403),
    ] {
        let mut client = TlsClient::connect(gateway.address("public"), &site.config(), name);
        client.send(format!("OPTIONS * HTTP/1.1\r\nhost: {host}\r\n\r\n"));
        assert_eq!(client.answer_to("OPTIONS").status, status, "{name} {host}");
    }
}
