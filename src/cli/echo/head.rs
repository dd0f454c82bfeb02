//! Request heads, as far as a test backend must know them.

use std::mem::MaybeUninit;

use super::body::Body;
use super::path::Answer;

/// Largest head that is taken.
pub(super) const HEAD_BYTES_MAX: usize = 256 * 1024;

const HEADERS_COUNT_MAX: usize = 256;

/// What of a request's head decides how it is answered.
#[derive(Debug)]
pub(super) struct Head {
    /// Length of the head, the blank line included.
    pub(super) bytes: usize,
    /// What the path asks for.
    pub(super) answer: Answer,
    /// HEAD: the answer is sent without its body.
    pub(super) bodiless: bool,
    /// HTTP/1.0: no chunks, no interim answers.
    pub(super) old: bool,
    /// Whether the connection stays open after the answer.
    pub(super) keep_alive: bool,
    /// Framing of the request's body.
    pub(super) body: Body,
    /// The client waits for 100 before it sends the body.
    pub(super) expects_continue: bool,
    /// The value of `Upgrade`, where `Connection` names it.
    pub(super) upgrade: Option<Box<[u8]>>,
}

/// Why a head is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: u16,
    pub(super) why: &'static str,
}

impl Head {
    /// Reads the head at the front of `input`; `None` if it is not whole yet.
    pub(super) fn parse(input: &[u8]) -> Result<Option<Self>, Refusal> {
        let mut headers = [const { MaybeUninit::uninit() }; HEADERS_COUNT_MAX];
        let mut request = httparse::Request::new(&mut []);
        let bytes = match request.parse_with_uninit_headers(input, &mut headers) {
            Ok(httparse::Status::Complete(bytes)) => bytes,
            Ok(httparse::Status::Partial) if input.len() < HEAD_BYTES_MAX => return Ok(None),
            Ok(httparse::Status::Partial) => return refuse(431, "the head is too large"),
            Err(httparse::Error::TooManyHeaders) => return refuse(431, "too many headers"),
            Err(_) => return refuse(400, "the head is malformed"),
        };
        let old = request.version == Some(0);
        let mut fields = Fields { keep_alive: !old, ..Fields::default() };
        for header in request.headers.iter() {
            fields.read(header.name, header.value)?;
        }
        if fields.chunked && fields.length.is_some() {
            return refuse(400, "both content-length and transfer-encoding");
        }
        Ok(Some(Self {
            bytes,
            answer: Answer::of(request.path.unwrap_or_default().as_bytes()),
            bodiless: request.method == Some("HEAD"),
            old,
            keep_alive: fields.keep_alive,
            body: if fields.chunked {
                Body::CHUNKED
            } else {
                Body::Length(fields.length.unwrap_or(0))
            },
            expects_continue: fields.expects_continue && !old,
            upgrade: fields.protocol.filter(|_| fields.upgrade && !old),
        }))
    }
}

#[derive(Default)]
struct Fields {
    keep_alive: bool,
    length: Option<u64>,
    chunked: bool,
    expects_continue: bool,
    upgrade: bool,
    protocol: Option<Box<[u8]>>,
}

impl Fields {
    /// Reads one header. The length decides first: most headers are looked at no further.
    fn read(&mut self, name: &str, value: &[u8]) -> Result<(), Refusal> {
        match name.len() {
            6 if name.eq_ignore_ascii_case("expect") => {
                self.expects_continue = value.eq_ignore_ascii_case(b"100-continue");
            }
            7 if name.eq_ignore_ascii_case("upgrade") => self.protocol = Some(value.into()),
            10 if name.eq_ignore_ascii_case("connection") => self.read_connection(value),
            14 if name.eq_ignore_ascii_case("content-length") => {
                let Some(length) = parse_length(value).filter(|_| self.length.is_none()) else {
                    return refuse(400, "content-length is no number, or is given twice");
                };
                self.length = Some(length);
            }
            17 if name.eq_ignore_ascii_case("transfer-encoding") => {
                if self.chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return refuse(501, "no transfer-encoding but chunked is known");
                }
                self.chunked = true;
            }
            _ => {}
        }
        Ok(())
    }

    fn read_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if option.eq_ignore_ascii_case(b"close") {
                self.keep_alive = false;
            } else if option.eq_ignore_ascii_case(b"keep-alive") {
                self.keep_alive = true;
            } else if option.eq_ignore_ascii_case(b"upgrade") {
                self.upgrade = true;
            }
        }
    }
}

