//! A whole file: from text to [`Settings`].

use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::acme::AcmeTable;
use super::apis::{ApiSpans, Upstreams, build_apis};
use super::diagnostics::{Cause, Diagnostics, Mistake, Source, Span};
use super::domains::build_domains;
use super::functions::build_functions;
use super::keys::RawFile;
use super::listeners::{
    build_access_log, build_forwarding, build_limits, build_listeners, build_throttle,
};
use super::management::build_management;
use super::process::{Admin, ListenerNames, Process, build_admin, build_process};
use super::reading::{Node, Reading};
use super::syntax::merge;
use super::table::Value;
use super::tls::{TlsBuilder, TlsSpans};
use super::upstreams::build_upstreams;
use crate::control::ManagementOptions;
use crate::model::Model;
use crate::plan::PlanError;
use crate::tls::{DomainPart, TlsProblem};

/// A file without mistakes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the process runs.
    pub process: Process,
    /// The admin listener, if the file has one.
    pub admin: Option<Admin>,
    /// The management API, if the file has one.
    pub management: Option<ManagementOptions>,
    /// What a plan is compiled from.
    pub model: Model,
    source: Source,
    places: Places,
}

/// Where what the model has stands in the file.
#[derive(Clone, Debug, Default)]
struct Places {
    shards: Span,
    listeners: Vec<Span>,
    groups: Vec<Span>,
    tls: TlsSpans,
    apis: Vec<ApiSpans>,
}

/// A place in the file, by index into the model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// `process.shards`.
    Shards,
    /// A listener: its address.
    Listener(usize),
    /// A target group: its name.
    Group(usize),
    /// A listener's `tls` or `redirect_to_https`, by index of the listener.
    ListenerTls(usize),
    /// A part of a domain, by index in [`crate::model::Tls::domains`].
    Domain(usize, DomainPart),
    /// The file of session ticket keys.
    TicketKeys,
    /// A target group's `tls`, by index of the group.
    GroupTls(usize),
    /// An API: its name.
    Api(usize),
    /// A route of an API: its key.
    Route {
        /// Index of the API in [`Model::apis`].
        api: usize,
        /// Index of the route in [`crate::model::Stage::routes`].
        route: usize,
    },
}

/// Reads and parses the file at `path`. A file that cannot be read is a mistake like any other.
pub fn load(path: &Path) -> Result<Settings, Diagnostics> {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let read = std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    let unread = |message: String| {
        Err(Diagnostics::new(Source::new(&name, ""), vec![Mistake::of_file(message)]))
    };
    match read {
        Err(error) => unread(format!("cannot be read: {error}")),
        Ok(count) if count as u64 > FILE_BYTES_MAX => {
            unread(format!("has more than {FILE_BYTES_MAX} bytes"))
        }
        Ok(_) => parse_bytes(&name, &bytes),
    }
}

/// Parses the bytes of a file that messages call `name`.
pub fn parse_bytes(name: &str, bytes: &[u8]) -> Result<Settings, Diagnostics> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse(name, text),
        Err(error) => {
            let start = error.valid_up_to();
            let text = String::from_utf8_lossy(bytes);
            // What is not UTF-8 is shown as U+FFFD, which takes three bytes.
            let span = Span { start, end: start + char::REPLACEMENT_CHARACTER.len_utf8() };
            let message = "the file is not UTF-8";
            Err(Diagnostics::new(Source::new(name, &text), vec![Mistake::new(span, message)]))
        }
    }
}

/// Parses the text of a file that messages call `name`.
pub fn parse(name: &str, text: &str) -> Result<Settings, Diagnostics> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let value = DeValue::Table(root.into_inner());
    let mut reading = Reading { text, mistakes: Vec::new() };
    let span = Span::default();
    let node = Node {
        name: "the file",
        value: &value,
        span,
        bound: None,
        is_default: false,
        is_item: false,
    };
    let settings = RawFile::read(node, &mut reading)
        .map(|raw| build(raw, Source::new(name, text), &mut reading));
    let mistakes = merge(&errors, reading.mistakes, text);
    match settings {
        Some(settings) if mistakes.is_empty() => Ok(settings),
        _ => Err(Diagnostics::new(Source::new(name, text), mistakes)),
    }
}

