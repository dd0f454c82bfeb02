//! A seeded simulation of one group: targets that fail, hang, turn unhealthy, come and go, under
//! concurrent requests with retries. The same seed is the same run.

use std::collections::HashMap;
use std::net::SocketAddr;

use super::group_state_tests::{SECOND, endpoint, every_balance, group};
use super::*;
use crate::base::limits::TICK_MS;
use crate::base::{Fault, Nanos, RequestIdSource};
use crate::coord::{Health, ResolvedTarget, TargetEndpoint};
use crate::model::{OutlierEjection, RetryPolicy, TargetGroup};

struct World {
    settings: TargetGroup,
    state: GroupState,
    now: Nanos,
    random: RequestIdSource,
    /// All targets there could be; the group has those of `members`.
    targets: Vec<ResolvedTarget>,
    members: Vec<usize>,
    /// Percent of tries that fail, by target.
    failing: Vec<u64>,
    under_way: Vec<(TargetId, usize)>,
    tries: HashMap<usize, u64>,
    first_tries_total: u64,
    retries_total: u64,
}

impl World {
    fn new(settings: TargetGroup, seed: u64) -> Self {
        let targets: Vec<_> =
            (0..8).map(|number| endpoint(number, 1 + u32::from(number))).collect();
        let members = vec![0, 1, 2, 3, 4];
        let first: Vec<_> = members.iter().map(|index| targets[*index].clone()).collect();
        Self {
            state: GroupState::new(&settings, &first, SECOND, seed),
            settings,
            now: SECOND,
            random: RequestIdSource::new([seed, seed ^ 0xABCD]),
            targets,
            members,
            failing: vec![0; 8],
            under_way: Vec::new(),
            tries: HashMap::new(),
            first_tries_total: 0,
            retries_total: 0,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.random.next_u64() >> 33).unwrap_or(0) % bound.max(1)
    }

    fn step(&mut self) {
        // The same instant again, within a tick, or a good part of a second later.
        let scale = [0, 0, 1, 20][self.below(4)];
        self.now = self.now.plus(Nanos((self.random.next_u64() >> 40) * scale));
        match self.below(1_000) {
            0..=499 => self.request(),
            500..=989 => self.finish_one(),
            990..=992 => self.change_failing(),
            993..=996 => self.change_health(),
            _ => self.change_members(),
        }
        self.check();
    }

    fn request(&mut self) {
        let hash = self.random.next_u64();
        let mut tried: Vec<TargetId> = Vec::new();
        self.first_tries_total += 1;
        loop {
            let Some(target) = self.choose(hash, &tried) else { return };
            let index = self.state.endpoint(target).target_index;
            let fails = self.below(100) < self.failing[index] as usize;
            if !fails {
                self.under_way.push((target, index));
                return;
            }
            self.state.ended(target, Outcome::ConnectFailed, self.now);
            tried.push(target);
            if !self.state.may_retry(self.now, tried.len() as u32 - 1) {
                return;
            }
            self.retries_total += 1;
        }
    }

