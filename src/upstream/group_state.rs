//! One target group as one shard sees it: chooses targets, keeps account of how tries end.
//!
//! Sans I/O: time and outcomes come in, decisions come out. Knows nothing of connections; a pool
//! keeps those under the [`TargetId`]s that are handed out here.
//!
//! # Who takes requests
//!
//! A target takes requests when its active checks do not say that it is unhealthy and it is not
//! ejected. A target that was not checked yet does (as in nginx, HAProxy and Envoy: a start does
//! not wait for the first round of checks).
//!
//! When nobody is left, ejections are ignored: they are a guess from a few failures, and a group
//! that is ejected as a whole is more likely overloaded than gone (Envoy's panic mode, nginx's
//! reset of a whole upstream that has failed). What active checks found unhealthy is not used even
//! then, as in HAProxy: the check is the operator's own statement of what "works" means. If all
//! targets are unhealthy, requests end with [`Fault::NoHealthyTarget`] at once.

use std::collections::{HashMap, HashSet};
use std::rc::Rc;

use super::balance::Balancer;
use super::circuit::Circuit;
use super::hash_ring::{RingMember, stable_hash};
use super::outcome::{Outcome, Verdict};
use super::outlier::may_eject;
use super::policy::Policy;
use super::retry_budget::RetryBudget;
use super::snapshot::{GroupSnapshot, TargetSnapshot};
use super::target::{Target, Tenancy};
use super::target_id::TargetId;
use crate::base::limits::TICK_MS;
use crate::base::{Fault, Nanos, RequestIdSource};
use crate::coord::{ResolvedTarget, TargetEndpoint};
use crate::model::{HashKey, TargetGroup};

/// One target group as one shard sees it. Not shared; no locks.
///
/// # Invariants
///
/// - `slots`, `shares` and `outstanding` have one entry per place and never shrink.
/// - A place is given to another target only when nothing is outstanding to the last one.
/// - The circuit's count is the sum of `outstanding`.
#[derive(Debug)]
pub struct GroupState {
    policy: Policy,
    slots: Vec<Target>,
    /// Zero for who takes no requests.
    shares: Vec<u32>,
    outstanding: Vec<u32>,
    balancer: Balancer,
    circuit: Circuit,
    budget: RetryBudget,
    random: RequestIdSource,
    /// When shares must be looked at again: somebody's ejection ends, or it is time to look at
    /// ramps and active checks.
    refresh_at: Nanos,
    ejected_count: usize,
    members_count: usize,
    is_panicking: bool,
    without_target_total: u64,
    /// Used by `refresh` alone; kept so that it allocates once.
    shares_next: Vec<u32>,
}

/// Most tries of one request that end without a connection, before it is given up.
const UNSENT_RETRIES_MAX: u32 = 10;
/// How often `choose` looks again when a target turned unhealthy since the last refresh.
const REFRESHES_PER_CHOICE_MAX: u32 = 2;

impl GroupState {
    /// The state of `group` at these addresses. `seed` decides everything that is left to chance;
    /// shards take different ones.
    #[must_use]
    pub fn new(group: &TargetGroup, endpoints: &[ResolvedTarget], now: Nanos, seed: u64) -> Self {
        let seed = seed.to_le_bytes();
        let random =
            RequestIdSource::new([stable_hash(&seed), !stable_hash(&[seed, seed].concat())]);
        let mut state = Self {
            policy: Policy::new(group),
            slots: Vec::new(),
            shares: Vec::new(),
            outstanding: Vec::new(),
            balancer: Balancer::new(&group.balance),
            circuit: Circuit::new(group.outstanding_per_shard_max),
            budget: RetryBudget::new(now),
            random,
            refresh_at: Nanos(0),
            ejected_count: 0,
            members_count: 0,
            is_panicking: false,
            without_target_total: 0,
            shares_next: Vec::new(),
        };
        state.update(group, endpoints, now);
        state
    }

