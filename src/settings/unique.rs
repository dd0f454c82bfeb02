//! Names that must not repeat, and names that must exist.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use super::diagnostics::{Cause, Mistake, Span};
use super::reading::Reading;

/// Finds what is there twice, and points at both places.
pub(super) struct Unique<K> {
    what: &'static str,
    places: HashMap<K, Span>,
}

impl<K: Hash + Eq + Display> Unique<K> {
    /// `what` is a noun for messages.
    pub(super) fn new(what: &'static str) -> Self {
        Self { what, places: HashMap::new() }
    }

    /// Whether it is the first.
    pub(super) fn add(&mut self, key: K, span: Span, reading: &mut Reading<'_>) -> bool {
        if let Some(&first) = self.places.get(&key) {
            let message = format!("{} `{key}` is there twice", self.what);
            let mistake = Mistake::new(span, message).label("the second");
            reading.record(mistake.related(first, "the first"));
            return false;
        }
        self.places.insert(key, span);
        true
    }
}

/// Records that nothing has this name.
pub(super) fn record_unknown(
    what: &str,
    name: &str,
    span: Span,
    names: &[String],
    reading: &mut Reading<'_>,
) {
    let help = match reading.meant(name, names.iter().map(String::as_str)) {
        Some(known) => format!("did you mean `{known}`?"),
        None if names.is_empty() => format!("the file has no [[{what}]]"),
        None => {
            let shown = names.get(..names.len().min(NAMES_SHOWN_MAX)).unwrap_or_default();
            let more = if shown.len() < names.len() { ", ..." } else { "" };
            format!("there are {}{more}", shown.join(", "))
        }
    };
    let mistake = Mistake::new(span, format!("there is no {what} `{name}`")).help(help);
    reading.record(mistake.label(format!("no such {what}")).cause(Cause::AbsentName));
}

const NAMES_SHOWN_MAX: usize = 20;
