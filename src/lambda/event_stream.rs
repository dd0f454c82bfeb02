//! Event streams: what an endpoint answers to `InvokeWithResponseStream`, frame by frame.
//!
//! AWS Lambda API reference, "InvokeWithResponseStream"; Smithy specification, "Amazon Event Stream
//! Specification". A frame says how long it and its headers are, under a checksum of their own, so
//! that nothing is kept on the word of bytes that are none; then headers, payload, and a checksum of
//! all of it.

use serde::{Deserialize, Serialize};

use super::event_frame::{FrameHeaders, append_frame, checksum, read_u32};
use crate::base::limits::{EVENT_HEADERS_BYTES_MAX, EVENT_PAYLOAD_BYTES_MAX};

/// What a frame says.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum StreamEvent<'f> {
    /// A piece of what the function answers.
    Payload(&'f [u8]),
    /// Nothing more comes: the function is done, or has failed.
    Complete(InvokeComplete),
    /// The endpoint gave up.
    Exception(StreamException),
    /// Nothing that is known: later versions of the API may have more.
    Other,
}

/// The end of an invocation.
#[derive(Clone, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct InvokeComplete {
    /// Why the function failed, where it did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_code: Option<String>,
    /// More of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_details: Option<String>,
    /// The end of the log in base64, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_result: Option<String>,
}

/// Why an endpoint gave up.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct StreamException {
    /// `:exception-type` or `:error-code`.
    pub kind: String,
    /// The payload, or `:error-message`.
    pub message: String,
}

/// Why bytes are no event stream: for the log.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum MalformedStream {
    #[error("a frame of the event stream has a length that none has")]
    Length,
    #[error("a frame of the event stream has a wrong checksum")]
    Checksum,
    #[error("a frame of the event stream has headers that are none")]
    Headers,
    #[error("`InvokeComplete` is no JSON object")]
    Complete,
}

/// Reads frames from the pieces in which they come.
///
/// # Invariants
///
/// - `frame` holds the beginning of one frame and never more than it says that it has.
#[derive(Debug, Default)]
pub struct EventStreamDecoder {
    frame: Vec<u8>,
    /// `frame` is whole, and what it said was told.
    is_told: bool,
}

impl EventStreamDecoder {
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes of `input` what belongs to the frame that is being read: how much that was, and what the
    /// frame says if it is whole. To be called until nothing is left of the input; no more after an
    /// error.
    ///
    /// # Errors
    ///
    /// Bytes that are no frame.
    pub fn feed<'f>(
        &'f mut self,
        input: &'f [u8],
    ) -> Result<(usize, Option<StreamEvent<'f>>), MalformedStream> {
        if std::mem::take(&mut self.is_told) {
            self.frame.clear();
        }
        if self.frame.is_empty()
            && let Some(length) = frame_length(input)?
            && let Some(frame) = input.get(..length)
        {
            return Ok((length, Some(read_event(frame)?)));
        }
        let mut taken = self.take(input, PRELUDE_BYTES);
        if let Some(length) = frame_length(&self.frame)? {
            taken += self.take(&input[taken..], length);
            if self.frame.len() == length {
                self.is_told = true;
                return Ok((taken, Some(read_event(&self.frame)?)));
            }
        }
        Ok((taken, None))
    }

    /// Whether a stream that ends here ends between two frames.
    #[must_use]
    pub fn is_between_frames(&self) -> bool {
        self.frame.is_empty() || self.is_told
    }

    /// Makes `frame` as long as `length`, as far as `input` goes; how much of that was taken.
    fn take(&mut self, input: &[u8], length: usize) -> usize {
        let taken = length.saturating_sub(self.frame.len()).min(input.len());
        self.frame.extend_from_slice(&input[..taken]);
        taken
    }
}

