//! TLS as clients and targets meet it, against the real binary.

mod harness;

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;

use harness::{Client, Gateway, HANG_GUARD, Upstream};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
};
#[cfg(feature = "tls-aws-lc")]
use rustls::crypto::aws_lc_rs as provider;
#[cfg(not(feature = "tls-aws-lc"))]
use rustls::crypto::ring as provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned};
use serde_json::Value as Json;

const HI: &str = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi";

const LOG_FORMAT: &str = concat!(
    r#"{"requestId":"$context.requestId","status":$context.status,"tls":"$context.tlsVersion","#,
    r#""suite":"$context.cipherSuite","subject":"$context.identity.clientCert.subjectDN"}"#,
);

/// An authority, and a folder with its certificates.
struct Pki {
    folder: tempfile::TempDir,
    params: CertificateParams,
    key: KeyPair,
}

impl Pki {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "Test authority");
        let key = KeyPair::generate().expect("a key");
        let authority = params.self_signed(&key).expect("a certificate");
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("ca.pem"), authority.pem()).expect("written");
        let pki = Self { folder, params, key };
        for name in ["api.example.com", "partners.example.com", "localhost"] {
            pki.issue(name, name, ExtendedKeyUsagePurpose::ServerAuth);
        }
        pki.issue("client", "client.example.com", ExtendedKeyUsagePurpose::ClientAuth);
        pki
    }

    /// Writes `FILE.pem` and `FILE.key`.
    fn issue(&self, file: &str, name: &str, usage: ExtendedKeyUsagePurpose) {
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().expect("a key");
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).expect("issued");
        fs::write(self.path(&format!("{file}.pem")), certificate.pem()).expect("written");
        fs::write(self.path(&format!("{file}.key")), key.serialize_pem()).expect("written");
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn configuration(&self, upstream: SocketAddr, tables: &str) -> String {
        let dir = self.folder.path().display();
        format!(
            r#"
[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"
tls = {{ handshake_timeout_ms = 300, unknown_name = "refuse" }}

[[listener]]
name = "plain"
address = "127.0.0.1:0"

[[domain]]
names = ["api.example.com"]
certificates = [
    {{ certificate_file = "{dir}/api.example.com.pem", key_file = "{dir}/api.example.com.key" }},
]

[[domain]]
names = ["partners.example.com"]
certificate_folder = "{dir}"

[domain.mutual_tls]
trust_store_file = "{dir}/ca.pem"
on_invalid = "403"
subject_header = "x-client-subject"
certificate_header = "x-client-certificate"

[access_log]
path = "{dir}/access.log"
format = '{LOG_FORMAT}'

[[upstream]]
name = "backend"
targets = ["{upstream}"]

{tables}

[[api]]
name = "main"

[[api.route]]
key = "ANY /mock"
mock = {{ body = "mocked" }}

[[api.route]]
key = "$default"
upstream = "backend"
"#
        )
    }

    /// A client that believes the authority, and shows the certificate `shown`.
    fn client(&self, shown: Option<&str>) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate(&self.path("ca.pem"))).expect("an authority");
        let provider = Arc::new(provider::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match shown {
            None => builder.with_no_client_auth(),
            Some(name) => {
                let key = PrivateKeyDer::from_pem_file(self.path(&format!("{name}.key")));
                let chain = vec![certificate(&self.path(&format!("{name}.pem")))];
                builder.with_client_auth_cert(chain, key.expect("a key")).expect("they fit")
            }
        };
        Arc::new(config)
    }
}

fn certificate(path: &Path) -> CertificateDer<'static> {
    CertificateDer::from_pem_file(path).expect("a certificate")
}

type Tls = StreamOwned<ClientConnection, TcpStream>;

fn connect(address: SocketAddr, config: &Arc<ClientConfig>, name: &str) -> Tls {
    let socket = TcpStream::connect(address).expect("connected");
    socket.set_read_timeout(Some(HANG_GUARD)).expect("a socket");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    StreamOwned::new(ClientConnection::new(Arc::clone(config), name).expect("a client"), socket)
}

