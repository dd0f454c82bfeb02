//! The side of the process that serves no request: admin listener, DNS, active health checks,
//! reloads, signals. One tokio current-thread runtime; it reaches shards only through `coord`.

mod inherited;
mod listeners;
mod sockets;
mod successor;
mod systemd;
mod watch;

pub use listeners::{ListenError, NamedSocket};
