//! Whole handshakes in memory: what is negotiated, who is let in, what is resumed.

use std::path::Path;
use std::sync::Arc;

use rustls::{
    AlertDescription, CertificateError, CipherSuite, Error, HandshakeKind, NamedGroup,
    PeerIncompatible, ProtocolVersion, ServerConfig, ServerConnection,
};

use super::ocsp;
use super::options::{
    Alpn, CertificateFiles, CertificateSource, DomainOptions, MutualTlsOptions, OnInvalid,
};
use super::policy::{SecurityPolicy, TlsVersion};
use super::provider::PROVIDER_NAME;
use super::server::ServerTls;
use super::test_authority::{Authority, clock, now, rsa_key, write};
use super::test_handshake::{TestClient, exchange, read, written};
use super::ticket_keys::TicketKeys;
use super::verdict::{ClientVerdict, Distrust};

struct World {
    folder: tempfile::TempDir,
    root: Authority,
    clients: Authority,
    tickets: Arc<TicketKeys>,
}

impl World {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            root: Authority::root("root"),
            clients: Authority::root("clients"),
            tickets: Arc::new(TicketKeys::random(60).expect("random")),
        }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn files(&self, name: &str) -> CertificateFiles {
        let files = CertificateFiles {
            certificate_file: self.path().join(format!("{name}.pem")),
            key_file: self.path().join(format!("{name}.key")),
            ocsp_file: None,
        };
        if files.certificate_file.exists() {
            return files;
        }
        let server = self.root.server(&[name]);
        std::fs::write(&files.certificate_file, server.pem()).expect("written");
        super::test_authority::write_secret(&files.key_file, &server.key.serialize_pem());
        files
    }

    fn domain(&self, name: &str) -> DomainOptions {
        DomainOptions {
            names: vec![name.into()],
            certificates: CertificateSource::Files(vec![self.files(name)]),
            policy: SecurityPolicy::DEFAULT,
            mutual_tls: None,
            alpn: vec![Alpn::H2, Alpn::Http11],
        }
    }

    fn mutual(&self, name: &str, on_invalid: OnInvalid) -> DomainOptions {
        let trust_store_file = write(self.path(), "trust.pem", &self.clients.pem());
        let mutual = MutualTlsOptions { trust_store_file, crl_files: Vec::new(), on_invalid };
        DomainOptions { mutual_tls: Some(mutual), ..self.domain(name) }
    }

    fn server(&self, domains: &[DomainOptions]) -> ServerTls {
        ServerTls::load(domains, &self.tickets, &clock()).expect("good domains").value
    }

    fn config(&self, domain: &DomainOptions) -> Arc<ServerConfig> {
        Arc::clone(&self.server(std::slice::from_ref(domain)).domains()[0].config)
    }

    fn client(&self) -> TestClient {
        TestClient::new(&self.root)
    }
}

const ECDSA: &str = "1.2.840.10045.2.1";
const RSA: &str = "1.2.840.113549.1.1.1";
const TLS12: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS12];
const TLS13: &[&rustls::SupportedProtocolVersion] = &[&rustls::version::TLS13];

#[test]
fn policies_are_what_is_negotiated() {
    let world = World::new();
    for policy in SecurityPolicy::ALL {
        if PROVIDER_NAME == "ring" && policy.is_post_quantum() {
            continue;
        }
        let config = world.config(&DomainOptions { policy, ..world.domain("a.b") });
        let (client, _) = world.client().handshake("a.b", &config).expect(policy.name);
        assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_3));
        let group = client.negotiated_key_exchange_group().expect("a group").name();
        let is_hybrid = group == NamedGroup::X25519MLKEM768;
        assert_eq!(is_hybrid, policy.is_post_quantum(), "{}: {group:?}", policy.name);

        let old = TestClient { versions: TLS12, ..world.client() };
        match (policy.version_min, old.handshake("a.b", &config)) {
            (TlsVersion::Tls12, Ok((client, _))) => {
                assert_eq!(client.protocol_version(), Some(ProtocolVersion::TLSv1_2));
                let suite = client.negotiated_cipher_suite().expect("a suite").suite();
                assert_eq!(suite, CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
            }
            (TlsVersion::Tls13, Err(error)) => {
                let expected = PeerIncompatible::Tls12NotOfferedOrEnabled;
                assert_eq!(error, Error::PeerIncompatible(expected), "{}", policy.name);
            }
            (_, found) => panic!("{}: {:?}", policy.name, found.map(|_| ())),
        }
    }
}

