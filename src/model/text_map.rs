//! Names and texts in the order in which they were written.

/// A small table of texts: variables, mappings, templates. In the order of its document, which
/// matters where one mapping is applied after another.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct TextMap(Vec<(String, String)>);

impl TextMap {
    /// The text under `name`, compared as it is.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.iter().find(|(key, _)| *key == name).map(|(_, text)| text)
    }

    /// All names with their texts.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, text)| (name.as_str(), text.as_str()))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This table with the entries of `other` over its own.
    #[must_use]
    pub fn overridden_by(&self, other: &Self) -> Self {
        let kept = self.iter().filter(|(name, _)| other.get(name).is_none());
        kept.chain(other.iter()).collect()
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for TextMap {
    fn from_iter<T: IntoIterator<Item = (&'a str, &'a str)>>(entries: T) -> Self {
        let entries = entries.into_iter();
        Self(entries.map(|(name, text)| (name.to_owned(), text.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overrides_win_and_the_rest_stays() {
        let own = TextMap::from_iter([("a", "1"), ("b", "2")]);
        let all = own.overridden_by(&TextMap::from_iter([("b", "3"), ("c", "4")]));
        assert_eq!(all.iter().collect::<Vec<_>>(), [("a", "1"), ("b", "3"), ("c", "4")]);
        assert_eq!((all.len(), all.get("d")), (3, None));
        assert!(!all.is_empty() && TextMap::default().is_empty());
    }
}
