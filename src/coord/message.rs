//! What the side thread and other shards tell a shard.

use std::os::fd::OwnedFd;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;

use super::{HealthChange, Invocation, LocalFunction, RuntimeConnection, RuntimeProcess, Transit};
use crate::base::Nanos;
use crate::observe::access_log::ShardLogSink;
use crate::plan::Plan;
use crate::rt::{ListenerSocket, Peer};

/// One piece of mail to a shard.
///
/// `Prepare` to `Stop` travel in the control lane ([`super::Sender::try_send_control`]), the
/// rest in the bulk lane; a control message overtakes bulk.
#[derive(Debug)]
pub enum ShardMessage {
    /// First step of an epoch: make everything ready that may fail (bind listeners, open logs)
    /// and change nothing that clients see. A newer `Prepare` replaces an older one that was not
    /// adopted.
    Prepare {
        /// The plan of the new epoch.
        plan: Arc<Plan>,
        /// What the side thread has opened for this shard.
        gear: Box<ShardGear>,
        /// Answered when all is ready, or with a refusal.
        ack: Ack,
    },
    /// Second step: the plan that was prepared is in force. Cannot be refused.
    Adopt {
        /// The epoch that was prepared.
        epoch: u64,
        /// Answered when the plan is in force.
        ack: Ack,
    },
    /// Forget what was prepared for this epoch. Also sent to shards that refused or never
    /// prepared it.
    Abandon {
        /// The epoch that will not come.
        epoch: u64,
    },
    /// Stop accepting, let requests end until the deadline.
    Drain {
        /// When to end what has not ended.
        deadline: Nanos,
        /// What becomes of the listening sockets.
        listeners: DrainedListeners,
    },
    /// End now.
    Stop,
    /// A connection that another shard accepted for this one.
    Connection(HandedOver),
    /// The health of a target changed; [`super::HealthCell`] says so already. Told so that the
    /// shard can close idle connections, or begin a slow start, without polling the cells.
    Health(HealthChange),
    /// A connection of a function's runtime: this shard serves it from now on.
    Runtime(Box<RuntimeConnection>),
    /// A process has ended; its calls fail with `reason`: the JSON of Lambda's error (`errorType`,
    /// `errorMessage`), with the id of the request that it worked on, if it did on one.
    RuntimeEnded { process: Arc<RuntimeProcess>, reason: Arc<str> },
    /// No process could be started for a call that waits here, or it ended before it asked for an
    /// event: `reason` as above. Once for each start that was asked for and came to nothing.
    StartFailed { function: Arc<LocalFunction>, reason: Arc<str> },
    /// Calls wait on shard `to`: an idle runtime is to move there.
    Lend { function: Arc<LocalFunction>, to: usize },
    /// Someone who is no shard calls a function.
    Invoke(Box<Invocation>),
}

/// What comes with a plan for one shard alone: everything whose opening can fail was opened by the
/// side thread.
#[derive(Debug, Default)]
pub struct ShardGear {
    /// Sockets to accept from once the plan is in force, besides those that the shard has, each
    /// with the name of its listener. A name whose listener has moved to another address comes
    /// with its new sockets, and the old ones are closed then; several sockets may have one name.
    pub sockets: Vec<(String, ListenerSocket)>,
    /// Where access-log lines go once the plan is in force; `None` if the plan keeps no log.
    pub access_log: Option<ShardLogSink>,
}

/// What becomes of the listening sockets of a shard that drains.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DrainedListeners {
    /// They are closed: nobody else accepts from them.
    Close,
    /// Another process accepts from the very same sockets: stop accepting, but never call
    /// `shutdown(2)` on them, which would close them there too.
    Leave,
}

/// A connection on its way from the shard that accepted it to the one that will serve it.
#[derive(Debug)]
pub struct HandedOver {
    /// The connected socket, nothing read from it yet. Non-blocking if and only if the shards run
    /// on epoll, as their own accept leaves it.
    pub fd: OwnedFd,
    /// Name of the listener that accepted it. A name, not an index, because sender and receiver
    /// may be an epoch apart.
    pub listener: Arc<str>,
    /// Who connected.
    pub peer: Peer,
    /// Counts the connection for the receiving shard until dropped: drop it after the shard has
    /// published its own count with this connection in it.
    pub transit: Transit,
}

/// A shard's answer to one step of an epoch. Answering never waits. An `Ack` that is dropped
/// unanswered, as by a panic, answers with a refusal.
#[derive(Debug)]
pub struct Ack {
    shard: usize,
    answers: Option<UnboundedSender<Answer>>,
}

/// Which shard answered, and what.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) shard: usize,
    pub(super) outcome: Result<(), String>,
}

impl Ack {
    pub(super) fn new(shard: usize, answers: UnboundedSender<Answer>) -> Self {
        Self { shard, answers: Some(answers) }
    }

    /// The step is done.
    pub fn done(mut self) {
        self.answer(Ok(()));
    }

    /// The step cannot be done: a sentence for the operator, without full stop.
    pub fn refuse(mut self, reason: impl Into<String>) {
        self.answer(Err(reason.into()));
    }

    fn answer(&mut self, outcome: Result<(), String>) {
        if let Some(answers) = self.answers.take() {
            // Nobody listens any more when the publisher has given up waiting.
            let _ = answers.send(Answer { shard: self.shard, outcome });
        }
    }
}

impl Drop for Ack {
    fn drop(&mut self) {
        self.answer(Err("the shard dropped the step without an answer".to_owned()));
    }
}
