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

/// Whether the peer has ended its direction, or the socket failed, and nothing is left to read.
#[must_use]
pub fn has_ended(fd: RawFd) -> bool {
    let mut byte = 0_u8;
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT;
    // SAFETY: the pointer is to one live byte, which is the length given.
    let count = unsafe { libc::recv(fd, (&raw mut byte).cast(), 1, flags) };
    let would_wait = [io::ErrorKind::WouldBlock, io::ErrorKind::Interrupted];
    count == 0 || (count < 0 && !would_wait.contains(&io::Error::last_os_error().kind()))
}

/// Whether an accept on this listening socket would return at once. Takes nothing.
#[must_use]
pub fn has_waiting_connection(fd: RawFd) -> bool {
    let mut polled = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
    // SAFETY: the pointer is to one live entry, which is the count given.
    let count = unsafe { libc::poll(&raw mut polled, 1, 0) };
    count == 1 && polled.revents & libc::POLLIN != 0
}

/// Reads what has come into the spare capacity of `buffer`, at most `bytes_max`, which grows by it;
/// 0 is end of file. [`io::ErrorKind::WouldBlock`] if nothing has, whether the socket blocks or not.
pub fn receive_now(fd: RawFd, buffer: &mut Vec<u8>, bytes_max: usize) -> io::Result<usize> {
    let spare = buffer.spare_capacity_mut();
    let bytes_max = bytes_max.min(spare.len());
    loop {
        // SAFETY: the pointer is to `bytes_max` live bytes that may be written to.
        let count =
            unsafe { libc::recv(fd, spare.as_mut_ptr().cast(), bytes_max, libc::MSG_DONTWAIT) };
        if let Ok(count) = usize::try_from(count) {
            let filled = buffer.len() + count;
            // SAFETY: the kernel has written `count` bytes behind the old length.
            unsafe { buffer.set_len(filled) };
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
}

/// Sends what the socket takes of `bytes` at once; how much that was.
/// [`io::ErrorKind::WouldBlock`] if nothing, whether the socket blocks or not.
pub fn send_now(fd: RawFd, bytes: &[u8]) -> io::Result<usize> {
    let flags = libc::MSG_DONTWAIT | libc::MSG_NOSIGNAL;
    loop {
        // SAFETY: the pointer is to live bytes of the length given, which the kernel only reads.
        let count = unsafe { libc::send(fd, bytes.as_ptr().cast(), bytes.len(), flags) };
        if let Ok(count) = usize::try_from(count) {
            return Ok(count);
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
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
    fn a_connection_shows_before_it_is_accepted() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bound");
        assert!(!has_waiting_connection(listener.as_raw_fd()));
        let _client = TcpStream::connect(listener.local_addr().expect("an address"));
        assert!(has_waiting_connection(listener.as_raw_fd()));
        let _server = listener.accept().expect("accepted");
        assert!(!has_waiting_connection(listener.as_raw_fd()));
    }

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
    fn sending_and_receiving_never_wait() {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("pair");
        let mut buffer = Vec::with_capacity(8);
        let error = receive_now(ours.as_raw_fd(), &mut buffer, 8).expect_err("nothing came");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        assert_eq!(send_now(theirs.as_raw_fd(), b"0123456789").expect("room"), 10);
        assert_eq!(receive_now(ours.as_raw_fd(), &mut buffer, 3).expect("came"), 3);
        assert_eq!(receive_now(ours.as_raw_fd(), &mut buffer, 100).expect("came"), 5);
        assert_eq!(buffer, b"01234567", "what there is room for");
        while send_now(theirs.as_raw_fd(), &[0; 4096]).is_ok() {}
        let error = send_now(theirs.as_raw_fd(), b"x").expect_err("full");
        assert_eq!(error.kind(), ErrorKind::WouldBlock);
        drop(ours);
        let error = send_now(theirs.as_raw_fd(), b"x").expect_err("nobody is there");
        assert_eq!(error.kind(), ErrorKind::BrokenPipe);
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
