//! A client that sends what it is told.

use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::{Answer, HANG_GUARD};

/// A connection to the gateway.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<TcpStream>,
}

impl Client {
    /// Connects.
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("connected");
        stream.set_nodelay(true).expect("a socket");
        stream.set_read_timeout(Some(HANG_GUARD)).expect("a socket");
        stream.set_write_timeout(Some(HANG_GUARD)).expect("a socket");
        Self { stream: BufReader::new(stream) }
    }

    /// Its own end.
    pub fn local_address(&self) -> SocketAddr {
        self.stream.get_ref().local_addr().expect("a socket")
    }

    /// The socket.
    pub fn socket(&self) -> &TcpStream {
        self.stream.get_ref()
    }

    /// Sends.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("sent");
    }

    /// Sends, where the gateway may close first.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.get_mut().write_all(bytes.as_ref())
    }

    /// Sends nothing more.
    pub fn end_sending(&mut self) {
        self.stream.get_ref().shutdown(Shutdown::Write).expect("a connected socket");
    }

    /// Sends a request without body and reads the answer.
    pub fn request(&mut self, method: &str, target: &str) -> Answer {
        self.send(format!("{method} {target} HTTP/1.1\r\nhost: a\r\n\r\n"));
        self.answer_to(method)
    }

    /// Reads the answer to a request that is not HEAD.
    pub fn answer(&mut self) -> Answer {
        self.answer_to("GET")
    }

    /// Reads the answer to a request with `method`.
    pub fn answer_to(&mut self, method: &str) -> Answer {
        Answer::read(&mut self.stream, method).expect("an answer")
    }

    /// Reads the head of an answer alone.
    pub fn answer_head(&mut self) -> Answer {
        Answer::read_head(&mut self.stream).expect("a head")
    }

    /// Reads as many bytes.
    pub fn read_exact(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("that many bytes");
        bytes
    }

    /// Everything to the end of the stream, which the gateway must reach in good order.
    pub fn rest(&mut self) -> Vec<u8> {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).expect("an end of file, not a reset");
        rest
    }

    /// Everything to the end of the stream or its reset.
    pub fn rest_or_reset(&mut self) -> (Vec<u8>, Option<io::ErrorKind>) {
        let mut rest = Vec::new();
        let result = self.stream.read_to_end(&mut rest);
        let kind = result.err().map(|error| error.kind());
        assert_ne!(kind, Some(io::ErrorKind::WouldBlock), "the connection stays open");
        (rest, kind)
    }

    /// Waits for more to read: false at the end of the stream.
    pub fn has_more(&mut self) -> bool {
        !self.stream.fill_buf().expect("readable").is_empty()
    }

    /// What was received and not yet read.
    pub fn buffered(&self) -> &[u8] {
        self.stream.buffer()
    }
}
