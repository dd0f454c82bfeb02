//! Listening sockets that this process was started with: from a predecessor (SIGUSR2) or from
//! systemd (socket activation, sd_listen_fds(3)).
//!
//! Owns the form in which sockets are described to a successor. Sockets are found by where they
//! listen, so a listener may be renamed between the two processes; port 0, which is no place, is
//! found by name.

use std::env;
use std::io;
use std::os::fd::{OwnedFd, RawFd};

use serde::{Deserialize, Serialize};
use socket2::{Domain, Socket, Type};

use super::sockets;
use crate::model::ListenerAddress;
use crate::rt::ListenerSocket;
use crate::sys::StartDescriptors;

/// The environment variable that describes the sockets to a successor.
pub(crate) const HANDOVER_VARIABLE: &str = "SHARDGATE_HANDOVER";

/// What a process tells its successor, as JSON in [`HANDOVER_VARIABLE`].
#[derive(Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Handover {
    /// `io_uring` or `epoll`: the successor must use the same, because whether calls block is a
    /// property of the socket that both share, and the two drivers want it differently.
    pub(crate) driver: String,
    /// Where the successor says that it serves: a unix stream socket.
    pub(crate) ready_fd: RawFd,
    /// The sockets of listeners.
    pub(crate) sockets: Vec<HandedSocket>,
    /// The socket of the admin listener.
    pub(crate) admin_fd: Option<RawFd>,
    /// The socket of the management API; a predecessor of an older version does not say it.
    #[serde(default)]
    pub(crate) management_fd: Option<RawFd>,
}

/// One socket of a listener.
#[derive(Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct HandedSocket {
    pub(crate) fd: RawFd,
    pub(crate) listener: String,
    /// `None` if all shards accept from it.
    pub(crate) shard: Option<u16>,
}

/// Everything that the process was started with.
#[derive(Debug, Default)]
pub(crate) struct Inheritance {
    pub(crate) sockets: InheritedSockets,
    pub(crate) admin: Option<ListenerSocket>,
    pub(crate) management: Option<ListenerSocket>,
    pub(crate) predecessor: Option<Predecessor>,
}

/// The process that this one takes over from.
#[derive(Debug)]
pub(crate) struct Predecessor {
    pub(crate) driver: String,
    pub(crate) ready: OwnedFd,
}

/// Sockets that no listener has taken yet.
#[derive(Debug, Default)]
pub(crate) struct InheritedSockets(Vec<Inherited>);

/// One inherited socket.
#[derive(Debug)]
pub(crate) struct Inherited {
    name: Option<String>,
    address: ListenerAddress,
    pub(crate) shard: Option<u16>,
    pub(crate) socket: ListenerSocket,
}

/// Takes what this process was started with. The first thing that a process does.
pub(crate) fn inherit() -> io::Result<Inheritance> {
    let Some(start) = StartDescriptors::claim() else { return Ok(Inheritance::default()) };
    if let Ok(text) = env::var(HANDOVER_VARIABLE) {
        return inherit_from_predecessor(&start, &text);
    }
    let variable = |name: &str| env::var(name).ok();
    let activation = Activation::parse(
        variable("LISTEN_PID").as_deref(),
        variable("LISTEN_FDS").as_deref(),
        variable("LISTEN_FDNAMES").as_deref(),
        std::process::id(),
    );
    let mut sockets = InheritedSockets::default();
    let taken = start.take(&activation.fds)?;
    for (fd, name) in taken.into_iter().zip(&activation.names) {
        sockets.add(name.as_deref(), None, listener_socket(fd)?)?;
    }
    Ok(Inheritance { sockets, ..Inheritance::default() })
}

fn inherit_from_predecessor(start: &StartDescriptors, text: &str) -> io::Result<Inheritance> {
    let invalid = |reason: String| io::Error::new(io::ErrorKind::InvalidData, reason);
    let handover: Handover = serde_json::from_str(text)
        .map_err(|error| invalid(format!("{HANDOVER_VARIABLE} is not understood: {error}")))?;
    let numbers: Vec<RawFd> = std::iter::once(handover.ready_fd)
        .chain(handover.admin_fd)
        .chain(handover.management_fd)
        .chain(handover.sockets.iter().map(|one| one.fd))
        .collect();
    start.close_others(&numbers)?;
    let mut fds = start.take(&numbers)?.into_iter();
    let mut next = || fds.next().ok_or_else(|| invalid("a descriptor is missing".to_owned()));
    let ready = next()?;
    let admin = match handover.admin_fd {
        Some(_) => Some(listener_socket(next()?)?),
        None => None,
    };
    let management = match handover.management_fd {
        Some(_) => Some(listener_socket(next()?)?),
        None => None,
    };
    let mut sockets = InheritedSockets::default();
    for handed in &handover.sockets {
        sockets.add(Some(&handed.listener), handed.shard, listener_socket(next()?)?)?;
    }
    let predecessor = Some(Predecessor { driver: handover.driver, ready });
    Ok(Inheritance { sockets, admin, management, predecessor })
}

