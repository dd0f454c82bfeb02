//! What a group shows of itself to the admin listener.

use super::target_id::TargetId;
use crate::base::Nanos;
use crate::coord::{GroupCounts, Health, ResolvedTarget, TargetCounts};

/// A group as a whole, on one shard.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct GroupSnapshot {
    /// Targets in the group.
    pub members_count: usize,
    /// Of these, ejected ones.
    pub ejected_count: usize,
    /// All that are not unhealthy are ejected, so the ejections are ignored.
    pub is_panicking: bool,
    /// Tries that have not ended.
    pub outstanding: u32,
    /// The circuit breaker's bound on them.
    pub outstanding_max: u32,
    /// Requests refused at that bound.
    pub circuit_refused_total: u64,
    /// Requests refused because no target was left.
    pub without_target_total: u64,
    /// Retries that the budget allowed.
    pub retries_granted_total: u64,
    /// Retries that the budget refused.
    pub retries_refused_total: u64,
}

/// One target, on one shard.
#[derive(Clone, Copy, Debug)]
pub struct TargetSnapshot<'a> {
    /// Its name in the group.
    pub id: TargetId,
    /// Where it is; its weight.
    pub endpoint: &'a ResolvedTarget,
    /// Tries that have not ended.
    pub outstanding: u32,
    /// What it gets now, in 1/1024 of a weight of one; 0 takes no requests.
    pub share: u32,
    /// What active checks say.
    pub health: Health,
    /// The end of its ejection, if it is ejected.
    pub ejected_until: Option<Nanos>,
    /// On its way to its full share.
    pub is_ramping: bool,
    /// Tries that were started.
    pub requests_total: u64,
    /// Tries that failed by its fault.
    pub failures_total: u64,
    /// Connections that carry a try.
    pub connections_busy: u32,
    /// Times it was ejected.
    pub ejections_total: u64,
}

impl GroupSnapshot {
    /// What of it the admin listener shows.
    #[must_use]
    pub fn counts(&self) -> GroupCounts {
        GroupCounts {
            outstanding: self.outstanding,
            outstanding_max: self.outstanding_max,
            is_panicking: self.is_panicking,
            circuit_refused_total: self.circuit_refused_total,
            without_target_total: self.without_target_total,
            retries_granted_total: self.retries_granted_total,
            retries_refused_total: self.retries_refused_total,
        }
    }
}

impl TargetSnapshot<'_> {
    /// What of it the admin listener shows, with as many idle connections.
    #[must_use]
    pub fn counts(&self, connections_idle: u32) -> TargetCounts {
        TargetCounts {
            outstanding: self.outstanding,
            share: self.share,
            is_ramping: self.is_ramping,
            ejected_until: self.ejected_until,
            connections_idle,
            connections_open: self.connections_busy.saturating_add(connections_idle),
            requests_total: self.requests_total,
            failures_total: self.failures_total,
            ejections_total: self.ejections_total,
        }
    }
}
