//! What one shard owns while it serves: the adopted plan and the state behind its slots.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use super::deployed::FunctionScratch;
use crate::base::limits::{BODY_BUFFER_BYTES, BUFFER_BYTES};
use crate::base::{Nanos, RequestId, RequestIdSource};
use crate::coord::{AcmeChallenges, FunctionBoard, ShardBucket, TargetBoard, TokenPools, TrialLog};
use crate::observe::access_log::{AccessLogFormat, CLF_BYTES, ClfClock, ShardLogSink};
use crate::observe::{PlanRecorder, ShardRecorder};
use crate::plan::{FunctionSlot, GroupSlot, Plan, StagePlan, ThrottlePlan, ThrottleSlot};
use crate::proto::{RequestHead, ResponseHead};
use crate::rt::{Buffers, Deadlines};
use crate::runtime::{Runtimes, ShardFunction};
use crate::sign::SigningKeys;
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
    /// Functions that run on this machine.
    pub runtimes: Rc<Runtimes>,
    /// What becomes of the one request that is served, where that is a trial.
    pub trial: Option<Rc<TrialLog>>,
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
    clf_clock: ClfClock,
    /// The wall clock in milliseconds, less the process clock in milliseconds.
    wall_clock_offset_ms: Cell<u64>,
    /// With what requests are signed today.
    pub(super) signing_keys: SigningKeys,
    /// Where events of functions are made.
    pub(super) function_scratch: RefCell<FunctionScratch>,
}

/// A plan with this shard's state behind its slots.
pub struct ShardPlan {
    /// The plan.
    pub plan: Arc<Plan>,
    /// The compiled access-log format, if there is a log.
    pub log_format: Option<AccessLogFormat>,
    /// Counts for the plan's stages.
    pub recorder: PlanRecorder,
    /// By index of the stage.
    stages: Vec<Rc<ShardStage>>,
    account_bucket: Option<Bucket>,
    /// By index in the plan.
    groups: Vec<Rc<Group>>,
    /// What its stages call functions of this machine by; the same for all plans of a shard.
    runtimes: Rc<Runtimes>,
}

/// A token bucket's share on this shard. Stages that throttle by the same key have the same one.
type Bucket = Rc<RefCell<ShardBucket>>;

/// One stage with this shard's state behind its slots.
pub struct ShardStage {
    /// The stage.
    pub plan: Arc<StagePlan>,
    buckets: Vec<Bucket>,
    groups: Vec<Rc<Group>>,
    /// `None` is bound no longer.
    functions: Vec<Option<Rc<ShardFunction>>>,
}

impl ShardStage {
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

    /// The function behind a slot, if it is bound.
    #[must_use]
    pub fn function(&self, slot: FunctionSlot) -> Option<&Rc<ShardFunction>> {
        self.functions.get(slot.0 as usize)?.as_ref()
    }
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
            runtimes: Rc::clone(&plan.runtimes),
            access_log: RefCell::default(),
            trial: None,
            draining: Cell::new(false),
            uploads_count: Cell::new(0),
            current: RefCell::new(Rc::new(plan)),
            ids: RefCell::new(RequestIdSource::new(seed)),
            request_heads: RefCell::default(),
            response_heads: RefCell::default(),
            clf_clock: ClfClock::default(),
            http_date: Cell::new(*b"Thu, 01 Jan 1970 00:00:00 GMT"),
            wall_clock_offset_ms: Cell::new(0),
            signing_keys: SigningKeys::new(),
            function_scratch: RefCell::default(),
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