    /// Chooses, and checks the choice against what was true before it.
    fn choose(&mut self, hash: u64, tried: &[TargetId]) -> Option<TargetId> {
        let usable: Vec<_> = self
            .state
            .targets()
            .map(|one| {
                let ejected = one.ejected_until.is_some_and(|until| self.now < until);
                (one.id, one.health != Health::Unhealthy, ejected)
            })
            .collect();
        let healthy = usable.iter().filter(|(_, healthy, _)| *healthy).count();
        let in_service = usable.iter().filter(|(_, healthy, out)| *healthy && !out);
        let untried = in_service.clone().filter(|(id, ..)| !tried.contains(id)).count();
        let in_service = in_service.count();
        match self.state.choose(self.now, hash, tried) {
            Ok(target) => {
                let found = usable.iter().find(|(id, ..)| *id == target);
                let (_, is_healthy, is_ejected) = found.expect("only members are chosen");
                assert!(is_healthy, "an unhealthy target was chosen");
                assert!(!is_ejected || in_service == 0, "an ejected target was chosen");
                assert!(!tried.contains(&target) || untried == 0, "a tried target was chosen");
                let index = self.state.endpoint(target).target_index;
                *self.tries.entry(index).or_default() += 1;
                Some(target)
            }
            Err(Fault::NoHealthyTarget) => {
                // A target that turned healthy is seen with the next tick at the latest.
                self.now = self.now.plus(Nanos::from_millis(TICK_MS));
                let again = self.state.choose(self.now, hash, tried);
                assert_eq!(again.is_ok(), healthy > 0, "targets were left");
                if let Ok(target) = again {
                    self.state.ended(target, Outcome::Abandoned, self.now);
                }
                None
            }
            Err(Fault::CircuitOpen) => {
                assert_eq!(self.state.outstanding(), self.settings.outstanding_per_shard_max);
                None
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    fn finish_one(&mut self) {
        if self.under_way.is_empty() {
            return;
        }
        let at = self.below(self.under_way.len());
        let (target, index) = self.under_way.swap_remove(at);
        assert_eq!(self.state.endpoint(target).target_index, index, "the id names another target");
        let outcome = match self.below(50) {
            0 => Outcome::Abandoned,
            1 => Outcome::Timeout,
            2 => Outcome::Answered(404),
            _ => Outcome::Answered(200),
        };
        self.state.ended(target, outcome, self.now);
    }

    fn change_failing(&mut self) {
        let at = self.below(8);
        self.failing[at] = [0, 0, 50, 100][self.below(4)];
    }

    fn change_health(&mut self) {
        let at = self.below(8);
        let health = [Health::Healthy, Health::Healthy, Health::Unhealthy][self.below(3)];
        self.targets[at].health.set(health);
    }

    fn change_members(&mut self) {
        let at = self.below(8);
        match self.members.iter().position(|member| *member == at) {
            Some(found) => drop(self.members.remove(found)),
            None => self.members.push(at),
        }
        let list: Vec<_> = self.members.iter().map(|at| self.targets[*at].clone()).collect();
        let before: Vec<_> = self.state.targets().map(|one| one.id).collect();
        let gone = self.state.update(&self.settings, &list, self.now);
        let after: Vec<_> = self.state.targets().map(|one| one.id).collect();
        let expected: Vec<_> = before.into_iter().filter(|id| !after.contains(id)).collect();
        assert_eq!(gone, expected);
    }

    fn check(&self) {
        let mut by_target: HashMap<TargetId, u32> = HashMap::new();
        for (target, _) in &self.under_way {
            *by_target.entry(*target).or_default() += 1;
        }
        assert_eq!(self.state.outstanding() as usize, self.under_way.len());
        for one in self.state.targets() {
            assert_eq!(one.outstanding, by_target.get(&one.id).copied().unwrap_or(0));
        }
        let snapshot = self.state.snapshot();
        assert!(snapshot.outstanding <= snapshot.outstanding_max);
        assert!(snapshot.ejected_count <= snapshot.members_count);
        // The window is shorter than the run, so this is weaker than the budget's own property,
        // and yet no run may be over it: the floor once per window, the share of all requests.
        let windows = self.now.0 / (10 * SECOND.0) + 1;
        let share = self.first_tries_total * u64::from(self.settings.retry.budget_percent) / 100;
        assert!(self.retries_total <= 2 * share + 10 * (windows + 1));
    }
}

#[test]
fn a_group_under_faults_keeps_its_promises() {
    for seed in 0..8 {
        for balance in every_balance() {
            let mut settings = group(balance);
            settings.outstanding_per_shard_max = 60;
            settings.slow_start_ms = if seed % 2 == 0 { 0 } else { 3_000 };
            settings.retry = RetryPolicy {
                attempts_max: 2,
                sends_again: true,
                budget_percent: 20,
                on_gateway_status: false,
            };
            settings.outlier = settings
                .outlier
                .map(|one| OutlierEjection { ejected_percent_max: 30 + 10 * seed as u32, ..one });
            let mut world = World::new(settings, seed);
            for _ in 0..3_000 {
                world.step();
            }
        }
    }
}

#[test]
fn a_run_is_decided_by_its_seed() {
    for balance in every_balance() {
        let run = |seed| {
            let mut world = World::new(group(balance.clone()), seed);
            (0..2_000).for_each(|_| world.step());
            let mut tries: Vec<_> = world.tries.into_iter().collect();
            tries.sort_unstable();
            (tries, world.retries_total, world.now)
        };
        assert_eq!(run(3), run(3));
        assert_ne!(run(3), run(4));
    }
}

/// A dead target under load costs no request that a retry could save, and only a few retries.
#[test]
fn a_dead_target_costs_no_request() {
    for balance in every_balance() {
        let targets: Vec<_> = (0..3).map(|number| endpoint(number, 1)).collect();
        let mut state = GroupState::new(&group(balance), &targets, SECOND, 4);
        let dead = TargetEndpoint::Tcp(SocketAddr::from(([10, 0, 0, 1], 80)));
        let (mut now, mut retries) = (SECOND, 0_u32);
        for request in 0..200_000_u64 {
            now = now.plus(Nanos(100_000));
            let mut tried = Vec::new();
            let answered = loop {
                let target = state.choose(now, stable_hash(&request.to_le_bytes()), &tried);
                let target = target.expect("two are alive");
                if state.endpoint(target).address != dead {
                    state.ended(target, Outcome::Answered(200), now);
                    break true;
                }
                state.ended(target, Outcome::ConnectFailed, now);
                tried.push(target);
                if !state.may_retry(now, tried.len() as u32 - 1) {
                    break false;
                }
                retries += 1;
            };
            assert!(answered, "request {request}");
        }
        // Twenty seconds: three failures, then one at each return (after 1, 3, 6, 10, 15 seconds).
        assert!(retries <= 3 + 6, "{retries}");
    }
}
