//! Request bodies, without I/O: bytes go in, places of data come out.

use memchr::memchr;

/// Longest chunk-size or trailer line that is taken.
const LINE_BYTES_MAX: usize = 8 * 1024;

/// What is left of a request's body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Body {
    /// So many bytes, as `Content-Length` said; 0 where there is no body.
    Length(u64),
    /// Chunks, of which the next is to be read in this state.
    Chunked(Chunk),
}

/// Where in a chunk the next byte is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Chunk {
    /// At the start of a size line.
    Size,
    /// Within data, with so many bytes left.
    Data(u64),
    /// At the line end after the data.
    DataEnd,
    /// At the start of a trailer line.
    Trailer,
    /// After the last line.
    Done,
}

/// What the front of the input is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Piece {
    /// Data of the body: so many bytes.
    Data(usize),
    /// Framing to be skipped: so many bytes.
    Framing(usize),
    /// Cut: more input is needed.
    More,
    /// The body has ended; the input starts with the next request.
    End,
}

/// The framing is not that of RFC 9112, section 7.1.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct BadChunk;

impl Body {
    pub(super) const NONE: Self = Self::Length(0);
    pub(super) const CHUNKED: Self = Self::Chunked(Chunk::Size);

    /// Reads the next piece at the front of `input` and moves past it. The caller consumes what
    /// the piece says and comes again with the rest.
    pub(super) fn next(&mut self, input: &[u8]) -> Result<Piece, BadChunk> {
        match self {
            Self::Length(0) | Self::Chunked(Chunk::Done) => Ok(Piece::End),
            _ if input.is_empty() => Ok(Piece::More),
            Self::Length(left) => Ok(take_data(left, input)),
            Self::Chunked(Chunk::Data(left)) => {
                let piece = take_data(left, input);
                if *left == 0 {
                    *self = Self::Chunked(Chunk::DataEnd);
                }
                Ok(piece)
            }
            Self::Chunked(state) => state.take_line(input),
        }
    }
}

impl Chunk {
    fn take_line(&mut self, input: &[u8]) -> Result<Piece, BadChunk> {
        let window = &input[..input.len().min(LINE_BYTES_MAX)];
        let Some(end) = memchr(b'\n', window) else {
            return if window.len() < LINE_BYTES_MAX { Ok(Piece::More) } else { Err(BadChunk) };
        };
        let line = input[..end].strip_suffix(b"\r").ok_or(BadChunk)?;
        *self = match self {
            Self::DataEnd if line.is_empty() => Self::Size,
            Self::DataEnd => return Err(BadChunk),
            Self::Trailer if line.is_empty() => Self::Done,
            Self::Trailer => Self::Trailer,
            _ => match parse_size(line)? {
                0 => Self::Trailer,
                bytes => Self::Data(bytes),
            },
        };
        Ok(Piece::Framing(end + 1))
    }
}

fn take_data(left: &mut u64, input: &[u8]) -> Piece {
    let bytes = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    *left -= bytes as u64;
    Piece::Data(bytes)
}

/// The size at the front of a chunk line; extensions after it are not looked at.
fn parse_size(line: &[u8]) -> Result<u64, BadChunk> {
    let end = line.iter().position(|byte| matches!(byte, b';' | b' ' | b'\t'));
    let digits = &line[..end.unwrap_or(line.len())];
    if digits.is_empty() || digits.len() > 16 {
        return Err(BadChunk);
    }
    digits.iter().try_fold(0_u64, |size, digit| {
        let value = char::from(*digit).to_digit(16).ok_or(BadChunk)?;
        Ok(size << 4 | u64::from(value))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads `input`, handed over in parts of `step` bytes; returns the data and what is left.
    fn read(mut body: Body, input: &[u8], step: usize) -> Result<(Vec<u8>, usize), BadChunk> {
        let (mut data, mut at, mut known) = (Vec::new(), 0, step.min(input.len()));
        loop {
            match body.next(&input[at..known])? {
                Piece::Data(bytes) => {
                    data.extend_from_slice(&input[at..at + bytes]);
                    at += bytes;
                }
                Piece::Framing(bytes) => at += bytes,
                Piece::More if known == input.len() => return Err(BadChunk),
                Piece::More => known = (known + step).min(input.len()),
                Piece::End => return Ok((data, input.len() - at)),
            }
        }
    }

    #[test]
    fn a_length_ends_at_its_last_byte() {
        assert_eq!(read(Body::NONE, b"next", 9), Ok((vec![], 4)));
        assert_eq!(read(Body::Length(5), b"hello", 9), Ok((b"hello".to_vec(), 0)));
        assert_eq!(read(Body::Length(5), b"hellonext", 9), Ok((b"hello".to_vec(), 4)));
        assert_eq!(read(Body::Length(6), b"hello", 9), Err(BadChunk), "cut");
    }

    #[test]
    fn bad_chunks_are_refused() {
        let bad: [&[u8]; 8] = [
            b"\r\n",
            b"zz\r\n",
            b"5\nhello\r\n",
            b"5\r\nhello, and more\r\n",
            b"-5\r\nhello\r\n",
            b"0x5\r\nhello\r\n",
            b"10000000000000000\r\n",
            b"5\r\nhello\n0\r\n\r\n",
        ];
        for input in bad {
            assert_eq!(read(Body::CHUNKED, input, 3), Err(BadChunk), "{input:?}");
        }
    }

    #[test]
    fn a_line_may_be_as_long_as_the_bound() {
        for (bytes, good) in [(LINE_BYTES_MAX, true), (LINE_BYTES_MAX + 1, false)] {
            let mut input = b"0;".to_vec();
            input.resize(bytes - 2, b'x');
            input.extend_from_slice(b"\r\n\r\n");
            assert_eq!(read(Body::CHUNKED, &input, 999).is_ok(), good, "{bytes}");
        }
    }

    proptest! {
        #[test]
        fn chunks_come_back_whole_however_they_are_cut(
            chunks in prop::collection::vec(prop::collection::vec(any::<u8>(), 1..300), 0..9),
            trailer in any::<bool>(),
            step in 1_usize..400,
        ) {
            let mut input = Vec::new();
            for chunk in &chunks {
                input.extend_from_slice(format!("{:X};ext=1\r\n", chunk.len()).as_bytes());
                input.extend_from_slice(chunk);
                input.extend_from_slice(b"\r\n");
            }
            input.extend_from_slice(if trailer { b"0\r\nx-sum: 1\r\n\r\n" } else { b"0\r\n\r\n" });
            let whole = input.len();
            input.extend_from_slice(b"next");
            prop_assert_eq!(read(Body::CHUNKED, &input, step), Ok((chunks.concat(), {
                // What was handed over beyond the end depends on `step`; nothing of it is eaten.
                input.len() - whole
            })));
        }

        #[test]
        fn any_bytes_end_without_a_panic(input in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = read(Body::CHUNKED, &input, 7);
        }
    }
}
