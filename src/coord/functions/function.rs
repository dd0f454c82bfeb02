//! One function that runs on this machine.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::mpsc::UnboundedSender;

use super::{HostMessage, Place, Places, Supply};
use crate::base::Nanos;

/// What shards know of a function's settings.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct FunctionLimits {
    /// From an event given to its answer.
    pub timeout_ms: u64,
    /// A process that has had nothing to do for this long is ended.
    pub idle_ms: u64,
    /// How many processes may be there at once, in place of a share of all functions' number.
    pub reserved_concurrency: Option<u32>,
}

/// A function that runs on this machine. There is one for each name for as long as it is bound.
#[derive(Debug)]
pub struct LocalFunction {
    name: Box<str>,
    timeout_ms: AtomicU64,
    idle_ms: AtomicU64,
    /// Grows with each change: processes of an earlier one end once they are idle.
    generation: AtomicU64,
    reserved: Arc<Places>,
    /// Those of all functions that reserve none.
    shared: Arc<Places>,
    is_reserved: AtomicBool,
    supply: Supply,
    host: UnboundedSender<HostMessage>,
}

impl LocalFunction {
    pub(super) fn new(
        name: &str,
        limits: FunctionLimits,
        shards_count: usize,
        shared: Arc<Places>,
        host: UnboundedSender<HostMessage>,
    ) -> Self {
        let function = Self {
            name: name.into(),
            timeout_ms: AtomicU64::new(0),
            idle_ms: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            reserved: Places::new(0),
            shared,
            is_reserved: AtomicBool::new(false),
            supply: Supply::new(shards_count),
            host,
        };
        function.set_limits(limits);
        function
    }

    /// What it is called in the settings or by the Lambda API, for logs and as a key.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn timeout(&self) -> Nanos {
        Nanos::from_millis(self.timeout_ms.load(Ordering::Relaxed))
    }

    #[must_use]
    pub fn idle(&self) -> Nanos {
        Nanos::from_millis(self.idle_ms.load(Ordering::Relaxed))
    }

    /// Which change of it is in force.
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// From now on processes are to be started anew: its code or its settings changed.
    pub fn change(&self) {
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn set_limits(&self, limits: FunctionLimits) {
        self.timeout_ms.store(limits.timeout_ms, Ordering::Relaxed);
        self.idle_ms.store(limits.idle_ms, Ordering::Relaxed);
        self.reserved.set_max(limits.reserved_concurrency.unwrap_or(0));
        self.is_reserved.store(limits.reserved_concurrency.is_some(), Ordering::Relaxed);
    }

    /// A place for one more process, if there is one.
    #[must_use]
    pub fn take_place(&self) -> Option<Place> {
        self.places().take()
    }

    /// Whether no process of it may ever be there: nothing is to be waited for.
    #[must_use]
    pub fn is_barred(&self) -> bool {
        self.places().max() == 0
    }

    fn places(&self) -> &Arc<Places> {
        if self.is_reserved.load(Ordering::Relaxed) { &self.reserved } else { &self.shared }
    }

    /// What each shard has and lacks of it.
    #[must_use]
    pub fn supply(&self) -> &Supply {
        &self.supply
    }

    /// Tells whoever starts and ends its processes. Nobody listens any more when the process ends.
    pub fn tell_host(&self, message: HostMessage) {
        let _ = self.host.send(message);
    }
}
