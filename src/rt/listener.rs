//! Listening sockets. Bound by the caller (or inherited), accepted from here.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};

use monoio::io::Canceller;
use monoio::net::{TcpListener, UnixListener};

use super::ring;
use super::stream::{Peer, Stream, wants_nonblocking};
use crate::sys::{duplicate, shutdown_both};

/// A bound and listening socket, before a shard's runtime has taken it.
#[derive(Debug)]
pub enum ListenerSocket {
    /// TCP.
    Tcp(std::net::TcpListener),
    /// A unix stream socket.
    Unix(std::os::unix::net::UnixListener),
}

impl ListenerSocket {
    /// A second descriptor of the same socket.
    pub fn try_clone(&self) -> io::Result<Self> {
        Ok(match self {
            Self::Tcp(socket) => Self::Tcp(socket.try_clone()?),
            Self::Unix(socket) => Self::Unix(socket.try_clone()?),
        })
    }

    fn set_nonblocking(&self, nonblocking: bool) -> io::Result<()> {
        match self {
            Self::Tcp(socket) => socket.set_nonblocking(nonblocking),
            Self::Unix(socket) => socket.set_nonblocking(nonblocking),
        }
    }

    /// The port that it is bound to, `None` for unix sockets.
    #[must_use]
    pub fn local_port(&self) -> Option<u16> {
        match self {
            Self::Tcp(socket) => socket.local_addr().ok().map(|address| address.port()),
            Self::Unix(_) => None,
        }
    }

    /// The descriptor; it stays owned by this socket.
    #[must_use]
    pub fn raw_fd(&self) -> RawFd {
        match self {
            Self::Tcp(socket) => socket.as_raw_fd(),
            Self::Unix(socket) => socket.as_raw_fd(),
        }
    }
}

impl From<ListenerSocket> for OwnedFd {
    fn from(socket: ListenerSocket) -> Self {
        match socket {
            ListenerSocket::Tcp(socket) => socket.into(),
            ListenerSocket::Unix(socket) => socket.into(),
        }
    }
}

/// A listening socket on a shard.
pub struct Listener(Socket);

enum Socket {
    Ring { listener: ring::Listener, is_tcp: bool },
    Tcp { listener: TcpListener, canceller: RefCell<Canceller> },
    Unix { listener: UnixListener, canceller: RefCell<Canceller> },
}

/// A connection that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// The connection.
    pub stream: Stream,
    /// Who connected.
    pub peer: Peer,
}

impl Listener {
    /// Takes `socket` over. To be called on the shard.
    pub fn new(socket: ListenerSocket) -> io::Result<Self> {
        socket.set_nonblocking(wants_nonblocking())?;
        if ring::is_current() {
            let is_tcp = matches!(socket, ListenerSocket::Tcp(_));
            let listener = ring::Listener::new(socket.into())?;
            return Ok(Self(Socket::Ring { listener, is_tcp }));
        }
        let canceller = RefCell::default();
        Ok(Self(match socket {
            ListenerSocket::Tcp(socket) => {
                Socket::Tcp { listener: TcpListener::from_std(socket)?, canceller }
            }
            ListenerSocket::Unix(socket) => {
                Socket::Unix { listener: UnixListener::from_std(socket)?, canceller }
            }
        }))
    }

    /// Waits for a connection. Never drop this future before it is done: [`Listener::close`] and
    /// [`Listener::leave`] end it with an error, or with the connection that came just before.
    pub async fn accept(&self) -> io::Result<Accepted> {
        match &self.0 {
            Socket::Ring { listener, is_tcp: true } => accepted_tcp(listener.accept().await?),
            Socket::Ring { listener, is_tcp: false } => {
                let stream = Stream::from_fd(listener.accept().await?)?;
                Ok(Accepted { stream, peer: Peer::Unix })
            }
            Socket::Tcp { listener, canceller } => {
                let handle = canceller.borrow().handle();
                let (stream, peer) = listener.cancelable_accept(handle).await?;
                stream.set_nodelay(true)?;
                Ok(Accepted { stream: Stream::from_tcp(stream), peer: Peer::Tcp(peer) })
            }
            Socket::Unix { listener, canceller } => {
                let handle = canceller.borrow().handle();
                let (stream, _) = listener.cancelable_accept(handle).await?;
                Ok(Accepted { stream: Stream::from_unix(stream), peer: Peer::Unix })
            }
        }
    }

