//! The law of [`super::token_pool`], checked: against all windows of random histories, under
//! shuttle's schedules, and with real threads.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use proptest::prelude::*;

use super::token_pool::{PoolSettings, TokenPool};
use super::word::Word;
use super::{Decision, ShardBucket};
use crate::base::Nanos;

fn buckets<W: Word>(settings: PoolSettings) -> Vec<ShardBucket<W>> {
    let pool = TokenPool::new("k", settings);
    (0..settings.shards_count).map(|_| ShardBucket::new(Arc::clone(&pool))).collect()
}

/// Grants by the instant that the shard took as now, kept sorted.
#[derive(Debug, Default)]
struct History(std::collections::BTreeMap<u64, u64>);

impl History {
    fn add(&mut self, now: Nanos, grants: u64) {
        *self.0.entry(now.0).or_default() += grants;
    }

    fn total(&self) -> u64 {
        self.0.values().sum()
    }

    /// The first window with more grants than `burst + rate * length`, whole tokens counted in
    /// integers: `rate` must be a multiple of 1/1000 for this to be exact.
    fn overrun(&self, settings: PoolSettings) -> Option<String> {
        let rate_millis = (settings.rate_per_second * 1_000.0).round() as u128;
        for from in self.0.keys() {
            let mut grants = 0_u64;
            for (to, count) in self.0.range(from..) {
                grants += count;
                let earned = rate_millis * u128::from(to - from) / 1_000_000_000_000;
                if u128::from(grants) > u128::from(settings.burst_count) + earned {
                    return Some(format!(
                        "{grants} grants from {from} ns to {to} ns, {settings:?}"
                    ));
                }
            }
        }
        None
    }
}

/// One step of a history: who asks, how often, how long after the step before, how far that
/// shard's clock is behind, and whether every so many grants are given back.
#[derive(Clone, Debug)]
struct Step {
    shard: usize,
    requests: u64,
    wait_tokens: f64,
    lag_ns: u64,
    untake_every: u64,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let wait = prop_oneof![4 => 0.0..0.5_f64, 3 => 0.5..4.0_f64, 2 => 0.0..300.0_f64];
    let requests = prop_oneof![3 => 1..4_u64, 2 => 1..60_u64, 1 => Just(1_000)];
    let lag = prop_oneof![3 => Just(0_u64), 1 => 0..3_000_000_u64];
    let step = (0..8_usize, requests, wait, lag, prop_oneof![3 => Just(0_u64), 1 => 1..5_u64]);
    let step = step.prop_map(|(shard, requests, wait_tokens, lag_ns, untake_every)| Step {
        shard,
        requests,
        wait_tokens,
        lag_ns,
        untake_every,
    });
    prop::collection::vec(step, 1..120)
}

/// Rates are multiples of 1/1000 so that the model's integers are exact.
fn settings() -> impl Strategy<Value = PoolSettings> {
    let rate = prop_oneof![
        (1..2_000_u64).prop_map(|millis| millis as f64 / 1_000.0),
        (1..100_000_u64).prop_map(|whole| whole as f64),
        (100_000..=20_000_000_u64).prop_map(|whole| whole as f64),
        Just(0.0),
    ];
    let burst = prop_oneof![0..10_u64, 0..1_000_u64, 100..5_000_u64];
    (rate, burst, 1..=8_u32).prop_map(|(rate_per_second, burst_count, shards_count)| PoolSettings {
        rate_per_second,
        burst_count,
        shards_count,
    })
}

/// Runs the steps. With `steady`, each step drains the bucket and no wait overfills it, so that
/// demand is there at all times.
fn run(settings: PoolSettings, steps: &[Step], steady: bool) -> (History, Nanos) {
    let mut buckets = buckets::<AtomicU64>(settings);
    let mut seen = vec![Nanos(0); buckets.len()];
    let token_ns = 1e9 / settings.rate_per_second.max(1e-3);
    let wait_max = if steady { settings.burst_count as f64 * 0.97 - 1.0 } else { f64::INFINITY };
    let (mut history, mut clock) = (History::default(), Nanos(1_000_000_000));
    for (index, step) in steps.iter().enumerate() {
        if index > 0 {
            clock = clock.plus(Nanos((step.wait_tokens.min(wait_max) * token_ns) as u64));
        }
        let shard = step.shard % buckets.len();
        let lag_ns = if steady { 0 } else { step.lag_ns };
        // A shard's own clock may be behind the others', but never goes back.
        seen[shard] = seen[shard].max(Nanos(clock.0 - lag_ns));
        let now = seen[shard];
        let requests = if steady { u64::MAX } else { step.requests };
        for request in 1..=requests {
            let promised = buckets[shard].peek(now);
            let decision = buckets[shard].take(now);
            assert_eq!(promised, decision, "nobody else is asking");
            if decision != Decision::Grant {
                break;
            }
            if !steady && step.untake_every > 0 && request % step.untake_every == 0 {
                buckets[shard].untake();
            } else {
                history.add(now, 1);
            }
        }
    }
    (history, clock)
}

