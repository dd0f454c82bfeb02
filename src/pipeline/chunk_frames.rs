//! Frames payload as chunks (RFC 9112 section 7.1), in the buffer that it was read into.

use crate::proto::write_chunk_head;

/// Room to leave in front of a chunk's payload for its size line.
pub(super) const CHUNK_HEAD_ROOM: usize = 32;

/// Appends `payload` as one chunk; nothing for an empty one, which would end the body.
fn append_chunk(out: &mut Vec<u8>, payload: &[u8]) {
    if payload.is_empty() {
        return;
    }
    out.extend_from_slice(write_chunk_head(payload.len(), &mut [0; 18]));
    out.extend_from_slice(payload);
    out.extend_from_slice(b"\r\n");
}

/// Appends `payload`, as one chunk or bare.
pub(super) fn append_payload(out: &mut Vec<u8>, payload: &[u8], as_chunks: bool) {
    if as_chunks {
        append_chunk(out, payload);
    } else {
        out.extend_from_slice(payload);
    }
}

/// Appends the chunk that ends a body, with its trailers.
pub(super) fn append_last_chunk(out: &mut Vec<u8>, trailers: &[u8]) {
    out.extend_from_slice(b"0\r\n");
    out.extend_from_slice(trailers);
    out.extend_from_slice(b"\r\n");
}

/// `payload` as a chunk, and as the whole of a body where there are `trailers`, which may be empty.
pub(crate) fn chunks_of(payload: &[u8], trailers: Option<&[u8]>) -> Vec<u8> {
    let mut chunks = Vec::with_capacity(payload.len() + CHUNK_HEAD_ROOM);
    append_chunk(&mut chunks, payload);
    if let Some(trailers) = trailers {
        append_last_chunk(&mut chunks, trailers);
    }
    chunks
}

/// Puts the size line of a chunk in front of the payload that lies behind [`CHUNK_HEAD_ROOM`], and
/// its end behind; returns where the chunk begins.
pub(super) fn frame_chunk(buffer: &mut Vec<u8>, payload_bytes: usize) -> usize {
    let mut line = [0; 18];
    let line = write_chunk_head(payload_bytes, &mut line);
    let start = CHUNK_HEAD_ROOM - line.len();
    buffer[start..CHUNK_HEAD_ROOM].copy_from_slice(line);
    buffer.extend_from_slice(b"\r\n");
    start
}
