//! What one shard counts whatever its plan, and the tables of its plan.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crossbeam::utils::CachePadded;

use super::counter::{Counter, Gauge};
use super::functions::CallCounters;
use super::handshake::HandshakeCounters;
use super::histogram::Histogram;
use super::http2::Http2Counters;
use super::recorder::{BufferKind, DeadlineKind, ShardRecorder};
use super::tables::ShardTables;
use crate::base::Fault;
use crate::rt::DriverReport;

/// One shard's counters: written by the shard through its [`ShardRecorder`], read by the side
/// thread at a scrape.
///
/// # Invariants
///
/// - At most one [`ShardRecorder`] family exists at a time, so each counter has one writer.
/// - Locks are taken at adoption and preparation, and when a shard comes to know a function; never
///   on the request path.
#[derive(Debug)]
pub struct ShardMetrics {
    index: u16,
    pub(super) counters: CachePadded<ShardCounters>,
    pub(super) driver: OnceLock<DriverReport>,
    /// Not adopted yet, and the adopted one, by growing epoch.
    prepared: Mutex<Vec<Arc<ShardTables>>>,
    /// Calls of functions by name, also of those that the shard has let go of: they may come back.
    calls: Mutex<BTreeMap<Box<str>, Arc<CallCounters>>>,
    has_recorder: AtomicBool,
}

/// Responses by exact status, 100 to 599.
pub(super) const STATUS_FIRST: u16 = 100;
pub(super) const STATUSES_COUNT: usize = 500;

#[derive(Debug)]
pub(super) struct ShardCounters {
    pub(super) epoch: Gauge,
    pub(super) statuses: [Counter; STATUSES_COUNT],
    pub(super) faults: [Counter; Fault::CAUSES_COUNT],
    pub(super) connections_active: Gauge,
    pub(super) connections_accepted: Counter,
    pub(super) connections_closed: Counter,
    pub(super) connections_refused: Counter,
    pub(super) connections_handed_over: Counter,
    pub(super) connections_received: Counter,
    pub(super) accept_errors: Counter,
    pub(super) tunnels_active: Gauge,
    pub(super) deadlines_fired: [Counter; DeadlineKind::COUNT],
    pub(super) panics: Counter,
    pub(super) handshakes: HandshakeCounters,
    pub(super) http2: Http2Counters,
    pub(super) buffers_taken: [Gauge; BufferKind::COUNT],
    pub(super) buffers_kept: [Gauge; BufferKind::COUNT],
    pub(super) lag: Histogram,
    pub(super) lag_window_start_ns: Gauge,
    pub(super) lag_window_max_ns: Gauge,
    pub(super) lag_window_before_max_ns: Gauge,
    pub(super) last_tick_ns: Gauge,
}

impl ShardMetrics {
    pub(super) fn new(index: u16) -> Self {
        Self {
            index,
            counters: CachePadded::new(ShardCounters::default()),
            driver: OnceLock::new(),
            prepared: Mutex::default(),
            calls: Mutex::default(),
            has_recorder: AtomicBool::new(false),
        }
    }

    /// The shard's number.
    #[must_use]
    pub fn index(&self) -> u16 {
        self.index
    }

    /// The one handle that writes, for the shard's own thread.
    ///
    /// # Panics
    ///
    /// When the last one still exists: two writers would lose each other's counts.
    #[must_use]
    pub fn recorder(self: &Arc<Self>) -> ShardRecorder {
        let is_taken = self.has_recorder.swap(true, Ordering::AcqRel);
        assert!(!is_taken, "shard {} has a recorder already", self.index);
        ShardRecorder::new(Arc::clone(self))
    }

    /// The epoch that the shard has adopted; 0 before the first.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.counters.epoch.get()
    }

    /// Open client connections.
    #[must_use]
    pub fn connections_active(&self) -> u64 {
        self.counters.connections_active.get()
    }

    /// When the shard last reported a tick, for telling a stuck shard; zero before the first.
    #[must_use]
    pub fn last_tick(&self) -> crate::base::Nanos {
        crate::base::Nanos(self.counters.last_tick_ns.get())
    }

    /// Operations that a deadline of this kind ended.
    #[must_use]
    pub fn deadlines_fired(&self, kind: DeadlineKind) -> u64 {
        self.counters.deadlines_fired[kind as usize].get()
    }

    pub(super) fn release_recorder(&self) {
        self.has_recorder.store(false, Ordering::Release);
    }

    /// The counters of a function's calls, the same ones each time.
    pub(super) fn calls_of(&self, function: &str) -> Arc<CallCounters> {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = calls.get(function) {
            return Arc::clone(known);
        }
        if calls.len() >= FUNCTIONS_COUNT_MAX {
            calls.retain(|_, counters| Arc::strong_count(counters) > 1);
        }
        Arc::clone(calls.entry(function.into()).or_default())
    }

    /// The counters of all functions' calls.
    pub(super) fn calls(&self) -> Vec<(Box<str>, Arc<CallCounters>)> {
        let calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        calls.iter().map(|(name, counters)| (name.clone(), Arc::clone(counters))).collect()
    }

    /// Lays the tables of an epoch ready. An epoch that is prepared anew was never published.
    pub(super) fn set_prepared(&self, tables: Arc<ShardTables>) {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.retain(|one| one.epoch < tables.epoch);
        prepared.push(tables);
    }

    /// The tables of `epoch`, whatever was prepared after it; what is older goes.
    pub(super) fn take_prepared(&self, epoch: u64) -> Option<Arc<ShardTables>> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        prepared.retain(|one| one.epoch >= epoch);
        prepared.first().filter(|one| one.epoch == epoch).cloned()
    }
}

/// From here on, functions that a shard has let go of are forgotten when a new one comes.
const FUNCTIONS_COUNT_MAX: usize = 4_096;

impl Default for ShardCounters {
    fn default() -> Self {
        Self {
            epoch: Gauge::default(),
            statuses: std::array::from_fn(|_| Counter::default()),
            faults: std::array::from_fn(|_| Counter::default()),
            connections_active: Gauge::default(),
            connections_accepted: Counter::default(),
            connections_closed: Counter::default(),
            connections_refused: Counter::default(),
            connections_handed_over: Counter::default(),
            connections_received: Counter::default(),
            accept_errors: Counter::default(),
            tunnels_active: Gauge::default(),
            deadlines_fired: Default::default(),
            panics: Counter::default(),
            handshakes: HandshakeCounters::default(),
            http2: Http2Counters::default(),
            buffers_taken: Default::default(),
            buffers_kept: Default::default(),
            lag: Histogram::default(),
            lag_window_start_ns: Gauge::default(),
            lag_window_max_ns: Gauge::default(),
            lag_window_before_max_ns: Gauge::default(),
            last_tick_ns: Gauge::default(),
        }
    }
}
