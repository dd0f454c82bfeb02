//! Request ids, as HTTP APIs of Amazon API Gateway show them: 15 characters of base64 and `=`.

/// One request's id: 15 characters of the URL-safe base64 alphabet and a final `=`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RequestId([u8; Self::BYTES]);

impl RequestId {
    /// Length of the text.
    pub const BYTES: usize = 16;

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The id as ASCII bytes.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; Self::BYTES] {
        &self.0
    }
}

/// A shard's source of ids: 90 bits from a generator seeded once from the system, so that two
/// processes, shards or restarts do not repeat each other. Not a secret.
#[derive(Clone, Debug)]
pub struct RequestIdSource {
    state: [u64; 2],
}

impl RequestIdSource {
    /// A source whose ids are decided by `seed`; the shard takes it from the system's randomness.
    #[must_use]
    pub fn new(seed: [u64; 2]) -> Self {
        let [first, second] = seed;
        Self { state: [first | 1, second] }
    }

    /// The next id. xoroshiro128+ steps, about two nanoseconds.
    pub fn next_id(&mut self) -> RequestId {
        let (high, low) = (self.next_u64(), self.next_u64());
        let mut text = [b'='; RequestId::BYTES];
        for (index, slot) in text.iter_mut().take(10).enumerate() {
            *slot = ALPHABET[(high >> (4 + 6 * index)) as usize & 63];
        }
        for (index, slot) in text.iter_mut().skip(10).take(5).enumerate() {
            *slot = ALPHABET[(low >> (34 + 6 * index)) as usize & 63];
        }
        RequestId(text)
    }

    /// The next random UUID (RFC 9562 section 5.4), as text.
    pub fn next_uuid(&mut self) -> [u8; 36] {
        let random = u128::from(self.next_u64()) << 64 | u128::from(self.next_u64());
        let version = random & !(0xf << 76) | 4 << 76;
        let bits = version & !(3 << 62) | 2 << 62;
        let mut text = [b'-'; 36];
        let mut shift = 128;
        for (index, slot) in text.iter_mut().enumerate() {
            if !matches!(index, 8 | 13 | 18 | 23) {
                shift -= 4;
                *slot = HEX[(bits >> shift) as usize & 15];
            }
        }
        text
    }

    /// The next 64 random bits; also good for load balancing and jitter.
    pub fn next_u64(&mut self) -> u64 {
        let [first, mut second] = self.state;
        let result = first.wrapping_add(second);
        second ^= first;
        self.state = [first.rotate_left(24) ^ second ^ (second << 16), second.rotate_left(37)];
        result
    }
}

const HEX: &[u8; 16] = b"0123456789abcdef";
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uuids_are_of_version_4() {
        let mut source = RequestIdSource::new([7, 9]);
        for _ in 0..1_000 {
            let uuid = source.next_uuid();
            let text = std::str::from_utf8(&uuid).expect("ASCII");
            let parts: Vec<_> = text.split('-').map(str::len).collect();
            assert_eq!(parts, [8, 4, 4, 4, 12]);
            assert_eq!(uuid[14], b'4');
            assert!(b"89ab".contains(&uuid[19]), "{text}");
            assert!(uuid.iter().all(|byte| *byte == b'-' || HEX.contains(byte)));
        }
    }

    #[test]
    fn ids_are_distinct_and_well_formed() {
        let mut source = RequestIdSource::new([7, 9]);
        let mut seen = std::collections::HashSet::new();
        for _ in 0..100_000 {
            let id = source.next_id();
            assert!(seen.insert(*id.as_bytes()));
            assert_eq!(id.as_str().len(), 16);
            assert!(id.as_str().ends_with('='));
        }
    }
}
