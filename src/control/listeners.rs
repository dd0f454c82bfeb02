//! The listening sockets of all shards: binds them, finds them among inherited ones, changes them
//! at a reload, and hands them to a successor.
//!
//! Keeps a second descriptor of every socket that shards accept from, so that a hand-over needs
//! nothing from the shards. The invariant a newcomer would break: a change is bound whole before
//! anything is told to anybody, and dropped whole if any part of it fails.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::inherited::{Inherited, InheritedSockets};
use super::sockets::{self, BindOptions, shown};
use crate::model::{Listener, ListenerAddress};
use crate::rt::ListenerSocket;

/// A socket for a shard, with the name of its listener. A shard may get several of one name.
pub type NamedSocket = (String, ListenerSocket);

/// Why a listener cannot be had: one sentence per listener, without full stop.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{}", .0.join("; "))]
pub struct ListenError(pub Vec<String>);

/// All listening sockets in force.
#[derive(Debug)]
pub(crate) struct Listeners {
    /// By shard: the names of the listeners that it serves, or all.
    serves: Vec<Option<Vec<String>>>,
    /// One per place.
    bound: Vec<Bound>,
}

/// One listener's sockets.
#[derive(Debug)]
struct Bound {
    listener: Listener,
    address: ListenerAddress,
    sockets: Vec<Seat>,
    /// The file of a unix socket, with its inode, so that a successor's file is never removed.
    file: Option<(PathBuf, u64)>,
}

/// A socket and the shard that accepts from it; all shards, if it is one for all.
#[derive(Debug)]
struct Seat {
    shard: Option<u16>,
    socket: ListenerSocket,
}

/// A set of listeners that is bound and not yet in force.
#[derive(Debug)]
pub(crate) struct Change {
    added: Vec<Bound>,
    listeners: Vec<Listener>,
    for_shards: Vec<Vec<NamedSocket>>,
}

impl Change {
    /// Takes out what each shard is to accept from in addition, by shard index.
    pub(crate) fn take_sockets(&mut self) -> Vec<Vec<NamedSocket>> {
        std::mem::take(&mut self.for_shards)
    }
}

impl Listeners {
    /// No listeners yet, for shards that serve these.
    pub(crate) fn new(serves: Vec<Option<Vec<String>>>) -> Self {
        Self { serves, bound: Vec::new() }
    }

    /// Binds what `listeners` has and the sockets in force do not, from `inherited` where that
    /// has it. Reports every listener that cannot be had.
    pub(crate) fn prepare(
        &self,
        listeners: &[Listener],
        inherited: &mut InheritedSockets,
    ) -> Result<Change, ListenError> {
        let (mut added, mut errors) = (Vec::new(), Vec::new());
        for listener in listeners {
            let place = format!("listener \"{}\"", listener.name);
            match self.find_kept(listener) {
                Ok(true) => {}
                Ok(false) => match self.bind(listener, inherited) {
                    Ok(bound) => added.push(bound),
                    Err(reason) => errors.push(format!("{place}: {reason}")),
                },
                Err(reason) => errors.push(format!("{place}: {reason}")),
            }
        }
        if !errors.is_empty() {
            return Err(ListenError(errors));
        }
        let for_shards = self.deal(&added).map_err(|error| ListenError(vec![error]))?;
        Ok(Change { added, listeners: listeners.to_vec(), for_shards })
    }

    /// Puts a change in force, once the shards have taken it. Sockets that it no longer has are
    /// let go, their files removed.
    pub(crate) fn commit(&mut self, change: Change) {
        let Change { added, listeners, .. } = change;
        let mut candidates = std::mem::take(&mut self.bound);
        candidates.extend(added);
        for listener in listeners {
            let place = candidates.iter().position(|one| one.listener.is_at_place_of(&listener));
            let Some(place) = place else { continue };
            let mut bound = candidates.remove(place);
            if bound.listener.backlog != listener.backlog {
                bound.set_backlog(listener.backlog);
            }
            bound.listener = listener;
            self.bound.push(bound);
        }
        candidates.iter().for_each(Bound::remove_file);
    }

