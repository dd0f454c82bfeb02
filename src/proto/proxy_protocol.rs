//! The PROXY protocol, versions 1 and 2 (haproxy.org, proxy-protocol.txt): who a connection is
//! really from, told by the proxy that passed it on.
//!
//! Knows nothing of who may say so: a listener reads a header only from peers that it trusts. There
//! is no guessing: a connection that begins with anything else is refused.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::base::Fault;

/// How far a header came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyStep {
    /// More bytes are needed.
    Partial,
    /// The header is whole.
    Done {
        /// Its length; the client's first byte follows.
        consumed_bytes: usize,
        /// The client. `None` for the proxy's own connections (LOCAL), and for clients without an
        /// IP address or whose address the proxy does not know: the peer's address stands then.
        source: Option<SocketAddr>,
        /// Where the client connected to. `None` when `source` is.
        destination: Option<SocketAddr>,
    },
}

/// Reads the header that `buffer` begins with. Extensions (TLVs) of version 2 are skipped.
///
/// # Errors
///
/// [`Fault::BadProxyHeader`] as soon as the bytes cannot become a header within its bound.
pub fn parse(buffer: &[u8]) -> Result<ProxyStep, Fault> {
    if buffer.first() == V2_SIGNATURE.first() {
        parse_v2(buffer).ok_or(Fault::BadProxyHeader)
    } else {
        parse_v1(buffer).ok_or(Fault::BadProxyHeader)
    }
}

/// Longest header of version 1, its CRLF included (section 2.1).
pub const V1_BYTES_MAX: usize = 107;
/// Longest header of version 2 that is taken, 16 bytes of fixed part included. The format allows
/// 65,551; real ones with all extensions, a client certificate's names among them, stay under 1 KiB.
pub const V2_BYTES_MAX: usize = 4_096;

const V1_START: &[u8] = b"PROXY ";
const V2_SIGNATURE: &[u8; 12] = b"\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED_BYTES: usize = 16;

/// `None` for a fault.
fn parse_v1(buffer: &[u8]) -> Option<ProxyStep> {
    if !begins_like(buffer, V1_START) {
        return None;
    }
    let within = buffer.get(..V1_BYTES_MAX).unwrap_or(buffer);
    let Some(line_feed) = memchr::memchr(b'\n', within) else {
        return (buffer.len() < V1_BYTES_MAX).then_some(ProxyStep::Partial);
    };
    let line = within.get(..line_feed)?.strip_suffix(b"\r")?;
    let text = std::str::from_utf8(line.strip_prefix(V1_START)?).ok()?;
    let consumed_bytes = line_feed + 1;
    let (protocol, rest) = text.split_once(' ').unwrap_or((text, ""));
    if protocol == "UNKNOWN" {
        // What follows is to be ignored (section 2.1).
        return Some(ProxyStep::Done { consumed_bytes, source: None, destination: None });
    }
    let mut words = rest.split(' ');
    let mut word = || words.next();
    let (source, destination) = (word()?, word()?);
    let (source_port, destination_port) = (parse_port(word()?)?, parse_port(word()?)?);
    if word().is_some() {
        return None;
    }
    let address = |text: &str| match protocol {
        "TCP4" => text.parse::<Ipv4Addr>().ok().map(IpAddr::V4),
        "TCP6" => text.parse::<Ipv6Addr>().ok().map(IpAddr::V6),
        _ => None,
    };
    Some(ProxyStep::Done {
        consumed_bytes,
        source: Some(SocketAddr::new(address(source)?, source_port)),
        destination: Some(SocketAddr::new(address(destination)?, destination_port)),
    })
}

/// Decimal without sign or leading zeros.
fn parse_port(text: &str) -> Option<u16> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = text.len() > 1 && text.starts_with('0');
    if plain && !leading_zero { text.parse().ok() } else { None }
}

