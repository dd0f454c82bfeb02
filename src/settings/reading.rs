//! Reads parsed TOML as the table of keys says, and records every mistake instead of stopping at
//! the first.
//!
//! Knows the shape of keys and nothing of their meaning. Whoever gets `None` from here knows that
//! the mistake was recorded, and must not record it again.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Cause, Mistake, Span};
use super::nearest::nearest;
use super::table::{Bound, Key, Presence, Shape, Spec, Value};

/// What the reader of a file carries along.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    pub(super) text: &'a str,
    pub(super) mistakes: Vec<Mistake>,
}

impl Reading<'_> {
    pub(super) fn record(&mut self, mistake: Mistake) {
        self.mistakes.push(mistake);
    }

    /// Which of `names` someone may have meant. Of mistakes that nobody will see drawn it is not
    /// said: comparing each of them with each name would take minutes on a large file.
    pub(super) fn meant<'n>(
        &self,
        text: &str,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Option<&'n str> {
        let is_drawn = self.mistakes.len() < MEANT_COUNT_MAX;
        is_drawn.then(|| nearest(text, names.into_iter().take(NAMES_COMPARED_MAX))).flatten()
    }

    /// The place of the character at `offset` of the text whose value stands at `span`; the whole
    /// value where escapes blur it.
    pub(super) fn part(&self, span: Span, offset: usize) -> Span {
        let raw = self.text.get(span.start..span.end).unwrap_or_default();
        for quote in ["\"\"\"", "'''", "\"", "'"] {
            let inner = raw.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
            let Some(inner) = inner else { continue };
            let is_blurred = inner.contains('\\') || inner.starts_with(['\r', '\n']);
            let Some(rest) = inner.get(offset..).filter(|_| !is_blurred) else { return span };
            let start = span.start + quote.len() + offset;
            return Span { start, end: start + rest.chars().next().map_or(1, char::len_utf8) };
        }
        span
    }
}

/// A value of the file with its place.
#[derive(Clone, Copy)]
pub(super) struct Node<'a> {
    /// The key whose value it is, or whose list it is in.
    pub(super) name: &'a str,
    pub(super) value: &'a DeValue<'a>,
    pub(super) span: Span,
    pub(super) bound: Option<Bound>,
    /// It stands for an absent key: it and all in it are at the table's place.
    pub(super) is_default: bool,
    /// It is an item of a list.
    pub(super) is_item: bool,
}

impl<'a> Node<'a> {
    /// As messages call it.
    pub(super) fn subject(&self) -> String {
        let of = if self.is_item { "an item of " } else { "" };
        format!("{of}`{}`", self.name.escape_debug())
    }

    /// Records that the value has the wrong type.
    pub(super) fn wrong_type(&self, shape: &Shape, reading: &mut Reading<'_>) {
        let found = match self.value {
            DeValue::String(_) => "a text",
            DeValue::Integer(_) => "an integer",
            DeValue::Float(_) => "a number with a fraction",
            DeValue::Boolean(_) => "a boolean",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let message = format!("{} is {found}; expected {}", self.subject(), shape.expected());
        reading.record(Mistake::new(self.span, message).label(format!("this is {found}")));
    }

    /// Records that the value is not what was expected.
    pub(super) fn wrong_value(&self, shape: &Shape, reading: &mut Reading<'_>) {
        let message =
            format!("{} is {}; expected {}", self.subject(), self.shown(), shape.expected());
        let mut mistake = Mistake::new(self.span, message).label("out of range");
        if let Shape::Choice(names) = shape {
            let names = names.iter().filter_map(serde_json::Value::as_str);
            let meant = self.value.as_str().and_then(|text| reading.meant(text, names));
            mistake = mistake.label("none of these");
            mistake.help = meant.map(|name| format!("did you mean \"{name}\"?"));
        }
        reading.record(mistake);
    }

    /// The value as a message shows it.
    fn shown(&self) -> String {
        match self.value {
            DeValue::String(text) => shown_text(text),
            DeValue::Integer(integer) => integer.to_string(),
            DeValue::Float(float) => float.to_string(),
            other => other.type_str().to_owned(),
        }
    }

    /// The items of a list, each with its place.
    pub(super) fn items(self) -> Option<impl Iterator<Item = Node<'a>>> {
        let items = self.value.as_array()?.iter();
        Some(items.map(move |item| Node { is_item: true, ..self.inner(self.name, item) }))
    }

