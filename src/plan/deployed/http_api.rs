//! Routes of HTTP APIs, compiled.

use std::sync::Arc;

use super::{FunctionPlan, NotServed};
use crate::base::Method;
use crate::expr::{HttpRequestMapping, HttpResponseMappings, HttpUri};
use crate::plan::GroupSlot;

/// A route of an HTTP API.
#[derive(Debug)]
pub struct HttpRoutePlan {
    /// Its id.
    pub route_id: Box<str>,
    /// The names of the parameters in the path, in their order.
    pub parameter_names: Box<[Box<str>]>,
    /// What answers.
    pub integration: HttpRouteIntegration,
}

/// What answers a route.
#[derive(Debug)]
pub enum HttpRouteIntegration {
    /// `HTTP_PROXY`; routes that do the same share it.
    Proxy(Arc<HttpRouteProxyPlan>),
    /// `AWS_PROXY` of a function.
    Function(Box<FunctionPlan>),
    /// Nothing that could.
    NotServed(NotServed),
}

/// An integration over HTTP.
#[derive(Debug)]
pub struct HttpRouteProxyPlan {
    /// Who answers.
    pub group: GroupSlot,
    /// `Host` for the endpoint; `None` for the request's own.
    pub host: Option<Box<str>>,
    /// What the endpoint is asked with; `None` for the request's own method.
    pub method: Option<Method>,
    /// Where in the endpoint; `None` for the request's own path and query.
    pub uri: Option<HttpUri>,
    /// The request's path follows that of the URI: what `$default` takes has no other place for it.
    pub appends_path: bool,
    /// What of the request is changed.
    pub request: HttpRequestMapping,
    /// What of the answer is changed, by its status.
    pub responses: HttpResponseMappings,
    /// Whether the request's body is read whole before anything is sent.
    pub collects_request: bool,
    /// From the request's last byte sent to the answer's first byte.
    pub timeout_ms: u64,
}

/// What browsers are told of other origins ("Configuring CORS for an HTTP API"). Lists are joined as
/// headers have them.
#[derive(Clone, Debug, PartialEq)]
pub struct CorsPlan {
    /// Lower case; `*` for all, `https://*` and the like for all of a scheme.
    pub allow_origins: Box<[Box<str>]>,
    /// `Access-Control-Allow-Credentials`.
    pub allow_credentials: bool,
    /// `Access-Control-Allow-Methods`, empty for none.
    pub allow_methods: Box<str>,
    /// `Access-Control-Allow-Headers`, empty for none.
    pub allow_headers: Box<str>,
    /// `Access-Control-Expose-Headers`, empty for none.
    pub expose_headers: Box<str>,
    /// `Access-Control-Max-Age`, in seconds.
    pub max_age_s: Option<i32>,
}

impl CorsPlan {
    /// Whether pages of `origin` may read answers.
    #[must_use]
    pub fn allows(&self, origin: &[u8]) -> bool {
        self.allow_origins.iter().any(|allowed| match allowed.strip_suffix('*') {
            Some(prefix) => {
                let start = origin.get(..prefix.len());
                start.is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
            }
            None => origin.eq_ignore_ascii_case(allowed.as_bytes()),
        })
    }
}
