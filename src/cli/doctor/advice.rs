//! From facts about a machine to what its owner should change. Pure, so that machines which we do
//! not have can be tested.

use serde::Serialize;

use super::machine::Machine;

/// One thing to change.
#[derive(Debug, Serialize)]
pub(super) struct Advice {
    pub(super) severity: Severity,
    /// What was found.
    pub(super) finding: String,
    /// What to do about it.
    pub(super) remedy: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Severity {
    /// Clients will notice under load.
    Problem,
    /// It works, and could work better.
    Hint,
}

/// Descriptors that a busy gateway wants: two per proxied connection.
const DESCRIPTORS_COUNT_WANTED: u64 = 65_536;
/// Locked memory that rings are charged to on kernels before 5.12.
const MEMLOCK_BYTES_WANTED: u64 = 8 * 1024 * 1024;
/// The default backlog of a listener.
const BACKLOG_WANTED: u64 = 1024;
/// Idle and busy connections to one target, from one address.
const PORTS_COUNT_WANTED: u64 = 20_000;

/// What to change on `machine`, problems first.
pub(super) fn advise(machine: &Machine) -> Vec<Advice> {
    let mut advice: Vec<_> = [
        descriptors(machine),
        backlog(machine),
        quota(machine),
        io_uring(machine),
        ring_flags(machine),
        locked_memory(machine),
        ports(machine),
    ]
    .into_iter()
    .flatten()
    .collect();
    advice.sort_by_key(|one| one.severity != Severity::Problem);
    advice
}

fn descriptors(machine: &Machine) -> Option<Advice> {
    // `run` raises the soft limit to the hard one.
    let hard = machine.limits.nofile_hard?;
    hard.is_under(DESCRIPTORS_COUNT_WANTED).then(|| Advice {
        severity: Severity::Problem,
        finding: format!(
            "this process may open fewer than {DESCRIPTORS_COUNT_WANTED} descriptors, and a \
             proxied connection takes two"
        ),
        remedy: "`ulimit -Hn 1048576`, or LimitNOFILE=1048576 in the systemd unit".to_owned(),
    })
}

fn backlog(machine: &Machine) -> Option<Advice> {
    let somaxconn = machine.network.somaxconn?;
    (somaxconn < BACKLOG_WANTED).then(|| Advice {
        severity: Severity::Problem,
        finding: format!("net.core.somaxconn is {somaxconn}: a burst of connections is refused"),
        remedy: "`sysctl -w net.core.somaxconn=4096`".to_owned(),
    })
}

fn quota(machine: &Machine) -> Option<Advice> {
    let (quota, cores) = (machine.cores.quota?, machine.cores.allowed.len());
    (quota < cores as f64).then(|| Advice {
        severity: Severity::Problem,
        finding: format!("the control group grants {quota} cores of time for {cores} shards"),
        remedy: format!(
            "set `shards = {}`, or raise the quota: a shard that is stopped in the middle of a \
             period delays all its requests",
            quota.floor().max(1.0)
        ),
    })
}

fn io_uring(machine: &Machine) -> Option<Advice> {
    if machine.io_uring.available {
        return None;
    }
    let remedy = match (machine.io_uring.disabled_sysctl, machine.io_uring.seccomp) {
        (Some(1..), _) => "`sysctl -w kernel.io_uring_disabled=0`",
        (_, true) => {
            "a seccomp filter is in force: in a container, allow io_uring_setup, io_uring_enter \
             and io_uring_register in its profile"
        }
        _ => "run Linux 6.1 or later, with io_uring built in",
    };
    Some(Advice {
        severity: Severity::Hint,
        finding: "io_uring is refused; epoll is used, at a few percent more CPU".to_owned(),
        remedy: remedy.to_owned(),
    })
}

fn ring_flags(machine: &Machine) -> Option<Advice> {
    let ring = &machine.io_uring;
    (ring.available && !ring.flags.contains(&"DEFER_TASKRUN")).then(|| Advice {
        severity: Severity::Hint,
        finding: "the kernel lacks the ring flags SINGLE_ISSUER and DEFER_TASKRUN".to_owned(),
        remedy: "run Linux 6.1 or later: a request costs up to a third more CPU without them"
            .to_owned(),
    })
}

fn locked_memory(machine: &Machine) -> Option<Advice> {
    let memlock = machine.limits.memlock_bytes?;
    let charged = is_before(&machine.kernel, (5, 12));
    (charged && memlock.is_under(MEMLOCK_BYTES_WANTED)).then(|| Advice {
        severity: Severity::Problem,
        finding: "this kernel charges rings to locked memory, of which little is allowed"
            .to_owned(),
        remedy: "`ulimit -l unlimited`, or LimitMEMLOCK=infinity in the systemd unit".to_owned(),
    })
}

fn ports(machine: &Machine) -> Option<Advice> {
    let ports = machine.network.ephemeral_ports?;
    (ports < PORTS_COUNT_WANTED).then(|| Advice {
        severity: Severity::Hint,
        finding: format!("{ports} local ports bound the connections to one target"),
        remedy: "`sysctl -w net.ipv4.ip_local_port_range='1024 65535'`".to_owned(),
    })
}

/// Whether a kernel release such as `5.10.0-28-amd64` is before a version; not if it cannot be
/// read.
fn is_before(release: &str, version: (u32, u32)) -> bool {
    let mut parts = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    match (parts.next(), parts.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => (major, minor) < version,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::machine::{Cores, IoUring, Limit, Limits, Network};
    use super::*;

    fn good() -> Machine {
        Machine {
            kernel: "6.1.0-18-amd64".to_owned(),
            architecture: "x86_64",
            io_uring: IoUring {
                available: true,
                flags: vec!["SINGLE_ISSUER", "DEFER_TASKRUN", "COOP_TASKRUN"],
                ..IoUring::default()
            },
            cores: Cores { online_count: 4, allowed: vec![0, 1, 2, 3], ..Cores::default() },
            limits: Limits {
                memlock_bytes: Some(Limit::At(65_536)),
                nofile_soft: Some(Limit::At(1_024)),
                nofile_hard: Some(Limit::At(DESCRIPTORS_COUNT_WANTED)),
            },
            network: Network {
                somaxconn: Some(BACKLOG_WANTED),
                syn_backlog: Some(4096),
                ephemeral_ports: Some(PORTS_COUNT_WANTED),
            },
        }
    }

    fn remedies(machine: &Machine) -> String {
        advise(machine).into_iter().map(|one| one.remedy + "\n").collect()
    }

    #[test]
    fn a_good_machine_needs_no_change() {
        assert_eq!(remedies(&good()), "");
    }

    #[test]
    fn each_bound_is_advised_on_one_below_it() {
        let mut machine = good();
        machine.limits.nofile_hard = Some(Limit::At(DESCRIPTORS_COUNT_WANTED - 1));
        machine.network.somaxconn = Some(BACKLOG_WANTED - 1);
        machine.network.ephemeral_ports = Some(PORTS_COUNT_WANTED - 1);
        let advice = advise(&machine);
        assert_eq!(advice.len(), 3);
        assert_eq!(advice[2].severity, Severity::Hint, "problems come first");
    }

    #[test]
    fn the_reason_why_io_uring_is_refused_decides_the_remedy() {
        let mut machine = good();
        machine.io_uring = IoUring::default();
        assert!(remedies(&machine).contains("6.1 or later"));
        machine.io_uring.seccomp = true;
        assert!(remedies(&machine).contains("seccomp"));
        machine.io_uring.disabled_sysctl = Some(2);
        assert!(remedies(&machine).contains("io_uring_disabled=0"));
        machine.io_uring = IoUring { available: true, ..IoUring::default() };
        assert!(remedies(&machine).contains("a third more"));
    }

    #[test]
    fn locked_memory_counts_before_linux_5_12_only() {
        let mut machine = good();
        machine.kernel = "5.11.22-generic".to_owned();
        assert!(remedies(&machine).contains("LimitMEMLOCK"));
        machine.kernel = "5.12.0".to_owned();
        assert_eq!(remedies(&machine), "");
        machine.kernel = "custom".to_owned();
        assert_eq!(remedies(&machine), "");
    }

    #[test]
    fn a_quota_under_the_number_of_cores_is_a_problem() {
        let mut machine = good();
        machine.cores.quota = Some(2.5);
        assert!(remedies(&machine).contains("shards = 2"));
        machine.cores.quota = Some(4.0);
        assert_eq!(remedies(&machine), "");
    }
}
