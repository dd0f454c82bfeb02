//! Where an API or a domain can be reached from, in AWS's words.

/// The kind of an API, which decides how its errors are told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ApiProtocol {
    /// A REST API of the first generation.
    Rest,
    /// An HTTP API.
    Http,
    /// A WebSocket API.
    WebSocket,
}

/// The type of an endpoint.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum EndpointType {
    /// For clients anywhere, behind AWS's own distribution; here, behind trusted proxies.
    Edge,
    /// For clients anywhere.
    Regional,
    /// For private sources alone.
    Private,
}

impl EndpointType {
    /// The type of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        match name {
            "EDGE" => Some(Self::Edge),
            "REGIONAL" => Some(Self::Regional),
            "PRIVATE" => Some(Self::Private),
            _ => None,
        }
    }
}

/// Whether the name of the TLS handshake must be the one that requests name.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum EndpointAccessMode {
    /// It may be another.
    #[default]
    Basic,
    /// It must be the same.
    Strict,
}

impl EndpointAccessMode {
    /// The mode of this name; anything else is basic.
    #[must_use]
    pub fn parse(name: &str) -> Self {
        if name == "STRICT" { Self::Strict } else { Self::Basic }
    }
}
