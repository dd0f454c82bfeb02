//! Reads messages as strictly as the scripts write them. What breaks the framing is an error of
//! kind `InvalidData`; the end of the stream within a message is `UnexpectedEof`.

use std::io::{self, BufRead, ErrorKind};
use std::time::Duration;

/// Nothing that works takes as long; turns a run that would hang into one that fails.
pub(crate) const HANG_GUARD: Duration = Duration::from_secs(60);

#[derive(Clone, Debug, Default)]
pub(crate) struct Message {
    /// Lines without their ends, the empty line left out.
    pub(crate) head: Vec<String>,
    pub(crate) body: Vec<u8>,
    /// The body ended with the connection.
    pub(crate) ended_with_connection: bool,
}

/// What a message without framing fields has for a body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Length {
    /// Nothing: a request.
    Nothing,
    /// All to the end of the connection: an answer.
    ToTheEnd,
}

impl Message {
    pub(crate) fn read_head(input: &mut impl BufRead) -> io::Result<Self> {
        let mut head = Vec::new();
        loop {
            let line = read_line(input, head.is_empty())?;
            if line.is_empty() {
                return Ok(Self { head, ..Self::default() });
            }
            head.push(line);
        }
    }

    pub(crate) fn read_body(&mut self, input: &mut impl BufRead, or: Length) -> io::Result<()> {
        if let Some(length) = self.field("content-length") {
            let length = length.parse().map_err(invalid)?;
            self.body.resize(length, 0);
            return input.read_exact(&mut self.body);
        }
        if self.field("transfer-encoding").is_some() {
            return self.read_chunks(input);
        }
        if or == Length::ToTheEnd {
            self.ended_with_connection = true;
            input.read_to_end(&mut self.body)?;
        }
        Ok(())
    }

    fn read_chunks(&mut self, input: &mut impl BufRead) -> io::Result<()> {
        loop {
            let size = usize::from_str_radix(&read_line(input, false)?, 16).map_err(invalid)?;
            let start = self.body.len();
            self.body.resize(start + size, 0);
            input.read_exact(&mut self.body[start..])?;
            if !read_line(input, false)?.is_empty() {
                return Err(invalid("no end of a chunk"));
            }
            if size == 0 {
                return Ok(());
            }
        }
    }

    /// Request line or status line.
    pub(crate) fn line(&self) -> &str {
        self.head.first().map_or("", String::as_str)
    }

    pub(crate) fn status(&self) -> u16 {
        let status = self.line().split(' ').nth(1);
        status.and_then(|status| status.parse().ok()).unwrap_or(0)
    }

    pub(crate) fn field(&self, name: &str) -> Option<&str> {
        self.head.iter().skip(1).find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

/// A line without its CRLF. An end of the stream in front of a message is `ConnectionAborted`.
fn read_line(input: &mut impl BufRead, is_first: bool) -> io::Result<String> {
    let mut line = Vec::new();
    let count = input.read_until(b'\n', &mut line)?;
    if count == 0 && is_first {
        return Err(ErrorKind::ConnectionAborted.into());
    }
    if !line.ends_with(b"\n") {
        return Err(ErrorKind::UnexpectedEof.into());
    }
    let line = line.strip_suffix(b"\r\n").ok_or_else(|| invalid("no CRLF"))?;
    String::from_utf8(line.to_vec()).map_err(invalid)
}

fn invalid(error: impl ToString) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, error.to_string())
}