    /// The entries of a table in the order of the file, each with the place of its name.
    pub(super) fn entries(self) -> Option<Vec<(Span, Node<'a>)>> {
        let entries = self.value.as_table()?.iter();
        let mut entries: Vec<(Span, _)> = entries
            .map(|(key, value)| (key.span().into(), self.inner(key.get_ref(), value)))
            .collect();
        entries.sort_by_key(|(span, _)| span.start);
        Some(entries)
    }

    /// A value inside of this one.
    fn inner(self, name: &'a str, value: &'a Spanned<DeValue<'a>>) -> Self {
        let span = if self.is_default { self.span } else { value.span().into() };
        Self { name, value: value.get_ref(), span, is_item: false, ..self }
    }
}

/// A value that was read, and where it stands: the table's place for a default.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<T> {
    pub(super) value: T,
    pub(super) span: Span,
    /// Whether it stands in the file; else it is the default.
    pub(super) is_written: bool,
}

/// Reads the keys of one table.
pub(super) struct TableReader<'a, 'r, 't> {
    node: Node<'a>,
    table: &'a DeTable<'a>,
    spec: &'static Spec,
    reading: &'r mut Reading<'t>,
}

impl<'a, 'r, 't> TableReader<'a, 'r, 't> {
    /// Records every unknown and every missing key.
    pub(super) fn open(
        node: Node<'a>,
        spec: &'static Spec,
        reading: &'r mut Reading<'t>,
    ) -> Option<Self> {
        let Some(table) = node.value.as_table() else {
            node.wrong_type(&Shape::Table(spec), reading);
            return None;
        };
        let mut reader = Self { node, table, spec, reading };
        for (key, _) in table {
            if !spec.keys.iter().any(|known| known.name == key.get_ref().as_ref()) {
                let mistake = unknown_key(key.get_ref(), key.span().into(), spec, reader.reading);
                reader.reading.record(mistake);
            }
        }
        for key in spec.keys {
            if matches!(key.presence, Presence::Required) && !table.contains_key(key.name) {
                reader.reading.record(missing_key(key, node.span, spec));
            }
        }
        if let Some(mistake) = reader.alternatives_mistake() {
            reader.reading.record(mistake);
        }
        reader.record_meaningless();
        Some(reader)
    }

    /// Records keys beside which none of those stands that they belong to. Where none of a table's
    /// alternatives stands, that is said already.
    fn record_meaningless(&mut self) {
        let spec = self.spec;
        let has = |name: &&str| self.table.contains_key(*name);
        if !spec.one_of.is_empty() && !spec.one_of.iter().any(&has) {
            return;
        }
        let groups = spec.only_with.iter().filter(|group| !group.others.iter().any(&has));
        for (group, name) in groups.flat_map(|group| group.keys.iter().map(move |one| (group, one)))
        {
            let Some((key, _)) = self.table.get_key_value(*name) else { continue };
            let message = format!("`{name}` has no meaning without {}", either(group.others));
            self.reading.record(Mistake::new(key.span().into(), message).label("leave it out"));
        }
    }

