//! A directory that lets nobody in: it refuses every account for a rate limit (RFC 8555 section
//! 6.6), which Pebble has none of.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::authority::{Authority, Files, Identity};
use crate::client::provider;

pub(crate) struct Directory {
    url: String,
    files: Files,
    accounts_asked: Arc<AtomicUsize>,
}

impl Directory {
    pub(crate) fn start() -> Self {
        let (authority, files) = (Authority::root("of the directory"), Files::new());
        files.write("ca.pem", authority.pem());
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let base = format!("https://{}", listener.local_addr().expect("bound"));
        let config = Arc::new(config(&authority.server(&["127.0.0.1"])));
        let accounts_asked = Arc::new(AtomicUsize::new(0));
        let (asked, own_base) = (Arc::clone(&accounts_asked), base.clone());
        std::thread::spawn(move || {
            for socket in listener.incoming().map_while(Result::ok) {
                let connection = ServerConnection::new(Arc::clone(&config)).expect("a connection");
                serve(StreamOwned::new(connection, socket), &own_base, &asked);
            }
        });
        Self { url: base + "/dir", files, accounts_asked }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn ca_file(&self) -> PathBuf {
        self.files.path("ca.pem")
    }

    pub(crate) fn accounts_asked_count(&self) -> usize {
        self.accounts_asked.load(Ordering::SeqCst)
    }
}

fn config(identity: &Identity) -> ServerConfig {
    ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(identity.chain.clone(), identity.key_der())
        .expect("a certificate")
}

/// One request of one connection; a client that does not believe the certificate sends none.
fn serve(
    stream: StreamOwned<ServerConnection, TcpStream>,
    base: &str,
    asked: &AtomicUsize,
) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    reader.read_line(&mut request).ok()?;
    let (mut line, mut body_bytes) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(length) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            body_bytes = length.trim().parse().ok()?;
        }
        line.clear();
    }
    let mut body = vec![0; body_bytes];
    reader.read_exact(&mut body).ok()?;
    let (status, headers, body) = match request.split(' ').nth(1)? {
        "/dir" => {
            let directory = serde_json::json!({
                "newNonce": format!("{base}/nonce"),
                "newAccount": format!("{base}/account"),
                "newOrder": format!("{base}/order"),
            });
            ("200 OK", String::new(), directory.to_string())
        }
        "/nonce" => ("200 OK", "Replay-Nonce: bm9uY2U\r\n".to_owned(), String::new()),
        _ => {
            asked.fetch_add(1, Ordering::SeqCst);
            let problem = serde_json::json!({
                "type": "urn:ietf:params:acme:error:rateLimited",
                "detail": "too many new accounts",
            });
            let headers = format!("Retry-After: {RETRY_AFTER_SECONDS}\r\n");
            ("429 Too Many Requests", headers, problem.to_string())
        }
    };
    let mut stream = reader.into_inner();
    let length = body.len();
    write!(
        stream,
        "HTTP/1.1 {status}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
    )
    .ok()?;
    stream.conn.send_close_notify();
    stream.flush().ok()
}

pub(crate) const RETRY_AFTER_SECONDS: i64 = 7_200;
