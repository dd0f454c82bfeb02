//! The test backend over real sockets: each path gives what `/paths` promises.

use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

/// `shardgate echo` on a free port, ended when dropped.
struct Backend {
    process: Child,
    address: SocketAddr,
}

impl Backend {
    fn start() -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_shardgate"))
            .args(["echo", "--listen", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut line = String::new();
        let output = process.stdout.take().expect("piped");
        BufReader::new(output).read_line(&mut line).expect("a line");
        let address = line.trim().strip_prefix("listening on ").expect("its address");
        Self { process, address: address.parse().expect("an address") }
    }

    fn connect(&self) -> Client {
        let stream = TcpStream::connect(self.address).expect("connected");
        stream.set_nodelay(true).expect("a socket");
        Client(BufReader::new(stream))
    }

    /// The answer to a GET of `path` on a connection of its own.
    fn get(&self, path: &str) -> Answer {
        let mut client = self.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        client.answer()
    }

    /// Everything that a GET of `path` gives, to the end of the stream. Says so in the request.
    fn get_raw(&self, path: &str) -> String {
        let mut client = self.connect();
        client.send(&format!("GET {path} HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n"));
        client.rest()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        // One that has ended already is as good.
        let _ = self.process.kill();
        self.process.wait().expect("it ended");
    }
}

struct Client(BufReader<TcpStream>);

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Vec<u8>,
}

impl Client {
    fn send(&mut self, request: &str) {
        self.0.get_mut().write_all(request.as_bytes()).expect("sent");
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).expect("a line");
        assert!(line.ends_with("\r\n"), "cut: {line:?}");
        line.truncate(line.len() - 2);
        line
    }

    fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.0.read_exact(&mut bytes).expect("as many bytes");
        bytes
    }

    fn head(&mut self) -> Answer {
        let mut head = String::new();
        loop {
            match self.line() {
                line if line.is_empty() => break,
                line => head.extend([line.as_str(), "\n"]),
            }
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
        Answer { status: status.expect("a status"), head, body: Vec::new() }
    }

    fn answer(&mut self) -> Answer {
        let mut answer = self.head();
        if answer.has("transfer-encoding: chunked") {
            loop {
                let bytes = usize::from_str_radix(&self.line(), 16).expect("a size");
                if bytes == 0 {
                    break;
                }
                answer.body.extend(self.bytes(bytes));
                assert_eq!(self.line(), "");
            }
            while self.line() != "" {}
        } else if let Some(bytes) = answer.field("content-length") {
            answer.body = self.bytes(bytes.parse().expect("a length"));
        }
        answer
    }

    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        self.0.read_to_end(&mut rest).expect("to the end");
        String::from_utf8_lossy(&rest).into_owned()
    }
}

impl Answer {
    fn has(&self, line: &str) -> bool {
        self.head.lines().any(|other| other == line)
    }

    fn field(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| b'a' + (index % 26) as u8).collect()
}