fn listener_socket(fd: OwnedFd) -> io::Result<ListenerSocket> {
    let socket = Socket::from(fd);
    let unfit = |reason: &str| io::Error::new(io::ErrorKind::InvalidInput, reason.to_owned());
    if socket.r#type()? != Type::STREAM || !socket.is_listener()? {
        return Err(unfit("an inherited socket is not a listening stream socket"));
    }
    match socket.domain()? {
        Domain::UNIX => Ok(ListenerSocket::Unix(socket.into())),
        Domain::IPV4 | Domain::IPV6 => Ok(ListenerSocket::Tcp(socket.into())),
        _ => Err(unfit("an inherited socket is neither TCP nor unix")),
    }
}

impl InheritedSockets {
    pub(crate) fn add(
        &mut self,
        name: Option<&str>,
        shard: Option<u16>,
        socket: ListenerSocket,
    ) -> io::Result<()> {
        let address = sockets::local_address(&socket)?;
        self.0.push(Inherited { name: name.map(str::to_owned), address, shard, socket });
        Ok(())
    }

    /// Takes the sockets of a listener out.
    pub(crate) fn take(&mut self, name: &str, address: &ListenerAddress) -> Vec<Inherited> {
        self.0.extract_if(.., |one| one.is_of(name, address)).collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What no listener has taken, for the log.
    pub(crate) fn left_over(&self) -> Vec<String> {
        self.0.iter().map(|one| sockets::shown(&one.address)).collect()
    }
}

impl Inherited {
    fn is_of(&self, name: &str, address: &ListenerAddress) -> bool {
        match (&self.address, address) {
            (ListenerAddress::Tcp(bound), ListenerAddress::Tcp(wanted)) if wanted.port() == 0 => {
                bound.ip() == wanted.ip() && self.name.as_deref() == Some(name)
            }
            (bound, wanted) => bound == wanted,
        }
    }
}

/// What systemd says that it passes.
#[derive(Debug, Default, Eq, PartialEq)]
struct Activation {
    fds: Vec<RawFd>,
    /// By index in `fds`.
    names: Vec<Option<String>>,
}

impl Activation {
    /// The three variables of sd_listen_fds(3). They are meant for one process, and a child may
    /// see them too.
    fn parse(pid: Option<&str>, fds: Option<&str>, names: Option<&str>, own_pid: u32) -> Self {
        let count = fds.and_then(|text| text.parse::<u16>().ok()).unwrap_or(0);
        if pid.and_then(|text| text.parse().ok()) != Some(own_pid) || count == 0 {
            return Self::default();
        }
        let mut given = names.unwrap_or_default().split(':');
        let names = (0..count)
            .map(|_| given.next().filter(|name| !name.is_empty()).map(str::to_owned))
            .collect();
        Self { fds: (FIRST_FD..FIRST_FD + RawFd::from(count)).collect(), names }
    }
}

/// `SD_LISTEN_FDS_START`.
const FIRST_FD: RawFd = 3;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::sockets::BindOptions;

    const OPTIONS: BindOptions = BindOptions { dual_stack: false, reuse_port: false, backlog: 1 };

    #[test]
    fn activation_is_for_the_process_that_it_names() {
        let parse = |pid, fds, names| Activation::parse(pid, fds, names, 77);
        let two = parse(Some("77"), Some("2"), Some("web:"));
        assert_eq!(two.fds, [3, 4]);
        assert_eq!(two.names, [Some("web".to_owned()), None]);
        assert_eq!(parse(Some("78"), Some("2"), None), Activation::default());
        assert_eq!(parse(None, Some("2"), None), Activation::default());
        assert_eq!(parse(Some("77"), Some("-1"), None), Activation::default());
        assert_eq!(parse(Some("77"), Some("0"), None), Activation::default());
    }

    #[test]
    fn a_hand_over_is_read_as_it_was_written() {
        let handover = Handover {
            driver: "epoll".to_owned(),
            ready_fd: 9,
            sockets: vec![HandedSocket { fd: 10, listener: "a \"b\"".to_owned(), shard: Some(1) }],
            admin_fd: None,
            management_fd: Some(9),
        };
        let text = serde_json::to_string(&handover).expect("serializes");
        assert_eq!(serde_json::from_str::<Handover>(&text).expect("reads"), handover);
    }

    #[test]
    fn sockets_are_found_by_place_and_port_zero_by_name() {
        let any = ListenerAddress::Tcp(([127, 0, 0, 1], 0).into());
        let mut inherited = InheritedSockets::default();
        let mut add = |name| {
            let socket = sockets::bind(&any, OPTIONS).expect("bound");
            let address = sockets::local_address(&socket).expect("an address");
            inherited.add(Some(name), None, socket).expect("known");
            address
        };
        let (first, _) = (add("a"), add("b"));
        assert_eq!(inherited.take("renamed", &first).len(), 1);
        assert_eq!(inherited.take("c", &any).len(), 0);
        assert_eq!(inherited.take("b", &any).len(), 1);
        assert!(inherited.is_empty());
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let (one, _other) = std::os::unix::net::UnixStream::pair().expect("pair");
        assert!(listener_socket(one.into()).is_err());
        let datagram = std::net::UdpSocket::bind("127.0.0.1:0").expect("bound");
        assert!(listener_socket(datagram.into()).is_err());
    }
}
