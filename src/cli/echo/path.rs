//! Which answer the path of a request asks for.

use std::fmt::Write as _;

use super::malformed::{self, Malformed};

/// What to answer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Answer {
    /// A body of [`FIXED_BYTES`].
    Fixed,
    /// A body of so many bytes.
    Bytes(u64),
    /// The request's body, sent back while it arrives.
    Echo,
    /// How many bytes the request's body had.
    Count,
    /// The request's head as it was received.
    Headers,
    /// The address that this backend listens on.
    Address,
    /// The list of paths.
    Paths,
    /// The fixed body, so much later.
    Delay { milliseconds: u64 },
    /// Chunks.
    Chunked { count: u64, bytes: u64 },
    /// A status and a line of text.
    Status(u16),
    /// A status, before the request's body has been read.
    Early(u16),
    /// The same, and the connection ends with the body unread.
    EarlyClose(u16),
    /// No answer: the connection ends.
    Close,
    /// No answer: the connection is reset.
    Reset,
    /// A body, byte by byte.
    Slow { bytes: u64, milliseconds: u64 },
    /// A head, byte by byte.
    DribbleHead { milliseconds: u64 },
    /// A body without length, ended by the connection's end.
    UntilClose(u64),
    /// Chunks and a trailer section.
    Trailers,
    /// So many interim answers before the fixed one.
    Interim(u64),
    /// Another protocol: bytes are sent back until the client ends, then so many more.
    Upgrade { farewell_bytes: u64 },
    /// An answer that no server should give.
    Bad(&'static Malformed),
    /// A path that lacks something, and what.
    Mistake(&'static str),
}

/// Size of the fixed body.
pub(super) const FIXED_BYTES: usize = 256;

const MILLISECONDS_MAX: u64 = 3_600_000;

/// The paths and what they give, as `/paths` lists them.
const PATHS: &[(&str, &str)] = &[
    ("/", "256 bytes; so does every path that is not listed here"),
    ("/bytes/{n}", "a body of n bytes"),
    ("/echo", "the request's body, sent back while it arrives"),
    ("/count", "how many bytes the request's body had"),
    ("/headers", "the request's head as it was received"),
    ("/address", "the address that this backend listens on"),
    ("/paths", "this list"),
    ("/delay/{ms}", "the fixed body after a delay"),
    ("/chunked/{n}/{size}", "n chunks of so many bytes each"),
    ("/status/{code}", "an answer with that status, 200 to 599"),
    ("/early/{code}", "an answer before the request's body is read; the body is read then"),
    ("/early-close/{code}", "the same, and the connection ends with the body unread"),
    ("/close", "no answer, the connection ends"),
    ("/reset", "no answer, the connection is reset"),
    ("/slow/{n}/{ms}", "a body of n bytes, one byte each ms"),
    ("/dribble-head/{ms}", "the fixed answer, its head byte by byte each ms (10 if not given)"),
    ("/until-close/{n}", "HTTP/1.0, n bytes without a length, ended by the connection's end"),
    ("/trailers", "chunks and trailer fields"),
    ("/interim/{n}", "n answers with status 103 first"),
    (
        "/upgrade/{n}",
        "101, then bytes are sent back; after the client's end n more (0 if not given)",
    ),
    ("/bad/{name}", "malformed answers:"),
];

impl Answer {
    /// The answer that `target` asks for. Query and authority do not count.
    pub(super) fn of(target: &[u8]) -> Self {
        if target == b"/" {
            return Self::Fixed;
        }
        let mut segments = path_of(target).split(|byte| *byte == b'/').skip(1);
        let name = segments.next().unwrap_or_default();
        let (first, second) = (segments.next(), segments.next());
        if segments.next().is_some() {
            return Self::Fixed;
        }
        match (name, first, second) {
            (b"bytes", Some(n), None) => number(n, u64::MAX).map(Self::Bytes),
            (b"delay", Some(ms), None) => {
                number(ms, MILLISECONDS_MAX).map(|milliseconds| Self::Delay { milliseconds })
            }
            (b"chunked", Some(n), Some(size)) => chunks(n, size),
            (b"slow", Some(n), Some(ms)) => slow(n, ms),
            (b"status", Some(code), None) => status(code).map(Self::Status),
            (b"early", Some(code), None) => status(code).map(Self::Early),
            (b"early-close", Some(code), None) => status(code).map(Self::EarlyClose),
            (b"until-close", Some(n), None) => number(n, u64::MAX).map(Self::UntilClose),
            (b"interim", Some(n), None) => number(n, 1_000_000).map(Self::Interim),
            (b"dribble-head", ms, None) => number(ms.unwrap_or(b"10"), MILLISECONDS_MAX)
                .map(|milliseconds| Self::DribbleHead { milliseconds }),
            (b"upgrade", n, None) => number(n.unwrap_or(b"0"), u64::MAX)
                .map(|farewell_bytes| Self::Upgrade { farewell_bytes }),
            (b"bad", Some(name), None) => malformed::find(name)
                .map(Self::Bad)
                .ok_or("no malformed answer has this name: see /paths"),
            (_, None, None) => Ok(Self::of_name(name)),
            _ => Ok(Self::Fixed),
        }
        .unwrap_or_else(Self::Mistake)
    }

    fn of_name(name: &[u8]) -> Self {
        match name {
            b"echo" => Self::Echo,
            b"count" => Self::Count,
            b"headers" => Self::Headers,
            b"address" => Self::Address,
            b"paths" => Self::Paths,
            b"close" => Self::Close,
            b"reset" => Self::Reset,
            b"trailers" => Self::Trailers,
            _ => Self::Fixed,
        }
    }
}

/// The list of paths, for people.
pub(super) fn list() -> String {
    let mut text = String::new();
    for (path, what) in PATHS {
        // Writing to a string does not fail.
        let _ = writeln!(text, "{path:22} {what}");
    }
    for malformed in malformed::TABLE {
        let _ = writeln!(text, "  /bad/{:16} {}", malformed.name, malformed.what);
    }
    text
}

/// The path of a target in origin or absolute form.
fn path_of(target: &[u8]) -> &[u8] {
    let mut path = target;
    if !path.starts_with(b"/") {
        let authority = path.windows(3).position(|at| at == b"://").map_or(0, |at| at + 3);
        path = &path[authority..];
        path = &path[path.iter().position(|byte| *byte == b'/').unwrap_or(path.len())..];
    }
    &path[..path.iter().position(|byte| matches!(byte, b'?' | b'#')).unwrap_or(path.len())]
}

fn number(digits: &[u8], max: u64) -> Result<u64, &'static str> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return Err("a number is expected in this path");
    }
    let value = std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok());
    value.filter(|value| *value <= max).ok_or("a number in this path is too large")
}

