//! What authorities reach: a listener for http-01 and one for tls-alpn-01, both of which answer out
//! of the table that shards read.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use shardgate::coord::{ACME_HTTP_PATH, AcmeChallenges};
use shardgate::tls::{ACME_TLS_ALPN, HelloReader, HelloStep, challenge_config};

use crate::pebble::ValidationPorts;

pub(crate) struct Fronts {
    ports: ValidationPorts,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    challenges: OnceLock<Arc<AcmeChallenges>>,
    is_unplugged: AtomicBool,
    http_answers: AtomicUsize,
    tls_answers: AtomicUsize,
}

impl Fronts {
    pub(crate) fn start() -> Self {
        let shared = Arc::new(Shared::default());
        let (http, tls) = (serve(&shared, answer_http), serve(&shared, answer_tls));
        Self { ports: ValidationPorts { http, tls }, shared }
    }

    /// The one table that is asked, for as long as the test runs.
    pub(crate) fn challenges(&self) -> Arc<AcmeChallenges> {
        Arc::clone(self.shared.challenges.get_or_init(|| Arc::new(AcmeChallenges::new())))
    }

    pub(crate) fn ports(&self) -> ValidationPorts {
        self.ports
    }

    /// From now on nothing is found.
    pub(crate) fn unplug(&self) {
        self.shared.is_unplugged.store(true, Ordering::SeqCst);
    }

    pub(crate) fn plug_in(&self) {
        self.shared.is_unplugged.store(false, Ordering::SeqCst);
    }

    pub(crate) fn http_answers_count(&self) -> usize {
        self.shared.http_answers.load(Ordering::SeqCst)
    }

    pub(crate) fn tls_answers_count(&self) -> usize {
        self.shared.tls_answers.load(Ordering::SeqCst)
    }
}

/// Answers connections one after the other, until the test's process ends.
fn serve(shared: &Arc<Shared>, answer: fn(&Shared, TcpStream) -> Option<()>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("bound").port();
    let shared = Arc::clone(shared);
    std::thread::spawn(move || {
        for socket in listener.incoming().map_while(Result::ok) {
            let limit = Some(Duration::from_secs(30));
            socket.set_read_timeout(limit).expect("a limit");
            answer(&shared, socket);
        }
    });
    port
}

fn answer_http(shared: &Shared, mut socket: TcpStream) -> Option<()> {
    let mut reader = BufReader::new(socket.try_clone().ok()?);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let mut line = String::new();
    while reader.read_line(&mut line).ok()? > 2 {
        line.clear();
    }
    let path = request.strip_prefix("GET ")?.split(' ').next()?;
    let token = path.strip_prefix(ACME_HTTP_PATH).filter(|_| !is_unplugged(shared));
    let answer = token.and_then(|token| shared.challenges.get()?.http_answer(token));
    let (status, body) = match &answer {
        Some(body) => ("200 OK", &**body),
        None => ("404 Not Found", ""),
    };
    if answer.is_some() {
        shared.http_answers.fetch_add(1, Ordering::SeqCst);
    }
    let length = body.len();
    write!(
        socket,
        "HTTP/1.1 {status}\r\nContent-Type: application/octet-stream\r\n\
         Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()
}

fn answer_tls(shared: &Shared, mut socket: TcpStream) -> Option<()> {
    let mut reader = HelloReader::default();
    let mut bytes = [0; 4_096];
    let accepted = loop {
        let count = socket.read(&mut bytes).ok().filter(|count| *count > 0)?;
        match reader.push(&bytes[..count]) {
            HelloStep::More => {}
            HelloStep::Hello { accepted, unread_bytes: 0 } => break accepted,
            other => panic!("{other:?}"),
        }
    };
    let hello = accepted.client_hello();
    let protocols: Vec<_> = hello.alpn().into_iter().flatten().collect();
    assert_eq!(protocols, [ACME_TLS_ALPN], "the authority offers that one and no other");
    let name = hello.server_name().filter(|_| !is_unplugged(shared))?;
    let certificate = shared.challenges.get()?.tls_certificate(name)?;
    let config = challenge_config(&certificate).expect("a configuration");
    let mut connection = accepted.into_connection(config).ok()?;
    shared.tls_answers.fetch_add(1, Ordering::SeqCst);
    while connection.is_handshaking() {
        connection.complete_io(&mut socket).ok()?;
    }
    // Until the authority closes.
    while connection.complete_io(&mut socket).ok()?.0 > 0 {}
    Some(())
}

fn is_unplugged(shared: &Shared) -> bool {
    shared.is_unplugged.load(Ordering::SeqCst)
}
