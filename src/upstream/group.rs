//! A target group at work on one shard: its decisions ([`GroupState`]) and its idle connections.

use std::cell::{Cell, RefCell};
use std::io;
use std::rc::Rc;
use std::sync::Arc;

use super::connection::Connection;
use super::group_state::GroupState;
use super::group_tls::GroupTls;
use super::http2::{SharedConnections, Step};
use super::idle::IdleConnections;
use super::{Outcome, TargetId};
use crate::base::{Fault, Nanos};
use crate::coord::{GroupTargets, GroupView, ResolvedTarget, TargetEndpoint};
use crate::http2::{self, LinkTimeouts, TargetConnection, TargetOptions};
use crate::model::{TargetGroup, TargetProtocol};
use crate::observe::GroupRecorder;
use crate::rt::{Deadlines, Stream, connect_tcp, connect_unix, spawn};
use crate::tls::UpstreamTls;
use crate::transport::Transport;

/// One target group of one shard. Survives epochs in which its name survives.
pub struct Group {
    settings: RefCell<Arc<TargetGroup>>,
    /// That of the list of targets in force; 0 before the first.
    targets_version: Cell<u64>,
    state: RefCell<GroupState>,
    idle: RefCell<IdleConnections>,
    /// Where targets speak HTTP/2.
    shared: SharedConnections,
    /// How its targets are reached over TLS, if they are.
    tls: RefCell<Option<Rc<GroupTls>>>,
    /// Counts under the group's name, which all epochs that have it share.
    recorder: GroupRecorder,
}

/// One try of one request: a target was chosen and counts the request as outstanding until the
/// lease ends. Dropped without a word, it ends as [`Outcome::Abandoned`].
pub(crate) struct Lease {
    group: Rc<Group>,
    target: TargetId,
    outcome: Cell<Outcome>,
    ended: Nanos,
    /// It has a connection, or has had one and opens another.
    is_busy: Cell<bool>,
}

impl Group {
    /// A group with the targets known so far.
    #[must_use]
    pub fn new(
        group: &Arc<TargetGroup>,
        targets: Option<&GroupTargets>,
        recorder: GroupRecorder,
        now: Nanos,
        seed: u64,
    ) -> Self {
        let state = GroupState::new(group, addresses(targets), now, seed);
        Self {
            settings: RefCell::new(Arc::clone(group)),
            targets_version: Cell::new(version(targets)),
            state: RefCell::new(state),
            idle: RefCell::default(),
            shared: SharedConnections::default(),
            tls: RefCell::default(),
            recorder,
        }
    }

    /// Takes over new settings. What survives keeps its state and connections.
    pub fn renew(&self, group: &Arc<TargetGroup>, targets: Option<&GroupTargets>, now: Nanos) {
        let before = self.settings.replace(Arc::clone(group));
        if !Arc::ptr_eq(&before, group) || version(targets) != self.targets_version.get() {
            self.take(targets, now);
        }
    }

    /// Takes over `targets` if they are newer than those it has. What survives keeps its state and
    /// connections.
    pub fn update(&self, targets: &GroupTargets, now: Nanos) {
        if targets.version > self.targets_version.get() {
            self.take(Some(targets), now);
        }
    }

    fn take(&self, targets: Option<&GroupTargets>, now: Nanos) {
        self.targets_version.set(version(targets));
        let settings = self.settings();
        let mut state = self.state.borrow_mut();
        let _ = state.update(&settings, addresses(targets), now);
        let is_http2 = settings.protocol == TargetProtocol::Http2;
        self.idle.borrow_mut().retain_targets(|target| !is_http2 && state.is_member(target));
        self.shared.retain_targets(|target| is_http2 && state.is_member(target));
    }

    /// Counts for the group.
    #[must_use]
    pub fn recorder(&self) -> &GroupRecorder {
        &self.recorder
    }

    /// From now on reaches its targets over `tls`, or without. If that is another one than before,
    /// what is idle was made by other rules, and ends.
    pub fn reach_over(&self, tls: Option<&Arc<UpstreamTls>>) {
        if self.tls.borrow().as_ref().map(|one| Arc::as_ptr(one.shared())) == tls.map(Arc::as_ptr) {
            return;
        }
        let before = self.tls.replace(tls.map(|tls| Rc::new(GroupTls::new(Arc::clone(tls)))));
        if before.is_some() || tls.is_some() {
            self.idle.borrow_mut().retain_targets(|_| false);
            self.shared.retain_targets(|_| false);
        }
    }

    fn settings(&self) -> Arc<TargetGroup> {
        Arc::clone(&self.settings.borrow())
    }

