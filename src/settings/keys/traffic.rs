//! The keys of listeners, bounds, forwarding, throttles and the access log.

use super::tls::RawListenerTls;
use crate::base::limits::{HEAD_BYTES_CEILING, HEADERS_COUNT_MAX};
use crate::model::{IpNetwork, ListenerAddress, ProxyProtocol};
use crate::settings::fields::{HeaderName, Pseudonym};
use crate::settings::names::{FilePath, Name};
use crate::settings::reading::Field;
use crate::settings::table::table;
use crate::settings::templates::LogFormat;
use crate::settings::tls::Switch;
use crate::settings::values::choice;

table! {
    /// Each shard listens on each of them.
    struct RawListener as "[[listener]]" {
        /// Unique; what metrics and exceptions for cores call it.
        name: Name [required] eg "public";
        /// An IP address and a port, or `unix:` and the path of a socket.
        address: ListenerAddress [required] eg "0.0.0.0:8080";
        /// Take IPv4 connections on an IPv6 wildcard address too.
        dual_stack: bool [false];
        /// Each shard has its own socket on the address (SO_REUSEPORT); else all shards accept
        /// from one. A unix socket is always shared.
        reuse_port: bool [true];
        /// Connections that wait to be accepted.
        backlog: u32 [4_096] in 1..=65_535;
        /// "required" when a load balancer in front begins each connection with a PROXY protocol
        /// header, version 1 or 2.
        proxy_protocol: ProxyProtocol ["off"];
        /// Peers whose word about the client is believed: PROXY protocol headers,
        /// `X-Forwarded-*` and `Forwarded`.
        trusted_proxies: Vec<Field<IpNetwork>> [[]] eg ["10.0.0.0/8", "fd00::/8"];
        /// Private APIs of the management API may be reached through it.
        private: bool [false];
        /// Private APIs may be reached through it by clients in these networks.
        private_networks: Vec<Field<IpNetwork>> [[]] eg ["10.0.0.0/8", "fd00::/8"];
        /// Without TLS: take HTTP/2 from clients that begin with it ("prior knowledge"). Over TLS
        /// the protocols of the domain decide.
        http2_prior_knowledge: bool [true];
        /// The listener serves TLS: `true`, or a table.
        tls: Switch<RawListenerTls> [optional];
        /// The listener only sends clients to HTTPS on this port.
        redirect_to_https: u16 [optional] eg 443 in 1..=65_535;
    }
    at most one of tls redirect_to_https;
}

choice!(ProxyProtocol { "off" => ProxyProtocol::Off, "required" => ProxyProtocol::Required });

table! {
    /// What a client may send at most.
    struct RawLimits as "[limits]" {
        /// Longest request line; over it the answer is 414.
        request_line_bytes_max: u32 [8_192] in 64..=HEAD_BYTES_CEILING as u64;
        /// Longest head, request line included; over it the answer is 431.
        head_bytes_max: u32 [10_240] in 256..=HEAD_BYTES_CEILING as u64;
        /// Most headers of a request; over it the answer is 431.
        headers_count_max: u32 [128] in 1..=HEADERS_COUNT_MAX as u64;
        /// Longest body; over it the answer is 413. A route may have its own.
        body_bytes_max: u64 [10_485_760] in 0..=1_099_511_627_776;
        /// Connections that one shard takes; over it the answer is 503.
        connections_per_shard_max: u32 [100_000] in 1..=10_000_000;
        /// Requests of one connection, after which it is closed; 0 is no bound.
        requests_per_connection_max: u64 [0] in 0..=1_000_000_000_000;
        /// Requests of one connection in a second; over it the answer is 429. 0 is no bound.
        requests_per_connection_per_second_max: u32 [0] in 0..=10_000_000;
    }
}

