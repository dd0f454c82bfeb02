//! Host names as they are written: which hosts reach an API, and which Host targets see.

use std::net::IpAddr;

use super::values::{TextForm, Unformed};

/// A host that reaches an API: `api.example.com`, `*.example.com`, `*`. Lower case, without port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct HostPattern(pub(super) String);

impl TextForm for HostPattern {
    const EXPECTED: &'static str =
        "a host name without port (`api.example.com`), `*.` and a host name, or `*`";

    fn parse(text: &str) -> Result<Self, Unformed> {
        let host = text.to_ascii_lowercase();
        if host == "*" || host.strip_prefix("*.").is_some_and(is_host_name) || is_host(&host) {
            return Ok(Self(host));
        }
        if text.contains("://") {
            return Err(Unformed::because("a host is written without scheme"));
        }
        match text.rsplit_once(':') {
            Some((host, port)) if is_host_name(host) && port.parse::<u16>().is_ok() => {
                Err(Unformed::At(host.len(), "a host is written without port".into()))
            }
            _ => Err(Unformed::Form),
        }
    }
}

/// A Host that targets see, with or without a port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct HostHeader(pub(super) String);

impl TextForm for HostHeader {
    const EXPECTED: &'static str = "a host name or an IP address, with or without a port";

    fn parse(text: &str) -> Result<Self, Unformed> {
        let has_port = |(host, port): (&str, &str)| {
            let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
            is_host(host) && is_port && port.parse::<u16>().is_ok()
        };
        let is_form = is_host(text) || text.rsplit_once(':').is_some_and(has_port);
        is_form.then(|| Self(text.into())).ok_or(Unformed::Form)
    }
}

/// A name or an address; an IPv6 address stands in brackets, as in a Host (RFC 3986 section 3.2.2).
fn is_host(text: &str) -> bool {
    match text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()),
        None => is_host_name(text),
    }
}

/// Labels of letters, digits, `-` and `_` (which DNS has for services), 63 bytes each, 253 in all.
/// IPv4 addresses have this form too.
pub(super) fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        let is_byte = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
        (1..=63).contains(&label.len())
            && label.bytes().all(is_byte)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    text.len() <= 253 && text.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_told_from_what_is_none() {
        for host in
            ["api.example.com", "*.example.com", "*", "localhost", "10.0.0.1", "[::1]", "A_b"]
        {
            assert_eq!(HostPattern::parse(host).expect(host).0, host.to_ascii_lowercase());
        }
        for text in
            ["", ".", "a..b", "-a", "a-", "*.", "*a", "a.*", "**", "http://a", "a:80", "a b", "::1"]
        {
            assert!(HostPattern::parse(text).is_err(), "{text}");
        }
        for (bytes, fits) in [(62, true), (63, true), (64, false)] {
            assert_eq!(HostPattern::parse(&"a".repeat(bytes)).is_ok(), fits, "{bytes}");
        }
        let label = "a".repeat(63);
        for (bytes, fits) in [(252, true), (253, true), (254, false)] {
            let name = format!("{label}.{label}.{label}.{}", "b".repeat(bytes - 192));
            assert_eq!((name.len(), HostPattern::parse(&name).is_ok()), (bytes, fits));
        }
    }

    #[test]
    fn host_headers_may_have_a_port() {
        for host in ["a.b", "a.b:80", "[::1]", "[::1]:80", "10.0.0.1:65535"] {
            assert_eq!(HostHeader::parse(host).expect(host).0, host);
        }
        for text in ["", "a:", "a:65536", "a:+1", ":80", "a/b", "a b"] {
            assert!(HostHeader::parse(text).is_err(), "{text}");
        }
    }
}
