//! A whole file: from text to [`Settings`].

use std::io::Read;
use std::path::Path;

use toml::de::{DeTable, DeValue};

use super::apis::{ApiSpans, Upstreams, build_apis};
use super::diagnostics::{Diagnostics, Mistake, Source, Span};
use super::keys::RawFile;
use super::listeners::{
    build_access_log, build_forwarding, build_limits, build_listeners, build_throttle,
};
use super::process::{Admin, Process, build_admin, build_process};
use super::reading::{Node, Reading};
use super::table::Value;
use super::upstreams::build_upstreams;
use crate::model::Model;

/// A file without mistakes.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How the process runs.
    pub process: Process,
    /// The admin listener, if the file has one.
    pub admin: Option<Admin>,
    /// What a plan is compiled from.
    pub model: Model,
    source: Source,
    shards: Span,
    apis: Vec<ApiSpans>,
}

/// A place in the file, by index into the model.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// The file as a whole.
    File,
    /// `process.shards`.
    Shards,
    /// An API.
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
        let source = Source { name: name.as_str().into(), text: "".into() };
        Err(Diagnostics::new(source, vec![Mistake::of_file(message)]))
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
            let text = String::from_utf8_lossy(bytes).into_owned();
            let source = Source { name: name.into(), text: text.into() };
            // What is not UTF-8 is shown as U+FFFD, which takes three bytes.
            let span = Span { start, end: start + char::REPLACEMENT_CHARACTER.len_utf8() };
            let message = "the file is not UTF-8";
            Err(Diagnostics::new(source, vec![Mistake::new(span, message)]))
        }
    }
}

/// Parses the text of a file that messages call `name`.
pub fn parse(name: &str, text: &str) -> Result<Settings, Diagnostics> {
    let (root, errors) = DeTable::parse_recoverable(text);
    let value = DeValue::Table(root.into_inner());
    let mut reading = Reading { text, mistakes: Vec::new() };
    let span = Span::default();
    let node = Node { name: "the file", value: &value, span, bound: None, is_default: false };
    let settings = RawFile::read(node, &mut reading).map(|raw| {
        let source = Source { name: name.into(), text: text.into() };
        build(raw, source, &mut reading)
    });
    let mut mistakes = reading.mistakes;
    if !errors.is_empty() {
        mistakes.retain(|mistake| !mistake.is_absence);
    }
    mistakes.extend(errors.iter().map(|error| {
        let span = error.span().map_or(Span::default(), Span::from);
        Mistake::new(span, error.message())
    }));
    match settings {
        Some(settings) if mistakes.is_empty() => Ok(settings),
        _ => {
            let source = Source { name: name.into(), text: text.into() };
            Err(Diagnostics::new(source, mistakes))
        }
    }
}

fn build(raw: RawFile, source: Source, reading: &mut Reading<'_>) -> Settings {
    let shards = raw.process.value.shards.span;
    let listeners = raw.listener.map(|list| list.value.0).unwrap_or_default();
    // The names of what has mistakes count too, or each use of it would be a mistake of its own.
    let listener_names = listeners.iter().filter_map(|one| Some(one.value.name.as_ref()?));
    let listener_names: Vec<_> = listener_names.map(|name| name.value.0.clone()).collect();
    let listeners = build_listeners(listeners, raw.admin.as_ref(), reading);
    let process = build_process(raw.process.value, &listener_names, reading);
    let admin = raw.admin.map(|admin| build_admin(admin.value, reading));
    let limits = build_limits(&raw.limits, &raw.timeouts, reading);
    let upstreams = raw.upstream.value;
    let names = upstreams.iter().filter_map(|one| Some(one.value.name.as_ref()?));
    let names = Upstreams::new(names.map(|name| name.value.0.clone()).collect());
    let target_groups = build_upstreams(upstreams, reading);
    let apis = raw.api.map(|list| list.value.0).unwrap_or_default();
    let (apis, spans) = build_apis(apis, &names, reading);
    let model = Model {
        account_throttle: build_throttle(raw.account.value.throttle),
        listeners,
        apis,
        target_groups,
        limits,
        forwarding: build_forwarding(raw.forwarding.value),
        access_log: raw.access_log.map(|log| build_access_log(log.value)),
    };
    Settings { process, admin, model, source, shards, apis: spans }
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
        let mistakes: Vec<_> = mistakes.into_iter().map(draw).collect();
        (!mistakes.is_empty()).then(|| Diagnostics::new(self.source.clone(), mistakes))
    }

    fn span(&self, place: Place) -> Option<Span> {
        match place {
            Place::File => None,
            Place::Shards => Some(self.shards).filter(|span| *span != Span::default()),
            Place::Api(api) => Some(self.apis.get(api)?.api),
            Place::Route { api, route } => self.apis.get(api)?.routes.get(route).copied(),
        }
    }
}

/// A hundred thousand routes take about ten million bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024 * 1024;
