//! Both ends of TLS over real sockets, on each driver.

use std::cell::RefCell;
use std::future::Future;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::{Arc, Mutex};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::sign::CertifiedKey;
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};

use super::*;
use crate::rt::{DriverChoice, RingOptions, run, spawn, yield_now};
use crate::tls::{
    ACME_TLS_ALPN, Alpn, CertificateFiles, CertificateSource, Clock, DomainOptions, SecurityPolicy,
    ServerRoots, ServerTls, TicketKeys, UpstreamTls, UpstreamTlsOptions, challenge_certificate,
};

struct Site {
    server: Rc<ServerTls>,
    client: Arc<ClientConfig>,
    target: Rc<UpstreamTls>,
}

impl Site {
    fn new(folder: &Path) -> Self {
        let authority_key = KeyPair::generate().expect("a key");
        let mut of_authority = CertificateParams::default();
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = of_authority.self_signed(&authority_key).expect("an authority");
        let ca_file = folder.join("ca.pem");
        std::fs::write(&ca_file, authority.pem()).expect("written");
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new(vec!["api.example.com".to_owned()]).expect("a name");
        let issuer = Issuer::from_params(&of_authority, &authority_key);
        let certificate = params.signed_by(&key, &issuer).expect("issued");
        let (certificate_file, key_file) = (folder.join("site.pem"), folder.join("site.key"));
        std::fs::write(&certificate_file, certificate.pem()).expect("written");
        std::fs::write(&key_file, key.serialize_pem()).expect("written");
        let files = CertificateFiles { certificate_file, key_file, ocsp_file: None };
        let domain = DomainOptions {
            names: vec!["api.example.com".to_owned()],
            certificates: CertificateSource::Files(vec![files]),
            policy: SecurityPolicy::DEFAULT,
            mutual_tls: None,
            alpn: vec![Alpn::Http11],
        };
        let keys = Arc::new(TicketKeys::random(3_600).expect("keys"));
        let server = ServerTls::load(&[domain], &keys, &Clock::system()).expect("loaded").value;
        let options = UpstreamTlsOptions {
            roots: ServerRoots::File(ca_file),
            server_name: None,
            insecure_skip_verification: false,
            client_certificate: None,
            policy: SecurityPolicy::UPSTREAM_DEFAULT,
            alpn: vec![Alpn::Http11],
        };
        let target = UpstreamTls::load(&options, &Clock::system()).expect("loaded").value;
        Self { server: Rc::new(server), client: target.shard_config(), target: Rc::new(target) }
    }

    async fn connect(&self, stream: Stream, name: &str) -> Result<Transport, HandshakeFailure> {
        let name = self.target.server_name(name).expect("a name");
        connect_tls(stream, &self.client, name).await
    }
}

/// No challenge is under way.
fn none(_name: &str) -> Option<Arc<CertifiedKey>> {
    None
}

fn client(accepted: Accepted) -> Transport {
    match accepted {
        Accepted::Client(transport) => transport,
        Accepted::Authority(_) => panic!("no challenge is under way"),
    }
}

fn now() -> UnixTime {
    Clock::system().now()
}

/// Runs `test` on each driver.
fn on_each_driver<F: Future<Output = ()>>(test: impl Fn() -> F) {
    for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
        run(driver, RingOptions { entries: 64 }, |_| test()).expect("it runs");
    }
}

fn pair() -> (Stream, Stream) {
    let (one, other) = UnixStream::pair().expect("pair");
    let stream = |socket| Stream::from_std_unix(socket).expect("taken over");
    (stream(one), stream(other))
}

/// Both ends of a connection.
async fn connected(site: &Site) -> (Transport, Transport) {
    let (ours, theirs) = pair();
    let accepted = Rc::new(RefCell::new(None));
    let (told, server) = (Rc::clone(&accepted), Rc::clone(&site.server));
    spawn(async move {
        let accepted = accept_tls(theirs, Vec::new(), &server, Some(0), &none, now()).await;
        told.replace(Some(accepted.map(client)));
    });
    let client = site.connect(ours, "api.example.com").await.expect("a handshake");
    loop {
        if let Some(server) = accepted.take() {
            return (client, server.expect("a handshake"));
        }
        yield_now().await;
    }
}

