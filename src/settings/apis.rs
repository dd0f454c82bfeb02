//! Builds the APIs and their routes.

use std::collections::HashSet;

use super::diagnostics::{Mistake, Span};
use super::keys::{RawApi, RawMock, RawRedirect, RawRoute, RawUpstream};
use super::listeners::build_throttle;
use super::names::Name;
use super::reading::{Field, Reading, listed};
use super::templates::{LocationTemplate, Placeholder};
use super::unique::{Unique, record_unknown};
use crate::model::{
    Api, Integration, MockIntegration, ProxyIntegration, RedirectIntegration, Route, RouteKey,
    Stage,
};

/// Where an API and its routes stand in the file, in the order of the model.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct ApiSpans {
    pub(super) api: Span,
    pub(super) routes: Vec<Span>,
}

/// The names that routes may forward to.
pub(super) struct Upstreams {
    names: Vec<String>,
    known: HashSet<String>,
    /// Some upstream has a mistake in its name, so a name that is not known may be that one's.
    is_incomplete: bool,
}

impl Upstreams {
    pub(super) fn new(raw: &[Field<RawUpstream>]) -> Self {
        let names = raw.iter().filter_map(|one| one.value.name.as_ref());
        let names: Vec<_> = names.map(|name| name.value.0.clone()).collect();
        let is_incomplete = names.len() < raw.len();
        Self { known: names.iter().cloned().collect(), names, is_incomplete }
    }

    /// Records a name that is no upstream's.
    pub(super) fn check(&self, name: &Field<Name>, reading: &mut Reading<'_>) {
        let group = &name.value.0;
        if !self.known.contains(group.as_str()) && !self.is_incomplete {
            record_unknown("upstream", group, name.span, &self.names, reading);
        }
    }
}

/// Builds the APIs. An API without a name, like a route without a key, is left out; that was
/// recorded.
pub(super) fn build_apis(
    raw: Vec<Field<RawApi>>,
    upstreams: &Upstreams,
    reading: &mut Reading<'_>,
) -> (Vec<Api>, Vec<ApiSpans>) {
    let mut names = ApiNames::new();
    let mut built = Vec::new();
    for Field { value: raw, .. } in raw {
        let id = names.add(&raw, reading);
        let routes = raw.route.map(|routes| routes.value.0).unwrap_or_default();
        let routes = routes.into_iter().filter_map(|route| build_route(route, upstreams, reading));
        let (routes, route_spans) = routes.unzip();
        let (Some(name), Some(id)) = (raw.name, id) else { continue };
        let stage =
            Stage { name: raw.stage.value.0, throttle: build_throttle(raw.throttle), routes };
        let api = Api {
            id,
            name: name.value.0,
            hosts: raw.hosts.value.0.into_iter().map(|host| host.value.0).collect(),
            base_path: raw.base_path.value.0,
            stage,
        };
        built.push((api, ApiSpans { api: name.span, routes: route_spans }));
    }
    built.into_iter().unzip()
}

/// Finds APIs that have a name, an id or a place in common.
struct ApiNames {
    names: Unique<String>,
    ids: Unique<String>,
    places: Unique<String>,
}

impl ApiNames {
    fn new() -> Self {
        Self {
            names: Unique::new("API"),
            ids: Unique::new("API id"),
            places: Unique::new("API at"),
        }
    }

    /// The API's id, if it has one.
    fn add(&mut self, raw: &RawApi, reading: &mut Reading<'_>) -> Option<String> {
        for host in &raw.hosts.value.0 {
            let (base, stage) = (&raw.base_path.value.0, &raw.stage.value.0);
            let place = format!("{}{base} with stage {stage}", host.value.0);
            self.places.add(place, host.span, reading);
        }
        let name = raw.name.as_ref();
        let is_new =
            name.is_none_or(|name| self.names.add(name.value.0.clone(), name.span, reading));
        if let Some(id) = &raw.id {
            self.ids.add(id.value.0.clone(), id.span, reading);
            return Some(id.value.0.clone());
        }
        let name = name?;
        let id = name.value.slug();
        if id.is_empty() {
            let message = "no id can be made of `name`, which has no letters from a to z";
            let mistake = Mistake::new(name.span, message).help("give the API an `id`");
            reading.record(mistake.label("no letters"));
        } else if is_new {
            // Two equal names make two equal ids, but are one mistake.
            self.ids.add(id.clone(), name.span, reading);
        }
        Some(id)
    }
}

/// The route and the place of its key.
fn build_route(
    raw: Field<RawRoute>,
    upstreams: &Upstreams,
    reading: &mut Reading<'_>,
) -> Option<(Route, Span)> {
    let raw = raw.value;
    let key = raw.key.as_ref();
    let integration = if raw.upstream.is_some() {
        build_proxy(&raw, upstreams, reading).map(Integration::Proxy)
    } else {
        check_strays(&raw, reading);
        match (raw.mock, raw.redirect) {
            (Some(mock), _) => Some(Integration::Mock(build_mock(mock.value, reading))),
            (None, Some(redirect)) => {
                build_redirect(redirect.value, key, reading).map(Integration::Redirect)
            }
            (None, None) => None,
        }
    };
    let throttle = build_throttle(raw.throttle);
    let key = raw.key?;
    let body_bytes_max = raw.body_bytes_max.map(|field| field.value);
    Some((Route { key: key.value, integration: integration?, throttle, body_bytes_max }, key.span))
}

