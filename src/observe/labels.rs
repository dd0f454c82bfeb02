//! What the counters of one plan are called.

use std::sync::Arc;

use crate::plan::{Plan, StageLabels};

/// The label values of one epoch's counters, in the order of the plan.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PlanLabels {
    /// The plan's epoch.
    pub epoch: u64,
    /// By index of the stage in [`Plan::stages`].
    pub stages: Vec<Arc<StageLabels>>,
    /// The names of the target groups, by index in [`Plan::groups`].
    pub groups: Vec<Box<str>>,
}

impl PlanLabels {
    /// The labels of `plan`. A stage that goes on from an earlier epoch brings the labels that it
    /// had there.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        Self {
            epoch: plan.epoch,
            stages: plan.stages.iter().map(|stage| Arc::clone(&stage.labels)).collect(),
            groups: plan.groups.iter().map(|group| group.name.as_str().into()).collect(),
        }
    }
}
