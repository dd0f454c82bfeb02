//! Passes an answer's body from the target to the client.
//!
//! Never holds more than one buffer, so a slow reader slows the target down. What comes is framed
//! anew for the client: a chunked body in chunks of what each read brings, one that ends with the
//! connection in chunks too, or bare to HTTP/1.0.

use super::chunk_frames::{CHUNK_HEAD_ROOM, append_last_chunk, append_payload, frame_chunk};
use super::exchange::Exchange;
use super::grpc::WebEncoder;
use crate::base::{Fault, Nanos};
use crate::observe::DeadlineKind;
use crate::proto::{BodyFraming, ChunkedDecoder, Version};
use crate::rt::now;
use crate::upstream::TargetLink;

/// One body on its way.
pub(super) struct BodyRelay<'r, 'x, 'b> {
    pub(super) exchange: &'r mut Exchange<'x, 'b>,
    pub(super) link: TargetLink,
    pub(super) idle_timeout: Nanos,
    pub(super) answer_bytes: u64,
    pub(super) at: Nanos,
}

impl BodyRelay<'_, '_, '_> {
    /// A body that is not there. Whether nothing came after the head.
    pub(super) async fn end(&mut self, rest: &[u8]) -> Result<bool, Fault> {
        self.flush(true).await?;
        Ok(rest.is_empty())
    }

    /// A body of known length. Whether nothing came after it.
    pub(super) async fn length(&mut self, first: &[u8], length: u64) -> Result<bool, Fault> {
        let first_bytes = usize::try_from(length).unwrap_or(usize::MAX).min(first.len());
        self.exchange.out.extend_from_slice(&first[..first_bytes]);
        self.answer_bytes += first_bytes as u64;
        let mut left = length - first_bytes as u64;
        let mut is_last = left == 0 && self.link.ends_by_length();
        self.flush(is_last).await?;
        let clean = first_bytes == first.len();
        while left > 0 {
            let buffer = self.exchange.state.body_buffers.take();
            let mut buffer = self.read(buffer, 0).await?;
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let surplus = buffer.len() > count;
            buffer.truncate(count);
            left -= count as u64;
            self.answer_bytes += count as u64;
            is_last = left == 0 && self.link.ends_by_length();
            self.write(buffer, 0, is_last).await?;
            if surplus {
                return Ok(false);
            }
        }
        if !is_last {
            return self.end_behind_length().await;
        }
        Ok(clean)
    }

    /// Over HTTP/2 the end of a body comes on its own, with trailers perhaps. Whether nothing else did.
    async fn end_behind_length(&mut self) -> Result<bool, Fault> {
        let rest = self.exchange.state.body_buffers.take();
        if let Some(rest) = self.read_or_end(rest, 0).await? {
            self.exchange.state.body_buffers.put(rest);
            return Ok(false);
        }
        self.exchange.client.end(&self.link.trailers())?;
        Ok(true)
    }

    /// A chunked body, passed on in chunks of what each read brings (or bare, to HTTP/1.0).
    pub(super) async fn chunked(
        &mut self,
        first: &mut [u8],
        framing: BodyFraming,
    ) -> Result<bool, Fault> {
        let as_chunks = framing == BodyFraming::Chunked;
        let mut decoder = ChunkedDecoder::new();
        let Ok(mut decoded) = decoder.decode(first) else {
            // Nothing was sent yet, so the client can still be told.
            self.exchange.out.clear();
            self.exchange.client.answer_started.set(false);
            return Err(Fault::BadUpstreamAnswer);
        };
        let mut surplus = first.len() > decoded.consumed_bytes;
        append_payload(self.exchange.out, &first[..decoded.payload_bytes], as_chunks);
        self.answer_bytes += decoded.payload_bytes as u64;
        if decoded.done && as_chunks {
            append_last_chunk(self.exchange.out, decoder.trailers());
        }
        let mut is_last = decoded.done && decoder.trailers().is_empty();
        self.flush(is_last).await?;
        while !decoded.done {
            let mut buffer = self.exchange.state.body_buffers.take();
            buffer.resize(CHUNK_HEAD_ROOM, 0);
            let mut buffer = self.read(buffer, CHUNK_HEAD_ROOM).await?;
            let raw = &mut buffer[CHUNK_HEAD_ROOM..];
            let Ok(now_decoded) = decoder.decode(raw) else {
                self.exchange.state.body_buffers.put(buffer);
                return Err(Fault::BadUpstreamAnswer);
            };
            decoded = now_decoded;
            surplus = raw.len() > decoded.consumed_bytes;
            buffer.truncate(CHUNK_HEAD_ROOM + decoded.payload_bytes);
            self.answer_bytes += decoded.payload_bytes as u64;
            let mut start = CHUNK_HEAD_ROOM;
            if as_chunks && decoded.payload_bytes > 0 {
                start = frame_chunk(&mut buffer, decoded.payload_bytes);
            }
            if as_chunks && decoded.done {
                append_last_chunk(&mut buffer, decoder.trailers());
            }
            is_last = decoded.done && decoder.trailers().is_empty();
            self.write(buffer, start, is_last).await?;
        }
        if !is_last {
            self.exchange.client.end(decoder.trailers())?;
        }
        Ok(!surplus)
    }

    /// A body that ends with the connection. It is never fit to be used again.
    pub(super) async fn until_close(
        &mut self,
        first: &[u8],
        framing: BodyFraming,
    ) -> Result<bool, Fault> {
        let as_chunks = framing == BodyFraming::Chunked;
        let web = self.exchange.web.map(WebEncoder::new);
        append_payload(self.exchange.out, first, as_chunks);
        self.answer_bytes += first.len() as u64;
        self.flush(false).await?;
        loop {
            let mut buffer = self.exchange.state.body_buffers.take();
            buffer.resize(CHUNK_HEAD_ROOM, 0);
            let Some(mut buffer) = self.read_or_end(buffer, CHUNK_HEAD_ROOM).await? else { break };
            if let Some(web) = web {
                web.encode(&mut buffer, CHUNK_HEAD_ROOM);
            }
            let payload_bytes = buffer.len() - CHUNK_HEAD_ROOM;
            self.answer_bytes += payload_bytes as u64;
            let mut start = CHUNK_HEAD_ROOM;
            if as_chunks {
                start = frame_chunk(&mut buffer, payload_bytes);
            }
            self.write(buffer, start, false).await?;
        }
        let mut trailers = self.link.trailers();
        if let Some(web) = web {
            let mut message = Vec::new();
            web.append_trailers(&mut message, &std::mem::take(&mut trailers));
            append_payload(self.exchange.out, &message, as_chunks);
            self.answer_bytes += message.len() as u64;
        }
        if as_chunks {
            append_last_chunk(self.exchange.out, &trailers);
        }
        if !self.exchange.out.is_empty() {
            self.flush(false).await?;
        }
        self.exchange.client.end(&trailers)?;
        Ok(false)
    }

    /// Sends what is in `out`, and leaves it empty.
    async fn flush(&mut self, is_last: bool) -> Result<(), Fault> {
        let out = std::mem::take(self.exchange.out);
        let (result, out) = self.exchange.client.write(out, 0, self.at, is_last).await;
        *self.exchange.out = out;
        self.exchange.out.clear();
        self.at = now();
        result
    }

    async fn write(&mut self, buffer: Vec<u8>, start: usize, is_last: bool) -> Result<(), Fault> {
        let (result, buffer) = self.exchange.client.write(buffer, start, self.at, is_last).await;
        self.exchange.state.body_buffers.put(buffer);
        self.at = now();
        result
    }

    /// Reads more of the body behind `filled`; the end of the connection is a fault.
    async fn read(&mut self, buffer: Vec<u8>, filled: usize) -> Result<Vec<u8>, Fault> {
        self.read_or_end(buffer, filled).await?.ok_or(Fault::UpstreamReset)
    }

    async fn read_or_end(
        &mut self,
        buffer: Vec<u8>,
        filled: usize,
    ) -> Result<Option<Vec<u8>>, Fault> {
        debug_assert_eq!(buffer.len(), filled);
        self.exchange.client.deadline.clear();
        self.link.set_due(self.at.plus(self.idle_timeout));
        let (result, buffer) = self.link.read(buffer).await;
        self.link.clear_due();
        self.at = now();
        if matches!(result, Ok(count) if count > 0) {
            return Ok(Some(buffer));
        }
        self.exchange.state.body_buffers.put(buffer);
        if self.link.deadline().passed() {
            let kind = DeadlineKind::UpstreamIdle;
            self.exchange.upstream_deadline_fired(&self.link, kind);
            return Err(Fault::UpstreamTimeout);
        }
        result.map_or(Err(Fault::UpstreamReset), |_| Ok(None))
    }
}

/// How the body is framed towards a client of `version`. HTTP/2 frames by itself: there a body goes
/// bare, to its end.
pub(super) fn framing_for_client(framing: BodyFraming, version: Version) -> BodyFraming {
    match (framing, version) {
        (BodyFraming::Chunked | BodyFraming::UntilClose, Version::Http11) => BodyFraming::Chunked,
        (BodyFraming::Chunked, Version::Http10 | Version::Http2) => BodyFraming::UntilClose,
        (other, _) => other,
    }
}
