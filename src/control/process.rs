//! The life of the process: started, serving, handed over or drained, ended.

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::acme::AcmeWatch;
use super::admin::Admin;
use super::configuration::Configuration;
use super::inherited;
use super::invocations::TryRequest;
use super::listeners::ListenError;
use super::logs::Logs;
use super::management::Management;
use super::owned_task::OwnedTask;
use super::reload::{InForce, LoadConfiguration, Reloader};
use super::shards::{Shards, StartShard};
use super::signals::{Asked, Signals};
use super::status::{Phase, Status};
use super::successor::{OwnSockets, Program};
use super::systemd::Systemd;
use super::watch::Watch;
use crate::base::Nanos;
use crate::coord::{DrainedListeners, ShardMessage};
use crate::{function, rt, sys};

/// What the process is put together from.
pub struct Setup {
    /// What it starts with.
    pub configuration: Configuration,
    /// How the configuration is read again.
    pub load: LoadConfiguration,
    /// How a shard is started.
    pub start_shard: StartShard,
    /// How one request is tried apart from the shards.
    pub try_request: TryRequest,
    /// Told once requests are served.
    pub on_ready: Box<dyn FnOnce(&Ready)>,
}

/// What is known once requests are served.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Ready {
    /// Name and address of each listener, with the port that port 0 became.
    pub listeners: Vec<(String, String)>,
    /// Where the admin listener is, if there is one.
    pub admin: Option<String>,
    /// Where the management API is, if there is one.
    pub management: Option<String>,
}

/// How the process ended, if nothing failed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Outcome {
    /// Every request was answered.
    Drained,
    /// The drain's deadline passed before that.
    Cut,
    /// A second signal came before that.
    Interrupted,
}

/// What failed.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The configuration cannot be compiled: every conflict, a line each.
    #[error("{0}")]
    Configuration(String),
    /// Sockets of listeners.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// Anything else at the start, with what was being done.
    #[error("{0}")]
    Start(String),
    /// A shard ended without being told to.
    #[error("shard {shard} ended: {reason}")]
    Shard {
        /// Its number.
        shard: u16,
        /// Why.
        reason: String,
    },
}

/// Runs the gateway to its end. To be called first of all in a process that wants to inherit
/// sockets: what is open by then counts as inherited.
pub fn run(setup: Setup) -> Result<Outcome, RunError> {
    let inheritance = inherited::inherit().map_err(starting("take over inherited sockets"))?;
    if let Err(error) = sys::raise_descriptors_max() {
        tracing::warn!(%error, "the number of descriptors stays as it is");
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(starting("start the side thread's runtime"))?;
    let result = runtime.block_on(async {
        let mut process = Process::start(setup, inheritance).await?;
        let end = process.serve().await;
        process.end(end).await
    });
    // Threads of shards that did not end in time are waited for by nobody.
    runtime.shutdown_background();
    result
}

/// What the admin listener asks of the main loop.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event {
    /// Drain and end.
    Drain,
    /// The successor serves.
    HandedOver,
}

/// A process that serves.
pub(super) struct Process {
    pub(super) reloader: Arc<tokio::sync::Mutex<Reloader>>,
    pub(super) in_force: Arc<Mutex<InForce>>,
    pub(super) shards: Shards,
    pub(super) functions: function::Host,
    pub(super) status: Arc<Status>,
    pub(super) logs: Arc<Logs>,
    pub(super) admin: Option<Admin>,
    pub(super) management: Option<Arc<Management>>,
    /// Serves what the management API deploys.
    pub(super) _deployer: Option<OwnedTask>,
    pub(super) signals: Signals,
    pub(super) systemd: Arc<Systemd>,
    pub(super) watch: Option<Watch>,
    pub(super) acme: Arc<AcmeWatch>,
    /// A certificate was issued that is not in force.
    pub(super) issued: Arc<Notify>,
    pub(super) events: (mpsc::Sender<Event>, mpsc::Receiver<Event>),
    pub(super) program: Program,
    pub(super) driver: &'static str,
    pub(super) pid_file: Option<PathBuf>,
    pub(super) hand_over: Option<JoinHandle<()>>,
}

/// Why the process stops serving.
enum End {
    Asked,
    HandedOver,
    Failed(RunError),
}

