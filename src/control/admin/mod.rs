//! The admin listener: health, metrics, what is in force, and the few verbs of an operator.
//!
//! JSON in, JSON out, except `/metrics`. Nothing here asks who the caller is: it listens on
//! loopback or a unix socket unless the boot file allows more, and [`guard`] keeps web pages in a
//! browser on the same machine out. The rule a newcomer would break: a GET changes nothing.

mod answer;
mod backup;
mod guard;
mod health;
mod numbers;
mod operate;
mod shown;
mod upstreams;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::{TcpListener, UnixListener};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::acme::AcmeWatch;
use super::logs::Logs;
use super::process::Event;
use super::reload::{InForce, Reloader};
use super::sockets::{self, BindOptions, shown};
use super::status::Status;
use crate::coord::{TargetBoard, UpstreamBoard};
use crate::function;
use crate::model::ListenerAddress;
use crate::observe::{Metrics, ShardMetrics};
use crate::rt::ListenerSocket;
use crate::store::Store;
pub(in crate::control) use guard::Guard;

/// What the admin listener shows and reaches.
#[derive(Clone)]
pub(crate) struct AdminView {
    pub(crate) status: Arc<Status>,
    pub(crate) metrics: Arc<Mutex<Metrics>>,
    pub(crate) reloader: Arc<tokio::sync::Mutex<Reloader>>,
    pub(crate) in_force: Arc<Mutex<InForce>>,
    pub(crate) logs: Arc<Logs>,
    pub(crate) targets: Arc<TargetBoard>,
    pub(crate) upstreams: Arc<UpstreamBoard>,
    pub(crate) shards: Vec<Arc<ShardMetrics>>,
    pub(crate) acme: Arc<AcmeWatch>,
    pub(crate) functions: function::Host,
    /// The store of the management API, if it is served.
    pub(crate) store: Option<Store>,
    pub(crate) events: mpsc::Sender<Event>,
}

/// The admin listener. Stops when dropped.
pub(crate) struct Admin {
    address: String,
    /// A second descriptor, for a successor.
    socket: ListenerSocket,
    server: JoinHandle<io::Result<()>>,
}

/// A socket for the admin listener that nobody answers on yet.
pub(crate) struct AdminSocket(ListenerSocket);

impl AdminSocket {
    /// Listens on `address`, on the inherited socket if it is there.
    pub(crate) fn bind(
        address: &ListenerAddress,
        inherited: Option<ListenerSocket>,
    ) -> io::Result<Self> {
        if let Some(socket) = inherited.filter(|socket| is_at(socket, address)) {
            return Ok(Self(socket));
        }
        let options = BindOptions { dual_stack: false, reuse_port: false, backlog: BACKLOG };
        let socket = sockets::bind(address, options).map_err(|error| {
            let reason = format!("cannot listen on {}: {error}", shown(address));
            io::Error::new(error.kind(), reason)
        })?;
        Ok(Self(socket))
    }

    /// Answers with what `view` shows and reaches.
    pub(crate) fn serve(self, view: AdminView) -> io::Result<Admin> {
        let Self(socket) = self;
        let bound = sockets::local_address(&socket)?;
        let routes = routes(view, Guard::of(&bound));
        let server = match socket.try_clone()? {
            ListenerSocket::Tcp(socket) => {
                socket.set_nonblocking(true)?;
                let listener = TcpListener::from_std(socket)?;
                tokio::spawn(async move { axum::serve(listener, routes).await })
            }
            ListenerSocket::Unix(socket) => {
                socket.set_nonblocking(true)?;
                let listener = UnixListener::from_std(socket)?;
                tokio::spawn(async move { axum::serve(listener, routes).await })
            }
        };
        Ok(Admin { address: shown(&bound), socket, server })
    }
}

impl Admin {
    /// Where it listens, as people write it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A descriptor of the socket, for a successor.
    pub(crate) fn socket_copy(&self) -> Option<OwnedFd> {
        Some(match self.socket.try_clone().ok()? {
            ListenerSocket::Tcp(socket) => socket.into(),
            ListenerSocket::Unix(socket) => socket.into(),
        })
    }
}

impl Admin {
    /// Removes the file of a unix socket, at the end of a process that has no successor.
    pub(crate) fn remove_file(&self) {
        if let Ok(ListenerAddress::Unix(path)) = sockets::local_address(&self.socket) {
            // Nothing depends on it.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for Admin {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn is_at(socket: &ListenerSocket, address: &ListenerAddress) -> bool {
    match (sockets::local_address(socket), address) {
        (Ok(ListenerAddress::Tcp(bound)), ListenerAddress::Tcp(wanted)) => {
            bound.ip() == wanted.ip() && (wanted.port() == 0 || bound.port() == wanted.port())
        }
        (Ok(bound), wanted) => bound == *wanted,
        (Err(_), _) => false,
    }
}

fn routes(view: AdminView, guard: Guard) -> Router {
    Router::new()
        .route("/", get(shown::index))
        .route("/livez", get(health::livez))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(numbers::metrics))
        .route("/stats", get(numbers::stats))
        .route("/upstreams", get(upstreams::upstreams))
        .route("/config", get(shown::config))
        .route("/reload", post(operate::reload))
        .route("/drain", post(operate::drain))
        .route("/backup", get(backup::back_up))
        .route("/restore", post(backup::restore).layer(DefaultBodyLimit::disable()))
        .route("/log-level", get(operate::log_level).put(operate::set_log_level))
        .fallback(answer::not_found)
        .method_not_allowed_fallback(answer::method_not_allowed)
        .layer(middleware::from_fn_with_state(guard, guard::check))
        .with_state(view)
}

const BACKLOG: u32 = 128;
