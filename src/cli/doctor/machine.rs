//! Facts about the machine, read from /proc, /sys and a probe of io_uring. What cannot be read is
//! not known; nothing here fails.

use std::fs;

use serde::{Serialize, Serializer};

use crate::rt::{self, DriverChoice, RingOptions};

#[derive(Debug, Serialize)]
pub(super) struct Machine {
    pub(super) kernel: String,
    pub(super) architecture: &'static str,
    pub(super) io_uring: IoUring,
    pub(super) cores: Cores,
    pub(super) limits: Limits,
    pub(super) network: Network,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct IoUring {
    pub(super) available: bool,
    /// The set-up flags that the kernel took.
    pub(super) flags: Vec<&'static str>,
    /// What was tried and refused, with the kernel's error.
    pub(super) refused: Vec<String>,
    /// `kernel.io_uring_disabled`: 0 allowed, 1 for one group only, 2 forbidden.
    pub(super) disabled_sysctl: Option<u64>,
    /// Whether a seccomp filter watches this process, as in containers.
    pub(super) seccomp: bool,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Cores {
    pub(super) online_count: usize,
    /// The cores that this process may run on.
    pub(super) allowed: Vec<usize>,
    /// The cores that the kernel's scheduler leaves alone (`isolcpus`).
    pub(super) isolated: Vec<usize>,
    /// How many cores' worth of time the control group grants; `None` for no quota.
    pub(super) quota: Option<f64>,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Limits {
    pub(super) memlock_bytes: Option<Limit>,
    pub(super) nofile_soft: Option<Limit>,
    pub(super) nofile_hard: Option<Limit>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Limit {
    At(u64),
    Unlimited,
}

#[derive(Debug, Default, Serialize)]
pub(super) struct Network {
    /// `net.core.somaxconn`: bound on every listener's backlog.
    pub(super) somaxconn: Option<u64>,
    /// `net.ipv4.tcp_max_syn_backlog`.
    pub(super) syn_backlog: Option<u64>,
    /// How many connections can be open to one target from one address.
    pub(super) ephemeral_ports: Option<u64>,
}

impl Machine {
    /// Looks at this machine, as this process may use it.
    pub(super) fn look() -> Self {
        Self {
            kernel: read("/proc/sys/kernel/osrelease").unwrap_or_else(|| "not known".to_owned()),
            architecture: std::env::consts::ARCH,
            io_uring: IoUring::look(),
            cores: Cores::look(),
            limits: Limits::parse(&read("/proc/self/limits").unwrap_or_default()),
            network: Network::look(),
        }
    }
}

impl IoUring {
    fn look() -> Self {
        let ring = RingOptions { entries: RING_ENTRIES_PROBED };
        let report = rt::probe(DriverChoice::Auto, ring).ok();
        let available = report.as_ref().is_some_and(|report| report.name == "io_uring");
        let (flags, refused) =
            report.map_or_else(Default::default, |report| (report.flags.to_vec(), report.refused));
        let status = read("/proc/self/status").unwrap_or_default();
        let disabled_sysctl = read_number("/proc/sys/kernel/io_uring_disabled");
        Self { available, flags, refused, disabled_sysctl, seccomp: has_seccomp_filter(&status) }
    }

    pub(super) fn driver(&self) -> &'static str {
        if self.available { "io_uring" } else { "epoll" }
    }
}

/// What a shard takes by default; larger rings are charged to locked memory on old kernels.
const RING_ENTRIES_PROBED: u32 = 4096;

impl Cores {
    fn look() -> Self {
        let online = read("/sys/devices/system/cpu/online").map(|text| parse_cores(&text));
        let allowed = core_affinity::get_core_ids().unwrap_or_default();
        let allowed: Vec<_> = allowed.into_iter().map(|core| core.id).collect();
        Self {
            online_count: online.map_or(allowed.len(), |cores| cores.len()),
            allowed,
            isolated: read("/sys/devices/system/cpu/isolated")
                .map(|text| parse_cores(&text))
                .unwrap_or_default(),
            quota: read("/sys/fs/cgroup/cpu.max").and_then(|text| parse_quota(&text)),
        }
    }
}

impl Limits {
    fn parse(table: &str) -> Self {
        let row = |name: &str| {
            let rest = table.lines().find_map(|line| line.strip_prefix(name))?;
            let mut columns = rest.split_whitespace().map(Limit::parse);
            Some((columns.next()??, columns.next()??))
        };
        let (memlock, nofile) = (row("Max locked memory"), row("Max open files"));
        Self {
            memlock_bytes: memlock.map(|(soft, _)| soft),
            nofile_soft: nofile.map(|(soft, _)| soft),
            nofile_hard: nofile.map(|(_, hard)| hard),
        }
    }
}

impl Limit {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "unlimited" => Some(Self::Unlimited),
            number => number.parse().ok().map(Self::At),
        }
    }

    pub(super) fn is_under(self, bound: u64) -> bool {
        matches!(self, Self::At(value) if value < bound)
    }
}

impl Serialize for Limit {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::At(value) => out.serialize_u64(*value),
            Self::Unlimited => out.serialize_str("unlimited"),
        }
    }
}

