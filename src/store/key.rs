//! Keys: paths of segments, ordered so that what is under a key follows it directly.

use std::fmt;
use std::ops::Bound;

/// The place of a document: `us-east-1`, `restapis`, `a1b2c3d4e5`, `resources`, ...
///
/// # Invariants
///
/// Segments are joined by NUL, which sorts before every other character and stands in no segment.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Key(String);

impl Key {
    /// The key of these segments.
    #[must_use]
    pub fn new<S: AsRef<str>>(segments: &[S]) -> Self {
        let mut key = Self(String::new());
        for (index, segment) in segments.iter().enumerate() {
            if index > 0 {
                key.0.push(SEPARATOR);
            }
            key.push_text(segment.as_ref());
        }
        key
    }

    /// The key with one more segment.
    #[must_use]
    pub fn child(&self, segment: &str) -> Self {
        let mut child = Self(String::with_capacity(self.0.len() + 1 + segment.len()));
        child.0.push_str(&self.0);
        child.0.push(SEPARATOR);
        child.push_text(segment);
        child
    }

    fn push_text(&mut self, segment: &str) {
        // No id has a NUL. One that a client makes up must find nothing, rather than something else.
        self.0.extend(segment.chars().map(|one| if one == SEPARATOR { '\u{fffd}' } else { one }));
    }

    /// The segments.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0.split(SEPARATOR)
    }

    /// The last segment.
    #[must_use]
    pub fn last(&self) -> &str {
        self.0.rsplit(SEPARATOR).next().unwrap_or_default()
    }

    /// Whether this key is `ancestor` or lies under it.
    #[must_use]
    pub fn is_within(&self, ancestor: &Self) -> bool {
        match self.0.strip_prefix(ancestor.0.as_str()) {
            Some(rest) => rest.is_empty() || rest.starts_with(SEPARATOR),
            None => false,
        }
    }

    /// The segment of this key that comes right after those of `ancestor`, and whether it is the
    /// last one.
    pub(super) fn segment_under(&self, ancestor: &Self) -> Option<(&str, bool)> {
        let rest = self.0.strip_prefix(ancestor.0.as_str())?.strip_prefix(SEPARATOR)?;
        Some(match rest.split_once(SEPARATOR) {
            Some((segment, _)) => (segment, false),
            None => (rest, true),
        })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn from_stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The first text after the key and everything under it.
    pub(super) fn end(&self) -> String {
        format!("{}{AFTER_SEPARATOR}", self.0)
    }

    /// The texts of everything strictly under the key.
    pub(super) fn range_under(&self) -> (Bound<String>, Bound<String>) {
        let start = format!("{}{SEPARATOR}", self.0);
        (Bound::Included(start), Bound::Excluded(self.end()))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0.replace(SEPARATOR, "/"))
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, out)
    }
}

const SEPARATOR: char = '\0';
const AFTER_SEPARATOR: char = '\u{1}';

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_under_a_key_follows_it_directly() {
        let api = Key::new(&["r", "apis", "a"]);
        let other = Key::new(&["r", "apis", "a\u{1}b"]);
        let next = Key::new(&["r", "apis", "a b"]);
        let mut keys = [next.clone(), api.child("routes").child("x"), api.clone(), other.clone()];
        keys.sort();
        assert_eq!(keys, [api.clone(), api.child("routes").child("x"), other.clone(), next]);
        assert!(api.child("routes").is_within(&api) && api.is_within(&api));
        assert!(!other.is_within(&api) && !api.is_within(&other));
    }

    #[test]
    fn a_made_up_separator_finds_nothing_else() {
        let forged = Key::new(&["r", "apis", "a\0routes\0x"]);
        assert_eq!(forged.segments().count(), 3);
        assert!(!forged.is_within(&Key::new(&["r", "apis", "a"])));
    }

    #[test]
    fn segments_come_back() {
        let key = Key::new(&["r", "domainnames", "a/b", "(none)"]);
        assert_eq!(key.segments().collect::<Vec<_>>(), ["r", "domainnames", "a/b", "(none)"]);
        assert_eq!(key.last(), "(none)");
        assert_eq!(key.segment_under(&Key::new(&["r"])), Some(("domainnames", false)));
        assert_eq!(
            key.segment_under(&Key::new(&["r", "domainnames", "a/b"])),
            Some(("(none)", true))
        );
        assert_eq!(key.segment_under(&key), None);
        assert_eq!(key.to_string(), "r/domainnames/a/b/(none)");
    }
}
