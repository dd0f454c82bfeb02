//! Custom domains: rules and mappings.

use super::endpoints::Target;
use crate::model::{HeaderCondition, RoutingMode};
use crate::plan::base_paths::BasePaths;
use crate::plan::symbol::{compare_segment, segment_after};
use crate::tls::NameTable;

/// Domains by name.
#[derive(Debug, Default)]
pub(super) struct Domains {
    /// Names to indexes of `entries`.
    pub(super) names: NameTable<u32>,
    /// In the order in which they were given.
    pub(super) entries: Box<[DomainEntry]>,
    /// Those of a domain are neighbours, the one to be asked first first.
    pub(super) rules: Box<[RuleEntry]>,
    /// What mappings lead to.
    pub(super) mappings: Box<[Target]>,
    pub(super) base_paths: BasePaths,
}

/// A domain.
#[derive(Debug)]
pub(super) struct DomainEntry {
    pub(super) name: Box<str>,
    pub(super) mode: RoutingMode,
    pub(super) is_private: bool,
    pub(super) is_strict: bool,
    /// Its clients must show certificates.
    pub(super) is_mutual: bool,
    pub(super) is_closed: bool,
    pub(super) rules: std::ops::Range<u32>,
    /// Its root among the base paths.
    pub(super) root: u32,
}

/// A routing rule.
#[derive(Debug)]
pub(super) struct RuleEntry {
    pub(super) id: Box<str>,
    pub(super) headers: Box<[HeaderCondition]>,
    /// `None` for any path.
    pub(super) base_path: Option<Box<str>>,
    pub(super) is_base_path_stripped: bool,
    pub(super) target: Target,
}

/// The mapping or rule that matched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hit {
    pub(super) target: Target,
    /// Where the base path ends in the path.
    pub(super) base_path_end: usize,
    /// Where that ends which the API does not see.
    pub(super) stripped_end: usize,
    pub(super) rule_index: Option<u32>,
}

impl Domains {
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The domain that this name belongs to, lower case: the exact one before a wildcard's.
    pub(super) fn find(&self, name: &[u8]) -> Option<(u32, &DomainEntry)> {
        if self.is_empty() {
            return None;
        }
        let index = *self.names.find(std::str::from_utf8(name).ok()?)?;
        Some((index, self.get(index)?))
    }

    pub(super) fn get(&self, index: u32) -> Option<&DomainEntry> {
        self.entries.get(index as usize)
    }

    pub(super) fn rule(&self, index: u32) -> Option<&RuleEntry> {
        self.rules.get(index as usize)
    }

    /// What a request of the domain matches.
    pub(super) fn hit<'h>(
        &self,
        domain: &DomainEntry,
        path: &[u8],
        header: &impl Fn(&str) -> Option<&'h [u8]>,
    ) -> Option<Hit> {
        match domain.mode {
            RoutingMode::ApiMappingOnly => self.mapping(domain, path),
            RoutingMode::RoutingRuleOnly => self.first_rule(domain, path, header),
            RoutingMode::RoutingRuleThenApiMapping => {
                self.first_rule(domain, path, header).or_else(|| self.mapping(domain, path))
            }
        }
    }

    fn first_rule<'h>(
        &self,
        domain: &DomainEntry,
        path: &[u8],
        header: &impl Fn(&str) -> Option<&'h [u8]>,
    ) -> Option<Hit> {
        domain.rules.clone().find_map(|index| {
            let rule = self.rule(index)?;
            let end = rule.match_end(path, header)?;
            Some(Hit {
                target: rule.target,
                base_path_end: end,
                stripped_end: if rule.is_base_path_stripped { end } else { 0 },
                rule_index: Some(index),
            })
        })
    }

    fn mapping(&self, domain: &DomainEntry, path: &[u8]) -> Option<Hit> {
        let (mapping, end) = self.base_paths.find(domain.root, path)?;
        Some(Hit {
            target: *self.mappings.get(mapping as usize)?,
            base_path_end: end,
            stripped_end: end,
            rule_index: None,
        })
    }
}

impl RuleEntry {
    /// Where the base path ends in the path; `None` if the rule does not match.
    fn match_end<'h>(
        &self,
        path: &[u8],
        header: &impl Fn(&str) -> Option<&'h [u8]>,
    ) -> Option<usize> {
        // The path first: it needs no search through the headers.
        let end = match &self.base_path {
            None => 0,
            Some(base_path) => base_path_end(base_path, path)?,
        };
        let holds =
            |one: &HeaderCondition| header(&one.name).is_some_and(|value| one.value.matches(value));
        self.headers.iter().all(holds).then_some(end)
    }
}

/// Where `base_path` ends in `path`, if the path starts with it.
fn base_path_end(base_path: &str, path: &[u8]) -> Option<usize> {
    base_path.split('/').filter(|segment| !segment.is_empty()).try_fold(0, |at, wanted| {
        let (segment, end) = segment_after(path, at)?;
        compare_segment(segment, wanted.as_bytes()).is_eq().then_some(end)
    })
}
