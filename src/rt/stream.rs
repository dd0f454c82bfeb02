//! One connected socket, TCP or unix. Clones share it, so that its two directions can be driven by
//! two tasks of the shard.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use monoio::buf::{IoBuf, IoBufMut};
use monoio::io::{AsyncReadRent, AsyncWriteRent};
use monoio::net::{TcpStream, UnixStream};

use super::ring::{self, SocketHandle};
use crate::sys::{
    SplitCell, duplicate, has_ended, has_input, receive_now, reset_on_close, shutdown_both,
    shutdown_write,
};

/// A connected stream socket.
#[derive(Clone, Debug)]
pub struct Stream(Socket);

/// epoll asks for descriptors that never block; the ring would answer EAGAIN on them instead of
/// waiting, so there they must be blocking ones.
pub(super) fn wants_nonblocking() -> bool {
    !ring::is_current()
}

#[derive(Clone, Debug)]
enum Socket {
    /// Of either kind, where the shard runs on io_uring.
    Ring(SocketHandle),
    Tcp(SplitCell<TcpStream>),
    Unix(SplitCell<UnixStream>),
}

/// Who is at the other end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Peer {
    /// A TCP peer.
    Tcp(SocketAddr),
    /// A process on this machine.
    Unix,
}

impl Stream {
    pub(super) fn from_tcp(stream: TcpStream) -> Self {
        Self(Socket::Tcp(SplitCell::new(stream)))
    }

    pub(super) fn from_unix(stream: UnixStream) -> Self {
        Self(Socket::Unix(SplitCell::new(stream)))
    }

    /// Takes over a connected socket of either kind, on the ring.
    pub(super) fn from_fd(fd: OwnedFd) -> io::Result<Self> {
        Ok(Self(Socket::Ring(SocketHandle::new(fd)?)))
    }

    /// Takes over a connected TCP socket, such as one that another shard accepted.
    pub fn from_std_tcp(stream: std::net::TcpStream) -> io::Result<Self> {
        stream.set_nonblocking(wants_nonblocking())?;
        if ring::is_current() {
            return Self::from_fd(stream.into());
        }
        Ok(Self::from_tcp(TcpStream::from_std(stream)?))
    }

    /// Takes over a connected unix socket.
    pub fn from_std_unix(stream: std::os::unix::net::UnixStream) -> io::Result<Self> {
        stream.set_nonblocking(wants_nonblocking())?;
        if ring::is_current() {
            return Self::from_fd(stream.into());
        }
        Ok(Self::from_unix(UnixStream::from_std(stream)?))
    }

    /// Waits until a write would return at once, as it does when connecting has ended.
    pub(super) async fn writable(&self) -> io::Result<()> {
        match &self.0 {
            Socket::Ring(socket) => socket.writable().await,
            Socket::Tcp(cell) => cell.get().writable(false).await,
            Socket::Unix(cell) => cell.get().writable(false).await,
        }
    }

    /// Reads once into the spare capacity of `buffer`, which grows by what was read; 0 is end of
    /// file (or a deadline's shutdown). There must be spare capacity.
    pub async fn read_append(&self, buffer: Vec<u8>) -> (io::Result<usize>, Vec<u8>) {
        self.read_append_up_to(buffer, usize::MAX).await
    }

    /// Like [`Stream::read_append`], but at most `bytes_max` bytes.
    pub async fn read_append_up_to(
        &self,
        buffer: Vec<u8>,
        bytes_max: usize,
    ) -> (io::Result<usize>, Vec<u8>) {
        let filled = buffer.len();
        let end = buffer.capacity().min(filled.saturating_add(bytes_max));
        debug_assert!(filled < end, "a read without room would look like end of file");
        let (result, slice) = match &self.0 {
            Socket::Ring(socket) => return socket.read(buffer, bytes_max).await,
            Socket::Tcp(cell) => cell.begin().read(buffer.slice_mut(filled..end)).await,
            Socket::Unix(cell) => cell.begin().read(buffer.slice_mut(filled..end)).await,
        };
        (result, slice.into_inner())
    }

