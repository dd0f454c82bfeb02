//! The AWS nouns, parsed and in range. What a file, an import and the management API all end in;
//! the plan compiler reads nothing else.
//!
//! Knows nothing of files, sockets or shards. Values here were checked when they were made: no
//! later layer checks them again.

mod acme;
mod api;
mod api_mapping;
mod authorization;
mod domain_name;
mod endpoint;
mod fields;
mod function;
mod function_permission;
pub mod http_api;
mod integration_choice;
mod listener;
mod named;
mod patch;
pub mod rest_api;
mod route_key;
mod routing_rule;
mod stage_log;
mod target_group;
mod text_map;
mod tls;

pub use acme::{Acme, AcmeChallenge, DnsHook};
pub use api::{
    AccessLog, Api, Forwarding, Integration, MockIntegration, ProxyIntegration,
    RedirectIntegration, Route, Stage, Throttle,
};
pub use api_mapping::ApiMapping;
pub use authorization::{Authorization, AuthorizationType};
pub use domain_name::{DeployedDomain, DomainName, MutualTlsAuthentication, RoutingMode};
pub use endpoint::{ApiProtocol, EndpointAccessMode, EndpointType};
pub use fields::ModelError;
pub use function::{FunctionName, FunctionPlace, InvocationMode};
pub use function_permission::{ApiPlace, FunctionPermission, SourceArn};
pub use integration_choice::{
    ConnectionType, ContentHandling, IntegrationType, PassthroughBehavior,
};
pub use listener::{IpNetwork, Listener, ListenerAddress, ProxyProtocol};
pub use patch::{
    Document, Ops, Patch, PatchOp, PatchOperation, PatchRefusal, PatchRow, PatchStyle, PatchValue,
};
pub use route_key::{PathPattern, RouteKey, RouteKeyError, RouteMethod, Segment};
pub use routing_rule::{HeaderCondition, HeaderGlob, RoutingRule};
pub use stage_log::{AccessLogSettings, LoggingLevel};
pub use target_group::{
    ActiveHealth, Balance, HashKey, OutlierEjection, RetryPolicy, Target, TargetAddress,
    TargetGroup, TargetProtocol,
};

use crate::proto::http2::FrameLimits;
pub use text_map::TextMap;
pub use tls::{CertificateHeaders, Domain, ListenerTls, TicketKeySource, Tls};

/// Everything that a plan is compiled from.
#[derive(Clone, Debug, Default)]
pub struct Model {
    /// The limit over all APIs together.
    pub account_throttle: Option<Throttle>,
    /// Where clients connect.
    pub listeners: Vec<Listener>,
    /// The APIs, in the order of the file.
    pub apis: Vec<Api>,
    /// The target groups that proxy integrations name.
    pub target_groups: Vec<TargetGroup>,
    /// Bounds on what a client may send, and how long anything may take.
    pub limits: Limits,
    /// What is told to targets about the client.
    pub forwarding: Forwarding,
    /// The access log, if one is kept.
    pub access_log: Option<AccessLog>,
    /// What is asked of TLS.
    pub tls: Tls,
}

/// Bounds on what a client may send and how long anything may take. `gateway.toml` names each
/// with its unit; the defaults are AWS's where AWS has one.
#[derive(Clone, Debug, PartialEq)]
pub struct Limits {
    /// Longest request line, in bytes; over it 414.
    pub request_line_bytes_max: u32,
    /// Longest head, request line included, in bytes; over it 431.
    pub head_bytes_max: u32,
    /// Most fields of a head; over it 431.
    pub headers_count_max: u32,
    /// Longest body, in bytes; over it 413.
    pub body_bytes_max: u64,
    /// Connections of one shard; over it a connection is answered 503 and closed.
    pub connections_per_shard_max: u32,
    /// Requests of one connection before it is closed; 0 is no bound.
    pub requests_per_connection_max: u64,
    /// Requests per second of one connection; over it 429. 0 is no bound.
    pub requests_per_connection_per_second_max: u32,
    /// From the first byte of a head to its last.
    pub head_timeout_ms: u64,
    /// Between two reads of a request body.
    pub body_timeout_ms: u64,
    /// Between two writes of an answer that make progress.
    pub write_timeout_ms: u64,
    /// How long a keep-alive connection may be idle.
    pub idle_timeout_ms: u64,
    /// How long a tunnel (an upgraded connection) may be idle both ways.
    pub tunnel_idle_timeout_ms: u64,
    /// How long a streamed answer of a Regional or private API may bring nothing.
    pub stream_idle_timeout_ms: u64,
    /// The same for edge-optimized APIs.
    pub edge_stream_idle_timeout_ms: u64,
    /// Bounds on HTTP/2 connections of clients.
    pub http2: Http2Limits,
}

/// Bounds on what a client may have the gateway do on one HTTP/2 connection.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Http2Limits {
    /// Requests under way at once.
    pub streams_per_connection_max: u32,
    /// What a client may send of one body before it is taken.
    pub stream_window_bytes: u32,
    /// What a client may send of all bodies before it is taken.
    pub connection_window_bytes: u32,
    /// How many frames that cost a client nothing it may send.
    pub frames: FrameLimits,
}

impl Default for Http2Limits {
    fn default() -> Self {
        Self {
            streams_per_connection_max: 128,
            stream_window_bytes: 256 * 1024,
            connection_window_bytes: 1024 * 1024,
            frames: FrameLimits {
                resets_per_second_max: 100,
                control_frames_per_second_max: 100,
                continuation_frames_max: 5,
                window_updates_per_second_max: 50_000,
                tiny_data_frames_per_second_max: 10_000,
            },
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            request_line_bytes_max: 8_192,
            head_bytes_max: 10_240,
            headers_count_max: 128,
            body_bytes_max: 10 * 1024 * 1024,
            connections_per_shard_max: 100_000,
            requests_per_connection_max: 0,
            requests_per_connection_per_second_max: 0,
            head_timeout_ms: 10_000,
            body_timeout_ms: 30_000,
            write_timeout_ms: 30_000,
            idle_timeout_ms: 75_000,
            tunnel_idle_timeout_ms: 600_000,
            stream_idle_timeout_ms: 300_000,
            edge_stream_idle_timeout_ms: 30_000,
            http2: Http2Limits::default(),
        }
    }
}
