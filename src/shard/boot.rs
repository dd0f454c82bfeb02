//! Starts a shard.

use std::cell::{Cell, RefCell};
use std::hash::{BuildHasher, Hasher, RandomState};
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::thread::JoinHandle;

use super::listeners::OpenListeners;
use super::{Shard, accept, housekeeping, mail};
use crate::coord::{
    AcmeChallenges, ConnectionBoard, FunctionBoard, Receiver, Sender, ShardGear, ShardMessage,
    TargetBoard, TokenPools, UpstreamBoard,
};
use crate::observe::ShardMetrics;
use crate::pipeline::{PlanSources, ShardPlan, ShardState};
use crate::plan::Plan;
use crate::rt::{DriverChoice, RingOptions, now, run, spawn};
use crate::runtime::Runtimes;

/// How one shard shall run.
#[derive(Clone, Debug)]
pub struct ShardOptions {
    /// Which shard this is, from 0.
    pub index: u16,
    /// The core to pin it to; `None` leaves it to the scheduler.
    pub core: Option<usize>,
    /// The I/O driver.
    pub driver: DriverChoice,
    /// Size of the ring.
    pub ring: RingOptions,
    /// Unused head buffers to keep; an eighth as many for bodies.
    pub buffers_spare_count: usize,
    /// A bound on connections in place of the plan's.
    pub connections_max: Option<u32>,
    /// Names of the only listeners that this shard accepts from; `None` is all.
    pub listeners: Option<Vec<String>>,
    /// Hand accepted connections over to shards that have clearly fewer.
    pub rebalances: bool,
}

/// What all shards of the process share.
#[derive(Debug)]
pub struct Shared {
    /// Token pools, by key.
    pub pools: TokenPools,
    /// Addresses and health of targets.
    pub targets: Arc<TargetBoard>,
    /// How each shard sees its targets.
    pub upstreams: Arc<UpstreamBoard>,
    /// What authorities that validate names are answered.
    pub challenges: Arc<AcmeChallenges>,
    /// Functions of this machine.
    pub functions: Arc<FunctionBoard>,
    /// Connections per shard.
    pub connections: Arc<ConnectionBoard>,
    /// The mailboxes of the shards, by index.
    pub mailboxes: Vec<Sender<ShardMessage>>,
}

impl Shared {
    /// How many shards there are.
    #[must_use]
    pub fn shards_count(&self) -> u32 {
        u32::try_from(self.mailboxes.len()).unwrap_or(u32::MAX)
    }
}

/// What one shard is given at its start.
pub struct ShardParts {
    /// Its mail.
    pub mail: Receiver<ShardMessage>,
    /// Its counters, prepared for `plan`.
    pub metrics: Arc<ShardMetrics>,
    /// The first plan.
    pub plan: Arc<Plan>,
    /// Its sockets, and its sink of access-log lines if there is a log.
    pub gear: ShardGear,
}

/// Starts the thread of a shard, and waits until it accepts connections or has failed to. The
/// thread ends after a drain or a stop.
pub fn start(
    options: ShardOptions,
    shared: Arc<Shared>,
    parts: ShardParts,
) -> io::Result<JoinHandle<io::Result<()>>> {
    let name = format!("shard-{}", options.index);
    let (accepts, told) = std::sync::mpsc::sync_channel(1);
    let thread = std::thread::Builder::new().name(name).spawn(move || {
        if let Some(core) = options.core {
            core_affinity::set_for_current(core_affinity::CoreId { id: core });
        }
        run(options.driver, options.ring, |report| async move {
            let recorder = parts.metrics.recorder();
            recorder.driver_started(&report);
            tracing::info!(shard = options.index, driver = %report, "shard started");
            let at = now();
            let seed = [random(), random()];
            let runtimes =
                Runtimes::new(options.index.into(), shared.mailboxes.clone(), recorder.clone());
            let sources = PlanSources {
                recorder: &recorder,
                pools: &shared.pools,
                targets: &shared.targets,
                functions: &shared.functions,
                runtimes: &runtimes,
                shards_count: shared.shards_count(),
                now: at,
                seed: seed[0] ^ seed[1],
            };
            let plan = ShardPlan::new(parts.plan, None, &sources);
            let spare_count = options.buffers_spare_count;
            let challenges = Arc::clone(&shared.challenges);
            let state =
                ShardState::new(options.index, recorder, plan, challenges, seed, spare_count, at);
            state.access_log.replace(parts.gear.access_log);
            let shard = Rc::new(Shard {
                options,
                shared,
                state: Rc::new(state),
                workers: Rc::default(),
                listeners: RefCell::new(OpenListeners::default()),
                prepared: RefCell::default(),
                view: RefCell::default(),
                targets_version: Cell::new(0),
                connections_count: Cell::new(0),
                accepting_count: Cell::new(0),
                drain_deadline: Cell::new(None),
                stops: Cell::new(false),
            });
            accept::open_listeners(&shard, parts.gear.sockets)?;
            // Nobody listens any more if the process has given up.
            let _ = accepts.send(());
            spawn(mail::read(Rc::clone(&shard), parts.mail));
            housekeeping::run(&shard).await;
            Ok(())
        })?
    })?;
    match told.recv() {
        Ok(()) => Ok(thread),
        // It ended without a word: its answer says why.
        Err(_) => match thread.join() {
            Ok(Err(error)) => Err(error),
            Ok(Ok(())) => Err(io::Error::other("it ended at once")),
            Err(_) => Err(io::Error::other("it panicked")),
        },
    }
}

/// 64 bits that differ from process to process and shard to shard.
fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
