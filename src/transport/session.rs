//! One TLS session without its socket: bytes of the peer in, plain text and bytes for the peer
//! out.
//!
//! Built on rustls' interface without buffers, so nothing is held here but what came of a record
//! that is not whole.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{ClientConfig, CommonState, Error, ServerConfig};

/// One end of a session. Public for the law that `tests/fuzz` holds it to.
pub struct Session {
    end: End,
    /// Of the peer, not yet taken. Empty between records, and then without memory.
    incoming: Vec<u8>,
    /// Records that were decrypted and not yet read.
    plaintext: VecDeque<Vec<u8>>,
    /// How much of the first one was read.
    plaintext_read: usize,
    /// The peer has said that nothing more will come.
    is_closed: bool,
    /// Why the session is over. rustls is not to look at the bytes that broke it once more.
    failure: Option<Error>,
}

enum End {
    Server(Box<UnbufferedServerConnection>),
    Client(Box<UnbufferedClientConnection>),
}

/// What is to be done once the session can send.
enum Wish<'p> {
    Nothing,
    Encrypt(&'p [u8]),
    Close,
}

/// What one look at the session came to.
enum Step {
    Again,
    PeerClosed,
    /// For the peer, or for us to send something.
    Waits,
}

impl Session {
    /// The gateway's end of a client's connection.
    pub fn server(config: Arc<ServerConfig>) -> Result<Self, Error> {
        let connection = UnbufferedServerConnection::new(config)?;
        Ok(Self::new(End::Server(Box::new(connection))))
    }

    /// The gateway's end of a connection to a target of this name.
    pub fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, Error> {
        let connection = UnbufferedClientConnection::new(config, name)?;
        Ok(Self::new(End::Client(Box::new(connection))))
    }

    fn new(end: End) -> Self {
        let (incoming, plaintext) = (Vec::new(), VecDeque::new());
        Self { end, incoming, plaintext, plaintext_read: 0, is_closed: false, failure: None }
    }

    /// What was negotiated so far.
    #[must_use]
    pub fn facts(&self) -> &CommonState {
        match &self.end {
            End::Server(connection) => connection,
            End::Client(connection) => connection,
        }
    }

    /// Where the peer's bytes are to be appended; [`Session::process`] takes them.
    pub fn incoming(&mut self) -> &mut Vec<u8> {
        &mut self.incoming
    }

    /// Takes what has come, and appends to `out` what is to be sent. After an error `out` holds an
    /// alert for the peer, and the session is over.
    pub fn process(&mut self, out: &mut Vec<u8>) -> Result<(), Error> {
        self.run(&mut Wish::Nothing, out)
    }

