//! The table of security policies as the documentation shows it.

use std::fmt::Write as _;

use super::policy::{SecurityPolicy, Suite, TlsVersion};

/// Every policy in Markdown: what is negotiated under it, and what AWS has that is not.
#[must_use]
pub fn policy_table() -> String {
    let mut table = "| security policy | versions | suites | key exchange | AWS has besides |\n\
                     | --- | --- | --- | --- | --- |\n"
        .to_owned();
    for policy in SecurityPolicy::ALL {
        let versions = match policy.version_min {
            TlsVersion::Tls12 => "1.2, 1.3",
            TlsVersion::Tls13 => "1.3",
        };
        let groups: Vec<_> = policy.groups.iter().map(|group| group.name()).collect();
        let missing = shown(policy.missing_suites());
        let missing = if missing.is_empty() { "nothing" } else { &missing };
        let _ = writeln!(
            table,
            "| `{}` | {versions} | {} | {} | {missing} |",
            policy.name,
            shown(policy.offered_suites()),
            groups.join(", "),
        );
    }
    table
}

fn shown(suites: impl Iterator<Item = Suite>) -> String {
    let names: Vec<_> = suites.map(Suite::name).collect();
    names.join(", ")
}
