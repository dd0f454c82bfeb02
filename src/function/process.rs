//! One process of a function, from its start to its end: spawned, watched, told to end, reaped.
//!
//! The order at the end is fixed: the process and all that it started are gone, then shards are told,
//! and only then is its place free again.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpListener;
use tokio::process::Child;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};

use super::bound::FunctionState;
use super::definition::FunctionDefinition;
use super::ended::Ended;
use super::launch::{HostOptions, Launch};
use super::log;
use super::mail::Mail;
use super::tree::{descendants, memory_bytes};
use crate::coord::{EndReason, Place, RuntimeConnection, RuntimeProcess, ShardMessage};
use crate::sys::{Signal, send_signal};

/// What the host tells one process's task.
#[derive(Debug)]
pub(super) enum Order {
    /// Its runtime asks for its first event.
    Initialised,
    /// Its runtime says that it cannot start.
    InitFailed(String),
    /// A shard wants it ended.
    End(EndReason),
    /// The gateway ends: by request, or at once.
    ShutDown { at_once: bool },
}

/// What a process is started with.
pub(super) struct Start {
    pub(super) process: Arc<RuntimeProcess>,
    pub(super) definition: Arc<FunctionDefinition>,
    pub(super) state: Arc<FunctionState>,
    pub(super) place: Place,
    /// Who asked for it.
    pub(super) shard: usize,
    pub(super) orders: UnboundedReceiver<Order>,
    pub(super) options: HostOptions,
    pub(super) mail: Mail,
}

impl Start {
    /// Starts the process and stays with it until nothing of it is left.
    pub(super) async fn run(self) {
        let started = Instant::now();
        self.state.counters.started();
        let mut supervised = match self.spawn().await {
            Ok((child, listener)) => Supervised {
                start: self,
                child,
                started,
                is_ready: false,
                cause: None,
                listener: Some(listener),
            },
            Err(reason) => {
                let name = self.process.function.name();
                tracing::error!(function = name, "no process can be started: {reason}");
                return self.tell(&Ended::NotStarted(reason), started, false).await;
            }
        };
        let logs = supervised.pass_on_logs();
        let accepting = supervised.accept();
        let ended = supervised.watch().await;
        // Connections of what has ended have no sense.
        accepting.abort();
        // What it said last comes before its end does; a flood may take longer and goes on.
        let _ = timeout(LAST_LINES_PATIENCE, futures_of(logs)).await;
        let Supervised { start, is_ready, .. } = supervised;
        // The word that it has asked for an event may be on its way still.
        let was_ready = is_ready || start.process.is_initialised();
        start.tell(&ended, started, was_ready).await;
    }

    async fn spawn(&self) -> Result<(Child, TcpListener), String> {
        let said = |doing: &'static str| move |error: io::Error| format!("cannot {doing}: {error}");
        let listener = TcpListener::bind("127.0.0.1:0").await;
        let listener = listener.map_err(said("listen for its runtime"))?;
        let address = listener.local_addr().map_err(said("listen for its runtime"))?;
        let (definition, options) = (Arc::clone(&self.definition), self.options.clone());
        // The user database and the disk may take a while.
        let prepare = move || Launch::prepare(&definition, &options, &address.to_string());
        let launch = tokio::task::spawn_blocking(prepare).await;
        let launch = launch.map_err(|error| error.to_string())??;
        // On this thread, which lasts as long as the gateway does: the keeper ends with it.
        let mut child =
            launch.command(&self.options, GRACE_MS).spawn().map_err(said("start the keeper"))?;
        if let (Some(script), Some(mut input)) = (launch.script, child.stdin.take()) {
            tokio::spawn(async move {
                // A process that ends before it has read it says why itself.
                let _ = input.write_all(script.as_bytes()).await;
            });
        }
        Ok((child, listener))
    }

