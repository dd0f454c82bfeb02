//! Reads the chunked coding (RFC 9112 section 7.1).

use super::is_token_byte;
use super::trailers::Trailers;
use crate::base::Fault;
use crate::base::limits::CHUNK_LINE_BYTES_MAX;

/// Decodes one chunked body, however its bytes are cut into reads.
///
/// Every byte between the payload is checked: sizes are 1 to 16 hexadecimal digits, extensions
/// follow their grammar, lines end in CRLF. Nothing of the framing is passed on, so a lenient
/// reader behind us never sees what we read.
///
/// # Invariants
///
/// - Once done or failed it stays so until [`ChunkedDecoder::reset`].
/// - Bytes after the body's end are neither consumed nor touched.
#[derive(Clone, Debug)]
pub struct ChunkedDecoder {
    state: State,
    /// Of the chunk whose size line is read.
    size: u64,
    line_bytes: usize,
    /// Extension bytes that payload has not outweighed (CVE-2023-39326).
    excess_bytes: u64,
    trailers: Trailers,
}

/// What one call decoded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Decoded {
    /// Payload, now at the front of the bytes given.
    pub payload_bytes: usize,
    /// Bytes used up; all of them unless `done`.
    pub consumed_bytes: usize,
    /// The body ended, trailers included.
    pub done: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Size { digits_count: u8 },
    Extension(Extension),
    SizeLineFeed,
    Data { left_bytes: u64 },
    DataCarriageReturn,
    DataLineFeed,
    Trailers,
    Done,
    Failed,
}

/// Where in the extensions of a size line the next byte stands (RFC 9112 section 7.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Extension {
    BeforeSemicolon,
    BeforeName,
    Name,
    AfterName,
    BeforeValue,
    Token,
    Quoted,
    QuotedPair,
    AfterQuoted,
}

impl Default for ChunkedDecoder {
    fn default() -> Self {
        Self::new()
    }
}

impl ChunkedDecoder {
    /// A decoder at the first byte of a body.
    #[must_use]
    pub fn new() -> Self {
        Self {
            state: State::Size { digits_count: 0 },
            size: 0,
            line_bytes: 0,
            excess_bytes: 0,
            trailers: Trailers::default(),
        }
    }

    /// Makes it ready for another body. Keeps its memory.
    pub fn reset(&mut self) {
        self.trailers.reset();
        self.enter_size();
        self.excess_bytes = 0;
    }

    /// Decodes `bytes` in place: the payload is moved to the front.
    ///
    /// # Errors
    ///
    /// [`Fault::BadChunk`] as soon as a byte breaks the coding or a bound is passed. A caller that
    /// reads an answer makes [`Fault::BadUpstreamAnswer`] of it.
    pub fn decode(&mut self, bytes: &mut [u8]) -> Result<Decoded, Fault> {
        let decoded = self.run(bytes);
        match decoded {
            Ok(decoded) => {
                debug_assert!(decoded.payload_bytes <= decoded.consumed_bytes);
                debug_assert!(decoded.done || decoded.consumed_bytes == bytes.len());
            }
            Err(_) => self.state = State::Failed,
        }
        decoded
    }

    /// The field lines of the trailer section, each ended by CRLF. Whole once the body is done;
    /// those that may not stand in a trailer section (RFC 9110 section 6.5.1) are left out.
    #[must_use]
    pub fn trailers(&self) -> &[u8] {
        self.trailers.lines()
    }

    fn run(&mut self, bytes: &mut [u8]) -> Result<Decoded, Fault> {
        let mut read = 0;
        let mut written = 0;
        while let Some(byte) = bytes.get(read).copied() {
            match self.state {
                State::Done => break,
                State::Data { left_bytes } => {
                    let here = bytes.len() - read;
                    let taken = usize::try_from(left_bytes).map_or(here, |left| left.min(here));
                    if read != written {
                        bytes.copy_within(read..read + taken, written);
                    }
                    read += taken;
                    written += taken;
                    self.state = match left_bytes - taken as u64 {
                        0 => State::DataCarriageReturn,
                        left_bytes => State::Data { left_bytes },
                    };
                }
                State::Trailers => {
                    let step = self.trailers.take(bytes.get(read..).unwrap_or_default())?;
                    read += step.consumed_bytes;
                    if step.done {
                        self.state = State::Done;
                    }
                }
                framing => {
                    self.state = self.on_framing_byte(framing, byte)?;
                    read += 1;
                }
            }
        }
        let done = self.state == State::Done;
        if self.state == State::Failed {
            return Err(Fault::BadChunk);
        }
        Ok(Decoded { payload_bytes: written, consumed_bytes: read, done })
    }

