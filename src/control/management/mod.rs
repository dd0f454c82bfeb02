//! The management API: what the AWS CLI, SDKs and Terraform drive.
//!
//! One table of operations ([`service`]) drives routing, validation, status codes and the form of
//! answers; [`operations`] binds each name to what it does, mostly the same few verbs on a table of
//! nouns ([`resource`], [`rest`], [`http`]). Documents live in the store; a request is one
//! transaction. Refuses to know how a stage becomes a plan: it tells of changes
//! ([`changes::Changes`]).
//! The rule a newcomer would break: an answer leaves after the change is on disk.

mod answer;
mod audit;
mod call;
mod changes;
mod decode;
mod error;
mod function_signing;
mod gate;
mod http;
mod identity;
mod ids;
#[cfg(test)]
mod invoke_tests;
mod lambda;
mod operations;
mod options;
#[cfg(test)]
mod refusal_tests;
mod reply;
mod resource;
mod rest;
#[cfg(test)]
mod sequence_tests;
mod service;
mod stored_domain;
#[cfg(test)]
mod test_api;
#[cfg(test)]
mod views_tests;

use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use axum::Router;
use axum::extract::ConnectInfo;
use tokio::net::{TcpListener, UnixListener};
use tokio::task::JoinHandle;

pub use function_signing::{BoundSigning, SecretSource, SigningSource};
pub use lambda::{UNZIPPED_BYTES_MAX, UnzipError, unzip_code};
pub use options::{
    BoundCertificate, BoundEndpoint, BoundFunction, BoundSource, BoundTrustStore, BoundVpcLink,
    Credential, FunctionWay, ManagementOptions, Quotas,
};

use super::sockets::{self, BindOptions, shown};
use crate::model::ListenerAddress;
use crate::rt::ListenerSocket;
use crate::store::Store;
use changes::changes;
pub(crate) use changes::{
    Change, Changes, DeployedStage, DeployedStore, DomainChange, FunctionChange, StageChange,
};
use gate::Gate;
pub(crate) use gate::{Invoke, Invoked};
pub(crate) use lambda::{
    FoundFunction, FunctionAnswer, FunctionCall, FunctionFolder, FunctionOutcome, FunctionRuntime,
    FunctionStore, InvocationType, InvokeFunction, InvokeRefusal, StoredFunction,
};
pub(crate) use rest::Invocation;
pub(crate) use stored_domain::StoredDomain;

/// The management listener with its store. Stops when dropped.
pub(crate) struct Management {
    address: String,
    socket: ListenerSocket,
    gate: Arc<Gate>,
    server: JoinHandle<io::Result<()>>,
    changes: Option<Changes>,
}

impl Management {
    /// Opens the store and listens.
    pub(crate) fn start(
        options: ManagementOptions,
        inherited: Option<ListenerSocket>,
    ) -> io::Result<Self> {
        let (teller, changes) = changes();
        let progress = teller.progress();
        let on_commit = Box::new(move |keys: &[crate::store::Key]| teller.tell(keys));
        let store = Store::open(&options.store, on_commit)?;
        let socket = bind(&options.address, inherited)?;
        let bound = sockets::local_address(&socket)?;
        if options.credentials.is_empty() {
            tracing::warn!(
                address = shown(&bound),
                "the management API has no credentials: anyone on this machine may change everything"
            );
        }
        let gate = Arc::new(Gate::new(options, store, progress, &bound)?);
        // What a crash has left behind.
        gate.functions.sweep();
        let server = serve(socket.try_clone()?, Arc::clone(&gate))?;
        Ok(Self { address: shown(&bound), socket, gate, server, changes: Some(changes) })
    }

    /// Where it listens, as people write it.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// What is deployed, for whoever serves it.
    pub(crate) fn deployed(&self) -> DeployedStore {
        DeployedStore::new(self.gate.store.clone())
    }

    /// The changes from now on; whoever asks first gets them.
    pub(crate) fn take_changes(&mut self) -> Option<Changes> {
        self.changes.take()
    }

    /// The store, for backups.
    pub(crate) fn store(&self) -> &Store {
        &self.gate.store
    }

    /// From now on methods can be called for a test.
    pub(crate) fn invoke_with(&self, invoke: Invoke) {
        // Set once, at the start of the process.
        let _ = self.gate.invoke.set(invoke);
    }

    /// What is defined of functions, for whoever runs them.
    pub(crate) fn functions(&self) -> FunctionStore {
        self.gate.functions.clone()
    }

    /// From now on functions can be called.
    pub(crate) fn call_functions_with(&self, invoke: InvokeFunction) {
        // Set once, at the start of the process.
        let _ = self.gate.function_calls.invoke.set(invoke);
    }

    /// Closes the store for a successor. Requests are refused until [`Management::resume`].
    pub(crate) fn pause(&self) {
        self.gate.store.close();
    }

    /// Opens the store again: there is no successor.
    pub(crate) fn resume(&self) {
        if let Err(error) = self.gate.store.reopen() {
            tracing::error!(%error, "the store cannot be opened again");
        }
    }

    /// A descriptor of the socket, for a successor.
    pub(crate) fn socket_copy(&self) -> Option<OwnedFd> {
        Some(match self.socket.try_clone().ok()? {
            ListenerSocket::Tcp(socket) => socket.into(),
            ListenerSocket::Unix(socket) => socket.into(),
        })
    }

    /// Removes the file of a unix socket, at the end of a process that has no successor.
    pub(crate) fn remove_file(&self) {
        if let Ok(ListenerAddress::Unix(path)) = sockets::local_address(&self.socket) {
            // Nothing depends on it.
            let _ = std::fs::remove_file(path);
        }
    }
}

impl Drop for Management {
    fn drop(&mut self) {
        self.server.abort();
    }
}

fn bind(
    address: &ListenerAddress,
    inherited: Option<ListenerSocket>,
) -> io::Result<ListenerSocket> {
    if let Some(socket) = inherited {
        return Ok(socket);
    }
    let options = BindOptions { dual_stack: false, reuse_port: false, backlog: BACKLOG };
    sockets::bind(address, options).map_err(|error| {
        let reason = format!("cannot listen on {}: {error}", shown(address));
        io::Error::new(error.kind(), reason)
    })
}

fn serve(socket: ListenerSocket, gate: Arc<Gate>) -> io::Result<JoinHandle<io::Result<()>>> {
    Ok(match socket {
        ListenerSocket::Tcp(socket) => {
            socket.set_nonblocking(true)?;
            let listener = TcpListener::from_std(socket)?;
            let answer = |ConnectInfo(peer): ConnectInfo<SocketAddr>, request| async move {
                gate.answer(peer.ip().to_canonical().to_string(), request).await
            };
            let routes = Router::new().fallback(answer);
            let routes = routes.into_make_service_with_connect_info::<SocketAddr>();
            tokio::spawn(async move { axum::serve(listener, routes).await })
        }
        ListenerSocket::Unix(socket) => {
            socket.set_nonblocking(true)?;
            let listener = UnixListener::from_std(socket)?;
            let answer = |request| async move { gate.answer("unix".to_owned(), request).await };
            let routes = Router::new().fallback(answer);
            tokio::spawn(async move { axum::serve(listener, routes).await })
        }
    })
}

const BACKLOG: u32 = 128;
