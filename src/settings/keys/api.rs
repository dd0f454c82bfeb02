//! The keys of APIs and their routes.

use super::traffic::RawThrottle;
use crate::model::RouteKey;
use crate::settings::fields::{Base64, Headers, RedirectStatus, Text};
use crate::settings::hosts::{HostHeader, HostPattern};
use crate::settings::names::{BasePath, Name, StageName, Title};
use crate::settings::table::table;
use crate::settings::templates::{LocationTemplate, PathTemplate};
use crate::settings::values::OneOrMore;

table! {
    /// An API is the hosts and the path that reach it, and its routes.
    struct RawApi as "[[api]]" {
        /// What people call it. Unique.
        name: Title [required] eg "orders";
        /// What throttles, metrics and logs call it. Unique. Without it, it is made of the name.
        id: Name [optional] eg "orders";
        /// The hosts that reach it: names without port, `*.` and a name for all names under it,
        /// or `*` for any.
        hosts: OneOrMore<HostPattern> [["*"]];
        /// A path that its URLs begin with, and that routes do not see.
        base_path: BasePath [""] eg "/shop";
        /// "$default", or a name that comes after the base path in its URLs.
        stage: StageName ["$default"];
        /// A limit on the requests of all its routes together; without it there is none.
        throttle: RawThrottle [optional];
        /// Its routes: at least one.
        route: OneOrMore<RawRoute> [required];
    }
}

table! {
    /// A route is what it matches, and what answers.
    struct RawRoute as "[[api.route]]" {
        /// A method or ANY and a path; `{name}` is one segment, `{name+}` at the end is the rest.
        /// `$default` takes what no other route takes.
        key: RouteKey [required] eg "GET /items/{id}" eg "GET /ping" eg "ANY /old/{proxy+}";
        /// The target group that answers, by name.
        upstream: Name [optional] eg "backend";
        /// The path that targets see, with parameters of the route in braces; without it they
        /// see the client's, less base path and stage. Belongs to `upstream`.
        path: PathTemplate [optional] eg "/v2/items/{id}";
        /// The Host that targets see. Belongs to `upstream`.
        host: HostHeader [optional] eg "items.internal";
        /// How long targets may take to begin their answer. Belongs to `upstream`.
        timeout_ms: u64 [29_000] in 50..=3_600_000;
        /// The gateway answers itself.
        mock: RawMock [optional];
        /// The gateway sends the client elsewhere.
        redirect: RawRedirect [optional];
        /// A limit on its requests; without it there is none.
        throttle: RawThrottle [optional];
        /// Longest body, in place of the one under [limits].
        body_bytes_max: u64 [optional] eg 1_048_576 in 0..=1_099_511_627_776;
    }
    exactly one of upstream mock redirect;
}

table! {
    /// A fixed answer.
    struct RawMock as "mock" {
        /// Its status.
        status: u16 [200] in 200..=599;
        /// Its headers: a value, or a list of values, for each name.
        headers: Headers [{}] eg { content-type = "application/json" };
        /// Its body as text.
        body: Text [optional] eg "{\"pong\":true}";
        /// Its body as base64.
        body_base64: Base64 [optional] eg "aGVsbG8=";
    }
    at most one of body body_base64;
}

table! {
    /// A redirect.
    struct RawRedirect as "redirect" {
        /// Its status.
        status: RedirectStatus [308];
        /// Where it leads, with parameters of the route in braces; `{host}`, `{path}` and
        /// `{query}` (with its `?`) are the request's.
        location: LocationTemplate [required] eg "https://{host}/new/{proxy}{query}";
    }
}
