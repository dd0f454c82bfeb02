//! What one token costs: from a shard's stash, from the pool, from a pool that another shard is
//! taking from all the while, and when it is refused.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use criterion::{Criterion, criterion_group, criterion_main};
use shardgate::base::Nanos;
use shardgate::coord::{Decision, ShardBucket, TokenPool, TokenPools};

/// As fast as a pool gets: a token every 10 ns, of which a take per 100 ns leaves plenty.
const RATE_PER_SECOND: f64 = 1e8;
const STEP_NANOS: u64 = 100;
/// Small enough that nothing is stashed.
const SMALL_BURST: u64 = 100;
const LARGE_BURST: u64 = 10_000_000;

fn take(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("throttle");
    let mut measure = |name: &str, pool: Arc<TokenPool>, expected: Decision| {
        let (mut bucket, mut now) = (ShardBucket::new(pool), Nanos(1));
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                now = Nanos(now.0 + STEP_NANOS);
                bucket.take(black_box(now))
            });
        });
        assert_eq!(bucket.take(now), expected, "{name} measured what it says");
    };
    let (pools, start) = (TokenPools::new(), Nanos(0));
    let pool = |key: &str, rate, burst| pools.get(key, rate, burst, 2, start);
    measure("stash", pool("stash", RATE_PER_SECOND, LARGE_BURST), Decision::Grant);
    measure("pool", pool("pool", RATE_PER_SECOND, SMALL_BURST), Decision::Grant);
    let never = Decision::Reject { retry_after_ms: u32::MAX };
    measure("refused", pool("refused", 0.0, 0), never);
    group.finish();
}

/// The other shard takes as fast as it can, so this is the worst that a small limit can cost.
fn take_contended(criterion: &mut Criterion) {
    let pool = TokenPools::new().get("contended", RATE_PER_SECOND, SMALL_BURST, 2, Nanos(0));
    let is_over = Arc::new(AtomicBool::new(false));
    let other = {
        let (mut bucket, is_over) = (ShardBucket::new(Arc::clone(&pool)), Arc::clone(&is_over));
        std::thread::spawn(move || {
            let mut now = Nanos(1);
            while !is_over.load(Ordering::Relaxed) {
                now = Nanos(now.0 + STEP_NANOS);
                black_box(bucket.take(now));
            }
        })
    };
    let (mut bucket, mut now) = (ShardBucket::new(pool), Nanos(1));
    criterion.bench_function("throttle/pool_contended", |bencher| {
        bencher.iter(|| {
            now = Nanos(now.0 + STEP_NANOS);
            bucket.take(black_box(now))
        });
    });
    is_over.store(true, Ordering::Relaxed);
    other.join().expect("the other shard does not panic");
}

criterion_group!(benches, take, take_contended);
criterion_main!(benches);