impl Process {
    /// Serves until something ends it.
    async fn serve(&mut self) -> End {
        let period = self.systemd.watchdog().unwrap_or(LOOK_PERIOD).min(LOOK_PERIOD);
        let mut look = tokio::time::interval(period);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut stuck_before = Vec::new();
        loop {
            tokio::select! {
                asked = self.signals.next() => match asked {
                    Asked::Reload => self.reload(),
                    Asked::ReopenLogs => self.logs.reopen(),
                    Asked::HandOver => self.hand_over(),
                    Asked::End => return End::Asked,
                },
                event = self.events.1.recv() => match event {
                    Some(Event::HandedOver) => return End::HandedOver,
                    Some(Event::Drain) | None => return End::Asked,
                },
                () = changed(self.watch.as_mut()) => self.reload(),
                () = self.issued.notified() => self.use_certificates(),
                end = self.shards.next_end() => return End::Failed(unexpected(end)),
                _ = look.tick() => self.look_at_shards(&mut stuck_before),
            }
        }
    }

    /// Tells systemd that the process lives only if every shard does.
    fn look_at_shards(&self, stuck_before: &mut Vec<u16>) {
        let stuck = self.shards.stuck(STUCK_AFTER);
        if stuck.is_empty() {
            self.systemd.alive();
        }
        if stuck != *stuck_before {
            tracing::error!(shards = ?stuck, "shards that do not turn");
            *stuck_before = stuck;
        }
    }

    /// Reloads beside the loop. Reloads asked for meanwhile queue at the lock.
    fn reload(&self) {
        let (reloader, systemd) = (Arc::clone(&self.reloader), Arc::clone(&self.systemd));
        tokio::spawn(async move {
            let mut reloader = reloader.lock().await;
            systemd.reloading();
            let status = match reloader.reload().await {
                Ok(reloaded) => format!("serving epoch {}", reloaded.epoch),
                Err(error) => format!("serving; the last reload was refused: {error}"),
            };
            systemd.ready(&status);
        });
    }

    /// Brings certificates into force that were issued, beside the loop.
    fn use_certificates(&self) {
        let (reloader, issued) = (Arc::clone(&self.reloader), Arc::clone(&self.issued));
        tokio::spawn(async move {
            let done = reloader.lock().await.load_certificates().await;
            if done.is_err() {
                tokio::time::sleep(CERTIFICATES_RETRY).await;
                issued.notify_one();
            }
        });
    }

    /// Starts the successor beside the loop. Reloads wait until it is decided: what they would
    /// bind, the successor would not have.
    fn hand_over(&mut self) {
        if self.hand_over.as_ref().is_some_and(|task| !task.is_finished()) {
            tracing::warn!("a hand-over is under way already");
            return;
        }
        let (reloader, systemd) = (Arc::clone(&self.reloader), Arc::clone(&self.systemd));
        let (program, driver) = (self.program.clone(), self.driver);
        let admin = self.admin.as_ref().and_then(Admin::socket_copy);
        let management = self.management.clone();
        let events = self.events.0.clone();
        self.hand_over = Some(tokio::spawn(async move {
            let reloader = reloader.lock().await;
            let handed = management.as_ref().and_then(|management| management.socket_copy());
            let own = OwnSockets {
                admin: admin.as_ref().map(AsFd::as_fd),
                management: handed.as_ref().map(AsFd::as_fd),
            };
            // One process at a time has the store.
            let paused = management.map(PausedManagement::new);
            let successor = match program.start(&reloader.listeners, own, driver) {
                Ok(successor) => successor,
                Err(error) => {
                    tracing::error!(%error, "the successor cannot be started");
                    return;
                }
            };
            let pid = successor.pid();
            tracing::info!(successor = pid, "a successor starts");
            match successor.wait_ready(HAND_OVER_LIMIT).await {
                Ok(()) => {
                    tracing::info!(successor = pid, "the successor serves; this process drains");
                    systemd.main_pid(pid);
                    if let Some(paused) = paused {
                        paused.give_up();
                    }
                    // The loop that reads it ends for another reason at most.
                    let _ = events.send(Event::HandedOver).await;
                }
                Err(reason) => {
                    tracing::error!(successor = pid, reason, "no hand-over; this process goes on");
                }
            }
        }));
    }

    /// Drains and cleans up.
    async fn end(mut self, end: End) -> Result<Outcome, RunError> {
        let is_handed_over = matches!(end, End::HandedOver);
        let listeners = if is_handed_over {
            // The successor alone answers on the admin listener from now on.
            self.admin = None;
            self.management = None;
            DrainedListeners::Leave
        } else {
            self.stop_hand_over().await;
            self.systemd.stopping();
            DrainedListeners::Close
        };
        let outcome = self.drain(listeners).await;
        if !is_handed_over {
            self.remove_files();
        }
        if outcome != Outcome::Interrupted {
            // Without this word they end with this process, at once.
            self.functions.end().await;
            self.logs.close();
        }
        tracing::info!(?outcome, cut_connections = self.shards.cut_count(), "ended");
        match end {
            End::Failed(error) => Err(error),
            End::Asked | End::HandedOver => Ok(outcome),
        }
    }

