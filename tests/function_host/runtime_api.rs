//! The other side of one runtime: a server of the Runtime API that does what a test says.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::Duration;

/// One connection of a runtime.
pub(crate) struct Runtime {
    reader: BufReader<TcpStream>,
}

/// What a runtime sent.
#[derive(Debug)]
pub(crate) struct Sent {
    /// `GET /2018-06-01/runtime/invocation/next`.
    pub(crate) line: String,
    /// Names in lower case.
    pub(crate) headers: HashMap<String, String>,
    /// Chunks joined.
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HashMap<String, String>,
}

/// Waits for one connection.
pub(crate) fn accept(listener: &TcpListener) -> Runtime {
    let limit = Some(PATIENCE);
    socket2::SockRef::from(listener).set_read_timeout(limit).expect("a listener");
    let (stream, _) = listener.accept().expect("a runtime connects");
    Runtime::over(stream)
}

impl Runtime {
    pub(crate) fn over(stream: TcpStream) -> Self {
        stream.set_nonblocking(false).expect("a socket");
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
        stream.set_nodelay(true).expect("a socket");
        Self { reader: BufReader::new(stream) }
    }

    /// The next request.
    #[track_caller]
    pub(crate) fn read(&mut self) -> Sent {
        let line = self.line();
        let headers = self.fields();
        let (mut body, mut trailers) = (Vec::new(), HashMap::new());
        if headers.get("transfer-encoding").is_some_and(|one| one == "chunked") {
            while let Some(chunk) = self.chunk() {
                body.extend(chunk);
            }
            trailers = self.fields();
        } else if let Some(length) = headers.get("content-length") {
            body.resize(length.parse().expect("a number"), 0);
            self.reader.read_exact(&mut body).expect("a body");
        }
        Sent { line, headers, body, trailers }
    }

    /// A request's head alone.
    #[track_caller]
    pub(crate) fn read_head(&mut self) -> Sent {
        let (line, headers) = (self.line(), self.fields());
        Sent { line, headers, body: Vec::new(), trailers: HashMap::new() }
    }

    /// A chunk of a body; `None` for the last.
    #[track_caller]
    pub(crate) fn chunk(&mut self) -> Option<Vec<u8>> {
        let size = usize::from_str_radix(&self.line(), 16).expect("a chunk's size");
        if size == 0 {
            return None;
        }
        let mut chunk = vec![0; size];
        self.reader.read_exact(&mut chunk).expect("a chunk");
        assert_eq!(self.line(), "");
        Some(chunk)
    }

    /// Waits for the question for an event and gives it this one.
    #[track_caller]
    pub(crate) fn give(&mut self, id: &str, event: &str) {
        self.give_with(id, event, "");
    }

    #[track_caller]
    pub(crate) fn give_with(&mut self, id: &str, event: &str, headers: &str) {
        let asked = self.read();
        assert_eq!(asked.line, "GET /2018-06-01/runtime/invocation/next HTTP/1.1");
        let deadline = 4_000_000_000_000_u64;
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\
             Lambda-Runtime-Aws-Request-Id: {id}\r\nLambda-Runtime-Deadline-Ms: {deadline}\r\n\
             {headers}Content-Length: {}\r\n\r\n{event}",
            event.len()
        );
        self.write(head.as_bytes());
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) {
        self.reader.get_mut().write_all(bytes).expect("written");
    }

    /// Takes what was sent.
    pub(crate) fn accept(&mut self) {
        self.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n");
    }

    /// Gives an event and takes what comes of it.
    #[track_caller]
    pub(crate) fn call(&mut self, id: &str, event: &str) -> Sent {
        self.give(id, event);
        let sent = self.read();
        self.accept();
        sent
    }

    /// Closes the connection.
    pub(crate) fn shut(&mut self) {
        self.reader.get_mut().shutdown(std::net::Shutdown::Both).expect("open");
    }

    /// Fields up to the empty line.
    #[track_caller]
    pub(crate) fn read_head_fields(&mut self) -> HashMap<String, String> {
        self.fields()
    }

    #[track_caller]
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.reader.read_line(&mut line).expect("a line");
        let line = line.strip_suffix("\r\n");
        line.unwrap_or_else(|| panic!("the runtime is gone")).to_owned()
    }

    #[track_caller]
    fn fields(&mut self) -> HashMap<String, String> {
        let mut fields = HashMap::new();
        loop {
            let line = self.line();
            if line.is_empty() {
                return fields;
            }
            let (name, value) = line.split_once(": ").expect("a field");
            fields.insert(name.to_ascii_lowercase(), value.to_owned());
        }
    }
}

impl Sent {
    /// Whether it answers the invocation, by this last part of the path.
    pub(crate) fn is_for(&self, id: &str, kind: &str) -> bool {
        self.line == format!("POST /2018-06-01/runtime/invocation/{id}/{kind} HTTP/1.1")
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.text()))
    }
}

pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
