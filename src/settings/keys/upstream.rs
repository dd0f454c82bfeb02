//! The keys of target groups.

use super::tls::RawUpstreamTls;
use crate::model::{HashKey, TargetAddress, TargetProtocol};
use crate::settings::names::Name;
use crate::settings::table::table;
use crate::settings::templates::{CheckPath, GrpcService};
use crate::settings::tls::Switch;
use crate::settings::upstreams::{BalanceName, TargetEntry};
use crate::settings::values::{OneOrMore, choice};

table! {
    /// A group is a set of equal servers, and how requests are spread over them.
    struct RawUpstream as "[[upstream]]" {
        /// Unique; what routes and metrics call it.
        name: Name [required] eg "backend";
        /// Where requests go: a host and a port, `unix:` and the path of a socket, or a table
        /// with a weight. A name stands for all addresses that it resolves to.
        targets: OneOrMore<TargetEntry> [required]
            eg ["127.0.0.1:9000", "unix:/run/backend.sock", { address = "localhost:9002", weight = 3 }];
        /// How a target is chosen. "round_robin" is in turn by weight; "least_outstanding" is the
        /// one with the fewest requests for its weight; "power_of_two_choices" is the better of
        /// two drawn by chance; "consistent_hash" sends the same key to the same target.
        balance: BalanceName ["round_robin"];
        /// What "consistent_hash" keeps together: "source_ip", "path", or "header:" and a name.
        hash_key: HashKey ["source_ip"];
        /// What targets speak: "http/1.1", or "h2", over TLS by ALPN and otherwise from the first
        /// byte on ("prior knowledge"). gRPC needs "h2".
        protocol: TargetProtocol ["http/1.1"] eg "h2";
        /// With "h2": make gRPC-Web of clients gRPC, and the answers gRPC-Web.
        grpc_web: bool [true];
        /// Targets see the client's Host, not their own address.
        preserve_host: bool [false];
        /// How long connecting may take.
        connect_timeout_ms: u64 [1_000] in 1..=75_000;
        /// Between two parts of an answer's body.
        idle_timeout_ms: u64 [30_000] in 1..=3_600_000;
        /// From the choice of a target to the end of its answer; 0 is no bound.
        total_timeout_ms: u64 [0] in 0..=86_400_000;
        /// How long an unused connection is kept. Less than targets keep theirs, or requests meet
        /// connections that are being closed.
        keepalive_timeout_ms: u64 [60_000] in 1..=3_600_000;
        /// Unused connections that a shard keeps to one target; 0 keeps none.
        keepalive_connections_max: u32 [256] in 0..=65_536;
        /// Requests that one connection carries; 0 is no bound.
        keepalive_requests_max: u64 [0] in 0..=1_000_000_000_000;
        /// Requests of one shard that wait for this group; over it the answer is 503 at once.
        outstanding_per_shard_max: u32 [10_000] in 1..=10_000_000;
        /// How long a target that came back takes to get its full share; 0 is at once.
        slow_start_ms: u64 [0] in 0..=3_600_000;
        /// Longest time for which a resolved name is used, whatever its TTL says.
        dns_ttl_ms_max: u64 [60_000] in 1_000..=86_400_000;
        /// Targets are reached over TLS: `true`, or a table.
        tls: Switch<RawUpstreamTls> [optional];
        /// What is tried again on another target.
        retry: RawRetry [{}];
        /// Active health checks; without them there are none.
        health: RawHealth [optional];
        /// Leaves out targets that fail in a row; without it none is left out.
        outlier: RawOutlier [optional];
    }
}

choice!(TargetProtocol {
    "http/1.1" => TargetProtocol::Http1,
    "h2" => TargetProtocol::Http2,
});

table! {
    /// A target with a weight.
    struct RawTarget as "a target" {
        /// A host and a port, or `unix:` and the path of a socket.
        address: TargetAddress [required] eg "localhost:9002";
        /// Its share.
        weight: u32 [1] in 1..=1_000;
    }
}

table! {
    /// What is tried again. Only what is safe is: a request that no target has begun to answer,
    /// and that is idempotent or was not sent.
    struct RawRetry as "retry" {
        /// Further tries of one request; 0 is none. What reached no target goes on to those that
        /// were not tried yet all the same, up to ten.
        attempts_max: u32 [1] in 0..=10;
        /// Retries of what was sent are at most this share of requests, so that they do not finish off targets
        /// that are overloaded.
        budget_percent: u32 [20] in 0..=100;
        /// Try an idempotent request again when a target answers 502, 503 or 504.
        on_gateway_status: bool [false];
    }
}

table! {
    /// Active health checks: each target is asked for a path, or by gRPC's own service for it.
    struct RawHealth as "health" {
        /// The path that is asked for.
        path: CheckPath ["/"] eg "/health";
        /// Ask `grpc.health.v1.Health` for this service in place of a path; "" is the server as a
        /// whole. Needs `protocol = "h2"`.
        grpc_service: GrpcService [optional] eg "shop.v1.Orders";
        /// Between two checks of a target.
        interval_ms: u64 [5_000] in 10..=3_600_000;
        /// How long a check may take; at most the interval.
        timeout_ms: u64 [2_000] in 1..=3_600_000;
        /// Failures in a row after which a target gets no requests.
        unhealthy_count: u32 [3] in 1..=1_000;
        /// Successes in a row after which it gets requests again.
        healthy_count: u32 [2] in 1..=1_000;
        /// Least status that is a success.
        status_min: u16 [200] in 100..=599;
        /// Greatest status that is a success.
        status_max: u16 [399] in 100..=599;
    }
}

table! {
    /// Leaves out targets that fail: connections that break, timeouts, answers of 500 and above.
    struct RawOutlier as "outlier" {
        /// Failures in a row after which a target is left out.
        consecutive_failures: u32 [5] in 1..=1_000_000;
        /// How long it is left out; each further time is longer by this much.
        base_ejection_ms: u64 [30_000] in 1..=3_600_000;
        /// Longest time for which it is left out.
        ejection_ms_max: u64 [300_000] in 1..=86_400_000;
        /// Share of the group that is left out at most.
        ejected_percent_max: u32 [50] in 0..=100;
    }
}
