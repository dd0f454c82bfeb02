//! What the routes of one stage name by slot.

use crate::base::ThrottleScope;
use crate::model::{RouteKey, Segment, Throttle};
use crate::plan::deployed::Origin;
use crate::plan::{FunctionSlot, GroupSlot, ThrottlePlan, ThrottleSlot};

/// Given out while a stage is compiled.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pub(super) throttles: Vec<ThrottlePlan>,
    pub(super) groups: Vec<Box<str>>,
    pub(super) functions: Vec<Box<str>>,
    pub(super) origins: Vec<Origin>,
}

impl Slots {
    /// The buckets of a route with its own limit, if it has one.
    pub(super) fn throttles(
        &mut self,
        key: String,
        throttle: Option<Throttle>,
    ) -> Vec<(ThrottleScope, ThrottleSlot)> {
        let Some(Throttle { rate_per_second, burst_count }) = throttle else { return Vec::new() };
        let slot = ThrottleSlot(dense(self.throttles.len()));
        self.throttles.push(ThrottlePlan { key: key.into(), rate_per_second, burst_count });
        vec![(ThrottleScope::Route, slot)]
    }

    /// The group of this name.
    pub(super) fn group(&mut self, name: &str) -> GroupSlot {
        GroupSlot(slot_of(name, &mut self.groups))
    }

    /// The function of this machine of this name.
    pub(super) fn function(&mut self, name: &str) -> FunctionSlot {
        FunctionSlot(slot_of(name, &mut self.functions))
    }

    /// The group of an endpoint.
    pub(super) fn origin(&mut self, origin: Origin) -> GroupSlot {
        let slot = self.group(&origin.name());
        if !self.origins.contains(&origin) {
            self.origins.push(origin);
        }
        slot
    }
}

/// Where `name` stands among `names`, from now on if not before.
fn slot_of(name: &str, names: &mut Vec<Box<str>>) -> u32 {
    let known = names.iter().position(|one| **one == *name);
    dense(known.unwrap_or_else(|| {
        names.push(name.into());
        names.len() - 1
    }))
}

/// The names of the parameters of a route's path, in their order.
pub(super) fn parameter_names(key: &RouteKey) -> Box<[Box<str>]> {
    let RouteKey::Path { path, .. } = key else { return Box::default() };
    let name = |segment: &Segment| match segment {
        Segment::Static(_) => None,
        Segment::Parameter(name) | Segment::Greedy(name) => Some(name.as_str().into()),
    };
    path.segments.iter().filter_map(name).collect()
}

/// The name of a route's greedy parameter.
pub(super) fn greedy_name(key: &RouteKey) -> Option<&str> {
    let RouteKey::Path { path, .. } = key else { return None };
    match path.segments.last() {
        Some(Segment::Greedy(name)) => Some(name),
        _ => None,
    }
}

fn dense(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 slots")
}
