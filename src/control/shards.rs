//! The shards as the process sees them: started, reached by mail, and noticed when they end.
//!
//! How a shard runs is not known here. Whoever puts the process together says how one is started
//! ([`StartShard`]).

use std::io;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::task::JoinSet;

use super::configuration::ShardPlace;
use crate::base::Nanos;
use crate::coord::{
    AcmeChallenges, FunctionBoard, Publisher, Receiver, Sender, ShardGear, ShardMessage,
    TargetBoard, UpstreamBoard, mailbox,
};
use crate::observe::{DeadlineKind, Metrics, ShardMetrics};
use crate::plan::Plan;
use crate::rt;

/// Starts a shard's thread. Returns once the shard accepts connections, or with the reason why it
/// cannot; the thread's own answer says why it ended, if it was not told to.
pub type StartShard = Box<dyn FnMut(ShardSeat) -> io::Result<JoinHandle<io::Result<()>>>>;

/// Everything that a shard is started with.
#[derive(Debug)]
pub struct ShardSeat {
    /// The shard's number, from 0.
    pub index: u16,
    /// How many shards there are.
    pub count: u16,
    /// Where it runs.
    pub place: ShardPlace,
    /// The plan that it starts with.
    pub plan: Arc<Plan>,
    /// Its sockets and its end of the access log.
    pub gear: ShardGear,
    /// Its mail.
    pub inbox: Receiver<ShardMessage>,
    /// The mailboxes of all shards, by index.
    pub peers: Arc<[Sender<ShardMessage>]>,
    /// Its counters.
    pub metrics: Arc<ShardMetrics>,
    /// Where targets are.
    pub targets: Arc<TargetBoard>,
    /// Where the shard tells how it sees them.
    pub upstreams: Arc<UpstreamBoard>,
    /// What it answers to authorities that validate names.
    pub challenges: Arc<AcmeChallenges>,
    /// Functions of this machine.
    pub functions: Arc<FunctionBoard>,
}

/// The mailboxes of shards that are yet to start.
#[derive(Debug)]
pub(crate) struct Mailboxes {
    pub(crate) senders: Arc<[Sender<ShardMessage>]>,
    receivers: Vec<Receiver<ShardMessage>>,
}

impl Mailboxes {
    pub(crate) fn open(count: usize) -> io::Result<Self> {
        let mailboxes = (0..count).map(|_| mailbox(MAILBOX_CAPACITY));
        let (senders, receivers): (Vec<_>, Vec<_>) =
            mailboxes.collect::<io::Result<Vec<_>>>()?.into_iter().unzip();
        Ok(Self { senders: senders.into(), receivers })
    }
}

/// What all shards are given alike.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Boards<'a> {
    pub(crate) targets: &'a Arc<TargetBoard>,
    pub(crate) challenges: &'a Arc<AcmeChallenges>,
    pub(crate) functions: &'a Arc<FunctionBoard>,
}

/// All shards of the process.
#[derive(Debug)]
pub(crate) struct Shards {
    publisher: Arc<Publisher>,
    metrics: Vec<Arc<ShardMetrics>>,
    upstreams: Arc<UpstreamBoard>,
    /// One task per shard that waits for its end.
    ends: JoinSet<(u16, Result<(), String>)>,
}

