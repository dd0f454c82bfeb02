//! Exit codes, the same for every command.

use std::process::ExitCode;

/// How a command ended. The help of the program documents the numbers: scripts rely on them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Exit {
    /// Done; for `run`, drained to the last request.
    Done = 0,
    /// Something failed while running: a socket could not be bound, a shard died.
    Failed = 1,
    /// Bad usage or a bad configuration; nothing was started.
    Refused = 2,
    /// `run`: the drain's deadline passed with requests unfinished.
    Cut = 3,
    /// `run`: a second signal ended the drain.
    Interrupted = 4,
    /// `routes METHOD URL`: nothing answers that request.
    NoMatch = 5,
}

/// The help text about exit codes.
pub(super) const HELP: &str = "\
Exit codes:
  0  done; for `run`: drained to the last request
  1  a failure while running: a socket that cannot be bound, a shard that died
  2  bad usage or a bad configuration; nothing was started
  3  run: the drain's deadline passed with requests unfinished
  4  run: a second signal ended the drain
  5  routes METHOD URL: nothing answers that request";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_help_documents_every_code() {
        let last = Exit::NoMatch as u8;
        let documented = HELP.lines().skip(1).map(|line| line.trim_start().as_bytes()[0] - b'0');
        assert_eq!(documented.collect::<Vec<_>>(), (0..=last).collect::<Vec<_>>());
    }
}
