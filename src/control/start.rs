//! The start of the process: everything that can fail fails here, before anyone is told that
//! requests are served.

use std::collections::BTreeMap;
use std::fs;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{Notify, mpsc};

use super::acme::AcmeWatch;
use super::admin::{AdminSocket, AdminView};
use super::certificate_expiry::CertificateExpiry;
use super::configuration::Configuration;
use super::deploy::Deployments;
use super::inherited::{Inheritance, InheritedSockets, Predecessor};
use super::invocations::invoke;
use super::listeners::Listeners;
use super::logs::Logs;
use super::management::{BoundFunction, Changes, Management, ManagementOptions};
use super::owned_task::OwnedTask;
use super::process::{Process, Ready, RunError, Setup, starting};
use super::reload::{
    Compiled, InForce, RELOAD_PATIENCE, Reloader, bound_listeners, compile_all, prepare_log,
};
use super::shards::{Boards, Mailboxes, Shards, StartShard};
use super::signals::Signals;
use super::snapshot::Snapshot;
use super::status::{Phase, Status};
use super::stored_functions::{StoredFunctions, calls};
use super::successor::Program;
use super::systemd::Systemd;
use super::targets::Targets;
use super::ticket_rotation::TicketRotation;
use super::watch::{Watch, WatchedFiles};
use crate::coord::{
    AcmeChallenges, FunctionBoard, HostMessage, Invoker, Sender, ShardGear, ShardMessage,
};
use crate::function::{self, DefinitionSource, HostOptions};
use crate::observe::Metrics;
use crate::plan::Plan;
use crate::rt;
use crate::tls::{Clock, ShownCertificate, UpstreamTls};

/// The shards, and what of the side thread they were started with.
struct DataPlane {
    epoch: u64,
    metrics: Metrics,
    listeners: Listeners,
    logs: Logs,
    targets: Targets,
    /// How target groups are reached over TLS, by name.
    upstream_tls: BTreeMap<String, Arc<UpstreamTls>>,
    shards: Shards,
    functions: function::Host,
    ticket_rotation: TicketRotation,
    certificates: Arc<[ShownCertificate]>,
    configuration: Configuration,
    /// The plan of the boot file alone.
    base: Arc<Plan>,
    deployments: Deployments,
    invoker: Arc<Invoker>,
}

/// Brings what is deployed into force, change by change, for as long as the store lives.
async fn deploy_changes(mut changes: Changes, reloader: Arc<tokio::sync::Mutex<Reloader>>) {
    while let Some(changes) = changes.next().await {
        reloader.lock().await.deploy(changes).await;
    }
}