    /// What is wrong with the keys that exclude each other.
    fn alternatives_mistake(&self) -> Option<Mistake> {
        let written = |names: &'static [&'static str]| {
            let entries = names.iter().filter_map(|&name| self.table.get_key_value(name));
            let mut places: Vec<_> = entries
                .map(|(key, _)| (Span::from(key.span()), key.get_ref().to_string()))
                .collect();
            places.sort_by_key(|(span, _)| span.start);
            places
        };
        let (title, one_of) = (self.spec.title, self.spec.one_of);
        let mut places = written(one_of);
        if !one_of.is_empty() && places.is_empty() {
            let message = format!("{title} has none of {}", listed(one_of));
            let mistake = Mistake::new(self.node.span, message).label("exactly one is needed");
            return Some(mistake.cause(Cause::AbsentKey));
        }
        let mut names = one_of;
        if places.len() < 2 {
            names = self.spec.at_most_one_of;
            places = written(names);
        }
        let mut places = places.into_iter();
        let (first, (second, second_name)) = (places.next()?, places.next()?);
        let message = format!("{title} has more than one of {}", listed(names));
        let mistake =
            Mistake::new(second, message).label(format!("`{second_name}` is one too many"));
        Some(mistake.related(first.0, format!("`{}` is the first", first.1)))
    }

    /// The value of a key that may be absent (an absent key that is required was recorded).
    pub(super) fn find<T: Value>(&mut self, name: &str) -> Option<Field<T>> {
        let key = self.spec.keys.iter().find(|key| key.name == name)?;
        let node = Node { bound: key.bound, ..self.node.inner(key.name, self.table.get(name)?) };
        let value = T::read(node, self.reading)?;
        Some(Field { value, span: node.span, is_written: !node.is_default })
    }

    /// The value of a key, or its default. The default also stands in for a value with a mistake,
    /// so that the rest of the file can be checked.
    pub(super) fn find_or_default<T: Value>(&mut self, name: &str) -> Field<T> {
        let span = self.node.span;
        match self.find(name) {
            Some(field) => field,
            None => Field { value: read_default(self.spec, name, span), span, is_written: false },
        }
    }
}

fn read_default<T: Value>(spec: &'static Spec, name: &str, span: Span) -> T {
    let key = spec.keys.iter().find(|key| key.name == name);
    let value = key.and_then(|key| {
        let Presence::Default(text) = key.presence else { return None };
        let value = DeValue::parse(text).ok()?;
        let (value, bound) = (value.get_ref(), key.bound);
        let node = Node { name: key.name, value, span, bound, is_default: true, is_item: false };
        T::read(node, &mut Reading { text, mistakes: Vec::new() })
    });
    value.expect("a test reads every default of every table")
}

fn missing_key(key: &Key, span: Span, spec: &Spec) -> Mistake {
    let shape = key.shape();
    let (name, help) = match shape.table() {
        Some(table) => (table.title.to_owned(), format!("add {}", table.title)),
        None => {
            let name = format!("`{}`", key.name);
            let help = format!("{name} is {}", shape.expected());
            (name, help)
        }
    };
    let message = format!("{} has no {name}", spec.title);
    let mistake = match span == Span::default() {
        true => Mistake::of_file(message),
        false => Mistake::new(span, message).label(format!("{name} is missing")),
    };
    mistake.help(help).cause(Cause::AbsentKey)
}

fn unknown_key(name: &str, span: Span, spec: &Spec, reading: &Reading<'_>) -> Mistake {
    let message = format!("{} has no key `{}`", spec.title, name.escape_debug());
    let mistake = Mistake::new(span, message).label("unknown key");
    match reading.meant(name, spec.keys.iter().map(|key| key.name)) {
        Some(known) => mistake.help(format!("did you mean `{known}`?")),
        None => {
            let names: Vec<_> = spec.keys.iter().map(|key| key.name).collect();
            mistake.help(format!("its keys are {}", names.join(", ")))
        }
    }
}

/// Names of which one is enough.
pub(super) fn either(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(" or ")
}

/// Names as a message lists them.
pub(super) fn listed(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

/// A text in quotes, escaped, and cut where it is long.
pub(super) fn shown_text(text: &str) -> String {
    let cut: String = text.chars().take(SHOWN_CHARS_MAX).collect();
    let more = if cut.len() < text.len() { "..." } else { "" };
    format!("\"{}{more}\"", cut.escape_debug())
}

const SHOWN_CHARS_MAX: usize = 80;
/// Twice as many as are drawn, for some are dropped before.
const MEANT_COUNT_MAX: usize = 200;
const NAMES_COMPARED_MAX: usize = 1_000;