/// Sends a request and reads to the end of its answer: status line and body.
fn ask(tls: &mut Tls, target: &str, host: &str, lines: &str) -> io::Result<(u16, String)> {
    write!(tls, "GET {target} HTTP/1.1\r\nhost: {host}\r\n{lines}\r\n")?;
    let mut answer = Vec::new();
    let head_end = loop {
        let mut byte = [0];
        tls.read_exact(&mut byte)?;
        answer.push(byte[0]);
        if answer.ends_with(b"\r\n\r\n") {
            break answer.len();
        }
    };
    let head = String::from_utf8_lossy(&answer[..head_end]).to_lowercase();
    let status = head[9..12].parse().expect("a status");
    let length = head.split("content-length: ").nth(1).and_then(|rest| rest.lines().next());
    let mut body = vec![0; length.map_or(0, |text| text.parse().expect("a number"))];
    tls.read_exact(&mut body)?;
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

#[test]
fn one_session_carries_many_requests_and_is_resumed() {
    let (pki, upstream) = (Pki::new(), Upstream::answering(HI));
    let gateway = Gateway::start(&pki.configuration(upstream.address(), ""));
    let config = pki.client(None);
    for round in 0..2 {
        let mut tls = connect(gateway.address("public"), &config, "api.example.com");
        for _ in 0..3 {
            let answered = ask(&mut tls, "/mock", "api.example.com", "").expect("answered");
            assert_eq!(answered, (200, "mocked".to_owned()));
            let answered = ask(&mut tls, "/up", "api.example.com", "").expect("answered");
            assert_eq!(answered, (200, "hi".to_owned()));
        }
        let kind = tls.conn.handshake_kind();
        let resumed = kind == Some(HandshakeKind::Resumed);
        assert_eq!(resumed, round == 1, "{kind:?}");
    }
    let proto = upstream.requests()[0].header("x-forwarded-proto");
    assert_eq!(proto.as_deref(), Some("https"));
    let handshakes = "shardgate_tls_handshakes_total";
    assert_eq!(gateway.metric(handshakes, "version=\"TLSv1.3\",resumed=\"no\""), 1.0);
    assert_eq!(gateway.metric(handshakes, "version=\"TLSv1.3\",resumed=\"yes\""), 1.0);
}

#[test]
fn names_that_are_not_served_are_refused() {
    let (pki, upstream) = (Pki::new(), Upstream::answering(HI));
    let gateway = Gateway::start(&pki.configuration(upstream.address(), ""));
    let mut tls = connect(gateway.address("public"), &pki.client(None), "other.example.com");
    let error = ask(&mut tls, "/mock", "other.example.com", "").expect_err("refused");
    assert!(error.to_string().contains("UnrecognisedName"), "{error}");
}

#[test]
fn a_client_without_a_trusted_certificate_gets_403_and_one_with_it_is_told_of() {
    let (pki, upstream) = (Pki::new(), Upstream::answering(HI));
    let mut gateway = Gateway::start(&pki.configuration(upstream.address(), ""));
    let (address, name) = (gateway.address("public"), "partners.example.com");
    let mut tls = connect(address, &pki.client(None), name);
    assert_eq!(ask(&mut tls, "/up", name, "").expect("answered").0, 403);
    let mut tls = connect(address, &pki.client(Some("client")), name);
    let forged = "X-Client-Subject: CN=forged\r\n";
    assert_eq!(ask(&mut tls, "/up", name, forged).expect("answered").0, 200);
    let seen = &upstream.requests()[0];
    assert_eq!(seen.header("x-client-subject").as_deref(), Some("CN=client.example.com"));
    let pem = seen.header("x-client-certificate").expect("told of");
    assert!(pem.starts_with("-----BEGIN%20CERTIFICATE-----%0A"), "{pem}");

    // By no other listener can anyone say so.
    let mut client = Client::connect(gateway.address("plain"));
    client.send(format!("GET /plain HTTP/1.1\r\nhost: a\r\n{forged}\r\n"));
    assert_eq!(client.answer().status, 200);
    assert!(upstream.requests().iter().all(|seen| !seen.head.contains("forged")));

    // A session for one domain is no way around what another asks for.
    let mut tls = connect(address, &pki.client(None), "api.example.com");
    assert_eq!(ask(&mut tls, "/up", name, "").expect("answered").0, 421);
    drop(tls);
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    let log = fs::read_to_string(pki.path("access.log")).expect("a log");
    let lines: Vec<Json> =
        log.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let with = lines.iter().find(|line| line["subject"] != "-").expect("it has a subject");
    assert_eq!((&with["status"], &with["tls"]), (&Json::from(200), &Json::from("TLSv1.3")));
    assert!(with["suite"].as_str().is_some_and(|suite| suite.starts_with("TLS_AES_")), "{with}");
}

#[test]
fn who_speaks_plain_http_to_a_tls_port_is_told() {
    let (pki, upstream) = (Pki::new(), Upstream::answering(HI));
    let gateway = Gateway::start(&pki.configuration(upstream.address(), ""));
    let mut client = Client::connect(gateway.address("public"));
    let answer = client.request("GET", "/mock");
    assert_eq!(answer.status, 400);
    assert!(answer.text().contains("plain HTTP was sent to an HTTPS port"), "{}", answer.text());
}

#[test]
fn handshakes_that_fail_at_any_byte_leave_nothing_behind() {
    let (pki, upstream) = (Pki::new(), Upstream::answering(HI));
    let gateway = Gateway::start(&pki.configuration(upstream.address(), ""));
    let (address, config) = (gateway.address("public"), pki.client(None));
    let name = ServerName::try_from("api.example.com").expect("a name");
    let mut hello = Vec::new();
    let mut client = ClientConnection::new(Arc::clone(&config), name).expect("a client");
    client.write_tls(&mut hello).expect("into memory");
    for cut in (0..hello.len()).step_by(7) {
        TcpStream::connect(address).expect("connected").write_all(&hello[..cut]).expect("sent");
    }
    for index in (0..hello.len()).step_by(3) {
        let mut bent = hello.clone();
        bent[index] ^= 0x55;
        let mut socket = TcpStream::connect(address).expect("connected");
        let _ = socket.write_all(&bent);
    }
    // One that says nothing more is ended by the timeout, with those that wait for more bytes.
    let mut silent = TcpStream::connect(address).expect("connected");
    silent.set_read_timeout(Some(HANG_GUARD)).expect("a socket");
    silent.write_all(&hello[..20]).expect("sent");
    assert_eq!(silent.read(&mut [0; 100]).expect("ended"), 0);
    let mut tls = connect(address, &config, "api.example.com");
    assert_eq!(ask(&mut tls, "/mock", "api.example.com", "").expect("answered").0, 200);
    drop(tls);
    gateway.wait_until_quiet();
    assert_eq!(gateway.metric("shardgate_panics_total", ""), 0.0);
    assert!(gateway.metric("shardgate_tls_handshake_failures_total", "timeout") > 0.0);
}

#[test]
fn a_reload_brings_a_new_certificate_and_drops_nobody() {
    let (pki, upstream) = (Pki::new(), Upstream::answering(HI));
    let configuration = pki.configuration(upstream.address(), "");
    let gateway = Gateway::start(&configuration);
    let (address, config) = (gateway.address("public"), pki.client(None));
    let mut before = connect(address, &config, "api.example.com");
    assert_eq!(ask(&mut before, "/mock", "api.example.com", "").expect("answered").0, 200);
    pki.issue("api.example.com", "api.example.com", ExtendedKeyUsagePurpose::ServerAuth);
    gateway.signal("HUP");
    gateway.wait_for_log("the reload", |line| line["message"] == "the configuration was reloaded");
    let mut after = connect(address, &pki.client(None), "api.example.com");
    assert_eq!(ask(&mut after, "/mock", "api.example.com", "").expect("answered").0, 200);
    assert_eq!(ask(&mut before, "/mock", "api.example.com", "").expect("still there").0, 200);
    let shown = |tls: &Tls| tls.conn.peer_certificates().expect("shown")[0].clone();
    assert_ne!(shown(&before), shown(&after));
    assert_eq!(shown(&after), certificate(&pki.path("api.example.com.pem")));
}

#[test]
fn targets_are_reached_over_tls_and_verified() {
    let (pki, upstream) = (Pki::new(), Upstream::answering(HI));
    let inner = Gateway::start(&pki.configuration(upstream.address(), ""));
    let port = inner.address("public").port();
    let dir = pki.folder.path().display();
    let outer = |tls: &str| {
        Gateway::start(&format!(
            r#"
[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "inner"
targets = ["127.0.0.1:{port}"]
tls = {{ {tls} }}

[[api]]
name = "main"

[[api.route]]
key = "$default"
upstream = "inner"
"#
        ))
    };
    let good = outer(&format!("ca_file = \"{dir}/ca.pem\", server_name = \"api.example.com\""));
    let mut client = good.connect();
    for _ in 0..5 {
        let answer = client.request("GET", "/mock");
        assert_eq!((answer.status, answer.text()), (200, "mocked"));
    }
    let handshakes_count = inner.metric("shardgate_tls_handshakes_total", "");
    assert_eq!(handshakes_count, 1.0, "one connection was kept");

    let wrong_name = outer(&format!("ca_file = \"{dir}/ca.pem\", server_name = \"localhost\""));
    assert_eq!(wrong_name.connect().request("GET", "/mock").status, 502);
    let wrong_ca = outer("server_name = \"api.example.com\"");
    assert_eq!(wrong_ca.connect().request("GET", "/mock").status, 502);
    wrong_ca.wait_for_log("why", |line| {
        line["message"] == "no TLS session with a target"
            && line["reason"].as_str().is_some_and(|reason| reason.contains("UnknownIssuer"))
    });
}
