//! What a shard may rely on of a [`GroupState`], one behaviour per test.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use super::*;
use crate::base::{Fault, Nanos};
use crate::coord::{Health, ResolvedTarget, TargetEndpoint};
use crate::model::{ActiveHealth, Balance, HashKey, OutlierEjection, RetryPolicy, TargetGroup};

pub(super) const SECOND: Nanos = Nanos::from_millis(1_000);

/// A group whose every guard is on, and far from where it acts.
pub(super) fn group(balance: Balance) -> TargetGroup {
    TargetGroup {
        name: "items".to_owned(),
        targets: Vec::new(),
        balance,
        protocol: crate::model::TargetProtocol::Http1,
        grpc_web: true,
        preserve_host: false,
        connect_timeout_ms: 1_000,
        idle_timeout_ms: 1_000,
        total_timeout_ms: 0,
        keepalive_timeout_ms: 1_000,
        keepalive_connections_max: 8,
        keepalive_requests_max: 0,
        outstanding_per_shard_max: 1_000,
        retry: RetryPolicy {
            attempts_max: 2,
            sends_again: true,
            budget_percent: 20,
            on_gateway_status: true,
        },
        health: Some(ActiveHealth {
            path: "/".to_owned(),
            grpc_service: None,
            interval_ms: 1_000,
            timeout_ms: 1_000,
            unhealthy_count: 1,
            healthy_count: 1,
            status_min: 200,
            status_max: 399,
        }),
        outlier: Some(OutlierEjection {
            consecutive_failures: 3,
            base_ejection_ms: 1_000,
            ejection_ms_max: 10_000,
            ejected_percent_max: 100,
        }),
        slow_start_ms: 0,
        dns_ttl_ms_max: 60_000,
    }
}

pub(super) fn endpoint(number: u8, weight: u32) -> ResolvedTarget {
    ResolvedTarget {
        address: TargetEndpoint::Tcp(SocketAddr::from((Ipv4Addr::new(10, 0, 0, number), 80))),
        weight,
        target_index: usize::from(number),
        host: Arc::from(format!("10.0.0.{number}:80")),
        health: Arc::default(),
    }
}

pub(super) fn endpoints(weights: &[u32]) -> Vec<ResolvedTarget> {
    (0_u8..).zip(weights).map(|(number, weight)| endpoint(number, *weight)).collect()
}

pub(super) fn every_balance() -> [Balance; 4] {
    [
        Balance::RoundRobin,
        Balance::LeastOutstanding,
        Balance::PowerOfTwoChoices,
        Balance::ConsistentHash(HashKey::Path),
    ]
}

/// One request that ends like that; answers with the host that it went to.
fn send(state: &mut GroupState, now: Nanos, hash: u64, outcome: Outcome) -> Arc<str> {
    let target = state.choose(now, hash, &[]).expect("a target");
    let host = Arc::clone(&state.endpoint(target).host);
    state.ended(target, outcome, now);
    host
}

/// Requests until `host` was given `failures` of them; the others succeed.
fn fail_host(state: &mut GroupState, now: Nanos, host: &str, failures: u32) {
    let (mut failed, mut hash) = (0, 0);
    while failed < failures {
        hash += 1;
        let target = state.choose(now, hash, &[]).expect("a target");
        let fails = &*state.endpoint(target).host == host;
        failed += u32::from(fails);
        let outcome = if fails { Outcome::ConnectFailed } else { Outcome::Answered(200) };
        state.ended(target, outcome, now);
        assert!(hash < 100_000, "{host} gets nothing");
    }
}

