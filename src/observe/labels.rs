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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Api, Integration, MockIntegration, Model, Route, RouteKey, Stage};

    fn api(id: &str, host: &str, keys: &[&str]) -> Api {
        let mock = MockIntegration { status: 200, headers: Vec::new(), body: Vec::new() };
        let route = |key: &&str| Route {
            key: RouteKey::parse(key).expect("a route key"),
            integration: Integration::Mock(mock.clone()),
            throttle: None,
            body_bytes_max: None,
        };
        Api {
            id: id.into(),
            name: id.into(),
            hosts: vec![host.into()],
            base_path: String::new(),
            stage: Stage {
                name: "$default".into(),
                throttle: None,
                routes: keys.iter().map(route).collect(),
            },
        }
    }

    #[test]
    fn each_slot_of_a_plan_is_called_by_its_stage_and_key() {
        let model = Model {
            apis: vec![
                api("pets", "pets.example.com", &["GET /pets", "$default"]),
                api("shop", "shop.example.com", &["GET /pets"]),
            ],
            ..Model::default()
        };
        let plan = crate::plan::compile(&model, 7).expect("a plan");
        let labels = PlanLabels::of(&plan);
        assert_eq!((labels.epoch, labels.routes.len()), (7, 3));
        for (stage, stage_plan) in plan.stages.iter().enumerate() {
            assert_eq!(labels.stages[stage].api_id, stage_plan.api_id);
            assert_eq!(&*labels.stages[stage].stage_name, "$default");
            for route in &stage_plan.routes {
                let label = &labels.routes[route.slot.0 as usize];
                assert_eq!((label.stage as usize, &label.key), (stage, &route.key));
            }
        }
    }
}
