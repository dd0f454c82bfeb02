//! Takes connections in, refuses them, or hands them over.

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use super::Shard;
use super::listeners::OpenListener;
use crate::base::limits::TICK_MS;
use crate::base::{Fault, Nanos};
use crate::coord::{DrainedListeners, HandedOver, ShardMessage};
use crate::edge::{refuse_connection, serve_connection, serve_tls_connection};
use crate::model::Listener as ListenerSettings;
use crate::pipeline::ListenerContext;
use crate::rt::{Accepted, Listener, ListenerSocket, Peer, Stream, now, sleep, spawn};
use crate::sys::{duplicate, has_waiting_connection};

/// Opens the listeners of the first plan.
pub(super) fn open_listeners(shard: &Rc<Shard>, sockets: Vec<NamedSocket>) -> io::Result<()> {
    let plan = shard.state.plan();
    for settings in wanted_listeners(shard, &plan.plan.listeners) {
        if !sockets.iter().any(|(name, _)| *name == settings.name) {
            let reason = format!("no socket for listener {}", settings.name);
            return Err(io::Error::new(io::ErrorKind::NotFound, reason));
        }
    }
    open_sockets(shard, sockets)
}

/// Accepts from `sockets`, each for the listener of the plan in force that it names.
pub(super) fn open_sockets(shard: &Rc<Shard>, sockets: Vec<NamedSocket>) -> io::Result<()> {
    let plan = shard.state.plan();
    for (name, socket) in sockets {
        let wanted = wanted_listeners(shard, &plan.plan.listeners).find(|one| one.name == name);
        if let Some(settings) = wanted {
            open(shard, settings.clone(), socket)?;
        }
    }
    Ok(())
}

type NamedSocket = (String, ListenerSocket);

/// The listeners that this shard accepts from.
pub(super) fn wanted_listeners<'l>(
    shard: &'l Shard,
    listeners: &'l [ListenerSettings],
) -> impl Iterator<Item = &'l ListenerSettings> {
    listeners.iter().filter(|listener| {
        shard.options.listeners.as_ref().is_none_or(|names| names.contains(&listener.name))
    })
}

/// Opens a listener on `socket`.
fn open(shard: &Rc<Shard>, settings: ListenerSettings, socket: ListenerSocket) -> io::Result<()> {
    let port = socket.local_port();
    let listener = Listener::new(socket)?;
    let context = Rc::new(ListenerContext::new(settings, port, &shard.state.plan().plan.tls));
    let open = Rc::new(OpenListener::new(listener, context));
    shard.listeners.borrow_mut().add(Rc::clone(&open));
    let shard = Rc::clone(shard);
    shard.accepting_count.set(shard.accepting_count.get() + 1);
    spawn(async move {
        accept_loop(&shard, &open).await;
        if open.is_left() {
            take_in_unnoticed(&shard, &open).await;
        }
        shard.accepting_count.set(shard.accepting_count.get().saturating_sub(1));
    });
    Ok(())
}

/// Closes a listener; connections that wait in its queue are taken in first.
pub(super) fn close(shard: &Rc<Shard>, listener: &OpenListener) {
    for accepted in listener.listener.accept_waiting() {
        admit(shard, accepted, listener);
    }
    listener.close();
}

async fn accept_loop(shard: &Rc<Shard>, listener: &OpenListener) {
    loop {
        match listener.listener.accept().await {
            Ok(accepted) => {
                admit(shard, accepted, listener);
                if listener.has_ended() {
                    return;
                }
            }
            Err(_) if listener.has_ended() => return,
            Err(error) if is_of_one_connection(&error) => {}
            Err(error) => {
                // Out of descriptors or memory: others must end first. Waiting a moment keeps the
                // loop from spinning.
                shard.state.recorder.accept_failed();
                tracing::warn!(%error, shard = shard.options.index, "accept failed");
                sleep(Duration::from_millis(50)).await;
            }
        }
    }
}

/// Takes in what this process was woken for and did not take. The kernel wakes one of those that
/// wait at a socket for each connection; had it chosen an accept of ours that was then cancelled,
/// the connection would wait until another one wakes the process that the socket was left to.
async fn take_in_unnoticed(shard: &Rc<Shard>, listener: &Rc<OpenListener>) {
    while has_waiting_connection(listener.listener.raw_fd()) {
        // The other process may be quicker: the accept must not wait for a connection to come.
        let again = Rc::clone(listener);
        spawn(async move { again.leave() });
        match listener.listener.accept().await {
            Ok(accepted) => admit(shard, accepted, listener),
            Err(error) if error.raw_os_error() == Some(libc::ECANCELED) => {}
            Err(error) if is_of_one_connection(&error) => {}
            Err(_) => return,
        }
    }
}

