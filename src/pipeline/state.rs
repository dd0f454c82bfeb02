//! What one shard owns while it serves: the adopted plan and the state behind its slots.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use crate::base::limits::{BODY_BUFFER_BYTES, BUFFER_BYTES};
use crate::base::{Nanos, RequestId, RequestIdSource};
use crate::coord::{AcmeChallenges, ShardBucket, TargetBoard, TokenPools};
use crate::observe::access_log::{AccessLogFormat, ShardLogSink};
use crate::observe::{PlanRecorder, ShardRecorder};
use crate::plan::{GroupSlot, Plan, ThrottleSlot};
use crate::proto::{RequestHead, ResponseHead};
use crate::rt::{Buffers, Deadlines};
use crate::upstream::Group;

/// One core's world. Never leaves its thread.
pub struct ShardState {
    /// Which shard this is, from 0.
    pub index: u16,
    /// Buffers that heads are read into, and answers' heads are written to.
    pub head_buffers: Buffers,
    /// Buffers that bodies are relayed through.
    pub body_buffers: Buffers,
    /// The deadlines of all sockets.
    pub deadlines: Deadlines,
    /// The counters.
    pub recorder: ShardRecorder,
    /// What authorities that validate names are answered.
    pub challenges: Arc<AcmeChallenges>,
    /// Lines for the access log, if one is kept.
    pub access_log: RefCell<Option<ShardLogSink>>,
    /// Whether the process is draining: every answer closes its connection.
    pub draining: Cell<bool>,
    /// Tasks that send the rest of a body: they may end a little after their connection.
    pub uploads_count: Cell<u32>,
    current: RefCell<Rc<ShardPlan>>,
    ids: RefCell<RequestIdSource>,
    // Boxes, because a head table is large and would be moved in and out of the stock.
    #[allow(clippy::vec_box)]
    request_heads: RefCell<Vec<Box<RequestHead>>>,
    #[allow(clippy::vec_box)]
    response_heads: RefCell<Vec<Box<ResponseHead>>>,
    http_date: Cell<[u8; 29]>,
    /// The wall clock in milliseconds, less the process clock in milliseconds.
    wall_clock_offset_ms: Cell<u64>,
}

/// A plan with this shard's state behind its slots.
pub struct ShardPlan {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The compiled access-log format, if there is a log.
    pub log_format: Option<AccessLogFormat>,
    /// Counts in this plan's slots.
    pub recorder: PlanRecorder,
    buckets: Vec<Rc<RefCell<ShardBucket>>>,
    groups: Vec<Rc<Group>>,
}

impl ShardState {
    /// The state of shard `index` with its first plan.
    #[must_use]
    pub fn new(
        index: u16,
        recorder: ShardRecorder,
        plan: ShardPlan,
        challenges: Arc<AcmeChallenges>,
        seed: [u64; 2],
        spare_buffers_count: usize,
        now: Nanos,
    ) -> Self {
        Self {
            index,
            head_buffers: Buffers::new(BUFFER_BYTES, spare_buffers_count),
            body_buffers: Buffers::new(BODY_BUFFER_BYTES, spare_buffers_count / 8),
            deadlines: Deadlines::new(now),
            recorder,
            challenges,
            access_log: RefCell::default(),
            draining: Cell::new(false),
            uploads_count: Cell::new(0),
            current: RefCell::new(Rc::new(plan)),
            ids: RefCell::new(RequestIdSource::new(seed)),
            request_heads: RefCell::default(),
            response_heads: RefCell::default(),
            http_date: Cell::new(*b"Thu, 01 Jan 1970 00:00:00 GMT"),
            wall_clock_offset_ms: Cell::new(0),
        }
    }

    /// The plan of this epoch: bumps a shard-local count. Taken once per request.
    #[inline]
    #[must_use]
    pub fn plan(&self) -> Rc<ShardPlan> {
        Rc::clone(&self.current.borrow())
    }

    /// Adopts a plan that was prepared. Requests under way keep the one that they began with.
    pub fn adopt(&self, plan: ShardPlan) {
        let newest = self.current.borrow().plan.epoch;
        assert!(plan.plan.epoch > newest, "epochs only grow");
        self.current.replace(Rc::new(plan));
    }

    /// An id for the next request.
    #[inline]
    pub fn next_request_id(&self) -> RequestId {
        self.ids.borrow_mut().next_id()
    }

    /// 64 random bits.
    pub fn next_random(&self) -> u64 {
        self.ids.borrow_mut().next_u64()
    }

    /// An empty table for a request's head.
    #[must_use]
    pub fn take_request_head(&self) -> Box<RequestHead> {
        self.request_heads.borrow_mut().pop().unwrap_or_default()
    }

    /// Puts a table back.
    pub fn put_request_head(&self, head: Box<RequestHead>) {
        keep(&self.request_heads, head);
    }

