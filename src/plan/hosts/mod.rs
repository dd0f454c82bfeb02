//! Finds the stage for a host and a path.
//!
//! Owns host names, base paths and stage names; knows nothing of routes. Three choices, each
//! final: a later one that fails does not reopen an earlier one, so which API answers never
//! depends on its routes ("Working with API mappings", "Working with stages for HTTP APIs").
//!
//! 1. Host: the exact name, then the wildcard `*.suffix` with the longest suffix (it stands for
//!    one or more labels), then `*`. Letter case, a port and a final dot make no difference.
//! 2. Base path: the longest one that the path starts with, by whole segments, compared
//!    percent-decoded; the empty one is the catch-all.
//! 3. Stage: the one whose name is the next segment, else `$default`, which strips nothing.
//!
//! The invariant a newcomer would break: the work of a lookup is bounded by what is configured,
//! not by what the client sends. A host longer than DNS allows is looked up as `*` only, and a
//! path is read no further than base paths go.

mod build;

use std::collections::HashMap;

use super::base_paths::BasePaths;
use super::host_name::{HOST_BYTES_MAX, folded_name};
use super::symbol::{compare_segment, segment_after};
use crate::model::Api;

/// Hosts, base paths and stage names, compiled.
#[derive(Debug, Default)]
pub struct HostTable {
    /// Lower-case names to the root of their base paths.
    exact: HashMap<Box<[u8]>, u32, ahash::RandomState>,
    /// `.example.com` to the root of the base paths of `*.example.com`.
    suffixes: HashMap<Box<[u8]>, u32, ahash::RandomState>,
    suffix_bytes_max: usize,
    any: Option<u32>,
    /// Base paths to indexes of `mounts`.
    base_paths: BasePaths,
    mounts: Box<[Mount]>,
}

/// Where a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HostMatch {
    /// To a stage.
    Found {
        /// Index of the stage.
        stage_index: u32,
        /// How much of the path is base path and stage name. What is left is the path that
        /// routes see; nothing left is `/`.
        prefix_bytes: u16,
    },
    /// No API answers to this host.
    NoHost,
    /// The host has no API, or its API no stage, for this path.
    NoPath,
}

/// Why APIs cannot stand beside each other.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct HostError {
    /// A sentence without full stop that names both APIs.
    pub message: String,
    /// Index of the API that is wrong; of two, the later.
    pub api_index: u32,
    /// Index of the other API, if there is one.
    pub other_api_index: Option<u32>,
}

/// The stages of one base path.
#[derive(Debug, Default)]
struct Mount {
    /// Sorted by name.
    stages: Vec<NamedStage>,
    default_stage: Option<u32>,
}

#[derive(Debug)]
struct NamedStage {
    name: Box<str>,
    stage_index: u32,
}

impl HostTable {
    /// Compiles the hosts, base paths and stage names of `apis`; the table answers with indexes
    /// into them. Reports every conflict.
    pub fn compile(apis: &[Api]) -> Result<Self, Vec<HostError>> {
        build::build(apis)
    }

    /// Whether no API answers to any host.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.any.is_none() && self.exact.is_empty() && self.suffixes.is_empty()
    }

    /// The stage for this Host and path. `host` may have a port. Does not allocate.
    #[must_use]
    pub fn find(&self, host: &[u8], path: &[u8]) -> HostMatch {
        match self.root(host) {
            Some((root, _)) => self.find_stage(root, path),
            None => HostMatch::NoHost,
        }
    }

    /// The configured host that takes this one: itself, `*.example.com` or `*`.
    #[must_use]
    pub fn pattern(&self, host: &[u8]) -> Option<String> {
        let (_, kind) = self.root(host)?;
        let mut folded = [0; HOST_BYTES_MAX];
        let name = folded_name(host, &mut folded).unwrap_or_default();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Some(match kind {
            HostKind::Exact => text(name),
            HostKind::Suffix { start } => format!("*{}", text(name.get(start..)?)),
            HostKind::Any => "*".into(),
        })
    }

    fn root(&self, host: &[u8]) -> Option<(u32, HostKind)> {
        if self.exact.is_empty() && self.suffixes.is_empty() {
            return Some((self.any?, HostKind::Any));
        }
        let mut folded = [0; HOST_BYTES_MAX];
        self.named_root(host, &mut folded).or_else(|| Some((self.any?, HostKind::Any)))
    }

    fn named_root(
        &self,
        host: &[u8],
        folded: &mut [u8; HOST_BYTES_MAX],
    ) -> Option<(u32, HostKind)> {
        let name = folded_name(host, folded)?;
        if let Some(root) = self.exact.get(name) {
            return Some((*root, HostKind::Exact));
        }
        if self.suffixes.is_empty() {
            return None;
        }
        // From the left, so that the longest suffix comes first. A dot at the start has no label
        // before it for the wildcard to stand for.
        memchr::memchr_iter(b'.', name)
            .filter(|dot| *dot > 0 && name.len() - dot <= self.suffix_bytes_max)
            .find_map(|start| {
                let root = self.suffixes.get(name.get(start..)?)?;
                Some((*root, HostKind::Suffix { start }))
            })
    }

    fn find_stage(&self, root: u32, path: &[u8]) -> HostMatch {
        let found = self.base_paths.find(root, path).and_then(|(mount, at)| {
            let (stage_index, end) = self.mounts.get(mount as usize)?.stage(path, at)?;
            // A path whose prefix does not fit spans is longer than any that routes match.
            Some((stage_index, u16::try_from(end).ok()?))
        });
        match found {
            Some((stage_index, prefix_bytes)) => HostMatch::Found { stage_index, prefix_bytes },
            None => HostMatch::NoPath,
        }
    }
}

impl Mount {
    /// The stage for the rest of the path, and where the rest starts.
    fn stage(&self, path: &[u8], at: usize) -> Option<(u32, usize)> {
        let named = || {
            let (segment, end) = segment_after(path, at)?;
            let compare =
                |one: &NamedStage| compare_segment(segment, one.name.as_bytes()).reverse();
            let place = self.stages.binary_search_by(compare).ok()?;
            Some((self.stages.get(place)?.stage_index, end))
        };
        let found = if self.stages.is_empty() { None } else { named() };
        found.or_else(|| Some((self.default_stage?, at)))
    }
}

/// How a host was found.
#[derive(Clone, Copy, Debug)]
enum HostKind {
    Exact,
    Suffix { start: usize },
    Any,
}

#[cfg(test)]
mod tests;
