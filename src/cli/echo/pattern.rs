//! The bytes that bodies are made of: the alphabet over and over, so that a test can tell a lost,
//! doubled or misplaced byte by its place.

/// Whole alphabets, so that blocks join without a seam.
pub(super) const BLOCK_BYTES: usize = 26 * 2_520;

/// One block of the pattern.
pub(super) static BLOCK: [u8; BLOCK_BYTES] = block();

const fn block() -> [u8; BLOCK_BYTES] {
    let mut bytes = [0; BLOCK_BYTES];
    let mut index = 0;
    while index < BLOCK_BYTES {
        bytes[index] = b'a' + (index % 26) as u8;
        index += 1;
    }
    bytes
}

/// Appends the first `bytes` bytes of the pattern.
pub(super) fn append(out: &mut Vec<u8>, bytes: usize) {
    let mut left = bytes;
    while left > 0 {
        let part = left.min(BLOCK_BYTES);
        out.extend_from_slice(&BLOCK[..part]);
        left -= part;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pattern_has_no_seam_between_blocks() {
        for bytes in [0, 1, 26, BLOCK_BYTES - 1, BLOCK_BYTES, BLOCK_BYTES + 1, 200_000] {
            let mut out = Vec::new();
            append(&mut out, bytes);
            assert_eq!(out.len(), bytes);
            assert!(out.iter().enumerate().all(|(at, byte)| *byte == b'a' + (at % 26) as u8));
        }
    }
}
