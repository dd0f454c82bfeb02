//! Finds where a head ends while its bytes arrive.

use memchr::memchr_iter;

use super::is_token_byte;
use crate::base::Fault;

/// Bounds on a head. `headers_count_max` over `base::limits::HEADERS_COUNT_MAX` and
/// `head_bytes_max` over `HEAD_BYTES_CEILING` count as those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Longest request line without its CRLF; over it 414.
    pub request_line_bytes_max: u32,
    /// Longest head with its empty line; over it 431.
    pub head_bytes_max: u32,
    /// Most field lines; over it 431.
    pub headers_count_max: u32,
}

/// Finds the end of a head as bytes arrive, without looking at a byte twice.
///
/// Refuses at once what can no longer become a head: first bytes that no method has (a TLS hello,
/// garbage), a line ended by a bare LF, a request line or a head over its bound. Leaves the grammar
/// of the lines to the parsers, which check line ends again and do not rely on this.
#[derive(Clone, Debug)]
pub struct HeadScanner {
    role: Role,
    place: Place,
    scanned_bytes: usize,
    line_start: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Role {
    Request,
    Response,
}

/// Where in the head the first byte that was not scanned stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Before the first line: one empty line may come first (RFC 9112 section 2.2).
    Start,
    /// In the method of a request, or in `HTTP/1.` of a response.
    FirstWord,
    /// In the rest of the first line.
    FirstLine,
    /// In the field lines.
    Fields,
}

impl Default for HeadScanner {
    fn default() -> Self {
        Self::new()
    }
}

impl HeadScanner {
    /// A scanner for request heads.
    #[must_use]
    pub fn new() -> Self {
        Self { role: Role::Request, place: Place::Start, scanned_bytes: 0, line_start: 0 }
    }

    /// A scanner for the heads of a target's answers. All its faults are
    /// [`Fault::BadUpstreamAnswer`]; the bound on the request line does not apply.
    #[must_use]
    pub fn for_response() -> Self {
        Self { role: Role::Response, ..Self::new() }
    }

    /// Makes it ready for the next head, whose first byte is the first of the next `buffer`.
    pub fn reset(&mut self) {
        *self = Self { role: self.role, ..Self::new() };
    }