/// The connection went away before it was accepted (accept(2)).
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(
            libc::ECONNABORTED
                | libc::EINTR
                | libc::EPROTO
                | libc::ENETDOWN
                | libc::EHOSTDOWN
                | libc::EHOSTUNREACH
                | libc::ENETUNREACH
        )
    )
}

fn admit(shard: &Rc<Shard>, accepted: Accepted, listener: &OpenListener) {
    let Accepted { stream, peer } = accepted;
    let context = listener.context();
    let stream = match hand_over(shard, stream, peer, &context) {
        Some(stream) => stream,
        None => return,
    };
    if take_in(shard, stream, peer, context) {
        shard.state.recorder.connection_opened();
    }
}

/// Hands the connection to another shard if that has clearly fewer; gives it back otherwise.
fn hand_over(
    shard: &Shard,
    stream: Stream,
    peer: Peer,
    context: &ListenerContext,
) -> Option<Stream> {
    if !shard.options.rebalances {
        return Some(stream);
    }
    let board = &shard.shared.connections;
    let own = usize::from(shard.options.index);
    let Some(target) = board.handover_target(own, shard.connections_count.get()) else {
        return Some(stream);
    };
    let Ok(fd) = duplicate(stream.raw_fd()) else { return Some(stream) };
    let listener = Arc::from(context.listener.name.as_str());
    let transit = board.begin_handover(target);
    let message = ShardMessage::Connection(HandedOver { fd, listener, peer, transit });
    let sent = shard.shared.mailboxes.get(target).map(|mailbox| mailbox.try_send(message));
    match sent {
        Some(Ok(())) => {
            shard.state.recorder.connection_opened();
            shard.state.recorder.connection_handed_over();
            None
        }
        _ => Some(stream),
    }
}

/// Takes in a connection that another shard accepted.
pub(super) fn take_over(shard: &Rc<Shard>, connection: HandedOver) {
    let HandedOver { fd, listener, peer, transit } = connection;
    let context = shard.listeners.borrow().find_by_name(&listener).map(|open| open.context());
    let stream = match peer {
        Peer::Tcp(_) => Stream::from_std_tcp(fd.into()),
        Peer::Unix => Stream::from_std_unix(fd.into()),
    };
    if let (Some(context), Ok(stream)) = (context, stream)
        && take_in(shard, stream, peer, context)
    {
        shard.state.recorder.connection_received();
    }
    drop(transit);
}

/// Serves the connection, unless the shard has enough of them; whether it does.
fn take_in(shard: &Rc<Shard>, stream: Stream, peer: Peer, context: Rc<ListenerContext>) -> bool {
    if shard.connections_count.get() >= shard.connections_max() {
        shard.state.recorder.connection_refused();
        let state = Rc::clone(&shard.state);
        spawn(refuse_connection(state, stream, peer, context, Fault::TooManyConnections));
        return false;
    }
    shard.connection_opened();
    let guard = ConnectionGuard(Rc::clone(shard));
    let (state, workers) = (Rc::clone(&shard.state), Rc::clone(&shard.workers));
    if context.tls.is_some() {
        spawn(serve_tls_connection(state, workers, stream, peer, context, guard));
    } else {
        spawn(serve_connection(state, workers, stream.into(), peer, context, guard));
    }
    true
}

/// Counts a connection for as long as it lives, however it ends.
struct ConnectionGuard(Rc<Shard>);

impl Drop for ConnectionGuard {
    fn drop(&mut self) {
        self.0.connection_closed();
    }
}

/// However early the deadline: idle connections end within it, and are not cut off.
const IDLE_END: Nanos = Nanos::from_millis(2 * TICK_MS);

/// Begins to drain: no new connections, idle ones end, busy ones end with their next answer.
pub(super) fn drain(shard: &Rc<Shard>, deadline: Nanos, fate: DrainedListeners) {
    let deadline = deadline.max(now().plus(IDLE_END));
    if shard.drain_deadline.replace(Some(deadline)).is_some() {
        return;
    }
    shard.state.draining.set(true);
    let listeners = shard.listeners.borrow_mut().take_unwanted(|_| false);
    for listener in listeners {
        match fate {
            DrainedListeners::Close => close(shard, &listener),
            DrainedListeners::Leave => listener.leave(),
        }
    }
    let idle_count = shard.state.deadlines.shutdown_idle();
    tracing::info!(
        shard = shard.options.index,
        idle_count,
        open_count = shard.connections_count.get(),
        deadline_ms = deadline.since(now()).as_millis(),
        "draining"
    );
}