    /// An empty table for an answer's head.
    #[must_use]
    pub fn take_response_head(&self) -> Box<ResponseHead> {
        self.response_heads.borrow_mut().pop().unwrap_or_default()
    }

    /// Puts a table back.
    pub fn put_response_head(&self, head: Box<ResponseHead>) {
        keep(&self.response_heads, head);
    }

    /// The value of `Date` for answers that the gateway makes (RFC 9110 section 6.6.1), to the
    /// second.
    #[must_use]
    pub fn http_date(&self) -> [u8; 29] {
        self.http_date.get()
    }

    /// The wall clock at `at`, in milliseconds since 1970, as of the last tick.
    #[must_use]
    pub fn unix_millis_at(&self, at: Nanos) -> u64 {
        self.wall_clock_offset_ms.get() + at.as_millis()
    }

    /// Sets the wall clock against the process clock; called by the shard's housekeeping.
    pub fn set_wall_clock(&self, unix_ms: u64, at: Nanos) {
        self.wall_clock_offset_ms.set(unix_ms.saturating_sub(at.as_millis()));
    }

    /// Sets the value of `Date`; called by the shard's housekeeping.
    pub fn set_http_date(&self, date: [u8; 29]) {
        self.http_date.set(date);
    }
}

/// Spare head tables that a shard keeps.
const SPARE_HEADS_MAX: usize = 256;

fn keep<T>(stock: &RefCell<Vec<Box<T>>>, one: Box<T>) {
    let mut stock = stock.borrow_mut();
    if stock.len() < SPARE_HEADS_MAX {
        stock.push(one);
    }
}

/// Where a shard gets the state that it shares with others.
pub struct PlanSources<'s> {
    /// Where the plan's counters come from.
    pub recorder: &'s ShardRecorder,
    /// The pools that buckets lease from.
    pub pools: &'s TokenPools,
    /// The addresses of each group.
    pub targets: &'s TargetBoard,
    /// How many shards there are.
    pub shards_count: u32,
    /// The instant of adoption.
    pub now: Nanos,
    /// For choices by chance.
    pub seed: u64,
}

impl ShardPlan {
    /// Puts state behind the slots of `plan`; what survives from `before` is carried over, so that
    /// a deployment refunds no burst and drops no upstream connection.
    #[must_use]
    pub fn new(plan: Arc<Plan>, before: Option<&Self>, sources: &PlanSources<'_>) -> Self {
        let old_buckets: HashMap<&str, &Rc<RefCell<ShardBucket>>> = before
            .into_iter()
            .flat_map(|before| before.plan.throttles.iter().zip(&before.buckets))
            .map(|(throttle, bucket)| (&*throttle.key, bucket))
            .collect();
        let buckets = plan.throttles.iter().map(|throttle| {
            let pool = sources.pools.get(
                &throttle.key,
                throttle.rate_per_second,
                throttle.burst_count,
                sources.shards_count,
                sources.now,
            );
            if let Some(bucket) = old_buckets.get(&*throttle.key) {
                bucket.borrow_mut().adopt(pool);
                return Rc::clone(bucket);
            }
            Rc::new(RefCell::new(ShardBucket::new(pool)))
        });
        let buckets = buckets.collect();
        let groups = plan.groups.iter().map(|settings| {
            let targets = sources.targets.find(&settings.name);
            if let Some(group) = before.and_then(|before| before.group_by_name(&settings.name)) {
                group.renew(settings, targets.as_deref(), sources.now);
                group.reach_over(plan.tls.upstreams.get(&settings.name));
                return group;
            }
            let group = Group::new(settings, targets.as_deref(), sources.now, sources.seed);
            group.reach_over(plan.tls.upstreams.get(&settings.name));
            Rc::new(group)
        });
        let groups: Vec<Rc<Group>> = groups.collect();
        let log_format =
            plan.access_log.as_ref().and_then(|log| AccessLogFormat::compile(&log.format).ok());
        let recorder = sources.recorder.adopt(plan.epoch);
        for (slot, group) in (0_u32..).zip(&groups) {
            group.record_with(recorder.group(GroupSlot(slot)).clone());
        }
        Self { plan, log_format, recorder, buckets, groups }
    }

    /// The bucket behind a slot.
    #[inline]
    #[must_use]
    pub fn bucket(&self, slot: ThrottleSlot) -> &RefCell<ShardBucket> {
        &self.buckets[slot.0 as usize]
    }

    /// The target group behind a slot.
    #[inline]
    #[must_use]
    pub fn group(&self, slot: GroupSlot) -> &Rc<Group> {
        &self.groups[slot.0 as usize]
    }

    /// All groups.
    #[must_use]
    pub fn groups(&self) -> &[Rc<Group>] {
        &self.groups
    }

    /// The group of this name.
    #[must_use]
    pub fn group_by_name(&self, name: &str) -> Option<Rc<Group>> {
        let index = self.plan.groups.iter().position(|group| group.name == name)?;
        self.groups.get(index).cloned()
    }
}
