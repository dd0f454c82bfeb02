//! The side of the process that serves no request: admin listener, DNS, active health checks,
//! reloads, signals. One tokio current-thread runtime; it reaches shards only through `coord`.

mod check_record;
mod dns;
mod health;
mod health_check;
mod hickory;
mod name_watch;
mod owned_task;
mod target_watch;

#[cfg(test)]
mod health_tests;
#[cfg(test)]
mod target_watch_tests;

pub use dns::{ADDRESSES_PER_NAME_MAX, Resolution, Resolve, ResolveError};
pub use health::{HealthChecks, HealthCounters};
pub use hickory::HickoryResolver;
pub use target_watch::{DnsCounters, TARGETS_PER_GROUP_MAX, TargetWatch, Unresolved};