fn build(raw: RawFile, source: Source, reading: &mut Reading<'_>) -> Settings {
    let shards = raw.process.value.shards.span;
    let mut listeners = raw.listener.map(|list| list.value.0).unwrap_or_default();
    let mut upstreams = raw.upstream.value;
    let domains_count = raw.domain.as_ref().map_or(0, |list| list.value.0.len());
    let acme = AcmeTable::build(raw.acme, reading);
    let domains = build_domains(raw.domain, &acme, reading);
    let names = Upstreams::new(&upstreams);
    // Its domains come later, with certificates of their own.
    let may_have_more = raw.management.is_some();
    let functions = raw.function.map(|list| list.value).unwrap_or_default();
    let function_span = functions.first().map(|one| one.span);
    if let (Some(span), false) = (function_span, may_have_more) {
        let mistake = Mistake::new(span, "functions answer deployed APIs, and there can be none");
        reading.record(mistake.help("add [management], by which APIs are deployed"));
    }
    let functions = build_functions(functions, &raw.functions, reading);
    let concurrency = raw.functions.value.concurrency.value;
    let management = raw.management.and_then(|one| {
        build_management(one.value, (functions, concurrency), &acme, &names, reading)
    });
    let mut tls = TlsBuilder::new(domains_count, domains, acme.into_acme(), may_have_more);
    tls.add_tickets(raw.tls.value);
    for listener in &mut listeners {
        tls.add_listener(&mut listener.value, reading);
    }
    for upstream in &mut upstreams {
        tls.add_upstream(&mut upstream.value);
    }
    let (tls, tls_spans) = tls.finish(reading);
    let listener_names = ListenerNames::new(&listeners);
    let (listeners, listener_spans) = build_listeners(listeners, raw.admin.as_ref(), reading);
    let process = build_process(raw.process.value, &listener_names, reading);
    let admin = raw.admin.map(|admin| build_admin(admin.value, reading));
    let limits = build_limits(&raw.limits, &raw.http2.value, &raw.timeouts, reading);
    let (target_groups, groups) = build_upstreams(upstreams, reading);
    if raw.api.value.is_empty() && management.is_none() {
        let help = "add [[api]], or [management] to make APIs while it runs";
        let mistake = Mistake::of_file("the file has no [[api]]").help(help);
        reading.record(mistake.cause(Cause::AbsentKey));
    }
    let (apis, api_spans) = build_apis(raw.api.value, &names, reading);
    let model = Model {
        account_throttle: build_throttle(raw.account.value.throttle),
        listeners,
        apis,
        target_groups,
        limits,
        forwarding: build_forwarding(raw.forwarding.value),
        access_log: raw.access_log.map(|log| build_access_log(log.value)),
        tls,
    };
    let places =
        Places { shards, listeners: listener_spans, groups, tls: tls_spans, apis: api_spans };
    Settings { process, admin, management, model, source, places }
}

impl Settings {
    /// Draws mistakes that a later step found, each at its place. `None` if there are none.
    #[must_use]
    pub fn diagnose(
        &self,
        mistakes: impl IntoIterator<Item = (Place, String)>,
    ) -> Option<Diagnostics> {
        let draw = |(place, message)| match self.span(place) {
            Some(span) => Mistake::new(span, message),
            None => Mistake::of_file(message),
        };
        self.diagnostics(mistakes.into_iter().map(draw).collect())
    }

    /// Draws what the plan compiler found, both places of a conflict. `None` if there is nothing.
    #[must_use]
    pub fn diagnose_plan(&self, errors: &[PlanError]) -> Option<Diagnostics> {
        let place = |error: &PlanError, is_other: bool| {
            let index = |own: usize| if is_other { error.other_index } else { Some(own) };
            let place = match (error.api_index, error.route_index, error.group_index) {
                (Some(api), Some(route), _) => Place::Route { api, route: index(route)? },
                (Some(api), None, _) => Place::Api(index(api)?),
                (None, _, Some(group)) => Place::Group(index(group)?),
                (None, _, None) => return None,
            };
            self.span(place)
        };
        let draw = |error: &PlanError| {
            let Some(span) = place(error, false) else { return Mistake::of_file(&error.message) };
            let mistake = Mistake::new(span, &error.message);
            match place(error, true) {
                Some(other) => mistake.related(other, "the other"),
                None => mistake,
            }
        };
        self.diagnostics(errors.iter().map(draw).collect())
    }

    /// Draws what is wrong with files of TLS. `None` if there is nothing.
    #[must_use]
    pub fn diagnose_tls(
        &self,
        problems: impl IntoIterator<Item = (Place, TlsProblem)>,
    ) -> Option<Diagnostics> {
        let draw = |(place, problem): (Place, TlsProblem)| {
            let span = match place {
                Place::GroupTls(group) => self.group_tls_span(group, problem.file.as_deref()),
                place => self.span(place),
            };
            let mistake = match span {
                Some(span) => Mistake::new(span, problem.to_string()),
                None => Mistake::of_file(problem.to_string()),
            };
            match problem.help {
                Some(help) => mistake.help(help),
                None => mistake,
            }
        };
        self.diagnostics(problems.into_iter().map(draw).collect())
    }

    fn group_tls_span(&self, group: usize, file: Option<&Path>) -> Option<Span> {
        let name = &self.model.target_groups.get(group)?.name;
        Some(self.places.tls.upstreams.get(name)?.span(file))
    }

    fn diagnostics(&self, mistakes: Vec<Mistake>) -> Option<Diagnostics> {
        (!mistakes.is_empty()).then(|| Diagnostics::new(self.source.clone(), mistakes))
    }

    fn span(&self, place: Place) -> Option<Span> {
        let places = &self.places;
        match place {
            Place::File => None,
            Place::Shards => Some(places.shards).filter(|span| *span != Span::default()),
            Place::Listener(listener) => places.listeners.get(listener).copied(),
            Place::Group(group) => places.groups.get(group).copied(),
            Place::ListenerTls(listener) => {
                places.tls.listeners.get(&self.model.listeners.get(listener)?.name).copied()
            }
            Place::Domain(domain, part) => {
                let spans = places.tls.domains.get(domain)?;
                spans.span(part).or_else(|| spans.first())
            }
            Place::TicketKeys => places.tls.ticket_keys,
            Place::GroupTls(group) => self.group_tls_span(group, None),
            Place::Api(api) => Some(places.apis.get(api)?.api),
            Place::Route { api, route } => places.apis.get(api)?.routes.get(route).copied(),
        }
    }
}

/// A hundred thousand routes take about ten million bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
