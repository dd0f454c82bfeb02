//! The side of the process that serves no request: admin listener, DNS, active health checks,
//! reloads, signals. One tokio current-thread runtime; it reaches shards only through `coord`.
//!
//! Refuses to know how a shard works or how the boot file looks: whoever puts the process together
//! hands in [`StartShard`] and [`LoadConfiguration`]. The rule a newcomer would break: nothing
//! here is ever waited for by a shard.

mod admin;
mod configuration;
mod inherited;
mod listeners;
mod logs;
mod process;
mod reload;
mod shards;
mod signals;
mod sockets;
mod status;
mod successor;
mod systemd;
mod watch;

pub use configuration::{Configuration, ShardPlace};
pub use listeners::{ListenError, NamedSocket};
pub use process::{Outcome, Ready, RunError, Setup, run};
pub use reload::LoadConfiguration;
pub use shards::{ShardSeat, StartShard};
