//! The next segment of a path, as a lookup uses it: where it ends, its first bytes as one number,
//! and its hash.

use crate::plan::symbol::{segment_end, symbol_at};

/// How many bytes of a segment a node holds, and a lookup reads at once.
pub(super) const HEAD_BYTES: usize = 16;

/// Multiplier of the hash: odd, with its bits well spread.
const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

/// One segment of a request's path, percent-decoded.
///
/// # Invariants
///
/// - Two segments are equal if `head` and `bytes` are, and what follows the head.
/// - The hash is of all bytes, and of what it was begun with.
#[derive(Clone, Copy, Debug)]
pub(super) struct PathSegment {
    /// The first bytes, the rest zero.
    pub(super) head: u128,
    /// How many bytes it has.
    pub(super) bytes: usize,
    pub(super) hash: u64,
    /// Where its head ends in the path.
    pub(super) head_end: usize,
    /// Where it ends in the path.
    pub(super) end: usize,
}

impl PathSegment {
    /// The segment that starts at byte `at` of `path`.
    #[inline]
    pub(super) fn read<const ENCODED: bool>(path: &[u8], at: usize, seed: u64) -> Self {
        if ENCODED { Self::read_encoded(path, at, seed) } else { Self::read_plain(path, at, seed) }
    }

    /// Sixteen bytes at a time, without a branch that depends on the length of a shorter segment:
    /// lengths differ from request to request, and such a branch is mispredicted.
    #[inline]
    fn read_plain(path: &[u8], at: usize, seed: u64) -> Self {
        let (head, mut bytes) = block(path, at);
        let mut hash = mix(seed, head);
        let head_end = at + bytes;
        // A block that is full may have more behind it.
        while bytes.is_multiple_of(HEAD_BYTES) && bytes > 0 {
            let (more, count) = block(path, at + bytes);
            if count == 0 {
                break;
            }
            hash = mix(hash, more);
            bytes += count;
        }
        Self { head, bytes, hash, head_end, end: at + bytes }
    }

    fn read_encoded(path: &[u8], at: usize, seed: u64) -> Self {
        let end = segment_end(path, at);
        let raw = path.get(..end).unwrap_or_default();
        let (mut head, mut bytes, mut hash) = (0, 0, seed);
        let (mut block, mut place, mut head_end) = (0_u128, at, end);
        while let Some((symbol, next)) = symbol_at(raw, place) {
            block |= u128::from(symbol) << (8 * (bytes % HEAD_BYTES));
            (bytes, place) = (bytes + 1, next);
            if bytes == HEAD_BYTES {
                (head, head_end) = (block, place);
            }
            if bytes.is_multiple_of(HEAD_BYTES) {
                hash = mix(hash, block);
                block = 0;
            }
        }
        if bytes < HEAD_BYTES {
            head = block;
        }
        if bytes == 0 || !bytes.is_multiple_of(HEAD_BYTES) {
            hash = mix(hash, block);
        }
        Self { head, bytes, hash, head_end, end }
    }
}

/// The hash `hash` with one more block. The product of two numbers, folded.
#[inline]
fn mix(hash: u64, block: u128) -> u64 {
    let (low, high) = (block as u64 ^ hash, (block >> 64) as u64 ^ SPREAD);
    let product = u128::from(low) * u128::from(high);
    (product >> 64) as u64 ^ product as u64
}

/// Up to sixteen bytes from `at` that end before the next `/`, and how many they are.
#[inline]
fn block(path: &[u8], at: usize) -> (u128, usize) {
    let bytes = sixteen_bytes(path, at);
    let left = path.len().saturating_sub(at);
    let count = slash_place(bytes).min(left);
    // A shift by all 128 bits is not a shift.
    let kept = if count >= HEAD_BYTES { bytes } else { bytes & ((1 << (8 * count)) - 1) };
    (kept, count.min(HEAD_BYTES))
}

