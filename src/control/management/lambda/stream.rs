//! `InvokeWithResponseStream`: what a call came to, as an event stream.
//!
//! The answer is whole by then: whoever makes calls from outside of the shards gives whole ones.

use crate::lambda::{InvokeComplete, append_invoke_complete, append_payload_chunk};

/// What the answer is as a media type.
pub(super) const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// The frames of a call: its answer in pieces, and how it ended. A failure is told at the end alone.
pub(super) fn in_frames(body: &[u8], is_failed: bool, log_result: Option<String>) -> Vec<u8> {
    let mut frames = Vec::with_capacity(body.len() + body.len() / 64 + FRAMES_BYTES_USUAL);
    let mut complete = InvokeComplete { log_result, ..InvokeComplete::default() };
    if is_failed {
        complete.error_code = Some("Unhandled".to_owned());
        complete.error_details = Some(String::from_utf8_lossy(body).into_owned());
    } else {
        for piece in body.chunks(PIECE_BYTES) {
            append_payload_chunk(&mut frames, piece);
        }
    }
    append_invoke_complete(&mut frames, &complete);
    frames
}

const PIECE_BYTES: usize = 64 * 1024;
const FRAMES_BYTES_USUAL: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lambda::{EventStreamDecoder, StreamEvent};

    /// The pieces of an answer, and its end.
    fn read(frames: &[u8]) -> (Vec<Vec<u8>>, InvokeComplete) {
        let (mut decoder, mut rest, mut pieces) = (EventStreamDecoder::new(), frames, Vec::new());
        loop {
            let (taken, event) = decoder.feed(rest).expect("frames");
            rest = &rest[taken..];
            match event.expect("whole frames") {
                StreamEvent::Payload(piece) => pieces.push(piece.to_vec()),
                StreamEvent::Complete(complete) => {
                    assert!(rest.is_empty(), "nothing comes behind the end");
                    return (pieces, complete);
                }
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn an_answer_comes_in_pieces() {
        for length in [0, 1, PIECE_BYTES, PIECE_BYTES + 1, 3 * PIECE_BYTES] {
            let body: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            let (pieces, complete) = read(&in_frames(&body, false, None));
            assert_eq!(pieces.len(), length.div_ceil(PIECE_BYTES));
            assert_eq!(pieces.concat(), body);
            assert_eq!(complete, InvokeComplete::default());
        }
    }

    #[test]
    fn a_failure_is_told_at_the_end() {
        let (pieces, complete) =
            read(&in_frames(b"{\"errorMessage\":\"x\"}", true, Some("bG9n".into())));
        assert!(pieces.is_empty());
        assert_eq!(complete.error_code.as_deref(), Some("Unhandled"));
        assert_eq!(complete.error_details.as_deref(), Some("{\"errorMessage\":\"x\"}"));
        assert_eq!(complete.log_result.as_deref(), Some("bG9n"));
    }
}
