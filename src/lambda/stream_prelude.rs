//! The start of a streamed answer: metadata as JSON, eight NUL bytes, then the body as it comes.
//!
//! AWS: "Set up a Lambda proxy integration with payload response streaming in API Gateway".

use super::Flavour;
use super::answer::{Answer, Malformed, push_cookies, status};
use super::answer_json::Shape;
use super::answer_v1::push_merged;
use crate::base::limits::STREAM_PRELUDE_BYTES_MAX;

/// Gathers the metadata from the pieces in which the stream comes.
///
/// # Invariants
///
/// - `metadata` holds no NUL: JSON has none, so the first one begins the delimiter.
/// - `metadata` has at most [`STREAM_PRELUDE_BYTES_MAX`] bytes, `nuls_count` is below
///   [`DELIMITER_BYTES`].
#[derive(Debug, Default)]
pub struct StreamPrelude {
    metadata: Vec<u8>,
    nuls_count: usize,
}

/// What a piece brought.
#[derive(Clone, Debug, PartialEq)]
pub enum PreludeStep {
    /// All of it was taken, and more is needed.
    More,
    /// The answer, without a body; that begins at `body_start` of the piece.
    Done { answer: Answer<'static>, body_start: usize },
}

impl StreamPrelude {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the next piece; no more after [`PreludeStep::Done`] or an error.
    ///
    /// # Errors
    ///
    /// Metadata that is too long, is no JSON object, or has members of wrong types, and a delimiter
    /// that breaks off.
    pub fn feed(&mut self, piece: &[u8]) -> Result<PreludeStep, Malformed> {
        let mut rest = piece;
        if self.nuls_count == 0 {
            let end = memchr::memchr(0, piece).unwrap_or(piece.len());
            if self.metadata.len() + end > STREAM_PRELUDE_BYTES_MAX {
                return Err(Malformed::PreludeTooLong(STREAM_PRELUDE_BYTES_MAX));
            }
            self.metadata.extend_from_slice(&piece[..end]);
            rest = &piece[end..];
        }
        let wanted = (DELIMITER_BYTES - self.nuls_count).min(rest.len());
        if rest[..wanted].iter().any(|byte| *byte != 0) {
            return Err(Malformed::BadDelimiter);
        }
        self.nuls_count += wanted;
        if self.nuls_count < DELIMITER_BYTES {
            return Ok(PreludeStep::More);
        }
        self.nuls_count = 0;
        let answer = read(&std::mem::take(&mut self.metadata))?;
        Ok(PreludeStep::Done { answer, body_start: piece.len() - rest.len() + wanted })
    }
}

/// Bytes between metadata and body, all of them NUL.
const DELIMITER_BYTES: usize = 8;

fn read(metadata: &[u8]) -> Result<Answer<'static>, Malformed> {
    let text = std::str::from_utf8(metadata).map_err(|_| Malformed::NoJson)?;
    let members = match Shape::parse(text).ok_or(Malformed::NoJson)? {
        Shape::Object(members) => *members,
        Shape::Text(_) | Shape::Other => return Err(Malformed::NoObject),
    };
    let status = members.status_code.map_or(Ok(200), status)?;
    let mut answer = Answer { status, ..Answer::default() };
    push_merged(&mut answer, members.headers, members.multi_value_headers, Flavour::Rest)?;
    push_cookies(&mut answer, members.cookies, Flavour::Rest)?;
    if !answer.has("content-type") {
        answer.headers.push(("Content-Type".into(), "application/json".into()));
    }
    Ok(answer.into_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const STREAM: &[u8] =
        b"{\"statusCode\":201,\"headers\":{\"a\":\"b\"},\"cookies\":[\"c=d\"]}\0\0\0\0\0\0\0\0\0body";

    /// The answer and the body after feeding the pieces between `cuts`.
    fn feed(
        stream: &[u8],
        cuts: &[usize],
    ) -> Result<Option<(Answer<'static>, Vec<u8>)>, Malformed> {
        let mut prelude = StreamPrelude::new();
        let mut start = 0;
        for end in cuts.iter().copied().chain([stream.len()]) {
            let piece = &stream[start..end.max(start)];
            start = end.max(start);
            if let PreludeStep::Done { answer, body_start } = prelude.feed(piece)? {
                let body = [&piece[body_start..], &stream[start..]].concat();
                return Ok(Some((answer, body)));
            }
        }
        Ok(None)
    }

    #[test]
    fn metadata_eight_nul_bytes_then_the_body() {
        let (answer, body) = feed(STREAM, &[]).expect("well formed").expect("whole");
        assert_eq!(answer.status, 201);
        let pairs: Vec<_> =
            answer.headers.iter().map(|(name, value)| (&**name, &**value)).collect();
        let wanted = [("a", "b"), ("set-cookie", "c=d"), ("Content-Type", "application/json")];
        assert_eq!(pairs, wanted);
        assert_eq!(body, b"\0body", "a ninth NUL is the body's");
    }

    #[test]
    fn a_stream_reads_the_same_however_it_is_cut() {
        let whole = feed(STREAM, &[]);
        for first in 0..STREAM.len() {
            assert_eq!(feed(STREAM, &[first]), whole, "{first}");
        }
        let each: Vec<_> = (1..STREAM.len()).collect();
        assert_eq!(feed(STREAM, &each), whole);
    }

    #[test]
    fn wrong_metadata_is_malformed() {
        let cases: [(&[u8], Malformed); 5] = [
            (b"\0\0\0\0\0\0\0\0", Malformed::NoJson),
            (b"[]\0\0\0\0\0\0\0\0", Malformed::NoObject),
            (b"{}\0\0\0a", Malformed::BadDelimiter),
            (b"{\"statusCode\":1}\0\0\0\0\0\0\0\0", Malformed::BadStatus),
            (b"{\"headers\":1}\0\0\0\0\0\0\0\0", Malformed::WrongType("headers")),
        ];
        for (stream, wanted) in cases {
            assert_eq!(feed(stream, &[]), Err(wanted), "{}", stream.escape_ascii());
        }
    }

    #[test]
    fn metadata_is_bounded() {
        let blanks = vec![b' '; STREAM_PRELUDE_BYTES_MAX - 2];
        let fitting = [b"{}", &*blanks, &[0; 8]].concat();
        assert!(feed(&fitting, &[]).expect("well formed").is_some());
        assert_eq!(feed(&fitting[..fitting.len() - 8], &[]), Ok(None));
        let longer = [b"{} ", &*blanks].concat();
        let too_long = Err(Malformed::PreludeTooLong(STREAM_PRELUDE_BYTES_MAX));
        assert_eq!(feed(&longer, &[]), too_long);
        assert_eq!(feed(&longer, &[longer.len() - 1]), too_long);
    }

    proptest! {
        #[test]
        fn any_stream_reads_the_same_however_it_is_cut(
            stream in proptest::collection::vec(prop_oneof![Just(0), any::<u8>()], 0..40),
            first in 0_usize..40,
        ) {
            let cut = first.min(stream.len());
            prop_assert_eq!(feed(&stream, &[cut]), feed(&stream, &[]));
        }
    }
}
