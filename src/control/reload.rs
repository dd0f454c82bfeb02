//! From a configuration to a plan in force on every shard, or to a reason why not.
//!
//! The order is what makes a broken configuration harmless: read and compile, open what can fail
//! to open, publish in two steps, and only then let go of what the old plan used. The one holder
//! of everything that a reload changes; whoever wants a part of it waits for the lock around it.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use super::acme::AcmeWatch;
use super::certificate_expiry::CertificateExpiry;
use super::configuration::{Configuration, PlanMistakes};
use super::deploy::{BootFacts, Deployments};
use super::inherited::InheritedSockets;
use super::listeners::{ListenError, Listeners};
use super::logs::{LogChange, Logs};
use super::management::Change;
use super::snapshot::Snapshot;
use super::sockets::shown;
use super::status::Status;
use super::targets::Targets;
use super::ticket_rotation::TicketRotation;
use super::tls::load_tls;
use super::watch::WatchedFiles;
use crate::coord::{PublishError, Publisher, ShardGear};
use crate::observe::{Metrics, process_log};
use crate::plan::{Plan, compile};
use crate::tls::{ShownCertificate, TicketKeys, UpstreamTls};

/// Reads the boot file again: a configuration, or everything that is wrong with it as text.
pub type LoadConfiguration = Arc<dyn Fn() -> Result<Configuration, String> + Send + Sync>;

/// What is in force, for the admin listener to show.
#[derive(Clone, Debug)]
pub(crate) struct InForce {
    pub(crate) configuration: Arc<Configuration>,
    pub(crate) listeners: Vec<BoundListener>,
    pub(crate) certificates: Arc<[ShownCertificate]>,
}

/// Where a listener listens.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct BoundListener {
    pub(crate) name: String,
    /// With the port that port 0 became.
    pub(crate) address: String,
    pub(crate) sockets_count: usize,
}

/// Everything that a reload changes.
pub(crate) struct Reloader {
    pub(crate) load: LoadConfiguration,
    pub(crate) publisher: Arc<Publisher>,
    pub(crate) metrics: Arc<Mutex<Metrics>>,
    pub(crate) listeners: Listeners,
    pub(crate) logs: Arc<Logs>,
    pub(crate) status: Arc<Status>,
    pub(crate) in_force: Arc<Mutex<InForce>>,
    pub(crate) targets: Targets,
    pub(crate) acme: Arc<AcmeWatch>,
    /// How the groups in force are reached over TLS, by name.
    pub(crate) upstream_tls: BTreeMap<String, Arc<UpstreamTls>>,
    /// The plan of the boot file alone, which is in force with what is deployed.
    pub(crate) base: Arc<Plan>,
    pub(crate) deployments: Deployments,
    pub(crate) ticket_rotation: TicketRotation,
    pub(crate) certificate_expiry: CertificateExpiry,
    /// What the watch is told of, if files are watched.
    pub(crate) watched: Option<WatchedFiles>,
}

/// A reload that is in force.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Reloaded {
    pub(crate) epoch: u64,
    /// Settings that differ from those of the start and need a new one.
    pub(crate) needs_restart: Vec<String>,
}

/// Why nothing changed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReloadError {
    /// The file or what it describes is wrong: every mistake, as text.
    #[error("{0}")]
    Configuration(String),
    /// A socket cannot be had.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The access log cannot be opened.
    #[error("cannot open the access log {path:?}: {error}")]
    Log {
        /// As the configuration has it.
        path: String,
        /// What the system says.
        error: io::Error,
    },
    /// The shards did not take it.
    #[error(transparent)]
    Publish(#[from] PublishError),
}

impl Reloader {
    /// Reads the boot file and puts it in force. Tells the process log what came of it.
    pub(crate) async fn reload(&mut self) -> Result<Reloaded, ReloadError> {
        let result = self.try_reload(Arc::clone(&self.load)).await;
        match &result {
            Ok(Reloaded { epoch, needs_restart }) => {
                self.status.reloaded(*epoch);
                tracing::info!(epoch, "the configuration was reloaded");
                if !needs_restart.is_empty() {
                    let settings = needs_restart.join(", ");
                    tracing::warn!(settings, "changed settings that need a new start");
                }
            }
            Err(error) => {
                self.status.refused(&error.to_string());
                tracing::error!("the configuration was not reloaded, nothing changed: {error}");
            }
        }
        result
    }

