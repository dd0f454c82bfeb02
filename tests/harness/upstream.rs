//! An upstream that does as it is told.

use std::io::{self, BufRead, BufReader, Read, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use super::HANG_GUARD;
use super::answer::{fields, read_chunks, read_head};

/// A server on a free port. It lives as long as the test's process.
#[derive(Clone, Debug)]
pub struct Upstream {
    address: SocketAddr,
    connections: Arc<Mutex<Vec<Record>>>,
}

type Record = Arc<Mutex<Vec<u8>>>;

impl Upstream {
    /// Runs `script` for each connection, in a thread of its own, with the connection's number
    /// from 0.
    pub fn start(
        script: impl Fn(usize, &mut Peer) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let address = listener.local_addr().expect("a socket");
        let connections: Arc<Mutex<Vec<Record>>> = Arc::default();
        let records = Arc::clone(&connections);
        let script = Arc::new(script);
        thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let record = Record::default();
                records.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::clone(&record));
                let script = Arc::clone(&script);
                thread::spawn(move || {
                    let mut peer = Peer::new(stream, record);
                    // A gateway that ends is no fault of the script's.
                    let _ = script(number, &mut peer);
                });
            }
        });
        Self { address, connections }
    }

    /// Answers each request with these bytes, on connections that persist.
    pub fn answering(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |_, peer| {
            loop {
                peer.request()?;
                peer.send(&bytes)?;
            }
        })
    }

    /// Answers each request with these bytes and closes.
    pub fn answering_once(bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = bytes.into();
        Self::start(move |_, peer| {
            peer.request()?;
            peer.send(&bytes)?;
            peer.close();
            Ok(())
        })
    }

    /// Answers 200 with the request as it came (head and body bytes, framing included) for a body.
    pub fn mirror() -> Self {
        Self::start(|_, peer| {
            loop {
                let request = peer.request()?;
                let bytes = request.raw.len();
                peer.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {bytes}\r\n\r\n"))?;
                peer.send(&request.raw)?;
            }
        })
    }

    /// Answers each request with what `answer` makes of it.
    pub fn answering_by(answer: impl Fn(&Received) -> String + Send + Sync + 'static) -> Self {
        Self::start(move |_, peer| {
            loop {
                let request = peer.request()?;
                peer.send(answer(&request))?;
            }
        })
    }

    /// The one request that came so far.
    ///
    /// # Panics
    ///
    /// If more came, or none.
    #[track_caller]
    pub fn request(&self) -> Received {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }

    /// The requests that came so far on all its connections, if nothing but whole requests came.
    pub fn requests(&self) -> Vec<Received> {
        let mut requests = Vec::new();
        for bytes in self.received() {
            let mut rest = &bytes[..];
            while !rest.is_empty() {
                requests.push(Received::read(&mut rest).expect("a whole request"));
            }
        }
        requests
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// How many connections it has accepted.
    pub fn connections_count(&self) -> usize {
        self.connections.lock().unwrap_or_else(PoisonError::into_inner).len()
    }

    /// What came on each connection so far, as far as the script has read it.
    pub fn received(&self) -> Vec<Vec<u8>> {
        let connections = self.connections.lock().unwrap_or_else(PoisonError::into_inner);
        let copy = |record: &Record| record.lock().unwrap_or_else(PoisonError::into_inner).clone();
        connections.iter().map(copy).collect()
    }
}

/// A connection of the gateway's, as the script sees it.
#[derive(Debug)]
pub struct Peer {
    stream: BufReader<Recorder>,
}

#[derive(Debug)]
struct Recorder {
    stream: TcpStream,
    record: Record,
}

impl Read for Recorder {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.stream.read(buffer)?;
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

/// A request as an upstream gets it.
#[derive(Clone, Debug, Default)]
pub struct Received {
    /// Every byte of it.
    pub raw: Vec<u8>,
    /// Request line and headers as they came, without the empty line.
    pub head: String,
    /// The payload.
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
}

impl Received {
    fn read(input: &mut impl BufRead) -> io::Result<Self> {
        let mut raw = Kept { input, bytes: Vec::new() };
        let head = read_head(&mut raw)?;
        let headers = fields(head.split("\r\n").skip(1));
        let value = |name: &str| headers.iter().find(|(own, _)| own == name).map(|(_, v)| &**v);
        let mut received = Received::default();
        if value("transfer-encoding").is_some() {
            (received.body, received.trailers) = read_chunks(&mut raw)?;
        } else if let Some(length) = value("content-length") {
            received.body.resize(length.parse().expect("a length"), 0);
            raw.read_exact(&mut received.body)?;
        }
        received.raw = raw.bytes;
        received.head = head;
        Ok(received)
    }

    /// Reads one of the bytes that [`Upstream::mirror`] answers with.
    pub fn of(answer: &super::Answer) -> Self {
        Self::read(&mut &answer.body[..]).expect("a request as it came")
    }

    /// The request's target.
    pub fn target(&self) -> &str {
        self.line().split(' ').nth(1).expect("a target")
    }

    /// The request line.
    pub fn line(&self) -> &str {
        self.head.split("\r\n").next().unwrap_or_default()
    }

    /// All values of the header of this name (in lower case).
    pub fn values(&self, name: &str) -> Vec<String> {
        let named = fields(self.head.split("\r\n").skip(1));
        named.into_iter().filter(|(own, _)| own == name).map(|(_, value)| value).collect()
    }

    /// The value of the only header of this name.
    pub fn header(&self, name: &str) -> Option<String> {
        let mut values = self.values(name);
        assert!(values.len() < 2, "{name} more than once: {}", self.head);
        values.pop()
    }
}

impl Peer {
    fn new(stream: TcpStream, record: Record) -> Self {
        let _ = stream.set_nodelay(true);
        let _ = stream.set_read_timeout(Some(HANG_GUARD));
        Self { stream: BufReader::new(Recorder { stream, record }) }
    }

    /// Reads a whole request.
    pub fn request(&mut self) -> io::Result<Received> {
        Received::read(&mut self.stream)
    }

    /// Reads the head of a request alone, without its empty line.
    pub fn head(&mut self) -> io::Result<String> {
        read_head(&mut self.stream)
    }

    /// Reads as many bytes.
    pub fn read_exact(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Reads to the end of the stream.
    pub fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest)?;
        Ok(rest)
    }

    /// Sends.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().stream.write_all(bytes.as_ref())
    }

    /// Ends the sending side; the gateway may still send.
    pub fn end_sending(&mut self) {
        let _ = self.stream.get_ref().stream.shutdown(Shutdown::Write);
    }

    /// Closes both sides.
    pub fn close(&mut self) {
        let _ = self.stream.get_ref().stream.shutdown(Shutdown::Both);
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        &self.stream.get_ref().stream
    }
}

/// Keeps a copy of all that is read through it.
struct Kept<'i, R> {
    input: &'i mut R,
    bytes: Vec<u8>,
}

impl<R: BufRead> Read for Kept<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.bytes.extend_from_slice(&buffer[..count]);
        Ok(count)
    }
}

impl<R: BufRead> BufRead for Kept<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.input.fill_buf()
    }

    fn consume(&mut self, count: usize) {
        if let Ok(bytes) = self.input.fill_buf() {
            self.bytes.extend_from_slice(&bytes[..count]);
        }
        self.input.consume(count);
    }
}
