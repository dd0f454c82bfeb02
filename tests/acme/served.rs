//! The real binary between Pebble and clients: each challenge through its own listeners, and the
//! certificate that it then shows.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use serde_json::Value as Json;
use shardgate::model::Acme;
use shardgate::tls::ACME_TLS_ALPN;

use crate::authority::{Authority, Files};
use crate::boot::{mode, near_its_end, now, write_secret};
use crate::client::{TlsClient, provider};
use crate::harness::{Client, Gateway};
use crate::impatient;
use crate::names::Names;
use crate::pebble::{Pebble, ValidationPorts};
use crate::pebble_or_return;

/// Files that outlive a gateway: the storage, and the certificate of `other.test`, a domain that
/// has nothing to do with ACME.
struct Site {
    files: Files,
    others: Authority,
}

impl Site {
    fn new() -> Self {
        let (files, others) = (Files::new(), Authority::root("others"));
        files.write_identity("other", &others.server(&["other.test"]));
        Self { files, others }
    }

    /// The boot file, with `tables` for ACME.
    fn configuration(&self, tables: &str) -> String {
        let other = self.files.pair("other");
        format!(
            r#"
[admin]
address = "127.0.0.1:0"

[[listener]]
name = "plain"
address = "127.0.0.1:0"
redirect_to_https = 443

[[listener]]
name = "public"
address = "127.0.0.1:0"
tls = true

[[domain]]
names = ["other.test"]
certificates = [{other}]

[[api]]
name = "main"
route = [{{ key = "$default", mock = {{ body = "mocked" }} }}]

{tables}
"#
        )
    }

    /// Tables that order a certificate for `names`; `keys` are more of `[acme]`.
    fn tables(&self, (directory_url, ca_file): (&str, &Path), keys: &str, names: &str) -> String {
        format!(
            "[acme]\ndirectory_url = {directory_url:?}\nca_file = {ca_file:?}\n\
             storage_folder = {:?}\nterms_agreed = true\n{keys}\n\
             [[domain]]\nnames = {names}\nacme = true\n",
            self.storage()
        )
    }

    fn storage(&self) -> PathBuf {
        self.files.path("storage")
    }

    fn certificate_file(&self, directory_url: &str, name: &str) -> PathBuf {
        Acme::certificate_file(&Acme::folder_of(&self.storage(), directory_url), name)
    }

    /// Starts a gateway that orders nothing yet: Pebble must know the ports that it will come to,
    /// and the gateway where Pebble is.
    fn start(&self) -> Gateway {
        Gateway::start(&self.configuration(""))
    }

    /// Orders at `pebble` from now on.
    fn order_at(&self, pebble: &Pebble, gateway: &Gateway, keys: &str, names: &str) {
        let ca_file = pebble.ca_file();
        let tables = self.tables((pebble.directory_url(), &ca_file), keys, names);
        gateway.rewrite(&self.configuration(&tables));
        gateway.signal("HUP");
    }

    /// A client of `other.test`.
    fn connect_other(&self, gateway: &Gateway) -> TlsClient {
        TlsClient::connect(gateway.address("public"), &believing(self.others.der()), "other.test")
    }
}

fn ports(gateway: &Gateway) -> ValidationPorts {
    ValidationPorts { http: gateway.address("plain").port(), tls: gateway.address("public").port() }
}

fn wait_in_force(gateway: &Gateway) {
    gateway.wait_for_log("a certificate in force", |line| {
        line["message"] == "the issued certificates are in force"
    });
}

fn wait_failed(gateway: &Gateway) -> Json {
    gateway.wait_for_log("a failed order", |line| {
        message(line).starts_with("no certificate was issued")
    })
}

fn message(line: &Json) -> &str {
    line["message"].as_str().unwrap_or_default()
}

fn orders_count(gateway: &Gateway) -> usize {
    gateway.log().iter().filter(|line| message(line) == "a certificate is ordered").count()
}

/// What a client believes that believes one certificate's issuing.
fn believing(root: CertificateDer<'static>) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    roots.add(root).expect("a certificate");
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn chain(pem: &str) -> Vec<CertificateDer<'static>> {
    let chain: Result<_, _> = CertificateDer::pem_slice_iter(pem.as_bytes()).collect();
    chain.expect("PEM")
}

/// A client that believes whom the stored certificate was issued by (Pebble's root is new at each
/// start) is shown that certificate for `name`, and is served.
fn assert_served(gateway: &Gateway, file: &Path, name: &str) {
    let stored = chain(&fs::read_to_string(file).expect("stored"));
    let issuer = stored.get(1).expect("the issuer's certificate goes with it");
    let config = believing(issuer.clone());
    let mut client = TlsClient::connect(gateway.address("public"), &config, name);
    let shown = client.session().peer_certificates().expect("shown");
    assert_eq!(shown, stored);
    let (_, leaf) = x509_parser::parse_x509_certificate(&shown[0]).expect("a certificate");
    assert!(leaf.issuer().to_string().contains("Pebble"), "{}", leaf.issuer());
    assert_eq!(client.get(name, "/").text(), "mocked");
}