    /// Reads what there is now into the spare capacity of `buffer`, which must have some; 0 is end
    /// of file, [`io::ErrorKind::WouldBlock`] that there is nothing.
    pub fn read_now(&self, buffer: &mut Vec<u8>) -> io::Result<usize> {
        debug_assert!(buffer.len() < buffer.capacity(), "it would look like end of file");
        match &self.0 {
            Socket::Ring(socket) => socket.read_now(buffer),
            Socket::Tcp(_) | Socket::Unix(_) => receive_now(self.raw_fd(), buffer, usize::MAX),
        }
    }

    /// Writes once from `buffer[start..]`; returns how much was taken, never 0.
    pub async fn write_some(&self, buffer: Vec<u8>, start: usize) -> (io::Result<usize>, Vec<u8>) {
        let end = buffer.len();
        let (result, buffer) = match &self.0 {
            Socket::Ring(socket) => (socket.write(&buffer[start..]).await, buffer),
            Socket::Tcp(cell) => {
                let (result, slice) = cell.begin().write(buffer.slice(start..end)).await;
                (result, slice.into_inner())
            }
            Socket::Unix(cell) => {
                let (result, slice) = cell.begin().write(buffer.slice(start..end)).await;
                (result, slice.into_inner())
            }
        };
        match result {
            Ok(0) if start < end => (Err(io::ErrorKind::WriteZero.into()), buffer),
            result => (result, buffer),
        }
    }

    /// Waits until what was written has gone to the kernel. On a ring, short writes are left to it
    /// and count as written at once; before the sending direction is ended, or the stream is, they
    /// must be waited for.
    pub async fn flush(&self) -> io::Result<()> {
        match &self.0 {
            Socket::Ring(socket) => socket.flush().await,
            Socket::Tcp(_) | Socket::Unix(_) => Ok(()),
        }
    }

    /// Whether something that was written has not gone to the kernel; see [`Stream::flush`].
    #[must_use]
    pub fn has_unsent(&self) -> bool {
        match &self.0 {
            Socket::Ring(socket) => socket.has_unsent(),
            Socket::Tcp(_) | Socket::Unix(_) => false,
        }
    }

    /// Writes `buffer[start..]` whole.
    pub async fn write_all(&self, buffer: Vec<u8>, start: usize) -> (io::Result<()>, Vec<u8>) {
        let (mut buffer, mut written) = (buffer, start);
        while written < buffer.len() {
            let (result, same_buffer) = self.write_some(buffer, written).await;
            buffer = same_buffer;
            match result {
                Ok(count) => written += count,
                Err(error) => return (Err(error), buffer),
            }
        }
        (Ok(()), buffer)
    }

    /// Waits until a read would return at once, with data, end of file or an error.
    pub async fn readable(&self) -> io::Result<()> {
        match &self.0 {
            Socket::Ring(socket) => socket.readable().await,
            Socket::Tcp(cell) => cell.get().readable(false).await,
            Socket::Unix(cell) => cell.get().readable(false).await,
        }
    }

    /// Begins to receive before anybody reads, where that makes [`Stream::has_input`] cheap.
    pub fn arm(&self) {
        if let Socket::Ring(socket) = &self.0 {
            socket.arm();
        }
    }

    /// Whether a read would return at once: with bytes, end of file or an error. On a ring, of a
    /// stream that is armed, this costs nothing; epoll tells only when it is asked, and a shard
    /// that finds work elsewhere does not ask, so there the socket itself is.
    #[must_use]
    pub fn has_input(&self) -> bool {
        match &self.0 {
            Socket::Ring(socket) => socket.has_input(),
            Socket::Tcp(_) | Socket::Unix(_) => has_input(self.raw_fd()),
        }
    }

