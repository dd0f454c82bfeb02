//! Descriptors that pass from one process to the next, and the bound on their number.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// A second descriptor of the same file that a child process gets too, under the same number.
pub fn inheritable(fd: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    // SAFETY: fcntl(F_DUPFD) takes no pointers, and `fd` is open for as long as it is borrowed.
    let copy = unsafe { libc::fcntl(fd.as_raw_fd(), libc::F_DUPFD, FIRST_OF_OURS) };
    if copy < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, so nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(copy) })
}

/// Descriptors that the process was started with, besides standard input, output and error.
///
/// Made once, before anything else opens or owns a descriptor; that is what makes taking one by
/// its number sound.
#[derive(Debug)]
pub struct StartDescriptors(());

static TAKEN: AtomicBool = AtomicBool::new(false);

impl StartDescriptors {
    /// The descriptors of this start. `None` after the first call.
    ///
    /// To be called at the start of the process, before it opens descriptors that it keeps: those
    /// would count as inherited.
    #[must_use]
    pub fn claim() -> Option<Self> {
        (!TAKEN.swap(true, Ordering::AcqRel)).then_some(Self(()))
    }

    /// Takes the descriptors with these numbers, in this order, and marks them to be closed when
    /// this process starts another. Every number counts once, and all must be open and above
    /// standard error.
    pub fn take(&self, numbers: &[RawFd]) -> io::Result<Vec<OwnedFd>> {
        for (index, number) in numbers.iter().enumerate() {
            if *number < FIRST_OF_OURS || numbers[..index].contains(number) {
                let reason = format!("{number} is no descriptor that can be inherited");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
            }
            close_on_exec(*number)?;
        }
        // SAFETY: each number is open (fcntl took it), was open when the process started, is
        // taken once, and nobody else took it: `self` is the only claim to them.
        Ok(numbers.iter().map(|number| unsafe { OwnedFd::from_raw_fd(*number) }).collect())
    }

    /// Closes every inherited descriptor except these. A process that starts its successor can
    /// leak into it what was opened without the close-on-exec mark, such as client connections
    /// that io_uring accepted; they would stay open after their owner has ended.
    pub fn close_others(&self, kept: &[RawFd]) -> io::Result<()> {
        if kept.is_empty() && close_from(FIRST_OF_OURS) {
            return Ok(());
        }
        let listed: Vec<RawFd> = fs::read_dir("/proc/self/fd")?
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
            .collect();
        for number in listed {
            if number >= FIRST_OF_OURS && !kept.contains(&number) {
                // SAFETY: close(2) takes no pointers. The number was inherited, so no object of
                // this process owns it; the listing's own descriptor is closed already and
                // yields an error.
                unsafe { libc::close(number) };
            }
        }
        Ok(())
    }
}

/// After standard input, output and error.
const FIRST_OF_OURS: RawFd = 3;

/// Closes every descriptor from `first` on, where the kernel can (Linux 5.9) do so in one step.
fn close_from(first: RawFd) -> bool {
    // SAFETY: close_range(2) takes no pointers. Nobody owns the numbers from `first` on, by the claim
    // of the one caller.
    unsafe { libc::syscall(libc::SYS_close_range, first, libc::c_uint::MAX, 0) == 0 }
}

fn close_on_exec(fd: RawFd) -> io::Result<()> {
    // SAFETY: fcntl(F_SETFD) takes no pointers; a number that is not open yields an error.
    match unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    }
}

/// Raises the number of descriptors that this process may have to what its owner allows at most.
/// Answers with the number in force.
pub fn raise_descriptors_max() -> io::Result<u64> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the pointer is to a live `rlimit` that the kernel fills.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the pointer is to a live `rlimit` that the kernel only reads.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::fd::{AsFd as _, IntoRawFd as _};
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn start_descriptors_are_claimed_and_taken_once() {
        let start = StartDescriptors::claim().expect("the first claim of this process");
        assert!(StartDescriptors::claim().is_none());

        let (ours, mut theirs) = UnixStream::pair().expect("pair");
        let copy = inheritable(ours.as_fd()).expect("copied").into_raw_fd();
        assert!(start.take(&[copy, copy]).is_err(), "twice the same");
        assert!(start.take(&[2]).is_err(), "standard error");
        assert!(start.take(&[RawFd::MAX]).is_err(), "not open");

        let taken = start.take(&[copy]).expect("open").remove(0);
        drop(ours);
        UnixStream::from(taken).write_all(b"x").expect("the copy works");
        assert_eq!(theirs.read(&mut [0; 1]).expect("readable"), 1);
    }

    #[test]
    fn the_bound_on_descriptors_is_raised_to_the_hard_limit() {
        let first = raise_descriptors_max().expect("raising to the hard limit is always allowed");
        assert!(first > 0);
        assert_eq!(raise_descriptors_max().expect("again"), first);
    }
}
