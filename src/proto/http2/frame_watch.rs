//! Watches the frames that a peer sends, and tells when it sends too many that cost it nothing.
//!
//! Flow control bounds DATA; nothing in HTTP/2 bounds the rest (RFC 9113 section 10.5). Only the
//! nine bytes in front of each frame are looked at, before anybody acts on the frame.

use crate::base::Nanos;

/// How many frames of a kind a peer may send in a second, but for `continuations_max`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FrameLimits {
    /// RST_STREAM.
    pub resets_per_second_max: u32,
    /// SETTINGS, PING, PRIORITY, and frames of unknown types.
    pub control_frames_per_second_max: u32,
    /// CONTINUATION, for one block of fields.
    pub continuation_frames_max: u32,
    /// WINDOW_UPDATE.
    pub window_updates_per_second_max: u32,
    /// DATA of less than 64 bytes that does not end its stream.
    pub tiny_data_frames_per_second_max: u32,
}

/// A DATA frame below this is tiny: its header and handling outweigh what it carries.
pub(super) const TINY_DATA_BYTES: u32 = 64;

/// What a peer sent too much of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Flood {
    /// Streams opened and given up (CVE-2023-44487).
    Resets,
    /// SETTINGS, PING, PRIORITY, unknown types (CVE-2019-9512, -9515).
    Control,
    /// CONTINUATION (CVE-2024-27316 and its like).
    Continuations,
    /// WINDOW_UPDATE.
    WindowUpdates,
    /// Tiny DATA (CVE-2019-9518).
    TinyData,
}

impl Flood {
    /// All of them, in the order of their numbers.
    pub const ALL: [Self; 5] =
        [Self::Resets, Self::Control, Self::Continuations, Self::WindowUpdates, Self::TinyData];

    /// The value of the metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resets => "resets",
            Self::Control => "control_frames",
            Self::Continuations => "continuations",
            Self::WindowUpdates => "window_updates",
            Self::TinyData => "tiny_data",
        }
    }
}

/// The frames of one connection, as they come in.
#[derive(Debug)]
pub struct FrameWatch {
    /// Bytes of the preface that are still to come.
    preface_left: usize,
    header: [u8; HEADER_BYTES],
    /// How much of `header` is there.
    header_bytes: usize,
    /// Payload of the frame under way that is still to come.
    payload_left: usize,
    /// The frame under way is DATA.
    is_data: bool,
    /// A block of fields has begun and not ended.
    is_block_open: bool,
    continuations_count: u32,
    /// The second that is being counted.
    second: u64,
    counts: [u32; Flood::ALL.len()],
}

const HEADER_BYTES: usize = 9;

impl FrameWatch {
    /// Watches what a client sends, the preface first.
    #[must_use]
    pub fn of_client() -> Self {
        Self { preface_left: super::PREFACE.len(), ..Self::of_server() }
    }

    /// Watches what a server sends.
    #[must_use]
    pub fn of_server() -> Self {
        Self {
            preface_left: 0,
            header: [0; HEADER_BYTES],
            header_bytes: 0,
            payload_left: 0,
            is_data: false,
            is_block_open: false,
            continuations_count: 0,
            second: 0,
            counts: [0; Flood::ALL.len()],
        }
    }

    /// Takes note of what came at `now`. What comes after a flood is not looked at.
    pub fn take(&mut self, mut bytes: &[u8], now: Nanos, limits: &FrameLimits) -> Option<Flood> {
        let second = now.as_millis() / 1_000;
        if second != self.second {
            self.second = second;
            self.counts = [0; Flood::ALL.len()];
        }
        let skipped = self.preface_left.min(bytes.len());
        self.preface_left -= skipped;
        bytes = &bytes[skipped..];
        while !bytes.is_empty() {
            if self.payload_left > 0 {
                let count = self.payload_left.min(bytes.len());
                self.payload_left -= count;
                bytes = &bytes[count..];
                continue;
            }
            let count = (HEADER_BYTES - self.header_bytes).min(bytes.len());
            let end = self.header_bytes + count;
            self.header[self.header_bytes..end].copy_from_slice(&bytes[..count]);
            self.header_bytes = end;
            bytes = &bytes[count..];
            if end == HEADER_BYTES {
                self.header_bytes = 0;
                if let Some(flood) = self.count_frame(limits) {
                    return Some(flood);
                }
            }
        }
        None
    }

    /// Whether something other than a body was begun and has not come whole: the preface, a frame,
    /// a block of fields.
    #[must_use]
    pub fn is_inside_head(&self) -> bool {
        self.preface_left > 0
            || self.is_block_open
            || self.header_bytes > 0
            || (self.payload_left > 0 && !self.is_data)
    }

