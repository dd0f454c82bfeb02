//! What signals ask of the process.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// What the process is asked to do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Asked {
    /// SIGHUP: read the boot file again.
    Reload,
    /// SIGUSR1: open the logs anew.
    ReopenLogs,
    /// SIGUSR2: start the binary anew and hand over.
    HandOver,
    /// SIGTERM, SIGINT: drain and end; if draining, end at once.
    End,
}

/// The signals that the process listens to.
#[derive(Debug)]
pub(crate) struct Signals {
    hangup: Signal,
    reopen: Signal,
    hand_over: Signal,
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// Listens from now on; without this they would end the process.
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self {
            hangup: signal(SignalKind::hangup())?,
            reopen: signal(SignalKind::user_defined1())?,
            hand_over: signal(SignalKind::user_defined2())?,
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the next. May be dropped and called again without missing one.
    pub(crate) async fn next(&mut self) -> Asked {
        tokio::select! {
            _ = self.hangup.recv() => Asked::Reload,
            _ = self.reopen.recv() => Asked::ReopenLogs,
            _ = self.hand_over.recv() => Asked::HandOver,
            _ = self.terminate.recv() => Asked::End,
            _ = self.interrupt.recv() => Asked::End,
        }
    }
}