    /// Runs `read` with the settings in force.
    pub fn with_settings<R>(&self, read: impl FnOnce(&TargetGroup) -> R) -> R {
        read(&self.settings.borrow())
    }

    /// Chooses a target for one try of a request.
    pub(crate) fn lease(
        self: &Rc<Self>,
        now: Nanos,
        hash: u64,
        tried: &[TargetId],
    ) -> Result<Lease, Fault> {
        let target = self.state.borrow_mut().choose(now, hash, tried)?;
        let outcome = Cell::new(Outcome::Abandoned);
        let (group, is_busy) = (Rc::clone(self), Cell::new(false));
        Ok(Lease { group, target, outcome, ended: now, is_busy })
    }

    /// Whether a failed try may be followed by another one; counts against the budget.
    pub(crate) fn may_retry(&self, now: Nanos, retries_count: u32) -> bool {
        self.state.borrow_mut().may_retry(now, retries_count)
    }

    /// Whether a try that reached no target may be followed by another one.
    pub(crate) fn may_retry_unsent(&self, retries_count: u32, tried: &[TargetId]) -> bool {
        self.state.borrow().may_retry_unsent(retries_count, tried)
    }

    /// Closes idle connections that the target closed or that were unused for too long; returns how
    /// many of the latter there were. Called by the shard's housekeeping.
    pub fn sweep(&self, now: Nanos) -> u32 {
        let settings = self.settings();
        let timeout = Nanos::from_millis(settings.keepalive_timeout_ms);
        let kept_max = settings.keepalive_connections_max as usize;
        self.idle.borrow_mut().sweep(now, timeout) + self.shared.sweep(now, timeout, kept_max)
    }

    /// How many connections are idle.
    #[must_use]
    pub fn idle_count(&self) -> usize {
        self.idle.borrow().count() + self.shared.idle_count()
    }

    /// Fills `view` with how this shard sees the group at `now`, for the admin listener. Called by
    /// the shard's housekeeping.
    pub fn describe(&self, now: Nanos, view: &mut GroupView) {
        let mut state = self.state.borrow_mut();
        state.look(now);
        let mut idle = vec![0; state.places_count()];
        for (target, count) in self.idle.borrow().counts() {
            // Only members have idle connections, and no two members have one place.
            if let Some(place) = idle.get_mut(target.index()) {
                *place = u32::try_from(count).unwrap_or(u32::MAX);
            }
        }
        let targets = state.targets().map(|target| {
            let idle = idle.get(target.id.index()).copied().unwrap_or(0);
            (&target.endpoint.address, target.counts(idle))
        });
        view.fill(&self.settings.borrow().name, state.snapshot().counts(), targets);
    }
}

impl Lease {
    /// The chosen target.
    pub(crate) fn target(&self) -> TargetId {
        self.target
    }

    /// The group that it belongs to.
    pub(crate) fn group(&self) -> &Rc<Group> {
        &self.group
    }

    /// The target's address as text, for whoever tells of the request later.
    pub(crate) fn shown(&self) -> Rc<str> {
        self.group.state.borrow().shown(self.target)
    }

    /// Appends the Host that names the target.
    pub(crate) fn write_host(&self, out: &mut Vec<u8>) {
        let state = self.group.state.borrow();
        out.extend_from_slice(state.endpoint(self.target).host.as_bytes());
    }

    /// An idle connection that is fit for use, the most recently used one first.
    pub(crate) fn idle_connection(&self) -> Option<Connection> {
        let connection = self.group.idle.borrow_mut().take(self.target)?;
        self.count_busy(true);
        Some(connection)
    }

