//! Writes answers: one method per kind that a path may ask for.

use std::io::{self, Write as _};
use std::sync::LazyLock;
use std::time::Duration;

use super::body::Body;
use super::connection::{Connection, Next, OUTPUT_BYTES_MAX};
use super::head::{Head, Refusal};
use super::malformed::{After, Malformed};
use super::path::{self, Answer, FIXED_BYTES};
use super::pattern;
use crate::{rt, sys};

/// The answer to a plain request, whole.
static FIXED: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let mut answer = Vec::new();
    write_head(&mut answer, 200, "", Framing::Length(FIXED_BYTES as u64), Persistence::Silent);
    pattern::append(&mut answer, FIXED_BYTES);
    answer
});

/// How the end of a body is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Framing {
    Length(u64),
    Chunked,
    /// By the connection's end, or there is none.
    Silent,
}

/// What is said about the connection.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Persistence {
    Silent,
    KeepAlive,
    Close,
}

impl Connection {
    /// Answers a request whose head lies at the front of the input.
    pub(super) async fn answer(&mut self, head: &Head) -> io::Result<Next> {
        let received = match head.answer {
            Answer::Headers => self.waiting()[..head.bytes].to_vec(),
            _ => Vec::new(),
        };
        self.consume(head.bytes);
        match head.answer {
            Answer::Close => return Ok(Next::Break(())),
            Answer::Reset => {
                sys::reset_on_close(self.stream.raw_fd());
                return Ok(Next::Break(()));
            }
            Answer::EarlyClose(status) => {
                return Ok(self.begin_closing(status, "", Framing::Length(0)));
            }
            Answer::Early(status) => return self.early(head, status).await,
            Answer::Echo => return self.echo(head).await,
            Answer::Upgrade { farewell_bytes } => return self.upgrade(head, farewell_bytes).await,
            _ => {}
        }
        let body_bytes = self.read_body(head).await?;
        let next = match head.answer {
            Answer::Count => self.text(head, 200, body_bytes.to_string().as_bytes()),
            Answer::Headers => self.text(head, 200, &received),
            Answer::Address => self.text(head, 200, self.address.to_string().as_bytes()),
            Answer::Paths => self.text(head, 200, path::list().as_bytes()),
            Answer::Mistake(why) => self.text(head, 400, format!("{why}\n").as_bytes()),
            Answer::Status(status) => self.status(head, status),
            Answer::Trailers => self.trailers(head),
            Answer::Bytes(bytes) => self.bytes(head, bytes).await?,
            Answer::Chunked { count, bytes } => self.chunks(head, count, bytes).await?,
            Answer::Slow { bytes, milliseconds } => self.slow(head, bytes, milliseconds).await?,
            Answer::UntilClose(bytes) => self.until_close(head, bytes).await?,
            Answer::Interim(count) => self.interim(head, count).await?,
            Answer::Delay { milliseconds } => self.delay(head, milliseconds).await?,
            Answer::DribbleHead { milliseconds } => self.dribble_head(head, milliseconds).await?,
            Answer::Bad(malformed) => self.bad(head, malformed),
            _ => self.bytes(head, FIXED_BYTES as u64).await?,
        };
        Ok(next)
    }

    /// The answer to a plain request.
    pub(super) fn answer_fixed(&mut self) {
        self.output.extend_from_slice(&FIXED);
    }

    /// The answer to what cannot be understood. The connection is to be closed then.
    pub(super) fn answer_refusal(&mut self, refusal: Refusal) {
        let text = format!("{}\n", refusal.why);
        let framing = Framing::Length(text.len() as u64);
        write_head(&mut self.output, refusal.status, "", framing, Persistence::Close);
        self.output.extend_from_slice(text.as_bytes());
    }

    /// Invites the body if the client waits for that, and reads it.
    async fn read_body(&mut self, head: &Head) -> io::Result<u64> {
        self.invite(head);
        let mut body = head.body;
        self.drain(&mut body).await
    }

