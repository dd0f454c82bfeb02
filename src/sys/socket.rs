//! Calls on descriptors that another object owns.

use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// Ends both directions of a socket: a read in flight returns 0, a stuck write fails with EPIPE, a
/// pending accept with EINVAL. The descriptor stays open until its owner drops it.
pub fn shutdown_both(fd: RawFd) {
    shutdown(fd, libc::SHUT_RDWR);
}

/// Ends the receiving direction: a read in flight returns 0, writes go on.
pub fn shutdown_read(fd: RawFd) {
    shutdown(fd, libc::SHUT_RD);
}

/// Ends the sending direction: the peer reads end of file.
pub fn shutdown_write(fd: RawFd) {
    shutdown(fd, libc::SHUT_WR);
}

fn shutdown(fd: RawFd, how: libc::c_int) {
    // SAFETY: shutdown(2) takes no pointers; a descriptor that is closed or no socket yields an
    // error, which is what is wanted of a connection that is gone already.
    unsafe { libc::shutdown(fd, how) };
}

/// A second descriptor of the open file behind `fd`, closed on exec.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the borrow ends with this call. Callers pass the descriptor of an object that they
    // hold; should it be closed all the same, duplicating fails with EBADF.
    unsafe { BorrowedFd::borrow_raw(fd) }.try_clone_to_owned()
}