    /// Whether its target speaks HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.group.settings.borrow().protocol == TargetProtocol::Http2
    }

    /// Opens a new connection.
    pub(crate) async fn connect(
        &self,
        deadlines: &Deadlines,
        now: Nanos,
        recorder: &GroupRecorder,
    ) -> Result<Connection, Fault> {
        let transport = self.open_transport(deadlines, self.connect_due(now)).await?;
        self.count_busy(true);
        Ok(Connection::new(transport, deadlines, recorder.clone()))
    }

    /// An HTTP/2 connection with room for a request, opened if there is none; `false` with one that
    /// was there before.
    pub(crate) async fn share_connection(
        &self,
        deadlines: &Deadlines,
        now: Nanos,
        recorder: &GroupRecorder,
    ) -> Result<(Rc<TargetConnection>, bool), Fault> {
        let requests_max = self.group.settings.borrow().keepalive_requests_max;
        let due = self.connect_due(now);
        let deadline = deadlines.alarm();
        deadline.set(due);
        loop {
            let turn = match self.group.shared.step(self.target, requests_max, &deadline).await {
                Step::Use(connection) => return Ok((connection, false)),
                Step::Failed(fault) => return Err(fault),
                Step::Again => continue,
                Step::Open(turn) => turn,
            };
            match self.open_http2(deadlines, due, recorder).await {
                Ok(connection) => {
                    turn.done(Rc::clone(&connection));
                    return Ok((connection, true));
                }
                Err(fault) => {
                    turn.failed(fault);
                    return Err(fault);
                }
            }
        }
    }

    async fn open_http2(
        &self,
        deadlines: &Deadlines,
        due: Nanos,
        recorder: &GroupRecorder,
    ) -> Result<Rc<TargetConnection>, Fault> {
        let transport = self.open_transport(deadlines, due).await?;
        if transport.tls().is_some_and(|facts| facts.alpn != b"h2") {
            let host = self.group.state.borrow().endpoint(self.target).host.clone();
            tracing::warn!(address = %host, "a target does not speak h2 inside TLS");
            return Err(Fault::ConnectFailed);
        }
        let patience = Nanos::from_millis(self.group.settings.borrow().idle_timeout_ms);
        let options = TargetOptions {
            timeouts: LinkTimeouts { head: patience, write: patience },
            deadlines: deadlines.clone(),
        };
        let connected = http2::connect(transport, options).await;
        let (connection, driver) = connected.map_err(|_| Fault::ConnectFailed)?;
        let recorder = recorder.clone();
        spawn(async move {
            recorder.connection_opened();
            driver.await;
            recorder.connection_closed();
        });
        Ok(connection)
    }

    fn connect_due(&self, now: Nanos) -> Nanos {
        let timeout_ms = self.group.settings.borrow().connect_timeout_ms;
        now.plus(Nanos::from_millis(timeout_ms)).min(self.due_max(now))
    }

    async fn open_transport(&self, deadlines: &Deadlines, due: Nanos) -> Result<Transport, Fault> {
        let endpoint = self.group.state.borrow().endpoint(self.target).clone();
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::TimedOut => Fault::ConnectTimeout,
            _ => Fault::ConnectFailed,
        };
        let stream = open(&endpoint.address, deadlines, due).await.map_err(failed)?;
        let tls = self.group.tls.borrow().clone();
        match tls {
            None => Ok(stream.into()),
            Some(tls) => {
                let shaken =
                    Box::pin(tls.shake_hands(stream, &endpoint.host, deadlines, due)).await;
                shaken.map_err(failed)
            }
        }
    }

    /// The end of the time for the whole of a try that began at `start`.
    pub(crate) fn due_max(&self, start: Nanos) -> Nanos {
        match self.group.settings.borrow().total_timeout_ms {
            0 => Nanos::NEVER,
            timeout_ms => start.plus(Nanos::from_millis(timeout_ms)),
        }
    }

    /// Says how the try went. The last word counts.
    pub(crate) fn report(&mut self, outcome: Outcome, now: Nanos) {
        self.outcome.set(outcome);
        self.ended = now;
    }

    /// Keeps `connection` for the next request to the target, if the settings allow. Its answer
    /// was read to its end.
    pub(crate) fn keep(&self, mut connection: Connection, now: Nanos) {
        let settings = self.group.settings.borrow();
        connection.stream.arm();
        connection.deadline.clear();
        connection.idle_since = now;
        connection.requests_count += 1;
        let worn_out = settings.keepalive_requests_max != 0
            && connection.requests_count >= settings.keepalive_requests_max;
        if !worn_out {
            let kept_max = settings.keepalive_connections_max as usize;
            self.count_busy(false); // it is counted among the idle ones
            self.group.idle.borrow_mut().put(self.target, connection, kept_max);
        }
    }
}

impl Lease {
    fn count_busy(&self, is_busy: bool) {
        if self.is_busy.replace(is_busy) != is_busy {
            self.group.state.borrow_mut().count_busy(self.target, is_busy);
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.count_busy(false);
        let mut state = self.group.state.borrow_mut();
        let is_ejected = state.ended(self.target, self.outcome.get(), self.ended);
        if is_ejected {
            self.group.recorder.ejected();
        }
    }
}

fn addresses(targets: Option<&GroupTargets>) -> &[ResolvedTarget] {
    targets.map_or(&[], |targets| &targets.addresses)
}

fn version(targets: Option<&GroupTargets>) -> u64 {
    targets.map_or(0, |targets| targets.version)
}

async fn open(endpoint: &TargetEndpoint, deadlines: &Deadlines, due: Nanos) -> io::Result<Stream> {
    match endpoint {
        TargetEndpoint::Tcp(address) => connect_tcp(*address, deadlines, due).await,
        TargetEndpoint::Unix(path) => connect_unix(path).await,
    }
}