/// The length of the frame that `bytes` begin with, once its first part is there.
fn frame_length(bytes: &[u8]) -> Result<Option<usize>, MalformedStream> {
    let Some(prelude) = bytes.get(..PRELUDE_BYTES) else { return Ok(None) };
    if checksum(&prelude[..8]) != read_u32(&prelude[8..]) {
        return Err(MalformedStream::Checksum);
    }
    let [length, headers_bytes] = [0, 4].map(|at| read_u32(&prelude[at..]) as usize);
    let payload_bytes = length.checked_sub(FRAMING_BYTES + headers_bytes);
    let payload_bytes = payload_bytes.ok_or(MalformedStream::Length)?;
    if headers_bytes > EVENT_HEADERS_BYTES_MAX || payload_bytes > EVENT_PAYLOAD_BYTES_MAX {
        return Err(MalformedStream::Length);
    }
    Ok(Some(length))
}

/// What a whole frame says.
fn read_event(frame: &[u8]) -> Result<StreamEvent<'_>, MalformedStream> {
    let (content, sum) = frame.split_at(frame.len() - CHECKSUM_BYTES);
    if checksum(content) != read_u32(sum) {
        return Err(MalformedStream::Checksum);
    }
    let headers_bytes = read_u32(&content[4..]) as usize;
    let (headers, payload) = content[PRELUDE_BYTES..].split_at(headers_bytes);
    let headers = FrameHeaders::read(headers).ok_or(MalformedStream::Headers)?;
    let text = |name: &str| headers.text(name).unwrap_or_default().to_owned();
    match headers.text(":message-type") {
        Some("event") => match headers.text(":event-type") {
            Some("PayloadChunk") => Ok(StreamEvent::Payload(payload)),
            Some("InvokeComplete") => read_complete(payload).map(StreamEvent::Complete),
            _ => Ok(StreamEvent::Other),
        },
        Some("exception") => Ok(StreamEvent::Exception(StreamException {
            kind: text(":exception-type"),
            message: String::from_utf8_lossy(payload).into_owned(),
        })),
        Some("error") => Ok(StreamEvent::Exception(StreamException {
            kind: text(":error-code"),
            message: text(":error-message"),
        })),
        _ => Err(MalformedStream::Headers),
    }
}

/// One that says nothing may be empty.
fn read_complete(payload: &[u8]) -> Result<InvokeComplete, MalformedStream> {
    if payload.is_empty() {
        return Ok(InvokeComplete::default());
    }
    serde_json::from_slice(payload).map_err(|_| MalformedStream::Complete)
}

/// Appends a piece of what a function answers, as many frames as it needs: none for an empty one.
pub fn append_payload_chunk(out: &mut Vec<u8>, payload: &[u8]) {
    for piece in payload.chunks(EVENT_PAYLOAD_BYTES_MAX) {
        let headers = [
            (":event-type", "PayloadChunk"),
            (":content-type", "application/octet-stream"),
            (":message-type", "event"),
        ];
        append_frame(out, &headers, piece);
    }
}

/// Appends the end of an invocation.
pub fn append_invoke_complete(out: &mut Vec<u8>, complete: &InvokeComplete) {
    let headers = [
        (":event-type", "InvokeComplete"),
        (":content-type", "application/json"),
        (":message-type", "event"),
    ];
    let payload = serde_json::to_vec(complete).unwrap_or_default(); // texts always are JSON
    append_frame(out, &headers, &payload);
}

/// Appends that the endpoint gave up: an exception that the API names.
pub fn append_exception(out: &mut Vec<u8>, kind: &str, payload: &[u8]) {
    let headers = [
        (":exception-type", kind),
        (":content-type", "application/json"),
        (":message-type", "exception"),
    ];
    append_frame(out, &headers, payload);
}

/// Two lengths and their checksum.
const PRELUDE_BYTES: usize = 12;
const CHECKSUM_BYTES: usize = 4;
/// What a frame has beside its headers and its payload.
const FRAMING_BYTES: usize = PRELUDE_BYTES + CHECKSUM_BYTES;

#[cfg(test)]
#[path = "event_stream_tests.rs"]
mod tests;
