//! `shardgate echo`: a fast HTTP/1.1 backend to test gateways with, whose answer the path of a
//! request chooses.
//!
//! Owns its own small parser and its own framing, so that a fault of the gateway's codecs does not
//! hide behind the same fault here; it refuses to know anything of the gateway but its runtime.

mod answer;
mod body;
mod connection;
mod head;
mod malformed;
mod path;
mod pattern;

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use connection::Connection;
use core_affinity::CoreId;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::{Exit, fail, print};
use crate::rt::{self, DriverChoice, Listener, ListenerSocket, RingOptions};
use crate::sys;

/// Connections that may wait to be accepted; the kernel's own bound may be lower.
const BACKLOG_COUNT: i32 = 4_096;
const RING: RingOptions = RingOptions { entries: 4_096 };
/// How long accepting pauses when it fails, as it does when descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Runs the backend until SIGTERM or SIGINT, one thread for each of `cores` (one that is pinned to
/// none if there are none). Prints `listening on ADDRESS` once connections are taken.
pub(super) fn run(listen: SocketAddr, cores: &[usize]) -> Exit {
    // More descriptors are better, and too few say so when they run out.
    let _ = sys::raise_descriptors_max();
    // Before anybody is told that it is there, who could end it.
    let ended = End::listen().and_then(|end| {
        let address = start(listen, cores, DriverChoice::Auto)?;
        let _ = print(&format!("listening on {address}\n"));
        end.wait();
        Ok(())
    });
    match ended {
        Ok(()) => Exit::Done,
        Err(error) => fail(&format!("echo on {listen}: {error}")),
    }
}

/// Starts the backend on threads of its own, which live as long as the process. Answers with the
/// address that it listens on: port 0 takes any free port.
pub(super) fn start(
    listen: SocketAddr,
    cores: &[usize],
    driver: DriverChoice,
) -> io::Result<SocketAddr> {
    let first = bind(listen, cores.len() > 1)?;
    let address = first.local_addr()?;
    let mut sockets = vec![first];
    for _ in 1..cores.len() {
        sockets.push(bind(address, true)?);
    }
    for (index, socket) in sockets.into_iter().enumerate() {
        start_thread(socket, address, cores.get(index).copied(), driver)?;
    }
    Ok(address)
}

/// Starts one thread and waits until it accepts, or says why it does not.
fn start_thread(
    socket: TcpListener,
    address: SocketAddr,
    core: Option<usize>,
    driver: DriverChoice,
) -> io::Result<()> {
    let (started, outcome) = mpsc::channel();
    let failed = started.clone();
    thread::Builder::new().name("echo".to_owned()).spawn(move || {
        let result = pin(core).and_then(|()| {
            rt::run(driver, RING, |report| async move {
                match socket
                    .set_nonblocking(report.name == "epoll")
                    .and_then(|()| Listener::new(ListenerSocket::Tcp(socket)))
                {
                    Ok(listener) => {
                        let _ = started.send(Ok(()));
                        accept(&listener, address).await;
                    }
                    Err(error) => drop(started.send(Err(error))),
                }
            })
        });
        if let Err(error) = result {
            // Nobody listens once the thread has started; then this cannot fail either.
            let _ = failed.send(Err(error));
        }
    })?;
    outcome.recv().unwrap_or_else(|_| Err(io::Error::other("its thread died")))
}

async fn accept(listener: &Listener, address: SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => rt::spawn(async move {
                // What ends a connection early is the client's doing, or was asked for by a path.
                let _ = Connection::new(accepted.stream, address).serve().await;
            }),
            Err(_) => rt::sleep(ACCEPT_PAUSE).await,
        }
    }
}

fn bind(address: SocketAddr, shared: bool) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(shared)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG_COUNT)?;
    Ok(socket.into())
}

fn pin(core: Option<usize>) -> io::Result<()> {
    let Some(id) = core else {
        return Ok(());
    };
    // Asked first, as pinning to a number that no mask has room for ends the process.
    let allowed = core_affinity::get_core_ids().unwrap_or_default();
    if allowed.contains(&CoreId { id }) && core_affinity::set_for_current(CoreId { id }) {
        return Ok(());
    }
    Err(io::Error::other(format!("this process may not run on core {id}")))
}

/// The signals that end it.
struct End {
    runtime: tokio::runtime::Runtime,
    terminate: Signal,
    interrupt: Signal,
}

impl End {
    /// From now on they end nothing at once.
    fn listen() -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let context = runtime.enter();
        let terminate = signal(SignalKind::terminate())?;
        let interrupt = signal(SignalKind::interrupt())?;
        drop(context);
        Ok(Self { runtime, terminate, interrupt })
    }

    /// Waits for one of them.
    fn wait(self) {
        let Self { runtime, mut terminate, mut interrupt } = self;
        runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpStream;

    use super::*;

    fn any_port() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    /// The whole answer to `request`, which asks for the connection to be closed.
    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).expect("connected");
        stream.write_all(request.as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("answered");
        answer
    }

    #[test]
    fn it_runs_on_epoll_too() {
        let address = start(any_port(), &[], DriverChoice::Epoll).expect("started");
        let answer = ask(address, "GET /address HTTP/1.1\r\nconnection: close\r\n\r\n");
        assert!(answer.ends_with(&format!("\r\n\r\n{address}")), "{answer}");
        let answer = ask(address, "POST /echo HTTP/1.0\r\ncontent-length: 5\r\n\r\nhello");
        assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    }

    #[test]
    fn several_threads_share_an_address() {
        let address = start(any_port(), &[0, 0], DriverChoice::Auto).expect("started");
        for _ in 0..20 {
            let answer = ask(address, "GET /address HTTP/1.0\r\n\r\n");
            assert!(answer.ends_with(&address.to_string()), "{answer}");
        }
    }

    #[test]
    fn a_taken_address_and_a_missing_core_are_errors() {
        let address = start(any_port(), &[], DriverChoice::Auto).expect("started");
        assert!(start(address, &[], DriverChoice::Auto).is_err());
        let error = start(any_port(), &[4_095], DriverChoice::Auto).expect_err("no such core");
        assert!(error.to_string().contains("4095"), "{error}");
    }
}