async fn read_exactly(transport: &Transport, count: usize) -> Vec<u8> {
    let mut all = Vec::new();
    while all.len() < count {
        let size = (count - all.len()).min(50_000);
        let (read, buffer) = transport.read_append(Vec::with_capacity(size)).await;
        assert!(read.expect("read") > 0, "ended after {}", all.len());
        all.extend_from_slice(&buffer);
    }
    all
}

fn numbers(count: u32) -> Vec<u8> {
    (0..count).flat_map(u32::to_le_bytes).collect()
}

#[test]
fn both_directions_carry_much_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = &Site::new(folder.path());
    on_each_driver(|| async {
        let (client, server) = connected(site).await;
        let sent = numbers(100_000);
        let done = Rc::new(());
        for end in [&client, &server] {
            let (end, sent, done) = (end.clone(), sent.clone(), Rc::clone(&done));
            spawn(async move {
                end.write_all(sent, 0).await.0.expect("written");
                drop(done);
            });
        }
        let (from_server, expected) = (client.clone(), sent.clone());
        let reading = Rc::clone(&done);
        spawn(async move {
            assert!(read_exactly(&from_server, expected.len()).await == expected);
            drop(reading);
        });
        assert!(read_exactly(&server, sent.len()).await == sent);
        while Rc::strong_count(&done) > 1 {
            yield_now().await;
        }
    });
}

#[test]
fn an_end_that_is_said_is_told_from_a_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = &Site::new(folder.path());
    on_each_driver(|| async {
        let (client, server) = connected(site).await;
        client.write_all(b"bye".to_vec(), 0).await.0.expect("written");
        client.shutdown_write().await;
        assert_eq!(read_exactly(&server, 3).await, b"bye");
        let (read, _) = server.read_append(Vec::with_capacity(10)).await;
        assert_eq!(read.expect("the end"), 0);
        server.write_all(b"still".to_vec(), 0).await.0.expect("the other direction is open");
        assert_eq!(read_exactly(&client, 5).await, b"still");

        let (client, server) = connected(site).await;
        client.shutdown_both();
        let (read, _) = server.read_append(Vec::with_capacity(10)).await;
        assert_eq!(read.expect_err("cut").kind(), io::ErrorKind::UnexpectedEof);
    });
}

#[test]
fn tickets_after_the_handshake_are_no_input_and_resume() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = &Site::new(folder.path());
    on_each_driver(|| async {
        let (client, server) = connected(site).await;
        let facts = client.tls().expect("over TLS");
        assert_eq!((facts.version, &facts.alpn[..]), ("TLSv1.3", &b"http/1.1"[..]));
        client.arm();
        for _ in 0..3 {
            yield_now().await;
        }
        assert!(!client.has_input(), "tickets are TLS's own");
        server.write_all(b"x".to_vec(), 0).await.0.expect("written");
        client.readable().await.expect("something comes");
        assert!(client.has_input());
        let (again, _server) = connected(site).await;
        assert!(again.tls().expect("over TLS").is_resumed);
    });
}

#[test]
fn what_is_no_handshake_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = &Site::new(folder.path());
    on_each_driver(|| async {
        let refused = |sent: &'static [u8]| async move {
            let (ours, theirs) = pair();
            ours.write_all(sent.to_vec(), 0).await.0.expect("written");
            ours.flush().await.expect("sent");
            ours.shutdown_write();
            accept_tls(theirs, Vec::new(), &site.server, None, &none, now())
                .await
                .expect_err("no handshake")
        };
        assert!(matches!(refused(b"GET / HTTP/1.1\r\n").await, AcceptFailure::PlainHttp));
        let garbage = refused(&[0; 100]).await;
        assert!(matches!(garbage, AcceptFailure::Handshake(HandshakeFailure::Refused(_))));
        let cut = refused(&[0x16, 3, 1]).await;
        assert!(matches!(cut, AcceptFailure::Handshake(HandshakeFailure::Gone(_))));

        let (ours, theirs) = pair();
        let server = Rc::clone(&site.server);
        spawn(async move {
            let failure = accept_tls(theirs, Vec::new(), &server, None, &none, now())
                .await
                .expect_err("no name");
            assert!(matches!(failure, AcceptFailure::UnknownName));
        });
        let failure = site.connect(ours, "other.example.com").await.expect_err("unknown");
        let HandshakeFailure::Refused(rustls::Error::AlertReceived(alert)) = failure else {
            panic!("{failure:?}");
        };
        assert_eq!(alert, rustls::AlertDescription::UnrecognisedName);
    });
}

