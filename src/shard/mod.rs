//! One core: its listeners, connections, timers, epoch adoption and drain.
//!
//! A shard is a thread with a runtime of its own. It waits for nobody: what the side thread and
//! other shards want of it comes by mail ([`crate::coord::ShardMessage`]).

mod accept;
mod boot;
mod housekeeping;
mod listeners;
mod mail;
#[cfg(test)]
mod panic_tests;
mod trial;

pub use boot::{ShardOptions, ShardParts, Shared, start};
pub use trial::try_request;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use crate::base::Nanos;
use crate::coord::{ShardGear, ShardView};
use crate::edge::Workers;
use crate::pipeline::{PlanSources, ShardPlan, ShardState};
use crate::plan::Plan;
use crate::rt::now;

use listeners::OpenListeners;

/// What the tasks of one shard share.
struct Shard {
    options: ShardOptions,
    shared: Arc<Shared>,
    state: Rc<ShardState>,
    workers: Rc<Workers>,
    listeners: RefCell<OpenListeners>,
    prepared: RefCell<Option<Prepared>>,
    /// How the shard sees its targets; filled anew each second.
    view: RefCell<ShardView>,
    /// The version of the target board that the groups have all lists of.
    targets_version: Cell<u64>,
    connections_count: Cell<u32>,
    /// Accept loops that have not ended: each may yet bring one connection.
    accepting_count: Cell<u32>,
    /// Set while draining: when to end what has not ended.
    drain_deadline: Cell<Option<Nanos>>,
    stops: Cell<bool>,
}

/// A plan that can be adopted without anything failing.
struct Prepared {
    plan: Arc<Plan>,
    gear: ShardGear,
}

impl Shard {
    /// How many connections the shard may have: its own bound, or the plan's.
    fn connections_max(&self) -> u32 {
        let of_plan = self.state.plan().plan.limits.connections_per_shard_max;
        self.options.connections_max.unwrap_or(of_plan)
    }

    /// Puts this shard's state behind a plan's slots.
    fn make_plan(&self, plan: Arc<Plan>) -> ShardPlan {
        let before = self.state.plan();
        let sources = PlanSources {
            recorder: &self.state.recorder,
            pools: &self.shared.pools,
            targets: &self.shared.targets,
            functions: &self.shared.functions,
            runtimes: &self.state.runtimes,
            shards_count: self.shared.shards_count(),
            now: now(),
            seed: self.state.next_random(),
        };
        ShardPlan::new(plan, Some(&before), &sources)
    }

    fn connection_opened(&self) {
        self.connections_count.set(self.connections_count.get() + 1);
        self.publish_count();
    }

    fn connection_closed(&self) {
        self.connections_count.set(self.connections_count.get().saturating_sub(1));
        self.publish_count();
        self.state.recorder.connection_closed();
    }

    fn publish_count(&self) {
        let index = usize::from(self.options.index);
        self.shared.connections.publish(index, self.connections_count.get());
    }
}
