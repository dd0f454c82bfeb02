//! The access log: a format with AWS's `$context` variables, compiled once and rendered once per
//! request, and the writer that takes the lines off the shards.
//!
//! Knows nothing of the request's types: a line is made of an [`AccessRecord`] that borrows what
//! it needs. The rule a newcomer would break: what a client sent goes through `Escape`, wherever
//! it stands in a line, or it could forge another line.

mod clf_time;
mod escape;
mod format;
mod output;
mod record;
mod sink;
mod variable;
mod writer;

pub use clf_time::{CLF_BYTES, ClfClock};
pub use format::{AccessLogError, AccessLogFormat, FORMAT_BYTES_MAX, PRESETS};
pub use record::AccessRecord;
pub use sink::ShardLogSink;
pub use writer::{AccessLog, AccessLogCounts};