    /// Puts the configuration in force into force again, with the certificates that are in the
    /// storage now. The boot file is not read: what somebody is writing there just now is none of
    /// this one's business.
    pub(crate) async fn load_certificates(&mut self) -> Result<(), ReloadError> {
        let in_force = self.configuration();
        let load = Arc::new(move || Ok(Configuration::clone(&in_force)));
        let stages = self.deployments.clone();
        let result = self.try_reload_with(load, Some(stages)).await;
        match &result {
            Ok(Reloaded { epoch, .. }) => {
                self.status.started(*epoch);
                tracing::info!(epoch, "the issued certificates are in force");
            }
            Err(error) => tracing::error!("the issued certificates are not in force: {error}"),
        }
        result.map(|_| ())
    }

    /// Brings changes of what is deployed into force. A stage changes nothing but itself; only where
    /// TLS serves a domain otherwise, all of it is loaded again.
    pub(crate) async fn deploy(&mut self, mut changes: Vec<Change>) {
        changes.retain(|change| self.deployments.concerns(change));
        if changes.is_empty() {
            return;
        }
        match self.try_deploy(changes).await {
            Ok(epoch) => {
                self.status.started(epoch);
                tracing::info!(epoch, "what was deployed is in force");
            }
            Err(error) => tracing::error!("what was deployed is not in force: {error}"),
        }
    }

    async fn try_deploy(&mut self, changes: Vec<Change>) -> Result<u64, ReloadError> {
        let epoch = self.publisher.next_epoch();
        let configuration = self.configuration();
        let (base, metrics) = (Arc::clone(&self.base), Arc::clone(&self.metrics));
        let mut deployments = self.deployments.clone();
        let work = move || {
            let boot = BootFacts::of(&configuration.model);
            deployments.apply(&changes, &boot);
            let has_domain = changes.iter().any(|change| matches!(change, Change::Domain(_)));
            if has_domain && deployments.load_domains(&configuration.boot_tls()) {
                return (deployments, None);
            }
            deployments.assemble(&boot);
            let plan = Arc::new(base.with_deployed(epoch, deployments.plans()));
            metrics.lock().unwrap_or_else(PoisonError::into_inner).prepare(&plan);
            (deployments, Some(plan))
        };
        let done = tokio::task::spawn_blocking(work).await;
        let (deployments, plan) = done
            .map_err(|error| ReloadError::Configuration(format!("the compiler failed: {error}")))?;
        let Some(plan) = plan else {
            let in_force = self.configuration();
            let load = Arc::new(move || Ok(Configuration::clone(&in_force)));
            return Ok(self.try_reload_with(load, Some(deployments)).await?.epoch);
        };
        let upstream_tls = plan.tls.upstreams.clone();
        self.targets.watch(&plan.groups, &upstream_tls, DEPLOY_PATIENCE).await;
        let gear = (0..self.publisher.shards_count()).map(|_| ShardGear {
            sockets: Vec::new(),
            access_log: self.logs.sink(&LogChange::Keep),
        });
        match self.publisher.publish_with(plan, gear.collect()).await {
            Ok(()) => {}
            // It is in force: a shard that has not said so adopts it when it reads its mail.
            Err(error @ PublishError::NotAdopted { .. }) => tracing::error!("{error}"),
            Err(error) => {
                let before = self.base.with_deployed(epoch, self.deployments.plans());
                self.targets.watch(&before.groups, &self.upstream_tls, DEPLOY_PATIENCE).await;
                return Err(error.into());
            }
        }
        self.upstream_tls = upstream_tls;
        self.deployments = deployments;
        Ok(epoch)
    }

    async fn try_reload(&mut self, load: LoadConfiguration) -> Result<Reloaded, ReloadError> {
        self.try_reload_with(load, None).await
    }

