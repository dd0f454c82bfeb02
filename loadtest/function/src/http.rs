//! As much of HTTP/1.1 as the Runtime API needs, over one connection that is kept.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

pub(crate) struct Connection(BufReader<TcpStream>);

/// A request or an answer.
#[derive(Debug, Default)]
pub(crate) struct Message {
    pub(crate) first_line: String,
    fields: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Message {
    /// The value of a field, by its name in lower case; empty if it is not there.
    pub(crate) fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(one, _)| one == name).map_or("", |(_, value)| value)
    }
}

impl Connection {
    pub(crate) fn open(address: &str) -> io::Result<Self> {
        Self::of(TcpStream::connect(address)?)
    }

    pub(crate) fn of(stream: TcpStream) -> io::Result<Self> {
        stream.set_nodelay(true)?;
        Ok(Self(BufReader::new(stream)))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.get_mut().write_all(bytes)
    }

    /// Reads a head.
    pub(crate) fn read_head(&mut self) -> io::Result<Message> {
        let mut message = Message::default();
        loop {
            let mut line = String::new();
            if self.0.read_line(&mut line)? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() && !message.first_line.is_empty() {
                return Ok(message);
            }
            match line.split_once(':') {
                Some((name, value)) if !message.first_line.is_empty() => {
                    message.fields.push((name.to_ascii_lowercase(), value.trim().to_owned()))
                }
                _ => message.first_line = line.to_owned(),
            }
        }
    }

    /// Reads a message with its body.
    pub(crate) fn read(&mut self) -> io::Result<Message> {
        let mut message = self.read_head()?;
        while message.field("transfer-encoding") == "chunked" {
            if !self.read_chunk(&mut message.body)? {
                return Ok(message);
            }
        }
        let length = message.field("content-length").parse().unwrap_or(0);
        message.body.resize(length, 0);
        self.0.read_exact(&mut message.body)?;
        Ok(message)
    }

    /// Reads so many bytes and forgets them.
    pub(crate) fn skip(&mut self, length: usize) -> io::Result<()> {
        let mut body = vec![0; length];
        self.0.read_exact(&mut body)
    }

    /// Reads a chunk of a body; false at the end.
    pub(crate) fn read_chunk(&mut self, body: &mut Vec<u8>) -> io::Result<bool> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let length = usize::from_str_radix(line.trim(), 16).map_err(io::Error::other)?;
        let start = body.len();
        body.resize(start + length, 0);
        self.0.read_exact(&mut body[start..])?;
        line.clear();
        self.0.read_line(&mut line)?;
        if length == 0 && !line.trim().is_empty() {
            return Err(io::Error::other("trailers are not read here"));
        }
        Ok(length > 0)
    }
}