    fn invite(&mut self, head: &Head) {
        if head.expects_continue && head.body != Body::NONE && self.waiting().is_empty() {
            self.output.extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
    }

    async fn early(&mut self, head: &Head, status: u16) -> io::Result<Next> {
        let (next, mut body) = (self.status(head, status), head.body);
        self.flush().await?;
        self.drain(&mut body).await?;
        Ok(next)
    }

    /// Sends the body back while it arrives, framed as it came. The client must read while it
    /// sends: this holds no more than one buffer of it.
    async fn echo(&mut self, head: &Head) -> io::Result<Next> {
        self.invite(head);
        let mut body = head.body;
        let (framing, chunked) = match body {
            Body::Length(bytes) => (Framing::Length(bytes), false),
            Body::Chunked(_) if head.old => (Framing::Silent, false),
            Body::Chunked(_) => (Framing::Chunked, true),
        };
        let next = self.begin(head, 200, "", framing);
        if head.bodiless {
            self.drain(&mut body).await?;
            return Ok(next);
        }
        while let Some(bytes) = self.next_data(&mut body).await? {
            if chunked {
                write_size(&mut self.output, bytes as u64);
            }
            self.pass(bytes);
            if chunked {
                self.output.extend_from_slice(b"\r\n");
            }
            self.flush_if_full().await?;
        }
        if chunked {
            self.output.extend_from_slice(b"0\r\n\r\n");
        }
        Ok(next)
    }

    fn text(&mut self, head: &Head, status: u16, text: &[u8]) -> Next {
        let next = self.begin(head, status, "", Framing::Length(text.len() as u64));
        if !head.bodiless {
            self.output.extend_from_slice(text);
        }
        next
    }

    fn status(&mut self, head: &Head, status: u16) -> Next {
        match status {
            204 | 304 => self.begin(head, status, "", Framing::Silent),
            205 => self.begin(head, status, "", Framing::Length(0)),
            _ => self.text(head, status, format!("status {status}\n").as_bytes()),
        }
    }

    async fn bytes(&mut self, head: &Head, bytes: u64) -> io::Result<Next> {
        let next = self.begin(head, 200, "", Framing::Length(bytes));
        if !head.bodiless {
            self.pattern(bytes).await?;
        }
        Ok(next)
    }

    async fn delay(&mut self, head: &Head, milliseconds: u64) -> io::Result<Next> {
        self.wait(milliseconds).await?;
        self.bytes(head, FIXED_BYTES as u64).await
    }

    async fn until_close(&mut self, head: &Head, bytes: u64) -> io::Result<Next> {
        self.output.extend_from_slice(b"HTTP/1.0 200 OK\r\ncontent-type: text/plain\r\n\r\n");
        if !head.bodiless {
            self.pattern(bytes).await?;
        }
        Ok(Next::Break(()))
    }

    async fn chunks(&mut self, head: &Head, count: u64, bytes: u64) -> io::Result<Next> {
        let chunked = !head.old;
        let framing = if chunked { Framing::Chunked } else { Framing::Silent };
        let next = self.begin(head, 200, "", framing);
        if head.bodiless {
            return Ok(next);
        }
        for _ in 0..count {
            if chunked {
                write_size(&mut self.output, bytes);
            }
            self.pattern(bytes).await?;
            if chunked {
                self.output.extend_from_slice(b"\r\n");
            }
        }
        if chunked {
            self.output.extend_from_slice(b"0\r\n\r\n");
        }
        Ok(next)
    }

    fn trailers(&mut self, head: &Head) -> Next {
        let framing = if head.old { Framing::Silent } else { Framing::Chunked };
        let next = self.begin(head, 200, "trailer: x-sum, x-last\r\n", framing);
        if !head.bodiless {
            self.append(!head.old, b"hello, ");
            self.append(!head.old, b"trailers\n");
            if !head.old {
                self.output.extend_from_slice(b"0\r\nx-sum: 16\r\nx-last: yes\r\n\r\n");
            }
        }
        next
    }

    async fn slow(&mut self, head: &Head, bytes: u64, milliseconds: u64) -> io::Result<Next> {
        let next = self.begin(head, 200, "", Framing::Length(bytes));
        for index in 0..if head.bodiless { 0 } else { bytes } {
            self.wait(milliseconds).await?;
            self.output.push(pattern::BLOCK[(index % 26) as usize]);
        }
        Ok(next)
    }

    async fn dribble_head(&mut self, head: &Head, milliseconds: u64) -> io::Result<Next> {
        // What pipelined requests before this one got must not dribble too.
        self.flush().await?;
        let next = self.begin(head, 200, "", Framing::Length(FIXED_BYTES as u64));
        let answer = std::mem::take(&mut self.output);
        for byte in answer {
            self.output.push(byte);
            self.wait(milliseconds).await?;
        }
        if !head.bodiless {
            self.pattern(FIXED_BYTES as u64).await?;
        }
        Ok(next)
    }

    async fn interim(&mut self, head: &Head, count: u64) -> io::Result<Next> {
        for index in 0..if head.old { 0 } else { count } {
            // Writing to a vector does not fail.
            let _ = write!(
                self.output,
                "HTTP/1.1 103 Early Hints\r\nlink: </style-{index}.css>; rel=preload\r\n\r\n"
            );
            self.flush_if_full().await?;
        }
        self.flush().await?;
        self.bytes(head, FIXED_BYTES as u64).await
    }

    async fn upgrade(&mut self, head: &Head, farewell_bytes: u64) -> io::Result<Next> {
        self.read_body(head).await?;
        let Some(protocol) = &head.upgrade else {
            let fields = "upgrade: echo\r\n";
            return Ok(self.begin(head, 426, fields, Framing::Length(0)));
        };
        let front: &[u8] = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: ";
        for part in [front, protocol, b"\r\n\r\n"] {
            self.output.extend_from_slice(part);
        }
        loop {
            self.pass(self.waiting().len());
            if self.read_more().await? == 0 {
                break;
            }
        }
        self.pattern(farewell_bytes).await?;
        Ok(Next::Break(()))
    }

    fn bad(&mut self, head: &Head, malformed: &Malformed) -> Next {
        self.output.extend_from_slice(malformed.bytes);
        let keep = head.keep_alive && malformed.after == After::Keep;
        if keep { Next::Continue(()) } else { Next::Break(()) }
    }

    /// Sends `bytes` of the pattern. Of many, all blocks but the first are one buffer written
    /// again and again, so that a large body costs the backend next to no copying of its own.
    async fn pattern(&mut self, bytes: u64) -> io::Result<()> {
        let block_bytes = pattern::BLOCK_BYTES as u64;
        pattern::append(&mut self.output, bytes.min(block_bytes) as usize);
        self.flush_if_full().await?;
        let mut left = bytes.saturating_sub(block_bytes);
        if left == 0 {
            return Ok(());
        }
        self.flush().await?;
        let mut block = pattern::BLOCK.to_vec();
        while left > 0 {
            block.truncate(left.min(block_bytes) as usize);
            left -= block.len() as u64;
            let (result, written) = self.stream.write_all(block, 0).await;
            result?;
            block = written;
        }
        Ok(())
    }

    fn append(&mut self, chunked: bool, data: &[u8]) {
        if chunked {
            write_size(&mut self.output, data.len() as u64);
        }
        self.output.extend_from_slice(data);
        if chunked {
            self.output.extend_from_slice(b"\r\n");
        }
    }

    async fn flush_if_full(&mut self) -> io::Result<()> {
        if self.output.len() >= OUTPUT_BYTES_MAX { self.flush().await } else { Ok(()) }
    }

    async fn wait(&mut self, milliseconds: u64) -> io::Result<()> {
        self.flush().await?;
        rt::sleep(Duration::from_millis(milliseconds)).await;
        Ok(())
    }

    /// Writes the head of an answer; says whether the connection may go on after it.
    fn begin(&mut self, head: &Head, status: u16, fields: &str, framing: Framing) -> Next {
        let endless = framing == Framing::Silent && !head.bodiless && !matches!(status, 204 | 304);
        if !head.keep_alive || endless {
            return self.begin_closing(status, fields, framing);
        }
        let persistence = if head.old { Persistence::KeepAlive } else { Persistence::Silent };
        write_head(&mut self.output, status, fields, framing, persistence);
        Next::Continue(())
    }

    fn begin_closing(&mut self, status: u16, fields: &str, framing: Framing) -> Next {
        write_head(&mut self.output, status, fields, framing, Persistence::Close);
        Next::Break(())
    }
}

fn write_head(
    output: &mut Vec<u8>,
    status: u16,
    fields: &str,
    framing: Framing,
    persistence: Persistence,
) {
    // Writing to a vector does not fail.
    let _ = write!(output, "HTTP/1.1 {status} {}\r\n", reason(status));
    if framing != Framing::Silent || !matches!(status, 204 | 304) {
        output.extend_from_slice(b"content-type: text/plain\r\n");
    }
    let _ = match framing {
        Framing::Length(bytes) => write!(output, "content-length: {bytes}\r\n"),
        Framing::Chunked => write!(output, "transfer-encoding: chunked\r\n"),
        Framing::Silent => Ok(()),
    };
    output.extend_from_slice(match persistence {
        Persistence::Silent => b"",
        Persistence::KeepAlive => b"connection: keep-alive\r\n",
        Persistence::Close => b"connection: close\r\n",
    });
    output.extend_from_slice(fields.as_bytes());
    output.extend_from_slice(b"\r\n");
}

fn write_size(output: &mut Vec<u8>, bytes: u64) {
    let _ = write!(output, "{bytes:x}\r\n");
}

/// A reason phrase for the statuses that are asked for most; nobody reads it.
fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        204 => "No Content",
        304 => "Not Modified",
        400 => "Bad Request",
        404 => "Not Found",
        426 => "Upgrade Required",
        500 => "Internal Server Error",
        503 => "Service Unavailable",
        _ => "Status",
    }
}