#[test]
fn sequential_requests_follow_the_weights() {
    let weights = [1, 2, 7];
    for balance in &every_balance()[..3] {
        let mut state = GroupState::new(&group(balance.clone()), &endpoints(&weights), SECOND, 1);
        let mut counts = [0_u32; 3];
        for hash in 0..100_000 {
            let target = state.choose(SECOND, hash, &[]).expect("a target");
            counts[state.endpoint(target).target_index] += 1;
            state.ended(target, Outcome::Answered(200), SECOND);
        }
        for (count, weight) in counts.iter().zip(weights) {
            let off = count.abs_diff(weight * 10_000);
            // By chance: five standard deviations at most. In turn: to the request.
            let slack = if *balance == Balance::PowerOfTwoChoices { 800 } else { 3 };
            assert!(off <= slack, "{balance:?}: {counts:?}");
        }
    }
}

#[test]
fn concurrent_requests_balance_what_is_outstanding() {
    for balance in [Balance::LeastOutstanding, Balance::PowerOfTwoChoices] {
        let mut state = GroupState::new(&group(balance), &endpoints(&[1, 1, 2]), SECOND, 5);
        let mut outstanding = [0_u32; 3];
        for _ in 0..400 {
            let target = state.choose(SECOND, 0, &[]).expect("a target");
            outstanding[state.endpoint(target).target_index] += 1;
        }
        for (count, due) in outstanding.iter().zip([100_u32, 100, 200]) {
            assert!(count.abs_diff(due) <= 20, "{outstanding:?}");
        }
    }
}

#[test]
fn a_failing_target_is_ejected_and_returns() {
    for balance in every_balance() {
        let mut state = GroupState::new(&group(balance), &endpoints(&[1, 1, 1]), SECOND, 9);
        fail_host(&mut state, SECOND, "10.0.0.1:80", 3);
        let snapshot = state.snapshot();
        assert_eq!((snapshot.ejected_count, snapshot.is_panicking), (1, false));
        let until = SECOND.plus(SECOND);
        for hash in 0..1_000 {
            let host = send(&mut state, Nanos(until.0 - 1), hash, Outcome::Answered(200));
            assert_ne!(&*host, "10.0.0.1:80");
        }
        // Back, on probation: it is found again, and one failure ejects it for longer.
        fail_host(&mut state, until, "10.0.0.1:80", 1);
        let out = state.targets().find(|one| one.endpoint.target_index == 1).expect("a member");
        assert_eq!(out.ejected_until, Some(until.plus(Nanos::from_millis(2_000))));
        assert_eq!((out.share, out.ejections_total, out.failures_total), (0, 2, 4));
    }
}

#[test]
fn ejections_stop_at_the_share_of_the_group() {
    let mut settings = group(Balance::RoundRobin);
    settings.outlier =
        settings.outlier.map(|one| OutlierEjection { ejected_percent_max: 50, ..one });
    let mut state = GroupState::new(&settings, &endpoints(&[1; 4]), SECOND, 9);
    for _ in 0..100 {
        send(&mut state, SECOND, 0, Outcome::Timeout);
    }
    assert_eq!(state.snapshot().ejected_count, 2);
    assert!(!state.snapshot().is_panicking);
}

#[test]
fn when_all_are_ejected_all_are_used_again() {
    let mut state = GroupState::new(&group(Balance::RoundRobin), &endpoints(&[1; 4]), SECOND, 9);
    for _ in 0..100 {
        send(&mut state, SECOND, 0, Outcome::Reset);
    }
    assert_eq!(state.snapshot().ejected_count, 4);
    assert!(state.snapshot().is_panicking);
    let hosts: std::collections::HashSet<_> =
        (0..4).map(|_| send(&mut state, SECOND, 0, Outcome::Answered(200))).collect();
    assert_eq!(hosts.len(), 4);
    let later = SECOND.plus(SECOND);
    send(&mut state, later, 0, Outcome::Answered(200));
    assert!(!state.snapshot().is_panicking);
}