    /// `deployments` are what is deployed, where the boot file that it was compiled with is still the
    /// same.
    async fn try_reload_with(
        &mut self,
        load: LoadConfiguration,
        deployments: Option<Deployments>,
    ) -> Result<Reloaded, ReloadError> {
        let epoch = self.publisher.next_epoch();
        let Compiled { configuration, base, plan, ticket_keys, deployments } =
            self.compile(load, deployments, epoch).await?;
        let log = prepare_log(&self.logs, &configuration)?;
        let mut inherited = InheritedSockets::default();
        let mut change = self.listeners.prepare(&configuration.model.listeners, &mut inherited)?;
        let gear = change.take_sockets().into_iter().map(|sockets| {
            let access_log = self.logs.sink(&log);
            ShardGear { sockets, access_log }
        });
        let gear = gear.collect();
        let certificates: Arc<[_]> = plan.tls.certificates().into();
        let upstream_tls = plan.tls.upstreams.clone();
        self.targets.watch(&plan.groups, &upstream_tls, RELOAD_PATIENCE).await;
        match self.publisher.publish_with(plan, gear).await {
            Ok(()) => {}
            // It is in force: a shard that has not said so adopts it when it reads its mail.
            Err(error @ PublishError::NotAdopted { .. }) => tracing::error!("{error}"),
            Err(error) => {
                let before = self.base.with_deployed(epoch, self.deployments.plans());
                self.targets.watch(&before.groups, &self.upstream_tls, RELOAD_PATIENCE).await;
                return Err(error.into());
            }
        }
        self.listeners.commit(change);
        self.upstream_tls = upstream_tls;
        self.base = base;
        self.deployments = deployments;
        self.ticket_rotation.follow(ticket_keys);
        let warning_days = configuration.model.tls.expiry_warning_days;
        self.certificate_expiry = CertificateExpiry::start(Arc::clone(&certificates), warning_days);
        if let Some(old) = self.logs.commit(log) {
            // Its last lines may wait for a slow disk.
            tokio::task::spawn_blocking(move || old.close());
        }
        self.acme.watch(&configuration.model.tls);
        Ok(Reloaded { epoch, needs_restart: self.enter(configuration, certificates) })
    }

    /// The configuration in force.
    pub(crate) fn configuration(&self) -> Arc<Configuration> {
        let in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&in_force.configuration)
    }

    /// Reads and compiles on another thread: a hundred thousand routes take a while, and the side
    /// thread answers health checks meanwhile.
    async fn compile(
        &self,
        load: LoadConfiguration,
        deployments: Option<Deployments>,
        epoch: u64,
    ) -> Result<Compiled, ReloadError> {
        let metrics = Arc::clone(&self.metrics);
        let before = Arc::clone(self.ticket_rotation.keys());
        let (watched, boot_file) = (self.watched.clone(), self.configuration().watch.clone());
        let (is_new, deployments) = match deployments {
            Some(deployments) => (false, deployments),
            None => (true, self.deployments.clone()),
        };
        let work = move || {
            let boot = Snapshot::of(boot_file);
            let configuration = load()?;
            let note = |files| {
                if let Some(watched) = watched {
                    // Also of files that turn out to be bad: their next change is waited for.
                    watched.replace(boot.with(Snapshot::of(files)));
                }
            };
            let deployments = (deployments, is_new);
            let compiled = compile_all(configuration, deployments, Some(&before), epoch, note)?;
            metrics.lock().unwrap_or_else(PoisonError::into_inner).prepare(&compiled.plan);
            Ok(compiled)
        };
        let done = tokio::task::spawn_blocking(work).await;
        let done = done.unwrap_or_else(|error| Err(format!("the compiler failed: {error}")));
        done.map_err(ReloadError::Configuration)
    }

    /// Shows `configuration` as the one in force. Answers with the settings that it has otherwise
    /// than the start, and that therefore are not.
    fn enter(
        &self,
        configuration: Configuration,
        certificates: Arc<[ShownCertificate]>,
    ) -> Vec<String> {
        let mut in_force = self.in_force.lock().unwrap_or_else(PoisonError::into_inner);
        let needs_restart = in_force.configuration.settings_that_need_a_start(&configuration);
        if in_force.configuration.log_level != configuration.log_level {
            set_log_level(configuration.log_level);
        }
        // What needs a new start stays as it was started.
        let configuration =
            Configuration { process: in_force.configuration.process.clone(), ..configuration };
        *in_force = InForce {
            configuration: Arc::new(configuration),
            listeners: bound_listeners(&self.listeners),
            certificates,
        };
        needs_restart
    }
}

