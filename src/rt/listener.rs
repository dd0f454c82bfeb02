//! Listening sockets. Bound by the caller (or inherited), accepted from here.

use std::cell::RefCell;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use monoio::io::Canceller;
use monoio::net::{TcpListener, UnixListener};

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

/// A listening socket on a shard.
pub struct Listener {
    socket: Socket,
    canceller: RefCell<Canceller>,
}

#[derive(Debug)]
enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
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
        let socket = match socket {
            ListenerSocket::Tcp(socket) => {
                socket.set_nonblocking(wants_nonblocking())?;
                Socket::Tcp(TcpListener::from_std(socket)?)
            }
            ListenerSocket::Unix(socket) => {
                socket.set_nonblocking(wants_nonblocking())?;
                Socket::Unix(UnixListener::from_std(socket)?)
            }
        };
        Ok(Self { socket, canceller: RefCell::default() })
    }

    /// Waits for a connection. Never drop this future before it is done: [`Listener::close`] and
    /// [`Listener::leave`] end it with an error, or with the connection that came just before.
    pub async fn accept(&self) -> io::Result<Accepted> {
        let handle = self.canceller.borrow().handle();
        match &self.socket {
            Socket::Tcp(listener) => {
                let (stream, peer) = listener.cancelable_accept(handle).await?;
                stream.set_nodelay(true)?;
                Ok(Accepted { stream: Stream::from_tcp(stream), peer: Peer::Tcp(peer) })
            }
            Socket::Unix(listener) => {
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
        match &self.socket {
            Socket::Tcp(_) => accept_waiting_tcp(&duplicate.into()),
            Socket::Unix(_) => accept_waiting_unix(&duplicate.into()),
        }
    }

    /// The port that it is bound to, `None` for unix sockets.
    #[must_use]
    pub fn local_port(&self) -> Option<u16> {
        match &self.socket {
            Socket::Tcp(listener) => listener.local_addr().ok().map(|address| address.port()),
            Socket::Unix(_) => None,
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
        let canceller = self.canceller.take();
        self.canceller.replace(canceller.cancel());
    }

    /// The descriptor; it stays owned by this listener.
    #[must_use]
    pub fn raw_fd(&self) -> RawFd {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_raw_fd(),
            Socket::Unix(listener) => listener.as_raw_fd(),
        }
    }
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