fn refuse<T>(status: u16, why: &'static str) -> Result<T, Refusal> {
    Err(Refusal { status, why })
}

fn parse_length(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(input: &str) -> Result<Option<Head>, Refusal> {
        Head::parse(input.as_bytes())
    }

    fn whole(input: &str) -> Head {
        parse(input).expect("a good head").expect("a whole head")
    }

    #[test]
    fn a_head_says_how_to_answer_it() {
        let head = whole("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!((head.bytes, head.answer), (51, Answer::Echo));
        assert_eq!(head.body, Body::Length(5));
        assert!(head.keep_alive && !head.old && !head.bodiless && !head.expects_continue);
        let head = whole("HEAD / HTTP/1.0\r\n\r\n");
        assert!(!head.keep_alive && head.old && head.bodiless);
        let head = whole("GET / HTTP/1.0\r\nconnection: Keep-Alive\r\n\r\n");
        assert!(head.keep_alive && head.old);
        let head = whole("GET / HTTP/1.1\r\nconnection: te, close\r\n\r\n");
        assert!(!head.keep_alive);
        let head =
            whole("PUT / HTTP/1.1\r\nexpect: 100-Continue\r\ntransfer-encoding: Chunked\r\n\r\n");
        assert!(head.expects_continue && head.body == Body::CHUNKED);
    }

    #[test]
    fn an_upgrade_needs_both_headers() {
        let both = whole("GET / HTTP/1.1\r\nconnection: Upgrade\r\nupgrade: echo\r\n\r\n");
        assert_eq!(both.upgrade.as_deref(), Some(b"echo".as_slice()));
        assert_eq!(whole("GET / HTTP/1.1\r\nupgrade: echo\r\n\r\n").upgrade, None);
        assert_eq!(whole("GET / HTTP/1.1\r\nconnection: upgrade\r\n\r\n").upgrade, None);
    }

    #[test]
    fn a_cut_head_waits_for_more() {
        let head = "GET /bytes/7 HTTP/1.1\r\nHost: a\r\n\r\n";
        for end in 0..head.len() {
            assert!(parse(&head[..end]).expect("cut, not bad").is_none(), "{end}");
        }
        assert_eq!(whole(head).bytes, head.len());
    }

    #[test]
    fn what_is_malformed_is_refused() {
        let cases = [
            (400, "GET\r\n\r\n"),
            (400, "GET / HTTP/2.0\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\nno colon\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\ncontent-length: 5\r\ncontent-length: 5\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\ncontent-length: +5\r\n\r\n"),
            (400, "GET / HTTP/1.1\r\ncontent-length: \r\n\r\n"),
            (400, "GET / HTTP/1.1\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"),
            (501, "GET / HTTP/1.1\r\ntransfer-encoding: gzip\r\n\r\n"),
            (501, "GET / HTTP/1.1\r\ntransfer-encoding: chunked, chunked\r\n\r\n"),
        ];
        for (status, input) in cases {
            assert_eq!(parse(input).expect_err(input).status, status, "{input}");
        }
    }

    #[test]
    fn the_bounds_of_a_head_hold() {
        for (count, good) in [(HEADERS_COUNT_MAX, true), (HEADERS_COUNT_MAX + 1, false)] {
            let input = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(count));
            assert_eq!(parse(&input).is_ok(), good, "{count}");
        }
        for (bytes, good) in [(HEAD_BYTES_MAX - 1, true), (HEAD_BYTES_MAX, false)] {
            let mut input = "GET / HTTP/1.1\r\na: ".to_owned();
            input.push_str(&"x".repeat(bytes - input.len()));
            assert_eq!(parse(&input).is_ok(), good, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_end_without_a_panic(input in prop::collection::vec(any::<u8>(), 0..400)) {
            let _ = Head::parse(&input);
        }
    }
}
