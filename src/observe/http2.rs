//! What is counted of HTTP/2 connections with clients.

use std::sync::Arc;

use super::counter::{Counter, Gauge};
use super::exposition::Exposition;
use super::shard_metrics::ShardMetrics;
use crate::http2::ServerEnd;
use crate::proto::Version;
use crate::proto::http2::Flood;

/// Values of the label `reason`; floods have a family of their own too.
const ENDS: [&str; 6] = ["done", "idle", "flood", "protocol", "head_timeout", "write_timeout"];

/// Values of the label `protocol`, by [`Version`].
const PROTOCOLS: [Version; 3] = [Version::Http10, Version::Http11, Version::Http2];

/// The counters of one shard.
#[derive(Debug, Default)]
pub(super) struct Http2Counters {
    connections_active: Gauge,
    streams_active: Gauge,
    streams_given_up: Counter,
    ends: [Counter; ENDS.len()],
    floods: [Counter; Flood::ALL.len()],
    /// Requests by protocol, HTTP/1 among them.
    requests: [Counter; PROTOCOLS.len()],
}

impl Http2Counters {
    pub(super) fn opened(&self) {
        self.connections_active.raise();
    }

    pub(super) fn ended(&self, end: ServerEnd) {
        self.connections_active.lower();
        let index = match end {
            ServerEnd::Done => 0,
            ServerEnd::Idle => 1,
            ServerEnd::Flood(flood) => {
                self.floods[flood as usize].add(1);
                2
            }
            ServerEnd::Protocol => 3,
            ServerEnd::HeadTimeout => 4,
            ServerEnd::WriteTimeout => 5,
        };
        self.ends[index].add(1);
    }

    pub(super) fn stream_opened(&self) {
        self.streams_active.raise();
    }

    pub(super) fn stream_closed(&self, is_given_up: bool) {
        self.streams_active.lower();
        self.streams_given_up.add(u64::from(is_given_up));
    }

    #[inline]
    pub(super) fn request(&self, version: Version) {
        self.requests[version as usize].add(1);
    }
}

/// Appends the families.
pub(super) fn render(shards: &[Arc<ShardMetrics>], text: &mut Exposition<'_>) {
    let total = |pick: &dyn Fn(&Http2Counters) -> u64| {
        shards.iter().map(|shard| pick(&shard.counters.http2)).sum::<u64>()
    };
    text.counter("shardgate_requests_by_protocol_total", "Requests by the protocol they came in.");
    for version in PROTOCOLS {
        let count = total(&|one| one.requests[version as usize].get());
        text.sample(&[("protocol", version.as_str())], count);
    }
    text.gauge("shardgate_http2_connections_active", "Open HTTP/2 connections of clients.");
    text.sample(&[], total(&|one| one.connections_active.get()));
    text.gauge("shardgate_http2_streams_active", "Requests under way over HTTP/2.");
    text.sample(&[], total(&|one| one.streams_active.get()));
    text.counter(
        "shardgate_http2_streams_given_up_total",
        "Requests over HTTP/2 that clients gave up before their answer was complete.",
    );
    text.sample(&[], total(&|one| one.streams_given_up.get()));
    text.counter(
        "shardgate_http2_connections_ended_total",
        "HTTP/2 connections that ended, by why.",
    );
    for (index, name) in ENDS.iter().enumerate() {
        text.sample(&[("reason", name)], total(&|one| one.ends[index].get()));
    }
    text.counter(
        "shardgate_http2_floods_total",
        "HTTP/2 connections that were ended because the client sent too much of something.",
    );
    for flood in Flood::ALL {
        text.sample(&[("kind", flood.name())], total(&|one| one.floods[flood as usize].get()));
    }
}