#[test]
fn unhealthy_targets_are_never_used() {
    for balance in every_balance() {
        let all = endpoints(&[1, 1, 1]);
        let mut state = GroupState::new(&group(balance), &all, SECOND, 9);
        all[0].health.set(Health::Unhealthy);
        for hash in 0..1_000 {
            assert_ne!(&*send(&mut state, SECOND, hash, Outcome::Answered(200)), "10.0.0.0:80");
        }
        // Not even as the last resort, ejections being ignored by then.
        fail_host(&mut state, SECOND, "10.0.0.1:80", 3);
        all[2].health.set(Health::Unhealthy);
        assert_eq!(&*send(&mut state, SECOND, 7, Outcome::Answered(200)), "10.0.0.1:80");
        all[1].health.set(Health::Unhealthy);
        assert_eq!(state.choose(SECOND, 7, &[]), Err(Fault::NoHealthyTarget));
        assert_eq!(state.snapshot().without_target_total, 1);
        assert_eq!(state.outstanding(), 0);
        // Seen again with the next tick.
        all[0].health.set(Health::Healthy);
        let next = SECOND.plus(Nanos::from_millis(crate::base::limits::TICK_MS));
        assert_eq!(&*send(&mut state, next, 7, Outcome::Answered(200)), "10.0.0.0:80");
    }
}

#[test]
fn no_targets_at_all() {
    for balance in every_balance() {
        let settings = group(balance);
        let mut state = GroupState::new(&settings, &[], SECOND, 9);
        assert_eq!(state.choose(SECOND, 7, &[]), Err(Fault::NoHealthyTarget));
        state.update(&settings, &endpoints(&[1]), SECOND);
        let kept = state.choose(SECOND, 7, &[]).expect("one now");
        assert_eq!(state.update(&settings, &[], SECOND), [kept]);
        assert_eq!(state.choose(SECOND, 7, &[]), Err(Fault::NoHealthyTarget));
        state.ended(kept, Outcome::Answered(200), SECOND);
        assert_eq!(state.outstanding(), 0);
    }
}

#[test]
fn tried_targets_are_avoided_while_another_is_there() {
    for balance in every_balance() {
        let mut state = GroupState::new(&group(balance), &endpoints(&[1, 5, 9]), SECOND, 9);
        for hash in 0..500 {
            let mut tried = Vec::new();
            for _ in 0..3 {
                let target = state.choose(SECOND, hash, &tried).expect("a target");
                assert!(!tried.contains(&target));
                state.ended(target, Outcome::Abandoned, SECOND);
                tried.push(target);
            }
            let again = state.choose(SECOND, hash, &tried).expect("all are tried: any");
            state.ended(again, Outcome::Abandoned, SECOND);
        }
    }
}

#[test]
fn the_circuit_opens_at_the_bound() {
    let mut settings = group(Balance::RoundRobin);
    settings.outstanding_per_shard_max = 2;
    let mut state = GroupState::new(&settings, &endpoints(&[1, 1]), SECOND, 9);
    let first = state.choose(SECOND, 0, &[]).expect("0 of 2");
    state.choose(SECOND, 0, &[]).expect("1 of 2");
    assert_eq!(state.choose(SECOND, 0, &[]), Err(Fault::CircuitOpen));
    state.ended(first, Outcome::Abandoned, SECOND);
    state.choose(SECOND, 0, &[]).expect("1 of 2");
    assert_eq!(state.snapshot().circuit_refused_total, 1);
}

#[test]
fn retries_need_policy_and_budget() {
    let mut state = GroupState::new(&group(Balance::RoundRobin), &endpoints(&[1]), SECOND, 9);
    assert!(state.may_retry(SECOND, 0) && state.may_retry(SECOND, 1));
    assert!(!state.may_retry(SECOND, 2), "two further tries at most");
    let granted = (0..1_000).filter(|_| state.may_retry(SECOND, 0)).count();
    assert_eq!(granted, 8, "ten are always allowed, two are gone");
    assert_eq!(state.snapshot().retries_granted_total, 10);
    assert_eq!(state.snapshot().retries_refused_total, 992);
}

