//! Which keys were changed lately, and whether a transaction read one of them.

use std::collections::{BTreeSet, VecDeque};

use super::key::Key;

/// What a transaction has read.
#[derive(Clone, Debug, Default)]
pub(super) struct ReadSet {
    /// Single documents, there or not.
    keys: BTreeSet<Key>,
    /// Everything under these keys, so that a document that appears there counts as a change.
    subtrees: BTreeSet<Key>,
}

impl ReadSet {
    pub(super) fn add_key(&mut self, key: &Key) {
        if !self.keys.contains(key) {
            self.keys.insert(key.clone());
        }
    }

    pub(super) fn add_subtree(&mut self, key: &Key) {
        if !self.subtrees.contains(key) {
            self.subtrees.insert(key.clone());
        }
    }

    fn holds(&self, changed: &Key) -> bool {
        self.keys.contains(changed)
            || self.subtrees.iter().any(|subtree| changed.is_within(subtree))
    }
}

/// The changes of the last commits.
#[derive(Debug, Default)]
pub(super) struct History {
    commits: VecDeque<(u64, Vec<Key>)>,
    keys_count: usize,
    /// Of commits up to this one the keys are not known any more.
    forgotten: u64,
}

impl History {
    /// Notes what commit `sequence` changed.
    pub(super) fn add(&mut self, sequence: u64, keys: Vec<Key>) {
        self.keys_count += keys.len();
        self.commits.push_back((sequence, keys));
        while self.keys_count > KEYS_COUNT_MAX {
            let Some((oldest, keys)) = self.commits.pop_front() else { return };
            self.keys_count -= keys.len();
            self.forgotten = oldest;
        }
    }

    /// Takes the note of commit `sequence` and later ones back: they did not come to be.
    pub(super) fn remove_from(&mut self, sequence: u64) {
        while self.commits.back().is_some_and(|(last, _)| *last >= sequence) {
            let keys = self.commits.pop_back().map_or(0, |(_, keys)| keys.len());
            self.keys_count -= keys;
        }
    }

    /// Commit `sequence` changed everything.
    pub(super) fn forget_all(&mut self, sequence: u64) {
        self.commits.clear();
        self.keys_count = 0;
        self.forgotten = sequence;
    }

    /// Whether something in `reads` was changed after commit `base`, as far as is known.
    pub(super) fn has_changed(&self, base: u64, reads: &ReadSet) -> bool {
        if base < self.forgotten {
            return true;
        }
        let since = self.commits.iter().rev().take_while(|(sequence, _)| *sequence > base);
        since.flat_map(|(_, keys)| keys).any(|key| reads.holds(key))
    }
}

/// Keys that are remembered: some megabytes at most, and far more than commits between the start
/// and the end of one transaction change.
const KEYS_COUNT_MAX: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    fn reads(keys: &[&str], subtrees: &[&str]) -> ReadSet {
        let mut reads = ReadSet::default();
        keys.iter().for_each(|key| reads.add_key(&Key::new(&[key])));
        subtrees.iter().for_each(|key| reads.add_subtree(&Key::new(&[key])));
        reads
    }

    #[test]
    fn a_change_of_what_was_read_is_seen() {
        let mut history = History::default();
        history.add(1, vec![Key::new(&["a"])]);
        history.add(2, vec![Key::new(&["b", "x"])]);
        assert!(history.has_changed(0, &reads(&["a"], &[])));
        assert!(!history.has_changed(1, &reads(&["a"], &[])), "it was read after the change");
        assert!(history.has_changed(1, &reads(&[], &["b"])), "something appeared under it");
        assert!(!history.has_changed(1, &reads(&["b"], &["c"])));
        history.remove_from(2);
        assert!(!history.has_changed(1, &reads(&[], &["b"])));
    }

    #[test]
    fn what_is_forgotten_counts_as_changed() {
        let mut history = History::default();
        for sequence in 1..=KEYS_COUNT_MAX as u64 + 10 {
            history.add(sequence, vec![Key::new(&["a"])]);
        }
        assert!(history.has_changed(9, &reads(&["b"], &[])));
        assert!(!history.has_changed(10, &reads(&["b"], &[])));
        history.forget_all(70_000);
        assert!(history.has_changed(69_999, &reads(&[], &[])));
        assert!(!history.has_changed(70_000, &reads(&["a"], &["a"])));
    }
}
