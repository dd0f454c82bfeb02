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

    /// The mailboxes of the shards, by index.
    #[must_use]
    pub fn mailboxes(&self) -> &[Sender<ShardMessage>] {
        &self.shards
    }

    /// How many shards there are.
    #[must_use]
    pub fn shards_count(&self) -> usize {
        self.shards.len()
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
                    gear: gear.next().map(Box::new).unwrap_or_default(),
                    ack,
                })
                .map_err(|_| PublishError::Unreachable { shard, epoch })?;
        }
        drop(answers);
        let answers = self.collect(inbox, |answers| answers.refusal.is_some()).await;
        if let Some((shard, reason)) = answers.refusal {
            return Err(PublishError::Refused { shard, epoch, reason });
        }
        if !answers.missing.is_empty() {
            let waited_ms = self.publisher.answer_timeout.as_millis();
            let waited_ms = u64::try_from(waited_ms).unwrap_or(u64::MAX);
            return Err(PublishError::NotPrepared { epoch, waited_ms, shards: answers.missing });
        }
        Ok(())
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
        let answers = self.collect(inbox, |_| false).await;
        if answers.missing.is_empty() {
            return Ok(());
        }
        let reason = answers.refusal.map(|(_, reason)| reason);
        Err(PublishError::NotAdopted {
            epoch: self.epoch,
            shards: answers.missing,
            reason: reason.unwrap_or_else(|| "no answer in time".to_owned()),
        })
    }

    /// Waits until every shard has answered, the time is over, or `is_enough` says so.
    async fn collect(
        &self,
        mut inbox: UnboundedReceiver<Answer>,
        is_enough: impl Fn(&Answers) -> bool,
    ) -> Answers {
        let deadline = Instant::now() + self.publisher.answer_timeout;
        let missing = (0..self.publisher.shards.len()).collect();
        let mut answers = Answers { missing, refusal: None };
        while !answers.missing.is_empty() && !is_enough(&answers) {
            // The channel closes when every ack is answered or dropped, which answers it too.
            let Ok(Some(Answer { shard, outcome })) = timeout_at(deadline, inbox.recv()).await
            else {
                break;
            };
            match outcome {
                Ok(()) => answers.missing.retain(|missing| *missing != shard),
                Err(reason) => answers.refusal = answers.refusal.or(Some((shard, reason))),
            }
        }
        answers
    }
}

struct Answers {
    /// Shards that have not said that the step is done.
    missing: Vec<usize>,
    /// The first shard that refused, and why.
    refusal: Option<(usize, String)>,
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

#[cfg(test)]
mod tests {
    use std::num::NonZeroUsize;

    use super::*;
    use crate::coord::{Receiver, mailbox};
    use crate::model::{Forwarding, Limits};

    /// Long enough for a loaded machine where answers come, none at all where they do not.
    const PATIENT: Duration = Duration::from_secs(600);
    const IMPATIENT: Duration = Duration::ZERO;

    fn plan(epoch: u64) -> Arc<Plan> {
        Arc::new(Plan {
            epoch,
            listeners: Vec::new(),
            addresses: None,
            hosts: Arc::default(),
            canaries: Vec::new(),
            stages: Vec::new(),
            groups: Vec::new(),
            limits: Limits::default(),
            forwarding: Forwarding::default(),
            access_log: None,
            account_throttle: None,
            tls: crate::plan::TlsPlan::default(),
        })
    }

    /// What a shard of these tests does with a prepare.
    #[derive(Clone, Copy, PartialEq)]
    enum Manner {
        Prepares,
        Refuses,
        Panics,
        KeepsSilent,
    }

    struct Shard {
        mail: Receiver<ShardMessage>,
        manner: Manner,
        prepared: Option<u64>,
        in_force: u64,
        unanswered: Vec<Ack>,
    }

    impl Shard {
        fn read_mail(&mut self) {
            while let Some(message) = self.mail.pop() {
                match message {
                    ShardMessage::Prepare { plan, ack, .. } => match self.manner {
                        Manner::Prepares => {
                            self.prepared = Some(plan.epoch);
                            ack.done();
                        }
                        Manner::Refuses => ack.refuse("port 80 is taken"),
                        Manner::Panics => drop(ack),
                        Manner::KeepsSilent => self.unanswered.push(ack),
                    },
                    ShardMessage::Adopt { epoch, ack } => {
                        assert_eq!(self.prepared.take(), Some(epoch), "adopted what it prepared");
                        self.in_force = epoch;
                        ack.done();
                    }
                    ShardMessage::Abandon { epoch } => {
                        self.prepared.take_if(|prepared| *prepared == epoch);
                    }
                    _ => {}
                }
            }
        }
    }

    fn shards(manners: &[Manner], answer_timeout: Duration) -> (Publisher, Vec<Shard>) {
        let capacity = NonZeroUsize::new(4).expect("not zero");
        let (senders, shards) = manners
            .iter()
            .map(|manner| {
                let (sender, mail) = mailbox(capacity).expect("descriptors are free");
                let (manner, unanswered) = (*manner, Vec::new());
                (sender, Shard { mail, manner, prepared: None, in_force: 1, unanswered })
            })
            .unzip();
        (Publisher::new(senders, 1, answer_timeout), shards)
    }