    /// Encrypts `plaintext` to the end of `out`. The handshake must be over.
    pub fn encrypt(&mut self, plaintext: &[u8], out: &mut Vec<u8>) -> io::Result<()> {
        let mut wish = Wish::Encrypt(plaintext);
        self.run(&mut wish, out).map_err(io::Error::other)?;
        match wish {
            Wish::Nothing => Ok(()),
            Wish::Encrypt(_) | Wish::Close => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Appends to `out` that nothing more will be sent.
    pub fn close(&mut self, out: &mut Vec<u8>) {
        // Where that cannot be said any more, nobody listens.
        let _ = self.run(&mut Wish::Close, out);
    }

    fn run(&mut self, wish: &mut Wish<'_>, out: &mut Vec<u8>) -> Result<(), Error> {
        if let Some(failure) = &self.failure {
            return Err(failure.clone());
        }
        loop {
            match self.step(wish, out) {
                Ok(Step::Again) => {}
                Ok(Step::PeerClosed) => self.is_closed = true,
                Ok(Step::Waits) => {
                    if self.is_closed {
                        // Nothing that comes behind the end counts (RFC 8446 section 6.1).
                        self.incoming = Vec::new();
                    }
                    return Ok(());
                }
                Err(error) => {
                    self.is_closed = true;
                    self.encode_alert(out);
                    self.incoming = Vec::new();
                    self.failure = Some(error.clone());
                    return Err(error);
                }
            }
        }
    }

    /// Looks at the session once.
    fn step(&mut self, wish: &mut Wish<'_>, out: &mut Vec<u8>) -> Result<Step, Error> {
        // All that is there is passed each time: of a message in pieces, rustls keeps places in it.
        let (discard, step) = match &mut self.end {
            End::Server(connection) => {
                let status = connection.process_tls_records(&mut self.incoming);
                take(status, wish, &mut self.plaintext, out)
            }
            End::Client(connection) => {
                let status = connection.process_tls_records(&mut self.incoming);
                take(status, wish, &mut self.plaintext, out)
            }
        };
        self.discard(discard);
        step
    }

    fn discard(&mut self, count: usize) {
        if count == self.incoming.len() {
            self.incoming = Vec::new(); // a session between records holds no buffer
        } else {
            self.incoming.drain(..count);
        }
    }

    /// After an error, rustls has queued an alert that says why.
    fn encode_alert(&mut self, out: &mut Vec<u8>) {
        while self.facts().wants_write() {
            if !matches!(self.step(&mut Wish::Nothing, out), Ok(Step::Again)) {
                return;
            }
        }
    }

    /// Whether there is plain text to read, or will never be any.
    #[must_use]
    pub fn has_input(&self) -> bool {
        self.is_closed || !self.plaintext.is_empty()
    }

    /// Whether the peer has ended its direction.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// Whether there is no plain text to read, nor will ever be any.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.is_closed && self.plaintext.is_empty()
    }

    /// Moves plain text to the end of `buffer`, at most `bytes_max`; how much.
    pub fn read(&mut self, buffer: &mut Vec<u8>, bytes_max: usize) -> usize {
        let mut left = bytes_max;
        while left > 0
            && let Some(record) = self.plaintext.front()
        {
            let rest = &record[self.plaintext_read..];
            let count = rest.len().min(left);
            buffer.extend_from_slice(&rest[..count]);
            left -= count;
            self.plaintext_read += count;
            if self.plaintext_read == record.len() {
                self.plaintext.pop_front();
                self.plaintext_read = 0;
            }
        }
        if self.plaintext.is_empty() {
            self.plaintext = VecDeque::new();
        }
        bytes_max - left
    }
}

/// Does what the state of a session asks for.
fn take<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    wish: &mut Wish<'_>,
    plaintext: &mut VecDeque<Vec<u8>>,
    out: &mut Vec<u8>,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus { mut discard, state, .. } = status;
    let step = match state {
        Err(error) => Err(error),
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut step = Ok(Step::Again);
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        plaintext.push_back(record.payload.to_vec());
                    }
                    Err(error) => step = Err(error),
                }
            }
            step
        }
        Ok(ConnectionState::EncodeTlsData(mut data)) => {
            encode(out, |space| data.encode(space).map_err(needed_to_encode));
            Ok(Step::Again)
        }
        Ok(ConnectionState::TransmitTlsData(data)) => {
            // It lies in `out`, and is sent before anything else is.
            data.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::WriteTraffic(traffic)) => {
            fulfil(wish, traffic, out);
            Ok(Step::Waits)
        }
        Ok(ConnectionState::PeerClosed) => Ok(Step::PeerClosed),
        // In the handshake, or over. Early data is not offered.
        Ok(_) => Ok(Step::Waits),
    };
    (discard, step)
}

fn fulfil<Data>(wish: &mut Wish<'_>, mut traffic: WriteTraffic<'_, Data>, out: &mut Vec<u8>) {
    match std::mem::replace(wish, Wish::Nothing) {
        Wish::Nothing => {}
        Wish::Encrypt(plaintext) => {
            let records_count = plaintext.len().div_ceil(RECORD_BYTES_MAX).max(1);
            out.reserve(plaintext.len() + records_count * RECORD_OVERHEAD_BYTES);
            encode(out, |space| traffic.encrypt(plaintext, space).map_err(needed_to_encrypt));
        }
        Wish::Close => {
            encode(out, |space| traffic.queue_close_notify(space).map_err(needed_to_encrypt));
        }
    }
}

/// Has `write` write to the end of `out`, with as much space as it asks for.
fn encode(out: &mut Vec<u8>, mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>) {
    let filled = out.len();
    let mut space_bytes = (out.capacity() - filled).max(256);
    loop {
        out.resize(filled + space_bytes, 0);
        match write(&mut out[filled..]) {
            Ok(count) => return out.truncate(filled + count),
            Err(Some(needed_bytes)) if needed_bytes > space_bytes => space_bytes = needed_bytes,
            // There is nothing (more) to be written: it was already, or the keys are worn out.
            Err(_) => return out.truncate(filled),
        }
    }
}

fn needed_to_encode(error: EncodeError) -> Option<usize> {
    match error {
        EncodeError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Some(required_size)
        }
        EncodeError::AlreadyEncoded => None,
    }
}

fn needed_to_encrypt(error: EncryptError) -> Option<usize> {
    match error {
        EncryptError::InsufficientSize(InsufficientSizeError { required_size }) => {
            Some(required_size)
        }
        EncryptError::EncryptExhausted => None,
    }
}

/// The most plain text of one record (RFC 8446 section 5.1).
const RECORD_BYTES_MAX: usize = 16 * 1024;
/// More than head, content type, tag and explicit nonce of a record take together.
const RECORD_OVERHEAD_BYTES: usize = 48;
