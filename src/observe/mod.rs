//! Counters, histograms, the access log: written by one shard, merged only when scraped.
//!
//! Knows plans by their slots and nothing of sockets or requests: it is told how something ended.
//! The rule a newcomer would break: a counter has one writer, its shard's thread, and is written
//! with a plain load and store. So counting goes through [`ShardRecorder`] and its kin, which
//! cannot leave that thread; whoever holds only [`ShardMetrics`] can read.

pub mod access_log;
mod counter;
mod exposition;
mod families;
mod fault_text;
mod functions;
mod handshake;
mod histogram;
mod http2;
mod labels;
mod metrics;
mod process;
pub mod process_log;
mod recorder;
mod shard_metrics;
mod stats;
mod tables;

pub use families::RenderOptions;
pub use fault_text::{fault_text, gateway_response_type};
pub use functions::{CallOutcome, CallRecorder, FunctionCounts};
pub use handshake::HandshakeEnd;
pub use labels::PlanLabels;
pub use metrics::Metrics;
pub use process::{CertificateState, OrderedCertificate, ProcessInfo, ProcessUsage, TargetState};
pub use recorder::{
    BufferKind, DeadlineKind, GroupRecorder, PlanRecorder, RequestEnd, ShardRecorder, UpstreamEnd,
    UpstreamFailure,
};
pub use shard_metrics::ShardMetrics;
pub use stats::{Percentiles, StageStats};
