//! The authority of an integration's URI, as its author wrote it.

use std::net::Ipv6Addr;

/// The host in lower case and the port of `host[:port]`.
pub(super) fn parse_authority(authority: &str) -> Result<(String, Option<u16>), String> {
    if authority.contains('@') {
        return Err("credentials do not belong into a URI".into());
    }
    if authority.contains(['{', '}']) {
        return Err("a placeholder can stand in the path and the query only".into());
    }
    let host_end = match authority.strip_prefix('[') {
        Some(inner) => inner.find(']').map_or(authority.len(), |end| end + 2),
        None => authority.find(':').unwrap_or(authority.len()),
    };
    let (host, rest) = authority.split_at(host_end);
    if !is_host(host) {
        return Err(format!("`{host}` is no host"));
    }
    let port = match rest.strip_prefix(':') {
        None if rest.is_empty() => None,
        Some(digits) if !digits.is_empty() => Some(parse_port(digits)?),
        _ => return Err(format!("`{rest}` is no port")),
    };
    Ok((host.to_ascii_lowercase(), port))
}

fn parse_port(digits: &str) -> Result<u16, String> {
    let is_number = digits.bytes().all(|byte| byte.is_ascii_digit());
    let port = digits.parse().ok().filter(|port| is_number && *port != 0);
    port.ok_or_else(|| format!("`{digits}` is no port"))
}

/// A name of letters, digits, `-`, `_` and single dots, or an IPv6 address in brackets.
fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        let address = address.strip_suffix(']').unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok();
    }
    let is_letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=HOST_BYTES_MAX).contains(&host.len())
        && host.bytes().all(is_letter)
        && !host.starts_with('.')
        && !host.contains("..")
}

/// The first character that no part of a URI can hold as it stands (RFC 3986 section 2). Braces
/// are a placeholder's.
pub(super) fn unfit_character(text: &str) -> Option<char> {
    let is_fit = |one: char| one.is_ascii_graphic() && !"\"#<>\\^`|".contains(one);
    text.chars().find(|one| !is_fit(*one))
}

/// Longest host name that DNS has, written out with its last dot.
const HOST_BYTES_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_authority_is_a_host_and_maybe_a_port() {
        let parsed = |text: &str| parse_authority(text).ok();
        for (text, host, port) in [
            ("a", "a", None),
            ("A-b_c.Example.com.", "a-b_c.example.com.", None),
            ("a:1", "a", Some(1)),
            ("a:65535", "a", Some(65_535)),
            ("[::1]", "[::1]", None),
            ("[::1]:80", "[::1]", Some(80)),
        ] {
            assert_eq!(parsed(text), Some((host.to_owned(), port)), "{text}");
        }
        for text in [
            "", ":80", "a:", "a:0", "a:65536", "a:+1", "a:b", "a:1:2", "::1", "[::1", "[::1]80",
            "[a]", "[]", ".a", "a..b", "a,b", "a@b", "{a}", "a%20b", "\u{e9}",
        ] {
            assert_eq!(parsed(text), None, "{text}");
        }
        assert!(parsed(&"a".repeat(HOST_BYTES_MAX)).is_some());
        assert!(parsed(&"a".repeat(HOST_BYTES_MAX + 1)).is_none());
    }
}
