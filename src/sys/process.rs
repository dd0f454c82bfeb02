//! Processes: how one outlives nobody, takes in orphans, waits for signals and for children.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _, parent_id};
use std::process::{Command, ExitStatus};
use std::ptr;
use std::time::Duration;

use libc::c_int;

/// A signal that processes of the gateway send each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// `SIGTERM`.
    Terminate,
    /// `SIGKILL`.
    Kill,
    /// `SIGUSR1`.
    User1,
    /// `SIGSTOP`.
    Stop,
    /// `SIGCHLD`.
    ChildEnded,
}

impl Signal {
    const fn number(self) -> c_int {
        match self {
            Self::Terminate => libc::SIGTERM,
            Self::Kill => libc::SIGKILL,
            Self::User1 => libc::SIGUSR1,
            Self::Stop => libc::SIGSTOP,
            Self::ChildEnded => libc::SIGCHLD,
        }
    }
}

/// Sends a signal to one process.
pub fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = positive(pid)?;
    // SAFETY: kill(2) takes no pointers.
    checked(unsafe { libc::kill(pid, signal.number()) })
}

/// Sends a signal to each process of a group.
pub fn send_signal_to_group(group: u32, signal: Signal) -> io::Result<()> {
    let group = positive(group)?;
    // SAFETY: killpg(2) takes no pointers.
    checked(unsafe { libc::killpg(group, signal.number()) })
}

/// 0 and negative numbers mean groups to kill(2), and "everyone" among them.
fn positive(pid: u32) -> io::Result<libc::pid_t> {
    libc::pid_t::try_from(pid)
        .ok()
        .filter(|pid| *pid > 0)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))
}

/// From now on this process gets `signal` when the thread that started it ends. Whoever calls looks
/// afterwards whether its parent is still there: it may have ended before.
pub fn on_parent_end(signal: Signal) -> io::Result<()> {
    let number = libc::c_ulong::from(signal.number().unsigned_abs());
    // SAFETY: prctl(PR_SET_PDEATHSIG) takes a number and no pointers.
    checked(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, number, 0, 0, 0) })
}

/// From now on orphans among the descendants of this process become its children.
pub fn adopt_orphans() -> io::Result<()> {
    let (yes, none): (libc::c_ulong, libc::c_ulong) = (1, 0);
    // SAFETY: prctl(PR_SET_CHILD_SUBREAPER) takes a number and no pointers.
    checked(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, yes, none, none, none) })
}

/// This process leaves no core behind.
pub fn leave_no_core() -> io::Result<()> {
    let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live `rlimit` that the kernel only reads.
    checked(unsafe { libc::setrlimit(libc::RLIMIT_CORE, &none) })
}

/// Starts the child: it is killed when the calling thread ends, and gets all signals.
pub fn spawn_bound(command: &mut Command) -> io::Result<std::process::Child> {
    let parent = std::process::id();
    let bind = move || {
        on_parent_end(Signal::Kill)?;
        if parent_id() != parent {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        unblock_all()
    };
    // SAFETY: between fork and exec the closure makes three system calls (prctl, getppid,
    // sigprocmask) on values of its own; it allocates nothing and takes no lock.
    unsafe { command.pre_exec(bind) };
    command.spawn()
}

fn unblock_all() -> io::Result<()> {
    let set = empty_set();
    // SAFETY: the pointer is to a live set that is only read; the old set is not asked for.
    checked(unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()) })
}

fn empty_set() -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset(3) writes all of the set and cannot fail with a valid pointer.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

/// Signals that this thread no longer gets but waits for.
pub struct AwaitedSignals {
    set: libc::sigset_t,
    signals: Vec<Signal>,
}

impl AwaitedSignals {
    /// Blocks them for the calling thread, and for threads that it starts.
    pub fn block(signals: &[Signal]) -> io::Result<Self> {
        let mut set = empty_set();
        for signal in signals {
            // SAFETY: the set is live and initialised, and the number is that of a signal.
            checked(unsafe { libc::sigaddset(&raw mut set, signal.number()) })?;
        }
        // SAFETY: the pointer is to a live set that is only read; the old set is not asked for.
        checked(unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) })?;
        Ok(Self { set, signals: signals.to_vec() })
    }

    /// The next of them; `None` where none comes within `limit`, or another one interrupts.
    #[must_use]
    pub fn wait(&self, limit: Option<Duration>) -> Option<Signal> {
        let set = &raw const self.set;
        let number = match limit {
            // SAFETY: the set is live and only read; the kernel's account of it is not asked for.
            None => unsafe { libc::sigwaitinfo(set, ptr::null_mut()) },
            Some(limit) => {
                let span = libc::timespec {
                    tv_sec: libc::time_t::try_from(limit.as_secs()).unwrap_or(libc::time_t::MAX),
                    tv_nsec: libc::c_long::from(limit.subsec_nanos().cast_signed()),
                };
                // SAFETY: as above, and `span` is live and only read.
                unsafe { libc::sigtimedwait(set, ptr::null_mut(), &raw const span) }
            }
        };
        self.signals.iter().copied().find(|signal| signal.number() == number)
    }
}

