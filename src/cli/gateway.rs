//! From a boot file to a running gateway: the one place that knows settings, shards and the
//! process around them.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value as Json, json};

use super::{Exit, fail, refuse, tls};
use crate::control::{
    self, Configuration, ExplainMistakes, LoadConfiguration, ManagementOptions, Outcome,
    PlanMistakes, Ready, RunError, Setup, ShardPlace, ShardSeat, StartShard,
};
use crate::coord::{ConnectionBoard, TokenPools};
use crate::model::ListenerAddress;
use crate::observe::process_log;
use crate::plan::{self, Plan, PlanError};
use crate::rt::{DriverChoice, RingOptions};
use crate::settings::{Diagnostics, LogFormat, Place, Process, Settings, Shards};
use crate::shard::{self, ShardOptions, ShardParts, Shared};

/// A boot file that was read, and the cores that it means on this machine.
pub(super) struct Gateway {
    pub(super) settings: Settings,
    /// The cores that run a shard.
    pub(super) cores: Vec<u16>,
}

impl Gateway {
    /// Chooses the cores among those that this process may use.
    pub(super) fn here(settings: Settings) -> Result<Self, Diagnostics> {
        let cores = core_affinity::get_core_ids().unwrap_or_default();
        let cores: Vec<_> =
            cores.into_iter().filter_map(|core| u16::try_from(core.id).ok()).collect();
        Self::on_cores(settings, &cores)
    }

    /// Chooses the cores among `available`.
    pub(super) fn on_cores(settings: Settings, available: &[u16]) -> Result<Self, Diagnostics> {
        match settings.process.shards.cores(available) {
            Ok(cores) => Ok(Self { settings, cores }),
            Err(reason) => Err(draw(&settings, [(Place::Shards, reason)])),
        }
    }

    /// Compiles the plan. Reports every conflict.
    pub(super) fn compile(&self) -> Result<Plan, Diagnostics> {
        plan::compile(&self.settings.model, 1)
            .map_err(|errors| draw(&self.settings, errors.into_iter().map(place)))
    }

    /// Runs it to its end. `load` reads the configuration again; `on_ready` is told once requests
    /// are served.
    pub(super) fn run(
        self,
        watched: Option<&Path>,
        load: LoadConfiguration,
        on_ready: Box<dyn FnOnce(&Ready)>,
    ) -> Exit {
        let process = self.settings.process.clone();
        let level = process_log::parse_level(process.log_level.name());
        let is_json = process.log_format == LogFormat::Json;
        if let Err(error) = level.map(|level| process_log::init(level, is_json)) {
            return fail(&format!("the process log cannot be set up: {error}"));
        }
        let start_shard = start_shard(process, self.cores.len());
        let configuration = self.configuration(watched);
        let try_request = Arc::new(shard::try_request);
        let setup = Setup { configuration, load, start_shard, try_request, on_ready };
        match control::run(setup) {
            Ok(Outcome::Drained) => Exit::Done,
            Ok(Outcome::Cut) => Exit::Cut,
            Ok(Outcome::Interrupted) => Exit::Interrupted,
            Err(RunError::Configuration(mistakes)) => refuse(&mistakes),
            Err(error) => fail(&error.to_string()),
        }
    }

    /// What the process runs on.
    pub(super) fn configuration(self, watched: Option<&Path>) -> Configuration {
        let mut settings = self.settings;
        let (process, model) = (settings.process.clone(), std::mem::take(&mut settings.model));
        let admin = settings.admin.clone().map(|admin| admin.address);
        let management = settings.management.clone();
        let shards = self.cores.iter().map(|core| ShardPlace {
            core: Some(*core),
            listeners: process.core(*core).and_then(|exception| exception.listeners.clone()),
        });
        // Whoever draws a mistake of TLS asks which group is meant.
        settings.model.target_groups.clone_from(&model.target_groups);
        let explain = move |mistakes: PlanMistakes| {
            let drawing = match mistakes {
                PlanMistakes::Conflicts(errors) => draw(&settings, errors.into_iter().map(place)),
                PlanMistakes::Tls(problems) => tls::draw(&settings, problems),
            };
            drawing.to_string()
        };
        Configuration {
            deployed_domains_count: 0,
            explain: ExplainMistakes(Arc::new(explain)),
            shards: shards.collect(),
            driver: process.io_driver,
            ring: RingOptions { entries: process.ring_entries },
            drain_timeout: Duration::from_millis(process.drain_timeout_ms),
            watch: watched.filter(|_| process.watch).map(Path::to_owned),
            pid_file: process.pid_file.clone(),
            log_level: process.log_level.name(),
            process: shown(&process, &self.cores, admin.as_ref(), management.as_ref()),
            admin,
            management,
            model,
        }
    }
}

