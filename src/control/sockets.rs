//! Binds one listening socket.
//!
//! Knows nothing of shards. A unix path that a dead process left behind is taken over; one that
//! somebody listens on, or that is no socket, never is.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::model::ListenerAddress;
use crate::rt::ListenerSocket;

/// How a socket is bound.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BindOptions {
    /// Accept IPv4 on an IPv6 wildcard socket too.
    pub(crate) dual_stack: bool,
    /// Let other sockets of this user bind the same address and share its connections.
    pub(crate) reuse_port: bool,
    /// Connections that wait to be accepted.
    pub(crate) backlog: u32,
}

/// A socket that listens on `address`.
pub(crate) fn bind(address: &ListenerAddress, options: BindOptions) -> io::Result<ListenerSocket> {
    match address {
        ListenerAddress::Tcp(address) => bind_tcp(*address, options),
        ListenerAddress::Unix(path) => bind_unix(path, options),
    }
}

fn bind_tcp(address: SocketAddr, options: BindOptions) -> io::Result<ListenerSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Connections of an earlier process in TIME_WAIT must not keep this one from starting.
    socket.set_reuse_address(true)?;
    if options.reuse_port {
        socket.set_reuse_port(true)?;
    }
    if address.is_ipv6() {
        socket.set_only_v6(!options.dual_stack)?;
    }
    socket.bind(&SockAddr::from(address))?;
    socket.listen(backlog(options))?;
    Ok(ListenerSocket::Tcp(socket.into()))
}

fn bind_unix(path: &Path, options: BindOptions) -> io::Result<ListenerSocket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    remove_stale(path)?;
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(backlog(options))?;
    Ok(ListenerSocket::Unix(socket.into()))
}

fn backlog(options: BindOptions) -> i32 {
    i32::try_from(options.backlog).unwrap_or(i32::MAX)
}

/// Removes the socket file of a process that has ended.
fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
        Ok(found) if !found.file_type().is_socket() => {
            let reason = "the path exists and is not a socket";
            return Err(io::Error::new(io::ErrorKind::AlreadyExists, reason));
        }
        Ok(_) => {}
    }
    match UnixStream::connect(path) {
        // Only a refusal says that nobody listens: a full queue says that somebody does.
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => fs::remove_file(path),
        _ => Err(io::Error::new(io::ErrorKind::AddrInUse, "another process listens on the path")),
    }
}

/// Where `socket` listens.
pub(crate) fn local_address(socket: &ListenerSocket) -> io::Result<ListenerAddress> {
    Ok(match socket {
        ListenerSocket::Tcp(socket) => ListenerAddress::Tcp(socket.local_addr()?),
        ListenerSocket::Unix(socket) => {
            let address = socket.local_addr()?;
            let path = address.as_pathname().ok_or_else(|| {
                io::Error::new(io::ErrorKind::Unsupported, "a unix socket without a path")
            })?;
            ListenerAddress::Unix(path.to_owned())
        }
    })
}

/// Changes how many connections may wait on a socket that listens.
pub(crate) fn set_backlog(socket: &ListenerSocket, backlog: u32) -> io::Result<()> {
    let backlog = i32::try_from(backlog).unwrap_or(i32::MAX);
    match socket {
        ListenerSocket::Tcp(socket) => socket2::SockRef::from(socket).listen(backlog),
        ListenerSocket::Unix(socket) => socket2::SockRef::from(socket).listen(backlog),
    }
}

/// An address as people write it.
pub(crate) fn shown(address: &ListenerAddress) -> String {
    match address {
        ListenerAddress::Tcp(address) => address.to_string(),
        ListenerAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: BindOptions = BindOptions { dual_stack: false, reuse_port: false, backlog: 16 };

    fn loopback() -> ListenerAddress {
        ListenerAddress::Tcp(SocketAddr::from(([127, 0, 0, 1], 0)))
    }

    #[test]
    fn an_address_is_shared_if_and_only_if_both_ask_for_it() {
        let shared = BindOptions { reuse_port: true, ..OPTIONS };
        let first = bind(&loopback(), shared).expect("bound");
        let address = local_address(&first).expect("an address");
        assert!(bind(&address, shared).is_ok());
        assert!(bind(&address, OPTIONS).is_err());
    }

    #[test]
    fn a_stale_path_is_taken_over_and_a_live_one_is_not() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("gateway.sock");
        let address = ListenerAddress::Unix(path.clone());
        let first = bind(&address, OPTIONS).expect("bound");
        assert_eq!(bind(&address, OPTIONS).unwrap_err().kind(), io::ErrorKind::AddrInUse);
        drop(first);
        assert!(path.exists(), "nobody removed it");
        assert!(bind(&address, OPTIONS).is_ok());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("notes.txt");
        fs::write(&path, "precious").expect("written");
        let error = bind(&ListenerAddress::Unix(path.clone()), OPTIONS).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&path).expect("still there"), "precious");
    }

    #[test]
    fn an_ipv6_wildcard_takes_ipv4_if_asked_to() {
        let wildcard = ListenerAddress::Tcp("[::]:0".parse().expect("an address"));
        for dual_stack in [false, true] {
            let Ok(socket) = bind(&wildcard, BindOptions { dual_stack, ..OPTIONS }) else {
                return; // a machine without IPv6
            };
            let Ok(ListenerAddress::Tcp(bound)) = local_address(&socket) else { unreachable!() };
            let connected = std::net::TcpStream::connect(("127.0.0.1", bound.port()));
            assert_eq!(connected.is_ok(), dual_stack);
        }
    }
}
