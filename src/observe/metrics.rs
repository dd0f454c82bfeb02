//! The process's metrics, as the side thread holds them: prepares the counters of a new plan,
//! and reads all shards at a scrape.
//!
//! The shards never wait for it. A plan's counters are made here before the plan is published;
//! a shard that adopts the plan takes one `Arc`. Old epochs' counters are let go here too, so
//! that no shard spends its time on freeing the counters of 100,000 routes.

use std::sync::Arc;

use super::labels::PlanLabels;
use super::shard_metrics::ShardMetrics;
use super::tables::{Inheritance, ShardTables};
use crate::plan::Plan;

/// All shards' metrics, owned by the side thread.
#[derive(Debug)]
pub struct Metrics {
    shards: Vec<Arc<ShardMetrics>>,
    /// The newest last.
    generations: Vec<Generation>,
}

#[derive(Debug)]
pub(super) struct Generation {
    pub(super) labels: PlanLabels,
    /// By shard.
    pub(super) tables: Vec<Arc<ShardTables>>,
}

impl Generation {
    /// Whether a shard still has it prepared, adopted, or a request that began in it.
    fn is_in_use(&self) -> bool {
        self.tables.iter().any(|tables| Arc::strong_count(tables) > 1)
    }
}

impl Metrics {
    /// Metrics of `shards_count` shards, without a plan.
    #[must_use]
    pub fn new(shards_count: u16) -> Self {
        let shards = (0..shards_count).map(|index| Arc::new(ShardMetrics::new(index))).collect();
        Self { shards, generations: Vec::new() }
    }

    /// The metrics of one shard, to be handed to its thread.
    #[must_use]
    pub fn shard(&self, index: u16) -> Option<Arc<ShardMetrics>> {
        self.shards.get(usize::from(index)).cloned()
    }

    /// Makes the counters of `plan`, before it is published. Counters whose API, stage and route
    /// key (or target group) are in an epoch that is still in use keep their values. A plan that
    /// is prepared and then not published does no harm.
    pub fn prepare(&mut self, plan: &Plan) {
        self.prepare_labels(PlanLabels::of(plan));
    }

    /// [`Metrics::prepare`] for labels that were made otherwise.
    pub fn prepare_labels(&mut self, labels: PlanLabels) {
        let tables = {
            let earlier: Vec<_> = self.generations.iter().rev().collect();
            let earlier_labels: Vec<_> = earlier.iter().map(|one| &one.labels).collect();
            let inheritance = Inheritance::find(&labels, &earlier_labels);
            let shards = 0..self.shards.len();
            let inherit = |shard: usize| {
                let old: Vec<_> = earlier.iter().map(|one| &*one.tables[shard]).collect();
                Arc::new(ShardTables::inherit(labels.epoch, &inheritance, &old))
            };
            shards.map(inherit).collect::<Vec<_>>()
        };
        for (shard, tables) in self.shards.iter().zip(&tables) {
            shard.set_prepared(Arc::clone(tables));
        }
        self.generations.push(Generation { labels, tables });
        self.drop_unused();
    }

    /// Frees the counters of epochs that no shard uses any more. Called by
    /// [`Metrics::prepare`]; worth calling at scrapes too.
    pub fn drop_unused(&mut self) {
        self.generations.retain(Generation::is_in_use);
    }

    pub(super) fn shards(&self) -> &[Arc<ShardMetrics>] {
        &self.shards
    }

    /// The newest generation that a shard has adopted, or else the newest.
    pub(super) fn current(&self) -> Option<&Generation> {
        let adopted = self.shards.iter().map(|shard| shard.counters.epoch.get()).max()?;
        let mut newest_first = self.generations.iter().rev();
        newest_first.find(|one| one.labels.epoch == adopted).or(self.generations.last())
    }
}
