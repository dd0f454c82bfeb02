//! The handles that count. They belong to a shard's thread and cannot leave it, which is what
//! makes plain loads and stores enough.

use std::rc::Rc;
use std::sync::Arc;

use super::functions::CallRecorder;
use super::handshake::HandshakeEnd;
use super::shard_metrics::{STATUS_FIRST, ShardMetrics};
use super::tables::{GroupCounters, ShardTables, class_of};
use crate::base::{Fault, Nanos};
use crate::http2::ServerEnd;
use crate::proto::Version;
use crate::rt::{BuffersCount, DriverReport};

/// How a request ended.
#[derive(Clone, Copy, Debug)]
pub struct RequestEnd {
    /// Index of the stage in [`crate::plan::Plan::stages`], if one was found.
    pub stage: Option<u32>,
    /// Index of the route in its stage, if one was found.
    pub route: Option<u32>,
    /// The protocol that it came in.
    pub version: Version,
    /// The status that the client saw, or would have seen.
    pub status: u16,
    /// Why the integration did not answer.
    pub fault: Option<Fault>,
    /// From the request's first byte to the answer's last.
    pub latency: Nanos,
    /// The integration's part of it, if one was asked.
    pub upstream: Option<Nanos>,
    /// Bytes of the request's body.
    pub request_bytes: u64,
    /// Bytes of the answer's body.
    pub answer_bytes: u64,
    /// The connection was upgraded: the durations say how long the tunnel stood and are kept out
    /// of the histograms.
    pub is_tunnel: bool,
}

/// Why an attempt to have a target answer failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum UpstreamFailure {
    /// The connection was refused, unreachable, or the name did not resolve.
    Connect,
    /// Connecting took too long.
    ConnectTimeout,
    /// The first byte, the next, or the whole answer took too long.
    Timeout,
    /// The target closed or reset the connection before its answer was complete.
    Reset,
    /// The answer breaks HTTP.
    BadAnswer,
    /// The client went away, or the request was given up for a reason of our own.
    Abandoned,
}

impl UpstreamFailure {
    pub(super) const COUNT: usize = 6;
    /// Label values in the order of the variants.
    pub(super) const NAMES: [&'static str; Self::COUNT] =
        ["connect", "connect_timeout", "timeout", "reset", "bad_answer", "abandoned"];
}

/// How one attempt ended. A request that is retried has several.
#[derive(Clone, Copy, Debug)]
pub struct UpstreamEnd {
    /// The target's status, or why there is none.
    pub outcome: Result<u16, UpstreamFailure>,
    /// From the choice of the target to the end of its answer, or to the failure.
    pub latency: Nanos,
    /// Whether this was not the first attempt of its request.
    pub is_retry: bool,
}

/// Which deadline ended an operation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum DeadlineKind {
    /// The head did not arrive in time.
    Head,
    /// The body did not arrive in time.
    Body,
    /// The client did not read its answer in time.
    Write,
    /// A keep-alive connection was idle too long.
    Idle,
    /// A tunnel was idle both ways too long.
    Tunnel,
    /// Connecting to a target took too long.
    Connect,
    /// The first byte of an answer took too long.
    FirstByte,
    /// The next bytes of an answer took too long.
    UpstreamIdle,
    /// The whole of an answer took too long.
    Total,
    /// An unused upstream connection was kept long enough.
    UpstreamKeepalive,
    /// The drain's deadline, for each connection that it cut off.
    Drain,
    /// A TLS handshake took too long.
    Handshake,
}

impl DeadlineKind {
    pub(super) const COUNT: usize = 12;
    /// Label values in the order of the variants.
    pub(super) const NAMES: [&'static str; Self::COUNT] = [
        "head",
        "body",
        "write",
        "idle",
        "tunnel",
        "connect",
        "first_byte",
        "upstream_idle",
        "total",
        "upstream_keepalive",
        "drain",
        "handshake",
    ];
}

/// Which of a shard's stocks of buffers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BufferKind {
    /// Heads and small bodies.
    Head,
    /// Relayed bodies.
    Body,
}

impl BufferKind {
    pub(super) const COUNT: usize = 2;
    /// Label values in the order of the variants.
    pub(super) const NAMES: [&'static str; Self::COUNT] = ["head", "body"];
}

/// Counts what does not depend on the plan. Cheap to clone; all clones stay on the shard.
#[derive(Clone, Debug)]
pub struct ShardRecorder {
    shared: Arc<ShardMetrics>,
    claim: Rc<Claim>,
}

/// The right to write; given back with the last handle.
#[derive(Debug)]
pub(super) struct Claim(Arc<ShardMetrics>);

impl Drop for Claim {
    fn drop(&mut self) {
        self.0.release_recorder();
    }
}

/// The window over which the worst lag is remembered.
const LAG_WINDOW: Nanos = Nanos::from_millis(10_000);

impl ShardRecorder {
    pub(super) fn new(shared: Arc<ShardMetrics>) -> Self {
        Self { claim: Rc::new(Claim(Arc::clone(&shared))), shared }
    }

