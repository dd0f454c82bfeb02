//! A function whose streamed answers a test sends, byte by byte and when it likes.

use std::fs;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use serde_json::{Value as Json, json};
use shardgate::lambda::{InvokeComplete, append_invoke_complete, append_payload_chunk};
use tempfile::TempDir;

use crate::fields::block;
use crate::function::ARN;
use crate::harness::{HANG_GUARD, Managed, Peer, RestApi, Upstream};
use crate::peer::Http2;

/// A server of InvokeWithResponseStream, each of whose connections asks the test what to send.
pub(crate) struct StreamSite {
    pub(crate) server: Upstream,
    pub(crate) gateway: Managed,
    calls: Receiver<Call>,
}

/// A call of the function, which waits for what the test does with it.
pub(crate) struct Call {
    /// The request line and headers.
    pub(crate) head: String,
    steps: Sender<Step>,
    seen: Receiver<Seen>,
}

enum Step {
    Send(Vec<u8>),
    /// Sends as much as is taken, until nothing is for a while; how much that was.
    Fill(Vec<u8>),
    AwaitClose,
    Close,
}

enum Seen {
    Closed,
    Filled(usize),
}

impl StreamSite {
    pub(crate) fn start() -> Self {
        Self::start_with("")
    }

    /// With more tables in the boot file.
    pub(crate) fn start_with(tables: &str) -> Self {
        Self::start_by(|function| Managed::start_with(&format!("{tables}{function}")))
    }

    /// With a gateway that is started by other means, with these tables.
    pub(crate) fn start_by(start: impl FnOnce(&str) -> Managed) -> Self {
        let (called, calls) = channel();
        let called = Mutex::new(called);
        let server = Upstream::start(move |_, peer| {
            loop {
                let head = peer.request()?.head;
                let (steps, to_do) = channel();
                let (told, seen) = channel();
                let call = Call { head, steps, seen };
                called.lock().expect("sound").send(call).map_err(|_| gone())?;
                for step in to_do {
                    step.run(peer, &told)?;
                }
            }
        });
        let function = format!(
            "[[function]]\nname = \"orders\"\nendpoint = \"http://{}\"\n",
            server.address()
        );
        Self { server, gateway: start(&function), calls }
    }

    /// A Regional API whose method `GET /x` streams what the function answers, deployed to `prod`.
    #[track_caller]
    pub(crate) fn api(&self, more: Json) -> RestApi<'_> {
        let kind = json!({ "endpointConfiguration": { "types": ["REGIONAL"] } });
        let api = self.gateway.create_rest_api_with(kind);
        api.put_method("/x", "ANY", json!({}));
        let uri = format!(
            "arn:aws:apigateway:us-east-1:lambda:path/2021-11-15/functions/{ARN}/\
             response-streaming-invocations"
        );
        let mut body = json!({
            "type": "AWS_PROXY", "httpMethod": "POST", "uri": uri, "responseTransferMode": "STREAM",
        });
        body.as_object_mut().expect("one").extend(more.as_object().expect("one").clone());
        api.put_integration("/x", "ANY", body);
        api.deploy("prod");
        api
    }

    /// Asks for `/prod/x` of an API over HTTP/2; the stream of the answer, and the call that comes of it.
    #[track_caller]
    pub(crate) fn ask_http2(&self, api: &RestApi<'_>) -> (Http2, u32, Call) {
        let mut client = Http2::connect(self.gateway.gateway());
        client.check_alive();
        let host = api.host();
        let start =
            [(":method", "GET"), (":scheme", "http"), (":authority", &*host), (":path", "/prod/x")];
        let stream = client.ask(block(&start));
        (client, stream, self.call())
    }

    /// The next call of the function.
    #[track_caller]
    pub(crate) fn call(&self) -> Call {
        self.calls.recv_timeout(HANG_GUARD).expect("the function is called")
    }
}

impl Call {
    /// Sends the endpoint's head, and the metadata of an answer with the delimiter behind it.
    pub(crate) fn begin(&self, metadata: &Json) {
        self.send(HEAD);
        let prelude = [metadata.to_string().as_bytes(), &[0; 8]].concat();
        self.payload(&prelude);
    }

