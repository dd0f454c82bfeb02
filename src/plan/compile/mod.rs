//! Model to plan.
//!
//! Owns the order of slots and the keys of state; every problem is reported, each with the
//! indexes of the API, route or group that it concerns, so that `settings` can show the line.

mod mock;
mod template;

use std::collections::HashMap;

use super::key_text::route_key_text;
use super::{
    GroupSlot, HostProgram, HostTable, IntegrationPlan, PathProgram, Plan, Precedence, ProxyPlan,
    RedirectPlan, RoutePlan, RouteSlot, Router, StagePlan, ThrottlePlan, ThrottleSlot, TlsPlan,
};
use crate::base::ThrottleScope;
use crate::model::{Api, Integration, Limits, Model, ProxyIntegration, Route, RouteKey, Throttle};
use template::{location_template, path_template};

/// Why a model cannot be compiled: a sentence, with the places by name.
#[derive(Clone, Debug, Default, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct PlanError {
    /// A sentence without full stop, the APIs, routes or groups named.
    pub message: String,
    /// Index of the API in [`Model::apis`].
    pub api_index: Option<usize>,
    /// Index of the route in its API's stage.
    pub route_index: Option<usize>,
    /// Index of the group in [`Model::target_groups`].
    pub group_index: Option<usize>,
    /// Of a conflict, the place of the other side: the same kind of index as the most precise
    /// one above.
    pub other_index: Option<usize>,
}

/// Compiles `model` as epoch `epoch`. Reports every problem.
pub fn compile(model: &Model, epoch: u64) -> Result<Plan, Vec<PlanError>> {
    let mut compiler = Compiler::new(model);
    let hosts = compiler.hosts(&model.apis);
    let stages: Vec<_> =
        model.apis.iter().enumerate().map(|(index, api)| compiler.stage(index, api)).collect();
    if !compiler.errors.is_empty() {
        return Err(compiler.errors);
    }
    Ok(Plan {
        epoch,
        listeners: model.listeners.clone(),
        hosts,
        stages,
        throttles: compiler.throttles,
        groups: model.target_groups.clone(),
        limits: model.limits.clone(),
        forwarding: model.forwarding.clone(),
        access_log: model.access_log.clone(),
        route_slots_count: compiler.route_slots_count,
        tls: TlsPlan::default(),
    })
}

/// What is given out while the stages are compiled.
#[derive(Debug)]
struct Compiler<'model> {
    limits: &'model Limits,
    /// By name: the slot, and whether targets see the client's Host.
    groups: HashMap<&'model str, (GroupSlot, bool)>,
    throttles: Vec<ThrottlePlan>,
    account_throttle: Option<ThrottleSlot>,
    route_slots_count: u32,
    errors: Vec<PlanError>,
}

impl<'model> Compiler<'model> {
    fn new(model: &'model Model) -> Self {
        let mut compiler = Self {
            limits: &model.limits,
            groups: HashMap::new(),
            throttles: Vec::new(),
            account_throttle: None,
            route_slots_count: 0,
            errors: Vec::new(),
        };
        compiler.account_throttle = compiler.throttle("account".into(), model.account_throttle);
        compiler.groups(model);
        compiler.api_ids(&model.apis);
        compiler
    }

    fn groups(&mut self, model: &'model Model) {
        for (index, group) in model.target_groups.iter().enumerate() {
            let slot = GroupSlot(dense(index));
            let taken = self.groups.insert(&group.name, (slot, group.preserve_host));
            if let Some((first, _)) = taken {
                self.errors.push(PlanError {
                    message: format!("two target groups are named `{}`", group.name),
                    group_index: Some(index),
                    other_index: Some(first.0 as usize),
                    ..PlanError::default()
                });
            }
        }
    }

    /// State outlives a plan by its key, and keys hold the API's id.
    fn api_ids(&mut self, apis: &[Api]) {
        let mut seen = HashMap::new();
        for (index, api) in apis.iter().enumerate() {
            if let Some(first) = seen.insert(&api.id, index) {
                self.errors.push(PlanError {
                    message: format!("two APIs have the id `{}`", api.id),
                    api_index: Some(index),
                    other_index: Some(first),
                    ..PlanError::default()
                });
            }
        }
    }

    fn hosts(&mut self, apis: &[Api]) -> HostTable {
        HostTable::compile(apis).unwrap_or_else(|errors| {
            self.errors.extend(errors.into_iter().map(|error| PlanError {
                message: error.message,
                api_index: Some(error.api_index as usize),
                other_index: error.other_api_index.map(|index| index as usize),
                ..PlanError::default()
            }));
            HostTable::default()
        })
    }