    /// Removes the files of unix sockets, at the end of a process that has no successor.
    pub(crate) fn remove_files(&self) {
        self.bound.iter().for_each(Bound::remove_file);
    }

    /// Every socket with its listener's name and its shard, for a successor.
    pub(crate) fn sockets(&self) -> impl Iterator<Item = (&str, Option<u16>, &ListenerSocket)> {
        self.bound.iter().flat_map(|bound| {
            let name = bound.listener.name.as_str();
            bound.sockets.iter().map(move |seat| (name, seat.shard, &seat.socket))
        })
    }

    /// Name, address as bound, and number of sockets of each listener.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (&str, &ListenerAddress, usize)> {
        self.bound.iter().map(|one| (one.listener.name.as_str(), &one.address, one.sockets.len()))
    }

    /// Whether the sockets of `listener` are in force already. An error if they are and cannot
    /// become what it asks for while the process runs.
    fn find_kept(&self, listener: &Listener) -> Result<bool, String> {
        let bound = self.bound.iter().find(|one| one.listener.is_at_place_of(listener));
        let Some(Bound { listener: old, .. }) = bound else { return Ok(false) };
        if (old.reuse_port, old.dual_stack) != (listener.reuse_port, listener.dual_stack) {
            let reason = "reuse_port and dual_stack of a socket that is bound cannot change; \
                          give the listener another address, or restart";
            return Err(reason.to_owned());
        }
        Ok(true)
    }

    fn bind(&self, listener: &Listener, inherited: &mut InheritedSockets) -> Result<Bound, String> {
        let shards = self.shards_of(&listener.name);
        let mut seats: Vec<_> = inherited
            .take(&listener.name, &listener.address)
            .into_iter()
            .map(|Inherited { shard, socket, .. }| Seat { shard, socket })
            .collect();
        let first = seats.first().and_then(|seat| sockets::local_address(&seat.socket).ok());
        let mut address = first.unwrap_or_else(|| listener.address.clone());
        let is_shared = seats.iter().any(|seat| seat.shard.is_none());
        let wanted: Vec<_> = match (&listener.address, listener.reuse_port) {
            _ if is_shared => Vec::new(),
            (ListenerAddress::Tcp(_), true) => shards.iter().copied().map(Some).collect(),
            _ if seats.is_empty() => vec![None],
            _ => Vec::new(),
        };
        for shard in wanted {
            if shard.is_some() && seats.iter().any(|seat| seat.shard == shard) {
                continue;
            }
            let options = BindOptions {
                dual_stack: listener.dual_stack,
                reuse_port: listener.reuse_port && shard.is_some(),
                backlog: listener.backlog,
            };
            let socket =
                sockets::bind(&address, options).map_err(|error| bind_failure(&address, &error))?;
            // Port 0 became a port, which the other shards share.
            address = sockets::local_address(&socket).map_err(|error| error.to_string())?;
            seats.push(Seat { shard, socket });
        }
        let file = match &address {
            ListenerAddress::Unix(path) => inode(path).map(|inode| (path.clone(), inode)),
            ListenerAddress::Tcp(_) => None,
        };
        Ok(Bound { listener: listener.clone(), address, sockets: seats, file })
    }

    fn shards_of(&self, name: &str) -> Vec<u16> {
        let serves = |names: &Option<Vec<String>>| match names {
            None => true,
            Some(names) => names.iter().any(|one| one == name),
        };
        let indexed = (0..).zip(&self.serves);
        indexed.filter(|(_, names)| serves(names)).map(|(shard, _)| shard).collect()
    }

    /// Deals the added sockets to the shards. Sockets of shards that this process does not have
    /// (its predecessor had more) go round, or their waiting connections would be lost.
    fn deal(&self, added: &[Bound]) -> Result<Vec<Vec<NamedSocket>>, String> {
        let mut dealt: Vec<Vec<NamedSocket>> = self.serves.iter().map(|_| Vec::new()).collect();
        for bound in added {
            let name = &bound.listener.name;
            let shards = self.shards_of(name);
            for (index, seat) in bound.sockets.iter().enumerate() {
                let takers: Vec<u16> = match seat.shard {
                    None => shards.clone(),
                    Some(shard) if shards.contains(&shard) => vec![shard],
                    Some(_) if shards.is_empty() => Vec::new(),
                    Some(_) => vec![shards[index % shards.len()]],
                };
                for taker in takers {
                    let socket = seat.socket.try_clone().map_err(|error| {
                        format!("listener \"{name}\": cannot copy the socket: {error}")
                    })?;
                    dealt[usize::from(taker)].push((name.clone(), socket));
                }
            }
        }
        Ok(dealt)
    }
}