    /// Gives the socket up, so that another shard can take it over: a descriptor of it, and what was
    /// received and not read. No clone of it may be in use, and no read or write under way.
    pub async fn detach(self) -> io::Result<(OwnedFd, Vec<u8>)> {
        match self.0 {
            Socket::Ring(socket) => socket.detach().await,
            Socket::Tcp(cell) => Ok((duplicate(cell.get().as_raw_fd())?, Vec::new())),
            Socket::Unix(cell) => Ok((duplicate(cell.get().as_raw_fd())?, Vec::new())),
        }
    }

    /// Whether nothing is left to read and nothing will come: an end of file or an error.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        match &self.0 {
            Socket::Ring(socket) => socket.has_ended(),
            Socket::Tcp(_) | Socket::Unix(_) => has_ended(self.raw_fd()),
        }
    }

    /// Ends both directions; operations in flight return.
    pub fn shutdown_both(&self) {
        shutdown_both(self.raw_fd());
    }

    /// Makes the close of the socket a reset that drops what is unsent. No read or write may be
    /// waited for.
    pub fn reset_on_close(&self) {
        reset_on_close(self.raw_fd());
    }

    /// Ends the sending direction.
    pub fn shutdown_write(&self) {
        shutdown_write(self.raw_fd());
    }

    /// The descriptor; it stays owned by this stream.
    #[must_use]
    pub fn raw_fd(&self) -> RawFd {
        match &self.0 {
            Socket::Ring(socket) => socket.raw_fd(),
            Socket::Tcp(cell) => cell.get().as_raw_fd(),
            Socket::Unix(cell) => cell.get().as_raw_fd(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::os::unix::net::UnixStream as StdUnixStream;

    use super::*;
    use crate::rt::{DriverChoice, RingOptions, run};

    /// Each write must leave the sending direction open for the next.
    fn writes_twice(stream: impl FnOnce() -> Stream + 'static, choice: DriverChoice) {
        let ring = RingOptions { entries: 64 };
        let result = run(choice, ring, |_| async move {
            let stream = stream();
            for part in ["once ", "twice"] {
                stream.write_all(part.into(), 0).await.0?;
            }
            Ok::<_, io::Error>(())
        });
        result.expect("a driver").expect("both are written");
    }

    #[test]
    fn a_stream_has_ended_once_all_of_it_was_read() {
        for choice in [DriverChoice::Auto, DriverChoice::Epoll] {
            let (ours, mut theirs) = StdUnixStream::pair().expect("pair");
            ours.set_nonblocking(true).expect("a socket");
            let seen = run(choice, RingOptions { entries: 64 }, |_| async move {
                let ours = Stream::from_std_unix(ours)?;
                let silent = ours.has_ended();
                theirs.write_all(b"x")?;
                drop(theirs);
                ours.readable().await?;
                let unread = ours.has_ended();
                let (read, _) = ours.read_append(Vec::with_capacity(8)).await;
                ours.readable().await?;
                Ok::<_, io::Error>((silent, unread, read?, ours.has_ended()))
            });
            let seen = seen.expect("a driver").expect("it reads");
            assert_eq!(seen, (false, false, 1, true), "{choice:?}");
        }
    }

    #[test]
    fn a_stream_can_be_written_to_again() {
        for choice in [DriverChoice::Auto, DriverChoice::Epoll] {
            let (ours, mut theirs) = StdUnixStream::pair().expect("pair");
            ours.set_nonblocking(true).expect("a socket");
            writes_twice(move || Stream::from_std_unix(ours).expect("taken over"), choice);
            let mut text = String::new();
            theirs.read_to_string(&mut text).expect("to the end");
            assert_eq!(text, "once twice");

            let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
            let address = listener.local_addr().expect("an address");
            let ours = std::net::TcpStream::connect(address).expect("connected");
            ours.set_nonblocking(true).expect("a socket");
            let (mut theirs, _) = listener.accept().expect("accepted");
            writes_twice(move || Stream::from_std_tcp(ours).expect("taken over"), choice);
            let mut text = String::new();
            theirs.read_to_string(&mut text).expect("to the end");
            assert_eq!(text, "once twice");
        }
    }
}