    fn count_frame(&mut self, limits: &FrameLimits) -> Option<Flood> {
        let [high, middle, low, kind, flags, ..] = self.header;
        let payload_bytes = u32::from_be_bytes([0, high, middle, low]);
        self.payload_left = payload_bytes as usize;
        self.is_data = kind == DATA;
        let (flood, max) = match kind {
            DATA if payload_bytes < TINY_DATA_BYTES && flags & END_STREAM == 0 => {
                (Flood::TinyData, limits.tiny_data_frames_per_second_max)
            }
            DATA => return None,
            HEADERS | PUSH_PROMISE => {
                self.is_block_open = flags & END_HEADERS == 0;
                self.continuations_count = 0;
                return None;
            }
            CONTINUATION => {
                self.is_block_open = flags & END_HEADERS == 0;
                self.continuations_count += 1;
                let is_flood = self.continuations_count > limits.continuation_frames_max;
                return is_flood.then_some(Flood::Continuations);
            }
            RST_STREAM => (Flood::Resets, limits.resets_per_second_max),
            WINDOW_UPDATE => (Flood::WindowUpdates, limits.window_updates_per_second_max),
            _ => (Flood::Control, limits.control_frames_per_second_max),
        };
        let count = &mut self.counts[flood as usize];
        *count = count.saturating_add(1);
        (*count > max).then_some(flood)
    }
}

// Types and flags of frames (RFC 9113 section 6).
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const PUSH_PROMISE: u8 = 5;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: FrameLimits = FrameLimits {
        resets_per_second_max: 3,
        control_frames_per_second_max: 3,
        continuation_frames_max: 3,
        window_updates_per_second_max: 3,
        tiny_data_frames_per_second_max: 3,
    };

    fn frame(kind: u8, flags: u8, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).expect("short").to_be_bytes();
        let mut frame = vec![length[1], length[2], length[3], kind, flags, 0, 0, 0, 1];
        frame.extend_from_slice(payload);
        frame
    }

    fn at_second(second: u64) -> Nanos {
        Nanos::from_millis(second * 1_000)
    }

    #[test]
    fn each_kind_has_its_bound_in_a_second() {
        for (kind, flags, payload, flood) in [
            (RST_STREAM, 0, 4, Flood::Resets),
            (4, 0, 6, Flood::Control),
            (6, 0, 8, Flood::Control),
            (2, 0, 5, Flood::Control),
            (0xfa, 0, 0, Flood::Control),
            (WINDOW_UPDATE, 0, 4, Flood::WindowUpdates),
            (DATA, 0, 0, Flood::TinyData),
            (DATA, 0, 63, Flood::TinyData),
        ] {
            let one = frame(kind, flags, &vec![7; payload]);
            let mut watch = FrameWatch::of_server();
            for second in 1..4 {
                assert_eq!(watch.take(&one.repeat(3), at_second(second), &LIMITS), None);
            }
            assert_eq!(watch.take(&one, at_second(3), &LIMITS), Some(flood), "{kind}");
        }
    }

    #[test]
    fn continuations_are_counted_for_each_block_whatever_the_time() {
        let mut watch = FrameWatch::of_server();
        let block = [frame(HEADERS, 0, b"abc"), frame(CONTINUATION, 0, b"d").repeat(3)].concat();
        assert_eq!(watch.take(&block, at_second(1), &LIMITS), None);
        assert!(watch.is_inside_head());
        assert_eq!(watch.take(&block, at_second(2), &LIMITS), None, "a block of its own");
        let more = frame(CONTINUATION, END_HEADERS, b"d");
        assert_eq!(watch.take(&more, at_second(9), &LIMITS), Some(Flood::Continuations));
    }

    #[test]
    fn data_is_bounded_by_flow_control_alone_unless_it_is_tiny() {
        let mut watch = FrameWatch::of_server();
        let large = frame(DATA, 0, &[1; 64]).repeat(100);
        assert_eq!(watch.take(&large, at_second(1), &LIMITS), None);
        let last = frame(DATA, END_STREAM, b"").repeat(100);
        assert_eq!(watch.take(&last, at_second(1), &LIMITS), None, "each ends its stream");
    }

    #[test]
    fn a_head_is_inside_until_it_has_come_whole() {
        let mut watch = FrameWatch::of_client();
        assert!(watch.is_inside_head(), "the preface is to come");
        watch.take(super::super::PREFACE, at_second(1), &LIMITS);
        assert!(!watch.is_inside_head());
        let head = frame(HEADERS, END_HEADERS, b"abc");
        watch.take(&head[..10], at_second(1), &LIMITS);
        assert!(watch.is_inside_head());
        watch.take(&head[10..], at_second(1), &LIMITS);
        assert!(!watch.is_inside_head());
        watch.take(&frame(DATA, 0, &[0; 100])[..50], at_second(1), &LIMITS);
        assert!(!watch.is_inside_head(), "a body may take its time");
    }

    proptest! {
        /// However the bytes are cut, the same frames are counted.
        #[test]
        fn cuts_make_no_difference(
            frames in proptest::collection::vec((0..12_u8, 0..6_u8, 0..80_usize), 0..40),
            cuts in proptest::collection::vec(1..30_usize, 1..40),
        ) {
            let mut bytes = super::super::PREFACE.to_vec();
            for (kind, flags, payload) in frames {
                bytes.extend(frame(kind, flags, &vec![0; payload]));
            }
            let whole = FrameWatch::of_client().take(&bytes, at_second(1), &LIMITS);
            let (mut watch, mut rest, mut found) = (FrameWatch::of_client(), &bytes[..], None);
            for cut in cuts.iter().cycle() {
                if rest.is_empty() || found.is_some() {
                    break;
                }
                let (piece, others) = rest.split_at((*cut).min(rest.len()));
                found = watch.take(piece, at_second(1), &LIMITS);
                rest = others;
            }
            prop_assert_eq!(found, whole);
        }
    }
}