    /// Takes up the counters of `epoch`. The handle belongs into the shard's state of that plan:
    /// a request counts in the epoch in which its slots were found, even when it ends after the
    /// next one was adopted.
    ///
    /// # Panics
    ///
    /// When [`super::Metrics::prepare`] was not called for the epoch before it was published.
    #[must_use]
    pub fn adopt(&self, epoch: u64) -> PlanRecorder {
        let tables = self.shared.take_prepared(epoch);
        let tables = tables.expect("counters are prepared before an epoch is published");
        self.shared.counters.epoch.set(epoch);
        let group = |counters| GroupRecorder { counters, _claim: Rc::clone(&self.claim) };
        PlanRecorder {
            groups: tables.groups.iter().map(|counters| group(Arc::clone(counters))).collect(),
            stray_group: group(Arc::default()),
            shared: Arc::clone(&self.shared),
            tables,
        }
    }

    /// Takes up the counters of a function's calls. Takes a lock, so it is not for a call.
    #[must_use]
    pub fn calls_of(&self, function: &str) -> CallRecorder {
        CallRecorder::new(self.shared.calls_of(function), Rc::clone(&self.claim))
    }

    /// A client connection was accepted, or came with a hand-over.
    pub fn connection_opened(&self) {
        self.shared.counters.connections_accepted.add(1);
        self.shared.counters.connections_active.raise();
    }

    /// A client connection was closed.
    pub fn connection_closed(&self) {
        self.shared.counters.connections_closed.add(1);
        self.shared.counters.connections_active.lower();
    }

    /// A client connection was refused because the shard has enough.
    pub fn connection_refused(&self) {
        self.shared.counters.connections_refused.add(1);
    }

    /// Accepting failed (descriptors used up, and the like).
    pub fn accept_failed(&self) {
        self.shared.counters.accept_errors.add(1);
    }

    /// A client connection was given to another shard.
    pub fn connection_handed_over(&self) {
        self.shared.counters.connections_handed_over.add(1);
        self.shared.counters.connections_active.lower();
    }

    /// A client connection was taken over from another shard.
    pub fn connection_received(&self) {
        self.shared.counters.connections_received.add(1);
        self.shared.counters.connections_active.raise();
    }

    /// A connection became a tunnel.
    pub fn tunnel_opened(&self) {
        self.shared.counters.tunnels_active.raise();
    }

    /// A tunnel ended.
    pub fn tunnel_closed(&self) {
        self.shared.counters.tunnels_active.lower();
    }

    /// A fault that ended a connection without ending a request, which
    /// [`PlanRecorder::request_ended`] counts.
    pub fn connection_fault(&self, fault: Fault) {
        count_fault(&self.shared, fault);
    }

    /// A deadline ended an operation.
    pub fn deadline_fired(&self, kind: DeadlineKind) {
        self.shared.counters.deadlines_fired[kind as usize].add(1);
    }

    /// A TLS handshake with a client ended.
    pub fn handshake_ended(&self, end: &HandshakeEnd) {
        self.shared.counters.handshakes.count(end);
    }

    /// A TLS session with a client ended because what came was no part of it.
    pub fn tls_session_broken(&self) {
        self.shared.counters.handshakes.session_broken();
    }

    /// An HTTP/2 connection of a client begins.
    pub fn http2_opened(&self) {
        self.shared.counters.http2.opened();
    }

    /// An HTTP/2 connection of a client ended.
    pub fn http2_ended(&self, end: ServerEnd) {
        self.shared.counters.http2.ended(end);
    }

    /// A request came over HTTP/2.
    pub fn http2_stream_opened(&self) {
        self.shared.counters.http2.stream_opened();
    }

    /// A request over HTTP/2 ended, or the client gave it up.
    pub fn http2_stream_closed(&self, is_given_up: bool) {
        self.shared.counters.http2.stream_closed(is_given_up);
    }

    /// A task panicked and was contained.
    pub fn panicked(&self) {
        self.shared.counters.panics.add(1);
    }

    /// The I/O driver that the shard runs on. The first report counts.
    pub fn driver_started(&self, report: &DriverReport) {
        let _ = self.shared.driver.set(report.clone());
    }

    /// How many buffers are out and spare; once per tick.
    pub fn buffers_counted(&self, kind: BufferKind, count: BuffersCount) {
        self.shared.counters.buffers_taken[kind as usize].set(count.taken);
        self.shared.counters.buffers_kept[kind as usize].set(count.kept);
    }

