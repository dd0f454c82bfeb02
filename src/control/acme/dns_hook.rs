//! Runs the command that adds and removes TXT records.

use std::fmt;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;

use super::error::AcmeError;
use crate::model::DnsHook;

/// A TXT record.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct TxtRecord {
    /// `_acme-challenge.` and the name.
    pub(super) name: String,
    pub(super) value: String,
}

impl TxtRecord {
    /// The record that proves `identifier`, a name without `*.` (RFC 8555 section 8.4).
    pub(super) fn of(identifier: &str, value: String) -> Self {
        Self { name: format!("_acme-challenge.{identifier}"), value }
    }
}

/// What is done with a record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum HookVerb {
    Add,
    Remove,
}

impl fmt::Display for HookVerb {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(match self {
            Self::Add => "add",
            Self::Remove => "remove",
        })
    }
}

/// Runs the command to its end; it is killed when it takes too long. What it says is in the log.
pub(super) async fn run(
    hook: &DnsHook,
    verb: HookVerb,
    record: &TxtRecord,
) -> Result<(), AcmeError> {
    let failed = |reason: String| AcmeError::Hook(format!("({verb} {}) {reason}", record.name));
    let timeout = Duration::from_millis(hook.timeout_ms);
    let output = tokio::time::timeout(timeout, run_to_end(hook, verb, record)).await;
    let output = output
        .map_err(|_| failed(format!("was killed: it took longer than {} ms", hook.timeout_ms)))?
        .map_err(|error| failed(format!("cannot be run: {error}")))?;
    let (stdout, stderr) = (shown(&output.stdout), shown(&output.stderr));
    let name = &record.name;
    if output.status.success() {
        tracing::info!(%verb, name, stdout, stderr, "the dns_hook has run");
        return Ok(());
    }
    tracing::error!(%verb, name, status = %output.status, stdout, stderr, "the dns_hook failed");
    let said = if stderr.is_empty() { stdout } else { stderr };
    Err(failed(format!("failed ({}): {said}", output.status)))
}

async fn run_to_end(hook: &DnsHook, verb: HookVerb, record: &TxtRecord) -> std::io::Result<Output> {
    let (program, arguments) =
        hook.command.split_first().ok_or(std::io::ErrorKind::InvalidInput)?;
    let mut child = Command::new(program)
        .args(arguments)
        .arg(verb.to_string())
        .args([&record.name, &record.value])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    let (stdout, stderr, status) = tokio::join!(read(stdout), read(stderr), child.wait());
    Ok(Output { status: status?, stdout, stderr })
}

/// The beginning of what a command says; the rest is read and thrown away, so that it can end.
async fn read(pipe: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let mut start = Vec::new();
    if let Some(mut pipe) = pipe {
        // A pipe that breaks has said what it will.
        let _ = (&mut pipe).take(OUTPUT_BYTES_MAX).read_to_end(&mut start).await;
        let _ = tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await;
    }
    start
}

fn shown(output: &[u8]) -> String {
    String::from_utf8_lossy(output).trim_end().to_owned()
}

const OUTPUT_BYTES_MAX: u64 = 4 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> DnsHook {
        let command = ["sh", "-c", script, "hook"].map(str::to_owned).into();
        DnsHook { command, timeout_ms: 30_000 }
    }

    fn record() -> TxtRecord {
        TxtRecord::of("a.example", "a b;$(c)".to_owned())
    }

    #[tokio::test]
    async fn the_command_gets_verb_name_and_value_as_they_are() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("said");
        let script = format!("printf '%s\\n' \"$@\" > {}", file.display());
        run(&shell(&script), HookVerb::Add, &record()).await.expect("it ran");
        let said = std::fs::read_to_string(&file).expect("written");
        assert_eq!(said, "add\n_acme-challenge.a.example\na b;$(c)\n");
        run(&shell(&script), HookVerb::Remove, &record()).await.expect("it ran");
        assert!(std::fs::read_to_string(&file).expect("written").starts_with("remove\n"));
    }

    #[tokio::test]
    async fn what_fails_says_why() {
        for (script, reason) in [
            ("echo out; echo no zone >&2; exit 3", "(exit status: 3): no zone"),
            ("echo only out; exit 1", "only out"),
            ("kill -9 $$", "signal: 9"),
        ] {
            let error = run(&shell(script), HookVerb::Add, &record()).await.expect_err(script);
            assert!(error.to_string().contains(reason), "{error}");
            assert!(error.to_string().contains("(add _acme-challenge.a.example)"), "{error}");
        }
        let none = DnsHook { command: vec!["/nowhere/hook".into()], timeout_ms: 1_000 };
        let error = run(&none, HookVerb::Add, &record()).await.expect_err("no program");
        assert!(error.to_string().contains("cannot be run"), "{error}");
    }

    #[tokio::test]
    async fn much_output_does_not_hold_it_up() {
        let script = "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2";
        run(&shell(script), HookVerb::Add, &record()).await.expect("it ended");
    }

    #[tokio::test]
    async fn one_that_does_not_end_is_killed() {
        let hook = DnsHook { timeout_ms: 50, ..shell("exec sleep 600") };
        let error = run(&hook, HookVerb::Add, &record()).await.expect_err("too long");
        assert!(error.to_string().contains("longer than 50 ms"), "{error}");
    }
}
