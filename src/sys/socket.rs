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

/// Makes the close of a socket send RST and drop what is unsent. A descriptor that is no socket is
/// left as it is.
pub fn reset_on_close(fd: RawFd) {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    let bytes = size_of_val(&linger) as libc::socklen_t;
    // SAFETY: the pointer is to a live `linger` of the length given, which the kernel only reads.
    unsafe {
        libc::setsockopt(fd, libc::SOL_SOCKET, libc::SO_LINGER, (&raw const linger).cast(), bytes)
    };
}

/// Whether a read would return at once: with bytes, end of file or an error. Takes nothing.
#[must_use]
pub fn has_input(fd: RawFd) -> bool {
    let mut byte = 0_u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the pointer is to one live byte, which is the length given.
    let count = unsafe { libc::recv(fd, (&raw mut byte).cast(), 1, flags) };
    count >= 0 || io::Error::last_os_error().kind() != io::ErrorKind::WouldBlock
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

#[cfg(test)]
mod tests {
    use std::io::{ErrorKind, Read as _};
    use std::net::{TcpListener, TcpStream};
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn input_shows_without_being_taken() {
        use std::io::Write as _;
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        let mut client = TcpStream::connect(listener.local_addr().expect("an address"));
        let client = client.as_mut().expect("connected");
        let (mut server, _) = listener.accept().expect("accepted");
        assert!(!has_input(server.as_raw_fd()));
        client.write_all(b"a").expect("sent");
        server.peek(&mut [0]).expect("it came");
        assert!(has_input(server.as_raw_fd()));
        assert_eq!(server.read(&mut [0; 9]).expect("still there"), 1);
        assert!(!has_input(server.as_raw_fd()));
        client.shutdown(std::net::Shutdown::Write).expect("connected");
        server.peek(&mut [0]).expect("the end came");
        assert!(has_input(server.as_raw_fd()));
        assert!(has_input(-1));
    }

    #[test]
    fn a_close_resets_only_where_it_was_asked_for() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        for reset in [false, true] {
            let address = listener.local_addr().expect("an address");
            let mut client = TcpStream::connect(address).expect("connected");
            let (server, _) = listener.accept().expect("accepted");
            if reset {
                reset_on_close(server.as_raw_fd());
            }
            drop(server);
            match client.read(&mut [0; 1]) {
                Ok(bytes) => assert!(!reset && bytes == 0),
                Err(error) => assert!(reset && error.kind() == ErrorKind::ConnectionReset),
            }
        }
    }
}