    /// The length of the head that `buffer` begins with, its empty line and a skipped leading CRLF
    /// included, or `None` if more must be read. `buffer` is the one of the last call, longer.
    ///
    /// # Errors
    ///
    /// [`Fault::BadRequestLine`], [`Fault::BadHeader`], [`Fault::UriTooLong`],
    /// [`Fault::HeadTooLarge`], [`Fault::NotImplemented`] for a method longer than any.
    pub fn find_end(&mut self, buffer: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Fault> {
        let found = self.scan(buffer, limits);
        self.check_invariants(buffer);
        match self.role {
            Role::Request => found,
            Role::Response => found.map_err(|_| Fault::BadUpstreamAnswer),
        }
    }

    fn scan(&mut self, buffer: &[u8], limits: &HeadLimits) -> Result<Option<usize>, Fault> {
        if self.place == Place::Start && !self.enter_first_word(buffer)? {
            return Ok(None);
        }
        if self.place == Place::FirstWord && !self.enter_first_line(buffer)? {
            return Ok(None);
        }
        let from = self.scanned_bytes;
        for at in memchr_iter(b'\n', buffer.get(from..).unwrap_or_default()) {
            let line_feed = from + at;
            let line_bytes = line_feed.saturating_sub(self.line_start + 1);
            if line_feed == self.line_start || buffer.get(line_feed - 1) != Some(&b'\r') {
                return Err(self.bare_line_feed());
            }
            if self.place == Place::FirstLine {
                self.check_first_line(line_bytes, limits)?;
                self.place = Place::Fields;
            } else if line_bytes == 0 {
                let head_bytes = line_feed + 1;
                self.scanned_bytes = head_bytes;
                let fits = head_bytes <= limits.head_bytes_max as usize;
                return if fits { Ok(Some(head_bytes)) } else { Err(Fault::HeadTooLarge) };
            }
            self.line_start = line_feed + 1;
            self.scanned_bytes = line_feed + 1;
        }
        self.scanned_bytes = buffer.len();
        self.check_unfinished(buffer, limits)?;
        Ok(None)
    }

    /// Skips one empty line before a request; `false` if more bytes must come first.
    fn enter_first_word(&mut self, buffer: &[u8]) -> Result<bool, Fault> {
        match (self.role, buffer) {
            (_, []) | (Role::Request, [b'\r']) => return Ok(false),
            (Role::Request, [b'\r', b'\n', ..]) => self.line_start = 2,
            (Role::Request, [b'\r', ..]) => return Err(Fault::BadRequestLine),
            _ => self.line_start = 0,
        }
        self.scanned_bytes = self.line_start;
        self.place = Place::FirstWord;
        Ok(true)
    }

    /// Reads the method, or the start of the version; `false` if it has not ended.
    fn enter_first_line(&mut self, buffer: &[u8]) -> Result<bool, Fault> {
        if self.role == Role::Response {
            let compared = buffer.len().min(RESPONSE_START.len());
            if buffer.get(..compared) != RESPONSE_START.get(..compared) {
                return Err(Fault::BadUpstreamAnswer);
            }
            if compared < RESPONSE_START.len() {
                return Ok(false);
            }
            self.place = Place::FirstLine;
            return Ok(true);
        }
        for byte in buffer.get(self.scanned_bytes..).unwrap_or_default() {
            let method_bytes = self.scanned_bytes - self.line_start;
            match byte {
                b' ' if method_bytes > 0 => {
                    self.place = Place::FirstLine;
                    return Ok(true);
                }
                byte if !is_token_byte(*byte) => return Err(Fault::BadRequestLine),
                _ if method_bytes == METHOD_BYTES_MAX => return Err(Fault::NotImplemented),
                _ => self.scanned_bytes += 1,
            }
        }
        Ok(false)
    }

    fn bare_line_feed(&self) -> Fault {
        match self.place {
            Place::Fields => Fault::BadHeader,
            _ => Fault::BadRequestLine,
        }
    }

    fn check_first_line(&self, line_bytes: usize, limits: &HeadLimits) -> Result<(), Fault> {
        let bounded = self.role == Role::Request;
        if bounded && line_bytes > limits.request_line_bytes_max as usize {
            return Err(Fault::UriTooLong);
        }
        Ok(())
    }

    /// Bounds of a head whose end has not come: it will be longer than what is there.
    fn check_unfinished(&self, buffer: &[u8], limits: &HeadLimits) -> Result<(), Fault> {
        let in_first_line = self.place == Place::FirstLine;
        if in_first_line {
            let ended = usize::from(buffer.last() == Some(&b'\r'));
            self.check_first_line(buffer.len() - self.line_start - ended, limits)?;
        }
        match (buffer.len() >= limits.head_bytes_max as usize, in_first_line) {
            (false, _) => Ok(()),
            (true, true) => Err(Fault::UriTooLong),
            (true, false) => Err(Fault::HeadTooLarge),
        }
    }

    fn check_invariants(&self, buffer: &[u8]) {
        debug_assert!(self.line_start <= self.scanned_bytes, "a line starts in what was scanned");
        debug_assert!(self.scanned_bytes <= buffer.len(), "no byte is scanned before it came");
    }
}

/// What every answer that we understand begins with.
const RESPONSE_START: &[u8] = b"HTTP/1.";
/// Longest method. RFC 9110 section 9.1 knows none over 17 bytes; a longer token than this is
/// answered 501 (RFC 9112 section 3).
pub(super) const METHOD_BYTES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: HeadLimits =
        HeadLimits { request_line_bytes_max: 40, head_bytes_max: 80, headers_count_max: 8 };

    fn find(bytes: &[u8]) -> Result<Option<usize>, Fault> {
        HeadScanner::new().find_end(bytes, &LIMITS)
    }

    /// Feeds one byte more at a time; the first answer that is not "more".
    fn find_dribbled(mut scanner: HeadScanner, bytes: &[u8]) -> Result<Option<usize>, Fault> {
        for end in 0..=bytes.len() {
            match scanner.find_end(&bytes[..end], &LIMITS) {
                Ok(None) => {}
                ended => return ended,
            }
        }
        Ok(None)
    }

    #[test]
    fn a_head_ends_at_its_empty_line_and_no_further() {
        assert_eq!(find(b"GET / HTTP/1.1\r\n\r\n"), Ok(Some(18)));
        assert_eq!(find(b"GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"), Ok(Some(18)));
        assert_eq!(find(b"GET / HTTP/1.1\r\na: b\r\n\r\nbody\n\n"), Ok(Some(24)));
        assert_eq!(find(b"GET / HTTP/1.1\r\na: b\r\n\r"), Ok(None));
        assert_eq!(find(b""), Ok(None));
    }

    #[test]
    fn one_empty_line_before_a_request_is_skipped() {
        assert_eq!(find(b"\r\nGET / HTTP/1.1\r\n\r\n"), Ok(Some(20)));
        assert_eq!(find(b"\r"), Ok(None));
        assert_eq!(find(b"\r\n"), Ok(None));
        for bad in [&b"\n"[..], b"\r\n\r\n", b"\r\n\r", b"\r\r", b"\rG", b" GET", b"\r\n GET"] {
            assert_eq!(find(bad), Err(Fault::BadRequestLine), "{bad:?}");
        }
    }

    #[test]
    fn first_bytes_of_no_method_are_refused_at_once() {
        for bad in [&b"\x16"[..], b"\x80", b"\0", b"G\0", b"GE\tT", b"GET\r", b"(", b"HTTP/1.1 200"]
        {
            assert_eq!(find(bad), Err(Fault::BadRequestLine), "{bad:?}");
        }
    }