impl Shards {
    /// Starts a shard at each place. If one cannot be started, those that were are told to stop.
    pub(crate) fn start(
        places: &[ShardPlace],
        plan: &Arc<Plan>,
        mut gear: Vec<ShardGear>,
        metrics: &Metrics,
        mailboxes: Mailboxes,
        boards: Boards<'_>,
        start: &mut StartShard,
    ) -> io::Result<Self> {
        let count = u16::try_from(places.len())
            .map_err(|_| io::Error::other("more shards than can be numbered"))?;
        let Mailboxes { senders: peers, receivers: inboxes } = mailboxes;
        let publisher = Publisher::new(peers.to_vec(), plan.epoch, ANSWER_TIMEOUT);
        let mut shards = Self {
            publisher: Arc::new(publisher),
            metrics: Vec::new(),
            upstreams: UpstreamBoard::new(places.len()),
            ends: JoinSet::new(),
        };
        gear.resize_with(places.len(), ShardGear::default);
        let seats = (0..).zip(places).zip(inboxes).zip(gear);
        for (((index, place), inbox), gear) in seats {
            let counters = metrics
                .shard(index)
                .ok_or_else(|| io::Error::other("the metrics are of fewer shards"))?;
            shards.metrics.push(Arc::clone(&counters));
            let seat = ShardSeat {
                index,
                count,
                place: place.clone(),
                plan: Arc::clone(plan),
                gear,
                inbox,
                peers: Arc::clone(&peers),
                metrics: counters,
                targets: Arc::clone(boards.targets),
                upstreams: Arc::clone(&shards.upstreams),
                challenges: Arc::clone(boards.challenges),
                functions: Arc::clone(boards.functions),
            };
            match start(seat) {
                Ok(thread) => shards.watch(index, thread),
                Err(error) => {
                    shards.stop();
                    let reason = format!("shard {index} cannot be started: {error}");
                    return Err(io::Error::new(error.kind(), reason));
                }
            }
        }
        Ok(shards)
    }

    fn watch(&mut self, index: u16, thread: JoinHandle<io::Result<()>>) {
        self.ends.spawn_blocking(move || {
            let end = thread.join().unwrap_or_else(|_| Err(io::Error::other("it panicked")));
            (index, end.map_err(|error| error.to_string()))
        });
    }

    /// The way to put plans in force and to send mail to all.
    pub(crate) fn publisher(&self) -> &Arc<Publisher> {
        &self.publisher
    }

    /// How each shard sees its targets.
    pub(crate) fn upstreams(&self) -> &Arc<UpstreamBoard> {
        &self.upstreams
    }

    /// The counters of each shard.
    pub(crate) fn counters(&self) -> Vec<Arc<ShardMetrics>> {
        self.metrics.clone()
    }

    /// Waits for the next shard to end: its number, and why, if it was not told to. `None` when
    /// all have ended. May be dropped and called again.
    pub(crate) async fn next_end(&mut self) -> Option<(u16, Result<(), String>)> {
        let end = self.ends.join_next().await?;
        Some(end.unwrap_or_else(|error| (u16::MAX, Err(error.to_string()))))
    }

    /// Connections that the drain's deadline cut off.
    pub(crate) fn cut_count(&self) -> u64 {
        self.metrics.iter().map(|shard| shard.deadlines_fired(DeadlineKind::Drain)).sum()
    }

    /// Tells all to end at once.
    pub(crate) fn stop(&self) {
        self.publisher.send_control(|| ShardMessage::Stop);
    }

    /// The shards that have not turned their loop for longer than `span`.
    pub(crate) fn stuck(&self, span: Duration) -> Vec<u16> {
        stuck(&self.metrics, rt::now(), span)
    }
}

/// A shard that has not reported its first tick is starting, not stuck.
pub(crate) fn stuck(shards: &[Arc<ShardMetrics>], now: Nanos, span: Duration) -> Vec<u16> {
    let is_stuck = |shard: &&Arc<ShardMetrics>| {
        let last = shard.last_tick();
        last != Nanos(0) && now.since(last) > Nanos::from(span)
    };
    shards.iter().filter(is_stuck).map(|shard| shard.index()).collect()
}

/// Connections handed over and verdicts on targets that one shard may have unread. Neither is lost
/// if the lane is full: the connection stays where it is, the verdict is in its cell.
const MAILBOX_CAPACITY: NonZeroUsize = NonZeroUsize::new(1024).expect("not zero");
/// Bounds each of the two steps of an epoch. A shard answers in well under a millisecond; one that
/// does not answer for this long is stuck.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