proptest! {
    #[test]
    fn no_window_has_a_grant_too_many(settings in settings(), steps in steps()) {
        let (history, _) = run(settings, &steps, false);
        prop_assert_eq!(history.overrun(settings), None);
    }

    #[test]
    fn demand_gets_97_percent_wherever_it_sits(settings in settings(), steps in steps()) {
        // With one token at most, demand would have to ask at every nanosecond to lose nothing.
        let settings = PoolSettings { burst_count: settings.burst_count.max(2), ..settings };
        let (history, end) = run(settings, &steps, true);
        prop_assert_eq!(history.overrun(settings), None);
        let seconds = end.since(Nanos(1_000_000_000)).0 as f64 / 1e9;
        let allowed = settings.burst_count as f64 + settings.rate_per_second * seconds;
        let least = (0.97 * allowed).floor() as u64;
        prop_assert!(history.total() >= least, "{} of {allowed}, {settings:?}", history.total());
    }

    /// At one instant nothing is earned: whatever the settings become, what may still be granted
    /// never grows.
    #[test]
    fn new_settings_never_refund(
        first in settings(),
        changes in prop::collection::vec((settings(), 0..50_u64), 1..12),
    ) {
        let pools = super::TokenPools::new();
        let now = Nanos(7_000_000_000);
        let shards_count = first.shards_count;
        let get = |of: &PoolSettings| {
            pools.get("k", of.rate_per_second, of.burst_count, shards_count, now)
        };
        let mut buckets: Vec<_> = (0..shards_count).map(|_| ShardBucket::new(get(&first))).collect();
        let mut left = first.burst_count;
        for (turn, (settings, requests)) in changes.iter().enumerate() {
            // One shard adopts, the others find out when they meet the closed pool.
            let adopter = turn % buckets.len();
            buckets[adopter].adopt(get(settings));
            let mut granted = 0;
            for request in 0..*requests as usize {
                let bucket = request % buckets.len();
                granted += u64::from(buckets[bucket].take(now) == Decision::Grant);
            }
            prop_assert!(granted <= left, "{granted} granted, {left} were left");
            left -= granted;
        }
    }
}

/// Shards that take at the same time, under shuttle's scheduler. With demand for more than the
/// burst every token is granted, and none twice.
#[test]
fn concurrent_takers_share_a_burst_under_any_schedule() {
    use shuttle::sync::atomic::AtomicU64;
    // Three shards without stashes, then two with stashes of four.
    for (shards_count, burst_count, requests) in [(3, 5, 3), (2, 400, 220)] {
        let settings = PoolSettings { rate_per_second: 1_000.0, burst_count, shards_count };
        let check = move || {
            let takers: Vec<_> = buckets::<AtomicU64>(settings)
                .into_iter()
                .map(|mut bucket| {
                    shuttle::thread::spawn(move || {
                        let mut takes = (0..requests).map(|_| bucket.take(Nanos(1_000_000_000)));
                        let grants = takes.by_ref().filter(|take| *take == Decision::Grant).count();
                        drop(takes);
                        (grants as u64, bucket)
                    })
                })
                .collect();
            let done: Vec<_> =
                takers.into_iter().map(|taker| taker.join().expect("no panic")).collect();
            let granted: u64 = done.iter().map(|(grants, _)| grants).sum();
            assert!(granted <= burst_count, "{granted} grants");
            assert!(granted * 100 >= burst_count.min(shards_count as u64 * requests) * 97);
        };
        shuttle::check_random(check, if burst_count > 100 { 100 } else { 3_000 });
    }
}

