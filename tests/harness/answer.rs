//! An answer as a client reads it, framing taken apart.

use std::io::{self, BufRead, Read as _};

/// One answer; an interim one (1xx) is an answer without a body.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Answer {
    pub status: u16,
    /// Status line and headers as they came, without the empty line.
    pub head: String,
    /// Names in lower case, in order.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    /// Behind the last chunk.
    pub trailers: Vec<(String, String)>,
}

impl Answer {
    /// Reads one; `method` is that of the request.
    pub fn read(input: &mut impl BufRead, method: &str) -> io::Result<Self> {
        let mut answer = Self::read_head(input)?;
        let no_body = matches!(answer.status, 100..=199 | 204 | 304) || method == "HEAD";
        if no_body {
            return Ok(answer);
        }
        if let Some(coding) = answer.header("transfer-encoding") {
            assert_eq!(coding, "chunked");
            assert_eq!(answer.header("content-length"), None, "{}", answer.head);
            (answer.body, answer.trailers) = read_chunks(input)?;
        } else if let Some(length) = answer.header("content-length") {
            let length: usize = length.parse().expect("a length");
            answer.body.resize(length, 0);
            input.read_exact(&mut answer.body)?;
        } else {
            input.read_to_end(&mut answer.body)?;
        }
        Ok(answer)
    }

    /// Reads the head alone.
    pub fn read_head(input: &mut impl BufRead) -> io::Result<Self> {
        let head = read_head(input)?;
        let mut lines = head.split("\r\n");
        let status_line = lines.next().unwrap_or_default();
        assert!(status_line.starts_with("HTTP/1.1 "), "no answer: {head:?}");
        let status = status_line[9..12].parse().expect("a status");
        let headers = fields(lines);
        Ok(Self { status, headers, head, ..Self::default() })
    }

    /// The value of the header of this name (in lower case).
    ///
    /// # Panics
    ///
    /// If there is more than one.
    pub fn header(&self, name: &str) -> Option<&str> {
        let values = self.values(name);
        assert!(values.len() < 2, "{name} more than once: {}", self.head);
        values.first().copied()
    }

    /// All values of the header of this name.
    pub fn values(&self, name: &str) -> Vec<&str> {
        let named = self.headers.iter().filter(|(own, _)| own == name);
        named.map(|(_, value)| value.as_str()).collect()
    }

    /// The body as text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// Whether it is that of a place where no API is served. Which of the three AWS gives is `[K]`, and
    /// 421 is this gateway's own answer to a host that it does not know.
    pub fn is_of_no_api(&self) -> bool {
        matches!(self.status, 403 | 404 | 421)
    }

    /// Whether it says that the connection ends.
    pub fn says_close(&self) -> bool {
        self.values("connection").iter().any(|value| value.eq_ignore_ascii_case("close"))
    }
}

/// Reads a message head, to its empty line, which it leaves out.
pub(super) fn read_head(input: &mut impl BufRead) -> io::Result<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        if input.read_until(b'\n', &mut head)? == 0 {
            let text = String::from_utf8_lossy(&head).into_owned();
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("in {text:?}")));
        }
    }
    head.truncate(head.len() - 4);
    Ok(String::from_utf8(head).expect("a head of text"))
}

pub(super) fn fields<'l>(lines: impl Iterator<Item = &'l str>) -> Vec<(String, String)> {
    let split = |line: &str| {
        let (name, value) = line.split_once(':').unwrap_or_else(|| panic!("no field: {line:?}"));
        (name.to_ascii_lowercase(), value.trim().to_owned())
    };
    lines.map(split).collect()
}

type Fields = Vec<(String, String)>;

/// Reads a chunked body with its trailers, as strictly as RFC 9112 section 7.1.
pub(super) fn read_chunks(input: &mut impl BufRead) -> io::Result<(Vec<u8>, Fields)> {
    let mut body = Vec::new();
    loop {
        let line = read_line(input)?;
        let bytes = usize::from_str_radix(&line, 16).expect("a chunk size");
        if bytes == 0 {
            break;
        }
        let start = body.len();
        body.resize(start + bytes, 0);
        input.read_exact(&mut body[start..])?;
        assert_eq!(read_line(input)?, "", "behind a chunk");
    }
    let mut trailers = Vec::new();
    loop {
        let line = read_line(input)?;
        if line.is_empty() {
            return Ok((body, fields(trailers.iter().map(String::as_str))));
        }
        trailers.push(line);
    }
}

fn read_line(input: &mut impl BufRead) -> io::Result<String> {
    let mut line = Vec::new();
    if input.read_until(b'\n', &mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let line = String::from_utf8(line).expect("text");
    Ok(line.strip_suffix("\r\n").expect("CRLF").to_owned())
}