    /// Says to everyone who waits for it that there is no such process any more.
    async fn tell(self, ended: &Ended, started: Instant, was_ready: bool) {
        let Self { process, state, place, shard, mail, .. } = self;
        process.ended();
        state.counters.ended(ended.label());
        let error: Arc<str> = ended.error(process.request_id().as_deref()).into();
        if ended.is_failure() && !was_ready {
            let pause = state.backoff().failed(started, Instant::now(), &error);
            let (function, pause_ms) = (process.function.name(), pause.as_millis());
            tracing::warn!(function, process = process.id, pause_ms, "it did not start: {error}");
        } else if ended.is_failure() {
            let function = process.function.name();
            tracing::warn!(function, process = process.id, "it ended: {error}");
        }
        if !was_ready {
            let function = Arc::clone(&process.function);
            let reason = Arc::clone(&error);
            mail.send(|| shard, ShardMessage::StartFailed { function, reason }).await;
        }
        mail.send_to_all(|| ShardMessage::RuntimeEnded {
            process: Arc::clone(&process),
            reason: Arc::clone(&error),
        })
        .await;
        drop(place);
    }
}

/// A process that runs.
struct Supervised {
    start: Start,
    child: Child,
    started: Instant,
    /// Its runtime has asked for an event.
    is_ready: bool,
    /// Why it is ended, if it is.
    cause: Option<Ended>,
    /// Until connections are accepted from it.
    listener: Option<TcpListener>,
}

impl Supervised {
    fn pass_on_logs(&mut self) -> Vec<tokio::task::JoinHandle<()>> {
        let process = &self.start.process;
        let out = self
            .child
            .stdout
            .take()
            .map(|out| tokio::spawn(log::pass_on(out, "stdout", Arc::clone(process))));
        let error = self
            .child
            .stderr
            .take()
            .map(|error| tokio::spawn(log::pass_on(error, "stderr", Arc::clone(process))));
        out.into_iter().chain(error).collect()
    }