impl Process {
    /// Starts everything, and tells everyone who waits for it.
    pub(super) async fn start(setup: Setup, inheritance: Inheritance) -> Result<Self, RunError> {
        let Setup { configuration, load, mut start_shard, try_request, on_ready } = setup;
        let Inheritance { sockets, admin, management: inherited_management, predecessor } =
            inheritance;
        let driver = choose_driver(&configuration, predecessor.as_ref())?;
        let program = Program::current().map_err(starting("find the own program"))?;
        let signals = Signals::listen().map_err(starting("listen to signals"))?;
        let (watch, watched) = open_watch(&configuration).unzip();
        let pid_file = configuration.pid_file.clone();
        let address = configuration.admin.as_ref();
        let admin = address.map(|address| AdminSocket::bind(address, admin)).transpose();
        let admin = admin.map_err(starting("start the admin listener"))?;

        let management = configuration.management.clone();
        let management = management.map(|options| Management::start(options, inherited_management));
        let mut management =
            management.transpose().map_err(starting("start the management API"))?;
        let deployments = management.as_ref().zip(configuration.management.clone());
        let deployments =
            deployments.map(|(one, options)| Deployments::new(one.deployed(), options));

        let issued = Arc::new(Notify::new());
        let to_loop = Arc::clone(&issued);
        let challenges = Arc::new(AcmeChallenges::new());
        let acme = AcmeWatch::new(challenges, Clock::system(), move || to_loop.notify_one());
        let acme = Arc::new(acme);
        let deployments = deployments.unwrap_or_default();
        let challenges = acme.challenges();
        let stored = management.as_ref().map(|one| Arc::new(StoredFunctions::new(one.functions())));
        let plane = DataPlane::start(
            configuration,
            deployments,
            stored.clone(),
            sockets,
            challenges,
            &mut start_shard,
        );
        let plane = plane.await?;
        let DataPlane { epoch, metrics, listeners, logs, targets, shards, functions, .. } = plane;
        let invoker = plane.invoker;
        let (configuration, base, deployments) =
            (plane.configuration, plane.base, plane.deployments);
        let (ticket_rotation, certificates) = (plane.ticket_rotation, plane.certificates);
        let upstream_tls = plane.upstream_tls;
        let certificate_expiry = CertificateExpiry::start(
            Arc::clone(&certificates),
            configuration.model.tls.expiry_warning_days,
        );
        let status = Arc::new(Status::new());
        status.started(epoch);
        let in_force = InForce {
            listeners: bound_listeners(&listeners),
            configuration: Arc::new(configuration),
            certificates,
        };
        let in_force = Arc::new(Mutex::new(in_force));
        let (metrics, logs) = (Arc::new(Mutex::new(metrics)), Arc::new(logs));
        let board = Arc::clone(targets.board());
        let reloader = Arc::new(tokio::sync::Mutex::new(Reloader {
            load,
            publisher: Arc::clone(shards.publisher()),
            metrics: Arc::clone(&metrics),
            listeners,
            logs: Arc::clone(&logs),
            status: Arc::clone(&status),
            in_force: Arc::clone(&in_force),
            targets,
            invoker: Arc::clone(&invoker),
            functions: functions.clone(),
            stored_functions: stored,
            acme: Arc::clone(&acme),
            upstream_tls,
            base,
            deployments,
            ticket_rotation,
            certificate_expiry,
            watched,
        }));
        if let Some(management) = &management {
            let reloader = Arc::clone(&reloader);
            let invoke = move |invocation: &_| invoke(invocation, &reloader, &try_request);
            management.invoke_with(Box::new(invoke));
            let in_force = Arc::clone(&in_force);
            management.call_functions_with(calls(move || bound_functions(&in_force), invoker));
        }
        let changes = management.as_mut().and_then(Management::take_changes);
        let deployer = changes.map(|changes| deploy_changes(changes, Arc::clone(&reloader)));
        let events = mpsc::channel(EVENTS_CAPACITY);
        let view = AdminView {
            status: Arc::clone(&status),
            metrics,
            reloader: Arc::clone(&reloader),
            in_force: Arc::clone(&in_force),
            logs: Arc::clone(&logs),
            targets: board,
            upstreams: Arc::clone(shards.upstreams()),
            shards: shards.counters(),
            acme: Arc::clone(&acme),
            functions: functions.clone(),
            store: management.as_ref().map(|management| management.store().clone()),
            events: events.0.clone(),
        };
        let admin = admin.map(|socket| socket.serve(view)).transpose();
        let process = Self {
            reloader,
            in_force,
            shards,
            functions,
            status,
            logs,
            admin: admin.map_err(starting("start the admin listener"))?,
            management: management.map(Arc::new),
            _deployer: deployer.map(OwnedTask::spawn),
            signals,
            systemd: Arc::new(Systemd::from_environment()),
            watch,
            acme,
            issued,
            events,
            program,
            driver,
            pid_file,
            hand_over: None,
        };
        on_ready(&process.become_ready(predecessor));
        process.order_certificates();
        Ok(process)
    }

    /// Authorities are answered by shards, so this comes after they serve.
    fn order_certificates(&self) {
        let in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        self.acme.watch(&in_force.configuration.model.tls);
    }

    /// Requests are served: tells everyone who waits for that.
    fn become_ready(&self, predecessor: Option<Predecessor>) -> Ready {
        self.status.enter(Phase::Serving);
        if let Some(path) = &self.pid_file
            && let Err(error) = fs::write(path, format!("{}\n", std::process::id()))
        {
            tracing::warn!(%error, path = %path.display(), "the pid file cannot be written");
        }
        let bound = {
            let in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
            in_force.listeners.clone()
        };
        for listener in &bound {
            tracing::info!(name = listener.name, address = listener.address, "listening");
        }
        let admin = self.admin.as_ref().map(|admin| admin.address().to_owned());
        let management = self.management.as_ref().map(|one| one.address().to_owned());
        tracing::info!(
            version = env!("CARGO_PKG_VERSION"),
            pid = std::process::id(),
            driver = self.driver,
            admin,
            management,
            "serving"
        );
        self.systemd.ready("serving");
        if let Some(predecessor) = predecessor {
            predecessor.tell_ready();
        }
        let listeners = bound.into_iter().map(|one| (one.name, one.address)).collect();
        Ready { listeners, admin, management }
    }
}