    /// The shard's tick ran at `now`, `late` after it was due.
    pub fn ticked(&self, now: Nanos, late: Nanos) {
        let counters = &self.shared.counters;
        counters.last_tick_ns.set(now.0);
        counters.lag.record(late);
        let window = Nanos(counters.lag_window_start_ns.get());
        if now.since(window) >= LAG_WINDOW {
            counters.lag_window_start_ns.set(now.0);
            counters.lag_window_before_max_ns.set(counters.lag_window_max_ns.get());
            counters.lag_window_max_ns.set(late.0);
        } else if late.0 > counters.lag_window_max_ns.get() {
            counters.lag_window_max_ns.set(late.0);
        }
    }
}

/// Counts what a plan's slots name. One per epoch and shard, in the shard's state of that plan.
#[derive(Clone, Debug)]
pub struct PlanRecorder {
    shared: Arc<ShardMetrics>,
    tables: Arc<ShardTables>,
    groups: Rc<[GroupRecorder]>,
    /// For an index that the plan does not have, which only a bug makes.
    stray_group: GroupRecorder,
}

impl PlanRecorder {
    /// Counts one request. Some 15 loads and stores to lines that this core owns.
    #[inline]
    pub fn request_ended(&self, end: &RequestEnd) {
        self.shared.counters.http2.request(end.version);
        let class = class_of(end.status);
        let tables = end.stage.and_then(|index| self.tables.stages.get(index as usize));
        let stage = tables.map_or(&self.tables.unmatched, |tables| &tables.counters);
        stage.requests[class].add(1);
        stage.request_bytes.add(end.request_bytes);
        stage.answer_bytes.add(end.answer_bytes);
        let status = usize::from(end.status.wrapping_sub(STATUS_FIRST));
        if let Some(counter) = self.shared.counters.statuses.get(status) {
            counter.add(1);
        }
        let route = tables.zip(end.route);
        let route = route.and_then(|(tables, index)| tables.routes.get(index as usize));
        if let Some(route) = route {
            route.requests[class].add(1);
        }
        if let Some(fault) = end.fault {
            count_fault(&self.shared, fault);
        }
        if end.is_tunnel {
            stage.tunnels.add(1);
            return;
        }
        if let Some(route) = route {
            route.latency_sum_ns.add(end.latency.0);
        }
        stage.latency.record(end.latency);
        if let Some(upstream) = end.upstream {
            stage.integration.record(upstream);
        }
        // A fault's latency is the client's or the target's waiting, not the gateway's work.
        if end.fault.is_none() {
            stage.overhead.record(end.latency.since(end.upstream.unwrap_or_default()));
        }
    }

    /// The handle for the target group at `index` in [`crate::plan::Plan::groups`]. Whoever holds a
    /// clone counts for the group's name in all later epochs that have it.
    #[must_use]
    pub fn group(&self, index: usize) -> &GroupRecorder {
        self.groups.get(index).unwrap_or(&self.stray_group)
    }
}

/// Counts for one target group.
#[derive(Clone, Debug)]
pub struct GroupRecorder {
    counters: Arc<GroupCounters>,
    _claim: Rc<Claim>,
}

impl GroupRecorder {
    /// One attempt ended.
    pub fn attempt_ended(&self, end: &UpstreamEnd) {
        match end.outcome {
            Ok(status) => self.counters.answers[class_of(status)].add(1),
            Err(failure) => self.counters.failures[failure as usize].add(1),
        }
        self.counters.attempt.record(end.latency);
        if end.is_retry {
            self.counters.retries.add(1);
        }
    }

    /// A request was sent to a target and waits for its answer.
    pub fn request_sent(&self) {
        self.counters.outstanding.raise();
    }

    /// A request that was sent is no longer waited for.
    pub fn request_settled(&self) {
        self.counters.outstanding.lower();
    }

    /// A retry was due and the budget did not allow it.
    pub fn retry_denied(&self) {
        self.counters.retries_denied.add(1);
    }

    /// A target was ejected.
    pub fn ejected(&self) {
        self.counters.ejections.add(1);
    }

    /// A request was refused because the circuit is open.
    pub fn circuit_opened(&self) {
        self.counters.circuit_opens.add(1);
    }

    /// A connection to a target was opened.
    pub fn connection_opened(&self) {
        self.counters.connections_opened.add(1);
    }

    /// A kept connection was used again.
    pub fn connection_reused(&self) {
        self.counters.connections_reused.add(1);
    }

    /// A connection to a target was closed.
    pub fn connection_closed(&self) {
        self.counters.connections_closed.add(1);
    }

    /// How many connections to targets are kept unused.
    pub fn connections_idle(&self, count: u64) {
        self.counters.connections_idle.set(count);
    }
}

fn count_fault(shared: &ShardMetrics, fault: Fault) {
    if let Some(counter) = shared.counters.faults.get(fault.cause_index()) {
        counter.add(1);
    }
}
