//! The only cross-core code: token leases, configuration epochs, mailboxes and boards.
//!
//! Owns every word of memory that more than one core writes. What shards share is read-only (a
//! plan, a list of targets), leased in batches ([`TokenPool`]), or written by one side and read by
//! the others ([`ConnectionBoard`], [`HealthCell`]). Refuses to know what a request is.
//!
//! The invariant that a newcomer would break: nothing here waits for another core. The two locks
//! ([`TokenPools`], [`TargetBoard`]) are taken when a shard adopts an epoch, never for a request;
//! at a tick they, and that of [`UpstreamBoard`], are only tried.

mod acme_challenges;
mod connection_board;
mod doorbell;
mod functions;
mod mailbox;
mod message;
mod publisher;
mod shard_bucket;
mod target_board;
#[cfg(test)]
mod token_law;
mod token_pool;
mod token_pools;
mod token_scale;
mod trial;
mod upstream_board;
mod word;

pub use acme_challenges::{ACME_HTTP_PATH, AcmeChallenges};
pub use connection_board::{ConnectionBoard, Transit};
pub use functions::{
    EndReason, FunctionBoard, FunctionLimits, HostMessage, Invocation, InvocationAnswer, Invoker,
    LocalFunction, Place, Places, RuntimeConnection, RuntimeProcess, Supply,
};
pub use mailbox::{Inbox, Receiver, Sender, mailbox};
pub use message::{Ack, DrainedListeners, HandedOver, ShardGear, ShardMessage};
pub use publisher::{PublishError, Publisher};
pub use shard_bucket::{Decision, ShardBucket};
pub use target_board::{
    GroupTargets, Health, HealthCell, HealthChange, ResolvedTarget, TargetBoard, TargetEndpoint,
    TargetRecord,
};
pub use token_pool::TokenPool;
pub use token_pools::TokenPools;
pub use trial::{Trial, TrialLog, TrialReport, TrialStep};
pub use upstream_board::{
    GroupCounts, GroupView, ShardView, TargetCounts, TargetView, UpstreamBoard,
};
pub use word::Word;
