//! How the process runs: shards, drivers, drain, the process log, the admin listener.

use std::path::PathBuf;

use toml::de::DeValue;

use super::diagnostics::Mistake;
use super::keys::{RawAdmin, RawCore, RawListener, RawProcess};
use super::reading::{Field, Node, Reading};
use super::table::{Bound, Shape, Value};
use super::unique::{Unique, record_unknown};
use super::values::{OneOrMore, choice};
use crate::base::limits::SHARDS_COUNT_MAX;
use crate::model::ListenerAddress;
use crate::rt::DriverChoice;

/// How the process runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Process {
    /// Which cores run a shard.
    pub shards: Shards,
    /// The I/O driver asked for.
    pub io_driver: DriverChoice,
    /// Entries of a shard's submission queue; a power of two.
    pub ring_entries: u32,
    /// Unused buffers that a shard keeps.
    pub buffers_spare_count: u32,
    /// How long requests may take to end when the process is told to stop; 0 does not wait.
    pub drain_timeout_ms: u64,
    /// Whether the file is read again when it changes.
    pub watch: bool,
    /// Least severe level of the process log.
    pub log_level: LogLevel,
    /// How lines of the process log look.
    pub log_format: LogFormat,
    /// Holds the process id while the gateway runs.
    pub pid_file: Option<PathBuf>,
    /// Whether new connections go from shards with many to shards with few.
    pub rebalance_connections: bool,
    /// Exceptions for single cores; each core at most once.
    pub cores: Vec<CoreOverride>,
}

impl Process {
    /// The exceptions for `core`, if there are any.
    #[must_use]
    pub fn core(&self, core: u16) -> Option<&CoreOverride> {
        self.cores.iter().find(|exception| exception.core == core)
    }
}

/// What differs on one core; `None` means what holds for all.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct CoreOverride {
    /// The core's number.
    pub core: u16,
    /// See [`Process::ring_entries`].
    pub ring_entries: Option<u32>,
    /// See [`Process::buffers_spare_count`].
    pub buffers_spare_count: Option<u32>,
    /// See [`crate::model::Limits::connections_per_shard_max`].
    pub connections_per_shard_max: Option<u32>,
    /// The core's share of the cache, in percent.
    pub cache_share_percent: Option<u32>,
    /// Names of the listeners that the core serves.
    pub listeners: Option<Vec<String>>,
}

/// Which cores run a shard.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Shards {
    /// Every core that the process may use.
    Auto,
    /// The first so many cores that the process may use; at least one.
    Count(u16),
    /// These cores; at least one, none twice.
    Cores(Vec<u16>),
}

impl Shards {
    /// The cores that run a shard on a machine that lets the process use `available`. The error
    /// is a sentence that names what is missing.
    pub fn cores(&self, available: &[u16]) -> Result<Vec<u16>, String> {
        let machine = format!("the process may use {} cores: {available:?}", available.len());
        match self {
            Self::Auto => Ok(available.iter().copied().take(SHARDS_COUNT_MAX).collect()),
            Self::Count(count) => available
                .get(..usize::from(*count))
                .map(<[u16]>::to_vec)
                .ok_or_else(|| format!("{count} shards are asked for, but {machine}")),
            Self::Cores(cores) => match cores.iter().find(|core| !available.contains(core)) {
                Some(core) => Err(format!("core {core} is asked for, but {machine}")),
                None => Ok(cores.clone()),
            },
        }
    }
}

impl Value for Shards {
    fn shape(_: Option<Bound>) -> Shape {
        let count = u16::shape(Some(SHARDS_BOUND));
        let cores = OneOrMore::<u16>::shape(Some(CORE_BOUND));
        Shape::OneOf(vec![Shape::Choice(vec!["auto".into()]), count, cores])
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        match node.value {
            DeValue::String(text) if text == "auto" => Some(Self::Auto),
            DeValue::String(_) => {
                node.wrong_value(&Self::shape(None), reading);
                None
            }
            DeValue::Integer(_) => {
                let node = Node { bound: Some(SHARDS_BOUND), ..node };
                u16::read(node, reading).map(Self::Count)
            }
            DeValue::Array(_) => {
                let node = Node { bound: Some(CORE_BOUND), ..node };
                let OneOrMore(cores) = OneOrMore::<u16>::read(node, reading)?;
                let mut seen = Unique::new("core");
                for core in &cores {
                    seen.add(core.value, core.span, reading);
                }
                Some(Self::Cores(cores.into_iter().map(|core| core.value).collect()))
            }
            _ => {
                node.wrong_type(&Self::shape(None), reading);
                None
            }
        }
    }
}

/// Entries of a submission queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct RingEntries(pub(super) u32);

impl Value for RingEntries {
    fn shape(_: Option<Bound>) -> Shape {
        Shape::Choice((6..=15).map(|power| (1_u32 << power).into()).collect())
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let DeValue::Integer(integer) = node.value else {
            node.wrong_type(&Self::shape(None), reading);
            return None;
        };
        let entries = u32::from_str_radix(integer.as_str(), integer.radix()).ok();
        let is_fit = |entries: &u32| entries.is_power_of_two() && (64..=32_768).contains(entries);
        let entries = entries.filter(is_fit).map(Self);
        if entries.is_none() {
            node.wrong_value(&Self::shape(None), reading);
        }
        entries
    }
}

