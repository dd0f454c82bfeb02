//! `X-Amzn-Trace-Id`: what ties the hops of a request together, in the form of AWS X-Ray.
//!
//! Source: "Tracing header" of the X-Ray developer guide: `Root=1-{8 hex}-{24 hex}`, with a `Parent`
//! of 16 and `Sampled=0|1`. What a client says of the root and its parent is kept.

use super::state::ShardState;
use crate::base::Nanos;

/// The field's name.
pub(crate) const TRACE_ID_HEADER: &[u8] = b"X-Amzn-Trace-Id";

/// A trace id, as text. In place, since every request has one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct TraceId {
    text: [u8; BYTES_MAX],
    length: usize,
}

/// Longest text: a root and a parent of a client's, as long as they may be.
const BYTES_MAX: usize = 2 * PART_BYTES_MAX + 32;
const PART_BYTES_MAX: usize = 64;

impl TraceId {
    /// The id of a request that came at `at` with this field value, if it had one.
    pub(crate) fn of_request(state: &ShardState, received: Option<&[u8]>, at: Nanos) -> Self {
        let part = |name: &[u8]| {
            let parts = received?.split(|byte| *byte == b';').map(<[u8]>::trim_ascii);
            parts.filter_map(|part| value_of(part, name)).find(|value| is_plain(value))
        };
        let mut id = Self { text: [0; BYTES_MAX], length: 0 };
        id.push(b"Root=");
        match part(b"Root=") {
            Some(root) => id.push(root),
            None => {
                id.push(b"1-");
                id.push_hex(state.unix_millis_at(at) / 1_000, 8);
                id.push(b"-");
                id.push_hex(state.next_random(), 16);
                id.push_hex(state.next_random(), 8);
            }
        }
        id.push(b";Parent=");
        let parent = part(b"Parent=");
        match parent {
            Some(parent) => id.push(parent),
            None => id.push_hex(state.next_random(), 16),
        }
        id.push(b";Sampled=");
        // Whoever has a span of its own around this one traces.
        let by_default: &[u8] = if parent.is_some() { b"1" } else { b"0" };
        id.push(part(b"Sampled=").filter(|sampled| sampled.len() == 1).unwrap_or(by_default));
        id
    }

    fn push(&mut self, part: &[u8]) {
        let end = self.length + part.len();
        if let Some(place) = self.text.get_mut(self.length..end) {
            place.copy_from_slice(part);
            self.length = end;
        }
    }

    fn push_hex(&mut self, value: u64, digits: u32) {
        for digit in (0..digits).rev() {
            self.push(&[b"0123456789abcdef"[(value >> (4 * digit)) as usize & 15]]);
        }
    }

    /// The field's value.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

/// What stands behind `name`; older senders write names in lower case.
fn value_of<'p>(part: &'p [u8], name: &[u8]) -> Option<&'p [u8]> {
    let (start, value) = part.split_at_checked(name.len())?;
    start.eq_ignore_ascii_case(name).then_some(value)
}

/// Whether a part of what a client sent is fit to be sent on.
fn is_plain(value: &[u8]) -> bool {
    (1..=PART_BYTES_MAX).contains(&value.len())
        && value.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}
