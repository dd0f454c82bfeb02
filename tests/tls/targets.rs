//! HTTPS to targets.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, StreamOwned};

use super::authority::{Authority, Files, Identity};
use super::client::provider;
use super::harness::{Client, Gateway, HANG_GUARD};

/// A target that speaks TLS and answers who asked: the name that was asked for, and how many
/// certificates were shown.
pub(crate) struct Target {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Target {
    /// Asks for a certificate of `clients`, if any.
    pub(crate) fn start(identity: &Identity, clients: Option<&Authority>) -> Self {
        let config = server_config(identity, clients);
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a socket");
        let connections = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&connections);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                counter.fetch_add(1, Ordering::SeqCst);
                let config = Arc::clone(&config);
                // A gateway that goes away is no fault of the target's.
                thread::spawn(move || answer_all(stream, config));
            }
        });
        Self { address, connections }
    }
}

fn server_config(identity: &Identity, clients: Option<&Authority>) -> Arc<ServerConfig> {
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der()).expect("an authority");
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider()).build();
            builder.with_client_cert_verifier(verifier.expect("roots"))
        }
    };
    let config = builder.with_single_cert(identity.chain.clone(), identity.key_der());
    Arc::new(config.expect("a certificate and its key"))
}

fn answer_all(stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    stream.set_read_timeout(Some(HANG_GUARD))?;
    let session = ServerConnection::new(config).map_err(io::Error::other)?;
    let mut stream = BufReader::new(StreamOwned::new(session, stream));
    loop {
        let mut line = String::new();
        while line != "\r\n" {
            line.clear();
            if stream.read_line(&mut line)? == 0 {
                return Ok(());
            }
        }
        let session = &stream.get_ref().conn;
        let name = session.server_name().unwrap_or("none").to_owned();
        let shown = session.peer_certificates().map_or(0, <[_]>::len);
        let body = format!("{name} {shown}");
        let length = body.len();
        write!(stream.get_mut(), "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{body}")?;
        stream.get_mut().flush()?;
    }
}

pub(crate) fn gateway(target: &str, tls: &str) -> Gateway {
    gateway_with(target, tls, "")
}

pub(crate) fn gateway_with(target: &str, tls: &str, tables: &str) -> Gateway {
    Gateway::start(&format!(
        r#"
[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"

[[upstream]]
name = "backend"
targets = ["{target}"]
tls = {tls}

[[api]]
name = "main"
route = [{{ key = "$default", upstream = "backend" }}]

{tables}
"#
    ))
}

pub(crate) fn trusting(files: &Files, more: &str) -> String {
    format!("{{ ca_file = \"{}\"{more} }}", files.path("ca.pem").display())
}

/// An authority whose certificate is `ca.pem`.
pub(crate) fn authority() -> (Authority, Files) {
    let (authority, files) = (Authority::root("targets"), Files::new());
    files.write("ca.pem", authority.pem());
    (authority, files)
}

fn get(client: &mut Client) -> (u16, String) {
    let answer = client.request("GET", "/");
    (answer.status, answer.text().to_owned())
}

/// The answer of a gateway whose target may not be used, and what its log says of it.
fn refused(gateway: &Gateway) -> String {
    assert_eq!(get(&mut gateway.connect()).0, 502);
    let line =
        gateway.wait_for_log("a warning", |line| line["message"] == "no TLS session with a target");
    line["reason"].as_str().expect("a reason").to_owned()
}

#[test]
fn a_verified_target_is_asked_over_one_connection() {
    let (authority, files) = authority();
    let target = Target::start(&authority.server(&["127.0.0.1"]), None);
    let gateway = gateway(&target.address.to_string(), &trusting(&files, ""));
    // The target has sent tickets: they must not make a pooled connection look used up.
    for _ in 0..5 {
        assert_eq!(get(&mut gateway.connect()), (200, "none 0".into()));
        gateway.wait_until_quiet();
    }
    assert_eq!(target.connections.load(Ordering::SeqCst), 1);
}

#[test]
fn a_name_is_asked_for_and_verified() {
    let (authority, files) = authority();
    let target = Target::start(&authority.server(&["b.example"]), None);
    let address = target.address.to_string();
    let named = gateway(&address, &trusting(&files, ", server_name = \"b.example\""));
    assert_eq!(get(&mut named.connect()), (200, "b.example 0".into()));
    let unnamed = gateway(&address, &trusting(&files, ""));
    let reason = refused(&unnamed);
    assert!(reason.contains("not valid for name"), "{reason}");
}

#[test]
fn a_target_of_an_unknown_authority_is_a_bad_gateway() {
    let (_, files) = authority();
    let target = Target::start(&Authority::root("strangers").server(&["127.0.0.1"]), None);
    let gateway = gateway(&target.address.to_string(), &trusting(&files, ""));
    let reason = refused(&gateway);
    assert!(reason.contains("UnknownIssuer"), "{reason}");
}

#[test]
fn a_target_without_tls_is_a_bad_gateway() {
    let (_, files) = authority();
    let plain = super::harness::Upstream::start(|_, peer| {
        peer.read_exact(1)?;
        peer.send("HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")?;
        peer.rest().map(|_| ())
    });
    let gateway = gateway(&plain.address().to_string(), &trusting(&files, ""));
    assert!(!refused(&gateway).is_empty());
}

#[test]
fn a_client_certificate_is_shown_where_it_is_asked_for() {
    let (authority, files) = authority();
    let clients = Authority::root("clients");
    files.write_identity("gateway", &clients.client("gateway"));
    let target = Target::start(&authority.server(&["127.0.0.1"]), Some(&clients));
    let address = target.address.to_string();
    let shown = format!(", client_certificate = {}", files.pair("gateway"));
    let with = gateway(&address, &trusting(&files, &shown));
    assert_eq!(get(&mut with.connect()), (200, "none 1".into()));
    let without = gateway(&address, &trusting(&files, ""));
    assert_eq!(get(&mut without.connect()).0, 502);
}

#[test]
fn skipped_verification_is_said_and_still_verifies_the_name() {
    let (strangers, skip) = (Authority::root("strangers"), "{ insecure_skip_verification = true }");
    let target = Target::start(&strangers.server(&["127.0.0.1"]), None);
    let open = gateway(&target.address.to_string(), skip);
    open.wait_for_log("a warning", |line| line.to_string().contains("insecure_skip_verification"));
    assert_eq!(get(&mut open.connect()).0, 200);
    let other = Target::start(&strangers.server(&["b.example"]), None);
    let reason = refused(&gateway(&other.address.to_string(), skip));
    assert!(reason.contains("NotValidForName"), "{reason}");
}

#[test]
fn without_a_word_targets_are_verified_against_public_roots() {
    let target = Target::start(&Authority::root("strangers").server(&["127.0.0.1"]), None);
    for tls in ["true", "{ roots = \"mozilla\" }"] {
        let reason = refused(&gateway(&target.address.to_string(), tls));
        assert!(reason.contains("UnknownIssuer"), "{tls}: {reason}");
    }
}

#[test]
fn a_target_whose_certificate_has_expired_is_a_bad_gateway() {
    let (authority, files) = authority();
    let target = Target::start(&authority.server_for(&["127.0.0.1"], -60), None);
    for tls in [trusting(&files, ""), "{ insecure_skip_verification = true }".to_owned()] {
        let reason = refused(&gateway(&target.address.to_string(), &tls));
        assert!(reason.to_ascii_lowercase().contains("expired"), "{tls}: {reason}");
    }
}