    fn enter_size(&mut self) -> State {
        self.size = 0;
        self.line_bytes = 0;
        self.state = State::Size { digits_count: 0 };
        self.state
    }

    fn on_framing_byte(&mut self, state: State, byte: u8) -> Result<State, Fault> {
        match (state, byte) {
            (State::Size { digits_count }, byte) => self.on_size_byte(digits_count, byte),
            (State::Extension(extension), byte) => {
                self.count_line_byte(byte)?;
                self.excess_bytes += 1;
                extension.next(byte).ok_or(Fault::BadChunk)
            }
            (State::SizeLineFeed, b'\n') => self.on_size_line_end(),
            (State::DataCarriageReturn, b'\r') => Ok(State::DataLineFeed),
            (State::DataLineFeed, b'\n') => Ok(self.enter_size()),
            _ => Err(Fault::BadChunk),
        }
    }

    fn on_size_byte(&mut self, digits_count: u8, byte: u8) -> Result<State, Fault> {
        self.count_line_byte(byte)?;
        let digit = match byte {
            b'0'..=b'9' => byte - b'0',
            b'a'..=b'f' => byte - b'a' + 10,
            b'A'..=b'F' => byte - b'A' + 10,
            _ if digits_count == 0 => return Err(Fault::BadChunk),
            b'\r' => return Ok(State::SizeLineFeed),
            b';' => return Ok(State::Extension(Extension::BeforeName)),
            b' ' | b'\t' => return Ok(State::Extension(Extension::BeforeSemicolon)),
            _ => return Err(Fault::BadChunk),
        };
        if digits_count == SIZE_DIGITS_MAX {
            return Err(Fault::BadChunk);
        }
        self.size = self.size << 4 | u64::from(digit);
        Ok(State::Size { digits_count: digits_count + 1 })
    }

    /// The CR that ends a line is not part of what is bounded.
    fn count_line_byte(&mut self, byte: u8) -> Result<(), Fault> {
        self.line_bytes += usize::from(byte != b'\r');
        if self.line_bytes > CHUNK_LINE_BYTES_MAX { Err(Fault::BadChunk) } else { Ok(()) }
    }

    fn on_size_line_end(&mut self) -> Result<State, Fault> {
        self.excess_bytes = self.excess_bytes.saturating_sub(self.size);
        if self.excess_bytes > EXCESS_BYTES_MAX {
            return Err(Fault::BadChunk);
        }
        Ok(match self.size {
            0 => State::Trailers,
            left_bytes => State::Data { left_bytes },
        })
    }
}

impl Extension {
    /// The state after `byte`; `None` if it cannot stand here. Bad whitespace (BWS) is taken where
    /// the grammar has it, which is never before the end of the line.
    fn next(self, byte: u8) -> Option<State> {
        let next = match (self, byte) {
            (Self::Name | Self::Token | Self::AfterQuoted, b'\r') => {
                return Some(State::SizeLineFeed);
            }
            (Self::Name, b' ' | b'\t') => Self::AfterName,
            (Self::Token | Self::AfterQuoted, b' ' | b'\t') => Self::BeforeSemicolon,
            (
                Self::BeforeSemicolon | Self::BeforeName | Self::AfterName | Self::BeforeValue,
                b' ' | b'\t',
            ) => self,
            (
                Self::BeforeSemicolon
                | Self::Name
                | Self::AfterName
                | Self::Token
                | Self::AfterQuoted,
                b';',
            ) => Self::BeforeName,
            (Self::Name | Self::AfterName, b'=') => Self::BeforeValue,
            (Self::BeforeValue, b'"') => Self::Quoted,
            (Self::Quoted, b'"') => Self::AfterQuoted,
            (Self::Quoted, b'\\') => Self::QuotedPair,
            (Self::Quoted | Self::QuotedPair, b'\t' | b' '..=b'~' | 0x80..) => Self::Quoted,
            (Self::BeforeName | Self::Name, byte) if is_token_byte(byte) => Self::Name,
            (Self::BeforeValue | Self::Token, byte) if is_token_byte(byte) => Self::Token,
            _ => return None,
        };
        Some(State::Extension(next))
    }
}