table! {
    /// What a client may do on one HTTP/2 connection. What is over a bound in `_per_second_max` or
    /// `continuation_frames_max` ends the connection with ENHANCE_YOUR_CALM.
    struct RawHttp2 as "[http2]" {
        /// Requests under way at once; over it a client must wait.
        streams_per_connection_max: u32 [128] in 1..=100_000;
        /// What a client may send of one body before a target takes it.
        stream_window_bytes: u32 [262_144] in 16_384..=2_147_483_647;
        /// What a client may send of all bodies before targets take them: the bound on the memory
        /// for bodies of one connection.
        connection_window_bytes: u32 [1_048_576] in 65_535..=2_147_483_647;
        /// RST_STREAM frames: requests that a client begins and gives up.
        resets_per_second_max: u32 [100] in 1..=1_000_000;
        /// SETTINGS, PING, PRIORITY and frames of unknown types.
        control_frames_per_second_max: u32 [100] in 1..=1_000_000;
        /// CONTINUATION frames of one head.
        continuation_frames_max: u32 [5] in 0..=1_000;
        /// WINDOW_UPDATE frames.
        window_updates_per_second_max: u32 [50_000] in 1..=100_000_000;
        /// DATA frames below 64 bytes that do not end their stream.
        tiny_data_frames_per_second_max: u32 [10_000] in 1..=100_000_000;
    }
}

table! {
    /// How long a client may take.
    struct RawTimeouts as "[timeouts]" {
        /// From the first byte of a head to its last; over it the answer is 408.
        head_timeout_ms: u64 [10_000] in 1..=3_600_000;
        /// Between two parts of a body; over it the answer is 408.
        body_timeout_ms: u64 [30_000] in 1..=3_600_000;
        /// Between two parts of an answer that the client takes; over it the connection is closed.
        write_timeout_ms: u64 [30_000] in 1..=3_600_000;
        /// Between two requests of a connection; over it the connection is closed.
        idle_timeout_ms: u64 [75_000] in 1..=86_400_000;
        /// How long an upgraded connection (WebSocket) may be silent in both directions.
        tunnel_idle_timeout_ms: u64 [600_000] in 1..=86_400_000;
        /// How long a streamed answer of a deployed Regional or private API may bring nothing.
        stream_idle_timeout_ms: u64 [300_000] in 1..=3_600_000;
        /// The same for edge-optimized APIs.
        edge_stream_idle_timeout_ms: u64 [30_000] in 1..=3_600_000;
    }
}

table! {
    /// What targets are told about the client.
    struct RawForwarding as "[forwarding]" {
        /// Send `X-Forwarded-For`, `-Proto`, `-Port` and `-Host`.
        x_forwarded: bool [true];
        /// Send `Forwarded` (RFC 7239).
        forwarded: bool [false];
        /// The gateway's name in `Via`; without it no `Via` is sent.
        via: Pseudonym [optional] eg "shardgate";
        /// The header that carries the request id; "" sends none.
        request_id_header: RequestIdHeader ["x-request-id"];
    }
}

/// The header that carries the request id, or none.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(in crate::settings) struct RequestIdHeader(pub(in crate::settings) Option<String>);

impl crate::settings::values::TextForm for RequestIdHeader {
    const EXPECTED: &'static str = "a header name, or \"\" for none";

    fn parse(text: &str) -> Result<Self, crate::settings::values::Unformed> {
        match text {
            "" => Ok(Self(None)),
            _ => HeaderName::parse(text).map(|name| Self(Some(name.0.to_ascii_lowercase()))),
        }
    }
}

table! {
    /// What holds over all APIs together.
    struct RawAccount as "[account]" {
        /// A limit on the requests of all APIs together; without it there is none.
        throttle: RawThrottle [optional];
    }
}

table! {
    /// A token bucket: over it the answer is 429.
    struct RawThrottle as "throttle" {
        /// Requests per second in the long run. 0 refuses everything after the burst.
        rate_per_second: f64 [required] eg 10_000 in 0..=1_000_000_000;
        /// Requests at one instant.
        burst_count: u64 [required] eg 5_000 in 0..=1_000_000_000;
    }
}

table! {
    /// Without this table none is kept.
    struct RawAccessLog as "[access_log]" {
        /// A file, or "-" for standard output. SIGUSR1 opens the file again.
        path: FilePath ["-"] eg "/var/log/shardgate/access.log";
        /// "json", "clf" (Common Log Format), "csv", "xml", or a line with `$context.*` variables.
        format: LogFormat ["json"];
    }
}