#[test]
fn clients_are_shown_the_certificate_that_they_can_verify() {
    let world = World::new();
    let old_root = Authority::root_with_key("old", rsa_key(), |_| {});
    let rsa = old_root.server_with_key(&["a.b"], rsa_key()).write(world.path(), "rsa", &[]);
    let with = |files: Vec<CertificateFiles>| {
        let certificates = CertificateSource::Files(files);
        world.config(&DomainOptions { certificates, ..world.domain("a.b") })
    };
    let both = with(vec![rsa, world.files("a.b")]);
    for versions in [TLS12, TLS13] {
        for (is_rsa_only, expected) in [(false, ECDSA), (true, RSA)] {
            let client = TestClient { is_rsa_only, versions, ..world.client().trusting(&old_root) };
            let (client, _) = client.handshake("a.b", &both).expect("believed");
            let shown = &client.peer_certificates().expect("a certificate")[0];
            let parsed = super::certificate::parse(shown).expect("a certificate");
            let algorithm = parsed.public_key().algorithm.algorithm.to_id_string();
            assert_eq!(algorithm, expected, "{versions:?}");
        }
    }
    let client = TestClient { is_rsa_only: true, ..world.client() };
    let only_ecdsa = with(vec![world.files("a.b")]);
    assert!(client.handshake("a.b", &only_ecdsa).is_err(), "nothing that it verifies");
}

#[test]
fn among_certificates_the_one_for_the_name_is_shown() {
    let world = World::new();
    let domain = DomainOptions {
        names: vec!["a.b".into(), "*.c.d".into()],
        certificates: CertificateSource::Files(vec![world.files("a.b"), world.files("*.c.d")]),
        ..world.domain("a.b")
    };
    let config = world.config(&domain);
    for name in ["a.b", "x.c.d"] {
        world.client().handshake(name, &config).expect(name);
    }
    for name in ["x.y.c.d", "c.d", "e.f"] {
        let error = world.client().handshake(name, &config).expect_err(name);
        let is_name = matches!(
            error,
            Error::InvalidCertificate(
                CertificateError::NotValidForNameContext { .. } | CertificateError::NotValidForName
            )
        );
        assert!(is_name, "{name}: {error:?}");
    }
}

#[test]
fn protocols_are_agreed_in_the_order_of_the_domain() {
    let world = World::new();
    let config = world.config(&world.domain("a.b"));
    let agreed = |alpn: Vec<&'static [u8]>| {
        let client = TestClient { alpn, ..world.client() };
        client.handshake("a.b", &config).map(|(_, server)| {
            server.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned())
        })
    };
    assert_eq!(agreed(vec![b"http/1.1", b"h2"]), Ok(Some("h2".into())));
    assert_eq!(agreed(vec![b"http/1.1"]), Ok(Some("http/1.1".into())));
    assert_eq!(agreed(vec![]), Ok(None));
    assert_eq!(agreed(vec![b"spdy/3"]), Err(Error::NoApplicationProtocol));
}

