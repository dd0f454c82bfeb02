//! The laws of TLS: a first message of any bytes, and two ends of a session whose bytes are cut,
//! bent, lost, repeated and made up on the way.

use std::fmt;
use std::sync::{Arc, OnceLock};

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use shardgate::tls::{HelloReader, HelloStep};
use shardgate::transport::Session;

/// A first message is read the same however it is cut, and what has no end is refused.
pub fn tls_hello(bytes: &[u8]) {
    let whole = read_hello(bytes, usize::MAX);
    for step in [1, 7, 64] {
        assert_eq!(read_hello(bytes, step), whole, "in steps of {step}");
    }
    match whole {
        Hello::PlainHttp => assert!(bytes[0].is_ascii_alphabetic()),
        Hello::Incomplete => assert!(bytes.len() <= HELLO_BYTES_MAX, "it waits for ever"),
        Hello::Refused | Hello::Read { .. } => {}
    }
}

#[derive(Debug, Eq, PartialEq)]
enum Hello {
    Incomplete,
    PlainHttp,
    Refused,
    Read { server_name: Option<String> },
}

fn read_hello(bytes: &[u8], step: usize) -> Hello {
    let mut reader = HelloReader::default();
    for piece in bytes.chunks(step) {
        match reader.push(piece) {
            HelloStep::More => {}
            HelloStep::PlainHttp => return Hello::PlainHttp,
            HelloStep::Refused { alert, .. } => {
                assert!(alert.len() <= ALERT_BYTES_MAX, "{alert:?}");
                return Hello::Refused;
            }
            HelloStep::Hello { accepted, unread_bytes } => {
                assert!(unread_bytes <= piece.len());
                let server_name = accepted.client_hello().server_name().map(str::to_owned);
                return Hello::Read { server_name };
            }
        }
    }
    Hello::Incomplete
}

/// Whatever happens to the bytes of a session, each end reads what the other wrote, as far as it
/// reads anything; fails for good, or goes on; and keeps little. Nothing but cuts happens: all
/// arrives. The first byte chooses the session, each further pair what happens next.
pub fn tls_session(bytes: &[u8]) {
    let Some((choice, tape)) = bytes.split_first() else { return };
    let mut wire = Wire::new(*choice);
    let mut tape = Tape(tape);
    while let Some((event, side, amount)) = tape.next_event() {
        wire.happen(event, side, amount, &mut tape);
    }
    wire.end();
}

/// What happens, as a tape of bytes has it.
struct Tape<'t>(&'t [u8]);

#[derive(Clone, Copy, Debug)]
enum Event {
    Deliver,
    DeliverAll,
    Write,
    Read,
    Close,
    Bend,
    Lose,
    Repeat,
    MakeUp,
    Flood,
}

impl Tape<'_> {
    fn next(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn next_event(&mut self) -> Option<(Event, usize, u8)> {
        const EVENTS: [Event; 16] = [
            Event::Deliver,
            Event::Deliver,
            Event::Deliver,
            Event::DeliverAll,
            Event::DeliverAll,
            Event::DeliverAll,
            Event::Write,
            Event::Write,
            Event::Read,
            Event::Close,
            Event::Bend,
            Event::Bend,
            Event::Lose,
            Event::Repeat,
            Event::MakeUp,
            Event::Flood,
        ];
        let choice = self.next()?;
        let amount = self.next().unwrap_or(0);
        Some((EVENTS[usize::from(choice >> 1) % EVENTS.len()], usize::from(choice & 1), amount))
    }

    fn take(&mut self, count: usize) -> Vec<u8> {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken.to_vec()
    }
}

/// One end, and what is on its way to it.
struct End {
    session: Session,
    arriving: Vec<u8>,
    written: Vec<u8>,
    read: Vec<u8>,
    has_closed: bool,
    failure: Option<String>,
}

/// Two ends: the client's, then the server's.
struct Wire {
    ends: [End; 2],
    writes_count: usize,
    /// Something else than cuts has happened to the bytes.
    is_bent: bool,
}

impl Wire {
    fn new(choice: u8) -> Self {
        let (client, server) = sessions(choice);
        let mut wire =
            Self { ends: [End::new(client), End::new(server)], writes_count: 0, is_bent: false };
        wire.process(0);
        wire
    }

