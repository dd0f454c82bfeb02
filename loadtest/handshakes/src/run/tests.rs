//! Against a rustls server in this process.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::thread::JoinHandle;

use rustls::crypto::ring::default_provider;
use rustls::pki_types::PrivateKeyDer;
use rustls::server::{NoServerSessionStorage, ServerConfig};
use rustls::{ServerConnection, crypto};

use super::*;

/// Serves until it is dropped.
struct Server {
    address: SocketAddr,
    certificate: CertificateDer<'static>,
    is_ending: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn new(adjust: impl FnOnce(&mut ServerConfig)) -> Self {
        let signed = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        let key = PrivateKeyDer::try_from(signed.signing_key.serialize_der()).expect("a key");
        let certificate = signed.cert.der().clone();
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], key)
            .expect("a pair");
        config.ticketer = crypto::ring::Ticketer::new().expect("a ticketer");
        config.session_storage = Arc::new(NoServerSessionStorage {});
        adjust(&mut config);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let is_ending = Arc::new(AtomicBool::new(false));
        let (ending, config) = (is_ending.clone(), Arc::new(config));
        let thread = thread::spawn(move || {
            while let Ok((stream, _)) = listener.accept() {
                if ending.load(Ordering::Relaxed) {
                    break;
                }
                // What fails, the client's side of the test sees.
                let _ = serve(stream, config.clone());
            }
        });
        Self { address, certificate, is_ending, thread: Some(thread) }
    }

    fn plan(&self) -> Plan {
        Plan {
            address: self.address,
            name: ServerName::try_from("localhost").expect("a name"),
            certificate: self.certificate.clone(),
            is_resuming: false,
            duration: Duration::from_secs(60),
            handshakes_count_max: 12,
            threads_count: 3,
            timeout: Duration::from_secs(10),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_ending.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the server");
        }
    }
}

fn serve(mut stream: TcpStream, config: Arc<ServerConfig>) -> io::Result<()> {
    let mut tls = ServerConnection::new(config).map_err(io::Error::other)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut stream)?;
    }
    while tls.read_tls(&mut stream)? > 0 {
        tls.process_new_packets().map_err(io::Error::other)?;
    }
    stream.shutdown(Shutdown::Both)
}

#[test]
fn full_handshakes_are_counted_up_to_the_bound() {
    let server = Server::new(|_| ());
    let outcome = run(&server.plan()).expect("an outcome");
    assert_eq!((outcome.full_count, outcome.resumed_count), (12, 0), "{outcome:?}");
    assert_eq!((outcome.failed_count, outcome.latencies.len()), (0, 12));
    assert!(outcome.tickets_count >= 12, "each is confirmed by a ticket");
}

#[test]
fn all_but_the_first_of_each_thread_are_resumed() {
    let server = Server::new(|_| ());
    let plan = Plan { is_resuming: true, ..server.plan() };
    let outcome = run(&plan).expect("an outcome");
    assert_eq!(outcome.failed_count, 0, "{outcome:?}");
    // A thread may find all of them begun.
    assert!((1..=3).contains(&outcome.full_count), "{outcome:?}");
    assert_eq!(outcome.full_count + outcome.resumed_count, 12);
}

/// A server that ignores tickets must not count as one that is fast at resuming.
#[test]
fn what_a_server_does_not_resume_counts_as_full() {
    let server = Server::new(|_| ());
    let mut plan = Plan { is_resuming: true, threads_count: 1, ..server.plan() };
    assert_eq!(run(&plan).expect("an outcome").full_count, 1);
    let stranger = Server::new(|config| config.ticketer = Arc::new(NoTickets));
    (plan.address, plan.certificate) = (stranger.address, stranger.certificate.clone());
    let outcome = run(&plan).expect("an outcome");
    assert_eq!((outcome.full_count, outcome.resumed_count), (12, 0), "{outcome:?}");
}

/// Makes tickets that nobody can open.
#[derive(Debug)]
struct NoTickets;

impl rustls::server::ProducesTickets for NoTickets {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        3600
    }

    fn encrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        Some(vec![7; 32])
    }

    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn failures_are_counted_and_bounded() {
    let server = Server::new(|_| ());
    let other = Server::new(|_| ());
    let mut plan = Plan { certificate: other.certificate.clone(), ..server.plan() };
    let outcome = run(&plan).expect("an outcome");
    assert_eq!((outcome.failed_count, outcome.full_count), (12, 0), "another certificate");
    assert!(outcome.failure.is_some_and(|text| text.contains("certificate")));

    let silent = Server::new(|config| config.send_tls13_tickets = 0);
    (plan.address, plan.certificate) = (silent.address, silent.certificate.clone());
    plan.timeout = Duration::from_millis(50);
    plan.handshakes_count_max = 1;
    assert_eq!(run(&plan).expect("an outcome").failed_count, 1, "no ticket");

    plan.address = unused_address();
    (plan.handshakes_count_max, plan.threads_count) = (1_000_000, 1);
    assert_eq!(run(&plan).expect("an outcome").failed_count, FAILED_COUNT_MAX, "nobody there");
}

fn unused_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").and_then(|one| one.local_addr()).expect("a port")
}

#[test]
fn time_is_a_bound_too() {
    let server = Server::new(|_| ());
    let plan = Plan { duration: Duration::ZERO, ..server.plan() };
    let outcome = run(&plan).expect("an outcome");
    assert_eq!(outcome.full_count + outcome.failed_count, 0);
}
