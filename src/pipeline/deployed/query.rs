//! The parameters of a query, as expressions see them: decoded.

use std::borrow::Cow;

use crate::proto::uri::percent_decode;

/// The pairs of a query, which may begin with `?`. `;` parts them like `&` does.
pub(super) fn pairs(query: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let query = query.strip_prefix(b"?").unwrap_or(query);
    let pairs = query.split(|byte| matches!(byte, b'&' | b';')).filter(|pair| !pair.is_empty());
    pairs.map(|pair| match memchr::memchr(b'=', pair) {
        Some(at) => (&pair[..at], &pair[at + 1..]),
        None => (pair, &b""[..]),
    })
}

/// The values of the parameter `name`, still encoded.
pub(super) fn values<'q>(query: &'q [u8], name: &'q str) -> impl Iterator<Item = &'q [u8]> {
    let is_named = move |raw: &[u8]| match needs_decoding(raw) {
        false => raw == name.as_bytes(),
        true => *decoded(raw) == *name.as_bytes(),
    };
    pairs(query).filter(move |(raw, _)| is_named(raw)).map(|(_, value)| value)
}

/// Appends `raw`, decoded: `+` is a space, and a percent sign that encodes nothing stands for itself.
pub(super) fn decode(raw: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let spaced: Cow<'_, [u8]> = match raw.contains(&b'+') {
        true => raw.iter().map(|byte| if *byte == b'+' { b' ' } else { *byte }).collect(),
        false => raw.into(),
    };
    if percent_decode(&spaced, out).is_err() {
        out.truncate(start);
        out.extend_from_slice(&spaced);
    }
}

fn needs_decoding(raw: &[u8]) -> bool {
    raw.iter().any(|byte| matches!(byte, b'%' | b'+'))
}

fn decoded(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    decode(raw, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(query: &str, name: &str) -> Vec<String> {
        let values = values(query.as_bytes(), name);
        values.map(|raw| String::from_utf8_lossy(&decoded(raw)).into_owned()).collect()
    }

    #[test]
    fn parameters_are_found_by_their_decoded_name() {
        assert_eq!(all("?a=1&b=2&a=3", "a"), ["1", "3"]);
        assert_eq!(all("?%61=x%20y;a=p+q", "a"), ["x y", "p q"]);
        assert_eq!(all("?a&a=&ab=1", "a"), ["", ""]);
        assert_eq!(all("?A=1", "a"), Vec::<String>::new());
        assert_eq!(all("?a=%zz", "a"), ["%zz"]);
        assert_eq!(all("", "a"), Vec::<String>::new());
    }
}
