//! Blocks of fields: written plainly (RFC 7541 section 6.2.2), so that a test may say anything.

/// A field as a literal that enters no table, without Huffman coding.
pub(crate) fn literal(name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Vec<u8> {
    [vec![0], string(name.as_ref()), string(value.as_ref())].concat()
}

/// A field as a literal that enters the dynamic table (section 6.2.1).
pub(crate) fn indexed_literal(name: &str, value: &str) -> Vec<u8> {
    [vec![0x40], string(name.as_bytes()), string(value.as_bytes())].concat()
}

/// A string literal (section 5.2).
fn string(bytes: &[u8]) -> Vec<u8> {
    let mut string = integer(0, 7, bytes.len());
    string.extend_from_slice(bytes);
    string
}

/// An integer behind the bits of `first` that are its representation's (section 5.1).
pub(crate) fn integer(first: u8, prefix_bits: u32, value: usize) -> Vec<u8> {
    let max = (1_usize << prefix_bits) - 1;
    if value < max {
        return vec![first | u8::try_from(value).expect("below the prefix")];
    }
    let mut bytes = vec![first | u8::try_from(max).expect("at most 8 bits")];
    let mut rest = value - max;
    while rest >= 128 {
        bytes.push(u8::try_from(rest % 128).expect("7 bits") | 128);
        rest /= 128;
    }
    bytes.push(u8::try_from(rest).expect("7 bits"));
    bytes
}

pub(crate) fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name, value)).collect()
}

/// The pseudo-headers of a request to `a`.
pub(crate) fn start<'f>(method: &'f str, path: &'f str) -> Vec<(&'f str, &'f str)> {
    vec![(":method", method), (":scheme", "http"), (":authority", "a"), (":path", path)]
}

/// The block of a request to `a`, with more fields.
pub(crate) fn request(method: &str, path: &str, more: &[(&str, &str)]) -> Vec<u8> {
    block(&[&start(method, path)[..], more].concat())
}

/// The block of the request that any working connection answers "mocked".
pub(crate) fn get_mock() -> Vec<u8> {
    request("GET", "/mock", &[])
}
