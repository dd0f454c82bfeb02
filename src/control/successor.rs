//! Hands this process's listening sockets to a new one of the same program (SIGUSR2).
//!
//! The binary is read from disk again, so this is how the gateway is upgraded. The new process
//! accepts from the very same sockets: a connection that waits in their queues is accepted by one
//! of the two, never refused. Until the new process says that it serves, nothing here changes; if
//! it ends or takes too long, this process goes on as if nothing had been asked.

use std::env;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream as StdUnixStream;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::UnixStream;

use super::inherited::{HANDOVER_VARIABLE, HandedSocket, Handover, Predecessor};
use super::listeners::Listeners;
use crate::rt::ListenerSocket;
use crate::sys::inheritable;

/// How this process was started, noted before the binary on disk is replaced.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    path: PathBuf,
    arguments: Vec<OsString>,
}

/// The sockets of a process that are no listeners of requests.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct OwnSockets<'a> {
    pub(crate) admin: Option<BorrowedFd<'a>>,
    pub(crate) management: Option<BorrowedFd<'a>>,
}

/// A new process that is starting.
#[derive(Debug)]
pub(crate) struct Successor {
    child: Child,
    ready: UnixStream,
    serves: bool,
}

impl Program {
    /// The running program with its arguments.
    pub(crate) fn current() -> io::Result<Self> {
        Ok(Self { path: env::current_exe()?, arguments: env::args_os().collect() })
    }

    /// Starts the program anew with the sockets of `listeners` and of the process itself.
    pub(crate) fn start(
        &self,
        listeners: &Listeners,
        own: OwnSockets<'_>,
        driver: &str,
    ) -> io::Result<Successor> {
        let (ours, theirs) = StdUnixStream::pair()?;
        // Copies without the close-on-exec mark live from here to the end of this function; no
        // other process is started meanwhile.
        let mut copies = vec![inheritable(theirs.as_fd())?];
        let mut copy = |fd: BorrowedFd<'_>| -> io::Result<_> {
            copies.push(inheritable(fd)?);
            Ok(copies.last().map_or(-1, |copy| copy.as_raw_fd()))
        };
        let mut handed = Vec::new();
        for (name, shard, socket) in listeners.sockets() {
            let fd = copy(borrow(socket))?;
            handed.push(HandedSocket { fd, listener: name.to_owned(), shard });
        }
        let admin_fd = own.admin.map(&mut copy).transpose()?;
        let management_fd = own.management.map(&mut copy).transpose()?;
        let handover = Handover {
            driver: driver.to_owned(),
            ready_fd: copies[0].as_raw_fd(),
            sockets: handed,
            admin_fd,
            management_fd,
        };
        let child = self.spawn(&handover, &copies)?;
        ours.set_nonblocking(true)?;
        Ok(Successor { child, ready: UnixStream::from_std(ours)?, serves: false })
    }

    fn spawn(&self, handover: &Handover, _copies_stay_open: &[OwnedFd]) -> io::Result<Child> {
        let mut command = Command::new(&self.path);
        let mut arguments = self.arguments.iter();
        if let Some(name) = arguments.next() {
            command.arg0(name);
        }
        // The activation of this process is not the child's, and its watchdog not for its pid.
        for variable in ["LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "WATCHDOG_PID"] {
            command.env_remove(variable);
        }
        command.args(arguments).env(HANDOVER_VARIABLE, serde_json::to_string(handover)?).spawn()
    }
}

impl Successor {
    /// The process id.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until the new process serves. If it does not come to that, it is ended, and the
    /// answer says why.
    pub(crate) async fn wait_ready(mut self, limit: Duration) -> Result<(), String> {
        let mut word = [0; READY.len()];
        match tokio::time::timeout(limit, self.ready.read_exact(&mut word)).await {
            Ok(Ok(_)) if word == *READY => {
                self.serves = true;
                Ok(())
            }
            Ok(Ok(_)) => self.end("it answered something else"),
            // End of file: it closed the stream, as a process does that ends.
            Ok(Err(_)) => self.end("it ended before it was ready; its log says why"),
            Err(_) => self.end(&format!("it was not ready within {} s", limit.as_secs())),
        }
    }

    fn end(&mut self, reason: &str) -> Result<(), String> {
        // It may have ended by itself; then there is nothing to kill, only to collect.
        let _ = self.child.kill();
        let status = self.child.wait().map(|status| format!(" ({status})")).unwrap_or_default();
        Err(format!("{reason}{status}"))
    }
}

/// A successor that nobody waits for any more must not serve beside this process.
impl Drop for Successor {
    fn drop(&mut self) {
        if !self.serves {
            // Ended by itself already, or ended now.
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

impl Predecessor {
    /// Tells the predecessor that this process serves. It may have gone meanwhile.
    pub(crate) fn tell_ready(self) {
        use std::io::Write as _;
        if let Err(error) = StdUnixStream::from(self.ready).write_all(READY) {
            tracing::warn!(%error, "the predecessor cannot be told that this process serves");
        }
    }
}

const READY: &[u8; 6] = b"ready\n";

fn borrow(socket: &ListenerSocket) -> BorrowedFd<'_> {
    match socket {
        ListenerSocket::Tcp(socket) => socket.as_fd(),
        ListenerSocket::Unix(socket) => socket.as_fd(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(script: &str, limit: Duration) -> Result<(), String> {
        let arguments = ["bash", "-c", script].map(OsString::from).to_vec();
        let program = Program { path: "/bin/bash".into(), arguments };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(async {
            let listeners = Listeners::new(Vec::new());
            let successor =
                program.start(&listeners, OwnSockets::default(), "epoll").expect("started");
            assert!(successor.pid() > 0);
            successor.wait_ready(limit).await
        })
    }

    const FIND_FD: &str = "fd=$(printf %s \"$SHARDGATE_HANDOVER\" | \
                           sed 's/.*\"ready_fd\":\\([0-9]*\\).*/\\1/');";

    #[test]
    fn a_successor_that_says_so_is_ready() {
        let script = FIND_FD.to_owned() + "echo ready >&$fd";
        assert_eq!(run(&script, Duration::from_secs(60)), Ok(()));
    }

    #[test]
    fn a_successor_that_ends_says_how() {
        let reason = run("exit 7", Duration::from_secs(60)).unwrap_err();
        assert!(reason.contains("ended before it was ready") && reason.contains('7'), "{reason}");
    }

    #[test]
    fn a_successor_that_hangs_is_ended() {
        let reason = run("exec sleep 1000", Duration::from_millis(1)).unwrap_err();
        assert!(reason.contains("was not ready within"), "{reason}");
    }

    #[test]
    fn a_successor_that_says_something_else_is_ended() {
        let script = FIND_FD.to_owned() + "echo hello >&$fd; exec sleep 1000";
        let reason = run(&script, Duration::from_secs(60)).unwrap_err();
        assert!(reason.contains("something else"), "{reason}");
    }
}