/// What was read again, for a reload. The error draws every mistake.
pub(super) fn reread(
    settings: Result<Settings, Diagnostics>,
    watched: Option<&Path>,
) -> Result<Configuration, String> {
    let gateway = settings.and_then(Gateway::here).map_err(|mistakes| mistakes.to_string())?;
    Ok(gateway.configuration(watched))
}

/// Mistakes at their places in the file.
fn draw(settings: &Settings, mistakes: impl IntoIterator<Item = (Place, String)>) -> Diagnostics {
    settings.diagnose(mistakes).expect("what refuses a file says why")
}

/// Starts shards with what `process` says of each core.
fn start_shard(process: Process, shards_count: usize) -> StartShard {
    let mut shared: Option<Arc<Shared>> = None;
    Box::new(move |seat: ShardSeat| -> io::Result<JoinHandle<io::Result<()>>> {
        let shared = shared.get_or_insert_with(|| {
            Arc::new(Shared {
                pools: TokenPools::new(),
                targets: Arc::clone(&seat.targets),
                upstreams: Arc::clone(&seat.upstreams),
                challenges: Arc::clone(&seat.challenges),
                functions: Arc::clone(&seat.functions),
                connections: ConnectionBoard::new(shards_count),
                mailboxes: seat.peers.to_vec(),
            })
        });
        let options = shard_options(&process, &seat);
        let ShardSeat { plan, gear, inbox: mail, metrics, .. } = seat;
        shard::start(options, Arc::clone(shared), ShardParts { mail, metrics, plan, gear })
    })
}

fn shard_options(process: &Process, seat: &ShardSeat) -> ShardOptions {
    let exception = seat.place.core.and_then(|core| process.core(core));
    let entries = exception.and_then(|core| core.ring_entries).unwrap_or(process.ring_entries);
    let spare = exception.and_then(|core| core.buffers_spare_count);
    ShardOptions {
        index: seat.index,
        core: seat.place.core.map(usize::from),
        driver: process.io_driver,
        ring: RingOptions { entries },
        buffers_spare_count: spare.unwrap_or(process.buffers_spare_count) as usize,
        connections_max: exception.and_then(|core| core.connections_per_shard_max),
        listeners: seat.place.listeners.clone(),
        rebalances: process.rebalance_connections,
    }
}

fn place(error: PlanError) -> (Place, String) {
    let place = match (error.api_index, error.route_index) {
        (Some(api), Some(route)) => Place::Route { api, route },
        (Some(api), None) => Place::Api(api),
        (None, _) => Place::File,
    };
    (place, error.message)
}

fn shown_address(address: &ListenerAddress) -> String {
    match address {
        ListenerAddress::Tcp(address) => address.to_string(),
        ListenerAddress::Unix(path) => format!("unix:{}", path.display()),
    }
}

/// The settings that need a new start, under their names in the file.
fn shown(
    process: &Process,
    cores: &[u16],
    admin: Option<&ListenerAddress>,
    management: Option<&ManagementOptions>,
) -> Json {
    let exceptions = process.cores.iter().map(|core| {
        json!({
            "core": core.core,
            "ring_entries": core.ring_entries,
            "buffers_spare_count": core.buffers_spare_count,
            "connections_per_shard_max": core.connections_per_shard_max,
            "cache_share_percent": core.cache_share_percent,
            "listeners": core.listeners,
        })
    });
    json!({
        "process": {
            "shards": match &process.shards {
                Shards::Auto => json!("auto"),
                Shards::Count(count) => json!(count),
                Shards::Cores(cores) => json!(cores),
            },
            "shard_cores": cores,
            "io_driver": match process.io_driver {
                DriverChoice::Auto => "auto",
                DriverChoice::IoUring => "io_uring",
                DriverChoice::Epoll => "epoll",
            },
            "ring_entries": process.ring_entries,
            "buffers_spare_count": process.buffers_spare_count,
            "watch": process.watch,
            "log_format": match process.log_format {
                LogFormat::Text => "text",
                LogFormat::Json => "json",
            },
            "pid_file": process.pid_file,
            "rebalance_connections": process.rebalance_connections,
            "core": exceptions.collect::<Vec<_>>(),
        },
        "admin": admin.map(shown_address),
        "management": management.map(|options| json!({
            "address": shown_address(&options.address),
            "store": options.store,
            "audit_log": options.audit_log,
            "region": options.region,
            "account_id": options.account_id,
            "credential": options.credentials.iter().map(|one| &one.name).collect::<Vec<_>>(),
            "test_mode": options.test_mode,
            "quotas": options.quotas.named().collect::<BTreeMap<_, _>>(),
        })),
    })
}
