//! What the kernel says about this process, for the `process_` metrics and for `/stats`.

use std::collections::BTreeMap;
use std::fs;

use super::access_log::AccessLogCounts;
use super::functions::FunctionCounts;
use crate::base::Nanos;

/// What a scrape tells about the process as a whole. The side thread fills it in.
#[derive(Clone, Debug, Default)]
pub struct ProcessInfo {
    /// The version of the program.
    pub version: String,
    /// The instant of the scrape, for telling a shard that has not ticked for long.
    pub now: Nanos,
    /// Whether the process is draining.
    pub is_draining: bool,
    /// Reloads of the configuration that were published.
    pub reloads: u64,
    /// Reloads that were refused because the configuration is wrong.
    pub reloads_failed: u64,
    /// What became of the lines of the access log, if one is kept.
    pub access_log: Option<AccessLogCounts>,
    /// The targets and whether they may be chosen, in a stable order.
    pub targets: Vec<TargetState>,
    /// The certificates that the gateway orders itself.
    pub ordered_certificates: Vec<OrderedCertificate>,
    /// The certificates in force.
    pub certificates: Vec<CertificateState>,
    /// Functions that run on this machine, by name.
    pub functions: BTreeMap<String, FunctionCounts>,
    /// Resources of the process.
    pub usage: ProcessUsage,
}

/// How a certificate does that the gateway orders itself. Instants are seconds since 1970.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct OrderedCertificate {
    /// The first name of its domain.
    pub domain: String,
    /// When one is ordered next.
    pub next_order: i64,
    /// Orders that ended with a certificate.
    pub issued: u64,
    /// Orders that failed.
    pub failed: u64,
}

/// One target's health as the side thread knows it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct TargetState {
    /// The target group.
    pub group: String,
    /// The target's address.
    pub target: String,
    /// Whether active health checks take it for healthy.
    pub is_healthy: bool,
}

/// A certificate that the gateway shows.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct CertificateState {
    /// The domain whose clients see it.
    pub domain: Option<String>,
    /// The target group whose targets see it.
    pub group: Option<String>,
    /// The kind of its key.
    pub key_type: &'static str,
    /// The file that it came from.
    pub file: String,
    /// Until when it is good.
    pub expires_unix_seconds: u64,
}

/// Resources of the process. A value that cannot be read is left out.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct ProcessUsage {
    /// User and system time.
    pub cpu: Option<Nanos>,
    /// Resident memory in bytes.
    pub resident_bytes: Option<u64>,
    /// Address space in bytes.
    pub virtual_bytes: Option<u64>,
    /// Open descriptors.
    pub descriptors_open: Option<u64>,
    /// How many it may open (the soft limit).
    pub descriptors_max: Option<u64>,
    /// When it started, as a span since 1970.
    pub started: Option<Nanos>,
}

/// The kernel shows times to user space in this unit on x86_64 and aarch64, whatever its own
/// tick (proc(5), "clock ticks").
const TICK: Nanos = Nanos::from_millis(10);

impl ProcessUsage {
    /// Reads `/proc/self`. A few file reads: for the side thread.
    #[must_use]
    pub fn read() -> Self {
        let text = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let mut usage = Self::parse(
            &text("/proc/self/stat"),
            &text("/proc/self/status"),
            &text("/proc/self/limits"),
            &text("/proc/stat"),
        );
        // The descriptor that lists the folder is one of them.
        let open = fs::read_dir("/proc/self/fd").map(|list| list.count().saturating_sub(1) as u64);
        usage.descriptors_open = open.ok();
        usage
    }

    fn parse(stat: &str, status: &str, limits: &str, system: &str) -> Self {
        // The program's name is in parentheses and may hold anything, spaces included.
        let after_name = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
        // The first field after the name is number 3 of proc_pid_stat(5).
        let field = |number: usize| after_name.split(' ').nth(number - 3)?.parse::<u64>().ok();
        let kib = |name| number_after(status, name).map(|count| count.saturating_mul(1_024));
        let boot_s = number_after(system, "btime ");
        Self {
            cpu: field(14).zip(field(15)).map(|(user, kernel)| ticks(user + kernel)),
            resident_bytes: kib("VmRSS:"),
            virtual_bytes: kib("VmSize:"),
            descriptors_open: None,
            descriptors_max: number_after(limits, "Max open files"),
            started: field(22).zip(boot_s).map(|(after_boot, boot_s)| {
                Nanos::from_millis(boot_s.saturating_mul(1_000)).plus(ticks(after_boot))
            }),
        }
    }
}

fn ticks(count: u64) -> Nanos {
    Nanos(count.saturating_mul(TICK.0))
}

/// The first number of the line that begins with `name`.
fn number_after(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_understood() {
        let stat = "7 (a) b) R 1 7 7 0 -1 4194304 99 0 0 0 150 50 0 0 20 0 4 0 1000 9 9";
        let status = "Name:\ta\nVmSize:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files   1024   4096   files\n";
        let usage = ProcessUsage::parse(stat, status, limits, "cpu 1 2\nbtime 1700000000\n");
        assert_eq!(usage.cpu, Some(Nanos::from_millis(2_000)));
        assert_eq!(usage.resident_bytes, Some(1024 * 1024));
        assert_eq!(usage.virtual_bytes, Some(2048 * 1024));
        assert_eq!(usage.descriptors_max, Some(1024));
        assert_eq!(usage.started, Some(Nanos::from_millis(1_700_000_010_000)));
    }

    #[test]
    fn what_is_missing_is_left_out() {
        assert_eq!(ProcessUsage::parse("", "", "", ""), ProcessUsage::default());
        let unlimited = ProcessUsage::parse("", "", "Max open files  unlimited unlimited\n", "");
        assert_eq!(unlimited.descriptors_max, None);
    }

    #[test]
    fn this_process_has_memory_and_descriptors() {
        let usage = ProcessUsage::read();
        assert!(usage.resident_bytes.is_some_and(|bytes| bytes > 0));
        assert!(usage.descriptors_open.is_some_and(|count| count >= 3));
        assert!(usage.started.is_some());
    }
}
