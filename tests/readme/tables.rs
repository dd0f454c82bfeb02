//! The tables that are made from the program.

use std::fmt::Write as _;
use std::fs;

use shardgate::base::{Blame, Fault, ThrottleScope};
use shardgate::observe::access_log::AccessLogCounts;
use shardgate::observe::{
    Metrics, PlanLabels, ProcessInfo, ProcessUsage, RenderOptions, fault_text,
    gateway_response_type,
};
use shardgate::pipeline::fault_message;

use super::pages::{page, repository};

#[test]
fn errors_are_as_in_the_program() {
    check("docs/errors.md", "errors", &errors_table());
}

#[test]
fn metrics_are_as_in_the_program() {
    check("docs/observability.md", "metrics", &metrics_table());
}

#[test]
fn security_policies_are_as_in_the_program() {
    check("docs/tls.md", "security policies", &shardgate::tls::policy_table());
}

/// Compares what stands in the page between the marks with `table`, or puts it there.
fn check(name: &str, mark: &str, table: &str) {
    let text = page(name).text;
    let begin = format!("--test readme`: {mark} -->\n");
    let start = text.find(&begin).unwrap_or_else(|| panic!("{name} has no mark for {mark}"));
    let start = start + begin.len();
    let length = text[start..].find("<!-- end -->").expect("the mark has an end");
    if std::env::var_os("SHARDGATE_BLESS").is_some() {
        let text = format!("{}\n{table}\n{}", &text[..start], &text[start + length..]);
        fs::write(repository().join(name), text).expect("docs/ can be written");
        return;
    }
    let is_same = text[start..start + length].trim() == table.trim();
    assert!(is_same, "{name} is out of date: SHARDGATE_BLESS=1 cargo test --test readme");
}

fn errors_table() -> String {
    let throttled = [
        ThrottleScope::Route,
        ThrottleScope::Stage,
        ThrottleScope::Account,
        ThrottleScope::Connection,
    ]
    .map(|scope| Fault::Throttled { scope, retry_after_ms: 1 });
    let mut table = "| cause | status | message | when | who must act | connection |\n\
                     | --- | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for fault in Fault::PLAIN.iter().chain(&throttled) {
        let blame = match fault.blame() {
            Blame::Client => "client",
            Blame::Gateway => "gateway",
            Blame::Upstream => "upstream",
        };
        let is_silent = matches!(fault, Fault::BadProxyHeader | Fault::ClientGone);
        let message = if is_silent {
            "nothing is sent".into()
        } else {
            format!("`{}`", fault_message(*fault))
        };
        let closes = if fault.closes_connection() { "closes" } else { "stays open" };
        let (cause, status, when) = (fault.cause(), fault.status(), fault_text(*fault));
        let _ =
            writeln!(table, "| `{cause}` | {status} | {message} | {when} | {blame} | {closes} |");
    }
    table.push_str(
        "\nThe gateway response types of AWS, as `$context.error.responseType` has them: ",
    );
    let mut types: Vec<_> =
        Fault::PLAIN.iter().chain(&throttled).copied().map(gateway_response_type).collect();
    types.sort_unstable();
    types.dedup();
    let types: Vec<_> = types.iter().map(|one| format!("`{one}`")).collect();
    let _ = writeln!(table, "{}.", types.join(", "));
    table
}

/// Every family, whatever of them the process has samples of.
pub(crate) fn metrics_text() -> String {
    let mut metrics = Metrics::new(1);
    let labels = PlanLabels { epoch: 1, ..PlanLabels::default() };
    metrics.prepare_labels(labels);
    let _ = metrics.shard(0).expect("one shard").recorder().adopt(1);
    let process = ProcessInfo {
        access_log: Some(AccessLogCounts::default()),
        usage: ProcessUsage::read(),
        ..ProcessInfo::default()
    };
    let mut text = String::new();
    metrics.render_prometheus(&process, RenderOptions { with_routes: true }, &mut text);
    text
}

fn metrics_table() -> String {
    let text = metrics_text();
    let mut table = "| metric | type | |\n| --- | --- | --- |\n".to_owned();
    let mut help = "";
    for line in text.lines() {
        if let Some(line) = line.strip_prefix("# HELP ") {
            help = line.split_once(' ').map_or("", |(_, help)| help);
        } else if let Some((name, kind)) =
            line.strip_prefix("# TYPE ").and_then(|line| line.split_once(' '))
        {
            let _ = writeln!(table, "| `{name}` | {kind} | {help} |");
        }
    }
    table
}
