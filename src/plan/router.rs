//! The radix tree that finds a route.

use crate::base::Method;
use crate::base::limits::PATH_PARAMETERS_MAX;
use crate::model::RouteKey;

/// Where the values of a route's path parameters lie in the path that was matched.
#[derive(Clone, Copy, Debug)]
pub struct PathSpans {
    spans: [(u16, u16); PATH_PARAMETERS_MAX],
    count: u8,
}

impl Default for PathSpans {
    fn default() -> Self {
        Self { spans: [(0, 0); PATH_PARAMETERS_MAX], count: 0 }
    }
}

impl PathSpans {
    /// The raw (still percent-encoded) value of parameter `index`, in the order of the route key.
    #[must_use]
    pub fn raw<'path>(&self, index: usize, path: &'path [u8]) -> Option<&'path [u8]> {
        let (start, end) = *self.spans.get(index).filter(|_| index < usize::from(self.count))?;
        path.get(usize::from(start)..usize::from(end))
    }
}

/// A compiled set of route keys.
#[derive(Debug, Default)]
pub struct Router {}

/// Why a set of route keys cannot be compiled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{first} and {second} match the same requests")]
pub struct RouterError {
    /// The earlier route key.
    pub first: String,
    /// The later route key.
    pub second: String,
}

impl Router {
    /// Compiles `keys`; the router answers with indexes into them.
    pub fn compile(keys: &[RouteKey]) -> Result<Self, Vec<RouterError>> {
        let _ = keys;
        Ok(Self {})
    }

    /// The index of the route that takes this request.
    #[must_use]
    pub fn find(&self, method: Method, path: &[u8], spans: &mut PathSpans) -> Option<u32> {
        let _ = (method, path, spans);
        None
    }
}