/// What became of a look for a child that has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Reaped {
    /// This one had, and is gone now.
    Child(u32, ExitStatus),
    /// None of them has.
    NoneYet,
    /// There are no children.
    NoChildren,
}

/// Takes away one child that has ended, of any kind. For processes that wait for their children in no
/// other way.
#[must_use]
pub fn reap_any() -> Reaped {
    let mut status = 0;
    // SAFETY: waitpid(2) writes to `status`, which is live.
    let pid = unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) };
    match u32::try_from(pid) {
        Ok(0) => Reaped::NoneYet,
        Ok(pid) => Reaped::Child(pid, ExitStatus::from_raw(status)),
        Err(_) if io::Error::last_os_error().raw_os_error() == Some(libc::EINTR) => Reaped::NoneYet,
        Err(_) => Reaped::NoChildren,
    }
}

/// Ends this process by the signal that ended another one, so that whoever waits sees the same. It
/// comes back where the signal ends nobody.
pub fn end_like(signal: i32) {
    if unblock_all().is_err() {
        return;
    }
    // SAFETY: signal(2) with SIG_DFL installs no code of ours, and raise(3) takes a number.
    unsafe {
        libc::signal(signal, libc::SIG_DFL);
        libc::raise(signal);
    }
}

/// Who a process may be run as.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct UserRecord {
    pub uid: u32,
    pub gid: u32,
    pub home: String,
}

/// The user of this name. Reads the user database, which may take a while.
pub fn find_user(name: &str) -> io::Result<Option<UserRecord>> {
    let name = CString::new(name)?;
    let mut record = MaybeUninit::<libc::passwd>::uninit();
    let mut texts = vec![0 as libc::c_char; USER_TEXTS_BYTES];
    let mut found = ptr::null_mut();
    // SAFETY: all pointers are to live memory of the sizes given; `found` is null or `record`.
    let error = unsafe {
        libc::getpwnam_r(
            name.as_ptr(),
            record.as_mut_ptr(),
            texts.as_mut_ptr(),
            texts.len(),
            &raw mut found,
        )
    };
    if error != 0 {
        return Err(io::Error::from_raw_os_error(error));
    }
    if found.is_null() {
        return Ok(None);
    }
    // SAFETY: it is not null, so the record is filled, and its home is a text within `texts`.
    let (record, home) = unsafe {
        let record = record.assume_init();
        (record, std::ffi::CStr::from_ptr(record.pw_dir))
    };
    let home = home.to_string_lossy().into_owned();
    Ok(Some(UserRecord { uid: record.pw_uid, gid: record.pw_gid, home }))
}

/// Whether this process may run others as any user.
#[must_use]
pub fn is_root() -> bool {
    // SAFETY: geteuid(2) takes nothing and cannot fail.
    unsafe { libc::geteuid() == 0 }
}

fn checked(result: c_int) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// The texts of one user: name, home, shell and the like.
const USER_TEXTS_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_single_processes_and_groups_are_signalled() {
        for pid in [0, u32::MAX, 1 << 31] {
            assert!(send_signal(pid, Signal::Terminate).is_err(), "{pid}");
            assert!(send_signal_to_group(pid, Signal::Terminate).is_err(), "{pid}");
        }
    }

    #[test]
    fn a_bound_child_gets_the_signals_that_its_parent_waits_for() {
        // On a thread of its own: what it blocks stays blocked.
        let thread = std::thread::spawn(|| {
            let signals = AwaitedSignals::block(&[Signal::Terminate]).expect("blocked");
            assert_eq!(signals.wait(Some(Duration::ZERO)), None);
            let mut command = Command::new("sleep");
            let mut child = spawn_bound(command.arg("60")).expect("started");
            send_signal(child.id(), Signal::Terminate).expect("sent");
            child.wait().expect("ended").signal()
        });
        assert_eq!(thread.join().expect("no panic"), Some(libc::SIGTERM));
    }

    #[test]
    fn a_bound_child_ends_with_the_thread_that_started_it() {
        let thread = std::thread::spawn(|| {
            let mut command = Command::new("sleep");
            spawn_bound(command.arg("60")).expect("started")
        });
        let mut child = thread.join().expect("no panic");
        assert_eq!(child.wait().expect("ended").signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn users_are_found_by_name() {
        let root = find_user("root").expect("readable").expect("there is one");
        assert_eq!(root.uid, 0);
        assert_eq!(find_user("no such user here").expect("readable"), None);
        assert!(find_user("a\0b").is_err());
    }
}