    /// Connections that wait in the queue now, without waiting for more. To be called before
    /// [`Listener::close`], which resets what is left in the queue.
    #[must_use]
    pub fn accept_waiting(&self) -> Vec<Accepted> {
        let Ok(duplicate) = duplicate(self.raw_fd()) else { return Vec::new() };
        match &self.0 {
            Socket::Ring { is_tcp: true, .. } | Socket::Tcp { .. } => {
                accept_waiting_tcp(&duplicate.into())
            }
            Socket::Ring { is_tcp: false, .. } | Socket::Unix { .. } => {
                accept_waiting_unix(&duplicate.into())
            }
        }
    }

    /// The port that it is bound to, `None` for unix sockets.
    #[must_use]
    pub fn local_port(&self) -> Option<u16> {
        match &self.0 {
            Socket::Ring { listener, is_tcp: true } => listener.local_port(),
            Socket::Tcp { listener, .. } => {
                listener.local_addr().ok().map(|address| address.port())
            }
            Socket::Ring { .. } | Socket::Unix { .. } => None,
        }
    }

    /// Stops listening: an accept in flight returns an error.
    pub fn close(&self) {
        shutdown_both(self.raw_fd());
        // A unix listener that does not block answers EAGAIN after its shutdown, for ever.
        self.leave();
    }

    /// Stops accepting, and leaves the socket to another process that accepts from it too: what
    /// waits in its queue stays there. An accept in flight returns.
    pub fn leave(&self) {
        match &self.0 {
            Socket::Ring { listener, .. } => listener.cancel(),
            Socket::Tcp { canceller, .. } | Socket::Unix { canceller, .. } => {
                let canceled = canceller.take().cancel();
                canceller.replace(canceled);
            }
        }
    }

    /// The descriptor; it stays owned by this listener.
    #[must_use]
    pub fn raw_fd(&self) -> RawFd {
        match &self.0 {
            Socket::Ring { listener, .. } => listener.raw_fd(),
            Socket::Tcp { listener, .. } => listener.as_raw_fd(),
            Socket::Unix { listener, .. } => listener.as_raw_fd(),
        }
    }
}

/// ECONNABORTED if the peer has gone already, as accept(2) itself would say.
fn accepted_tcp(fd: OwnedFd) -> io::Result<Accepted> {
    let socket = std::net::TcpStream::from(fd);
    let peer = socket.set_nodelay(true).and_then(|()| socket.peer_addr());
    let peer = peer.map_err(|_| io::Error::from_raw_os_error(libc::ECONNABORTED))?;
    Ok(Accepted { stream: Stream::from_fd(socket.into())?, peer: Peer::Tcp(peer) })
}

fn accept_waiting_tcp(listener: &std::net::TcpListener) -> Vec<Accepted> {
    let mut waiting = Vec::new();
    if listener.set_nonblocking(true).is_ok() {
        while let Ok((stream, peer)) = listener.accept() {
            let _ = stream.set_nodelay(true);
            if let Ok(stream) = Stream::from_std_tcp(stream) {
                waiting.push(Accepted { stream, peer: Peer::Tcp(peer) });
            }
        }
    }
    waiting
}

fn accept_waiting_unix(listener: &std::os::unix::net::UnixListener) -> Vec<Accepted> {
    let mut waiting = Vec::new();
    if listener.set_nonblocking(true).is_ok() {
        while let Ok((stream, _)) = listener.accept() {
            if let Ok(stream) = Stream::from_std_unix(stream) {
                waiting.push(Accepted { stream, peer: Peer::Unix });
            }
        }
    }
    waiting
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;
    use crate::rt::{DriverChoice, RingOptions, run, spawn, yield_now};

    /// An accept that is never answered would keep a drain waiting to its deadline.
    #[test]
    fn closing_ends_an_accept_in_flight_on_every_kind_of_socket_and_driver() {
        let folder = tempfile::tempdir().expect("a folder");
        for driver in [DriverChoice::Auto, DriverChoice::Epoll] {
            let unix = folder.path().join(format!("{driver:?}.sock"));
            let unix = std::os::unix::net::UnixListener::bind(unix).expect("bound");
            let tcp = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
            for socket in [ListenerSocket::Unix(unix), ListenerSocket::Tcp(tcp)] {
                let ended = run(driver, RingOptions { entries: 64 }, |_| async {
                    let listener = Rc::new(Listener::new(socket).expect("taken over"));
                    let accepting = Rc::clone(&listener);
                    let failed = Rc::new(std::cell::Cell::new(false));
                    let told = Rc::clone(&failed);
                    spawn(async move { told.set(accepting.accept().await.is_err()) });
                    yield_now().await;
                    listener.close();
                    while Rc::strong_count(&failed) > 1 {
                        yield_now().await;
                    }
                    failed.get()
                });
                assert!(ended.expect("it runs"), "{driver:?}");
            }
        }
    }
}
