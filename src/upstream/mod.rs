//! Target groups as one shard sees them: connection pools, balancing, health, retries, circuit
//! breaking.

mod connection;
mod group;
mod http2;
mod idle;
mod link;

pub(crate) use connection::Connection;
pub use group::Group;
pub(crate) use group::Lease;
pub(crate) use link::TargetLink;

mod balance;
mod circuit;
mod group_state;
mod group_tls;
mod hash_ring;
mod outcome;
mod outlier;
mod policy;
mod retry_budget;
mod rotation;
mod slow_start;
mod snapshot;
mod target;
mod target_id;
mod two_choices;

#[cfg(test)]
mod group_simulation;
#[cfg(test)]
mod group_state_tests;

pub use group_state::GroupState;
pub(crate) use group_tls::without_port;
pub use hash_ring::stable_hash;
pub use outcome::Outcome;
pub use snapshot::{GroupSnapshot, TargetSnapshot};
pub use target_id::TargetId;