#[test]
fn a_staple_reaches_the_client() {
    let world = World::new();
    let server = world.root.server(&["a.b"]);
    let mut files = server.write(world.path(), "a.b", &[]);
    let staple = world.path().join("staple");
    let response = ocsp::tests::response(&server.serial(), 0x80, "20300101000000Z");
    std::fs::write(&staple, &response).expect("written");
    files.ocsp_file = Some(staple);
    let domain = DomainOptions {
        certificates: CertificateSource::Files(vec![files]),
        ..world.domain("a.b")
    };
    let config = world.config(&domain);
    world.client().handshake("a.b", &config).expect("believed");
    // TLS 1.2 sends it in the clear.
    let mut client = TestClient { versions: TLS12, ..world.client() }.connect("a.b");
    let mut server = ServerConnection::new(config).expect("a server");
    read(&mut server, &written(&mut client)).expect("a hello");
    let answer = written(&mut server);
    assert!(answer.windows(response.len()).any(|part| part == response), "no staple");
}

#[test]
fn sessions_are_resumed_by_every_shard_and_after_a_reload() {
    let world = World::new();
    for versions in [TLS12, TLS13] {
        let client = TestClient { versions, ..world.client() };
        let kinds: Vec<_> = (0..3)
            .map(|_| {
                // Loaded anew each time, with the keys that all share.
                let config = world.config(&world.domain("a.b"));
                let (_, server) = client.handshake("a.b", &config).expect("believed");
                server.handshake_kind()
            })
            .collect();
        assert_eq!(kinds[0], Some(HandshakeKind::Full));
        assert_eq!(kinds[1..], [Some(HandshakeKind::Resumed); 2], "{versions:?}");
        for expected in [Some(HandshakeKind::Resumed), Some(HandshakeKind::Full)] {
            world.tickets.rotate().expect("random");
            if expected == Some(HandshakeKind::Full) {
                world.tickets.rotate().expect("random");
            }
            let config = world.config(&world.domain("a.b"));
            let (_, server) = client.handshake("a.b", &config).expect("believed");
            assert_eq!(server.handshake_kind(), expected, "after a rotation, after two");
        }
    }
}

#[test]
fn early_data_is_never_taken() {
    let world = World::new();
    let config = world.config(&world.domain("a.b"));
    let client = TestClient { versions: TLS13, is_early: true, ..world.client() };
    client.handshake("a.b", &config).expect("believed");
    let mut second = client.connect("a.b");
    assert!(second.early_data().is_none(), "the ticket allows none");
}

/// CVE-2025-23419: a session that was made without a client certificate, under another name or
/// before one was asked for, must not get around the verifier.
#[test]
fn a_session_does_not_carry_over_to_mutual_tls() {
    let world = World::new();
    for versions in [TLS12, TLS13] {
        let client = TestClient { versions, ..world.client() };
        let open = world.config(&world.domain("open.b"));
        let closed = world.config(&world.mutual("closed.b", OnInvalid::Refuse));
        client.handshake("open.b", &open).expect("believed");
        let error = client.handshake("closed.b", &closed).expect_err("no certificate");
        assert_eq!(error, Error::NoCertificatesPresented);
        // The same name, before and after mutual TLS was asked for.
        client.handshake("open.b", &open).expect("believed");
        let now_closed = world.config(&world.mutual("open.b", OnInvalid::Refuse));
        let error = client.handshake("open.b", &now_closed).expect_err("no certificate");
        assert_eq!(error, Error::NoCertificatesPresented);
        // A session of the one name is none of the other, certificates or not.
        let other = world.config(&world.domain("other.b"));
        client.handshake("open.b", &open).expect("believed");
        let (_, server) = client.handshake("other.b", &other).expect("believed");
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
    }
}

/// CVE-2026-28755: a client that is revoked must not live on in its session.
#[test]
fn a_session_ends_with_the_trust_that_it_was_made_under() {
    let world = World::new();
    for versions in [TLS12, TLS13] {
        let identity = world.clients.client("client");
        let serial = identity.serial();
        let client = TestClient { versions, ..world.client() }.showing(&identity, &[]);
        let mut domain = world.mutual("a.b", OnInvalid::Refuse);
        for expected in [HandshakeKind::Full, HandshakeKind::Resumed] {
            let (_, server) = client.handshake("a.b", &world.config(&domain)).expect("trusted");
            assert_eq!(server.handshake_kind(), Some(expected));
            assert!(server.peer_certificates().is_some(), "a session carries the certificate");
        }
        let list = world.clients.revocation_list(&[serial], 2030);
        let mutual = domain.mutual_tls.as_mut().expect("mutual TLS");
        mutual.crl_files = vec![write(world.path(), "crl.pem", &list)];
        let error = client.handshake("a.b", &world.config(&domain)).expect_err("revoked");
        assert_eq!(Distrust::of_error(&error), Some(Distrust::Revoked));
    }
}