/// Time moves on differently on each shard, and tokens are given back; all windows are checked.
#[test]
fn concurrent_takers_at_different_times_keep_the_law_under_any_schedule() {
    use shuttle::sync::atomic::AtomicU64;
    let settings = PoolSettings { rate_per_second: 1_000.0, burst_count: 2, shards_count: 3 };
    let check = move || {
        let takers: Vec<_> = buckets::<AtomicU64>(settings)
            .into_iter()
            .enumerate()
            .map(|(shard, mut bucket)| {
                shuttle::thread::spawn(move || {
                    let mut grants = Vec::new();
                    for step in 0..4_u64 {
                        let now = Nanos(1_000_000_000 + step * 900_000 + shard as u64 * 350_000);
                        if bucket.take(now) == Decision::Grant {
                            if shard == 2 && step % 2 == 0 {
                                bucket.untake()
                            } else {
                                grants.push(now)
                            }
                        }
                    }
                    grants
                })
            })
            .collect();
        let mut history = History::default();
        for taker in takers {
            taker.join().expect("no panic").into_iter().for_each(|now| history.add(now, 1));
        }
        assert_eq!(history.overrun(settings), None);
    };
    shuttle::check_random(check, 5_000);
}

/// The settings change while shards take: what is granted on both pools together is no more than
/// the first burst, and takers always find a pool that answers.
#[test]
fn a_pool_that_is_closed_under_its_takers_grants_no_token_twice() {
    use shuttle::sync::atomic::AtomicU64;
    let before = PoolSettings { rate_per_second: 1.0, burst_count: 5, shards_count: 3 };
    let after = PoolSettings { rate_per_second: 3.0, burst_count: 9, shards_count: 3 };
    let check = move || {
        let buckets = buckets::<AtomicU64>(before);
        let pool = Arc::clone(buckets[0].pool());
        let now = Nanos(1_000_000_000);
        let takers: Vec<_> = buckets
            .into_iter()
            .map(|mut bucket| {
                shuttle::thread::spawn(move || {
                    (0..3).filter(|_| bucket.take(now) == Decision::Grant).count()
                })
            })
            .collect();
        let successor = pool.succeed(after, now);
        let granted: usize = takers.into_iter().map(|taker| taker.join().expect("no panic")).sum();
        assert_eq!(granted, 5, "nine were asked for, five were there");
        assert_ne!(ShardBucket::new(successor).take(now), Decision::Grant);
    };
    shuttle::check_random(check, 5_000);
}

/// Two real threads: one took a little and idles on its stash, all load sits on the other.
#[test]
fn all_load_on_one_of_two_threads_gets_97_percent() {
    let settings = PoolSettings { rate_per_second: 50_000.0, burst_count: 10_000, shards_count: 2 };
    let mut shards = buckets::<AtomicU64>(settings);
    let (mut idle, mut busy) = (shards.remove(0), shards.remove(0));
    let start = Nanos(1_000_000_000);
    let idle_grants = std::thread::spawn(move || {
        let grants = (0..150).filter(|_| idle.take(start) == Decision::Grant).count() as u64;
        (grants, idle)
    });
    let busy_history = std::thread::spawn(move || {
        let mut history = History::default();
        for millis in 0..2_000 {
            let now = start.plus(Nanos::from_millis(millis));
            while busy.take(now) == Decision::Grant {
                history.add(now, 1);
            }
        }
        history
    });
    let (idle_grants, _idle) = idle_grants.join().expect("no panic");
    let mut history = busy_history.join().expect("no panic");
    history.add(start, idle_grants);
    assert_eq!(history.overrun(settings), None);
    let allowed = 10_000 + 50_000 * 1_999 / 1_000;
    assert!(history.total() * 100 >= allowed * 97, "{} of {allowed}", history.total());
}

/// Two real threads that both ask for all they can get.
#[test]
fn two_busy_threads_share_the_limit() {
    for burst_count in [100, 20_000] {
        let settings = PoolSettings { rate_per_second: 30_000.0, burst_count, shards_count: 2 };
        let threads: Vec<_> = buckets::<AtomicU64>(settings)
            .into_iter()
            .map(|mut bucket| {
                std::thread::spawn(move || {
                    let mut history = History::default();
                    for millis in 0..1_000 {
                        let now = Nanos::from_millis(1_000 + millis);
                        while bucket.take(now) == Decision::Grant {
                            history.add(now, 1);
                        }
                    }
                    history
                })
            })
            .collect();
        let mut both = History::default();
        for thread in threads {
            for (now, grants) in thread.join().expect("no panic").0 {
                both.add(Nanos(now), grants);
            }
        }
        assert_eq!(both.overrun(settings), None);
        assert!(both.total() * 100 >= (burst_count + 30_000 * 999 / 1_000) * 97);
    }
}