/// A configuration with everything that was made of it.
#[derive(Debug)]
pub(crate) struct Compiled {
    pub(crate) configuration: Configuration,
    /// The plan of the boot file alone.
    pub(crate) base: Arc<Plan>,
    /// The plan with what is deployed.
    pub(crate) plan: Arc<Plan>,
    /// Those of before, if they may stay.
    pub(crate) ticket_keys: Arc<TicketKeys>,
    pub(crate) deployments: Deployments,
}

/// Compiles a configuration with what is deployed (whose stages too, if they are of another boot file),
/// and loads the files of TLS; the error names every mistake. `note` is told which files those are,
/// before they are read.
pub(crate) fn compile_all(
    mut configuration: Configuration,
    (mut deployments, is_new): (Deployments, bool),
    before: Option<&Arc<TicketKeys>>,
    epoch: u64,
    note: impl FnOnce(Vec<PathBuf>),
) -> Result<Compiled, String> {
    let boot = BootFacts::of(&configuration.model);
    configuration.model.tls = configuration.boot_tls();
    let tls = &mut configuration.model.tls;
    if is_new {
        if let Some(options) = &configuration.management {
            deployments.rebind(options);
        }
        deployments.load_all(&boot);
    }
    note([tls.paths(), deployments.paths()].concat());
    deployments.load_domains(tls);
    deployments.assemble(&boot);
    configuration.deployed_domains_count = deployments.tls_domains().len();
    tls.domains.extend_from_slice(deployments.tls_domains());
    let (base, ticket_keys) = compile_plan(&configuration, before, epoch)?;
    let plan = Arc::new(base.with_deployed(epoch, deployments.plans()));
    Ok(Compiled { configuration, base: Arc::new(base), plan, ticket_keys, deployments })
}

/// Compiles and loads the files of TLS; the error names every mistake. Answers with the ticket
/// keys too, which are those of `before` if they may stay.
fn compile_plan(
    configuration: &Configuration,
    before: Option<&Arc<TicketKeys>>,
    epoch: u64,
) -> Result<(Plan, Arc<TicketKeys>), String> {
    let model = &configuration.model;
    let explain = &configuration.explain.0;
    let mut plan =
        compile(model, epoch).map_err(|errors| explain(PlanMistakes::Conflicts(errors)))?;
    let tls = load_tls(model, before).map_err(|problems| explain(PlanMistakes::Tls(problems)))?;
    let ticket_keys = Arc::clone(&tls.ticket_keys);
    plan.tls = tls.plan(model);
    Ok((plan, ticket_keys))
}

/// Opens the access log of a configuration, if it is another one than before.
pub(crate) fn prepare_log(
    logs: &Logs,
    configuration: &Configuration,
) -> Result<super::logs::LogChange, ReloadError> {
    let path = configuration.model.access_log.as_ref().map(|log| log.path.as_str());
    logs.prepare(path)
        .map_err(|error| ReloadError::Log { path: path.unwrap_or_default().to_owned(), error })
}

/// What the listeners are bound to.
pub(crate) fn bound_listeners(listeners: &Listeners) -> Vec<BoundListener> {
    let bound = listeners.addresses().map(|(name, address, sockets_count)| BoundListener {
        name: name.to_owned(),
        address: shown(address),
        sockets_count,
    });
    bound.collect()
}

/// How long a reload waits for names that were not looked up before.
pub(crate) const RELOAD_PATIENCE: Duration = Duration::from_secs(5);
/// The same for a deployment, which is to be live at once; a name that takes longer is used as soon as
/// it has an address.
const DEPLOY_PATIENCE: Duration = Duration::from_millis(50);

fn set_log_level(level: &str) {
    let set = process_log::parse_level(level).and_then(process_log::set_level);
    if let Err(error) = set {
        tracing::warn!(%error, level, "the level of the process log stays as it was");
    }
}
