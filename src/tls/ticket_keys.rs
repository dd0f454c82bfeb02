//! The keys of session tickets: one ring for all shards, changed by the side thread.
//!
//! A ticket holds the whole session, so whoever has its key can read recorded connections of
//! TLS 1.2; that is why keys are thrown away. Readers take no lock.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;

use super::pem::{read_file, secret_warning};
use super::problem::{Loaded, TlsProblem};
use super::provider::hmac;
use super::provider::rand::{SecureRandom as _, SystemRandom};

/// The keys of session tickets. The first makes tickets, all open them.
pub struct TicketKeys {
    ring: ArcSwap<Vec<TicketKey>>,
    source: Source,
    lifetime_seconds: u32,
}

#[derive(Debug)]
enum Source {
    Random,
    File(PathBuf),
}

/// A key; what a ticket is closed with is derived from it anew for each ticket.
#[derive(Clone)]
pub(super) struct TicketKey {
    pub(super) id: [u8; KEY_ID_BYTES],
    pub(super) secret: hmac::Key,
}

impl TicketKeys {
    /// Keys of this process alone, the first made now. A ticket lives from one to two of
    /// `lifetime_seconds` if [`Self::rotate`] is called once in that time.
    pub fn random(lifetime_seconds: u32) -> Result<Self, TlsProblem> {
        let ring = ArcSwap::from_pointee(vec![TicketKey::random()?]);
        Ok(Self { ring, source: Source::Random, lifetime_seconds })
    }

    /// Keys that several machines share: lines of 64 hexadecimal digits (`openssl rand -hex 32`).
    /// The first makes tickets, all open them. Empty lines and lines with `#` are left out.
    pub fn from_file(path: &Path, lifetime_seconds: u32) -> Result<Loaded<Self>, TlsProblem> {
        let ring = ArcSwap::from_pointee(read_keys(path)?);
        let value = Self { ring, source: Source::File(path.to_owned()), lifetime_seconds };
        Ok(Loaded { value, warnings: secret_warning(path).into_iter().collect() })
    }

    /// Makes a new key of the process the first and keeps the one before it; or reads the file
    /// again. After an error the keys are as they were.
    pub fn rotate(&self) -> Result<(), TlsProblem> {
        let ring = match &self.source {
            Source::Random => {
                let before = self.ring.load();
                let mut ring = vec![TicketKey::random()?];
                ring.extend(before.iter().take(1).cloned());
                ring
            }
            Source::File(path) => read_keys(path)?,
        };
        self.ring.store(Arc::new(ring));
        Ok(())
    }

    /// How long clients are told to keep tickets.
    #[must_use]
    pub const fn lifetime_seconds(&self) -> u32 {
        self.lifetime_seconds
    }

    /// The file that the keys are in, if they are in one.
    #[must_use]
    pub fn file(&self) -> Option<&Path> {
        match &self.source {
            Source::Random => None,
            Source::File(path) => Some(path),
        }
    }

    /// Calls `with` with the key of that id, or with the first.
    pub(super) fn with_key<T>(
        &self,
        id: Option<&[u8]>,
        with: impl FnOnce(&TicketKey) -> Option<T>,
    ) -> Option<T> {
        let ring = self.ring.load();
        let key = match id {
            Some(id) => ring.iter().find(|key| key.id == id),
            None => ring.first(),
        };
        key.and_then(with)
    }
}

/// Never shows a key.
impl fmt::Debug for TicketKeys {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.ring.load().len();
        write!(out, "TicketKeys({:?}, {count} keys)", self.source)
    }
}

impl TicketKey {
    fn new(secret: &[u8; SECRET_BYTES]) -> Self {
        let secret = hmac::Key::new(hmac::HMAC_SHA256, secret);
        let tag = hmac::sign(&secret, b"shardgate session ticket: id");
        let mut id = [0; KEY_ID_BYTES];
        id.copy_from_slice(&tag.as_ref()[..KEY_ID_BYTES]);
        Self { id, secret }
    }

    fn random() -> Result<Self, TlsProblem> {
        let mut secret = [0; SECRET_BYTES];
        SystemRandom::new()
            .fill(&mut secret)
            .map_err(|_| TlsProblem::new("the system gives no random numbers"))?;
        Ok(Self::new(&secret))
    }
}

