//! APIs, stages, routes and integrations.

use super::RouteKey;

/// A token bucket's setting, as AWS's stage and route settings express it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// Requests per second, finite and not negative. Zero refuses everything once the burst is
    /// spent.
    pub rate_per_second: f64,
    /// Most requests at one instant.
    pub burst_count: u64,
}

impl Throttle {
    /// AWS's limit of an account in a region; what of a throttle is not set is taken from it.
    pub const ACCOUNT: Self = Self { rate_per_second: 10_000.0, burst_count: 5_000 };
}

/// One API with the one stage that a file gives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Api {
    /// Unique; what throttles, metrics and logs call the API.
    pub id: String,
    /// The name that people gave it.
    pub name: String,
    /// Host names that reach it: `api.example.com`, `*.example.com`, or `*` for any. Lower case,
    /// without port.
    pub hosts: Vec<String>,
    /// A path prefix that is matched segment by segment and stripped before routes are matched;
    /// empty for none, else it starts with `/` and does not end with one.
    pub base_path: String,
    /// What requests run through.
    pub stage: Stage,
}

/// A named state of an API.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// `$default`, or a name that is the first path segment of its URLs.
    pub name: String,
    /// The limit of all its routes together.
    pub throttle: Option<Throttle>,
    /// Its routes, in the order of the file.
    pub routes: Vec<Route>,
}

/// One route: a key and what answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// What it matches.
    pub key: RouteKey,
    /// What answers.
    pub integration: Integration,
    /// Its own limit.
    pub throttle: Option<Throttle>,
    /// Its own bound on the body, in place of [`super::Limits::body_bytes_max`].
    pub body_bytes_max: Option<u64>,
}

/// What answers a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Integration {
    /// A target group answers.
    Proxy(ProxyIntegration),
    /// The gateway answers with a fixed answer.
    Mock(MockIntegration),
    /// The gateway sends the client elsewhere.
    Redirect(RedirectIntegration),
}

/// Forwards to a target group.
#[derive(Clone, Debug, PartialEq)]
pub struct ProxyIntegration {
    /// Name of a [`super::TargetGroup`].
    pub group: String,
    /// The path sent to the target, with `{name}` and `{proxy}` placeholders of the route;
    /// `None` sends the client's path as it came (base path and stage stripped).
    pub path: Option<String>,
    /// `Some` overrides the Host that targets see; `None` is the group's own setting.
    pub host: Option<String>,
    /// From the request's last byte sent to the answer's first byte; AWS's `timeoutInMillis`.
    pub timeout_ms: u64,
}

/// A fixed answer.
#[derive(Clone, Debug, PartialEq)]
pub struct MockIntegration {
    /// 200 to 599.
    pub status: u16,
    /// Field lines, already checked against the grammar.
    pub headers: Vec<(String, String)>,
    /// The body, as UTF-8 text or decoded bytes.
    pub body: Vec<u8>,
}

/// Sends the client elsewhere.
#[derive(Clone, Debug, PartialEq)]
pub struct RedirectIntegration {
    /// 301, 302, 303, 307 or 308.
    pub status: u16,
    /// The `Location`, with `{name}` placeholders of the route, `{host}`, `{path}` and `{query}`.
    pub location: String,
}

/// What targets are told about the client.
#[derive(Clone, Debug, PartialEq)]
pub struct Forwarding {
    /// `X-Forwarded-For`, `-Proto`, `-Port`, `-Host`.
    pub x_forwarded: bool,
    /// `Forwarded` (RFC 7239).
    pub forwarded: bool,
    /// The pseudonym in `Via`; `None` sends no `Via`.
    pub via: Option<String>,
    /// Name of the field that carries the request id to targets, if any.
    pub request_id_header: Option<String>,
}

impl Default for Forwarding {
    fn default() -> Self {
        Self {
            x_forwarded: true,
            forwarded: false,
            via: None,
            request_id_header: Some("x-request-id".into()),
        }
    }
}

/// Where and how requests are logged.
#[derive(Clone, Debug, PartialEq)]
pub struct AccessLog {
    /// A file, or `-` for standard output.
    pub path: String,
    /// A format with `$context.*` variables; presets were expanded.
    pub format: String,
}
