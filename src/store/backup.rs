//! Backups: every document of one moment as lines of JSON, with a head and a foot that tell a whole
//! backup from a part of one.
//!
//! The form is independent of the database's, so a backup can be read by people and restored by a
//! program whose file looks otherwise.

use std::hash::Hasher as _;
use std::io::{self, Write};

use serde_json::{Value, json};

use super::error::StoreError;
use super::key::Key;
use super::schema::SCHEMA_VERSION;
use super::{Document, Store};

/// The media type of a backup.
pub const BACKUP_MEDIA_TYPE: &str = "application/x-ndjson";

/// What a restore did.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Restored {
    /// Documents that the store has now.
    pub documents_count: usize,
}

impl Store {
    /// Writes everything as it is now to `out`. Writers go on meanwhile.
    pub fn back_up(&self, out: &mut dyn Write) -> Result<usize, StoreError> {
        let documents = self.snapshot()?.all()?;
        let head = json!({ "shardgate_backup": FORM_VERSION, "schema_version": SCHEMA_VERSION });
        writeln!(out, "{head}")?;
        let mut sum = Checksum::default();
        for (key, document) in &documents {
            let segments: Vec<_> = key.segments().collect();
            let line = json!({ "key": segments, "document": document }).to_string();
            sum.add(&line);
            writeln!(out, "{line}")?;
        }
        let foot = json!({ "documents_count": documents.len(), "checksum": sum.text() });
        writeln!(out, "{foot}")?;
        Ok(documents.len())
    }

    /// Replaces everything by a backup, in one commit. A backup that is not whole changes nothing.
    pub fn restore(&self, backup: &[u8]) -> Result<Restored, StoreError> {
        let documents = parse(backup)?;
        let documents_count = documents.len();
        self.replace(documents)?;
        Ok(Restored { documents_count })
    }
}

fn parse(backup: &[u8]) -> Result<Vec<(Key, Document)>, StoreError> {
    let text = std::str::from_utf8(backup).map_err(|_| wrong(1, "it is not UTF-8"))?;
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let (_, head) = lines.next().ok_or_else(|| wrong(1, "it is empty"))?;
    check_head(head)?;
    let (mut documents, mut sum) = (Vec::new(), Checksum::default());
    let mut last_line = 1;
    for (number, line) in lines.by_ref() {
        last_line = number;
        let mut value: Value =
            serde_json::from_str(line).map_err(|error| wrong(number, error.to_string()))?;
        if value.get("checksum").is_some() {
            check_foot(&value, documents.len(), &sum, number)?;
            return match lines.next() {
                None => Ok(documents),
                Some((number, _)) => Err(wrong(number, "something follows the last line")),
            };
        }
        sum.add(line);
        let key: Vec<String> = serde_json::from_value(value["key"].take())
            .map_err(|error| wrong(number, format!("`key`: {error}")))?;
        match value["document"].take() {
            Value::Object(document) if !key.is_empty() => {
                documents.push((Key::new(&key), document))
            }
            _ => return Err(wrong(number, "it has no key or no document")),
        }
    }
    Err(wrong(last_line, "the backup ends in the middle"))
}

fn check_head(line: &str) -> Result<(), StoreError> {
    let head: Value = serde_json::from_str(line).unwrap_or_default();
    let number = |name: &str| head.get(name).and_then(Value::as_u64);
    if number("shardgate_backup") != Some(FORM_VERSION) {
        return Err(wrong(1, "it is no backup of shardgate, or of a newer one"));
    }
    match number("schema_version") {
        Some(version) if version == u64::from(SCHEMA_VERSION) => Ok(()),
        Some(version) => {
            let reason = format!("its schema has version {version}, not {SCHEMA_VERSION}");
            Err(wrong(1, reason))
        }
        None => Err(wrong(1, "it has no `schema_version`")),
    }
}

fn check_foot(foot: &Value, count: usize, sum: &Checksum, line: usize) -> Result<(), StoreError> {
    if foot["documents_count"].as_u64() != Some(count as u64) {
        return Err(wrong(
            line,
            format!("{count} documents came before it, not as many as it says"),
        ));
    }
    if foot["checksum"].as_str() != Some(&sum.text()) {
        return Err(wrong(line, "the checksum is another: the backup was changed"));
    }
    Ok(())
}

fn wrong(line: usize, reason: impl Into<String>) -> StoreError {
    StoreError::Backup { line, reason: reason.into() }
}

/// FNV-1a over the lines of documents: against accidents, not against people.
struct Checksum(u64);

impl Default for Checksum {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Checksum {
    fn add(&mut self, line: &str) {
        self.write(line.as_bytes());
        self.write(b"\n");
    }

    fn text(&self) -> String {
        format!("{:016x}", self.finish())
    }
}

impl std::hash::Hasher for Checksum {
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl From<StoreError> for io::Error {
    fn from(error: StoreError) -> Self {
        Self::other(error)
    }
}

const FORM_VERSION: u64 = 1;