#[test]
fn a_target_with_another_name_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = &Site::new(folder.path());
    on_each_driver(|| async {
        let (ours, theirs) = pair();
        let server = Rc::clone(&site.server);
        spawn(async move {
            let _ = accept_tls(theirs, Vec::new(), &server, Some(0), &none, now()).await;
        });
        let failure = site.connect(ours, "other.example.com").await.expect_err("another name");
        assert!(matches!(failure, HandshakeFailure::Refused(_)), "{failure:?}");
    });
}

/// A client that believes whatever it is shown, and keeps it.
#[derive(Debug, Default)]
struct Shown(Mutex<Option<CertificateDer<'static>>>);

impl ServerCertVerifier for Shown {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.0.lock().expect("no panic") = Some(end_entity.clone().into_owned());
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}

/// RFC 8737 section 3: the challenge's certificate for who offers that one protocol and asks for
/// that name, and for nobody else.
#[test]
fn an_authority_is_shown_the_challenge_of_the_name_it_asks_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let site = &Site::new(folder.path());
    let key = Arc::new(challenge_certificate("new.example.com", [7; 32]).expect("a certificate"));
    // What the client is shown and what the server makes of it, or the alert that the client got.
    let shake_hands = |name: &'static str, alpn: &'static [&'static [u8]]| {
        let key = Arc::clone(&key);
        async move {
            let (ours, theirs) = pair();
            let shown = Arc::new(Shown::default());
            let mut config = (*site.client).clone();
            config.dangerous().set_certificate_verifier(Arc::clone(&shown) as _);
            config.alpn_protocols = alpn.iter().map(|one| one.to_vec()).collect();
            let outcome = Rc::new(RefCell::new(None));
            let (told, server) = (Rc::clone(&outcome), Rc::clone(&site.server));
            spawn(async move {
                let find = |name: &str| (name == "new.example.com").then(|| Arc::clone(&key));
                let accepted = accept_tls(theirs, Vec::new(), &server, None, &find, now()).await;
                told.replace(Some(accepted));
            });
            let name = site.target.server_name(name).expect("a name");
            let connected = connect_tls(ours, &Arc::new(config), name).await;
            while outcome.borrow().is_none() {
                yield_now().await;
            }
            let shown = shown.0.lock().expect("no panic").take();
            (outcome.take().expect("just seen"), connected, shown)
        }
    };
    on_each_driver(|| async {
        let (accepted, connected, shown) = shake_hands("new.example.com", &[ACME_TLS_ALPN]).await;
        let Ok(Accepted::Authority(server)) = accepted else { panic!("{accepted:?}") };
        let client = connected.expect("a handshake");
        assert_eq!(client.tls().expect("over TLS").alpn, ACME_TLS_ALPN);
        assert_eq!(shown.as_ref(), key.cert.first());
        server.shutdown_write().await;
        let (read, _) = client.read_append(Vec::with_capacity(100)).await;
        assert_eq!(read.expect("an end that is announced"), 0);

        // No challenge of that name: there is no protocol in common.
        let (accepted, connected, _) = shake_hands("api.example.com", &[ACME_TLS_ALPN]).await;
        assert!(matches!(accepted, Err(AcceptFailure::Handshake(_))), "{accepted:?}");
        assert!(connected.is_err());
        // Not that protocol alone: a client like any other, of a name that is not served.
        for alpn in [&[ACME_TLS_ALPN, b"http/1.1"][..], &[b"http/1.1"], &[]] {
            let (accepted, connected, shown) = shake_hands("new.example.com", alpn).await;
            assert!(matches!(accepted, Err(AcceptFailure::UnknownName)), "{accepted:?}");
            assert!(connected.is_err() && shown.is_none());
        }
        let (accepted, ..) = shake_hands("api.example.com", &[ACME_TLS_ALPN, b"http/1.1"]).await;
        assert!(matches!(accepted, Ok(Accepted::Client(_))), "{accepted:?}");
    });
}
