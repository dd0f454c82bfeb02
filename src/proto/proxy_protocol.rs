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