    /// New addresses after DNS, or a new plan. A target whose address survives keeps its
    /// state. Answers with the targets that are gone, so that their idle connections can be closed;
    /// tries that are under way to them go on and end as usual.
    pub fn update(
        &mut self,
        group: &TargetGroup,
        endpoints: &[ResolvedTarget],
        now: Nanos,
    ) -> Vec<TargetId> {
        self.policy = Policy::new(group);
        self.circuit.set_bound(group.outstanding_per_shard_max);
        if !self.balancer.serves(&group.balance) {
            self.balancer = Balancer::new(&group.balance);
        }
        let gone = self.replace_members(endpoints, now);
        self.balancer.set_members(&self.ring_members());
        self.work_out_shares(now);
        // Places have changed hands and the ring is new, so the shares must reach the balancer
        // even if none is different.
        self.balancer.set_shares(&self.shares, &mut self.random);
        self.check_invariants();
        gone
    }

    /// Chooses a target for one try and counts it as outstanding: [`GroupState::ended`] must be
    /// called exactly once for it. `hash` is of the group's [`HashKey`] (see [`stable_hash`]) and
    /// not looked at by other ways of balancing. `tried` are targets that this request has failed
    /// on already; they are avoided while another is there.
    ///
    /// # Errors
    ///
    /// [`Fault::CircuitOpen`] at the bound on outstanding requests, [`Fault::NoHealthyTarget`]
    /// when the group has no target or active checks found all of them unhealthy.
    #[inline]
    pub fn choose(&mut self, now: Nanos, hash: u64, tried: &[TargetId]) -> Result<TargetId, Fault> {
        self.circuit.check()?;
        if now >= self.refresh_at {
            self.refresh(now);
        }
        let Some(place) = self.pick_healthy(now, hash, tried) else {
            self.without_target_total += 1;
            return Err(Fault::NoHealthyTarget);
        };
        self.budget.tried(now);
        self.circuit.started();
        self.outstanding[place as usize] += 1;
        let target = &mut self.slots[place as usize];
        target.requests_total += 1;
        Ok(TargetId::new(place, target.generation))
    }

    /// Takes note of how a try ended. Must be called exactly once per [`GroupState::choose`], also
    /// for a target that an update has taken away since. Whether the target was ejected for it.
    pub fn ended(&mut self, target: TargetId, outcome: Outcome, now: Nanos) -> bool {
        let place = target.index();
        let Some(slot) = self.slots.get_mut(place) else {
            debug_assert!(false, "a target of another group");
            return false;
        };
        if slot.generation != target.generation() || self.outstanding[place] == 0 {
            debug_assert!(false, "a try ended twice");
            return false;
        }
        self.outstanding[place] -= 1;
        self.circuit.ended();
        let verdict = outcome.verdict();
        slot.failures_total += u64::from(verdict == Verdict::Failure);
        match slot.tenancy {
            Tenancy::Member => {
                if let Some(outlier) = &self.policy.outlier
                    && slot.record.note(verdict, outlier)
                {
                    return self.eject(place, now);
                }
            }
            Tenancy::Leaving if self.outstanding[place] == 0 => slot.vacate(),
            Tenancy::Leaving | Tenancy::Vacant => {}
        }
        false
    }

    /// A try that has not ended has got a connection, or has no longer one.
    pub(crate) fn count_busy(&mut self, target: TargetId, is_busy: bool) {
        let slot = &mut self.slots[target.index()];
        debug_assert_eq!(slot.generation, target.generation(), "the try has ended");
        let count = slot.connections_busy;
        slot.connections_busy = if is_busy { count + 1 } else { count.saturating_sub(1) };
    }

    /// Whether the policy and the budget allow one more try of a request that was tried again
    /// `retries_done` times. Takes from the budget: ask only when the try would be made.
    pub fn may_retry(&mut self, now: Nanos, retries_done: u32) -> bool {
        let retry = self.policy.retry;
        retries_done < retry.attempts_max && self.budget.take(now, retry.budget_percent)
    }

    /// Whether a request that reached none of the targets `tried` may be tried once more, having
    /// been tried in vain `retries_done` times before. Costs the targets nothing, so it takes
    /// nothing from the budget, and where the policy lets it go on, its bound does not keep it from a
    /// target that nobody asked yet: with most of a group dead, the one that lives still serves.
    #[must_use]
    pub fn may_retry_unsent(&self, retries_done: u32, tried: &[TargetId]) -> bool {
        let retry = self.policy.retry;
        let is_untried = |place| !tried.iter().any(|one| one.index() == place);
        let has_untried =
            || (0..).zip(&self.shares).any(|(place, share)| *share > 0 && is_untried(place));
        retries_done < retry.attempts_max
            || (retry.goes_on_unsent && retries_done < UNSENT_RETRIES_MAX && has_untried())
    }