fn build_proxy(
    raw: &RawRoute,
    upstreams: &Upstreams,
    reading: &mut Reading<'_>,
) -> Option<ProxyIntegration> {
    let upstream = raw.upstream.as_ref()?;
    let group = &upstream.value.0;
    upstreams.check(upstream, reading);
    if let (Some(path), Some(key)) = (&raw.path, &raw.key) {
        check_placeholders(&path.value.placeholders, &[], path.span, key, reading);
    }
    Some(ProxyIntegration {
        group: group.clone(),
        path: raw.path.as_ref().map(|path| path.value.text.clone()),
        host: raw.host.as_ref().map(|host| host.value.0.clone()),
        timeout_ms: raw.timeout_ms.value,
    })
}

/// Records keys that mean nothing without an upstream. Without any integration that was recorded
/// already, and what was meant is not known.
fn check_strays(raw: &RawRoute, reading: &mut Reading<'_>) {
    let answers = match (&raw.mock, &raw.redirect) {
        (Some(mock), _) => ("mock", mock.span),
        (None, Some(redirect)) => ("redirect", redirect.span),
        (None, None) => return,
    };
    let strays = [
        ("path", raw.path.as_ref().map(|field| field.span)),
        ("host", raw.host.as_ref().map(|field| field.span)),
        ("timeout_ms", raw.timeout_ms.is_written.then_some(raw.timeout_ms.span)),
    ];
    for (name, span) in strays {
        let Some(span) = span else { continue };
        let message = format!("`{name}` belongs to `upstream`, which this route has not");
        let mistake = Mistake::new(span, message).label("means nothing here");
        reading.record(mistake.related(answers.1, format!("`{}` answers", answers.0)));
    }
}

fn build_mock(raw: RawMock, reading: &mut Reading<'_>) -> MockIntegration {
    let status = raw.status.value;
    let body = raw.body.map(|field| (field.span, field.value.0.into_bytes()));
    let body = body.or_else(|| raw.body_base64.map(|field| (field.span, field.value.0)));
    if let Some((span, body)) = &body
        && !body.is_empty()
        && matches!(status, 204 | 205 | 304)
    {
        let message = format!("an answer with status {status} has no body");
        let mut mistake = Mistake::new(*span, message).label("leave it out");
        if raw.status.is_written {
            mistake = mistake.related(raw.status.span, "the status");
        }
        reading.record(mistake);
    }
    let mut headers = Vec::new();
    for (name, value) in raw.headers.value.0 {
        if GATEWAY_HEADERS.contains(&&*name.value.to_ascii_lowercase()) {
            let message = format!("the gateway itself writes `{}`", name.value);
            reading.record(Mistake::new(name.span, message).label("leave it out"));
        }
        headers.push((name.value, value));
    }
    MockIntegration { status, headers, body: body.map(|(_, body)| body).unwrap_or_default() }
}

fn build_redirect(
    raw: RawRedirect,
    key: Option<&Field<RouteKey>>,
    reading: &mut Reading<'_>,
) -> Option<RedirectIntegration> {
    let location = raw.location?;
    if let Some(key) = key {
        let placeholders = &location.value.placeholders;
        check_placeholders(placeholders, &LocationTemplate::NAMES, location.span, key, reading);
    }
    Some(RedirectIntegration { status: raw.status.value.0, location: location.value.text })
}

/// Records placeholders that are neither parameters of the route nor among `others`.
fn check_placeholders(
    placeholders: &[Placeholder],
    others: &[&str],
    span: Span,
    key: &Field<RouteKey>,
    reading: &mut Reading<'_>,
) {
    let names: Vec<&str> = key.value.parameters().chain(others.iter().copied()).collect();
    let greedy = key.value.greedy_parameter();
    for placeholder in placeholders {
        let name = placeholder.name.as_str();
        if names.contains(&name) || greedy.is_some_and(|one| name.strip_suffix('+') == Some(one)) {
            continue;
        }
        let message = format!("the route key has no parameter `{name}`");
        let help = match names.is_empty() {
            true => "the route key has no parameters".to_owned(),
            false => format!("in braces may stand {}", listed(&names)),
        };
        let mistake = Mistake::new(reading.part(span, placeholder.offset), message).help(help);
        reading.record(mistake.label("no such parameter").related(key.span, "the route key"));
    }
}

/// Headers that frame a message or belong to one connection.
const GATEWAY_HEADERS: [&str; 8] = [
    "connection",
    "content-length",
    "keep-alive",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];