fn status(code: &[u8]) -> Result<u16, &'static str> {
    let code = number(code, 599)?;
    let code = u16::try_from(code).ok().filter(|code| *code >= 200);
    code.ok_or("a status of 200 to 599 is expected in this path")
}

fn chunks(count: &[u8], bytes: &[u8]) -> Result<Answer, &'static str> {
    let (count, bytes) = (number(count, u64::MAX)?, number(bytes, 1 << 30)?);
    if bytes == 0 {
        return Err("a chunk has one byte at least");
    }
    Ok(Answer::Chunked { count, bytes })
}

fn slow(bytes: &[u8], milliseconds: &[u8]) -> Result<Answer, &'static str> {
    let bytes = number(bytes, u64::MAX)?;
    Ok(Answer::Slow { bytes, milliseconds: number(milliseconds, MILLISECONDS_MAX)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_answers() {
        let cases: [(&str, Answer); 20] = [
            ("/", Answer::Fixed),
            ("/items/7", Answer::Fixed),
            ("/bytes", Answer::Fixed),
            ("/a/b/c/d", Answer::Fixed),
            ("*", Answer::Fixed),
            ("/bytes/0", Answer::Bytes(0)),
            ("/bytes/12?x=/y", Answer::Bytes(12)),
            ("http://backend:9/bytes/12", Answer::Bytes(12)),
            ("http://backend", Answer::Fixed),
            ("/echo?a", Answer::Echo),
            ("/chunked/3/4", Answer::Chunked { count: 3, bytes: 4 }),
            ("/status/599", Answer::Status(599)),
            ("/early/200", Answer::Early(200)),
            ("/slow/5/1", Answer::Slow { bytes: 5, milliseconds: 1 }),
            ("/dribble-head", Answer::DribbleHead { milliseconds: 10 }),
            ("/dribble-head/1", Answer::DribbleHead { milliseconds: 1 }),
            ("/upgrade", Answer::Upgrade { farewell_bytes: 0 }),
            ("/upgrade/9", Answer::Upgrade { farewell_bytes: 9 }),
            ("/interim/2", Answer::Interim(2)),
            ("/delay/3600000", Answer::Delay { milliseconds: 3_600_000 }),
        ];
        for (path, answer) in cases {
            assert_eq!(Answer::of(path.as_bytes()), answer, "{path}");
        }
    }

    #[test]
    fn what_a_path_lacks_is_said() {
        let mistakes = [
            "/bytes/x",
            "/bytes/-1",
            "/bytes/",
            "/bytes/18446744073709551616",
            "/status/199",
            "/status/600",
            "/chunked/1/0",
            "/delay/3600001",
            "/bad/unheard-of",
        ];
        for path in mistakes {
            assert!(matches!(Answer::of(path.as_bytes()), Answer::Mistake(_)), "{path}");
        }
    }

    /// The list names every path, and every path of the list is known.
    #[test]
    fn the_list_is_true() {
        for (path, _) in &PATHS[1..] {
            let path = path.replace("{code}", "204").replace("{name}", "long");
            let path = path.replace("{n}", "3").replace("{size}", "3").replace("{ms}", "3");
            let answer = Answer::of(path.as_bytes());
            assert!(!matches!(answer, Answer::Fixed | Answer::Mistake(_)), "{path}: {answer:?}");
        }
        let list = list();
        assert!(malformed::TABLE.iter().all(|malformed| list.contains(malformed.name)));
    }
}