    /// Where the target is. Holds for every try that has not ended, members of the group or not.
    #[must_use]
    pub fn endpoint(&self, target: TargetId) -> &ResolvedTarget {
        let slot = &self.slots[target.index()];
        debug_assert_eq!(slot.generation, target.generation(), "the try has ended");
        &slot.endpoint
    }

    /// [`GroupState::endpoint`] as text. Costs a count, no allocation.
    #[must_use]
    pub fn shown(&self, target: TargetId) -> Rc<str> {
        let slot = &self.slots[target.index()];
        debug_assert_eq!(slot.generation, target.generation(), "the try has ended");
        Rc::clone(&slot.shown)
    }

    /// Whether the target is still in the group: a connection to one that is not is closed and
    /// not kept.
    #[must_use]
    pub fn is_member(&self, target: TargetId) -> bool {
        self.slots.get(target.index()).is_some_and(|slot| {
            slot.tenancy == Tenancy::Member && slot.generation == target.generation()
        })
    }

    /// What the hash for [`GroupState::choose`] is taken over; `None` if none is needed.
    #[must_use]
    pub const fn hash_key(&self) -> Option<&HashKey> {
        self.policy.hash_key.as_ref()
    }

    /// Requests of this shard that the group has not answered yet.
    #[must_use]
    pub const fn outstanding(&self) -> u32 {
        self.circuit.outstanding()
    }

    /// Brings what time alone changes (ejections that end, ramps) up to `now`, as the next choice
    /// would.
    pub fn look(&mut self, now: Nanos) {
        if now >= self.refresh_at {
            self.refresh(now);
        }
    }

    /// The state of the group as a whole, for the admin listener.
    #[must_use]
    pub fn snapshot(&self) -> GroupSnapshot {
        GroupSnapshot {
            members_count: self.members_count,
            ejected_count: self.ejected_count,
            is_panicking: self.is_panicking,
            outstanding: self.circuit.outstanding(),
            outstanding_max: self.circuit.outstanding_max(),
            circuit_refused_total: self.circuit.refused_total(),
            without_target_total: self.without_target_total,
            retries_granted_total: self.budget.granted_total(),
            retries_refused_total: self.budget.refused_total(),
        }
    }

    /// [`TargetId::index`] of every target is below it.
    #[must_use]
    pub fn places_count(&self) -> usize {
        self.slots.len()
    }