impl DataPlane {
    async fn start(
        configuration: Configuration,
        deployments: Deployments,
        stored: Option<Arc<StoredFunctions>>,
        mut inherited: InheritedSockets,
        challenges: &Arc<AcmeChallenges>,
        start_shard: &mut StartShard,
    ) -> Result<Self, RunError> {
        let compiled = tokio::task::spawn_blocking(move || {
            compile_all(configuration, (deployments, true), None, FIRST_EPOCH, |_| {})
        });
        let compiled = compiled.await.map_err(|error| RunError::Start(error.to_string()))?;
        let Compiled { configuration, base, plan, ticket_keys, deployments } =
            compiled.map_err(RunError::Configuration)?;
        let places = &configuration.shards;
        let mut metrics = Metrics::new(u16::try_from(places.len()).unwrap_or(u16::MAX));
        metrics.prepare(&plan);
        let mut listeners =
            Listeners::new(places.iter().map(|place| place.listeners.clone()).collect());
        let mut change = listeners.prepare(&configuration.model.listeners, &mut inherited)?;
        if !inherited.is_empty() {
            let addresses = inherited.left_over().join(", ");
            tracing::warn!(addresses, "inherited sockets that no listener wants are closed");
        }
        let failed = |error: &dyn std::error::Error| RunError::Start(error.to_string());
        let logs = Logs::default();
        let log = prepare_log(&logs, &configuration).map_err(|error| failed(&error))?;
        let gear = change.take_sockets().into_iter().map(|sockets| {
            let access_log = logs.sink(&log);
            ShardGear { sockets, access_log }
        });
        let gear = gear.collect();
        let mut targets = Targets::new();
        targets.watch(&plan.groups, &plan.tls.upstreams, RELOAD_PATIENCE).await;
        let certificates = plan.tls.certificates().into();
        let mailboxes = Mailboxes::open(places.len()).map_err(|error| failed(&error))?;
        let (board, messages) = FunctionBoard::new(places.len());
        let board = Arc::new(board);
        let senders = Arc::clone(&mailboxes.senders);
        let functions = start_functions(&configuration, &board, messages, senders.clone());
        if let Some(stored) = stored {
            let definitions = tokio::task::spawn_blocking(move || stored.definitions()).await;
            let definitions = definitions.map_err(|error| failed(&error))?;
            functions.set_definitions(DefinitionSource::Management, definitions);
        }
        let invoker = Arc::new(Invoker::new(Arc::clone(&board), senders.to_vec()));
        let boards = Boards { targets: targets.board(), challenges, functions: &board };
        let shards = Shards::start(places, &plan, gear, &metrics, mailboxes, boards, start_shard)
            .map_err(|error| failed(&error))?;
        targets.tell(shards.publisher());
        listeners.commit(change);
        // There was no log before this one.
        drop(logs.commit(log));
        let ticket_rotation = TicketRotation::start(ticket_keys);
        let (epoch, upstream_tls) = (plan.epoch, plan.tls.upstreams.clone());
        Ok(Self {
            epoch,
            metrics,
            listeners,
            logs,
            targets,
            upstream_tls,
            shards,
            functions,
            ticket_rotation,
            certificates,
            configuration,
            base,
            deployments,
            invoker,
        })
    }
}

/// The functions of the boot file that is in force.
fn bound_functions(in_force: &Mutex<InForce>) -> Vec<BoundFunction> {
    let in_force = in_force.lock().unwrap_or_else(PoisonError::into_inner);
    let management = in_force.configuration.management.as_ref();
    management.map(|options| options.functions.clone()).unwrap_or_default()
}

/// Starts the host of functions with those of the boot file, which shards find on the board then.
fn start_functions(
    configuration: &Configuration,
    board: &Arc<FunctionBoard>,
    messages: mpsc::UnboundedReceiver<HostMessage>,
    shards: Arc<[Sender<ShardMessage>]>,
) -> function::Host {
    let management = configuration.management.as_ref();
    let region = management.map_or("us-east-1", |options| options.region.as_str());
    let options = HostOptions::new(region);
    let functions = function::Host::start(options, Arc::clone(board), messages, shards);
    if let Some(options) = management {
        functions.set_concurrency(options.functions_concurrency);
        functions.set_definitions(DefinitionSource::BootFile, options.local_functions());
    }
    functions
}

/// The driver that the shards will run on. A successor on another driver than its predecessor
/// would change whether calls on the sockets that both share block.
fn choose_driver(
    configuration: &Configuration,
    predecessor: Option<&Predecessor>,
) -> Result<&'static str, RunError> {
    let report = rt::probe(configuration.driver, configuration.ring)
        .map_err(starting("choose the I/O driver"))?;
    match predecessor.map(|predecessor| predecessor.driver.as_str()) {
        Some(before) if before != report.name => Err(RunError::Start(format!(
            "the sockets come from a process on {before} and this one would run on {}; a change \
             of the driver needs a new start",
            report.name
        ))),
        _ => Ok(report.name),
    }
}

/// To be called before the files of TLS are loaded.
fn open_watch(configuration: &Configuration) -> Option<(Watch, WatchedFiles)> {
    let path = configuration.watch.as_ref()?;
    let own = configuration.model.tls.paths();
    let bound = configuration.management.iter().flat_map(ManagementOptions::paths);
    match Watch::start(Snapshot::of(own.into_iter().chain(bound).chain([path.clone()]))) {
        Ok(watch) => Some(watch),
        Err(error) => {
            tracing::warn!(%error, path = %path.display(), "files are not watched");
            None
        }
    }
}

const FIRST_EPOCH: u64 = 1;
/// Events of the admin listener that wait for the main loop.
const EVENTS_CAPACITY: usize = 8;
