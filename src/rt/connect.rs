//! Connecting with a deadline.
//!
//! monoio makes the socket inside its own connect, out of a deadline's reach, and dropping that
//! future would leak the descriptor until the kernel gives up. So the socket is made here, and
//! connecting is waited for as writability.

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, SockRef, Socket, Type};

use super::deadline::Deadlines;
use super::stream::{Stream, wants_nonblocking};
use crate::base::Nanos;

/// Connects to a TCP address, with TCP_NODELAY set. [`io::ErrorKind::TimedOut`] once `due` has
/// passed.
pub async fn connect_tcp(
    address: SocketAddr,
    deadlines: &Deadlines,
    due: Nanos,
) -> io::Result<Stream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_tcp_nodelay(true)?;
    let pending = begin(&socket, &address.into())?;
    let socket = std::net::TcpStream::from(OwnedFd::from(socket));
    let watched = socket.try_clone()?;
    let stream = Stream::from_std_tcp(socket)?;
    if pending {
        await_connected(&stream, SockRef::from(&watched), deadlines, due).await?;
    }
    Ok(stream)
}

/// Connects to a unix stream socket. It succeeds or fails at once: a full backlog is an error.
pub async fn connect_unix(path: &Path) -> io::Result<Stream> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    begin(&socket, &SockAddr::unix(path)?)?;
    Stream::from_std_unix(std::os::unix::net::UnixStream::from(OwnedFd::from(socket)))
}

/// Begins to connect without blocking; whether there is something to wait for.
fn begin(socket: &Socket, address: &SockAddr) -> io::Result<bool> {
    socket.set_nonblocking(true)?;
    let pending = match socket.connect(address) {
        Ok(()) => false,
        Err(error) if error.raw_os_error() == Some(libc::EINPROGRESS) => true,
        Err(error) => return Err(error),
    };
    socket.set_nonblocking(wants_nonblocking())?;
    Ok(pending)
}

async fn await_connected(
    stream: &Stream,
    socket: SockRef<'_>,
    deadlines: &Deadlines,
    due: Nanos,
) -> io::Result<()> {
    let deadline = deadlines.watch(stream.raw_fd());
    deadline.set(due);
    stream.writable().await?;
    if deadline.passed() {
        return Err(io::ErrorKind::TimedOut.into());
    }
    socket.take_error()?.map_or(Ok(()), Err)
}
