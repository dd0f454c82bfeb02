//! Why a request ended without the integration's own answer.

/// Who must act: decides the log level, the metric, and whether a retry is legal.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Blame {
    /// The request is wrong or too much.
    Client,
    /// The gateway or its configuration is at fault.
    Gateway,
    /// The integration failed.
    Upstream,
}

/// Which of the nested limits refused a request.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ThrottleScope {
    /// The limit of the whole account.
    Account,
    /// The limit of one stage of one API.
    Stage,
    /// The limit of one route.
    Route,
    /// The limit on requests of one connection.
    Connection,
}

macro_rules! faults {
    ($( $(#[$doc:meta])* $variant:ident = $status:literal, $blame:ident, $close:literal, $cause:literal; )*) => {
        /// Why a request ended without the integration's own answer.
        ///
        /// Carries facts and no prose: the text that a client sees is written by
        /// `pipeline::respond`, the text of the log by `observe`.
        #[derive(Clone, Copy, Debug, Eq, PartialEq)]
        pub enum Fault {
            $( $(#[$doc])* $variant, )*
            /// A token bucket had no token left. 429.
            Throttled {
                /// The limit that refused.
                scope: ThrottleScope,
                /// How long until a token is due, in milliseconds, rounded up.
                retry_after_ms: u32,
            },
        }

        impl Fault {
            /// Every fault without fields, for tables and tests.
            pub const PLAIN: &'static [Self] = &[$( Self::$variant, )*];

            /// The status code that the client sees.
            #[must_use]
            pub const fn status(self) -> u16 {
                match self {
                    $( Self::$variant => $status, )*
                    Self::Throttled { .. } => 429,
                }
            }

            /// Who must act on it.
            #[must_use]
            pub const fn blame(self) -> Blame {
                match self {
                    $( Self::$variant => Blame::$blame, )*
                    Self::Throttled { .. } => Blame::Client,
                }
            }

            /// Whether the client's connection must close after the answer, because the place
            /// where the next request would start is not known or not to be trusted.
            #[must_use]
            pub const fn closes_connection(self) -> bool {
                match self {
                    $( Self::$variant => $close, )*
                    // A connection that asks too often is told so and ended; the other limits
                    // are not this connection's doing.
                    Self::Throttled { scope, .. } => matches!(scope, ThrottleScope::Connection),
                }
            }

            /// The value of the metric label `cause` and of the log field, in snake case.
            #[must_use]
            pub const fn cause(self) -> &'static str {
                match self {
                    $( Self::$variant => $cause, )*
                    Self::Throttled { scope: ThrottleScope::Account, .. } => "throttled_account",
                    Self::Throttled { scope: ThrottleScope::Stage, .. } => "throttled_stage",
                    Self::Throttled { scope: ThrottleScope::Route, .. } => "throttled_route",
                    Self::Throttled { scope: ThrottleScope::Connection, .. } => "throttled_connection",
                }
            }

            /// Dense index of the cause, for counters. Below [`Fault::CAUSES_COUNT`].
            #[must_use]
            pub fn cause_index(self) -> usize {
                match self {
                    Self::Throttled { scope, .. } => Self::PLAIN.len() + scope as usize,
                    plain => Self::PLAIN.iter().position(|one| *one == plain).unwrap_or(0),
                }
            }

            /// How many causes there are.
            pub const CAUSES_COUNT: usize = Self::PLAIN.len() + 4;

            /// The causes in the order of [`Fault::cause_index`].
            #[must_use]
            pub fn causes() -> Vec<&'static str> {
                let mut causes: Vec<_> = Self::PLAIN.iter().map(|one| one.cause()).collect();
                causes.extend(["throttled_account", "throttled_stage", "throttled_route", "throttled_connection"]);
                causes
            }
        }
    };
}

faults! {
    // ---- the client's message (RFC 9112 unless said otherwise) ----
    /// The request line is not `method SP target SP HTTP/1.x`.
    BadRequestLine = 400, Client, true, "bad_request_line";
    /// A field line breaks the grammar: space before the colon, obs-fold, control character, bare CR or LF, NUL.
    BadHeader = 400, Client, true, "bad_header";
    /// Content-Length with Transfer-Encoding, differing or malformed lengths, a coding other than a final `chunked`.
    BadFraming = 400, Client, true, "bad_framing";
    /// No Host, several, or one that is not a host.
    BadHost = 400, Client, true, "bad_host";
    /// The request target is not one of the four forms, or holds characters that a URI cannot hold.
    BadTarget = 400, Client, true, "bad_target";
    /// A chunk size, extension, or trailer breaks the grammar.
    BadChunk = 400, Client, true, "bad_chunk";
    /// The body is not what its type says.
    BadBody = 400, Client, true, "bad_body";
    /// The PROXY protocol header is missing or malformed (the connection closes without an answer).
    BadProxyHeader = 400, Client, true, "bad_proxy_header";
    /// Plain HTTP came to a port for TLS.
    PlainHttpToTls = 400, Client, true, "plain_http_to_tls";
    /// An HTTP version other than 1.0 and 1.1.
    VersionNotSupported = 505, Client, true, "version_not_supported";
    /// A transfer coding that we do not know, or CONNECT.
    NotImplemented = 501, Client, true, "not_implemented";
    /// An expectation other than `100-continue`.
    ExpectationFailed = 417, Client, true, "expectation_failed";
    /// The request line is longer than its limit.
    UriTooLong = 414, Client, true, "uri_too_long";
    /// The head or its number of fields is over its limit.
    HeadTooLarge = 431, Client, true, "head_too_large";
    /// The body is over its limit.
    BodyTooLarge = 413, Client, true, "body_too_large";
    /// The head or the body did not arrive in time.
    RequestTimeout = 408, Client, true, "request_timeout";
    /// The client went away before its answer was complete. Nothing is sent.
    ClientGone = 499, Client, true, "client_gone";

    // ---- access ----
    /// The client's certificate is missing or not trusted, and the domain answers so.
    ClientCertificateRefused = 403, Client, false, "client_certificate_refused";

    /// The endpoint is closed, private, or none of any API.
    EndpointRefused = 403, Client, false, "endpoint_refused";

    // ---- the request, against its method ----
    /// Parameters that the method requires are missing.
    MissingParameters = 400, Client, false, "missing_parameters";
    /// The body is no JSON, and a mapping reads it.
    BadJson = 400, Client, false, "bad_json";
    /// No template takes the body's type, and the integration passes no other.
    UnsupportedMediaType = 415, Client, false, "unsupported_media_type";

    // ---- routing ----
    /// No API answers to this host, or the connection is not meant for it (RFC 9110 section 15.5.20).
    MisdirectedRequest = 421, Client, false, "misdirected_request";
    /// No route matches.
    NotFound = 404, Client, false, "not_found";

    // ---- upstream ----
    /// No target could be connected to.
    ConnectFailed = 502, Upstream, false, "connect_failed";
    /// The target closed or reset the connection before its answer was complete.
    UpstreamReset = 502, Upstream, false, "upstream_reset";
    /// The target's answer breaks HTTP.
    BadUpstreamAnswer = 502, Upstream, false, "bad_upstream_answer";
    /// A function failed, or answered what is no answer.
    FunctionFailed = 502, Upstream, false, "function_failed";
    /// Whoever runs functions did not invoke this one: it has too many calls, or takes no such event.
    InvocationRefused = 500, Upstream, false, "invocation_refused";
    /// Every target is unhealthy or ejected.
    NoHealthyTarget = 503, Upstream, false, "no_healthy_target";
    /// The circuit breaker's bound on outstanding requests is reached.
    CircuitOpen = 503, Upstream, false, "circuit_open";
    /// Connecting took too long.
    ConnectTimeout = 504, Upstream, false, "connect_timeout";
    /// The first byte of the answer, or the whole of it, took too long.
    UpstreamTimeout = 504, Upstream, false, "upstream_timeout";

    // ---- ourselves ----
    /// The API is configured in a way that cannot be carried out for this request.
    ApiConfiguration = 500, Gateway, false, "api_configuration";
    /// The integration needs what this version does not have.
    NotAvailable = 501, Gateway, false, "not_available";
    /// A panic in the request's task: a bug, contained.
    Panicked = 500, Gateway, true, "panicked";
    /// The shard has as many connections as it may have.
    TooManyConnections = 503, Gateway, true, "too_many_connections";
    /// The process is draining.
    Draining = 503, Gateway, true, "draining";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_limit_of_a_connection_ends_it() {
        use ThrottleScope::{Account, Connection, Route, Stage};
        for scope in [Account, Stage, Route, Connection] {
            let fault = Fault::Throttled { scope, retry_after_ms: 1 };
            assert_eq!(fault.closes_connection(), scope == Connection, "{scope:?}");
        }
    }

    #[test]
    fn causes_are_distinct_and_indexed() {
        let causes = Fault::causes();
        assert_eq!(causes.len(), Fault::CAUSES_COUNT);
        for (index, fault) in Fault::PLAIN.iter().enumerate() {
            assert_eq!(fault.cause_index(), index);
            assert_eq!(causes[index], fault.cause());
        }
        let mut sorted = causes.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), causes.len());
    }
}
