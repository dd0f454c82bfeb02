//! `doctor`: what this machine offers, what the gateway would use of it, and what to change.

mod advice;
mod machine;

use std::fmt::Write as _;

use serde::Serialize;

use super::arguments::DoctorOptions;
use super::{Exit, fail, print};
use advice::{Advice, Severity};
use machine::Machine;

/// Everything the command says. Its JSON is an interface: fields are added, not renamed.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    machine: Machine,
    choice: Choice,
    advice: Vec<Advice>,
}

/// What `run` would choose with default settings.
#[derive(Debug, Serialize)]
struct Choice {
    driver: &'static str,
    ring_flags: Vec<&'static str>,
    shards: usize,
    cores: Vec<usize>,
}

pub(super) fn perform(options: &DoctorOptions) -> Exit {
    let report = Report::new(Machine::look());
    if !options.json {
        return print(&report.text());
    }
    match serde_json::to_string_pretty(&report) {
        Ok(json) => print(&(json + "\n")),
        Err(error) => fail(&format!("cannot write JSON: {error}")),
    }
}

impl Report {
    fn new(machine: Machine) -> Self {
        let choice = Choice {
            driver: machine.io_uring.driver(),
            ring_flags: machine.io_uring.flags.clone(),
            shards: machine.cores.allowed.len().max(1),
            cores: machine.cores.allowed.clone(),
        };
        Self { advice: advice::advise(&machine), choice, machine }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        for (name, value) in self.rows() {
            let _ = writeln!(text, "{name:<20} {value}");
        }
        text.push('\n');
        if self.advice.is_empty() {
            text.push_str("Nothing to change.\n");
        }
        for advice in &self.advice {
            let mark = match advice.severity {
                Severity::Problem => "problem",
                Severity::Hint => "hint",
            };
            let _ = writeln!(text, "{mark}: {}\n    {}", advice.finding, advice.remedy);
        }
        text
    }

    fn rows(&self) -> Vec<(&'static str, String)> {
        let (machine, choice) = (&self.machine, &self.choice);
        let flags = match choice.ring_flags.as_slice() {
            [] => String::new(),
            flags => format!(" ({})", flags.join(" + ")),
        };
        let mut rows = vec![
            ("kernel", format!("{} on {}", machine.kernel, machine.architecture)),
            ("driver", format!("{}{flags}", choice.driver)),
        ];
        rows.extend(machine.io_uring.refused.iter().map(|reason| ("  refused", reason.clone())));
        rows.extend([
            ("shards", format!("{} on cores {}", choice.shards, list(&choice.cores))),
            ("cores online", machine.cores.online_count.to_string()),
            ("cores isolated", list(&machine.cores.isolated)),
            ("CPU quota", shown(machine.cores.quota, "cores")),
            ("locked memory", limit(machine.limits.memlock_bytes, "bytes")),
            ("descriptors", limit(machine.limits.nofile_soft, "soft")),
            ("  at most", limit(machine.limits.nofile_hard, "hard")),
            ("somaxconn", shown(machine.network.somaxconn, "connections")),
            ("SYN backlog", shown(machine.network.syn_backlog, "connections")),
            ("ports to upstreams", shown(machine.network.ephemeral_ports, "per target")),
        ]);
        rows
    }
}

fn list(cores: &[usize]) -> String {
    if cores.is_empty() {
        return "none".to_owned();
    }
    cores.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")
}

fn shown<T: ToString>(value: Option<T>, unit: &str) -> String {
    value.map_or_else(|| "not known".to_owned(), |value| format!("{} {unit}", value.to_string()))
}

fn limit(value: Option<machine::Limit>, unit: &str) -> String {
    match value {
        None => "not known".to_owned(),
        Some(machine::Limit::Unlimited) => "unlimited".to_owned(),
        Some(machine::Limit::At(value)) => format!("{value} {unit}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_gets_a_report_in_both_forms() {
        let report = Report::new(Machine::look());
        let text = report.text();
        assert!(text.contains("kernel") && text.contains(report.choice.driver));
        let json = serde_json::to_value(&report).expect("serializes");
        assert_eq!(json["io_uring"]["available"], report.choice.driver == "io_uring");
        assert!(json["choice"]["shards"].as_u64() >= Some(1));
    }
}