impl Network {
    fn look() -> Self {
        Self {
            somaxconn: read_number("/proc/sys/net/core/somaxconn"),
            syn_backlog: read_number("/proc/sys/net/ipv4/tcp_max_syn_backlog"),
            ephemeral_ports: read("/proc/sys/net/ipv4/ip_local_port_range")
                .and_then(|text| parse_port_range(&text)),
        }
    }
}

fn read(path: &str) -> Option<String> {
    fs::read_to_string(path).ok().map(|text| text.trim_end().to_owned())
}

fn read_number(path: &str) -> Option<u64> {
    read(path)?.parse().ok()
}

/// The kernel's list form: `0-3,8,10-11`.
fn parse_cores(text: &str) -> Vec<usize> {
    let range = |part: &str| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (first.trim().parse().ok()?, last.trim().parse().ok()?);
        Some(first..=last.min(first + CORES_COUNT_MAX))
    };
    text.split(',').filter_map(range).flatten().collect()
}

const CORES_COUNT_MAX: usize = 8192;

/// `cpu.max` of control groups version 2: `max 100000`, or microseconds of quota and period.
fn parse_quota(text: &str) -> Option<f64> {
    let (quota, period) = text.split_once(' ')?;
    let (quota, period): (f64, f64) = (quota.parse().ok()?, period.parse().ok()?);
    (period > 0.0).then_some(quota / period)
}

fn parse_port_range(text: &str) -> Option<u64> {
    let mut ports = text.split_whitespace().map(str::parse::<u64>);
    let (low, high) = (ports.next()?.ok()?, ports.next()?.ok()?);
    high.checked_sub(low)?.checked_add(1)
}

/// `Seccomp:` of /proc/self/status: 0 none, 1 strict, 2 filter.
fn has_seccomp_filter(status: &str) -> bool {
    let mode = status.lines().find_map(|line| line.strip_prefix("Seccomp:"));
    mode.is_some_and(|mode| mode.trim() != "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_forms_are_read() {
        assert_eq!(parse_cores("0-2,5"), [0, 1, 2, 5]);
        assert!(parse_cores("").is_empty());
        assert_eq!(parse_quota("150000 100000"), Some(1.5));
        assert_eq!(parse_quota("max 100000"), None);
        assert_eq!(parse_quota("1 0"), None);
        assert_eq!(parse_port_range("32768\t60999"), Some(28_232));
        assert!(has_seccomp_filter("Name:\tx\nSeccomp:\t2\n"));
        assert!(!has_seccomp_filter("Seccomp:\t0\nSeccomp_filters:\t0\n"));
    }

    #[test]
    fn limits_are_read_from_their_table() {
        let table = "Limit                     Soft Limit           Hard Limit           Units     \n\
                     Max open files            1024                 524288               files     \n\
                     Max locked memory         unlimited            unlimited            bytes     \n";
        let limits = Limits::parse(table);
        assert_eq!(limits.nofile_soft, Some(Limit::At(1024)));
        assert_eq!(limits.nofile_hard, Some(Limit::At(524_288)));
        assert_eq!(limits.memlock_bytes, Some(Limit::Unlimited));
        assert_eq!(Limits::parse("").nofile_soft, None);
    }
}