    /// Accepts the connections of its runtime, for the shard that it is on.
    fn accept(&mut self) -> tokio::task::JoinHandle<()> {
        let (process, mail) = (Arc::clone(&self.start.process), self.start.mail.clone());
        let listener = self.listener.take();
        tokio::spawn(async move {
            let Some(listener) = listener else { return };
            loop {
                let Ok(fd) = accept_one(&listener).await else {
                    // Out of descriptors, most likely; others may be closed.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let process = Arc::clone(&process);
                let shard = {
                    let process = Arc::clone(&process);
                    move || process.shard()
                };
                let connection =
                    RuntimeConnection { process, fd, unread: Vec::new(), waits: false };
                mail.send(shard, ShardMessage::Runtime(Box::new(connection))).await;
            }
        })
    }

    /// Waits for its end, which its own limits, a shard or the gateway may bring about.
    async fn watch(&mut self) -> Ended {
        let init_limit_ms = self.start.definition.init_timeout_ms;
        let init_deadline = self.started + Duration::from_millis(init_limit_ms);
        let mut look = interval(MEMORY_PERIOD);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut looks_count = 0_u32;
        let mut last_resort = None;
        let status = loop {
            tokio::select! {
                biased;
                Some(order) = self.start.orders.recv() => self.obey(order),
                status = self.child.wait() => break status,
                () = sleep_until(init_deadline), if !self.is_ready && self.cause.is_none() => {
                    self.end(Ended::InitTimedOut { limit_ms: init_limit_ms }, Signal::Terminate);
                }
                _ = look.tick() => {
                    looks_count = looks_count.wrapping_add(1);
                    if self.is_busy() || looks_count.is_multiple_of(IDLE_PERIODS) {
                        self.look_at_memory();
                    }
                    self.insist(&mut last_resort);
                }
            }
        };
        self.last_orders().await;
        match (self.cause.take(), status) {
            (Some(cause), _) => cause,
            (None, Ok(status)) => Ended::Exited(status),
            (None, Err(error)) => Ended::NotStarted(format!("it cannot be waited for: {error}")),
        }
    }

    fn obey(&mut self, order: Order) {
        let timeout_ms = self.start.definition.timeout_ms;
        match order {
            Order::Initialised if self.is_ready => {}
            Order::Initialised => {
                self.is_ready = true;
                let span = self.started.elapsed();
                self.start.state.backoff().reset();
                self.start.state.counters.initialised(span);
                let process = &self.start.process;
                let (function, init_ms) = (process.function.name(), span.as_millis());
                tracing::debug!(function, process = process.id, init_ms, "a process has started");
            }
            Order::InitFailed(error) => self.end(Ended::InitFailed(error), Signal::User1),
            Order::End(reason @ (EndReason::Idle | EndReason::Stale)) => {
                self.end(Ended::Asked(reason, timeout_ms), Signal::User1);
            }
            Order::End(reason) => self.end(Ended::Asked(reason, timeout_ms), Signal::Terminate),
            Order::ShutDown { at_once: false } => self.end(Ended::Shutdown, Signal::User1),
            Order::ShutDown { at_once: true } => self.end(Ended::Shutdown, Signal::Terminate),
        }
    }

    /// Has the keeper end it: `User1` asks the function first, `Terminate` does not. The first cause
    /// is the one that counts.
    fn end(&mut self, cause: Ended, signal: Signal) {
        self.cause.get_or_insert(cause);
        if let Some(keeper) = self.child.id() {
            // It may have ended this very moment.
            let _ = send_signal(keeper, signal);
        }
    }

    /// A keeper that does not end what it keeps is ended itself; its function goes with it.
    fn insist(&self, last_resort: &mut Option<Instant>) {
        if self.cause.is_none() {
            return;
        }
        let at = *last_resort.get_or_insert(Instant::now() + KEEPER_PATIENCE);
        if let Some(keeper) = self.child.id().filter(|_| at <= Instant::now()) {
            let _ = send_signal(keeper, Signal::Kill);
        }
    }

    fn look_at_memory(&mut self) {
        let Some(keeper) = self.child.id().filter(|_| self.cause.is_none()) else { return };
        let bytes = memory_bytes(descendants(keeper));
        let bytes_max = self.start.definition.memory_bytes_max;
        if bytes > bytes_max {
            let process = &self.start.process;
            let function = process.function.name();
            tracing::warn!(function, process = process.id, bytes, bytes_max, "out of memory");
            self.end(Ended::OutOfMemory, Signal::Terminate);
        }
    }

    fn is_busy(&self) -> bool {
        !self.is_ready || self.start.process.request_id().is_some()
    }

    /// A runtime says that it cannot start and exits then: the word may be on its way.
    async fn last_orders(&mut self) {
        for _ in 0..LAST_TURNS_COUNT {
            tokio::task::yield_now().await;
        }
        while let Ok(order) = self.start.orders.try_recv() {
            match order {
                Order::Initialised => self.is_ready = true,
                Order::InitFailed(error) => {
                    self.cause.get_or_insert(Ended::InitFailed(error));
                }
                Order::End(_) | Order::ShutDown { .. } => {}
            }
        }
    }
}

async fn futures_of(tasks: Vec<tokio::task::JoinHandle<()>>) {
    for task in tasks {
        // A panic in it was told already.
        let _ = task.await;
    }
}

async fn accept_one(listener: &TcpListener) -> io::Result<OwnedFd> {
    let (stream, _) = listener.accept().await?;
    stream.set_nodelay(true)?;
    Ok(stream.into_std()?.into())
}

/// From the word to end to the end by force.
pub(super) const GRACE_MS: u64 = 500;
/// How often the memory of a process that works on something is looked at.
const MEMORY_PERIOD: Duration = Duration::from_millis(100);
/// The same for one that is idle, in those periods.
const IDLE_PERIODS: u32 = 10;
const LAST_LINES_PATIENCE: Duration = Duration::from_millis(100);
/// The keeper gives up by itself before.
const KEEPER_PATIENCE: Duration = Duration::from_secs(10);
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
const LAST_TURNS_COUNT: u32 = 3;
