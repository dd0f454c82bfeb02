//! What the host knows of one function: its definition, how its starts went, and counts.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::backoff::Backoff;
use super::definition::{FunctionDefinition, FunctionProgram};
use crate::base::Nanos;
use crate::coord::LocalFunction;
use crate::observe::FunctionCounts;

/// A function that is bound.
#[derive(Debug)]
pub(super) struct BoundFunction {
    pub(super) function: Arc<LocalFunction>,
    pub(super) definition: Arc<FunctionDefinition>,
    /// Where its code is, links followed: a link that leads elsewhere is another code.
    code: Option<PathBuf>,
    pub(super) state: Arc<FunctionState>,
}

/// What its processes tell of themselves.
#[derive(Debug, Default)]
pub(super) struct FunctionState {
    backoff: Mutex<Backoff>,
    pub(super) counters: FunctionCounters,
}

impl BoundFunction {
    pub(super) fn new(function: Arc<LocalFunction>, definition: FunctionDefinition) -> Self {
        let code = code_of(&definition);
        Self { function, definition: Arc::new(definition), code, state: Arc::default() }
    }

    /// Another definition of the same function. Its processes are started anew if it makes a
    /// difference to them.
    pub(super) fn redefine(&mut self, definition: FunctionDefinition) {
        let code = code_of(&definition);
        let is_same = self.definition.starts_like(&definition) && self.code == code;
        self.definition = Arc::new(definition);
        self.code = code;
        if !is_same {
            self.has_changed();
        }
    }

    /// From now on its processes are started anew.
    pub(super) fn has_changed(&self) {
        self.state.backoff().reset();
        self.function.change();
    }
}

impl FunctionState {
    pub(super) fn backoff(&self) -> MutexGuard<'_, Backoff> {
        self.backoff.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn code_of(definition: &FunctionDefinition) -> Option<PathBuf> {
    match &definition.program {
        FunctionProgram::Handler(code) => code.folder.canonicalize().ok(),
        FunctionProgram::Command(_) => None,
    }
}

/// Counts of one function's processes, for metrics.
#[derive(Debug, Default)]
pub(super) struct FunctionCounters(Mutex<FunctionCounts>);

impl FunctionCounters {
    pub(super) fn read(&self) -> FunctionCounts {
        self.lock().clone()
    }

    pub(super) fn started(&self) {
        let mut counts = self.lock();
        counts.starts_count += 1;
        counts.processes_count += 1;
    }

    pub(super) fn initialised(&self, span: Duration) {
        let mut counts = self.lock();
        counts.initialised_count += 1;
        counts.initialised_span = counts.initialised_span.plus(Nanos::from(span));
    }

    pub(super) fn ended(&self, label: &'static str) {
        let mut counts = self.lock();
        counts.processes_count = counts.processes_count.saturating_sub(1);
        *counts.ended_counts.entry(label).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, FunctionCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
