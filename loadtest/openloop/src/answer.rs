//! Reads the answers of one connection, without I/O.

/// Largest head or chunk line that is taken.
const LINE_BYTES_MAX: usize = 256 * 1024;

/// The answer to one request, as far as it has arrived.
#[derive(Debug)]
pub(crate) struct Answer {
    state: State,
    /// A head or a chunk line that arrived in parts.
    partial: Vec<u8>,
    status: u16,
    reusable: bool,
    bodiless: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Head,
    /// So many bytes of body, or of a chunk with its line end where `chunked`.
    Data {
        left: u64,
        chunked: bool,
    },
    ChunkSize,
    Trailer,
    /// A body that the connection's end ends.
    UntilEnd,
}

/// An answer that is whole.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Done {
    pub(crate) status: u16,
    /// Whether the connection takes another request.
    pub(crate) reusable: bool,
}

/// Not an answer, or more than one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

impl Answer {
    /// The next answer; `bodiless` if it answers a HEAD request.
    pub(crate) fn new(bodiless: bool) -> Self {
        Self { state: State::Head, partial: Vec::new(), status: 0, reusable: true, bodiless }
    }

    /// Starts over for the next request.
    pub(crate) fn reset(&mut self) {
        (self.state, self.reusable, self.status) = (State::Head, true, 0);
        self.partial.clear();
    }

    /// Takes what arrived; `Some` when the answer is whole. Bytes beyond its end are an error, as
    /// requests are not pipelined.
    pub(crate) fn take(&mut self, input: &[u8]) -> Result<Option<Done>, Malformed> {
        if self.partial.is_empty() {
            return self.take_whole(input);
        }
        let mut joined = std::mem::take(&mut self.partial);
        joined.extend_from_slice(input);
        self.take_whole(&joined)
    }

    /// The connection has ended; `Some` if that ends the answer well.
    pub(crate) fn end(&self) -> Option<Done> {
        let done = Done { status: self.status, reusable: false };
        (self.state == State::UntilEnd).then_some(done)
    }

    fn take_whole(&mut self, input: &[u8]) -> Result<Option<Done>, Malformed> {
        let mut rest = input;
        loop {
            let (used, done) = match self.state {
                State::Head => self.take_head(rest)?,
                State::Data { left, chunked } => self.take_data(rest, left, chunked),
                State::ChunkSize | State::Trailer => self.take_line(rest)?,
                State::UntilEnd => return Ok(None),
            };
            rest = &rest[used..];
            if done {
                let done = Done { status: self.status, reusable: self.reusable };
                return if rest.is_empty() { Ok(Some(done)) } else { Err(Malformed) };
            }
            if used == 0 {
                self.partial.extend_from_slice(rest);
                let bounded = self.partial.len() <= LINE_BYTES_MAX;
                return if bounded { Ok(None) } else { Err(Malformed) };
            }
        }
    }

