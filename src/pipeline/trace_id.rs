//! `X-Amzn-Trace-Id`: what ties the hops of a request together, in the form of AWS X-Ray.
//!
//! Source: "Tracing header" of the X-Ray developer guide: `Root=1-{8 hex}-{24 hex}`, with a `Parent`
//! of 16 and `Sampled=0|1`. What a client says of the root and its parent is kept.

use super::state::ShardState;
use crate::base::Nanos;

/// The field's name.
pub(crate) const TRACE_ID_HEADER: &[u8] = b"X-Amzn-Trace-Id";

/// A trace id, as text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct TraceId(Vec<u8>);

impl TraceId {
    /// The id of a request that came at `at` with this field value, if it had one.
    pub(crate) fn of_request(state: &ShardState, received: Option<&[u8]>, at: Nanos) -> Self {
        let part = |name: &[u8]| {
            let parts = received?.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            parts.filter_map(|part| part.strip_prefix(name)).find(|value| is_plain(value))
        };
        let mut text = Vec::with_capacity(80);
        text.extend_from_slice(b"Root=");
        match part(b"Root=") {
            Some(root) => text.extend_from_slice(root),
            None => {
                text.extend_from_slice(b"1-");
                write_hex(&mut text, state.unix_millis_at(at) / 1_000, 8);
                text.push(b'-');
                write_hex(&mut text, state.next_random(), 16);
                write_hex(&mut text, state.next_random(), 8);
            }
        }
        text.extend_from_slice(b";Parent=");
        let parent = part(b"Parent=");
        match parent {
            Some(parent) => text.extend_from_slice(parent),
            None => write_hex(&mut text, state.next_random(), 16),
        }
        text.extend_from_slice(b";Sampled=");
        let sampled = part(b"Sampled=");
        // Whoever has a span of its own around this one traces.
        let by_default = if parent.is_some() { b"1" } else { b"0" };
        text.extend_from_slice(sampled.unwrap_or(by_default));
        Self(text)
    }

    /// The field's value.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Whether a part of what a client sent is fit to be sent on.
fn is_plain(value: &[u8]) -> bool {
    (1..=64).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

fn write_hex(out: &mut Vec<u8>, value: u64, digits: u32) {
    for digit in (0..digits).rev() {
        out.push(b"0123456789abcdef"[(value >> (4 * digit)) as usize & 15]);
    }
}
