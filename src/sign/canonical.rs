//! What a signature is over: a request in the one form that signer and verifier write alike
//! ("Create a signed AWS API request" in AWS's IAM guide), and the key of a day.

use std::fmt::Write as _;

use super::library::{digest, hmac};

/// The start of a canonical request, which a fixed target fixes: method, path and query, a line each.
/// `path` is as sent; `query` is decoded.
pub(super) fn write_target<'q>(
    out: &mut String,
    method: &str,
    path: &str,
    query: impl Iterator<Item = (&'q str, &'q str)>,
) {
    let _ = writeln!(out, "{method}\n{}", canonical_path(path)); // a String takes all
    let mut pairs: Vec<_> =
        query.map(|(name, value)| (encode(name, false), encode(value, false))).collect();
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        let _ = write!(out, "{}{name}={value}", if index == 0 { "" } else { "&" });
    }
    out.push('\n');
}

/// A header that is signed: its name in lower case, and its values in the order in which they came.
pub(super) fn write_header<'v>(
    out: &mut String,
    name: &str,
    values: impl Iterator<Item = &'v str>,
) {
    out.push_str(name);
    out.push(':');
    for (index, value) in values.enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_collapsed(out, value);
    }
    out.push('\n');
}

/// The end of a canonical request: the names of its headers, joined by semicolons, and the hash of
/// its body.
pub(super) fn write_end(out: &mut String, signed_names: &str, payload_hash: &str) {
    let _ = write!(out, "\n{signed_names}\n{payload_hash}");
}

/// The text that the key signs.
pub(super) fn string_to_sign(timestamp: &str, scope: &str, canonical: &str) -> String {
    let mut text = format!("{ALGORITHM}\n{timestamp}\n{scope}\n");
    write_hash(&mut text, canonical.as_bytes());
    text
}

/// `20150830/us-east-1/lambda/aws4_request`.
pub(super) fn scope(date: &str, region: &str, service: &str) -> String {
    format!("{date}/{region}/{service}/{SCOPE_END}")
}

/// The key by which a secret signs for one day, region and service.
pub(super) fn signing_key(secret: &str, date: &str, region: &str, service: &str) -> hmac::Key {
    let first = hmac::Key::new(hmac::HMAC_SHA256, format!("AWS4{secret}").as_bytes());
    [date, region, service, SCOPE_END].into_iter().fold(first, |key, part| {
        hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref())
    })
}

/// Appends the SHA-256 of `bytes`, in hexadecimal digits.
pub(super) fn write_hash(out: &mut String, bytes: &[u8]) {
    write_hex(out, digest::digest(&digest::SHA256, bytes).as_ref());
}

pub(super) fn write_hex(out: &mut String, bytes: &[u8]) {
    for byte in bytes {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from(HEX[usize::from(digit)]));
        }
    }
}

/// The path without dot segments and doubled slashes, encoded once more: all services but S3 sign it
/// so.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            other => segments.push(other),
        }
    }
    let mut normal = format!("/{}", segments.join("/"));
    if path.ends_with('/') && !segments.is_empty() {
        normal.push('/');
    }
    encode(&normal, true)
}

fn encode(text: &str, keeps_slashes: bool) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        let is_plain = byte.is_ascii_alphanumeric()
            || b"-._~".contains(&byte)
            || (keeps_slashes && byte == b'/');
        if is_plain {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// A header's value with each run of spaces as one.
fn write_collapsed(out: &mut String, value: &str) {
    for (index, part) in value.split(' ').filter(|part| !part.is_empty()).enumerate() {
        if index > 0 {
            out.push(' ');
        }
        out.push_str(part);
    }
}

pub(super) const ALGORITHM: &str = "AWS4-HMAC-SHA256";
pub(super) const SCOPE_END: &str = "aws4_request";
const HEX: [u8; 16] = *b"0123456789abcdef";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_normal_and_encoded_once_more() {
        assert_eq!(canonical_path("/"), "/");
        assert_eq!(canonical_path("//a/./b/../c/"), "/a/c/");
        assert_eq!(canonical_path("/tags/arn%3Aaws"), "/tags/arn%253Aaws");
    }

    #[test]
    fn values_have_no_runs_of_spaces() {
        let mut out = String::new();
        write_header(&mut out, "a", ["  a   b  ", "", "c"].into_iter());
        assert_eq!(out, "a:a b,,c\n");
    }
}
