//! Puts a new plan in force on all shards, or on none. Runs on the side thread.
//!
//! Two steps. First every shard prepares: whatever can fail, fails here, and then every shard
//! forgets the plan and the old one stays in force. Only when all have answered is the plan
//! adopted, which no shard can refuse. A shard waits for nobody: it answers and goes on serving.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{Instant, timeout_at};

use super::message::{Ack, Answer, ShardGear, ShardMessage};
use super::{HealthChange, Sender};
use crate::plan::Plan;

/// Why a plan is not in force everywhere. After all but [`PublishError::NotAdopted`] the old plan
/// is in force on every shard, as if nothing had happened.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum PublishError {
    /// A newer plan is in force: this one was compiled before it.
    #[error("epoch {epoch} is not newer than epoch {in_force}, which is in force")]
    Stale {
        /// The plan's epoch.
        epoch: u64,
        /// The epoch in force.
        in_force: u64,
    },
    /// A shard cannot prepare the plan.
    #[error("shard {shard} refused epoch {epoch}: {reason}")]
    Refused {
        /// The first shard that refused.
        shard: usize,
        /// The plan's epoch.
        epoch: u64,
        /// The shard's reason.
        reason: String,
    },
    /// A shard does not read its mail, or has ended.
    #[error("shard {shard} takes no mail, so epoch {epoch} was not prepared")]
    Unreachable {
        /// The shard.
        shard: usize,
        /// The plan's epoch.
        epoch: u64,
    },
    /// Shards did not answer in time whether they are prepared.
    #[error("epoch {epoch} was not prepared within {waited_ms} ms by shards {shards:?}")]
    NotPrepared {
        /// The plan's epoch.
        epoch: u64,
        /// How long was waited.
        waited_ms: u64,
        /// The shards without an answer.
        shards: Vec<usize>,
    },
    /// The plan is in force, but these shards have not said so: they are stuck or gone. They
    /// adopt it as soon as they read their mail.
    #[error("epoch {epoch} is in force, but shards {shards:?} have not adopted it: {reason}")]
    NotAdopted {
        /// The plan's epoch.
        epoch: u64,
        /// The shards.
        shards: Vec<usize>,
        /// What is known of the first.
        reason: String,
    },
}

/// The one place from which epochs come.
#[derive(Debug)]
pub struct Publisher {
    shards: Vec<Sender<ShardMessage>>,
    answer_timeout: Duration,
    newest: AtomicU64,
    /// The epoch in force. Held for the length of a publication, so that there is one at a time.
    in_force: Mutex<u64>,
}

impl Publisher {
    /// Publishes to `shards`, in the order of their indexes, which run the plan of epoch
    /// `in_force`. `answer_timeout` bounds each of the two steps.
    #[must_use]
    pub fn new(shards: Vec<Sender<ShardMessage>>, in_force: u64, answer_timeout: Duration) -> Self {
        Self {
            shards,
            answer_timeout,
            newest: AtomicU64::new(in_force),
            in_force: Mutex::new(in_force),
        }
    }

    /// A number for the next plan, greater than every number before.
    #[must_use]
    pub fn next_epoch(&self) -> u64 {
        self.newest.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Puts `plan` in force on all shards. Waits while another plan is being published.
    ///
    /// If the future is dropped while shards prepare, the plan is abandoned; later it is in force.
    pub async fn publish(&self, plan: Arc<Plan>) -> Result<(), PublishError> {
        self.publish_with(plan, Vec::new()).await
    }

    /// [`Publisher::publish`], with what was opened for each shard, by shard index. A shard for
    /// which there is nothing gets an empty [`ShardGear`].
    pub async fn publish_with(
        &self,
        plan: Arc<Plan>,
        gear: Vec<ShardGear>,
    ) -> Result<(), PublishError> {
        let mut in_force = self.in_force.lock().await;
        let epoch = plan.epoch;
        if epoch <= *in_force {
            return Err(PublishError::Stale { epoch, in_force: *in_force });
        }
        self.newest.fetch_max(epoch, Ordering::Relaxed);
        let mut attempt = Attempt { publisher: self, epoch, is_decided: false };
        attempt.prepare(&plan, gear).await?;
        let answers = attempt.adopt();
        *in_force = epoch;
        attempt.await_adopted(answers).await
    }

    /// Sends a message to every shard in its control lane: drain, stop, reopen the log. Answers
    /// with the shards that take no mail.
    pub fn send_control(&self, message: impl Fn() -> ShardMessage) -> Vec<usize> {
        self.send_each(|sender| sender.try_send_control(message()))
    }

    /// Sends a message to every shard in its bulk lane: targets, health. Answers with the shards
    /// whose lane is full or that have ended.
    pub fn send_bulk(&self, message: impl Fn() -> ShardMessage) -> Vec<usize> {
        self.send_each(|sender| sender.try_send(message()))
    }

    /// Tells every shard of a target whose health changed; those that miss it still see it in the
    /// cell.
    pub fn send_health(&self, change: &HealthChange) -> Vec<usize> {
        self.send_bulk(|| ShardMessage::Health(change.clone()))
    }

    fn send_each(
        &self,
        send: impl Fn(&Sender<ShardMessage>) -> Result<(), ShardMessage>,
    ) -> Vec<usize> {
        let indexed = self.shards.iter().enumerate();
        indexed.filter_map(|(shard, sender)| send(sender).err().map(|_| shard)).collect()
    }
}

/// One publication. Dropped before it is decided, it takes the plan back.
struct Attempt<'a> {
    publisher: &'a Publisher,
    epoch: u64,
    is_decided: bool,
}

