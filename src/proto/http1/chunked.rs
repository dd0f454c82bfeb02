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
mod tests;
