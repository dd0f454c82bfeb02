//! Where targets are and how they do, for the plan in force: names are resolved, targets checked.
//! Shards find what changes on the board.

use std::collections::BTreeMap;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::{HealthChecks, HickoryResolver, TargetWatch};
use crate::coord::{Publisher, TargetBoard};
use crate::model::TargetGroup;
use crate::tls::UpstreamTls;

/// The watch over all target groups.
pub(crate) struct Targets {
    board: Arc<TargetBoard>,
    names: TargetWatch<HickoryResolver>,
    checks: Arc<HealthChecks>,
    /// Set once there are shards to tell of verdicts; until then the board says it all.
    shards: Arc<OnceLock<Arc<Publisher>>>,
}

impl Targets {
    /// Watches nothing yet.
    pub(crate) fn new() -> Self {
        let board = Arc::new(TargetBoard::new());
        let shards: Arc<OnceLock<Arc<Publisher>>> = Arc::default();
        let to_shards = Arc::clone(&shards);
        let seed = RandomState::new().build_hasher().finish();
        let checks = HealthChecks::new(Arc::clone(&board), seed, move |change| {
            if let Some(shards) = to_shards.get() {
                // Those that miss it see it in the cell.
                let _ = shards.send_health(&change);
            }
        });
        let checks = Arc::new(checks);
        let to_checks = Arc::clone(&checks);
        let names =
            TargetWatch::new(HickoryResolver::system(), Arc::clone(&board), move |targets| {
                to_checks.on_targets(&targets);
            });
        Self { board, names, checks, shards }
    }

    /// Where shards find targets.
    pub(crate) fn board(&self) -> &Arc<TargetBoard> {
        &self.board
    }

    /// From now on `shards` are told of verdicts.
    pub(crate) fn tell(&self, shards: &Arc<Publisher>) {
        // Set once, at the start of the process.
        let _ = self.shards.set(Arc::clone(shards));
    }

    /// Watches `groups`, which are reached over TLS by `tls`, and no others. To be called before the
    /// plan with these groups is published, so that shards that adopt it find its targets; waits
    /// `patience` at most for names that were not looked up before.
    pub(crate) async fn watch(
        &mut self,
        groups: &[Arc<TargetGroup>],
        tls: &BTreeMap<String, Arc<UpstreamTls>>,
        patience: Duration,
    ) {
        for unresolved in self.names.watch(groups, patience).await {
            tracing::warn!(
                group = unresolved.group,
                host = unresolved.host,
                "a name has no address"
            );
        }
        self.checks.watch(groups, tls);
    }
}
