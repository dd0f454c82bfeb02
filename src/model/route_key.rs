//! Route keys in AWS's syntax: `GET /items/{id}`, `ANY /files/{proxy+}`, `$default`.

use crate::base::Method;

/// What a route matches.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum RouteKey {
    /// `$default`: whatever no other route takes.
    Default,
    /// A method and a path.
    Path {
        /// The method.
        method: RouteMethod,
        /// The path.
        path: PathPattern,
    },
}

/// The method of a route key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum RouteMethod {
    /// `ANY`: methods that no other route of the same path names.
    Any,
    /// GET, HEAD, POST, PUT, DELETE, PATCH or OPTIONS.
    Exact(Method),
}

/// A path of segments.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PathPattern {
    /// The segments in order; none for `/`. A greedy one is the last.
    pub segments: Vec<Segment>,
}

/// One segment of a path pattern.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Segment {
    /// Matches itself. Percent-decoded.
    Static(String),
    /// `{name}`: one segment, not empty.
    Parameter(String),
    /// `{name+}`: the rest of the path, not empty.
    Greedy(String),
}

/// Why a text is not a route key.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{reason}")]
pub struct RouteKeyError {
    /// A sentence without full stop that says what was expected.
    pub reason: String,
    /// Byte offset in the text where it goes wrong.
    pub offset: usize,
}