#[test]
fn bodies_are_as_large_as_asked_and_whole() {
    let backend = Backend::start();
    for path in ["/", "/items/7", "/?q"] {
        assert_eq!(backend.get(path).body, pattern(256), "{path}");
    }
    for bytes in [0, 1, 65_519, 65_520, 65_521, 131_040, 1_048_576, 5_000_000] {
        let answer = backend.get(&format!("/bytes/{bytes}"));
        assert_eq!((answer.status, answer.body.len()), (200, bytes));
        assert!(answer.body == pattern(bytes), "{bytes} bytes are mixed up");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::start();
    let mut client = backend.connect();
    let mut requests = String::new();
    for index in 0..500 {
        requests.push_str(&format!("GET /bytes/{index} HTTP/1.1\r\nhost: a\r\n\r\n"));
        requests.push_str("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\nhello");
    }
    client.send(&requests);
    for index in 0..500 {
        assert_eq!(client.answer().body.len(), index);
        assert_eq!(client.answer().body.len(), 256);
    }
}

#[test]
fn a_request_may_arrive_byte_by_byte() {
    let backend = Backend::start();
    let mut client = backend.connect();
    let request = "POST /echo HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n\
                   5;x=y\r\nhello\r\n0\r\nx-sum: 1\r\n\r\nGET /count HTTP/1.1\r\n\r\n";
    for at in 0..request.len() {
        client.send(&request[at..=at]);
    }
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(client.answer().text(), "0");
}

#[test]
fn bodies_come_back_while_they_are_sent() {
    let backend = Backend::start();
    let body = pattern(3_000_000);
    for chunked in [false, true] {
        let mut client = backend.connect();
        let framing =
            if chunked { "transfer-encoding: chunked" } else { "content-length: 3000000" };
        client.send(&format!("POST /echo HTTP/1.1\r\nhost: a\r\n{framing}\r\n\r\n"));
        let mut sender = client.0.get_ref().try_clone().expect("cloned");
        let sent = body.clone();
        let sending = thread::spawn(move || {
            for part in sent.chunks(77_777) {
                if chunked {
                    write!(sender, "{:x}\r\n", part.len()).expect("sent");
                }
                sender.write_all(part).expect("sent");
                if chunked {
                    sender.write_all(b"\r\n").expect("sent");
                }
            }
            if chunked {
                sender.write_all(b"0\r\n\r\n").expect("sent");
            }
        });
        let answer = client.answer();
        sending.join().expect("all sent");
        assert!(answer.body == body, "chunked {chunked}: {} bytes", answer.body.len());
        client.send("GET / HTTP/1.1\r\nhost: a\r\n\r\n");
        assert_eq!(client.answer().body.len(), 256, "the connection goes on");
    }
}

#[test]
fn the_body_is_invited_only_where_it_is_read() {
    let backend = Backend::start();
    let mut client = backend.connect();
    client.send("POST /echo HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(client.head().status, 100);
    client.send("hello");
    assert_eq!(client.answer().text(), "hello");

    let mut client = backend.connect();
    client.send("POST /early/413 HTTP/1.1\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n");
    assert_eq!(client.answer().status, 413);
    client.send("helloGET / HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().body.len(), 256, "the body was read after the answer");
}

#[test]
fn statuses_delays_and_slow_answers() {
    let backend = Backend::start();
    for status in [200, 204, 205, 304, 404, 426, 503, 599] {
        let answer = backend.get(&format!("/status/{status}"));
        assert_eq!(answer.status, status);
        assert_eq!(answer.body.is_empty(), matches!(status, 204 | 205 | 304), "{status}");
    }
    assert_eq!(backend.get("/delay/20").body, pattern(256));
    assert_eq!(backend.get("/slow/30/1").body, pattern(30));
    assert_eq!(backend.get("/dribble-head/1").body, pattern(256));
    assert_eq!(backend.get("/chunked/3/70000").body.len(), 210_000);
    assert_eq!(backend.get("/chunked/0/1").body.len(), 0);
    assert_eq!(backend.get("/bytes/many").status, 400);
}

#[test]
fn head_has_no_body_and_old_clients_no_chunks() {
    let backend = Backend::start();
    let mut client = backend.connect();
    for path in ["/", "/bytes/9", "/chunked/2/2", "/trailers", "/slow/2/1", "/status/404"] {
        client.send(&format!("HEAD {path} HTTP/1.1\r\nhost: a\r\n\r\n"));
        assert!(matches!(client.head().status, 200 | 404), "{path}");
    }
    for (path, body) in [("/chunked/2/2", "abab"), ("/trailers", "hello, trailers\n")] {
        let mut client = backend.connect();
        client.send(&format!("GET {path} HTTP/1.0\r\nconnection: keep-alive\r\n\r\n"));
        let answer = client.rest();
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
        assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
    }
    let mut client = backend.connect();
    client.send("GET / HTTP/1.0\r\nconnection: keep-alive\r\n\r\n");
    assert!(client.answer().has("connection: keep-alive"));
}

#[test]
fn heads_trailers_and_interim_answers() {
    let backend = Backend::start();
    let request = "GET /headers HTTP/1.1\r\nHost: a\r\nX-Odd:  value \r\n\r\n";
    let mut client = backend.connect();
    client.send(request);
    assert_eq!(client.answer().text(), request);
    let answer = backend.get_raw("/trailers");
    assert!(answer.ends_with("\r\n0\r\nx-sum: 16\r\nx-last: yes\r\n\r\n"), "{answer}");
    assert_eq!(backend.get_raw("/interim/3").matches("HTTP/1.1 103 ").count(), 3);
    assert!(backend.get("/paths").text().contains("/bad/"));
    assert_eq!(backend.get("/address").text(), backend.address.to_string());
}

#[test]
fn connections_end_as_asked() {
    let backend = Backend::start();
    assert_eq!(backend.get_raw("/close"), "");
    let ended = backend.get_raw("/until-close/70000");
    assert!(ended.starts_with("HTTP/1.0 200 ") && !ended.contains("content-length"));
    assert_eq!(ended.split_once("\r\n\r\n").expect("a head").1.len(), 70_000);
    assert!(backend.get_raw("/").contains("\r\nconnection: close\r\n"));

    let mut client = backend.connect();
    client.send("GET /reset HTTP/1.1\r\n\r\n");
    let error = client.0.read(&mut [0; 1]).expect_err("reset");
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);

    let mut client = backend.connect();
    client.send("POST /early-close/413 HTTP/1.1\r\ncontent-length: 5\r\n\r\n");
    assert!(client.rest().starts_with("HTTP/1.1 413 "));
}

#[test]
fn an_upgraded_connection_outlives_half_of_it() {
    let backend = Backend::start();
    let mut client = backend.connect();
    client.send("GET /upgrade/26 HTTP/1.1\r\nconnection: upgrade\r\nupgrade: echo/2\r\n\r\nfirst ");
    let head = client.head();
    assert!(head.status == 101 && head.has("upgrade: echo/2"), "{head:?}");
    assert_eq!(client.bytes(6), b"first ");
    client.send("second");
    client.0.get_ref().shutdown(Shutdown::Write).expect("connected");
    assert_eq!(client.rest(), "secondabcdefghijklmnopqrstuvwxyz");
    assert_eq!(backend.get("/upgrade").status, 426);
}

#[test]
fn malformed_answers_go_out_as_they_stand() {
    let backend = Backend::start();
    let both = backend.get_raw("/bad/both-lengths");
    assert!(both.contains("content-length: 5\r\ntransfer-encoding: chunked\r\n"), "{both}");
    let mut client = backend.connect();
    client.send("GET /bad/extra-bytes HTTP/1.1\r\n\r\n");
    assert_eq!(client.answer().text(), "hello");
    assert_eq!(client.answer().text(), "smuggled");
    client.send("GET /bad/chunk-cut HTTP/1.1\r\n\r\n");
    assert!(client.rest().ends_with("50\r\nhello"));
}

#[test]
fn malformed_requests_are_refused_and_end_the_connection() {
    let backend = Backend::start();
    let cases = [
        ("400", "GET / HTTP/1.1\r\nno colon\r\n\r\n"),
        ("400", "POST / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n"),
        ("400", "POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
        ("501", "POST / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n"),
    ];
    for (status, request) in cases {
        let mut client = backend.connect();
        client.send(request);
        client.0.get_ref().shutdown(Shutdown::Write).expect("connected");
        let answer = client.rest();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{request}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{answer}");
    }
}

#[test]
fn sigterm_ends_it_in_order() {
    let mut backend = Backend::start();
    let idle = backend.connect();
    let number = backend.process.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &number]).status().expect("kill runs").success());
    let status = backend.process.wait().expect("it ended");
    assert_eq!(status.code(), Some(0));
    drop(idle);
}

#[test]
fn a_taken_address_is_said_so() {
    let backend = Backend::start();
    let output = Command::new(env!("CARGO_BIN_EXE_shardgate"))
        .args(["echo", "--listen", &backend.address.to_string()])
        .output()
        .expect("the binary runs");
    assert_eq!(output.status.code(), Some(1));
    let reason = String::from_utf8_lossy(&output.stderr);
    assert!(reason.contains(&backend.address.to_string()), "{reason}");
}