/// How many bytes are before the first `/`.
#[inline]
fn slash_place(bytes: u128) -> usize {
    const ONES: u128 = u128::from_ne_bytes([1; 16]);
    const TOPS: u128 = u128::from_ne_bytes([0x80; 16]);
    const SLASHES: u128 = u128::from_ne_bytes([b'/'; 16]);
    // The top bit of each byte that is zero here, and of none before the first.
    let others = bytes ^ SLASHES;
    let found = others.wrapping_sub(ONES) & !others & TOPS;
    found.trailing_zeros() as usize / 8
}

/// The sixteen bytes at `at`, zeros for those behind the end.
#[inline]
fn sixteen_bytes(path: &[u8], at: usize) -> u128 {
    if let Some(bytes) = path.get(at..).and_then(<[u8]>::first_chunk) {
        return u128::from_le_bytes(*bytes);
    }
    let left = path.len().saturating_sub(at);
    let missing = 8 * (HEAD_BYTES - left);
    if let Some(last) = path.last_chunk() {
        return u128::from_le_bytes(*last).checked_shr(missing as u32).unwrap_or(0);
    }
    short(path).checked_shr(8 * at as u32).unwrap_or(0)
}

/// All bytes of a path that is shorter than sixteen.
#[inline]
fn short(path: &[u8]) -> u128 {
    if let (Some(first), Some(last)) = (path.first_chunk(), path.last_chunk()) {
        let (first, last) = (u64::from_le_bytes(*first), u64::from_le_bytes(*last));
        return u128::from(first) | u128::from(last) << (8 * (path.len() - 8));
    }
    path.iter().rev().fold(0, |all, byte| all << 8 | u128::from(*byte))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fields(segment: PathSegment) -> (u128, usize, u64, usize, usize) {
        (segment.head, segment.bytes, segment.hash, segment.head_end, segment.end)
    }

    fn plain(path: &[u8], at: usize) -> PathSegment {
        PathSegment::read::<false>(path, at, 7)
    }

    proptest! {
        #[test]
        fn reading_blocks_is_reading_bytes(
            path in proptest::collection::vec(proptest::sample::select(b"//ab\0\x30\x2e\xfe".to_vec()), 0..60),
            at in any::<proptest::sample::Index>(),
        ) {
            let at = at.index(path.len() + 1);
            let segment = plain(&path, at);
            let bytes: Vec<u8> =
                path[at..].iter().copied().take_while(|byte| *byte != b'/').collect();
            let mut head = [0; HEAD_BYTES];
            let head_bytes = bytes.len().min(HEAD_BYTES);
            head[..head_bytes].copy_from_slice(&bytes[..head_bytes]);
            prop_assert_eq!(segment.head, u128::from_le_bytes(head));
            prop_assert_eq!((segment.bytes, segment.end), (bytes.len(), at + bytes.len()));
            prop_assert_eq!(segment.head_end, at + head_bytes);
            // Whatever lies around it, and encoded or not.
            prop_assert_eq!(segment.hash, plain(&bytes, 0).hash);
            prop_assert_eq!(fields(segment), fields(PathSegment::read::<true>(&path, at, 7)));
            let encoded: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
            let decoded = PathSegment::read::<true>(encoded.as_bytes(), 0, 7);
            prop_assert_eq!((decoded.head, decoded.bytes), (segment.head, segment.bytes));
            prop_assert_eq!((decoded.hash, decoded.head_end), (segment.hash, 3 * head_bytes));
        }
    }

    #[test]
    fn every_byte_and_the_seed_change_the_hash() {
        let path = [b'x'; 40];
        let hash = plain(&path, 0).hash;
        for place in 0..path.len() {
            let mut other = path;
            other[place] = b'y';
            assert_ne!(plain(&other, 0).hash, hash, "{place}");
        }
        assert_ne!(PathSegment::read::<false>(&path, 0, 8).hash, hash);
        assert_eq!(
            fields(plain(b"/a", 9)),
            fields(PathSegment { end: 9, head_end: 9, ..plain(b"", 0) })
        );
    }
}
