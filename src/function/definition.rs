//! What a function is that runs on this machine: its program, and what its processes get.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::coord::FunctionLimits;
use crate::model::FunctionName;

/// A function that runs on this machine. Whoever binds one has checked it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct FunctionDefinition {
    /// What integrations call it; as a text, its name on the [`crate::coord::FunctionBoard`].
    pub name: FunctionName,
    /// What is started.
    pub program: FunctionProgram,
    /// Where its processes start; without one, in the folder of its code or where the gateway is.
    pub working_directory: Option<PathBuf>,
    /// Variables on top of those that every function gets.
    pub environment: BTreeMap<String, String>,
    /// Who its processes run as; without one, as the gateway does. Needs root.
    pub user: Option<FunctionUser>,
    /// From an event given to its answer.
    pub timeout_ms: u64,
    /// What a process and all that it started may have in memory.
    pub memory_bytes_max: u64,
    /// A process that has had nothing to do for this long is ended.
    pub idle_ms: u64,
    /// From the start of a process to its first question for an event.
    pub init_timeout_ms: u64,
    /// How many processes may be there at once, in place of a share of all functions' number.
    pub reserved_concurrency: Option<u32>,
}

impl FunctionDefinition {
    /// A function with Lambda's defaults.
    #[must_use]
    pub fn new(name: FunctionName, program: FunctionProgram) -> Self {
        Self {
            name,
            program,
            working_directory: None,
            environment: BTreeMap::new(),
            user: None,
            timeout_ms: TIMEOUT_MS,
            memory_bytes_max: MEMORY_BYTES_MAX,
            idle_ms: IDLE_MS,
            init_timeout_ms: INIT_TIMEOUT_MS,
            reserved_concurrency: None,
        }
    }

    /// What the board calls it.
    #[must_use]
    pub fn key(&self) -> String {
        self.name.to_string()
    }

    /// What shards know of it.
    #[must_use]
    pub fn limits(&self) -> FunctionLimits {
        FunctionLimits {
            timeout_ms: self.timeout_ms,
            idle_ms: self.idle_ms,
            reserved_concurrency: self.reserved_concurrency,
        }
    }

    /// Whether processes of the one do for the other: what differs counts for shards alone.
    #[must_use]
    pub(crate) fn starts_like(&self, other: &Self) -> bool {
        let without_limits = |one: &Self| Self {
            idle_ms: 0,
            init_timeout_ms: 0,
            reserved_concurrency: None,
            ..one.clone()
        };
        without_limits(self) == without_limits(other)
    }
}

/// What is started for a function.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FunctionProgram {
    /// A program that speaks the Runtime API, and its arguments; at least the program.
    Command(Vec<String>),
    /// Code for an interpreter of this machine.
    Handler(HandlerCode),
}

/// Code of a function that an interpreter of this machine runs.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct HandlerCode {
    /// Where it is.
    pub folder: PathBuf,
    /// `FILE.EXPORT`; without one, what the folder has decides.
    pub handler: Option<String>,
    /// The interpreter; without one, what the folder has decides.
    pub runtime: Option<HandlerRuntime>,
}

/// An interpreter.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandlerRuntime {
    Node,
    Python,
}

/// Who processes of a function run as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum FunctionUser {
    /// By name; its group is its own of the user database.
    Name(String),
    /// By number, the group of the same number.
    Id(u32),
}

/// Three seconds (AWS Lambda Developer Guide, "Configure Lambda function timeout").
pub const TIMEOUT_MS: u64 = 3_000;
/// Longest time-out (same page).
pub const TIMEOUT_MS_MAX: u64 = 900_000;
/// 128 MiB (AWS Lambda Developer Guide, "Configure Lambda function memory").
pub const MEMORY_BYTES_MAX: u64 = 128 * 1024 * 1024;
/// Ten minutes: AWS says no number, and people measure five to fifteen.
pub const IDLE_MS: u64 = 600_000;
/// Ten seconds (AWS Lambda Developer Guide, "Understanding the Lambda execution environment
/// lifecycle").
pub const INIT_TIMEOUT_MS: u64 = 10_000;
/// How many processes may be there at once. Lambda has 1,000 of them, and more than one machine.
pub const CONCURRENCY: u32 = 100;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_shards_start_nothing_anew() {
        let name = FunctionName::parse("orders:live").expect("a name");
        let one =
            FunctionDefinition::new(name, FunctionProgram::Command(vec!["/bin/true".to_owned()]));
        assert_eq!(one.key(), "orders:live");
        let idle = FunctionDefinition { idle_ms: 1, ..one.clone() };
        let reserved = FunctionDefinition { reserved_concurrency: Some(1), ..one.clone() };
        let memory = FunctionDefinition { memory_bytes_max: 1, ..one.clone() };
        assert!(one.starts_like(&idle) && one.starts_like(&reserved));
        assert!(!one.starts_like(&memory));
    }
}