    /// Sends a piece of the answer.
    pub(crate) fn payload(&self, payload: &[u8]) {
        self.send(chunk(&payload_frame(payload)));
    }

    /// Says that the function is done, and ends the endpoint's answer.
    pub(crate) fn end(self, complete: &InvokeComplete) {
        let mut frame = Vec::new();
        append_invoke_complete(&mut frame, complete);
        self.send([chunk(&frame), b"0\r\n\r\n".to_vec()].concat());
    }

    pub(crate) fn send(&self, bytes: impl Into<Vec<u8>>) {
        self.steps.send(Step::Send(bytes.into())).expect("the connection stands");
    }

    /// Closes the connection.
    pub(crate) fn close(self) {
        self.steps.send(Step::Close).expect("the connection stands");
    }

    /// Waits until the gateway closes the connection.
    #[track_caller]
    pub(crate) fn await_close(&self) {
        self.steps.send(Step::AwaitClose).expect("the connection stands");
        let seen = self.seen.recv_timeout(HANG_GUARD);
        assert!(matches!(seen, Ok(Seen::Closed)), "the gateway keeps the connection");
    }

    /// Sends pieces like this until nothing is taken any more; how many bytes were.
    #[track_caller]
    pub(crate) fn fill(&self, piece: &[u8]) -> usize {
        self.steps.send(Step::Fill(chunk(&payload_frame(piece)))).expect("the connection stands");
        match self.seen.recv_timeout(HANG_GUARD) {
            Ok(Seen::Filled(bytes)) => bytes,
            _ => panic!("the connection ended"),
        }
    }
}

impl Step {
    fn run(self, peer: &mut Peer, told: &Sender<Seen>) -> io::Result<()> {
        match self {
            Self::Send(bytes) => peer.send(bytes),
            Self::Close => {
                peer.close();
                Err(gone())
            }
            Self::AwaitClose => {
                // The end, or a reset of what the gateway has not read.
                let _ = peer.socket().read(&mut [0; 64]);
                told.send(Seen::Closed).map_err(|_| gone())
            }
            Self::Fill(frame) => {
                let sent = fill(peer.socket(), &frame)?;
                told.send(Seen::Filled(sent)).map_err(|_| gone())
            }
        }
    }
}

/// The access log of a gateway, which is whole once that has ended.
pub(crate) struct AccessLog(TempDir);

impl AccessLog {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    /// The table of the boot file.
    pub(crate) fn table(&self) -> String {
        let format = "$context.requestId $context.status $context.error.message";
        let path = self.0.path().join("access.log");
        format!("[access_log]\npath = \"{}\"\nformat = \"{format}\"\n", path.display())
    }

    /// Status and message of each request.
    pub(crate) fn lines(&self) -> Vec<String> {
        let lines = self.whole_lines();
        let told = lines.iter().filter_map(|line| line.split_once(' '));
        told.map(|(_, told)| told.to_owned()).collect()
    }

    /// Id, status and message of each request.
    pub(crate) fn whole_lines(&self) -> Vec<String> {
        let log = fs::read_to_string(self.0.path().join("access.log")).expect("a log");
        log.lines().map(str::to_owned).collect()
    }
}

/// The test is over.
fn gone() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

/// What takes nothing for as long is full, or it would be on any machine.
const FULL: Duration = Duration::from_millis(300);

fn fill(mut socket: &TcpStream, frame: &[u8]) -> io::Result<usize> {
    socket.set_write_timeout(Some(FULL))?;
    let mut sent = 0;
    loop {
        match socket.write(&frame[sent % frame.len()..]) {
            Ok(count) => sent += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(sent),
            Err(error) => return Err(error),
        }
    }
}

/// The head of a streamed answer.
pub(crate) const HEAD: &str = "HTTP/1.1 200 OK\r\nContent-Type: application/vnd.amazon.eventstream\r\n\
                               Transfer-Encoding: chunked\r\n\r\n";

pub(crate) fn payload_frame(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    append_payload_chunk(&mut frame, payload);
    frame
}

/// One chunk of a chunked body.
pub(crate) fn chunk(bytes: &[u8]) -> Vec<u8> {
    let size = format!("{:x}\r\n", bytes.len());
    [size.as_bytes(), bytes, b"\r\n"].concat()
}