    /// A random UUID, as text.
    pub fn next_uuid(&self) -> [u8; 36] {
        self.ids.borrow_mut().next_uuid()
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

    /// The wall clock at `at` as the Common Log Format has it.
    #[must_use]
    pub fn clf_time(&self, at: Nanos) -> [u8; CLF_BYTES] {
        self.clf_clock.text(self.unix_millis_at(at))
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
    /// The functions of this machine.
    pub functions: &'s FunctionBoard,
    /// How this shard has them.
    pub runtimes: &'s Rc<Runtimes>,
    /// How many shards there are.
    pub shards_count: u32,
    /// The instant of adoption.
    pub now: Nanos,
    /// For choices by chance.
    pub seed: u64,
}

impl ShardPlan {
    /// Puts state behind the slots of `plan`; what survives from `before` is carried over, so that
    /// a deployment refunds no burst and drops no upstream connection. A stage that did not change
    /// keeps all that it has.
    #[must_use]
    pub fn new(plan: Arc<Plan>, before: Option<&Self>, sources: &PlanSources<'_>) -> Self {
        let log_format =
            plan.access_log.as_ref().and_then(|log| AccessLogFormat::compile(&log.format).ok());
        let recorder = sources.recorder.adopt(plan.epoch);
        let groups = groups(&plan, before, &recorder, sources);
        let account_bucket = plan.account_throttle.as_ref().map(|throttle| {
            let before = before.and_then(|before| before.account_bucket.clone());
            bucket(throttle, before, sources)
        });
        let stages = stages(&plan, before, &groups, sources);
        let runtimes = Rc::clone(sources.runtimes);
        Self { plan, log_format, recorder, stages, account_bucket, groups, runtimes }
    }

    /// The stage at this index of the plan.
    #[inline]
    #[must_use]
    pub fn stage(&self, index: u32) -> Option<&Rc<ShardStage>> {
        self.stages.get(index as usize)
    }

    /// The bucket of the limit over all stages together.
    #[inline]
    #[must_use]
    pub fn account_bucket(&self) -> Option<&RefCell<ShardBucket>> {
        self.account_bucket.as_deref()
    }

    /// All groups.
    #[must_use]
    pub fn groups(&self) -> &[Rc<Group>] {
        &self.groups
    }
}

/// The groups of `plan`, by their index; those whose name was there before go on.
fn groups(
    plan: &Plan,
    before: Option<&ShardPlan>,
    recorder: &PlanRecorder,
    sources: &PlanSources<'_>,
) -> Vec<Rc<Group>> {
    let by_name: HashMap<&str, &Rc<Group>> = before
        .into_iter()
        .flat_map(|before| before.plan.groups.iter().zip(&before.groups))
        .map(|(settings, group)| (&*settings.name, group))
        .collect();
    let groups = plan.groups.iter().enumerate().map(|(index, settings)| {
        let targets = sources.targets.find(&settings.name);
        let tls = plan.tls.upstreams.get(&settings.name);
        if let Some(group) = by_name.get(&*settings.name) {
            group.renew(settings, targets.as_deref(), sources.now);
            group.reach_over(tls);
            return Rc::clone(group);
        }
        let recorder = recorder.group(index).clone();
        let targets = targets.as_deref();
        let group = Group::new(settings, targets, recorder, sources.now, sources.seed);
        group.reach_over(tls);
        Rc::new(group)
    });
    groups.collect()
}

/// The stages of `plan`, by their index.
fn stages(
    plan: &Plan,
    before: Option<&ShardPlan>,
    groups: &[Rc<Group>],
    sources: &PlanSources<'_>,
) -> Vec<Rc<ShardStage>> {
    let stages_before = || before.into_iter().flat_map(|before| &before.stages);
    let same: HashMap<*const StagePlan, &Rc<ShardStage>> =
        stages_before().map(|stage| (Arc::as_ptr(&stage.plan), stage)).collect();
    let mut stages: Vec<_> =
        plan.stages.iter().map(|stage| same.get(&Arc::as_ptr(stage)).copied().cloned()).collect();
    if stages.iter().all(Option::is_some) {
        return stages.into_iter().flatten().collect();
    }
    let groups_by_name: HashMap<&str, &Rc<Group>> =
        plan.groups.iter().zip(groups).map(|(settings, group)| (&*settings.name, group)).collect();
    let mut buckets = Buckets::default();
    for stage in stages_before() {
        buckets.of_api.entry(&stage.plan.labels.api_id).or_default().push(stage);
    }
    for (place, stage) in stages.iter_mut().zip(&plan.stages) {
        if place.is_none() {
            let names = stage.groups.iter().map(|name| &**name);
            *place = Some(Rc::new(ShardStage {
                plan: Arc::clone(stage),
                buckets: buckets.of(stage, sources),
                groups: names
                    .filter_map(|name| groups_by_name.get(name).copied().cloned())
                    .collect(),
                functions: functions(stage, sources),
            }));
        }
    }
    stages.into_iter().flatten().collect()
}

/// The functions of this machine that a stage names.
fn functions(stage: &StagePlan, sources: &PlanSources<'_>) -> Vec<Option<Rc<ShardFunction>>> {
    let find = |name: &str| sources.functions.find(name);
    let found = stage.functions.iter().map(|name| find(name));
    found.map(|found| found.map(|one| sources.runtimes.function(&one))).collect()
}

/// Buckets while stages are given theirs.
#[derive(Default)]
struct Buckets<'b> {
    /// The stages before, by API: keys hold its id, so a bucket of a stage was one of these.
    of_api: HashMap<&'b str, Vec<&'b Rc<ShardStage>>>,
    /// Those that were given to a new stage.
    given: HashMap<Box<str>, Bucket>,
}

impl Buckets<'_> {
    fn of(&mut self, stage: &StagePlan, sources: &PlanSources<'_>) -> Vec<Bucket> {
        let of_api = self.of_api.get(&*stage.labels.api_id).map_or(&[][..], Vec::as_slice);
        let before =
            of_api.iter().flat_map(|stage| stage.plan.throttles.iter().zip(&stage.buckets));
        let before: HashMap<&str, &Bucket> =
            before.map(|(throttle, bucket)| (&*throttle.key, bucket)).collect();
        let throttles = stage.throttles.iter().map(|throttle| {
            if let Some(given) = self.given.get(&throttle.key) {
                return Rc::clone(given);
            }
            let bucket = bucket(throttle, before.get(&*throttle.key).copied().cloned(), sources);
            self.given.insert(throttle.key.clone(), Rc::clone(&bucket));
            bucket
        });
        throttles.collect()
    }
}

/// The bucket of `throttle`: the one before, on the pool that there is now, or a new one.
fn bucket(throttle: &ThrottlePlan, before: Option<Bucket>, sources: &PlanSources<'_>) -> Bucket {
    let pool = sources.pools.get(
        &throttle.key,
        throttle.rate_per_second,
        throttle.burst_count,
        sources.shards_count,
        sources.now,
    );
    match before {
        Some(bucket) => {
            bucket.borrow_mut().adopt(pool);
            bucket
        }
        None => Rc::new(RefCell::new(ShardBucket::new(pool))),
    }
}