#[test]
fn a_place_is_not_given_away_while_a_try_is_under_way() {
    let settings = group(Balance::RoundRobin);
    let mut state = GroupState::new(&settings, &[endpoint(1, 1)], SECOND, 9);
    let old = state.choose(SECOND, 0, &[]).expect("one");
    assert_eq!(state.update(&settings, &[endpoint(2, 1)], SECOND), [old]);
    assert!(!state.is_member(old));
    assert_eq!(&*state.endpoint(old).host, "10.0.0.1:80");
    let new = state.choose(SECOND, 0, &[]).expect("the new one");
    assert_ne!(old.index(), new.index());
    // Three failures of the old one do not eject the new one, nor are they counted for it.
    state.ended(old, Outcome::Reset, SECOND);
    let seen = state.targets().next().expect("the new one");
    assert_eq!((seen.id, seen.outstanding, seen.failures_total), (new, 1, 0));
    state.ended(new, Outcome::Answered(200), SECOND);
    // Now the place is free, and its next tenant has another id.
    state.update(&settings, &[endpoint(2, 1), endpoint(3, 1)], SECOND);
    let ids: Vec<_> = state.targets().map(|one| one.id).collect();
    assert_eq!(ids.len(), 2);
    assert!(ids.iter().any(|one| one.index() == old.index()) && !ids.contains(&old));
    assert!(!state.is_member(old) && state.is_member(new));
}

#[test]
fn survivors_keep_their_state() {
    let settings = group(Balance::LeastOutstanding);
    let mut state = GroupState::new(&settings, &endpoints(&[1, 1, 1]), SECOND, 9);
    fail_host(&mut state, SECOND, "10.0.0.1:80", 3);
    let busy = state.choose(SECOND, 0, &[]).expect("a target");
    let busy_host = Arc::clone(&state.endpoint(busy).host);
    let mut moved = endpoints(&[1, 1, 1, 1]);
    moved.reverse();
    assert!(state.update(&group(Balance::RoundRobin), &moved, SECOND).is_empty());
    for one in state.targets() {
        assert_eq!(one.outstanding, u32::from(one.endpoint.host == busy_host));
        assert_eq!(one.ejected_until.is_some(), &*one.endpoint.host == "10.0.0.1:80");
    }
    state.ended(busy, Outcome::Answered(200), SECOND);
    assert_eq!(state.outstanding(), 0);
}

#[test]
fn twins_in_a_list_are_one_target() {
    let mut state = GroupState::new(
        &group(Balance::RoundRobin),
        &[endpoint(1, 1), endpoint(1, 4), endpoint(2, 1)],
        SECOND,
        9,
    );
    assert_eq!(state.targets().count(), 2);
    assert_eq!(state.snapshot().members_count, 2);
    assert!(state.choose(SECOND, 0, &[]).is_ok());
}

#[test]
fn a_new_target_gets_its_share_slowly() {
    for balance in every_balance() {
        let mut settings = group(balance);
        settings.slow_start_ms = 10_000;
        let mut state = GroupState::new(&settings, &endpoints(&[1]), SECOND, 9);
        assert!(state.targets().all(|one| !one.is_ramping), "the first have no one to spare them");
        state.update(&settings, &endpoints(&[1, 1]), SECOND);
        let mut before = 0.0;
        for tenth in 0..=10 {
            let now = SECOND.plus(Nanos::from_millis(tenth * 1_000));
            let mut taken = 0_u32;
            for hash in 0..4_000 {
                let host = send(&mut state, now, hash, Outcome::Answered(200));
                taken += u32::from(&*host == "10.0.0.1:80");
            }
            let share = f64::from(taken) / 4_000.0;
            assert!(share > before - 0.02, "{settings:?}: {share} after {before}");
            before = share;
            let is_ramping = state.targets().any(|one| one.is_ramping);
            assert_eq!(is_ramping, tenth < 10);
            if tenth == 0 {
                assert!(share < 0.03, "{share}");
            }
        }
        assert!((before - 0.5).abs() < 0.08, "{settings:?}: {before}");
    }
}

