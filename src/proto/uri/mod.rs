//! Request targets: which bytes they are made of, percent-encoding, paths, hosts.
//!
//! Knows the grammar of RFC 3986 and nothing of routes.

mod host;
mod path;
mod percent;

pub use host::{is_valid_authority, is_valid_host, split_authority};
pub use path::{PathForm, is_normal_path, normalise_path};
pub use percent::{BadPercentEncoding, percent_decode, percent_encode};

/// Whether `byte` may stand in a request target (RFC 3986 section 2). Brackets may, though only
/// for IPv6 addresses by the RFC: `?ids[]=1` is too common to refuse. `#` may not: a fragment is
/// never sent.
#[inline]
pub(super) const fn is_target_byte(byte: u8) -> bool {
    TARGET_BYTES[byte as usize]
}

/// RFC 3986 section 2.3.
const fn is_unreserved(byte: u8) -> bool {
    matches!(byte, b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~')
}

static TARGET_BYTES: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        allowed[byte as usize] = is_unreserved(byte)
            || matches!(byte, b'%' | b'/' | b'?' | b':' | b'@' | b'[' | b']')
            || matches!(
                byte,
                b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
            );
        byte += 1;
    }
    allowed
};
