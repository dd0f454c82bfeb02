//! HTTP/1.0 and HTTP/1.1 messages (RFC 9112): heads and chunked bodies.
//!
//! A driver gathers bytes until [`HeadScanner`] knows where the head ends, lets [`RequestHead`] or
//! [`ResponseHead`] parse exactly that head, and then reads the body as its [`BodyFraming`] says,
//! through [`ChunkedDecoder`] where it is chunked. Heads hold ranges, never text: the buffer that
//! was parsed must stay as it was for as long as its head is used.

mod chunk_writer;
mod chunked;
mod field;
mod field_name;
mod field_section;
mod framing;
mod head_scanner;
mod request_head;
mod request_target;
mod response_head;
mod span;
mod trailers;

pub use chunk_writer::{CHUNK_END, LAST_CHUNK, LAST_CHUNK_HEAD, write_chunk_head};
pub use chunked::{ChunkedDecoder, Decoded};
pub use field::Field;
pub use field_name::FieldName;
pub use framing::{BodyFraming, Version};
pub use head_scanner::{HeadLimits, HeadScanner};
pub use request_head::RequestHead;
pub use response_head::ResponseHead;
pub use span::Span;
pub use trailers::may_come_late;

/// Whether `byte` may be part of a token (RFC 9110 section 5.6.2).
const fn is_token_byte(byte: u8) -> bool {
    matches!(byte,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`'
        | b'|' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z')
}

/// Whether a field may have this name (RFC 9110 section 5.1).
pub(crate) fn is_field_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| is_token_byte(*byte))
}

/// `text` without the spaces and tabs around it (OWS, RFC 9110 section 5.6.3).
fn trim_ows(mut text: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = text {
        text = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = text {
        text = rest;
    }
    text
}
