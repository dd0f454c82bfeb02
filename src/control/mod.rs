//! The side of the process that serves no request: admin listener, DNS, active health checks,
//! reloads, signals. One tokio current-thread runtime; it reaches shards only through `coord`.

mod dns;
mod hickory;
mod name_watch;

pub use dns::{ADDRESSES_PER_NAME_MAX, Resolution, Resolve, ResolveError};
pub use hickory::HickoryResolver;
mod owned_task;
mod target_watch;
#[cfg(test)]
mod target_watch_tests;

pub use target_watch::{DnsCounters, TARGETS_PER_GROUP_MAX, TargetWatch, Unresolved};
mod check_record;
mod health;
mod health_check;
#[cfg(test)]
mod health_tests;

pub use health::{HealthChecks, HealthCounters};