    #[test]
    fn bare_line_feeds_are_refused_at_once() {
        assert_eq!(find(b"GET / HTTP/1.1\n"), Err(Fault::BadRequestLine));
        assert_eq!(find(b"GET / HTTP/1.1\r\na: b\n"), Err(Fault::BadHeader));
        assert_eq!(find(b"GET / HTTP/1.1\r\n\n"), Err(Fault::BadHeader));
        assert_eq!(find(b"GET / HTTP/1.1\r\na: b\r\n\n"), Err(Fault::BadHeader));
    }

    #[test]
    fn the_method_has_a_bound() {
        let method = |bytes: usize| [&b"M".repeat(bytes)[..], b" "].concat();
        assert_eq!(find(&method(METHOD_BYTES_MAX - 1)), Ok(None));
        assert_eq!(find(&method(METHOD_BYTES_MAX)), Ok(None));
        assert_eq!(find(&method(METHOD_BYTES_MAX + 1)), Err(Fault::NotImplemented));
    }

    #[test]
    fn the_request_line_has_a_bound() {
        let line = |bytes: usize| {
            let mut line = b"GET /".to_vec();
            line.resize(bytes - b" HTTP/1.1".len(), b'a');
            [&line[..], b" HTTP/1.1"].concat()
        };
        for ending in ["", "\r", "\r\n"] {
            let head = |bytes| [&line(bytes)[..], ending.as_bytes()].concat();
            assert_eq!(find(&head(39)), Ok(None), "{ending:?}");
            assert_eq!(find(&head(40)), Ok(None), "{ending:?}");
            assert_eq!(find(&head(41)), Err(Fault::UriTooLong), "{ending:?}");
        }
        let after_empty_line = [&b"\r\n"[..], &line(40), b"\r\n\r\n"].concat();
        assert_eq!(find(&after_empty_line), Ok(Some(46)));
    }

    #[test]
    fn the_head_has_a_bound() {
        let head = |bytes: usize| {
            let mut head = b"GET / HTTP/1.1\r\na: ".to_vec();
            head.resize(bytes - 4, b'x');
            [&head[..], b"\r\n\r\n"].concat()
        };
        assert_eq!(find(&head(79)), Ok(Some(79)));
        assert_eq!(find(&head(80)), Ok(Some(80)));
        assert_eq!(find(&head(81)), Err(Fault::HeadTooLarge));
        assert_eq!(find(&head(200)[..79]), Ok(None));
        assert_eq!(find(&head(200)[..80]), Err(Fault::HeadTooLarge));
    }

    #[test]
    fn answers_begin_with_their_version() {
        let find = |bytes: &[u8]| HeadScanner::for_response().find_end(bytes, &LIMITS);
        assert_eq!(find(b"HTTP/1.1 200 OK\r\n\r\n"), Ok(Some(19)));
        assert_eq!(find(b"HTT"), Ok(None));
        let long = [&b"HTTP/1.1 200 "[..], &b"x".repeat(50), b"\r\n\r\n"].concat();
        assert_eq!(find(&long), Ok(Some(67)), "the bound on request lines is not theirs");
        for bad in [
            &b"\r\nHTTP/1.1"[..],
            b"http",
            b"X",
            b"HTTP/2",
            b"HTTP/1.1 200 OK\n",
            &b"HTTP/1.1".repeat(10),
        ] {
            assert_eq!(find(bad), Err(Fault::BadUpstreamAnswer), "{bad:?}");
        }
    }

    #[test]
    fn a_reset_scanner_keeps_its_role() {
        let mut scanner = HeadScanner::for_response();
        assert_eq!(scanner.find_end(b"HTTP/1.1 200 OK\r\n\r\n", &LIMITS), Ok(Some(19)));
        scanner.reset();
        assert_eq!(scanner.find_end(b"HTTP/1.0 404 \r\n\r\n", &LIMITS), Ok(Some(17)));
    }

    /// A driver that forgets to reset must get a wrong answer, not a panic.
    #[test]
    #[cfg(not(debug_assertions))]
    fn a_shorter_buffer_does_not_panic() {
        let mut scanner = HeadScanner::new();
        let _ = scanner.find_end(b"GET / HTTP/1.1\r\nabc", &LIMITS);
        let _ = scanner.find_end(b"G", &LIMITS);
    }

    proptest! {
        #[test]
        fn any_split_finds_the_same_end(head in "[GETa/ :\r\n]{0,60}", response: bool) {
            let scanner = || if response { HeadScanner::for_response() } else { HeadScanner::new() };
            let head = [if response { "HTTP/1." } else { "GET /" }, &head].concat();
            let whole = scanner().find_end(head.as_bytes(), &LIMITS);
            // Which fault it is may differ: a bound can be passed before a wrong byte comes.
            prop_assert_eq!(find_dribbled(scanner(), head.as_bytes()).ok(), whole.ok());
        }
    }
}
