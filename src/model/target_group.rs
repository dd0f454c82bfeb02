//! Target groups: what proxy integrations forward to.

use std::net::SocketAddr;
use std::path::PathBuf;

/// A named set of targets and how requests are spread over them.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetGroup {
    /// Unique; what integrations, metrics and logs call it.
    pub name: String,
    /// Where requests go.
    pub targets: Vec<Target>,
    /// How a target is chosen.
    pub balance: Balance,
    /// What targets speak.
    pub protocol: TargetProtocol,
    /// Clients' gRPC-Web is translated to gRPC, where targets speak HTTP/2.
    pub grpc_web: bool,
    /// The Host that targets see is the client's own, not the target's address.
    pub preserve_host: bool,
    /// How long connecting may take.
    pub connect_timeout_ms: u64,
    /// Between two reads of an answer's body.
    pub idle_timeout_ms: u64,
    /// From the choice of a target to the last byte of the answer; 0 is no bound.
    pub total_timeout_ms: u64,
    /// How long an unused connection is kept.
    pub keepalive_timeout_ms: u64,
    /// Unused connections that a shard keeps to one target.
    pub keepalive_connections_max: u32,
    /// Requests that one connection may carry; 0 is no bound.
    pub keepalive_requests_max: u64,
    /// Outstanding requests of a shard to the group; at the bound the circuit is open and a
    /// request is refused with 503.
    pub outstanding_per_shard_max: u32,
    /// Retries.
    pub retry: RetryPolicy,
    /// Active health checks, if any.
    pub health: Option<ActiveHealth>,
    /// Passive health: ejection of targets that fail.
    pub outlier: Option<OutlierEjection>,
    /// How long a target that has come back takes to get its full share; 0 is at once.
    pub slow_start_ms: u64,
    /// Longest time a resolved name is used, whatever its TTL says.
    pub dns_ttl_ms_max: u64,
}

/// What targets speak.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TargetProtocol {
    /// HTTP/1.1, one request after the other on a connection.
    #[default]
    Http1,
    /// HTTP/2, many requests at once on a connection.
    Http2,
}

/// One target, or a name that resolves to several.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// Where it is.
    pub address: TargetAddress,
    /// Its share, 1 to 1,000.
    pub weight: u32,
}

/// Where a target is.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub enum TargetAddress {
    /// An address that needs no resolution.
    Socket(SocketAddr),
    /// A name, resolved again when its TTL is over. Each address of the answer is a target.
    Name {
        /// The host name.
        host: String,
        /// The port.
        port: u16,
    },
    /// A unix stream socket.
    Unix(PathBuf),
}

/// How a target is chosen.
#[derive(Clone, Debug, PartialEq)]
pub enum Balance {
    /// In turn, by weight (smooth weighted round robin).
    RoundRobin,
    /// The fewest outstanding requests for its weight.
    LeastOutstanding,
    /// The better of two drawn by chance.
    PowerOfTwoChoices,
    /// The same key goes to the same target while it is healthy (a ring of weighted points).
    ConsistentHash(HashKey),
}

/// What a consistent hash is taken over.
#[derive(Clone, Debug, PartialEq)]
pub enum HashKey {
    /// The client's address.
    SourceIp,
    /// The path.
    Path,
    /// The first value of a header, by lower-case name; the client's address where it is missing.
    Header(String),
}

/// What is tried again, and how often.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RetryPolicy {
    /// Further tries of one request; 0 is none. What reached no target goes on to those that were
    /// not tried yet all the same, up to a fixed bound.
    pub attempts_max: u32,
    /// Whether they may be of what a target was sent; else only of what reached none.
    pub sends_again: bool,
    /// Retries may be at most this share of requests, in percent, over a sliding window, so that
    /// retries do not finish off an overloaded group. A few are always allowed.
    pub budget_percent: u32,
    /// Try an idempotent request again on these upstream statuses: 502, 503, 504.
    pub on_gateway_status: bool,
}

/// Active health checks on the side thread: by a GET, or by gRPC's own service for it.
#[derive(Clone, Debug, PartialEq)]
pub struct ActiveHealth {
    /// The path of the GET.
    pub path: String,
    /// The service that `grpc.health.v1.Health` is asked for in place of a GET; empty is the whole
    /// server.
    pub grpc_service: Option<String>,
    /// Between two checks of a target.
    pub interval_ms: u64,
    /// How long one check may take.
    pub timeout_ms: u64,
    /// Failures in a row that make a target unhealthy.
    pub unhealthy_count: u32,
    /// Successes in a row that make it healthy.
    pub healthy_count: u32,
    /// The statuses that count as success, inclusive.
    pub status_min: u16,
    /// See `status_min`.
    pub status_max: u16,
}

/// Passive health: a target that fails in a row is left out for a while.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OutlierEjection {
    /// Failures in a row (connect errors, resets, timeouts, 5xx) that eject a target.
    pub consecutive_failures: u32,
    /// The first ejection's length; each further one is longer by this much.
    pub base_ejection_ms: u64,
    /// Longest ejection.
    pub ejection_ms_max: u64,
    /// At most this share of the group is ejected at once, in percent.
    pub ejected_percent_max: u32,
}