#[test]
fn bad_clients_are_refused_with_the_alert_that_fits() {
    use AlertDescription as Alert;
    let world = World::new();
    let config = world.config(&world.mutual("a.b", OnInvalid::Refuse));
    let old = |params: &mut rcgen::CertificateParams| {
        params.not_after = rcgen::date_time_ymd(2026, 1, 1);
    };
    let server_usage = |params: &mut rcgen::CertificateParams| {
        params.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth];
    };
    let cases = [
        (world.clients.issue(old), Distrust::Expired, Alert::CertificateExpired),
        (Authority::root("x").client("x"), Distrust::UnknownIssuer, Alert::UnknownCA),
        (world.clients.issue(server_usage), Distrust::WrongUsage, Alert::UnsupportedCertificate),
    ];
    for (identity, reason, alert) in cases {
        let mut client = world.client().showing(&identity, &[]).connect("a.b");
        let mut server = ServerConnection::new(Arc::clone(&config)).expect("a server");
        let error = exchange(&mut client, &mut server).expect_err("refused");
        assert_eq!(Distrust::of_error(&error), Some(reason));
        let seen = client.process_new_packets().expect_err("an alert");
        assert_eq!(seen, Error::AlertReceived(alert), "{reason:?}");
    }
    let good = world.client().showing(&world.clients.client("good"), &[]);
    let (_, server) = good.handshake("a.b", &config).expect("trusted");
    assert_eq!(server.peer_certificates().map(<[_]>::len), Some(1));
}

#[test]
fn with_403_everyone_gets_in_and_is_judged() {
    let world = World::new();
    let server = world.server(&[world.mutual("a.b", OnInvalid::Forbid)]);
    let domain = &server.domains()[0];
    let trust = domain.trust.as_ref().expect("mutual TLS");
    let verdict = |client: &TestClient| {
        let (_, server) = client.handshake("a.b", &domain.config).expect("let in");
        (trust.judge(server.peer_certificates(), now()), server.handshake_kind())
    };
    let stranger = Authority::root("stranger").client("stranger");
    let cases = [
        (world.client(), ClientVerdict::Absent),
        (world.client().showing(&stranger, &[]), ClientVerdict::Untrusted(Distrust::UnknownIssuer)),
        (world.client().showing(&world.clients.client("good"), &[]), ClientVerdict::Trusted),
    ];
    for versions in [TLS12, TLS13] {
        for (client, expected) in &cases {
            let shown = client.shown.clone();
            let client = TestClient { versions, shown, ..world.client() };
            assert_eq!(verdict(&client), (*expected, Some(HandshakeKind::Full)));
            assert_eq!(verdict(&client), (*expected, Some(HandshakeKind::Resumed)));
        }
    }
}

/// Knowing somebody's certificate is not being somebody.
#[test]
fn a_client_without_the_key_is_refused_in_both_modes() {
    let world = World::new();
    let victim = world.clients.client("victim");
    for on_invalid in [OnInvalid::Refuse, OnInvalid::Forbid] {
        let config = world.config(&world.mutual("a.b", on_invalid));
        let mut thief = Authority::root("thief").client("thief");
        thief.der = victim.der.clone();
        let client = world.client().showing(&thief, &[]);
        let error = client.handshake("a.b", &config).expect_err("no such key");
        assert_eq!(error, Error::InvalidCertificate(CertificateError::BadSignature));
    }
}

#[test]
fn no_provider_is_set_for_the_process() {
    let world = World::new();
    world.client().handshake("a.b", &world.config(&world.domain("a.b"))).expect("believed");
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}