    fn take_head(&mut self, input: &[u8]) -> Result<(usize, bool), Malformed> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut headers);
        let Ok(parsed) = response.parse(input) else { return Err(Malformed) };
        let httparse::Status::Complete(bytes) = parsed else { return Ok((0, false)) };
        self.status = response.code.unwrap_or(0);
        if (100..200).contains(&self.status) {
            return if self.status == 101 { Err(Malformed) } else { Ok((bytes, false)) };
        }
        self.reusable = response.version == Some(1);
        self.state = State::UntilEnd;
        for header in response.headers.iter() {
            self.take_header(header)?;
        }
        if self.bodiless || matches!(self.status, 204 | 304) {
            self.state = State::Data { left: 0, chunked: false };
        }
        Ok((bytes, self.state == State::Data { left: 0, chunked: false }))
    }

    fn take_header(&mut self, header: &httparse::Header<'_>) -> Result<(), Malformed> {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).map_err(|_| Malformed)?;
            let left = text.parse().map_err(|_| Malformed)?;
            self.state = State::Data { left, chunked: false };
        } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
            self.state = State::ChunkSize;
        } else if header.name.eq_ignore_ascii_case("connection") {
            self.reusable = !header.value.eq_ignore_ascii_case(b"close");
        }
        Ok(())
    }

    fn take_data(&mut self, input: &[u8], left: u64, chunked: bool) -> (usize, bool) {
        let used = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let left = left - used as u64;
        self.state = match (left, chunked) {
            (0, true) => State::ChunkSize,
            _ => State::Data { left, chunked },
        };
        (used, left == 0 && !chunked)
    }

    fn take_line(&mut self, input: &[u8]) -> Result<(usize, bool), Malformed> {
        let Some(end) = input.iter().position(|byte| *byte == b'\n') else {
            return Ok((0, false));
        };
        let line = input[..end].strip_suffix(b"\r").ok_or(Malformed)?;
        if self.state == State::Trailer {
            return Ok((end + 1, line.is_empty()));
        }
        let digits = line.split(|byte| *byte == b';').next().unwrap_or_default();
        let digits = std::str::from_utf8(digits.trim_ascii()).map_err(|_| Malformed)?;
        self.state = match u64::from_str_radix(digits, 16).map_err(|_| Malformed)? {
            0 => State::Trailer,
            bytes => State::Data { left: bytes.checked_add(2).ok_or(Malformed)?, chunked: true },
        };
        Ok((end + 1, false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: Done = Done { status: 200, reusable: true };

    /// What `input` comes to when it arrives in parts of `step` bytes.
    fn read(input: &str, step: usize, bodiless: bool) -> Result<Option<Done>, Malformed> {
        let mut answer = Answer::new(bodiless);
        let mut last = Ok(None);
        for part in input.as_bytes().chunks(step) {
            assert_eq!(last, Ok(None), "whole before its end: {input}");
            last = answer.take(part);
        }
        last
    }

    #[test]
    fn answers_are_whole_at_their_last_byte_however_they_are_cut() {
        let answers = [
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello",
            "HTTP/1.1 103 Early\r\nlink: a\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\nx",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;a=b\r\nhello\r\nA\r\n0123456789\r\n0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\nx-sum: 1\r\n\r\n",
        ];
        for answer in answers {
            for step in 1..=answer.len() {
                assert_eq!(read(answer, step, false), Ok(Some(GOOD)), "{step}: {answer}");
            }
            assert_eq!(read(&format!("{answer}x"), 999, false), Err(Malformed), "{answer}");
        }
    }

    #[test]
    fn heads_say_whether_there_is_a_body_and_another_request() {
        let closing = Done { status: 503, reusable: false };
        let head = "HTTP/1.1 503 No\r\nconnection: Close\r\ncontent-length: 0\r\n\r\n";
        assert_eq!(read(head, 7, false), Ok(Some(closing)));
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n";
        assert_eq!(read(head, 7, true), Ok(Some(GOOD)));
        let head = "HTTP/1.1 304 Same\r\ncontent-length: 9\r\n\r\n";
        assert_eq!(read(head, 7, false), Ok(Some(Done { status: 304, reusable: true })));
        let mut answer = Answer::new(false);
        assert_eq!(answer.take(b"HTTP/1.0 200 OK\r\n\r\nhello"), Ok(None));
        assert_eq!(answer.end(), Some(Done { status: 200, reusable: false }));
        answer.reset();
        assert_eq!(answer.end(), None, "an answer that did not begin has not ended");
    }

    #[test]
    fn malformed_answers_are_refused() {
        for input in [
            "hello there",
            "HTTP/1.1 200 OK\r\ncontent-length: x\r\n\r\n",
            "HTTP/1.1 101 Switch\r\n\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nffffffffffffffff\r\n",
        ] {
            assert_eq!(read(input, 999, false), Err(Malformed), "{input}");
        }
        let endless = format!("HTTP/1.1 200 OK\r\na: {}", "x".repeat(LINE_BYTES_MAX));
        assert_eq!(read(&endless, 65_536, false), Err(Malformed));
    }
}