/// Digits of a size: 64 bits.
const SIZE_DIGITS_MAX: u8 = 16;
/// Extension bytes that a body may have beyond its payload bytes.
const EXCESS_BYTES_MAX: u64 = 16 * 1024;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Payload, trailers and bytes consumed of `body`, fed in parts that end at `cuts`.
    fn decode_cut(body: &[u8], cuts: &[usize]) -> Result<(Vec<u8>, Vec<u8>, usize), Fault> {
        let mut decoder = ChunkedDecoder::new();
        let (mut payload, mut consumed, mut start) = (Vec::new(), 0, 0);
        for end in cuts.iter().copied().chain([body.len()]) {
            let mut part = body[start..end].to_vec();
            let decoded = decoder.decode(&mut part)?;
            payload.extend_from_slice(&part[..decoded.payload_bytes]);
            consumed += decoded.consumed_bytes;
            if decoded.done {
                return Ok((payload, decoder.trailers().to_vec(), consumed));
            }
            assert_eq!(decoded.consumed_bytes, part.len());
            start = end;
        }
        Err(Fault::ClientGone) // stands for "not finished" in these tests
    }

    fn decode(body: &str) -> Result<(Vec<u8>, Vec<u8>, usize), Fault> {
        decode_cut(body.as_bytes(), &[])
    }

    fn payload(body: &str) -> Result<String, Fault> {
        decode(body).map(|(payload, ..)| String::from_utf8(payload).expect("text"))
    }

    #[test]
    fn chunks_are_joined() {
        assert_eq!(payload("0\r\n\r\n").as_deref(), Ok(""));
        assert_eq!(payload("4\r\nWiki\r\n6\r\npedia \r\n0\r\n\r\n").as_deref(), Ok("Wikipedia "));
        assert_eq!(payload("0004\r\nWiki\r\n000\r\n\r\n").as_deref(), Ok("Wiki"));
        assert_eq!(payload("A\r\n0123456789\r\n0\r\n\r\n").as_deref(), Ok("0123456789"));
    }

    #[test]
    fn bytes_after_the_body_are_left_alone() {
        let mut bytes = b"1\r\na\r\n0\r\n\r\nGET / HTTP/1.1\r\n".to_vec();
        let decoded = ChunkedDecoder::new().decode(&mut bytes).expect("well formed");
        assert_eq!(decoded, Decoded { payload_bytes: 1, consumed_bytes: 11, done: true });
        assert_eq!(&bytes[decoded.consumed_bytes..], b"GET / HTTP/1.1\r\n");
    }

    #[test]
    fn sizes_have_one_to_sixteen_digits() {
        assert_eq!(payload("0000000000000001\r\na\r\n0\r\n\r\n").as_deref(), Ok("a"));
        assert_eq!(payload("00000000000000001\r\na\r\n0\r\n\r\n"), Err(Fault::BadChunk));
        let mut largest = *b"ffffffffffffffff\r\nabc";
        let decoded = ChunkedDecoder::new().decode(&mut largest).expect("64 bits");
        assert_eq!(decoded, Decoded { payload_bytes: 3, consumed_bytes: 21, done: false });
    }

    #[test]
    fn malformed_framing_is_refused() {
        for bad in [
            "\r\n",
            "+1\r\n",
            "-1\r\n",
            "0x1\r\n",
            "1_0\r\n",
            " 1\r\n",
            "1 \r\n",
            "1\t\r\n",
            "g\r\n",
            "1\n",
            "1\r\r",
            "1\ra",
            "1\r\nab",
            "1\r\na\n",
            "1\r\na\r\r",
            "1\r\na\r\n\r\n",
            ";a\r\n",
            "1,\r\n",
            "1\0\r\n",
            "0\r\n\n",
            "0\n\n",
            "1\r\na0\r\n\r\n",
        ] {
            assert_eq!(decode(bad), Err(Fault::BadChunk), "{bad:?}");
        }
    }

    #[test]
    fn extensions_follow_their_grammar() {
        for fine in [
            ";a",
            ";a=b",
            ";a=\"b c\"",
            ";a=\"\\\"\\\\\"",
            "; a = b",
            " ;a",
            "\t; \ta\t=\t\"\t\" ;b",
            ";a;b=c",
            ";a ;b",
            ";a=\"\u{e4}\"",
            ";a=\"\"",
        ] {
            assert_eq!(
                payload(&format!("1{fine}\r\na\r\n0{fine}\r\n\r\n")).as_deref(),
                Ok("a"),
                "{fine:?}"
            );
        }
        for bad in [
            ";",
            ";;",
            ";=b",
            ";a=",
            ";a b",
            ";a=b c",
            ";a=\"b",
            ";a=\"b\"c",
            ";a ",
            ";a=b ",
            ";a=\"b\" ",
            " ",
            ";a=\"\x01\"",
            ";a=\"\\",
            ";a\x7f",
            ";(",
            ";a=\"\n\"",
            ";a\n",
            ";a=b\n",
            ";a=\"b\"\n",
            ";\r",
            "; \r",
        ] {
            assert_eq!(
                decode(&format!("1{bad}\r\na\r\n0\r\n\r\n")),
                Err(Fault::BadChunk),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn size_lines_have_a_bound() {
        let body = |line_bytes: usize| {
            let name = "x".repeat(line_bytes - "1;".len());
            format!("1;{name}\r\na\r\n0\r\n\r\n")
        };
        assert_eq!(payload(&body(CHUNK_LINE_BYTES_MAX - 1)).as_deref(), Ok("a"));
        assert_eq!(payload(&body(CHUNK_LINE_BYTES_MAX)).as_deref(), Ok("a"));
        assert_eq!(payload(&body(CHUNK_LINE_BYTES_MAX + 1)), Err(Fault::BadChunk));
    }

    #[test]
    fn extensions_that_outweigh_the_payload_are_bounded_in_sum() {
        // 127 extension bytes and their CR to 1 byte of payload: 127 of excess a chunk.
        let chunk = format!("1;{}\r\na\r\n", "x".repeat(127));
        let fitting = (EXCESS_BYTES_MAX / 127) as usize;
        assert!(payload(&(chunk.repeat(fitting) + "0\r\n\r\n")).is_ok());
        assert_eq!(payload(&(chunk.repeat(fitting + 1) + "0\r\n\r\n")), Err(Fault::BadChunk));
        let weighty = format!("80;{}\r\n{}\r\n", "x".repeat(127), "a".repeat(128));
        assert!(payload(&(weighty.repeat(2_000) + "0\r\n\r\n")).is_ok());
    }

    #[test]
    fn trailers_are_given_when_the_body_is_done() {
        let (payload, trailers, _) =
            decode("1\r\na\r\n0\r\nDigest: x\r\nHost: evil\r\n\r\n").expect("well formed");
        assert_eq!((&payload[..], &trailers[..]), (&b"a"[..], &b"Digest: x\r\n"[..]));
    }

    #[test]
    fn a_failed_decoder_stays_failed_until_reset() {
        let mut decoder = ChunkedDecoder::new();
        assert_eq!(decoder.decode(&mut b"1;x\r\na\r\nz".to_vec()), Err(Fault::BadChunk));
        assert_eq!(decoder.decode(&mut b"0\r\n\r\n".to_vec()), Err(Fault::BadChunk));
        decoder.reset();
        let decoded = decoder.decode(&mut b"0\r\na: b\r\n\r\n".to_vec()).expect("well formed");
        assert!(decoded.done);
        decoder.reset();
        assert_eq!(decoder.trailers(), b"");
        assert!(!decoder.decode(&mut []).expect("nothing is not wrong").done);
    }

    #[test]
    fn a_done_decoder_takes_no_more() {
        let mut decoder = ChunkedDecoder::new();
        assert!(decoder.decode(&mut b"0\r\n\r\n".to_vec()).expect("well formed").done);
        let decoded = decoder.decode(&mut b"1\r\na".to_vec()).expect("nothing to do");
        assert_eq!(decoded, Decoded { payload_bytes: 0, consumed_bytes: 0, done: true });
    }

    /// A body of chunks of these sizes, with and without extensions and trailers.
    fn body() -> impl Strategy<Value = (Vec<u8>, Vec<u8>)> {
        let chunk = (proptest::collection::vec(any::<u8>(), 1..40), any::<bool>());
        (proptest::collection::vec(chunk, 0..6), any::<bool>()).prop_map(|(chunks, trailer)| {
            let (mut body, mut payload) = (Vec::new(), Vec::new());
            for (data, extension) in chunks {
                let extension = if extension { ";a=\"b;c\"" } else { "" };
                body.extend_from_slice(format!("{:X}{extension}\r\n", data.len()).as_bytes());
                body.extend_from_slice(&data);
                body.extend_from_slice(b"\r\n");
                payload.extend_from_slice(&data);
            }
            body.extend_from_slice(if trailer { b"0\r\nx: y\r\n\r\n" } else { b"0\r\n\r\n" });
            (body, payload)
        })
    }

    proptest! {
        #[test]
        fn a_body_cut_anywhere_decodes_the_same((body, wanted) in body(), cuts in any::<[prop::sample::Index; 4]>()) {
            let mut cuts = cuts.map(|cut| cut.index(body.len() + 1));
            cuts.sort_unstable();
            let whole = decode_cut(&body, &[]);
            prop_assert_eq!(whole.as_ref().map(|(payload, ..)| payload), Ok(&wanted));
            prop_assert_eq!(decode_cut(&body, &cuts), whole.clone());
            let every_byte: Vec<usize> = (0..body.len()).collect();
            prop_assert_eq!(decode_cut(&body, &every_byte), whole);
        }

        #[test]
        fn any_bytes_cut_anywhere_get_one_answer(text in "[0-3a;=\" x\r\n]{0,40}", cut: prop::sample::Index) {
            let cut = cut.index(text.len() + 1);
            prop_assert_eq!(decode_cut(text.as_bytes(), &[cut]), decode_cut(text.as_bytes(), &[]));
        }
    }
}