    /// Runs `work` while the shards read their mail in turn, until it is done.
    fn run<T>(shards: &mut [Shard], work: impl Future<Output = T>) -> T {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
        runtime.expect("a runtime").block_on(async {
            let mut work = std::pin::pin!(work);
            loop {
                tokio::select! {
                    biased;
                    done = &mut work => break done,
                    () = tokio::task::yield_now() => shards.iter_mut().for_each(Shard::read_mail),
                }
            }
        })
    }

    fn assert_untouched(shards: &mut [Shard]) {
        for shard in shards {
            shard.read_mail();
            assert_eq!((shard.in_force, shard.prepared), (1, None));
        }
    }

    #[test]
    fn a_plan_that_all_prepare_is_adopted_by_all() {
        let (publisher, mut shards) = shards(&[Manner::Prepares; 3], PATIENT);
        for epoch in [2, 3] {
            assert_eq!(publisher.next_epoch(), epoch);
            assert_eq!(run(&mut shards, publisher.publish(plan(epoch))), Ok(()));
            assert!(shards.iter().all(|shard| shard.in_force == epoch));
        }
        let stale = PublishError::Stale { epoch: 3, in_force: 3 };
        assert_eq!(run(&mut shards, publisher.publish(plan(3))), Err(stale));
    }

    #[test]
    fn a_refusal_of_one_leaves_all_on_the_old_plan() {
        for (manner, reason) in [
            (Manner::Refuses, "port 80 is taken"),
            (Manner::Panics, "the shard dropped the step without an answer"),
        ] {
            let manners = [Manner::Prepares, manner, Manner::Prepares];
            let (publisher, mut shards) = shards(&manners, PATIENT);
            let error = run(&mut shards, publisher.publish(plan(2))).expect_err("refused");
            let reason = reason.to_owned();
            assert_eq!(error, PublishError::Refused { shard: 1, epoch: 2, reason });
            assert_untouched(&mut shards);
            shards[1].manner = Manner::Prepares;
            assert_eq!(run(&mut shards, publisher.publish(plan(3))), Ok(()), "the next one works");
        }
    }

    #[test]
    fn silence_leaves_all_on_the_old_plan() {
        let (publisher, mut shards) = shards(&[Manner::Prepares, Manner::KeepsSilent], IMPATIENT);
        let error = run(&mut shards, publisher.publish(plan(2))).expect_err("no answer");
        let PublishError::NotPrepared { epoch: 2, waited_ms: 0, shards: silent } = error else {
            panic!("{error}")
        };
        assert!(silent.contains(&1));
        assert_untouched(&mut shards);
        for ack in std::mem::take(&mut shards[1].unanswered) {
            ack.done();
        }
        assert_untouched(&mut shards);
    }

    #[test]
    fn a_shard_that_has_ended_leaves_the_others_on_the_old_plan() {
        let (publisher, mut shards) = shards(&[Manner::Prepares; 2], PATIENT);
        shards.pop();
        let error = run(&mut shards, publisher.publish(plan(2))).expect_err("one has ended");
        assert_eq!(error, PublishError::Unreachable { shard: 1, epoch: 2 });
        assert_untouched(&mut shards);
        assert_eq!(publisher.send_control(|| ShardMessage::Stop), [1]);
    }

    #[test]
    fn a_publication_that_is_dropped_half_way_is_taken_back() {
        let (publisher, mut shards) = shards(&[Manner::Prepares, Manner::KeepsSilent], PATIENT);
        let publication = publisher.publish(plan(2));
        let given_up = run(&mut shards, async {
            tokio::select! {
                biased;
                done = publication => Some(done),
                () = async { for _ in 0..10 { tokio::task::yield_now().await } } => None,
            }
        });
        assert_eq!(given_up, None);
        assert_untouched(&mut shards);
    }

    #[test]
    fn a_shard_that_ends_before_it_adopts_is_named() {
        let (publisher, mut shards) = shards(&[Manner::Prepares; 2], PATIENT);
        let mut last = shards.pop();
        let outcome = run(&mut shards, async {
            let publication = publisher.publish(plan(2));
            let end = async {
                while last.as_ref().is_some_and(|shard| shard.prepared.is_none()) {
                    last.iter_mut().for_each(Shard::read_mail);
                    tokio::task::yield_now().await;
                }
                last = None;
            };
            tokio::join!(publication, end).0
        });
        let Err(PublishError::NotAdopted { epoch: 2, shards: missing, .. }) = outcome else {
            panic!("{outcome:?}")
        };
        assert_eq!(missing, [1]);
        assert_eq!(shards[0].in_force, 2, "the others have it");
    }

    #[test]
    fn two_publications_at_once_come_one_after_the_other() {
        let (publisher, mut shards) = shards(&[Manner::Prepares; 2], PATIENT);
        let both = run(&mut shards, async {
            tokio::join!(publisher.publish(plan(2)), publisher.publish(plan(3)))
        });
        assert_eq!(both, (Ok(()), Ok(())));
        assert!(shards.iter().all(|shard| shard.in_force == 3));
    }
}
