//! Why a process ended, and how those who wait for it are told: with the error objects of Lambda
//! (AWS Lambda Developer Guide, "Troubleshoot invocation issues in Lambda").

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use serde_json::json;

use crate::coord::EndReason;

/// Why a process ended, or was not started at all.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// By itself.
    Exited(ExitStatus),
    /// It did not ask for an event in time.
    InitTimedOut { limit_ms: u64 },
    /// Its runtime said that it cannot start: the JSON of the error.
    InitFailed(String),
    /// There is nothing that can be started: a sentence without full stop.
    NotStarted(String),
    /// It had more in memory than it may.
    OutOfMemory,
    /// A shard wanted it.
    Asked(EndReason, u64),
    /// The gateway ends.
    Shutdown,
}

impl Ended {
    /// The JSON of the error that calls get which it leaves unanswered.
    pub(super) fn error(&self, request_id: Option<&str>) -> String {
        let (kind, message) = match self {
            Self::InitFailed(error) => return error.clone(),
            Self::Exited(status) => ("Runtime.ExitError", exit_text(*status)),
            Self::InitTimedOut { limit_ms } => ("Sandbox.Timedout", timeout_text(*limit_ms)),
            Self::Asked(EndReason::TimedOut, limit_ms) => {
                ("Sandbox.Timedout", timeout_text(*limit_ms))
            }
            Self::NotStarted(reason) => ("Runtime.InvalidEntrypoint", reason.clone()),
            Self::OutOfMemory => {
                ("Runtime.OutOfMemory", "Runtime exited with error: signal: killed".to_owned())
            }
            Self::Asked(EndReason::Protocol(reason), _) => ("Runtime.Unknown", reason.clone()),
            Self::Asked(EndReason::Idle | EndReason::Stale, _) | Self::Shutdown => {
                ("Sandbox.Failure", "the process was ended".to_owned())
            }
        };
        let message = match request_id {
            Some(id) => format!("RequestId: {id} Error: {message}"),
            None => format!("Error: {message}"),
        };
        json!({ "errorType": kind, "errorMessage": message }).to_string()
    }

    /// For metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Exited(_) => "exit",
            Self::InitTimedOut { .. } => "init_timeout",
            Self::InitFailed(_) => "init_error",
            Self::NotStarted(_) => "not_started",
            Self::OutOfMemory => "memory",
            Self::Asked(EndReason::Idle, _) => "idle",
            Self::Asked(EndReason::Stale, _) => "stale",
            Self::Asked(EndReason::TimedOut, _) => "timeout",
            Self::Asked(EndReason::Protocol(_), _) => "protocol",
            Self::Shutdown => "shutdown",
        }
    }

    /// Whether somebody may want to know: it was not meant to end.
    pub(super) fn is_failure(&self) -> bool {
        !matches!(self, Self::Asked(EndReason::Idle | EndReason::Stale, _) | Self::Shutdown)
    }
}

/// As Lambda's own log has it.
fn exit_text(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(0), _) => "Runtime exited without providing a reason".to_owned(),
        (Some(code), _) => format!("Runtime exited with error: exit status {code}"),
        (None, Some(signal)) => format!("Runtime exited with error: signal: {}", name_of(signal)),
        (None, None) => "Runtime exited with error".to_owned(),
    }
}

fn timeout_text(limit_ms: u64) -> String {
    format!("Task timed out after {}.{:02} seconds", limit_ms / 1_000, limit_ms % 1_000 / 10)
}

/// As Go, in which Lambda's supervisor is written, calls signals.
fn name_of(signal: i32) -> String {
    let name = match signal {
        1 => "hangup",
        2 => "interrupt",
        3 => "quit",
        4 => "illegal instruction",
        5 => "trace/breakpoint trap",
        6 => "aborted",
        7 => "bus error",
        8 => "floating point exception",
        9 => "killed",
        11 => "segmentation fault",
        13 => "broken pipe",
        14 => "alarm clock",
        15 => "terminated",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exited(wait_status: i32) -> Ended {
        Ended::Exited(ExitStatus::from_raw(wait_status))
    }

    #[test]
    fn ends_are_told_as_lambda_does() {
        let told = |ended: &Ended| ended.error(Some("7a"));
        let of = |kind: &str, text: &str| {
            format!(r#"{{"errorType":"{kind}","errorMessage":"RequestId: 7a Error: {text}"}}"#)
        };
        let exit = "Runtime.ExitError";
        assert_eq!(told(&exited(1 << 8)), of(exit, "Runtime exited with error: exit status 1"));
        assert_eq!(told(&exited(9)), of(exit, "Runtime exited with error: signal: killed"));
        assert_eq!(told(&exited(0)), of(exit, "Runtime exited without providing a reason"));
        assert_eq!(
            told(&Ended::Asked(EndReason::TimedOut, 3_050)),
            of("Sandbox.Timedout", "Task timed out after 3.05 seconds")
        );
        assert_eq!(
            told(&Ended::OutOfMemory),
            of("Runtime.OutOfMemory", "Runtime exited with error: signal: killed")
        );
    }

    #[test]
    fn what_the_runtime_said_is_passed_on() {
        let error = r#"{"errorType":"Runtime.ImportModuleError"}"#;
        assert_eq!(Ended::InitFailed(error.to_owned()).error(Some("7a")), error);
        let unnamed = Ended::NotStarted("no `node`".to_owned()).error(None);
        assert!(unnamed.contains(r#""errorMessage":"Error: no `node`""#), "{unnamed}");
    }
}
