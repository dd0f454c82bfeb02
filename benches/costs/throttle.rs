//! What one token costs: from a shard's stash, from the pool, from a pool that another shard is
//! taking from all the while, and when it is refused.

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use shardgate::base::Nanos;
use shardgate::coord::{Decision, ShardBucket, TokenPool, TokenPools};

use crate::measure::{Case, Measure};

/// As fast as a pool gets: a token every 10 ns, of which a take per 100 ns leaves plenty.
const RATE_PER_SECOND: f64 = 1e8;
const STEP_NANOS: u64 = 100;
/// Small enough that nothing is stashed.
const SMALL_BURST: u64 = 100;
const LARGE_BURST: u64 = 10_000_000;

pub(crate) fn cases(measure: &mut Measure) {
    let pool = |rate, burst| TokenPools::new().get("key", rate, burst, 2, Nanos(0));
    let never = Decision::Reject { retry_after_ms: u32::MAX };
    let kinds = [
        ("stash", RATE_PER_SECOND, LARGE_BURST, Decision::Grant),
        ("pool", RATE_PER_SECOND, SMALL_BURST, Decision::Grant),
        ("refused", 0.0, 0, never),
    ];
    for (name, rate, burst, expected) in kinds {
        measure.case(Case::new("throttle", name), || taking(pool(rate, burst), expected));
    }
    // The other shard takes as fast as it can, so this is the worst that a small limit can cost.
    measure.case(Case::new("throttle", "pool_contended"), || {
        let pool = pool(RATE_PER_SECOND, SMALL_BURST);
        let (mut bucket, other) = (ShardBucket::new(Arc::clone(&pool)), OtherShard::start(pool));
        let mut now = Nanos(1);
        move || {
            black_box(&other);
            now = Nanos(now.0 + STEP_NANOS);
            bucket.take(black_box(now))
        }
    });
}

/// Takes a token, and says so if the answer is not this one.
fn taking(pool: Arc<TokenPool>, expected: Decision) -> impl FnMut() -> Decision {
    let (mut bucket, mut now) = (ShardBucket::new(pool), Nanos(1));
    move || {
        now = Nanos(now.0 + STEP_NANOS);
        let decision = bucket.take(black_box(now));
        assert_eq!(decision, expected);
        decision
    }
}

/// A thread that takes tokens until this is dropped.
struct OtherShard {
    is_over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl OtherShard {
    fn start(pool: Arc<TokenPool>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&is_over);
        let thread = std::thread::spawn(move || {
            let (mut bucket, mut now) = (ShardBucket::new(pool), Nanos(1));
            while !told.load(Ordering::Relaxed) {
                now = Nanos(now.0 + STEP_NANOS);
                black_box(bucket.take(now));
            }
        });
        Self { is_over, thread: Some(thread) }
    }
}

impl Drop for OtherShard {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        let thread = self.thread.take().expect("ended once");
        thread.join().expect("the other shard does not panic");
    }
}