    /// The state of each member, for the admin listener.
    pub fn targets(&self) -> impl Iterator<Item = TargetSnapshot<'_>> {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.tenancy == Tenancy::Member)
            .map(|(place, slot)| slot.snapshot(place, self.outstanding[place], self.shares[place]))
    }

    /// Active checks are looked at again for the one that was picked, so a target that turned
    /// unhealthy since the last refresh gets no request more. (It comes back with a refresh.)
    #[inline]
    fn pick_healthy(&mut self, now: Nanos, hash: u64, tried: &[TargetId]) -> Option<u32> {
        for _ in 0..REFRESHES_PER_CHOICE_MAX {
            let place = self.pick(hash, tried)?;
            if self.slots[place as usize].is_healthy() {
                return Some(place);
            }
            self.refresh(now);
        }
        self.pick(hash, tried)
    }

    #[inline]
    fn pick(&mut self, hash: u64, tried: &[TargetId]) -> Option<u32> {
        if !tried.is_empty() {
            let slots = &self.slots;
            let untried = |place: u32| {
                let generation = slots.get(place as usize).map(|slot| slot.generation);
                !tried.iter().any(|one| {
                    one.index() == place as usize && Some(one.generation()) == generation
                })
            };
            let balancer = &mut self.balancer;
            let place = balancer.next_wanted(hash, &self.outstanding, &mut self.random, untried);
            if place.is_some() {
                return place;
            }
        }
        self.balancer.next(hash, &self.outstanding, &mut self.random)
    }

    #[cold]
    fn eject(&mut self, place: usize, now: Nanos) -> bool {
        // Who is due back no longer counts as ejected.
        if now >= self.refresh_at {
            self.refresh(now);
        }
        let Some(outlier) = &self.policy.outlier else { return false };
        let may = may_eject(self.ejected_count, self.members_count, outlier);
        if may {
            self.slots[place].record.eject(now, outlier);
            self.refresh(now);
        }
        may
    }

    /// Looks at ejections, ramps and active checks again. Runs on changes and once a tick at most.
    #[cold]
    fn refresh(&mut self, now: Nanos) {
        if self.work_out_shares(now) {
            self.balancer.set_shares(&self.shares, &mut self.random);
        }
    }

    /// True when a share has changed.
    fn work_out_shares(&mut self, now: Nanos) -> bool {
        self.shares_next.clear();
        self.ejected_count = 0;
        let tick = now.plus(Nanos::from_millis(TICK_MS));
        self.refresh_at = if self.policy.is_checked { tick } else { Nanos::NEVER };
        for target in &mut self.slots {
            target.refresh(now, &self.policy);
            let until = target.ejected_until();
            self.ejected_count += usize::from(until.is_some());
            self.shares_next.push(if until.is_some() { 0 } else { target.share });
            let look_again = if target.is_ramping() { tick } else { until.unwrap_or(Nanos::NEVER) };
            self.refresh_at = self.refresh_at.min(look_again);
        }
        self.is_panicking = false;
        if self.shares_next.iter().all(|share| *share == 0) {
            for (share, target) in self.shares_next.iter_mut().zip(&self.slots) {
                *share = target.share;
                self.is_panicking |= target.share > 0;
            }
        }
        std::mem::swap(&mut self.shares, &mut self.shares_next);
        self.shares != self.shares_next
    }

    fn replace_members(&mut self, endpoints: &[ResolvedTarget], now: Nanos) -> Vec<TargetId> {
        let is_first = self.members_count == 0;
        let slow_start = if is_first { Nanos(0) } else { self.policy.slow_start };
        let mut known = self.places_by_address();
        let mut vacant = self.vacant_places().into_iter();
        let mut seen = HashSet::with_capacity(endpoints.len());
        for endpoint in endpoints {
            // The board merges twins; a list that was made elsewhere may hold some.
            if !seen.insert(&endpoint.address) {
                continue;
            }
            match known.remove(&endpoint.address) {
                Some(place) => self.slots[place].endpoint = endpoint.clone(),
                None => self.admit(vacant.next(), |generation| {
                    Target::new(endpoint.clone(), generation, now, slow_start)
                }),
            }
        }
        self.members_count = seen.len();
        let mut gone: Vec<_> = known.into_values().map(|place| self.dismiss(place)).collect();
        gone.sort_unstable_by_key(|target| target.index());
        gone
    }

    fn admit(&mut self, vacant: Option<usize>, target: impl FnOnce(u32) -> Target) {
        match vacant {
            Some(place) => self.slots[place] = target(self.slots[place].generation),
            None => {
                self.slots.push(target(0));
                self.shares.push(0);
                self.outstanding.push(0);
            }
        }
    }

    fn vacant_places(&self) -> Vec<usize> {
        let places = self.slots.iter().enumerate();
        places.filter(|(_, slot)| slot.tenancy == Tenancy::Vacant).map(|(place, _)| place).collect()
    }

    fn dismiss(&mut self, place: usize) -> TargetId {
        let slot = &mut self.slots[place];
        let target = TargetId::new(u32::try_from(place).unwrap_or(u32::MAX), slot.generation);
        slot.tenancy = Tenancy::Leaving;
        if self.outstanding[place] == 0 {
            slot.vacate();
        }
        target
    }

    fn places_by_address(&self) -> HashMap<TargetEndpoint, usize> {
        let members = self.slots.iter().enumerate().filter(|(_, slot)| slot.is_member());
        members.map(|(place, slot)| (slot.endpoint.address.clone(), place)).collect()
    }

    fn ring_members(&self) -> Vec<RingMember> {
        (0_u32..)
            .zip(&self.slots)
            .filter(|(_, slot)| slot.is_member())
            .map(|(place, slot)| RingMember {
                place,
                identity: slot.identity(),
                weight: slot.endpoint.weight,
            })
            .collect()
    }

    fn check_invariants(&self) {
        debug_assert!(
            self.slots.len() == self.shares.len() && self.slots.len() == self.outstanding.len()
        );
        debug_assert_eq!(self.circuit.outstanding(), self.outstanding.iter().sum::<u32>());
        debug_assert_eq!(
            self.members_count,
            self.slots.iter().filter(|slot| slot.is_member()).count()
        );
    }
}