/// Nothing panicked, and every connection has ended.
fn assert_sound(gateway: &Gateway) {
    gateway.wait_until_quiet();
    assert_eq!(gateway.metric("shardgate_panics_total", ""), 0.0);
}

#[test]
fn http_01_is_answered_by_a_listener_that_redirects_all_else() {
    let (site, names) = (Site::new(), Names::start(None));
    let gateway = site.start();
    let pebble = pebble_or_return!(ports(&gateway), &names);
    let mut other = site.connect_other(&gateway);
    site.order_at(&pebble, &gateway, "", r#"["api.test", "www.test"]"#);
    wait_in_force(&gateway);

    let file = site.certificate_file(pebble.directory_url(), "api.test");
    assert_eq!(mode(&file), 0o600, "the key is in it");
    for name in ["api.test", "www.test"] {
        assert_served(&gateway, &file, name);
    }
    assert_eq!(gateway.metric("shardgate_acme_orders_total", "result=\"issued\""), 1.0);
    assert_eq!(gateway.metric("shardgate_acme_orders_total", "result=\"failed\""), 0.0);
    let mut plain = Client::connect(gateway.address("plain"));
    plain.send("GET /.well-known/acme-challenge/x HTTP/1.1\r\nhost: api.test\r\n\r\n");
    let answer = plain.answer();
    let location = "https://api.test/.well-known/acme-challenge/x";
    assert_eq!((answer.status, answer.header("location")), (308, Some(location)));
    assert_eq!(other.get("other.test", "/").text(), "mocked", "it was there before all this");
    drop((other, plain));
    assert_sound(&gateway);

    // A new start has it all from the storage.
    drop(gateway);
    let ca_file = pebble.ca_file();
    let directory = (pebble.directory_url(), &*ca_file);
    let tables = site.tables(directory, "", r#"["api.test", "www.test"]"#);
    let gateway = Gateway::start(&site.configuration(&tables));
    assert_served(&gateway, &file, "api.test");
    assert_eq!(orders_count(&gateway), 0);
}

#[test]
fn tls_alpn_01_is_answered_by_a_listener_that_serves_clients() {
    let (site, names) = (Site::new(), Names::start(None));
    let gateway = site.start();
    let pebble = pebble_or_return!(ports(&gateway), &names);
    let done = || gateway.metric("shardgate_tls_handshakes_total", "");
    assert_eq!(done(), 0.0);
    let keys = "challenge = \"tls-alpn-01\"";
    site.order_at(&pebble, &gateway, keys, r#"["api.test", "www.test"]"#);
    wait_in_force(&gateway);
    let handshakes = done();
    assert!(handshakes >= 2.0, "{handshakes}: one for each name at least");
    let file = site.certificate_file(pebble.directory_url(), "api.test");
    assert_eq!(mode(&file), 0o600);
    for name in ["api.test", "www.test"] {
        assert_served(&gateway, &file, name);
    }
    // The protocol of challenges is nobody's when none is under way.
    let mut config = (*believing(site.others.der())).clone();
    config.alpn_protocols = vec![ACME_TLS_ALPN.to_vec()];
    let (config, address) = (Arc::new(config), gateway.address("public"));
    let refused = TlsClient::try_connect(address, &config, "other.test").err();
    let refused = refused.expect("nothing in common").to_string();
    assert!(refused.contains("NoApplicationProtocol"), "{refused}");
    assert_sound(&gateway);
}

#[test]
fn dns_01_is_answered_by_the_hook() {
    let site = Site::new();
    let zone = site.files.path("zone");
    let names = Names::start(Some(zone.clone()));
    let gateway = site.start();
    let pebble = pebble_or_return!(ports(&gateway), &names);
    let hook = format!("echo \\\"$@\\\" >> {}", zone.display());
    let keys = format!("challenge = \"dns-01\"\ndns_hook = [\"sh\", \"-c\", \"{hook}\", \"hook\"]");
    site.order_at(&pebble, &gateway, &keys, r#"["*.wild.test"]"#);
    wait_in_force(&gateway);
    let file = site.certificate_file(pebble.directory_url(), "*.wild.test");
    assert_eq!(mode(&file), 0o600);
    assert_served(&gateway, &file, "any.wild.test");
    let zone = fs::read_to_string(&zone).expect("the hook wrote it");
    let verbs: Vec<_> = zone.lines().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(verbs, ["add", "remove"], "{zone}");
    let ran = gateway.log().iter().filter(|line| message(line) == "the dns_hook has run").count();
    assert_eq!(ran, 2, "what commands do is in the log");
    assert_sound(&gateway);
}

#[test]
fn a_certificate_is_renewed_ahead_of_its_end() {
    let (site, names) = (Site::new(), Names::start(None));
    let gateway = site.start();
    let pebble = pebble_or_return!(ports(&gateway), &names);
    let file = site.certificate_file(pebble.directory_url(), "api.test");
    let old = near_its_end("api.test");
    write_secret(&file, &old);
    let mut other = site.connect_other(&gateway);
    site.order_at(&pebble, &gateway, "", r#"["api.test"]"#);
    wait_in_force(&gateway);
    assert_ne!(fs::read_to_string(&file).expect("stored"), old);
    assert_eq!(mode(&file), 0o600);
    assert_served(&gateway, &file, "api.test");
    assert_eq!(other.get("other.test", "/").status, 200, "no connection is dropped for it");

    let issued =
        gateway.wait_for_log("the renewal", |line| message(line) == "a certificate was issued");
    assert!(issued["issuer"].as_str().is_some_and(|issuer| issuer.contains("Pebble")), "{issued}");
    let day = 86_400.0;
    let end =
        gateway.metric("shardgate_tls_certificate_expiry_timestamp_seconds", "domain=\"api.test\"");
    let next = gateway.metric("shardgate_acme_next_order_seconds", "api.test");
    let ahead = (end - next) / day;
    assert!((30.0..=33.0).contains(&ahead), "ordered again {ahead} days ahead of the end");
    drop(other);
    assert_sound(&gateway);
}

/// A directory that nobody answers for. A domain with a certificate goes on with it, one without is
/// refused, and the others know nothing of it.
#[test]
fn a_directory_that_is_down_costs_nobody_a_certificate() {
    let site = Site::new();
    let nobody = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let url = format!("https://{}/dir", nobody.local_addr().expect("bound"));
    drop(nobody);
    site.files.write("ca.pem", site.others.pem());
    let file = site.certificate_file(&url, "api.test");
    let old = near_its_end("api.test");
    write_secret(&file, &old);
    let tables = site.tables((&url, &site.files.path("ca.pem")), "", r#"["api.test"]"#)
        + "[[domain]]\nnames = [\"new.test\"]\nacme = true\n";
    let gateway = Gateway::start(&site.configuration(&tables));
    let failed = wait_failed(&gateway);
    assert_eq!((&failed["level"], &failed["domain"]), (&"ERROR".into(), &"api.test".into()));
    assert!(message(&failed).contains("127.0.0.1"), "{failed}");
    assert_eq!(failed["failures"], 1, "{failed}");
    assert!(failed["days_left"] == 1 || failed["days_left"] == 2, "{failed}");
    let wait = failed["retry_in_seconds"].as_i64().expect("when it is tried again");
    assert!((300..=360).contains(&wait), "{failed}");
    gateway.wait_for_metric("shardgate_acme_orders_total", "result=\"failed\"", 2.0);
    let next = gateway.metric("shardgate_acme_next_order_seconds", "api.test");
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are far below 2^52")]
    let wait = next - now() as f64;
    assert!((200.0..=360.0).contains(&wait), "the next attempt in {wait} s");

    // What was in force goes on; it issued itself, so it is its own root.
    assert_eq!(fs::read_to_string(&file).expect("stored"), old);
    let shown = believing(chain(&old).remove(0));
    let mut client = TlsClient::connect(gateway.address("public"), &shown, "api.test");
    assert_eq!(client.get("api.test", "/").text(), "mocked");
    assert_eq!(site.connect_other(&gateway).get("other.test", "/").text(), "mocked");
    let refused = TlsClient::try_connect(gateway.address("public"), &shown, "new.test").err();
    let refused = refused.expect("there is nothing to show").to_string();
    assert!(refused.contains("alert"), "{refused}");
    drop(client);
    assert_sound(&gateway);
}

/// One that is there and refuses: what it says is in the log, and it is not asked again too soon.
#[test]
fn a_directory_that_refuses_is_left_alone_for_as_long_as_it_asks() {
    let (site, directory) = (Site::new(), impatient::Directory::start());
    let tables = site.tables((directory.url(), &directory.ca_file()), "", r#"["api.test"]"#);
    let gateway = Gateway::start(&site.configuration(&tables));
    let failed = wait_failed(&gateway);
    assert!(message(&failed).contains("too many new accounts"), "{failed}");
    let wait = failed["retry_in_seconds"].as_i64().expect("when it is tried again");
    let asked = impatient::RETRY_AFTER_SECONDS;
    assert!((asked - 10..=asked * 6 / 5).contains(&wait), "{failed}");
    // A reload is no reason to ask sooner.
    gateway.signal("HUP");
    gateway.wait_for_log("the reload", |line| message(line) == "the configuration was reloaded");
    assert_eq!(site.connect_other(&gateway).get("other.test", "/").status, 200);
    assert_eq!((orders_count(&gateway), directory.accounts_asked_count()), (1, 1));
}
