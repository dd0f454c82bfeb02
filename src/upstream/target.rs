//! One target of a group: its endpoint, its record, and what its share is now.

use std::rc::Rc;

use super::hash_ring::stable_hash;
use super::outlier::OutlierRecord;
use super::policy::Policy;
use super::slow_start::SlowStart;
use super::snapshot::TargetSnapshot;
use super::target_id::TargetId;
use crate::base::Nanos;
use crate::coord::{Health, ResolvedTarget, TargetEndpoint};

/// A place of a group and who has it.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) endpoint: ResolvedTarget,
    /// The endpoint as text, made once. Each shard has its own, so that a request that takes a
    /// handle to it writes to no other core's cache line.
    pub(crate) shown: Rc<str>,
    pub(crate) tenancy: Tenancy,
    pub(crate) generation: u32,
    /// Its share if it is not ejected: zero when active checks found it unhealthy.
    pub(crate) share: u32,
    pub(crate) record: OutlierRecord,
    pub(crate) requests_total: u64,
    pub(crate) failures_total: u64,
    /// Connections that carry a try, or whose try is about to open another one.
    pub(crate) connections_busy: u32,
    slow_start: SlowStart,
    was_healthy: bool,
}

/// Who has a place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Tenancy {
    /// A target of the group.
    Member,
    /// One that was taken from the group while tries to it were under way.
    Leaving,
    /// Nobody. The last endpoint stays readable until the place is given away.
    Vacant,
}

impl Target {
    /// A member whose share grows over `slow_start` from `now`.
    pub(crate) fn new(
        endpoint: ResolvedTarget,
        generation: u32,
        now: Nanos,
        slow_start: Nanos,
    ) -> Self {
        Self {
            shown: Rc::from(endpoint.address.to_string()),
            endpoint,
            tenancy: Tenancy::Member,
            generation,
            share: 0,
            record: OutlierRecord::new(now),
            requests_total: 0,
            failures_total: 0,
            connections_busy: 0,
            slow_start: SlowStart::begin(now, slow_start),
            was_healthy: true,
        }
    }

    /// Ends the tenancy: the place may be given to another under the next generation.
    pub(crate) fn vacate(&mut self) {
        self.tenancy = Tenancy::Vacant;
        self.generation = self.generation.wrapping_add(1);
        self.share = 0;
    }

    pub(crate) fn is_member(&self) -> bool {
        self.tenancy == Tenancy::Member
    }

    /// Whether active checks leave it in service; a target that was not checked is.
    #[inline]
    pub(crate) fn is_healthy(&self) -> bool {
        self.endpoint.health.get() != Health::Unhealthy
    }

    /// Ends an ejection that is over and works out the share. A target that comes back, from an
    /// ejection or from being unhealthy, starts its ramp.
    pub(crate) fn refresh(&mut self, now: Nanos, policy: &Policy) {
        if !self.is_member() {
            self.share = 0;
            return;
        }
        let returned = self.record.return_if_due(now, policy.outlier.as_ref());
        let healthy = self.is_healthy();
        if returned || (healthy && !self.was_healthy) {
            self.slow_start = SlowStart::begin(now, policy.slow_start);
        }
        self.was_healthy = healthy;
        let (share, slow_start) =
            self.slow_start.share(self.endpoint.weight, now, policy.slow_start);
        self.slow_start = slow_start;
        self.share = if healthy { share } else { 0 };
    }

    pub(crate) fn ejected_until(&self) -> Option<Nanos> {
        if self.is_member() { self.record.ejected_until() } else { None }
    }

    pub(crate) fn is_ramping(&self) -> bool {
        self.share > 0 && self.slow_start != SlowStart::Full
    }

    /// What makes it the same target for a consistent hash, on every shard and machine.
    pub(crate) fn identity(&self) -> u64 {
        match &self.endpoint.address {
            TargetEndpoint::Tcp(address) => stable_hash(address.to_string().as_bytes()),
            TargetEndpoint::Unix(path) => stable_hash(path.as_os_str().as_encoded_bytes()),
        }
    }

    pub(crate) fn snapshot(
        &self,
        place: usize,
        outstanding: u32,
        share: u32,
    ) -> TargetSnapshot<'_> {
        TargetSnapshot {
            id: TargetId::new(u32::try_from(place).unwrap_or(u32::MAX), self.generation),
            endpoint: &self.endpoint,
            outstanding,
            share,
            health: self.endpoint.health.get(),
            ejected_until: self.record.ejected_until(),
            is_ramping: self.is_ramping(),
            requests_total: self.requests_total,
            failures_total: self.failures_total,
            connections_busy: self.connections_busy,
            ejections_total: self.record.ejections_total(),
        }
    }
}
