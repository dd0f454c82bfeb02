//! Finds the route of a request, with the precedence of AWS's HTTP APIs or of its REST APIs.
//!
//! Owns the radix tree; knows nothing of hosts, stages or integrations. Paths are raw bytes,
//! without query, base path and stage. The rules of [`Precedence::HttpApi`], from "Working with
//! routes for HTTP APIs":
//!
//! 1. A full match of path and method; from left to right a literal segment goes before `{name}`,
//!    and at one path an exact method goes before ANY.
//! 2. A match with a greedy parameter; the more specific prefix goes first, compared like a full
//!    match, then an exact method before ANY.
//! 3. `$default`.
//!
//! A route whose method differs hides nothing. ANY and `$default` take every method, extension
//! methods included.
//!
//! The rules of [`Precedence::RestApi`], whose keys are the methods of a tree of resources:
//!
//! - From left to right a literal segment goes before `{name}`, and that before `{name+}`; so
//!   `/a/{proxy+}` takes `/a/b` before `/{x}/b` does. At one path an exact method goes before ANY.
//! - ANY is DELETE, GET, HEAD, OPTIONS, PATCH, POST and PUT. HEAD is not implied by GET.
//! - One `/` at the end of a path is ignored, and is no part of a parameter.
//! - A resource without the method hides nothing either: the request goes to the next best resource
//!   that has it, a `{proxy+}` above included. The guide says nothing of it; people measured it on
//!   AWS ("route on the resource+method pair", github.com/ministackorg/ministack/pull/1423; for
//!   `{name}`, github.com/floci-io/floci/pull/3399), and frameworks rely on it, since they give
//!   resources between others only an OPTIONS method, or none.
//! - Where nothing is left, path and method are one mistake, and nothing is found.
//!
//! What the guide leaves open for both is decided so, and pinned by `tests/conformance_routing.rs`:
//!
//! - Paths are compared segment by segment as they are: to HTTP APIs `/items` and `/items/` are two
//!   paths, and to all so are `/a/b` and `/a//b`. No slash is merged and no dot segment removed here, because a
//!   path that the gateway sees differently from its target is a hole in every authorizer.
//! - `{name}` takes one segment of at least one byte, `{name+}` a rest of at least one byte: for
//!   `/files/{proxy+}`, `/files/` does not match, and `/files//a` does, with `/a`.
//! - Literal segments are compared percent-decoded, once. `%2F` is part of a segment and never
//!   separates two; parameter values stay raw.
//! - The empty path is `/`. A path that does not start with `/` (`*` of OPTIONS) and matches
//!   nothing goes to `$default`. A path over 65,535 bytes goes nowhere.
//!
//! The invariant a newcomer would break: a lookup enters each node at most once. That keeps the
//! work of the worst request at [`Router::visits_max`], which no client can raise.

mod build;
mod draft;
mod explain;
mod patterns;
#[cfg(test)]
mod reference;
mod segment;
mod spans;
mod tree;

pub use explain::{Candidate, CandidateKind, Explanation, Verdict};
pub use spans::PathSpans;

use crate::base::Method;
use crate::model::RouteKey;
use crate::plan::key_text::KeyTexts;
use tree::{Tree, Walk};

/// Most segments of a route's path: bounds the stack that a lookup may use.
const SEGMENTS_COUNT_MAX: usize = 256;

/// The bits of ANY.
const METHODS_ANY: u16 = u16::MAX;

/// The bits of ANY in REST APIs.
const METHODS_ANY_REST: u16 = method_bit(Method::Get)
    | method_bit(Method::Head)
    | method_bit(Method::Post)
    | method_bit(Method::Put)
    | method_bit(Method::Delete)
    | method_bit(Method::Patch)
    | method_bit(Method::Options);

/// Which API's rules decide between routes.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Precedence {
    /// HTTP APIs: a full match anywhere goes before a greedy one.
    #[default]
    HttpApi,
    /// REST APIs: a tree of resources; the first segment that differs decides.
    RestApi,
}

/// A compiled set of route keys.
#[derive(Debug, Default)]
pub struct Router {
    precedence: Precedence,
    tree: Tree,
    default_route: Option<u32>,
    visits_max: u32,
    /// Only for explanations.
    key_texts: KeyTexts,
}

/// Why a set of route keys cannot be compiled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum RouterError {
    /// Two keys with the same method and the same path up to the names of parameters.
    #[error("`{first}` and `{second}` match the same requests")]
    Conflict {
        /// The earlier route key.
        first: String,
        /// The later route key.
        second: String,
        /// Index of the earlier route key.
        first_index: u32,
        /// Index of the later route key.
        second_index: u32,
    },
    /// A key that is over a bound, or has a greedy parameter that is not last.
    #[error("`{key}`: {reason}")]
    Unusable {
        /// The route key.
        key: String,
        /// Its index.
        index: u32,
        /// The value and the limit.
        reason: String,
    },
}

impl RouterError {
    /// Index of the key that is wrong; of two, the later.
    #[must_use]
    pub const fn route_index(&self) -> u32 {
        match self {
            Self::Conflict { second_index, .. } => *second_index,
            Self::Unusable { index, .. } => *index,
        }
    }

    /// Of a conflict, the index of the earlier key.
    #[must_use]
    pub const fn other_route_index(&self) -> Option<u32> {
        match self {
            Self::Conflict { first_index, .. } => Some(*first_index),
            Self::Unusable { .. } => None,
        }
    }
}

impl Router {
    /// Compiles `keys`; the router answers with indexes into them. Reports every conflict.
    pub fn compile(keys: &[RouteKey], precedence: Precedence) -> Result<Self, Vec<RouterError>> {
        let built = build::build(keys, precedence)?;
        Ok(Self {
            precedence,
            tree: built.tree,
            default_route: built.default_route,
            visits_max: built.visits_max,
            key_texts: KeyTexts::new(keys),
        })
    }

    /// The index of the route that takes this request; its parameters are in `spans`. Does not
    /// allocate.
    #[must_use]
    pub fn find(&self, method: Method, path: &[u8], spans: &mut PathSpans) -> Option<u32> {
        spans.clear();
        if path.len() > usize::from(u16::MAX) {
            return None;
        }
        let path = self.precedence.compared(path);
        let found = Walk::new(&self.tree, path, method_bit(method), spans).run(self.precedence);
        found.or(self.default_route)
    }

    /// The text of route key `route`, in AWS's syntax.
    #[must_use]
    pub fn key(&self, route: u32) -> Option<&str> {
        self.key_texts.get(route)
    }

    /// The most tree nodes that a lookup can enter, whatever the client sends.
    #[must_use]
    pub const fn visits_max(&self) -> u32 {
        self.visits_max
    }
}

impl Precedence {
    /// What of a path is compared with route keys: a start of it, or `/` for nothing.
    fn compared(self, path: &[u8]) -> &[u8] {
        let path = match path {
            [rest @ .., b'/'] if self == Self::RestApi => rest,
            all => all,
        };
        if path.is_empty() { b"/" } else { path }
    }

    /// The bits of ANY.
    const fn methods_any(self) -> u16 {
        match self {
            Self::HttpApi => METHODS_ANY,
            Self::RestApi => METHODS_ANY_REST,
        }
    }
}

const fn method_bit(method: Method) -> u16 {
    1 << method as u8
}

#[cfg(test)]
mod tests;
