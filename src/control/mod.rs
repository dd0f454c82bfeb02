//! The side of the process that serves no request: admin listener, DNS, active health checks,
//! reloads, signals. One tokio current-thread runtime; it reaches shards only through `coord`.
//!
//! Refuses to know how a shard works or how the boot file looks: whoever puts the process together
//! hands in [`StartShard`], [`TryRequest`] and [`LoadConfiguration`]. The rule a newcomer would break: nothing
//! here is ever waited for by a shard.

mod acme;
mod admin;
mod certificate_expiry;
mod check_record;
mod configuration;
mod deploy;
mod deployed_domains;
mod dns;
mod health;
mod health_check;
mod health_http2;
#[cfg(test)]
mod health_tests;
mod hickory;
mod inherited;
mod invocations;
mod link_walk;
mod listeners;
mod logs;
mod management;
mod name_watch;
mod owned_task;
mod process;
mod reload;
mod shards;
mod signals;
mod snapshot;
mod sockets;
mod start;
mod status;
mod stored_functions;
mod successor;
mod systemd;
mod target_watch;
#[cfg(test)]
mod target_watch_tests;
mod targets;
mod ticket_rotation;
mod tls;
mod watch;

pub use acme::{AcmeState, AcmeWatch};
pub use configuration::{Configuration, ExplainMistakes, PlanMistakes, ShardPlace};
pub use dns::{ADDRESSES_PER_NAME_MAX, Resolution, Resolve, ResolveError};
pub use health::{HealthChecks, HealthCounters};
pub use hickory::HickoryResolver;
pub use invocations::TryRequest;
pub use listeners::{ListenError, NamedSocket};
pub use management::{
    BoundCertificate, BoundEndpoint, BoundFunction, BoundSigning, BoundSource, BoundTrustStore,
    BoundVpcLink, Credential, FunctionWay, ManagementOptions, Quotas, SecretSource, SigningSource,
    UNZIPPED_BYTES_MAX, UnzipError, unzip_code,
};
pub use process::{Outcome, Ready, RunError, Setup, run};
pub use reload::LoadConfiguration;
pub use shards::{ShardSeat, StartShard};
pub use target_watch::{DnsCounters, TARGETS_PER_GROUP_MAX, TargetWatch, Unresolved};
pub use tls::{TlsInForce, TlsPart};