impl Bound {
    fn set_backlog(&self, backlog: u32) {
        for seat in &self.sockets {
            if let Err(error) = sockets::set_backlog(&seat.socket, backlog) {
                tracing::warn!(listener = self.listener.name, %error, "the backlog stays as it was");
            }
        }
    }

    /// Removes the file of a unix socket, if it still is the one that was bound.
    fn remove_file(&self) {
        if let Some((path, bound_inode)) = &self.file
            && inode(path) == Some(*bound_inode)
        {
            // Nothing depends on it.
            let _ = fs::remove_file(path);
        }
    }
}

fn inode(path: &Path) -> Option<u64> {
    fs::symlink_metadata(path).ok().map(|found| found.ino())
}

fn bind_failure(address: &ListenerAddress, error: &std::io::Error) -> String {
    let hint = match (error.kind(), address) {
        (std::io::ErrorKind::PermissionDenied, ListenerAddress::Tcp(address))
            if address.port() < 1024 =>
        {
            "; ports below 1024 need the capability CAP_NET_BIND_SERVICE"
        }
        (std::io::ErrorKind::AddrNotAvailable, _) => "; no interface has this address",
        (std::io::ErrorKind::NotFound, ListenerAddress::Unix(_)) => "; its folder does not exist",
        _ => "",
    };
    format!("cannot listen on {}: {error}{hint}", shown(address))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ProxyProtocol;

    fn listener(name: &str, address: ListenerAddress, reuse_port: bool) -> Listener {
        Listener {
            name: name.to_owned(),
            address,
            dual_stack: false,
            reuse_port,
            backlog: 16,
            proxy_protocol: ProxyProtocol::Off,
            http2_prior_knowledge: true,
            trusted_proxies: Vec::new(),
            is_private: false,
            private_networks: Vec::new(),
        }
    }

    fn any_port() -> ListenerAddress {
        ListenerAddress::Tcp(([127, 0, 0, 1], 0).into())
    }

    fn names(dealt: &[Vec<NamedSocket>]) -> Vec<Vec<&str>> {
        dealt.iter().map(|one| one.iter().map(|(name, _)| name.as_str()).collect()).collect()
    }

    fn prepare(listeners: &Listeners, wanted: &[Listener]) -> Result<Change, ListenError> {
        listeners.prepare(wanted, &mut InheritedSockets::default())
    }

    #[test]
    fn each_shard_gets_a_socket_of_each_listener_that_it_serves() {
        let listeners = Listeners::new(vec![None, Some(vec!["b".to_owned()])]);
        let wanted = [listener("a", any_port(), true), listener("b", any_port(), true)];
        let mut change = prepare(&listeners, &wanted).expect("bound");
        let dealt = change.take_sockets();
        assert_eq!(names(&dealt), [vec!["a", "b"], vec!["b"]]);
        let address = |shard: usize, index: usize| {
            sockets::local_address(&dealt[shard][index].1).expect("an address")
        };
        assert_eq!(address(0, 1), address(1, 0), "port 0 became one port");
    }

    #[test]
    fn a_unix_socket_in_a_folder_that_is_missing_is_told_so() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let address = ListenerAddress::Unix(folder.path().join("missing/a.sock"));
        let listeners = Listeners::new(vec![None]);
        let error = prepare(&listeners, &[listener("a", address, false)]).unwrap_err();
        assert!(error.to_string().ends_with("; its folder does not exist"), "{error}");
    }

    #[test]
    fn without_reuse_port_all_shards_share_one_socket() {
        let mut listeners = Listeners::new(vec![None, None]);
        let mut change = prepare(&listeners, &[listener("a", any_port(), false)]).expect("bound");
        assert_eq!(names(&change.take_sockets()), [vec!["a"], vec!["a"]]);
        listeners.commit(change);
        assert_eq!(listeners.sockets().count(), 1);
    }

    #[test]
    fn a_change_binds_what_is_new_and_lets_go_what_is_not_named() {
        let folder = tempfile::tempdir().expect("temporary folder");
        let path = folder.path().join("a.sock");
        let old = listener("old", ListenerAddress::Unix(path.clone()), false);
        let kept = listener("kept", any_port(), true);
        let mut listeners = Listeners::new(vec![None]);
        let change = prepare(&listeners, &[old, kept.clone()]).expect("bound");
        listeners.commit(change);
        assert!(path.exists());

        let more = Listener { backlog: 99, ..kept };
        let wanted = [more, listener("new", any_port(), true)];
        let mut change = prepare(&listeners, &wanted).expect("bound");
        assert_eq!(names(&change.take_sockets()), [vec!["new"]]);
        listeners.commit(change);
        assert!(!path.exists(), "the file of a listener that is gone");
        assert_eq!(listeners.addresses().map(|one| one.0).collect::<Vec<_>>(), ["kept", "new"]);
    }

    #[test]
    fn a_change_that_fails_changes_nothing_and_names_every_listener() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("bound");
        let address = ListenerAddress::Tcp(taken.local_addr().expect("an address"));
        let mut listeners = Listeners::new(vec![None]);
        let change = prepare(&listeners, &[listener("kept", any_port(), true)]).expect("bound");
        listeners.commit(change);
        let wanted = [listener("one", address.clone(), true), listener("two", address, false)];
        let ListenError(errors) = prepare(&listeners, &wanted).unwrap_err();
        assert_eq!(errors.len(), 2);
        assert!(errors[0].starts_with("listener \"one\": cannot listen on 127.0.0.1:"));
        assert_eq!(listeners.sockets().count(), 1);
    }

    #[test]
    fn what_a_bound_socket_cannot_become_is_refused() {
        let mut listeners = Listeners::new(vec![None]);
        let old = listener("a", any_port(), true);
        let change = prepare(&listeners, std::slice::from_ref(&old)).expect("bound");
        listeners.commit(change);
        assert!(prepare(&listeners, &[Listener { reuse_port: false, ..old }]).is_err());
    }

    #[test]
    fn sockets_of_shards_that_are_no_more_go_round() {
        let mut before = Listeners::new(vec![None, None, None]);
        let wanted = [listener("a", any_port(), true)];
        let change = prepare(&before, &wanted).expect("bound");
        before.commit(change);
        let mut inherited = InheritedSockets::default();
        for (name, shard, socket) in before.sockets() {
            inherited.add(Some(name), shard, socket.try_clone().expect("copied")).expect("known");
        }
        let after = Listeners::new(vec![None, None]);
        let mut change = after.prepare(&wanted, &mut inherited).expect("all inherited");
        let dealt = change.take_sockets();
        assert_eq!(dealt.iter().map(Vec::len).sum::<usize>(), 3);
        assert!(dealt.iter().all(|one| !one.is_empty()));
        assert!(inherited.is_empty());
    }
}