#[test]
fn whoever_comes_back_starts_slowly() {
    let mut settings = group(Balance::RoundRobin);
    settings.slow_start_ms = 10_000;
    let all = endpoints(&[1, 1, 1]);
    let mut state = GroupState::new(&settings, &all, SECOND, 9);
    fail_host(&mut state, SECOND, "10.0.0.1:80", 3);
    all[2].health.set(Health::Unhealthy);
    send(&mut state, SECOND.plus(Nanos::from_millis(500)), 0, Outcome::Answered(200));
    all[2].health.set(Health::Healthy);
    send(&mut state, SECOND.plus(SECOND), 0, Outcome::Answered(200));
    let ramping: Vec<_> = state.targets().map(|one| one.is_ramping).collect();
    assert_eq!(ramping, [false, true, true]);
}

#[test]
fn consistent_hash_keeps_keys_through_updates() {
    let settings = group(Balance::ConsistentHash(HashKey::SourceIp));
    let mut one = GroupState::new(&settings, &endpoints(&[1; 5]), SECOND, 1);
    let mut reversed = endpoints(&[1; 5]);
    reversed.reverse();
    let mut other = GroupState::new(&settings, &reversed, SECOND, 2);
    assert_eq!(one.hash_key(), Some(&HashKey::SourceIp));
    let ok = Outcome::Answered(200);
    let before: Vec<_> = (0..2_000).map(|key| send(&mut one, SECOND, key, ok)).collect();
    for (key, host) in (0..).zip(&before) {
        assert_eq!(send(&mut other, SECOND, key, ok), *host, "shards agree");
    }
    one.update(&settings, &endpoints(&[1; 4]), SECOND);
    for (key, host) in (0..).zip(&before) {
        let now = send(&mut one, SECOND, key, ok);
        assert!(now == *host || &**host == "10.0.0.4:80");
    }
}

#[test]
fn what_reached_no_target_goes_on_to_those_not_tried() {
    let endpoints = endpoints(&[1; 12]);
    let mut state = GroupState::new(&group(Balance::RoundRobin), &endpoints, SECOND, 9);
    let mut tried = Vec::new();
    for retries_done in 0..=10 {
        let target = state.choose(SECOND, 0, &tried).expect("one is left");
        assert!(!tried.contains(&target), "each is asked once");
        state.ended(target, Outcome::Abandoned, SECOND);
        tried.push(target);
        let refused_before = state.snapshot().retries_refused_total;
        assert_eq!(state.may_retry_unsent(retries_done, &tried), retries_done < 10, "ten at most");
        assert_eq!(state.snapshot().retries_refused_total, refused_before);
    }
    assert_eq!(state.snapshot().retries_granted_total, 0, "the budget is for what was sent");
}

#[test]
fn who_is_alone_is_asked_again_as_often_as_the_policy_says() {
    let state = GroupState::new(&group(Balance::RoundRobin), &endpoints(&[1]), SECOND, 9);
    let only = [TargetId::new(0, 0)];
    assert!(state.may_retry_unsent(0, &only) && state.may_retry_unsent(1, &only));
    assert!(!state.may_retry_unsent(2, &only), "two further tries at most");
    let mut group = group(Balance::RoundRobin);
    group.retry.attempts_max = 0;
    let never = GroupState::new(&group, &endpoints(&[1, 1]), Nanos(0), 1);
    assert!(!never.may_retry_unsent(0, &only), "zero is none");
}

#[test]
fn the_end_that_ejects_says_so() {
    let mut state = GroupState::new(&group(Balance::RoundRobin), &endpoints(&[1, 1]), SECOND, 9);
    let mut ejections = 0;
    for _ in 0..6 {
        let target = state.choose(SECOND, 0, &[]).expect("healthy");
        let outcome = if target.index() == 0 { Outcome::Reset } else { Outcome::Answered(200) };
        let was_ejected = state.ended(target, outcome, SECOND);
        assert_eq!(was_ejected, state.snapshot().ejected_count > ejections);
        ejections = state.snapshot().ejected_count;
    }
    assert_eq!(ejections, 1);
}
