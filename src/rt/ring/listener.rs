//! A listening socket on the ring.

use std::cell::Cell;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::rc::Rc;

use socket2::SockRef;

use super::wait::{Held, Waiting};
use super::{Ring, current};
use crate::sys::OperationId;

/// A listening socket, TCP or unix.
pub(in crate::rt) struct Listener {
    socket: Rc<ListeningSocket>,
    ring: Rc<Ring>,
    accepting: Cell<Option<OperationId>>,
}

struct ListeningSocket(OwnedFd);

impl Held for ListeningSocket {}

impl Listener {
    /// Takes over a listening socket that blocks.
    pub(in crate::rt) fn new(fd: OwnedFd) -> io::Result<Self> {
        let socket = Rc::new(ListeningSocket(fd));
        Ok(Self { socket, ring: current()?, accepting: Cell::new(None) })
    }

    /// The descriptor; it stays owned by this listener.
    pub(in crate::rt) fn raw_fd(&self) -> RawFd {
        self.socket.0.as_raw_fd()
    }

    /// The port that it is bound to, if it is bound to one.
    pub(in crate::rt) fn local_port(&self) -> Option<u16> {
        let address = SockRef::from(&self.socket.0).local_addr().ok()?;
        address.as_socket().map(|address| address.port())
    }

    /// Waits for a connection.
    pub(in crate::rt) async fn accept(&self) -> io::Result<OwnedFd> {
        let held = Rc::clone(&self.socket) as Rc<dyn Held>;
        let waiting = Waiting::start(&self.ring, Some(held), |uring, owner| {
            let operation = uring.accept(self.raw_fd(), owner);
            self.accepting.set(Some(operation));
            operation
        });
        let accepted = waiting.await;
        self.accepting.set(None);
        accepted?.ok_or_else(|| io::Error::other("accepted without a descriptor"))
    }

    /// Ends an accept in flight: with an error, or with the connection that came just before.
    pub(in crate::rt) fn cancel(&self) {
        if let Some(operation) = self.accepting.take() {
            self.ring.uring.borrow_mut().cancel(operation);
        }
    }
}