fn read_keys(path: &Path) -> Result<Vec<TicketKey>, TlsProblem> {
    let bytes = read_file(path, FILE_BYTES_MAX)?;
    let text = str::from_utf8(&bytes)
        .map_err(|_| TlsProblem::of_file(path, "is no text").help(FILE_HELP))?;
    let mut keys: Vec<TicketKey> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |reason: &str| {
            TlsProblem::of_file(path, format!("line {}: {reason}", index + 1)).help(FILE_HELP)
        };
        let secret = parse_secret(line).ok_or_else(|| wrong("is no 64 hexadecimal digits"))?;
        let key = TicketKey::new(&secret);
        if keys.iter().any(|other| other.id == key.id) {
            return Err(wrong("the key is there twice"));
        }
        if keys.len() == KEYS_COUNT_MAX {
            return Err(wrong(&format!("more than {KEYS_COUNT_MAX} keys")));
        }
        keys.push(key);
    }
    if keys.is_empty() {
        return Err(TlsProblem::of_file(path, "holds no key").help(FILE_HELP));
    }
    Ok(keys)
}

fn parse_secret(line: &str) -> Option<[u8; SECRET_BYTES]> {
    let mut secret = [0; SECRET_BYTES];
    let digits = line.as_bytes();
    if digits.len() != 2 * SECRET_BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    for (byte, pair) in secret.iter_mut().zip(line.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(secret)
}

pub(super) const KEY_ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
/// Each ticket is looked for among so many at most.
const KEYS_COUNT_MAX: usize = 16;
const FILE_BYTES_MAX: u64 = 64 * 1024;
const FILE_HELP: &str = "a key is a line of 64 hexadecimal digits: `openssl rand -hex 32`";

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(keys: &TicketKeys) -> Vec<[u8; KEY_ID_BYTES]> {
        keys.ring.load().iter().map(|key| key.id).collect()
    }

    #[test]
    fn a_rotation_keeps_one_key_of_before() {
        let keys = TicketKeys::random(60).expect("random");
        let first = ids(&keys);
        keys.rotate().expect("random");
        let second = ids(&keys);
        assert_eq!(second.len(), 2);
        assert_eq!(second[1], first[0]);
        keys.rotate().expect("random");
        assert_eq!(ids(&keys)[1], second[0]);
        assert!(!ids(&keys).contains(&first[0]), "the first is gone");
    }

    #[test]
    fn keys_of_a_file_are_read_in_order_and_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        let (one, two) = ("11".repeat(32), "fF".repeat(32));
        std::fs::write(&path, format!("# new\n{one}\n\n  {two}  \n")).expect("written");
        let keys = TicketKeys::from_file(&path, 60).expect("good").value;
        let both = ids(&keys);
        std::fs::write(&path, format!("{two}\n{one}\n")).expect("written");
        keys.rotate().expect("good");
        assert_eq!(ids(&keys), [both[1], both[0]]);
        std::fs::write(&path, "no key\n").expect("written");
        assert!(keys.rotate().is_err());
        assert_eq!(ids(&keys), [both[1], both[0]], "as before");
        assert!(!format!("{keys:?}").contains("11"));
    }

    #[test]
    fn mistakes_in_a_file_are_told_with_their_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("keys");
        let key = |index: usize| format!("{index:064x}\n");
        for (text, part) in [
            (String::new(), "holds no key"),
            (format!("#\n{}", "1".repeat(63)), "line 2: is no 64"),
            (format!("{}\n", "1".repeat(65)), "line 1: is no 64"),
            (format!("+{}\n", "1".repeat(63)), "line 1: is no 64"),
            (key(1) + &key(1), "line 2: the key is there twice"),
            ((0..17).map(key).collect(), "line 17: more than 16"),
        ] {
            std::fs::write(&path, &text).expect("written");
            let problem = TicketKeys::from_file(&path, 60).expect_err(part);
            assert!(problem.message.contains(part), "{problem}");
        }
        let most: String = (0..16).map(key).collect();
        std::fs::write(&path, most).expect("written");
        assert!(TicketKeys::from_file(&path, 60).is_ok());
    }
}
