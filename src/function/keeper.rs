//! The keeper: a process between the gateway and one process of a function, so that nothing of it
//! stays behind.
//!
//! Whatever a function forks, daemonises or moves to a session of its own stays a descendant of its
//! keeper, which takes in orphans. When the function ends, when the gateway says so, and when the
//! gateway is gone, be it by `kill -9`, the keeper kills all of them and ends as the function did.
//! Runs before anything of the gateway is set up: no runtime, no TLS, no threads.

use std::ffi::OsString;
use std::io;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _, parent_id};
use std::path::PathBuf;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use super::tree::descendants;
use crate::sys::{
    AwaitedSignals, Reaped, Signal, StartDescriptors, adopt_orphans, end_like, leave_no_core,
    on_parent_end, reap_any, send_signal, send_signal_to_group, spawn_bound,
};

/// What a keeper is told.
#[derive(Debug)]
pub struct Keeper {
    /// The process that it keeps for.
    pub parent: u32,
    /// How long a function that is asked to end may take.
    pub grace: Duration,
    /// Where the program starts, if not where the keeper does.
    pub directory: Option<PathBuf>,
    /// Who the program runs as: user and group.
    pub user: Option<(u32, u32)>,
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Keeper {
    /// Keeps the program until nothing is left of it. Answers with the exit code; where a signal
    /// ended the program, the same ends this process before that.
    #[must_use]
    pub fn keep(&self) -> u8 {
        match self.try_keep() {
            Ok(status) => end_as(status),
            Err(error) => {
                let program = self.program.display();
                eprintln!("shardgate: {program} cannot be started: {error}");
                if error.kind() == io::ErrorKind::NotFound { NOT_FOUND } else { NOT_STARTED }
            }
        }
    }

    fn try_keep(&self) -> io::Result<ExitStatus> {
        let signals =
            AwaitedSignals::block(&[Signal::Terminate, Signal::User1, Signal::ChildEnded])?;
        leave_no_core()?;
        adopt_orphans()?;
        on_parent_end(Signal::Terminate)?;
        if parent_id() != self.parent {
            return Err(io::Error::other("the gateway is gone"));
        }
        if let Some(descriptors) = StartDescriptors::claim() {
            descriptors.close_others(&[])?;
        }
        let child = self.start()?;
        Ok(Kept { signals, child, status: None }.run(self.grace))
    }

    /// Starts the program in a process group of its own.
    fn start(&self) -> io::Result<u32> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).process_group(0);
        if let Some(directory) = &self.directory {
            command.current_dir(directory);
        }
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        Ok(spawn_bound(&mut command)?.id())
    }
}

/// A program that runs.
struct Kept {
    signals: AwaitedSignals,
    child: u32,
    /// How it ended.
    status: Option<ExitStatus>,
}

impl Kept {
    /// Waits for the end of the program or for the word to end it, and leaves nothing behind.
    fn run(mut self, grace: Duration) -> ExitStatus {
        let mut deadline: Option<Instant> = None;
        while self.status.is_none() {
            let left = deadline.map(|at| at.saturating_duration_since(Instant::now()));
            match self.signals.wait(left) {
                Some(Signal::Terminate) => break,
                Some(Signal::User1) => {
                    // It may have ended this very moment.
                    let _ = send_signal_to_group(self.child, Signal::Terminate);
                    deadline.get_or_insert(Instant::now() + grace);
                }
                _ => {
                    self.reap();
                }
            }
            if deadline.is_some_and(|at| at <= Instant::now()) {
                break;
            }
        }
        self.kill_all();
        self.status.unwrap_or(ExitStatus::from_raw(0))
    }

    /// Takes away whoever has ended; answers whether anyone is left.
    fn reap(&mut self) -> bool {
        loop {
            match reap_any() {
                Reaped::Child(pid, status) if pid == self.child => self.status = Some(status),
                Reaped::Child(..) => {}
                Reaped::NoneYet => return true,
                Reaped::NoChildren => return false,
            }
        }
    }

    /// Kills every descendant. That there are no children proves that there are none at all, as
    /// orphans become children. They are stopped first, so that none forks away from the list.
    fn kill_all(&mut self) {
        let begun = Instant::now();
        let mut pause = PAUSE_MIN;
        while self.reap() {
            let found = descendants(std::process::id());
            for signal in [Signal::Stop, Signal::Kill] {
                for pid in &found {
                    // It may be gone, or another user's by a program that became one.
                    let _ = send_signal(*pid, signal);
                }
            }
            if begun.elapsed() > KILL_PATIENCE {
                eprintln!("shardgate: processes of the function cannot be killed: {found:?}");
                return;
            }
            // A child that ends wakes at once.
            let _ = self.signals.wait(Some(pause));
            pause = (pause * 2).min(PAUSE_MAX);
        }
    }
}

fn end_as(status: ExitStatus) -> u8 {
    if let Some(signal) = status.signal() {
        end_like(signal);
    }
    let code = status.code().or(status.signal().map(|signal| 128 + signal));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(NOT_STARTED)
}

/// As shells have it (POSIX, "Exit Status for Commands").
const NOT_FOUND: u8 = 127;
const NOT_STARTED: u8 = 126;
/// How long what is killed may take to go. What the kernel does not let go of is left to it.
const KILL_PATIENCE: Duration = Duration::from_secs(5);
const PAUSE_MIN: Duration = Duration::from_micros(200);
const PAUSE_MAX: Duration = Duration::from_millis(20);