    fn happen(&mut self, event: Event, side: usize, amount: u8, tape: &mut Tape<'_>) {
        let amount = usize::from(amount);
        let is_closed = self.ends[side].has_closed;
        let arriving = &mut self.ends[side].arriving;
        let place = arriving.len() * amount / 256;
        match event {
            Event::Deliver => return self.deliver(side, 1 + amount),
            Event::DeliverAll => return self.deliver(side, usize::MAX),
            Event::Write => return self.write(side, amount * 160),
            Event::Read => return self.ends[side].read(amount),
            Event::Close => return self.close(side),
            // rustls 0.23 asserts, in builds with assertions alone, that it sends no alert after
            // its close_notify, and does so for a record that it cannot open (its issue 959).
            _ if is_closed => return,
            Event::Bend => {
                let Some(byte) = arriving.get_mut(place) else { return };
                *byte ^= 1 << (tape.next().unwrap_or(0) % 8);
            }
            Event::Lose => {
                let end = (place + 1 + usize::from(tape.next().unwrap_or(0))).min(arriving.len());
                if place == end {
                    return;
                }
                arriving.drain(place..end);
            }
            Event::Repeat => {
                let end = (place + 1 + usize::from(tape.next().unwrap_or(0))).min(arriving.len());
                let again = arriving[place..end].to_vec();
                arriving.splice(end..end, again);
            }
            Event::MakeUp => {
                let made_up = tape.take(amount % 32);
                arriving.splice(place..place, made_up);
            }
            Event::Flood => {
                // A message of TLS that says it is longer than all that comes of it.
                let mut record = vec![0x16, 3, 3, 0x40, 0, 11, 0, 0xff, 0xff];
                record.resize(5 + 0x4000, 0);
                arriving.extend(record.repeat(amount % 16));
            }
        }
        self.is_bent = true;
    }

    fn deliver(&mut self, side: usize, count: usize) {
        let mut left = count.min(self.ends[side].arriving.len());
        while left > 0 {
            let end = &mut self.ends[side];
            let piece = left.min(PIECE_BYTES);
            let bytes: Vec<_> = end.arriving.drain(..piece).collect();
            left -= piece;
            // Nobody reads for a session that is over.
            if end.failure.is_none() {
                end.session.incoming().extend_from_slice(&bytes);
                self.process(side);
            }
        }
    }

    fn process(&mut self, side: usize) {
        let end = &mut self.ends[side];
        let mut out = Vec::new();
        match end.session.process(&mut out) {
            Ok(()) => {
                let kept_bytes = end.session.incoming().len();
                assert!(kept_bytes <= KEPT_BYTES_MAX, "{kept_bytes} bytes are kept");
            }
            Err(error) => {
                let again = end.session.process(&mut Vec::new()).expect_err("it has failed");
                // Errors of others are never equal to any.
                assert_eq!(again.to_string(), error.to_string(), "a failure stays");
                assert!(end.session.encrypt(b"more", &mut Vec::new()).is_err());
                assert!(end.session.is_closed() && end.session.has_input());
                assert!(end.session.incoming().is_empty(), "what broke it is kept");
                end.failure = Some(error.to_string());
            }
        }
        self.ends[1 - side].arriving.extend(out);
    }

    fn write(&mut self, side: usize, count: usize) {
        let end = &mut self.ends[side];
        if self.writes_count == WRITES_COUNT_MAX || end.has_closed {
            return;
        }
        self.writes_count += 1;
        let start = end.written.len();
        let plain: Vec<_> = (start..start + count).map(|at| (at * 31 / 7) as u8).collect();
        let mut out = Vec::new();
        if end.session.encrypt(&plain, &mut out).is_ok() {
            end.written.extend(plain);
        }
        self.ends[1 - side].arriving.extend(out);
    }

    fn close(&mut self, side: usize) {
        let end = &mut self.ends[side];
        let is_over = end.has_closed || end.failure.is_some();
        // See `happen` for what was bent.
        if end.session.facts().is_handshaking() || is_over || self.is_bent {
            return;
        }
        end.has_closed = true;
        let mut out = Vec::new();
        end.session.close(&mut out);
        self.ends[1 - side].arriving.extend(out);
    }

    /// All that is under way arrives.
    fn end(mut self) {
        let mut turns_count = 0;
        while self.ends.iter().any(|end| !end.arriving.is_empty()) {
            self.deliver(1, usize::MAX);
            self.deliver(0, usize::MAX);
            turns_count += 1;
            assert!(turns_count < TURNS_COUNT_MAX, "the ends talk without end");
        }
        for end in &mut self.ends {
            end.read(usize::MAX);
        }
        let [client, server] = &self.ends;
        for (reader, writer) in [(client, server), (server, client)] {
            assert!(writer.written.starts_with(&reader.read), "{reader:?} reads what nobody wrote");
            if !self.is_bent {
                assert!(reader.failure.is_none() && !reader.session.facts().is_handshaking());
                assert_eq!(reader.read.len(), writer.written.len(), "all arrives");
                assert_eq!(reader.session.is_closed(), writer.has_closed, "{reader:?}");
            }
        }
    }
}

