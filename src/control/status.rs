//! What the process is doing just now: written by its main loop, read by the admin listener.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

/// Where the process is in its life. Only ever moves forward.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
#[repr(u8)]
pub(crate) enum Phase {
    /// Not every shard has adopted the first plan.
    Starting = 0,
    /// Requests are served.
    Serving = 1,
    /// No new connections; requests end.
    Draining = 2,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Status {
    phase: AtomicU8,
    epoch: AtomicU64,
    reloads_done: AtomicU64,
    reloads_refused: AtomicU64,
    last_refusal: Mutex<Option<String>>,
}

/// What became of reloads, for people and metrics.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reloads {
    pub(crate) done: u64,
    pub(crate) refused: u64,
    /// Why the last one was refused, if it was the last that was tried.
    pub(crate) last_refusal: Option<String>,
}

impl Status {
    pub(crate) fn new() -> Self {
        Self {
            phase: AtomicU8::new(Phase::Starting as u8),
            epoch: AtomicU64::new(0),
            reloads_done: AtomicU64::new(0),
            reloads_refused: AtomicU64::new(0),
            last_refusal: Mutex::new(None),
        }
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.phase.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Serving,
            _ => Phase::Draining,
        }
    }

    /// Moves on to `phase`; never back.
    pub(crate) fn enter(&self, phase: Phase) {
        self.phase.fetch_max(phase as u8, Ordering::Relaxed);
    }

    /// The epoch in force; 0 before the first.
    pub(crate) fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::Relaxed)
    }

    /// An epoch is in force that no reload of the boot file brought: the first, or the same
    /// configuration with other certificates.
    pub(crate) fn started(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
    }

    pub(crate) fn reloaded(&self, epoch: u64) {
        self.epoch.store(epoch, Ordering::Relaxed);
        self.reloads_done.fetch_add(1, Ordering::Relaxed);
        *self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub(crate) fn refused(&self, reason: &str) {
        self.reloads_refused.fetch_add(1, Ordering::Relaxed);
        *self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner) = Some(reason.to_owned());
    }

    pub(crate) fn reloads(&self) -> Reloads {
        Reloads {
            done: self.reloads_done.load(Ordering::Relaxed),
            refused: self.reloads_refused.load(Ordering::Relaxed),
            last_refusal: self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phases_only_move_forward() {
        let status = Status::new();
        assert_eq!(status.phase(), Phase::Starting);
        status.enter(Phase::Draining);
        status.enter(Phase::Serving);
        assert_eq!(status.phase(), Phase::Draining);
    }

    #[test]
    fn a_reload_that_works_clears_the_last_refusal() {
        let status = Status::new();
        status.refused("line 3");
        assert_eq!(status.reloads().last_refusal.as_deref(), Some("line 3"));
        status.reloaded(2);
        let reloads = status.reloads();
        assert_eq!((reloads.done, reloads.refused, reloads.last_refusal), (1, 1, None));
        assert_eq!(status.epoch(), 2);
    }
}
