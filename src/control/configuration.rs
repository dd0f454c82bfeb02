//! What the process runs on, in the terms of this layer: whoever reads the boot file makes one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;

use super::management::ManagementOptions;
use super::tls::TlsPart;
use crate::model::{ListenerAddress, Model, Tls};
use crate::plan::PlanError;
use crate::rt::{DriverChoice, RingOptions};
use crate::tls::TlsProblem;

/// A configuration without mistakes.
#[derive(Clone, Debug)]
pub struct Configuration {
    /// What a plan is compiled from. At the end of its domains are those that were made through the
    /// management API.
    pub model: Model,
    /// How many of the model's domains these are; none in what was just read.
    pub deployed_domains_count: usize,
    /// One entry per shard, at least one. Read at the start of the process only.
    pub shards: Vec<ShardPlace>,
    /// The I/O driver asked for. Read at the start of the process only.
    pub driver: DriverChoice,
    /// The ring to probe the driver with. Read at the start of the process only.
    pub ring: RingOptions,
    /// Where the admin listener is, if there is one. Read at the start of the process only.
    pub admin: Option<ListenerAddress>,
    /// The management API, if it is served. Read at the start of the process only, but for what it
    /// binds (`Deployments::rebind`).
    pub management: Option<ManagementOptions>,
    /// How long requests may take to end when the process is told to end.
    pub drain_timeout: Duration,
    /// The boot file, if it is read again when it changes. Read at the start of the process only.
    pub watch: Option<PathBuf>,
    /// Holds the process id while the process serves. Read at the start of the process only.
    pub pid_file: Option<PathBuf>,
    /// Least severe level of the process log.
    pub log_level: &'static str,
    /// Draws what keeps the model from becoming a plan.
    pub explain: ExplainMistakes,
    /// The settings of the process, as the admin listener shows them. A difference in one of them
    /// between two configurations is told to the operator: it needs a new start.
    pub process: Json,
}

/// What keeps a model from becoming a plan.
#[derive(Debug)]
pub enum PlanMistakes {
    /// What the plan compiler found.
    Conflicts(Vec<PlanError>),
    /// Files of TLS that cannot be loaded.
    Tls(Vec<(TlsPart, TlsProblem)>),
}

/// Says what mistakes mean in the file that the model was read from.
#[derive(Clone)]
pub struct ExplainMistakes(pub Arc<dyn Fn(PlanMistakes) -> String + Send + Sync>);

impl fmt::Debug for ExplainMistakes {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("ExplainMistakes")
    }
}

/// Where one shard runs.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct ShardPlace {
    /// The core that it is pinned to, if any.
    pub core: Option<u16>,
    /// Names of the listeners that it serves; `None` for all.
    pub listeners: Option<Vec<String>>,
}

impl Configuration {
    /// What the boot file asks of TLS, without the domains that were made through the management API.
    pub(crate) fn boot_tls(&self) -> Tls {
        let mut tls = self.model.tls.clone();
        tls.domains.truncate(tls.domains.len().saturating_sub(self.deployed_domains_count));
        tls
    }

    /// The names of process settings that `other` has otherwise, by their keys in the boot file.
    pub(crate) fn settings_that_need_a_start(&self, other: &Self) -> Vec<String> {
        let mut changed = Vec::new();
        compare("", &self.process, &other.process, &mut changed);
        changed
    }
}

fn compare(path: &str, ours: &Json, theirs: &Json, changed: &mut Vec<String>) {
    match (ours, theirs) {
        (Json::Object(ours), Json::Object(theirs)) => {
            let more = theirs.keys().filter(|key| !ours.contains_key(*key));
            for key in ours.keys().chain(more) {
                let child = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                let value = |object: &serde_json::Map<String, Json>| {
                    object.get(key).cloned().unwrap_or(Json::Null)
                };
                compare(&child, &value(ours), &value(theirs), changed);
            }
        }
        _ if ours == theirs => {}
        _ => changed.push(path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn differences_are_named_by_their_keys() {
        let ours = json!({"process": {"shards": 2, "watch": true, "core": [1]}, "admin": null});
        let theirs = json!({"process": {"shards": 2, "watch": false, "core": [2], "new": 1}});
        let mut changed = Vec::new();
        compare("", &ours, &theirs, &mut changed);
        assert_eq!(changed, ["process.watch", "process.core", "process.new"]);
    }
}