impl End {
    fn new(session: Session) -> Self {
        let (arriving, written, read) = (Vec::new(), Vec::new(), Vec::new());
        Self { session, arriving, written, read, has_closed: false, failure: None }
    }

    fn read(&mut self, count: usize) {
        let before = self.read.len();
        let told = self.session.read(&mut self.read, count);
        assert!(told <= count && self.read.len() == before + told);
    }
}

impl fmt::Debug for End {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (written, read) = (self.written.len(), self.read.len());
        write!(out, "an end with {written} bytes written, {read} read, {:?}", self.failure)
    }
}

/// Certificates and configurations, made once.
struct Site {
    server: Arc<ServerConfig>,
    /// Asks clients for a certificate.
    asking: Arc<ServerConfig>,
    /// By version, and whether it goes on from sessions of before.
    clients: [[Arc<ClientConfig>; 2]; 2],
}

/// The first bit chooses the version, the second whether the client shows a certificate, the third
/// whether it may go on from a session of before.
fn sessions(choice: u8) -> (Session, Session) {
    static SITE: OnceLock<Site> = OnceLock::new();
    let site = SITE.get_or_init(Site::new);
    let bit = |place: u8| usize::from(choice >> place & 1);
    let server = if bit(1) == 1 { &site.asking } else { &site.server };
    let client = &site.clients[bit(0)][bit(2)];
    let name = ServerName::try_from(NAME).expect("a name");
    (
        Session::client(Arc::clone(client), name).expect("a client"),
        Session::server(Arc::clone(server)).expect("a server"),
    )
}

impl Site {
    fn new() -> Self {
        let mut of_authority = CertificateParams::default();
        of_authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        let authority = of_authority.self_signed(&key).expect("an authority").der().clone();
        let issuer = Issuer::new(of_authority, key);
        let (chain, key) = identity(&issuer);
        let mut roots = RootCertStore::empty();
        roots.add(authority).expect("an authority");
        let roots = Arc::new(roots);
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), provider());
        let verifier = verifier.build().expect("roots");
        let server = || {
            ServerConfig::builder_with_provider(provider())
                .with_safe_default_protocol_versions()
                .expect("versions")
        };
        let plain = server().with_no_client_auth();
        let plain = plain.with_single_cert(chain.clone(), key.clone_key()).expect("a pair");
        let asking = server().with_client_cert_verifier(verifier);
        let asking = asking.with_single_cert(chain, key).expect("a pair");
        let client = |version, goes_on: bool| {
            let (chain, key) = identity(&issuer);
            let mut config = ClientConfig::builder_with_provider(provider())
                .with_protocol_versions(&[version])
                .expect("a version")
                .with_root_certificates(Arc::clone(&roots))
                .with_client_auth_cert(chain, key)
                .expect("a pair");
            if !goes_on {
                config.resumption = Resumption::disabled();
            }
            Arc::new(config)
        };
        let clients =
            [&TLS13, &TLS12].map(|version| [false, true].map(|goes_on| client(version, goes_on)));
        Self { server: Arc::new(plain), asking: Arc::new(asking), clients }
    }
}

fn identity(
    issuer: &Issuer<'_, KeyPair>,
) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().expect("a key");
    let params = CertificateParams::new(vec![NAME.to_owned()]).expect("a name");
    let certificate = params.signed_by(&key, issuer).expect("a certificate");
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS#8");
    (vec![certificate.der().clone()], key)
}

fn provider() -> Arc<rustls::crypto::CryptoProvider> {
    #[cfg(feature = "tls-ring")]
    return Arc::new(rustls::crypto::ring::default_provider());
    #[cfg(not(feature = "tls-ring"))]
    return Arc::new(rustls::crypto::aws_lc_rs::default_provider());
}

const NAME: &str = "api.example.com";
/// A message of TLS is at most 64 KiB, whatever it says (rustls' bound), and comes in records.
const HELLO_BYTES_MAX: usize = 256 * 1024;
/// A fatal alert in a record of its own, and one more in case a warning went before.
const ALERT_BYTES_MAX: usize = 14;
/// What a session may keep of records and messages that are not whole.
const KEPT_BYTES_MAX: usize = 128 * 1024;
/// What is read from a socket at a time.
const PIECE_BYTES: usize = 16 * 1024;
const WRITES_COUNT_MAX: usize = 8;
const TURNS_COUNT_MAX: usize = 64;
