//! A gateway that serves TLS: its files, its domains, and clients that believe it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::ClientConfig;

use super::authority::{Authority, Files};
use super::client::{TlsClient, Wants};
use super::harness::Gateway;

/// The files of a gateway with the domains `a.example` (the default), `*.wild.example`,
/// `mutual.example`, which refuses clients without a certificate, and `soft.example`, which answers
/// them 403. `GET /mock` says "mocked", all else goes to the target.
pub(crate) struct Site {
    pub(crate) servers: Authority,
    pub(crate) clients: Authority,
    pub(crate) files: Files,
    target: SocketAddr,
}

impl Site {
    pub(crate) fn new(target: SocketAddr) -> Self {
        let (servers, clients) = (Authority::root("servers"), Authority::root("clients"));
        let files = Files::new();
        for (name, host) in [
            ("a", "a.example"),
            ("wild", "*.wild.example"),
            ("mutual", "mutual.example"),
            ("soft", "soft.example"),
        ] {
            files.write_identity(name, &servers.server(&[host]));
        }
        files.write("clients.pem", clients.pem());
        Self { servers, clients, files, target }
    }

    /// The boot file; `tls` stands for the listener's, `more` is appended to the listener.
    pub(crate) fn configuration(&self, tls: &str, more: &str, tables: &str) -> String {
        let (files, trust) = (&self.files, self.files.path("clients.pem"));
        format!(
            r#"
[admin]
address = "127.0.0.1:0"

[[listener]]
name = "public"
address = "127.0.0.1:0"
tls = {tls}
{more}

[[domain]]
names = ["a.example"]
certificates = [{a}]

[[domain]]
names = ["*.wild.example"]
certificates = [{wild}]

[[domain]]
names = ["mutual.example"]
certificates = [{mutual}]
mutual_tls = {{ trust_store_file = "{trust}", subject_header = "x-subject", certificate_header = "x-certificate" }}

[[domain]]
names = ["soft.example"]
certificates = [{soft}]
mutual_tls = {{ trust_store_file = "{trust}", on_invalid = "403" }}

[[upstream]]
name = "backend"
targets = ["{target}"]

[[api]]
name = "main"

[[api.route]]
key = "ANY /mock"
mock = {{ body = "mocked" }}

[[api.route]]
key = "$default"
upstream = "backend"

{tables}
"#,
            a = files.pair("a"),
            wild = files.pair("wild"),
            mutual = files.pair("mutual"),
            soft = files.pair("soft"),
            trust = trust.display(),
            target = self.target,
        )
    }

    pub(crate) fn start(&self) -> Gateway {
        self.start_with("true", "", "")
    }

    pub(crate) fn start_with(&self, tls: &str, more: &str, tables: &str) -> Gateway {
        Gateway::start(&self.configuration(tls, more, tables))
    }

    /// What a client without a certificate wants.
    pub(crate) fn wants(&self) -> Wants<'_> {
        Wants::of(&self.servers)
    }

    pub(crate) fn config(&self) -> Arc<ClientConfig> {
        self.wants().config()
    }

    /// A client of `a.example`.
    pub(crate) fn connect(&self, gateway: &Gateway) -> TlsClient {
        TlsClient::connect(gateway.address("public"), &self.config(), "a.example")
    }
}

/// Nobody listens there: for tests that reach no target.
pub(crate) fn nobody() -> SocketAddr {
    let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("a socket")
}

/// What came of starting a program of another package; `None`, and a word, if it is missing where
/// it may be. `tests/run` installs it.
pub(crate) fn external<T>(started: io::Result<T>, package: &str) -> Option<T> {
    match started {
        Err(error)
            if error.kind() == io::ErrorKind::NotFound && std::env::var_os("CI").is_none() =>
        {
            eprintln!("skipped: Debian's package {package} is missing");
            None
        }
        other => Some(other.unwrap_or_else(|error| panic!("{package}: {error}"))),
    }
}

/// Nothing panicked, and every connection has ended.
pub(crate) fn assert_sound(gateway: &Gateway) {
    gateway.wait_until_quiet();
    assert_eq!(gateway.metric("shardgate_panics_total", ""), 0.0);
}

pub(crate) const FAILURES: &str = "shardgate_tls_handshake_failures_total";
pub(crate) const DONE: &str = "shardgate_tls_handshakes_total";
