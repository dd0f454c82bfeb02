//! Target groups as one shard sees them: connection pools, balancing, health, retries, circuit
//! breaking.

mod connection;
mod group;
mod idle;

pub use group::Group;
pub(crate) use connection::Connection;
pub(crate) use group::Lease;