    fn stage(&mut self, api_index: usize, api: &Api) -> StagePlan {
        let stage = &api.stage;
        let throttle = self.throttle(format!("stage:{}/{}", api.id, stage.name), stage.throttle);
        let routes = stage.routes.iter().enumerate();
        StagePlan {
            api_id: api.id.as_str().into(),
            api_name: api.name.as_str().into(),
            stage_name: stage.name.as_str().into(),
            router: self.router(api_index, api),
            routes: routes
                .filter_map(|(index, route)| self.route((api_index, index), api, route, throttle))
                .collect(),
        }
    }

    fn router(&mut self, api_index: usize, api: &Api) -> Router {
        let keys: Vec<_> = api.stage.routes.iter().map(|route| route.key.clone()).collect();
        Router::compile(&keys, Precedence::HttpApi).unwrap_or_else(|errors| {
            self.errors.extend(errors.into_iter().map(|error| PlanError {
                message: format!("API `{}`: {error}", api.id),
                api_index: Some(api_index),
                route_index: Some(error.route_index() as usize),
                other_index: error.other_route_index().map(|index| index as usize),
                ..PlanError::default()
            }));
            Router::default()
        })
    }

    /// `None` only where an error was noted, so indexes of routes stay those of the router.
    fn route(
        &mut self,
        (api_index, route_index): (usize, usize),
        api: &Api,
        route: &Route,
        stage_throttle: Option<ThrottleSlot>,
    ) -> Option<RoutePlan> {
        let key = route_key_text(&route.key);
        let bucket = format!("route:{}/{}/{key}", api.id, api.stage.name);
        let throttles = [
            (ThrottleScope::Route, self.throttle(bucket, route.throttle)),
            (ThrottleScope::Stage, stage_throttle),
            (ThrottleScope::Account, self.account_throttle),
        ];
        let slot = RouteSlot(self.route_slots_count);
        self.route_slots_count += 1;
        let integration = self.integration(route).map_err(|reason| {
            self.errors.push(PlanError {
                message: format!("API `{}`, route `{key}`: {reason}", api.id),
                api_index: Some(api_index),
                route_index: Some(route_index),
                ..PlanError::default()
            });
        });
        Some(RoutePlan {
            slot,
            integration: integration.ok()?,
            throttles: throttles
                .into_iter()
                .filter_map(|(scope, slot)| Some((scope, slot?)))
                .collect(),
            body_bytes_max: route.body_bytes_max.unwrap_or(self.limits.body_bytes_max),
            key: key.into(),
        })
    }

    fn throttle(&mut self, key: String, throttle: Option<Throttle>) -> Option<ThrottleSlot> {
        let Throttle { rate_per_second, burst_count } = throttle?;
        let slot = ThrottleSlot(dense(self.throttles.len()));
        self.throttles.push(ThrottlePlan { key: key.into(), rate_per_second, burst_count });
        Some(slot)
    }

    fn integration(&self, route: &Route) -> Result<IntegrationPlan, String> {
        Ok(match &route.integration {
            Integration::Proxy(proxy) => IntegrationPlan::Proxy(self.proxy(&route.key, proxy)?),
            Integration::Mock(mock) => IntegrationPlan::Mock(mock::compile(mock)?),
            Integration::Redirect(redirect) => IntegrationPlan::Redirect(RedirectPlan {
                status: redirect.status,
                location: location_template(&redirect.location, &route.key)?,
            }),
        })
    }

    fn proxy(&self, key: &RouteKey, proxy: &ProxyIntegration) -> Result<ProxyPlan, String> {
        let (group, preserves_host) = *self
            .groups
            .get(proxy.group.as_str())
            .ok_or_else(|| format!("there is no target group `{}`", proxy.group))?;
        let path = match &proxy.path {
            None => PathProgram::AsReceived,
            Some(text) => PathProgram::Template(path_template(text, key)?),
        };
        let host = match &proxy.host {
            Some(host) => HostProgram::Fixed(host.as_bytes().into()),
            None if preserves_host => HostProgram::AsReceived,
            None => HostProgram::Target,
        };
        Ok(ProxyPlan { group, path, host, timeout_ms: proxy.timeout_ms })
    }
}

fn dense(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 slots")
}

#[cfg(test)]
mod tests;
