//! A change in the making: reads of a snapshot, noted, and writes on top of it.

use std::collections::BTreeMap;

use super::Document;
use super::error::StoreError;
use super::history::ReadSet;
use super::key::Key;
use super::snapshot::Snapshot;

/// Writes of a transaction; `None` removes.
pub(super) type Writes = BTreeMap<Key, Option<Document>>;

/// Reads see the snapshot with this transaction's own writes on top.
#[derive(Debug)]
pub struct Transaction {
    snapshot: Snapshot,
    reads: ReadSet,
    writes: Writes,
}

impl Transaction {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        Self { snapshot, reads: ReadSet::default(), writes: Writes::new() }
    }

    pub(super) fn into_parts(self) -> (ReadSet, Writes) {
        (self.reads, self.writes)
    }

    /// The document at `key`.
    pub fn get(&mut self, key: &Key) -> Result<Option<Document>, StoreError> {
        if let Some(written) = self.writes.get(key) {
            return Ok(written.clone());
        }
        self.reads.add_key(key);
        self.snapshot.get(key)
    }

    /// Writes `document` at `key`.
    pub fn put(&mut self, key: Key, document: Document) {
        self.writes.insert(key, Some(document));
    }

    /// Removes the document at `key` and everything under it.
    pub fn remove(&mut self, key: &Key) -> Result<(), StoreError> {
        self.reads.add_subtree(key);
        for (found, _) in self.snapshot.subtree(key)? {
            self.writes.insert(found, None);
        }
        for (_, written) in self.writes.iter_mut().filter(|(written, _)| written.is_within(key)) {
            *written = None;
        }
        Ok(())
    }

    /// Up to `limit` ids with their documents right under `parent`, after `after`, in order.
    pub fn children(
        &mut self,
        parent: &Key,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<(String, Document)>, StoreError> {
        self.reads.add_subtree(parent);
        let mut written = Vec::new();
        for (key, document) in &self.writes {
            match key.segment_under(parent) {
                Some((id, true)) if after.is_none_or(|after| id > after) => {
                    written.push((id.to_owned(), document.is_some()));
                }
                _ => {}
            }
        }
        let removed = written.iter().filter(|(_, is_there)| !is_there).count();
        let mut ids = self.snapshot.child_ids(parent, after, limit.saturating_add(removed))?;
        ids.extend(written.iter().filter(|(_, is_there)| *is_there).map(|(id, _)| id.clone()));
        ids.sort_unstable();
        ids.dedup();
        let mut children = Vec::new();
        for id in ids {
            if children.len() == limit {
                break;
            }
            let key = parent.child(&id);
            let document = match self.writes.get(&key) {
                Some(written) => written.clone(),
                None => self.snapshot.get(&key)?,
            };
            if let Some(document) = document {
                children.push((id, document));
            }
        }
        Ok(children)
    }

    /// The document at `key` and all under it, in order.
    pub fn subtree(&mut self, key: &Key) -> Result<Vec<(Key, Document)>, StoreError> {
        self.reads.add_subtree(key);
        let mut found: BTreeMap<Key, Document> = self.snapshot.subtree(key)?.into_iter().collect();
        for (written, document) in self.writes.iter().filter(|(one, _)| one.is_within(key)) {
            match document {
                Some(document) => found.insert(written.clone(), document.clone()),
                None => found.remove(written),
            };
        }
        Ok(found.into_iter().collect())
    }

    /// How many documents lie right under `parent`, counted up to `limit`.
    pub fn count_children(&mut self, parent: &Key, limit: usize) -> Result<usize, StoreError> {
        self.reads.add_subtree(parent);
        let is_child = |key: &Key| matches!(key.segment_under(parent), Some((_, true)));
        let written = self.writes.iter().filter(|(key, _)| is_child(key));
        let mut count = 0_usize;
        let mut rewritten = 0_usize;
        for (key, document) in written {
            count += usize::from(document.is_some());
            rewritten += usize::from(self.snapshot.get(key)?.is_some());
        }
        let found = self.snapshot.child_ids(parent, None, limit.saturating_add(rewritten))?.len();
        Ok((found - rewritten.min(found) + count).min(limit))
    }

    /// All ids with their documents right under `parent`.
    pub fn all_children(&mut self, parent: &Key) -> Result<Vec<(String, Document)>, StoreError> {
        self.children(parent, None, usize::MAX)
    }
}
