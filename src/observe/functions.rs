//! Processes of functions that run on this machine.

use std::collections::BTreeMap;

use super::exposition::Exposition;
use super::process::ProcessInfo;
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
