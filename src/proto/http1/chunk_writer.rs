//! Writes the chunked coding (RFC 9112 section 7.1).

/// What ends a chunk's data.
pub const CHUNK_END: &[u8] = b"\r\n";
/// Ends a chunked body that has no trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Ends the data of a chunked body that has trailers: the field lines follow, then an empty line.
pub const LAST_CHUNK_HEAD: &[u8] = b"0\r\n";

/// The size line of a chunk of `length` bytes. Nothing for a `length` of 0: a chunk of no bytes
/// would end the body, so there is no such chunk to write.
pub fn write_chunk_head(length: usize, out: &mut [u8; 18]) -> &[u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    if length == 0 {
        return &[];
    }
    let [digits @ .., carriage_return, line_feed] = out;
    *carriage_return = b'\r';
    *line_feed = b'\n';
    let mut left = length;
    let mut start = digits.len();
    for digit in digits.iter_mut().rev() {
        *digit = DIGITS[left & 0xf];
        left >>= 4;
        start -= 1;
        if left == 0 {
            break;
        }
    }
    debug_assert!(left == 0, "16 digits hold 64 bits");
    out.get(start..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn sizes_are_written_without_leading_zeros() {
        let mut out = [0; 18];
        assert_eq!(write_chunk_head(1, &mut out), b"1\r\n");
        assert_eq!(write_chunk_head(15, &mut out), b"f\r\n");
        assert_eq!(write_chunk_head(16, &mut out), b"10\r\n");
        assert_eq!(write_chunk_head(usize::MAX, &mut out), b"ffffffffffffffff\r\n");
    }

    #[test]
    fn no_bytes_are_no_chunk() {
        assert_eq!(write_chunk_head(0, &mut [0; 18]), b"");
    }

    proptest! {
        #[test]
        fn sizes_are_what_format_writes(length in 1_usize..) {
            let mut out = [0; 18];
            let wanted = format!("{length:x}\r\n");
            prop_assert_eq!(write_chunk_head(length, &mut out), wanted.as_bytes());
        }
    }
}
