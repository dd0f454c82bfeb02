//! Hosts and ports, as Host and the absolute form of a target have them.

use std::net::Ipv6Addr;

use memchr::memchr;

/// Whether `text` is a host: a registered name of letters, digits, `-`, `_` and single dots
/// (which IPv4 addresses are, too), or an IPv6 address in brackets.
///
/// Narrower than RFC 3986's reg-name, which also has sub-delimiters and percent-encodings: no
/// name that resolves holds them, and programs that split, log or match hosts are misled by them.
#[must_use]
pub fn is_valid_host(text: &[u8]) -> bool {
    if let [b'[', address @ .., b']'] = text {
        return std::str::from_utf8(address).is_ok_and(|text| text.parse::<Ipv6Addr>().is_ok());
    }
    // Without a branch per byte: every request comes through here.
    let letters = text.iter().fold(true, |fine, byte| fine & HOST_BYTES[usize::from(*byte)]);
    let empty_label = text.windows(2).fold(false, |found, pair| found | (pair == b".."));
    letters && !empty_label && !text.starts_with(b".") && (1..=HOST_BYTES_MAX).contains(&text.len())
}

/// Whether `text` is `host` or `host:port`, as Host and the absolute form of a target have it.
#[must_use]
pub fn is_valid_authority(text: &[u8]) -> bool {
    split_authority(text).is_some()
}

/// The host and the port of `host[:port]`. `None` if either is malformed; an empty port
/// (`host:`, RFC 3986 section 3.2.3) is no port. An IPv6 address keeps its brackets.
#[must_use]
pub fn split_authority(text: &[u8]) -> Option<(&[u8], Option<u16>)> {
    let host_bytes = match text {
        [b'[', ..] => memchr(b']', text)? + 1,
        _ => memchr(b':', text).unwrap_or(text.len()),
    };
    let (host, rest) = text.split_at_checked(host_bytes)?;
    let port = match rest {
        [] | [b':'] => None,
        [b':', digits @ ..] => Some(parse_port(digits)?),
        _ => return None,
    };
    is_valid_host(host).then_some((host, port))
}

/// At most five digits within 16 bits.
fn parse_port(digits: &[u8]) -> Option<u16> {
    if digits.len() > 5 {
        return None;
    }
    digits.iter().try_fold(0_u16, |port, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit < 10)?;
        port.checked_mul(10)?.checked_add(u16::from(digit))
    })
}

static HOST_BYTES: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0_u8;
    while byte < 0x80 {
        allowed[byte as usize] = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        byte += 1;
    }
    allowed
};

/// Longest host name that DNS has, written out with its last dot.
const HOST_BYTES_MAX: usize = 254;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hosts_are_names_or_addresses() {
        let long = "a".repeat(HOST_BYTES_MAX);
        for host in
            ["a", "api.example.com", "api.example.com.", "127.0.0.1", "a_b-c", "[::1]", &long]
        {
            assert!(is_valid_host(host.as_bytes()), "{host}");
        }
        let longer = "a".repeat(HOST_BYTES_MAX + 1);
        for host in [
            "",
            ".",
            "..",
            ".a",
            "a..b",
            "a b",
            "a,b",
            "a/b",
            "a@b",
            "a:80",
            "[::1",
            "::1",
            "[1.2.3.4]",
            "[fe80::1%25eth0]",
            "a%2eb",
            "\u{e4}",
            "a\0",
            "a;b",
            "$a",
            "[]",
            &longer,
        ] {
            assert!(!is_valid_host(host.as_bytes()), "{host}");
        }
    }

    #[test]
    fn authorities_are_split_into_host_and_port() {
        assert_eq!(split_authority(b"a.b"), Some((&b"a.b"[..], None)));
        assert_eq!(split_authority(b"a.b:"), Some((&b"a.b"[..], None)));
        assert_eq!(split_authority(b"a.b:65535"), Some((&b"a.b"[..], Some(65_535))));
        assert_eq!(split_authority(b"[::1]:8080"), Some((&b"[::1]"[..], Some(8_080))));
        for bad in [
            "", ":80", "a:65536", "a:080000", "a:-1", "a:+1", "a:80:80", "u@a", "u:p@a", "[::1]80",
            "a: 80",
        ] {
            assert_eq!(split_authority(bad.as_bytes()), None, "{bad}");
        }
    }

    proptest! {
        #[test]
        fn what_is_split_is_the_whole(text in "[a.:0-9\\[\\]@-]{0,12}") {
            let Some((host, port)) = split_authority(text.as_bytes()) else { return Ok(()) };
            prop_assert!(is_valid_host(host) && text.as_bytes().starts_with(host));
            let digits = text[host.len()..].trim_start_matches(':').trim_start_matches('0');
            let number = port.filter(|port| *port > 0).map_or(String::new(), |port| port.to_string());
            prop_assert_eq!(digits, number);
        }
    }
}