/// Least severe level of the process log.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogLevel {
    /// What stops something from working.
    Error,
    /// What will, if nobody acts.
    Warn,
    /// What changed.
    Info,
    /// What a developer of a configuration wants to see.
    Debug,
    /// What a developer of the gateway wants to see.
    Trace,
}

choice!(LogLevel {
    "error" => LogLevel::Error,
    "warn" => LogLevel::Warn,
    "info" => LogLevel::Info,
    "debug" => LogLevel::Debug,
    "trace" => LogLevel::Trace,
});

impl LogLevel {
    /// Its name in the file, which is also tracing's.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How lines of the process log look.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

choice!(LogFormat { "text" => LogFormat::Text, "json" => LogFormat::Json });

/// The admin listener.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Admin {
    /// Loopback or a unix socket, unless `allow_remote` was set.
    pub address: ListenerAddress,
}

/// The names that exceptions for cores may name.
pub(super) struct ListenerNames {
    names: Vec<String>,
    /// Some listener has a mistake in its name, so a name that is not known may be that one's.
    is_incomplete: bool,
}

impl ListenerNames {
    pub(super) fn new(raw: &[Field<RawListener>]) -> Self {
        let names = raw.iter().filter_map(|one| one.value.name.as_ref());
        let names: Vec<_> = names.map(|name| name.value.0.clone()).collect();
        Self { is_incomplete: names.len() < raw.len(), names }
    }
}

/// Builds the process.
pub(super) fn build_process(
    raw: RawProcess,
    listeners: &ListenerNames,
    reading: &mut Reading<'_>,
) -> Process {
    let mut seen = Unique::new("core");
    let mut cores = Vec::new();
    for Field { value: raw_core, .. } in raw.core.value {
        let Some(core) = raw_core.core else { continue };
        seen.add(core.value, core.span, reading);
        let is_run = match &raw.shards.value {
            Shards::Cores(cores) => cores.contains(&core.value),
            Shards::Auto | Shards::Count(_) => true,
        };
        if !is_run {
            let message = format!("core {} has exceptions, but runs no shard", core.value);
            let mistake = Mistake::new(core.span, message).label("not among `shards`");
            reading.record(mistake.related(raw.shards.span, "the cores that run one"));
        }
        cores.push(build_core(core.value, raw_core, listeners, reading));
    }
    Process {
        shards: raw.shards.value,
        io_driver: raw.io_driver.value,
        ring_entries: raw.ring_entries.value.0,
        buffers_spare_count: raw.buffers_spare_count.value,
        drain_timeout_ms: raw.drain_timeout_ms.value,
        watch: raw.watch.value,
        log_level: raw.log_level.value,
        log_format: raw.log_format.value,
        pid_file: raw.pid_file.map(|field| field.value.0),
        rebalance_connections: raw.rebalance_connections.value,
        cores,
    }
}

fn build_core(
    core: u16,
    raw: RawCore,
    listeners: &ListenerNames,
    reading: &mut Reading<'_>,
) -> CoreOverride {
    let names = raw.listeners.map(|names| {
        for name in &names.value {
            if !listeners.names.contains(&name.value.0) && !listeners.is_incomplete {
                let (name, span) = (&name.value.0, name.span);
                record_unknown("listener", name, span, &listeners.names, reading);
            }
        }
        names.value.into_iter().map(|name| name.value.0).collect()
    });
    CoreOverride {
        core,
        ring_entries: raw.ring_entries.map(|field| field.value.0),
        buffers_spare_count: raw.buffers_spare_count.map(|field| field.value),
        connections_per_shard_max: raw.connections_per_shard_max.map(|field| field.value),
        cache_share_percent: raw.cache_share_percent.map(|field| field.value),
        listeners: names,
    }
}

/// Builds the admin listener.
pub(super) fn build_admin(raw: RawAdmin, reading: &mut Reading<'_>) -> Admin {
    if let ListenerAddress::Tcp(address) = &raw.address.value
        && !address.ip().to_canonical().is_loopback()
        && !raw.allow_remote.value
    {
        let message = format!("the admin listener at {address} can be reached by other machines");
        let help = "use a loopback address or a unix socket, or set `allow_remote = true`";
        let mistake = Mistake::new(raw.address.span, message).label("not a loopback address");
        reading.record(mistake.help(help));
    }
    Admin { address: raw.address.value }
}

const SHARDS_BOUND: Bound = Bound::new(1..=SHARDS_COUNT_MAX as u64);
const CORE_BOUND: Bound = Bound::new(0..=SHARDS_COUNT_MAX as u64 - 1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shards_go_to_cores_that_the_process_may_use() {
        let available = [2, 3, 7];
        assert_eq!(Shards::Auto.cores(&available), Ok(vec![2, 3, 7]));
        assert_eq!(Shards::Count(2).cores(&available), Ok(vec![2, 3]));
        assert_eq!(Shards::Count(3).cores(&available), Ok(vec![2, 3, 7]));
        assert_eq!(Shards::Cores(vec![7, 2]).cores(&available), Ok(vec![7, 2]));
        let error = Shards::Count(4).cores(&available).expect_err("there are three");
        assert!(error.contains("4 shards") && error.contains("[2, 3, 7]"), "{error}");
        let error = Shards::Cores(vec![2, 4]).cores(&available).expect_err("no core 4");
        assert!(error.starts_with("core 4"), "{error}");
    }
}
