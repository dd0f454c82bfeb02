//! What the counters of one plan are called.

use crate::plan::Plan;

/// The label values of one epoch's counters, in the order of the plan's slots.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct PlanLabels {
    /// The plan's epoch.
    pub epoch: u64,
    /// By index of the stage in [`Plan::stages`].
    pub stages: Vec<StageLabel>,
    /// By [`crate::plan::RouteSlot`].
    pub routes: Vec<RouteLabel>,
    /// The names of the target groups, by [`crate::plan::GroupSlot`].
    pub groups: Vec<Box<str>>,
}

/// One stage of one API.
#[derive(Clone, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct StageLabel {
    /// The API's id.
    pub api_id: Box<str>,
    /// The stage's name.
    pub stage_name: Box<str>,
}

/// One route of one stage.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
pub struct RouteLabel {
    /// Index of its stage.
    pub stage: u32,
    /// The route key as written.
    pub key: Box<str>,
}

impl PlanLabels {
    /// The labels of `plan`. Runs on the side thread: it copies every route key.
    #[must_use]
    pub fn of(plan: &Plan) -> Self {
        let mut routes = vec![RouteLabel::default(); plan.route_slots_count as usize];
        for (stage, stage_plan) in (0_u32..).zip(&plan.stages) {
            for route in &stage_plan.routes {
                if let Some(label) = routes.get_mut(route.slot.0 as usize) {
                    *label = RouteLabel { stage, key: route.key.clone() };
                }
            }
        }
        let stages = plan.stages.iter().map(|stage| StageLabel {
            api_id: stage.api_id.clone(),
            stage_name: stage.stage_name.clone(),
        });
        Self {
            epoch: plan.epoch,
            stages: stages.collect(),
            routes,
            groups: plan.groups.iter().map(|group| group.name.as_str().into()).collect(),
        }
    }
}
