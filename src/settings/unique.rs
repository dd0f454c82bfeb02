//! Names that must not repeat, and names that must exist.

use std::collections::HashMap;
use std::fmt::Display;
use std::hash::Hash;

use super::diagnostics::{Mistake, Span};
use super::nearest::nearest;
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

/// The mistake of a name that nothing has.
pub(super) fn unknown(what: &str, name: &str, span: Span, names: &[String]) -> Mistake {
    let message = format!("there is no {what} `{name}`");
    let mistake = Mistake::new(span, message).label(format!("no such {what}")).absence();
    match nearest(name, names.iter().take(NAMES_COMPARED_MAX).map(String::as_str)) {
        Some(known) => mistake.help(format!("did you mean `{known}`?")),
        None if names.is_empty() => mistake.help(format!("the file has no [[{what}]]")),
        None => {
            let more = if names.len() > NAMES_SHOWN_MAX { ", ..." } else { "" };
            mistake.help(format!(
                "there are {}{more}",
                names.iter().take(NAMES_SHOWN_MAX).cloned().collect::<Vec<_>>().join(", ")
            ))
        }
    }
}

const NAMES_SHOWN_MAX: usize = 20;
/// Comparing every unknown name with every known one would take minutes on a large file.
const NAMES_COMPARED_MAX: usize = 1_000;
