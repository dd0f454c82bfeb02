//! Functions that run on this machine: their processes, which their host counts, and calls of them,
//! which the shards do.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use super::counter::Counter;
use super::exposition::Exposition;
use super::families::LATENCY_BOUNDS;
use super::histogram::{Histogram, HistogramSum};
use super::process::ProcessInfo;
use super::recorder::Claim;
use super::shard_metrics::ShardMetrics;
use crate::base::Nanos;

/// Counts of one function's processes.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct FunctionCounts {
    /// Processes that are there.
    pub processes_count: u64,
    /// Processes that were started.
    pub starts_count: u64,
    /// Processes that came to ask for an event: cold starts.
    pub initialised_count: u64,
    /// How long those took together.
    pub initialised_span: Nanos,
    /// Processes that ended, by why.
    pub ended_counts: BTreeMap<&'static str, u64>,
}

/// How a call of a function ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum CallOutcome {
    /// The function answered, or began to.
    Answered,
    /// The function failed, or its runtime, or no process of it could be started.
    Failed,
    /// Its own time was up, or the caller's.
    TimedOut,
    /// It was refused: too many calls wait.
    Throttled,
    /// The caller went away.
    Abandoned,
}

impl CallOutcome {
    /// Label values in the order of the variants.
    const NAMES: [&'static str; 5] = ["answered", "failed", "timed_out", "throttled", "abandoned"];
}

/// What one shard counts of calls of one function.
#[derive(Debug, Default)]
pub(super) struct CallCounters {
    outcomes: [Counter; CallOutcome::NAMES.len()],
    /// Of those that were made and waited for.
    duration: Histogram,
}

/// Counts calls of one function on its shard.
#[derive(Clone, Debug)]
pub struct CallRecorder {
    counters: Arc<CallCounters>,
    _claim: Rc<Claim>,
}

impl CallRecorder {
    pub(super) fn new(counters: Arc<CallCounters>, claim: Rc<Claim>) -> Self {
        Self { counters, _claim: claim }
    }

    /// A call has ended that took so long, waiting for a process included.
    pub fn ended(&self, outcome: CallOutcome, duration: Nanos) {
        self.counters.outcomes[outcome as usize].add(1);
        if !matches!(outcome, CallOutcome::Throttled | CallOutcome::Abandoned) {
            self.counters.duration.record(duration);
        }
    }
}

pub(super) fn render_calls(shards: &[Arc<ShardMetrics>], text: &mut Exposition<'_>) {
    let mut functions = BTreeMap::<Box<str>, Vec<Arc<CallCounters>>>::new();
    for (name, counters) in shards.iter().flat_map(|shard| shard.calls()) {
        functions.entry(name).or_default().push(counters);
    }
    text.counter("shardgate_function_calls_total", "Calls of a function that ended, by outcome.");
    for (name, shards) in &functions {
        for (index, outcome) in CallOutcome::NAMES.iter().enumerate() {
            let count = shards.iter().map(|one| one.outcomes[index].get()).sum::<u64>();
            text.sample(&[("function", name), ("outcome", outcome)], count);
        }
    }
    text.histogram(
        "shardgate_function_call_duration_seconds",
        "From a call of a function to its answer or its failure, waiting for a process included.",
    );
    for (name, shards) in &functions {
        let mut sum = HistogramSum::default();
        shards.iter().for_each(|one| sum.add(&one.duration));
        text.buckets(&[("function", name)], &sum, &LATENCY_BOUNDS);
    }
}

pub(super) fn render(process: &ProcessInfo, text: &mut Exposition<'_>) {
    let functions = &process.functions;
    text.gauge("shardgate_function_processes", "Processes of a function on this machine.");
    for (name, counts) in functions {
        text.sample(&[("function", name)], counts.processes_count);
    }
    text.counter("shardgate_function_starts_total", "Processes of a function that were started.");
    for (name, counts) in functions {
        text.sample(&[("function", name)], counts.starts_count);
    }
    text.counter(
        "shardgate_function_cold_starts_total",
        "Processes of a function that came to ask for their first event.",
    );
    for (name, counts) in functions {
        text.sample(&[("function", name)], counts.initialised_count);
    }
    text.counter(
        "shardgate_function_cold_start_seconds_total",
        "How long those processes took to their first question together.",
    );
    for (name, counts) in functions {
        text.sample_seconds(&[("function", name)], counts.initialised_span);
    }
    text.counter(
        "shardgate_function_ends_total",
        "Processes of a function that ended or could not be started, by why.",
    );
    for (name, counts) in functions {
        for (reason, count) in &counts.ended_counts {
            text.sample(&[("function", name), ("reason", reason)], *count);
        }
    }
}
