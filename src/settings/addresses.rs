//! Addresses as they are written: where to listen, where targets are, who is trusted.

use std::net::{Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use super::hosts::is_host_name;
use super::values::{TextForm, Unformed};
use crate::model::{IpNetwork, ListenerAddress, TargetAddress};

impl TextForm for ListenerAddress {
    const EXPECTED: &'static str =
        "an IP address and a port (`0.0.0.0:8080`, `[::]:8080`), or `unix:` and an absolute path";
    const PATTERN: Option<&'static str> =
        Some(r"^(unix:/.+|[0-9.]+:[0-9]+|\[[0-9A-Fa-f:.]+\]:[0-9]+)$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        match text.strip_prefix("unix:") {
            Some(path) => parse_unix(path).map(Self::Unix),
            None => text.parse().map(Self::Tcp).map_err(|_| Unformed::Form),
        }
    }
}

impl TextForm for TargetAddress {
    const EXPECTED: &'static str = "a host and a port (`127.0.0.1:9000`, `[::1]:9000`, \
        `api.internal:8080`), or `unix:` and an absolute path";
    const PATTERN: Option<&'static str> = Some("^(unix:/.+|.+:[0-9]+)$");

    fn parse(text: &str) -> Result<Self, Unformed> {
        if let Some(path) = text.strip_prefix("unix:") {
            return parse_unix(path).map(Self::Unix);
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return match address.port() {
                0 => Err(Unformed::because("no target listens on port 0")),
                _ => Ok(Self::Socket(address)),
            };
        }
        if let Some(scheme) =
            ["http://", "https://"].iter().find(|&scheme| text.starts_with(scheme))
        {
            return Err(Unformed::because(format!("a target is written without `{scheme}`")));
        }
        if text.parse::<Ipv6Addr>().is_ok() {
            return Err(Unformed::because("an IPv6 address stands in brackets, before its port"));
        }
        let Some((host, port)) = text.rsplit_once(':') else {
            return Err(Unformed::because("the port is missing"));
        };
        let Some(port) = port.parse().ok().filter(|&port: &u16| port != 0 && is_digits(text, host))
        else {
            return Err(Unformed::At(host.len() + 1, "a port is from 1 to 65535".into()));
        };
        let is_number = host.rsplit('.').next().is_some_and(|label| label.parse::<u64>().is_ok());
        if !is_host_name(host) || is_number {
            return Err(Unformed::because("this is neither an IP address nor a host name"));
        }
        Ok(Self::Name { host: host.to_ascii_lowercase(), port })
    }
}

/// Whether what follows `host:` is digits alone: integers may be parsed with a sign.
fn is_digits(text: &str, host: &str) -> bool {
    text.as_bytes().get(host.len() + 1..).is_some_and(|port| port.iter().all(u8::is_ascii_digit))
}

impl TextForm for IpNetwork {
    const EXPECTED: &'static str = "an IP address or a network (`10.0.0.0/8`, `fd00::/8`)";

    fn parse(text: &str) -> Result<Self, Unformed> {
        Self::parse(text).ok_or(Unformed::Form)
    }
}

fn parse_unix(path: &str) -> Result<PathBuf, Unformed> {
    if !path.starts_with('/') {
        return Err(Unformed::At("unix:".len(), "the path of a unix socket is absolute".into()));
    }
    if path.len() > UNIX_PATH_BYTES_MAX || path.contains('\0') {
        let reason = format!("the path of a unix socket has at most {UNIX_PATH_BYTES_MAX} bytes");
        return Err(Unformed::At("unix:".len(), reason));
    }
    Ok(path.into())
}

/// `sun_path` of unix(7), less its final NUL.
const UNIX_PATH_BYTES_MAX: usize = 107;

#[cfg(test)]
mod tests {
    use super::*;

    fn target(text: &str) -> Option<TargetAddress> {
        TargetAddress::parse(text).ok()
    }

    #[test]
    fn targets_are_addresses_names_or_sockets() {
        let socket = |text: &str| TargetAddress::Socket(text.parse().expect("an address"));
        let name = |host: &str, port| TargetAddress::Name { host: host.into(), port };
        assert_eq!(target("127.0.0.1:9000"), Some(socket("127.0.0.1:9000")));
        assert_eq!(target("[::1]:1"), Some(socket("[::1]:1")));
        assert_eq!(target("API.internal:8080"), Some(name("api.internal", 8_080)));
        assert_eq!(target("localhost:65535"), Some(name("localhost", 65_535)));
        assert_eq!(target("unix:/a b"), Some(TargetAddress::Unix("/a b".into())));
        for text in [
            "",
            ":80",
            "a:",
            "a:0",
            "a:+1",
            "a:65536",
            "a b:1",
            "::1",
            "1.2.3.4",
            "1.2.3:80",
            "256.1.1.1:80",
            "http://a:1",
            "127.0.0.1:0",
            "unix:",
            "unix:a",
            "unix:/a\0",
        ] {
            assert_eq!(target(text), None, "{text}");
        }
    }

    #[test]
    fn listeners_may_leave_the_port_to_the_kernel() {
        let listener = |text: &str| ListenerAddress::parse(text).is_ok();
        assert!(listener("127.0.0.1:0") && listener("[::]:8080") && listener("unix:/run/x.sock"));
        assert!(!listener("localhost:80") && !listener("8080") && !listener(":8080"));
    }

    #[test]
    fn the_path_of_a_socket_fits_its_address() {
        for (bytes, fits) in [(106, true), (107, true), (108, false)] {
            let text = format!("unix:/{}", "x".repeat(bytes - 1));
            assert_eq!(target(&text).is_some(), fits, "{bytes}");
        }
    }
}
