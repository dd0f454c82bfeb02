//! Where clients connect.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

/// One listening socket per shard.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// Unique; what metrics and per-core overrides call it.
    pub name: String,
    /// Where it listens.
    pub address: ListenerAddress,
    /// Accept IPv4 on an IPv6 wildcard socket too.
    pub dual_stack: bool,
    /// Each shard binds its own socket with SO_REUSEPORT; otherwise all shards accept from one.
    pub reuse_port: bool,
    /// Connections that wait to be accepted.
    pub backlog: u32,
    /// Whether connections begin with a PROXY protocol header.
    pub proxy_protocol: ProxyProtocol,
    /// Take HTTP/2 without TLS from clients that begin with it.
    pub http2_prior_knowledge: bool,
    /// Peers whose `X-Forwarded-*`, `Forwarded` and PROXY headers are believed.
    pub trusted_proxies: Vec<IpNetwork>,
    /// Private APIs may be reached through it, by any client.
    pub is_private: bool,
    /// Private APIs may be reached through it by clients in these networks.
    pub private_networks: Vec<IpNetwork>,
}

impl Listener {
    /// Whether a client at this address is a private source. One whose address is not known is in
    /// no network.
    #[must_use]
    pub fn is_private_for(&self, client: Option<IpAddr>) -> bool {
        let is_within = |client| self.private_networks.iter().any(|block| block.contains(client));
        self.is_private || client.is_some_and(is_within)
    }

    /// Whether both listen at one place, so that the sockets of one serve the other, whatever
    /// their names. Port 0 is a place of its own for each name.
    #[must_use]
    pub fn is_at_place_of(&self, other: &Self) -> bool {
        let is_any_port =
            matches!(self.address, ListenerAddress::Tcp(address) if address.port() == 0);
        self.address == other.address && (!is_any_port || self.name == other.name)
    }
}

/// Where a listener listens.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum ListenerAddress {
    /// TCP.
    Tcp(SocketAddr),
    /// A unix stream socket.
    Unix(PathBuf),
}

/// Whether connections begin with a PROXY protocol header (haproxy.org, proxy-protocol.txt).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ProxyProtocol {
    /// No header is expected.
    Off,
    /// A header, version 1 or 2, must come first.
    Required,
}

/// A block of addresses in CIDR notation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct IpNetwork {
    address: IpAddr,
    prefix_bits: u8,
}

impl IpNetwork {
    /// Parses `10.0.0.0/8`, `::1/128` or a bare address.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let prefix_bits = prefix.unwrap_or(bits_max);
        (prefix_bits <= bits_max).then_some(Self { address, prefix_bits })
    }

    /// Whether `address` is in the block. An IPv4-mapped IPv6 address counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(block), IpAddr::V4(one)) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(self.prefix_bits)).unwrap_or(0);
                block.to_bits() & mask == one.to_bits() & mask
            }
            (IpAddr::V6(block), IpAddr::V6(one)) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(self.prefix_bits)).unwrap_or(0);
                block.to_bits() & mask == one.to_bits() & mask
            }
            _ => false,
        }
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix_bits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_sources_are_those_of_a_private_listener_or_network() {
        let listener = |is_private, networks: &[&str]| Listener {
            name: "l".into(),
            address: ListenerAddress::Unix("/l.sock".into()),
            dual_stack: false,
            reuse_port: false,
            backlog: 1,
            proxy_protocol: ProxyProtocol::Off,
            http2_prior_knowledge: false,
            trusted_proxies: Vec::new(),
            is_private,
            private_networks: networks.iter().filter_map(|one| IpNetwork::parse(one)).collect(),
        };
        let (near, far) = (Some([10, 1, 2, 3].into()), Some([192, 0, 2, 1].into()));
        for (listener, expected) in [
            (listener(false, &[]), [false, false, false]),
            (listener(false, &["10.0.0.0/8", "fd00::/8"]), [true, false, false]),
            (listener(true, &[]), [true, true, true]),
        ] {
            let found = [near, far, None].map(|client| listener.is_private_for(client));
            assert_eq!(found, expected, "{listener:?}");
        }
    }

    #[test]
    fn networks_contain_what_their_prefix_says() {
        let block = IpNetwork::parse("10.1.0.0/16").expect("well formed");
        assert!(block.contains("10.1.255.255".parse().expect("address")));
        assert!(!block.contains("10.2.0.0".parse().expect("address")));
        assert!(block.contains("::ffff:10.1.2.3".parse().expect("address")));
        assert!(IpNetwork::parse("0.0.0.0/0").expect("all").contains([1, 2, 3, 4].into()));
        assert!(IpNetwork::parse("10.0.0.0/33").is_none());
        assert!(IpNetwork::parse("ten").is_none());
    }
}