/// `None` for a fault.
fn parse_v2(buffer: &[u8]) -> Option<ProxyStep> {
    if !begins_like(buffer, V2_SIGNATURE) {
        return None;
    }
    let after_signature = buffer.get(V2_SIGNATURE.len()..).unwrap_or_default();
    let local = match after_signature.first() {
        None => return Some(ProxyStep::Partial),
        Some(0x20) => true,
        Some(0x21) => false,
        Some(_) => return None,
    };
    let [_, family, high, low, body @ ..] = after_signature else {
        return Some(ProxyStep::Partial);
    };
    let body_bytes = usize::from(u16::from_be_bytes([*high, *low]));
    let consumed_bytes = V2_FIXED_BYTES + body_bytes;
    if consumed_bytes > V2_BYTES_MAX {
        return None;
    }
    let Some(body) = body.get(..body_bytes) else {
        return Some(ProxyStep::Partial);
    };
    if local {
        return Some(ProxyStep::Done { consumed_bytes, source: None, destination: None });
    }
    let ends = match family {
        0x11 => Some(ends_v4(body.first_chunk()?)),
        0x21 => Some(ends_v6(body.first_chunk()?)),
        // Unspecified, datagrams, unix sockets: real connections whose client has no TCP address.
        0x00 | 0x12 | 0x22 | 0x31 | 0x32 => None,
        _ => return None,
    };
    let (source, destination) = ends.unzip();
    Some(ProxyStep::Done { consumed_bytes, source, destination })
}

fn ends_v4(block: &[u8; 12]) -> (SocketAddr, SocketAddr) {
    let [s0, s1, s2, s3, d0, d1, d2, d3, sp0, sp1, dp0, dp1] = *block;
    (
        SocketAddr::from(([s0, s1, s2, s3], u16::from_be_bytes([sp0, sp1]))),
        SocketAddr::from(([d0, d1, d2, d3], u16::from_be_bytes([dp0, dp1]))),
    )
}

fn ends_v6(block: &[u8; 36]) -> (SocketAddr, SocketAddr) {
    let mut source = [0; 16];
    let mut destination = [0; 16];
    source.copy_from_slice(&block[..16]);
    destination.copy_from_slice(&block[16..32]);
    let [.., sp0, sp1, dp0, dp1] = *block;
    (
        SocketAddr::from((source, u16::from_be_bytes([sp0, sp1]))),
        SocketAddr::from((destination, u16::from_be_bytes([dp0, dp1]))),
    )
}

