//! Tells systemd how the service does (sd_notify(3)): ready, reloading, stopping, alive, and
//! which process is the main one after a hand-over. Does nothing where `NOTIFY_SOCKET` is not set.
//!
//! A supervisor that cannot be told is never a reason to fail.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::sys::monotonic_us;

/// The way to the supervisor, if there is one.
#[derive(Debug, Default)]
pub(crate) struct Systemd {
    notify: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
}

impl Systemd {
    /// As the environment says.
    pub(crate) fn from_environment() -> Self {
        let variable = |name: &str| env::var(name).ok();
        let notify = env::var_os("NOTIFY_SOCKET").and_then(|path| open(&path).ok());
        let watchdog = watchdog_period(
            variable("WATCHDOG_USEC").as_deref(),
            variable("WATCHDOG_PID").as_deref(),
            std::process::id(),
        );
        Self { notify, watchdog }
    }

    /// How often [`Systemd::alive`] must be told: twice in the time after which systemd restarts
    /// the service.
    pub(crate) fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.notify.is_some()).map(|period| period / 2)
    }

    /// Requests are served.
    pub(crate) fn ready(&self, status: &str) {
        self.send(&format!("READY=1\nSTATUS={}", one_line(status)));
    }

    /// A reload begins; [`Systemd::ready`] ends it.
    pub(crate) fn reloading(&self) {
        self.send(&format!("RELOADING=1\nMONOTONIC_USEC={}", monotonic_us()));
    }

    /// The drain begins.
    pub(crate) fn stopping(&self) {
        self.send("STOPPING=1\nSTATUS=draining");
    }

    /// The main loop and all shards turn.
    pub(crate) fn alive(&self) {
        self.send("WATCHDOG=1");
    }

    /// Another process is the service from now on.
    pub(crate) fn main_pid(&self, pid: u32) {
        self.send(&format!("MAINPID={pid}"));
    }

    fn send(&self, state: &str) {
        if let Some((socket, address)) = &self.notify
            && let Err(error) = socket.send_to_addr(state.as_bytes(), address)
        {
            tracing::debug!(%error, "systemd cannot be told");
        }
    }
}

/// A path, or `@` and a name in the abstract namespace.
fn open(path: &OsStr) -> io::Result<(UnixDatagram, SocketAddr)> {
    let address = match path.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(path)?,
    };
    let socket = UnixDatagram::unbound()?;
    // Full queue: the message is lost rather than the loop held up.
    socket.set_nonblocking(true)?;
    Ok((socket, address))
}

fn watchdog_period(usec: Option<&str>, pid: Option<&str>, own_pid: u32) -> Option<Duration> {
    if pid.is_some_and(|pid| pid.parse::<u32>() != Ok(own_pid)) {
        return None;
    }
    let usec = usec?.parse::<u64>().ok().filter(|usec| *usec > 0)?;
    Some(Duration::from_micros(usec))
}

fn one_line(text: &str) -> String {
    text.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_arrive_as_datagrams() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("notify");
        let supervisor = UnixDatagram::bind(&path).expect("bound");
        let notify = Some(open(path.as_os_str()).expect("opened"));
        let systemd = Systemd { notify, watchdog: Some(Duration::from_secs(10)) };
        systemd.ready("epoch 1\nserving");
        systemd.main_pid(42);
        let mut buffer = [0; 128];
        let mut next = || {
            let length = supervisor.recv(&mut buffer).expect("received");
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        assert_eq!(next(), "READY=1\nSTATUS=epoch 1 serving");
        assert_eq!(next(), "MAINPID=42");
        assert_eq!(systemd.watchdog(), Some(Duration::from_secs(5)));
    }

    #[test]
    fn without_a_supervisor_nothing_happens() {
        let systemd = Systemd::default();
        systemd.ready("serving");
        assert_eq!(systemd.watchdog(), None);
    }

    #[test]
    fn the_watchdog_is_for_the_process_that_it_names() {
        assert_eq!(watchdog_period(Some("2000000"), None, 7), Some(Duration::from_secs(2)));
        assert_eq!(watchdog_period(Some("2000000"), Some("7"), 7), Some(Duration::from_secs(2)));
        assert_eq!(watchdog_period(Some("2000000"), Some("8"), 7), None);
        assert_eq!(watchdog_period(Some("0"), None, 7), None);
        assert_eq!(watchdog_period(None, None, 7), None);
    }
}