impl Attempt<'_> {
    async fn prepare(&self, plan: &Arc<Plan>, gear: Vec<ShardGear>) -> Result<(), PublishError> {
        let mut gear = gear.into_iter();
        let epoch = self.epoch;
        let (answers, inbox) = unbounded_channel();
        for (shard, sender) in self.publisher.shards.iter().enumerate() {
            let ack = Ack::new(shard, answers.clone());
            sender
                .try_send_control(ShardMessage::Prepare {
                    plan: Arc::clone(plan),
                    gear: gear.next().unwrap_or_default(),
                    ack,
                })
                .map_err(|_| PublishError::Unreachable { shard, epoch })?;
        }
        drop(answers);
        match self.await_answers(inbox).await {
            Wait::Complete => Ok(()),
            Wait::Refused(Answer { shard, outcome }) => {
                let reason = outcome.err().unwrap_or_default();
                Err(PublishError::Refused { shard, epoch, reason })
            }
            Wait::TimedOut(shards) => Err(PublishError::NotPrepared {
                epoch,
                waited_ms: u64::try_from(self.publisher.answer_timeout.as_millis())
                    .unwrap_or(u64::MAX),
                shards,
            }),
        }
    }

    /// From here on the plan is in force. There is no await between the sends: either all are
    /// sent or none.
    fn adopt(&mut self) -> UnboundedReceiver<Answer> {
        self.is_decided = true;
        let (answers, inbox) = unbounded_channel();
        for (shard, sender) in self.publisher.shards.iter().enumerate() {
            let ack = Ack::new(shard, answers.clone());
            // A shard that has just answered a prepare has read its control lane up to there, so
            // the lane is not full; if the shard has ended since, the dropped ack says so.
            drop(sender.try_send_control(ShardMessage::Adopt { epoch: self.epoch, ack }));
        }
        inbox
    }

    async fn await_adopted(&self, inbox: UnboundedReceiver<Answer>) -> Result<(), PublishError> {
        let epoch = self.epoch;
        match self.await_answers(inbox).await {
            Wait::Complete => Ok(()),
            Wait::Refused(Answer { shard, outcome }) => Err(PublishError::NotAdopted {
                epoch,
                shards: vec![shard],
                reason: outcome.err().unwrap_or_default(),
            }),
            Wait::TimedOut(shards) => {
                let reason = "no answer in time".to_owned();
                Err(PublishError::NotAdopted { epoch, shards, reason })
            }
        }
    }

    async fn await_answers(&self, mut inbox: UnboundedReceiver<Answer>) -> Wait {
        let deadline = Instant::now() + self.publisher.answer_timeout;
        let mut missing: Vec<usize> = (0..self.publisher.shards.len()).collect();
        while !missing.is_empty() {
            match timeout_at(deadline, inbox.recv()).await {
                Ok(Some(answer)) if answer.outcome.is_ok() => {
                    missing.retain(|shard| *shard != answer.shard);
                }
                Ok(Some(refusal)) => return Wait::Refused(refusal),
                Ok(None) | Err(_) => return Wait::TimedOut(missing),
            }
        }
        Wait::Complete
    }
}

enum Wait {
    Complete,
    Refused(Answer),
    TimedOut(Vec<usize>),
}

impl Drop for Attempt<'_> {
    fn drop(&mut self) {
        if !self.is_decided {
            let epoch = self.epoch;
            // A shard whose lane is full never took the prepare either, or meets a newer one.
            self.publisher.send_control(|| ShardMessage::Abandon { epoch });
        }
    }
}