/// Whether `buffer` agrees with `start` as far as both go.
fn begins_like(buffer: &[u8], start: &[u8]) -> bool {
    buffer.iter().zip(start).all(|(one, two)| one == two)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn done(text: &str) -> Option<(usize, String, String)> {
        match parse(text.as_bytes()) {
            Ok(ProxyStep::Done { consumed_bytes, source, destination }) => {
                let shown = |address: Option<SocketAddr>| {
                    address.map_or_else(String::new, |one| one.to_string())
                };
                Some((consumed_bytes, shown(source), shown(destination)))
            }
            _ => None,
        }
    }

    fn v2(command: u8, family: u8, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(body.len()).expect("a test body").to_be_bytes();
        [&V2_SIGNATURE[..], &[command, family], &length, body].concat()
    }

    #[test]
    fn version_1_tells_both_ends() {
        let header = "PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\nGET /";
        assert_eq!(done(header), Some((45, "192.0.2.1:56324".into(), "198.51.100.7:443".into())));
        let header = "PROXY TCP6 2001:db8::1 ::1 0 65535\r\n";
        assert_eq!(done(header), Some((36, "[2001:db8::1]:0".into(), "[::1]:65535".into())));
    }

    #[test]
    fn version_1_may_not_know() {
        assert_eq!(done("PROXY UNKNOWN\r\n"), Some((15, String::new(), String::new())));
        let header = "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n";
        assert_eq!(done(header), Some((43, String::new(), String::new())));
    }

    #[test]
    fn malformed_version_1_is_refused() {
        for bad in [
            "G",
            "PROXX",
            "proxy ",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\n",
            "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n",
            "PROXY TCP4  1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 +1 2\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 01 2\r\n",
            "PROXY TCP4 ::1 ::1 1 2\r\n",
            "PROXY TCP6 1.2.3.4 1.2.3.4 1 2\r\n",
            "PROXY TCP4 1.2.3.256 1.2.3.4 1 2\r\n",
            "PROXY \r\n",
            "PROXY TCP4\r\n",
            "PROXY UNKNOWNX\r\n",
            "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 \r\n",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(Fault::BadProxyHeader), "{bad:?}");
        }
    }

    #[test]
    fn version_1_has_a_bound() {
        let header = |bytes: usize| {
            let mut header = b"PROXY UNKNOWN ".to_vec();
            header.resize(bytes - 2, b'x');
            [&header[..], b"\r\n"].concat()
        };
        for bytes in [V1_BYTES_MAX - 1, V1_BYTES_MAX] {
            assert!(matches!(parse(&header(bytes)), Ok(ProxyStep::Done { .. })));
            assert_eq!(parse(&header(bytes)[..bytes - 1]), Ok(ProxyStep::Partial));
        }
        assert_eq!(parse(&header(V1_BYTES_MAX + 1)), Err(Fault::BadProxyHeader));
        assert_eq!(parse(&header(500)[..V1_BYTES_MAX]), Err(Fault::BadProxyHeader));
    }

    #[test]
    fn version_2_tells_both_ends() {
        let header = v2(0x21, 0x11, &[192, 0, 2, 1, 198, 51, 100, 7, 0xdc, 0x04, 0x01, 0xbb]);
        let source = "192.0.2.1:56324".parse().ok();
        let destination = "198.51.100.7:443".parse().ok();
        let wanted = ProxyStep::Done { consumed_bytes: 28, source, destination };
        assert_eq!(parse(&header), Ok(wanted));
        assert_eq!(parse(&[&header[..], b"GET /"].concat()), Ok(wanted));

        let mut block = [0; 36];
        (block[15], block[31], block[33], block[35]) = (1, 2, 80, 90);
        let wanted = ProxyStep::Done {
            consumed_bytes: 52,
            source: "[::1]:80".parse().ok(),
            destination: "[::2]:90".parse().ok(),
        };
        assert_eq!(parse(&v2(0x21, 0x21, &block)), Ok(wanted));
    }

    #[test]
    fn version_2_extensions_are_skipped() {
        let body = [&[1, 1, 1, 1, 2, 2, 2, 2, 0, 1, 0, 2][..], &[4, 0, 3, 1, 2, 3]].concat();
        let step = parse(&v2(0x21, 0x11, &body)).expect("well formed");
        assert!(matches!(step, ProxyStep::Done { consumed_bytes: 34, source: Some(_), .. }));
    }

    #[test]
    fn version_2_may_not_tell() {
        let nobody =
            |consumed_bytes| ProxyStep::Done { consumed_bytes, source: None, destination: None };
        assert_eq!(parse(&v2(0x20, 0x00, &[])), Ok(nobody(16)));
        assert_eq!(
            parse(&v2(0x20, 0x11, &[9; 12])),
            Ok(nobody(28)),
            "LOCAL: addresses are ignored"
        );
        assert_eq!(parse(&v2(0x21, 0x00, &[])), Ok(nobody(16)));
        assert_eq!(parse(&v2(0x21, 0x31, &[0; 216])), Ok(nobody(232)));
    }

    #[test]
    fn malformed_version_2_is_refused() {
        let block = [1; 36];
        for bad in [
            v2(0x11, 0x11, &block),
            v2(0x22, 0x11, &block),
            v2(0x21, 0x13, &block),
            v2(0x21, 0x41, &block),
            v2(0x21, 0x11, &block[..11]),
            v2(0x21, 0x21, &block[..35]),
            b"\r\n\r\nX".to_vec(),
        ] {
            assert_eq!(parse(&bad), Err(Fault::BadProxyHeader), "{bad:?}");
        }
    }

    #[test]
    fn version_2_has_a_bound() {
        let header = |bytes: usize| v2(0x20, 0x00, &vec![0; bytes - V2_FIXED_BYTES]);
        for bytes in [V2_BYTES_MAX - 1, V2_BYTES_MAX] {
            assert!(matches!(parse(&header(bytes)), Ok(ProxyStep::Done { .. })));
        }
        // Refused when the length is known, not when that much has come.
        assert_eq!(parse(&header(V2_BYTES_MAX + 1)[..16]), Err(Fault::BadProxyHeader));
    }

    #[test]
    fn every_prefix_of_a_header_is_partial() {
        let v1 = b"PROXY TCP4 192.0.2.1 198.51.100.7 56324 443\r\n".to_vec();
        for header in [v1, v2(0x21, 0x11, &[1; 20]), v2(0x20, 0x00, &[])] {
            for end in 0..header.len() {
                assert_eq!(parse(&header[..end]), Ok(ProxyStep::Partial), "{:?}", &header[..end]);
            }
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered(start in 0_usize..3, bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let start = [&b""[..], V1_START, V2_SIGNATURE][start];
            let buffer = [start, &bytes].concat();
            if let Ok(ProxyStep::Done { consumed_bytes, source, destination }) = parse(&buffer) {
                prop_assert!(consumed_bytes <= buffer.len());
                prop_assert_eq!(source.is_some(), destination.is_some());
            }
        }
    }
}