    /// A successor that is still starting is ended: its sockets are about to be closed.
    async fn stop_hand_over(&mut self) {
        if let Some(task) = self.hand_over.take() {
            task.abort();
            // An error says that it was aborted.
            let _ = task.await;
        }
    }

    /// Tells the shards to end and waits for them.
    async fn drain(&mut self, listeners: DrainedListeners) -> Outcome {
        self.status.enter(Phase::Draining);
        self.acme.stop();
        let timeout = {
            let in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
            in_force.configuration.drain_timeout
        };
        tracing::info!(timeout_ms = timeout.as_millis(), "draining");
        let deadline = rt::now().plus(Nanos::from(timeout));
        let drain = || ShardMessage::Drain { deadline, listeners };
        let missed = self.shards.publisher().send_control(drain);
        if !missed.is_empty() {
            tracing::error!(shards = ?missed, "shards that take no mail do not drain");
        }
        let limit = tokio::time::sleep(timeout + GRACE);
        tokio::pin!(limit);
        loop {
            tokio::select! {
                end = self.shards.next_end() => match end {
                    None if timeout.is_zero() || rt::now() < deadline => return Outcome::Drained,
                    None => return Outcome::Cut,
                    Some((_, Ok(()))) => {}
                    Some((shard, Err(reason))) => {
                        tracing::error!(shard, reason, "a shard failed while it drained");
                    }
                },
                asked = self.signals.next() => match asked {
                    Asked::End => {
                        self.shards.stop();
                        return Outcome::Interrupted;
                    }
                    Asked::ReopenLogs => self.logs.reopen(),
                    Asked::Reload | Asked::HandOver => {
                        tracing::warn!("not while the process drains");
                    }
                },
                () = &mut limit => return Outcome::Cut,
            }
        }
    }

    /// Removes what a process that has ended must not leave.
    fn remove_files(&self) {
        // A reload that is still waiting for shards keeps its files: the process ends all the same.
        if let Ok(reloader) = self.reloader.try_lock() {
            reloader.listeners.remove_files();
        }
        if let Some(admin) = &self.admin {
            admin.remove_file();
        }
        if let Some(management) = &self.management {
            management.remove_file();
        }
        if let Some(path) = &self.pid_file {
            let is_ours = fs::read_to_string(path)
                .is_ok_and(|text| text.trim() == std::process::id().to_string());
            if is_ours {
                // Nothing depends on it.
                let _ = fs::remove_file(path);
            }
        }
    }
}

/// A management API whose store is closed for a successor, until it is clear that there is none.
struct PausedManagement(Option<Arc<Management>>);

impl PausedManagement {
    fn new(management: Arc<Management>) -> Self {
        management.pause();
        Self(Some(management))
    }

    /// The successor has the store.
    fn give_up(mut self) {
        self.0 = None;
    }
}

impl Drop for PausedManagement {
    fn drop(&mut self) {
        if let Some(management) = self.0.take() {
            management.resume();
        }
    }
}

async fn changed(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

fn unexpected(end: Option<(u16, Result<(), String>)>) -> RunError {
    let (shard, end) = end.unwrap_or((0, Ok(())));
    let reason = end.err().unwrap_or_else(|| "it was not told to".to_owned());
    tracing::error!(shard, reason, "a shard ended; the process drains the others and ends");
    RunError::Shard { shard, reason }
}

pub(super) fn starting(doing: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |error| RunError::Start(format!("cannot {doing}: {error}"))
}

/// How often the shards are looked at.
const LOOK_PERIOD: Duration = Duration::from_secs(1);
/// A shard that has not turned its loop for this long is stuck: its tick is 10 ms.
const STUCK_AFTER: Duration = Duration::from_secs(5);
/// When certificates are tried again that could not be brought into force.
const CERTIFICATES_RETRY: Duration = Duration::from_secs(60);
/// How long a successor may take to serve.
const HAND_OVER_LIMIT: Duration = Duration::from_secs(60);
/// How long shards may take, after the drain's deadline, to end what they have cut.
const GRACE: Duration = Duration::from_secs(2);
