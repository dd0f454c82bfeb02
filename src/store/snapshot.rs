//! Reading: documents as they were at one moment.

use std::ops::Bound;

use redb::{Database, ReadOnlyTable, ReadableDatabase as _};

use super::Document;
use super::error::StoreError;
use super::key::Key;
use super::schema::DOCUMENTS;

/// Everything as it was at one moment.
pub struct Snapshot {
    table: ReadOnlyTable<&'static str, &'static [u8]>,
}

impl Snapshot {
    pub(super) fn new(database: &Database) -> Result<Self, StoreError> {
        let transaction = database.begin_read().map_err(StoreError::storage("read"))?;
        let table = transaction.open_table(DOCUMENTS).map_err(StoreError::storage("read"))?;
        Ok(Self { table })
    }

    /// The document at `key`.
    pub fn get(&self, key: &Key) -> Result<Option<Document>, StoreError> {
        let found = self.table.get(key.as_str()).map_err(StoreError::storage("read"))?;
        found.map(|bytes| decode(key, bytes.value())).transpose()
    }

    /// Up to `limit` ids right under `parent` that come after `after`, in order. Only ids that have
    /// a document; what lies deeper is stepped over, not read.
    pub fn child_ids(
        &self,
        parent: &Key,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Vec<String>, StoreError> {
        let mut ids = Vec::new();
        let (first, end) = parent.range_under();
        let mut start = match after {
            Some(id) => Bound::Included(parent.child(id).end()),
            None => first,
        };
        while ids.len() < limit {
            let range = (as_str(&start), as_str(&end));
            let mut range = self.table.range::<&str>(range).map_err(StoreError::storage("read"))?;
            let Some(entry) = range.next() else { break };
            let (found, _) = entry.map_err(StoreError::storage("read"))?;
            let found = Key::from_stored(found.value());
            let Some((id, is_document)) = found.segment_under(parent) else { break };
            if is_document {
                ids.push(id.to_owned());
            }
            start = Bound::Included(parent.child(id).end());
        }
        Ok(ids)
    }

    /// The first segments that keys have, in order; what lies under each is stepped over.
    pub fn roots(&self) -> Result<Vec<String>, StoreError> {
        let mut roots = Vec::new();
        let mut start = String::new();
        loop {
            let mut range =
                self.table.range::<&str>(start.as_str()..).map_err(StoreError::storage("read"))?;
            let Some(entry) = range.next() else { return Ok(roots) };
            let (found, _) = entry.map_err(StoreError::storage("read"))?;
            let found = Key::from_stored(found.value());
            let root = found.segments().next().unwrap_or_default();
            start = Key::new(&[root]).end();
            roots.push(root.to_owned());
        }
    }

    /// The document at `key` and all under it, in order.
    pub fn subtree(&self, key: &Key) -> Result<Vec<(Key, Document)>, StoreError> {
        let end = key.end();
        self.collect((Bound::Included(key.as_str()), Bound::Excluded(end.as_str())))
    }

    /// Every key, in order.
    pub fn keys(&self) -> Result<Vec<Key>, StoreError> {
        let entries = self.table.range::<&str>(..).map_err(StoreError::storage("read"))?;
        let keys = entries.map(|entry| {
            let (key, _) = entry.map_err(StoreError::storage("read"))?;
            Ok(Key::from_stored(key.value()))
        });
        keys.collect()
    }

    /// Every document, in order.
    pub fn all(&self) -> Result<Vec<(Key, Document)>, StoreError> {
        self.collect((Bound::Unbounded, Bound::Unbounded))
    }

    fn collect(
        &self,
        range: (Bound<&str>, Bound<&str>),
    ) -> Result<Vec<(Key, Document)>, StoreError> {
        let mut documents = Vec::new();
        for entry in self.table.range::<&str>(range).map_err(StoreError::storage("read"))? {
            let (key, bytes) = entry.map_err(StoreError::storage("read"))?;
            let key = Key::from_stored(key.value());
            let document = decode(&key, bytes.value())?;
            documents.push((key, document));
        }
        Ok(documents)
    }
}

impl std::fmt::Debug for Snapshot {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("Snapshot")
    }
}

fn as_str(bound: &Bound<String>) -> Bound<&str> {
    match bound {
        Bound::Included(text) => Bound::Included(text),
        Bound::Excluded(text) => Bound::Excluded(text),
        Bound::Unbounded => Bound::Unbounded,
    }
}

fn decode(key: &Key, bytes: &[u8]) -> Result<Document, StoreError> {
    serde_json::from_slice(bytes).map_err(|error| StoreError::Storage {
        doing: "read",
        reason: format!("the document {key} is damaged: {error}"),
    })
}
