//! Targets are believed as the options say.

use std::path::Path;

use rcgen::{KeyPair, SanType, date_time_ymd};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConnection, ServerConfig, ServerConnection};

use super::*;
use crate::tls::options::{Alpn, CertificateMaterial};
use crate::tls::policy::SecurityPolicy;
use crate::tls::provider::base_provider;
use crate::tls::test_authority::{Authority, Identity, clock, write};
use crate::tls::test_handshake::exchange;

fn options(roots: ServerRoots) -> UpstreamTlsOptions {
    UpstreamTlsOptions {
        roots,
        server_name: None,
        insecure_skip_verification: false,
        client_certificate: None,
        policy: SecurityPolicy::UPSTREAM_DEFAULT,
        alpn: vec![Alpn::Http11],
    }
}

fn roots(folder: &Path, authority: &Authority) -> ServerRoots {
    ServerRoots::File(write(folder, "ca.pem", &authority.pem()))
}

/// A target that shows the certificate, and asks for one if it is given an authority.
fn target(identity: &Identity, clients_of: Option<&Authority>) -> ServerConnection {
    let builder = ServerConfig::builder_with_details(base_provider(), clock().provider())
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = match clients_of {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(authority.der.clone()).expect("an authority");
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), base_provider());
            builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
        }
    };
    let chain = vec![identity.der.clone()];
    let mut config = builder.with_single_cert(chain, identity.key_der()).expect("a certificate");
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    ServerConnection::new(Arc::new(config)).expect("a server")
}

fn reach(
    tls: &UpstreamTls,
    host: &str,
    mut target: ServerConnection,
) -> Result<ServerConnection, Error> {
    let name = tls.server_name(host).expect("a name");
    let mut client = ClientConnection::new(tls.shard_config(), name).expect("a client");
    exchange(&mut client, &mut target)?;
    assert_eq!(client.alpn_protocol(), Some(&b"http/1.1"[..]));
    Ok(target)
}

fn load(options: &UpstreamTlsOptions) -> UpstreamTls {
    UpstreamTls::load(options, &clock()).expect("good options").value
}

#[test]
fn targets_of_known_authorities_are_believed_under_their_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let server = root.server(&["backend.internal"]);
    let tls = load(&options(roots(folder.path(), &root)));
    let reached = reach(&tls, "backend.internal", target(&server, None)).expect("believed");
    assert_eq!(reached.server_name(), Some("backend.internal"));
    assert!(reach(&tls, "other.internal", target(&server, None)).is_err(), "another name");
    let stranger = Authority::root("stranger").server(&["backend.internal"]);
    assert!(reach(&tls, "backend.internal", target(&stranger, None)).is_err());
    assert!(!tls.is_insecure());
}

#[test]
fn the_name_may_be_another_than_the_host() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let mut options = options(roots(folder.path(), &root));
    options.server_name = Some("backend.internal".into());
    let server = root.server(&["backend.internal"]);
    let reached = reach(&load(&options), "10.0.0.1", target(&server, None)).expect("believed");
    assert_eq!(reached.server_name(), Some("backend.internal"));
}

#[test]
fn addresses_are_verified_as_addresses() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = Authority::root("root");
    let tls = load(&options(roots(folder.path(), &root)));
    let server = root.issue(|params| {
        params.subject_alt_names = vec![SanType::IpAddress([127, 0, 0, 1].into())];
    });
    let reached = reach(&tls, "127.0.0.1", target(&server, None)).expect("believed");
    assert_eq!(reached.server_name(), None, "an address is no SNI");
    assert!(reach(&tls, "127.0.0.2", target(&server, None)).is_err());
    assert!(tls.server_name("[::1]").is_ok());
    for host in ["", "a b", "a\0b", "a:80"] {
        assert!(tls.server_name(host).is_err(), "{host:?}");
    }
}

#[test]
fn the_gateway_shows_its_certificate_if_asked() {
    let folder = tempfile::tempdir().expect("a folder");
    let (servers, clients) = (Authority::root("servers"), Authority::root("clients"));
    let mut options = options(roots(folder.path(), &servers));
    let server = servers.server(&["a.b"]);
    assert!(reach(&load(&options), "a.b", target(&server, Some(&clients))).is_err());
    let own = clients.client("gateway");
    let files = CertificateMaterial::Files(own.write(folder.path(), "client", &[]));
    for material in [files, CertificateMaterial::Text(own.text("client"))] {
        options.client_certificate = Some(material);
        let reached = reach(&load(&options), "a.b", target(&server, Some(&clients)));
        let reached = reached.expect("the target believes the gateway");
        assert_eq!(reached.peer_certificates().map(|shown| &shown[0]), Some(&own.der));
    }
    reach(&load(&options), "a.b", target(&server, None)).expect("nobody asked");
}

#[test]
fn skipping_verification_keeps_dates_and_name() {
    let mut options = options(ServerRoots::Mozilla);
    options.insecure_skip_verification = true;
    let loaded = UpstreamTls::load(&options, &clock()).expect("good options");
    assert!(loaded.warnings[0].message.contains("insecure_skip_verification"));
    let tls = loaded.value;
    assert!(tls.is_insecure());
    assert!(format!("{tls:?}").contains("INSECURE"));
    let own = |end: i32| {
        Identity::own(|params| {
            params.subject_alt_names = vec![SanType::DnsName("a.b".try_into().expect("ASCII"))];
            params.not_after = date_time_ymd(end, 1, 1);
        })
    };
    reach(&tls, "a.b", target(&own(2030), None)).expect("whoever issued it");
    assert!(reach(&tls, "c.d", target(&own(2030), None)).is_err(), "another name");
    assert!(reach(&tls, "a.b", target(&own(2026), None)).is_err(), "expired");
    // The certificate alone is not enough: the target must have its key.
    let mut thief = own(2030);
    thief.key = KeyPair::generate().expect("a key");
    let chain = vec![thief.der.clone()];
    let key = base_provider().key_provider.load_private_key(thief.key_der()).expect("a key");
    let stolen = rustls::sign::CertifiedKey::new(chain, key);
    let config = ServerConfig::builder_with_details(base_provider(), clock().provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(stolen)));
    let server = ServerConnection::new(Arc::new(config)).expect("a server");
    assert!(reach(&tls, "a.b", server).is_err());
}

#[test]
fn roots_are_the_machine_s_or_mozilla_s_or_a_file_s() {
    assert!(UpstreamTls::load(&options(ServerRoots::Mozilla), &clock()).is_ok());
    let folder = tempfile::tempdir().expect("a folder");
    let none = ServerRoots::File(folder.path().join("none.pem"));
    let problem = UpstreamTls::load(&options(none), &clock()).expect_err("no file");
    assert!(problem.to_string().contains("none.pem: cannot be read"), "{problem}");
    let old = Authority::root_with("old", |params| params.not_after = date_time_ymd(2026, 1, 1));
    let loaded = UpstreamTls::load(&options(roots(folder.path(), &old)), &clock());
    assert!(loaded.expect("it loads").warnings[0].message.contains("has expired"));
    match UpstreamTls::load(&options(ServerRoots::System), &clock()) {
        Ok(_) => {}
        Err(problem) => assert!(problem.help.expect("help").contains("ca-certificates")),
    }
}

#[test]
fn shards_share_no_sessions() {
    let tls = load(&options(ServerRoots::Mozilla));
    assert!(!Arc::ptr_eq(&tls.shard_config(), &tls.shard_config()));
}
