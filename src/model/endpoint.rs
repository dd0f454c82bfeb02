//! Where an API or a domain can be reached from, in AWS's words.

use super::named::{Named, named};

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

named! {
    /// The type of an endpoint.
    pub enum EndpointType {
        /// For clients anywhere, behind AWS's own distribution; here, behind trusted proxies.
        Edge = "EDGE",
        /// For clients anywhere.
        Regional = "REGIONAL",
        /// For private sources alone.
        Private = "PRIVATE",
    }
}

impl EndpointType {
    /// The type of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
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
