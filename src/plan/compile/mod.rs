//! Model to plan.
//!
//! Owns the order of slots and the keys of state; every problem is reported, each with the
//! indexes of the API, route or group that it concerns, so that `settings` can show the line.

mod mock;
mod template;

use std::collections::HashMap;
use std::sync::Arc;

use super::key_text::route_key_text;
use super::{
    GroupSlot, HostProgram, HostTable, IntegrationPlan, PathProgram, Plan, Precedence, ProxyPlan,
    RedirectPlan, RoutePlan, Router, StageLabels, StagePlan, ThrottlePlan, ThrottleSlot, TlsPlan,
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
    let account = model.account_throttle;
    Ok(Plan {
        epoch,
        listeners: model.listeners.clone(),
        addresses: None,
        hosts: Arc::new(hosts),
        canaries: Vec::new(),
        stages: stages.into_iter().map(Arc::new).collect(),
        account_throttle: account.map(|throttle| throttle_plan("account".into(), throttle)),
        groups: model.target_groups.iter().cloned().map(Arc::new).collect(),
        limits: model.limits.clone(),
        forwarding: model.forwarding.clone(),
        access_log: model.access_log.clone(),
        tls: TlsPlan::default(),
    })
}

/// What is known while the stages are compiled.
#[derive(Debug)]
struct Compiler<'model> {
    limits: &'model Limits,
    /// By name: the index, and whether targets see the client's Host.
    groups: HashMap<&'model str, (usize, bool)>,
    errors: Vec<PlanError>,
}

/// What the routes of one stage name by slot.
#[derive(Debug, Default)]
struct Slots {
    throttles: Vec<ThrottlePlan>,
    groups: Vec<Box<str>>,
}

impl<'model> Compiler<'model> {
    fn new(model: &'model Model) -> Self {
        let mut compiler =
            Self { limits: &model.limits, groups: HashMap::new(), errors: Vec::new() };
        compiler.groups(model);
        compiler.api_ids(&model.apis);
        compiler
    }

    fn groups(&mut self, model: &'model Model) {
        for (index, group) in model.target_groups.iter().enumerate() {
            let taken = self.groups.insert(&group.name, (index, group.preserve_host));
            if let Some((first, _)) = taken {
                self.errors.push(PlanError {
                    message: format!("two target groups are named `{}`", group.name),
                    group_index: Some(index),
                    other_index: Some(first),
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
        let router = self.router(api_index, api);
        let mut slots = Slots::default();
        let throttle = slots.throttle(format!("stage:{}/{}", api.id, stage.name), stage.throttle);
        let keys: Vec<_> = stage.routes.iter().map(|route| route_key_text(&route.key)).collect();
        let routes: Vec<_> = keys
            .iter()
            .enumerate()
            .filter_map(|(index, key)| {
                self.route((api_index, index), (api, key), throttle, &mut slots)
            })
            .collect();
        StagePlan {
            labels: Arc::new(StageLabels {
                api_id: api.id.as_str().into(),
                api_name: api.name.as_str().into(),
                stage_name: stage.name.as_str().into(),
                route_keys: keys.into_iter().map(Into::into).collect(),
            }),
            router,
            routes,
            throttles: slots.throttles,
            groups: slots.groups,
            functions: Vec::new(),
            deployed: None,
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
        (api, key): (&Api, &str),
        stage_throttle: Option<ThrottleSlot>,
        slots: &mut Slots,
    ) -> Option<RoutePlan> {
        let route = api.stage.routes.get(route_index)?;
        let bucket = format!("route:{}/{}/{key}", api.id, api.stage.name);
        let throttles = [
            (ThrottleScope::Route, slots.throttle(bucket, route.throttle)),
            (ThrottleScope::Stage, stage_throttle),
        ];
        let integration = self.integration(route, slots).map_err(|reason| {
            self.errors.push(PlanError {
                message: format!("API `{}`, route `{key}`: {reason}", api.id),
                api_index: Some(api_index),
                route_index: Some(route_index),
                ..PlanError::default()
            });
        });
        Some(RoutePlan {
            integration: integration.ok()?,
            throttles: throttles
                .into_iter()
                .filter_map(|(scope, slot)| Some((scope, slot?)))
                .collect(),
            body_bytes_max: route.body_bytes_max.unwrap_or(self.limits.body_bytes_max),
        })
    }

    fn integration(&self, route: &Route, slots: &mut Slots) -> Result<IntegrationPlan, String> {
        Ok(match &route.integration {
            Integration::Proxy(proxy) => {
                IntegrationPlan::Proxy(self.proxy(&route.key, proxy, slots)?)
            }
            Integration::Mock(mock) => IntegrationPlan::Mock(mock::compile(mock)?),
            Integration::Redirect(redirect) => IntegrationPlan::Redirect(RedirectPlan {
                status: redirect.status,
                location: location_template(&redirect.location, &route.key)?,
            }),
        })
    }

    fn proxy(
        &self,
        key: &RouteKey,
        proxy: &ProxyIntegration,
        slots: &mut Slots,
    ) -> Result<ProxyPlan, String> {
        let (_, preserves_host) = *self
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
        Ok(ProxyPlan { group: slots.group(&proxy.group), path, host, timeout_ms: proxy.timeout_ms })
    }
}

impl Slots {
    fn throttle(&mut self, key: String, throttle: Option<Throttle>) -> Option<ThrottleSlot> {
        let slot = ThrottleSlot(dense(self.throttles.len()));
        self.throttles.push(throttle_plan(key, throttle?));
        Some(slot)
    }

    fn group(&mut self, name: &str) -> GroupSlot {
        let known = self.groups.iter().position(|one| **one == *name);
        GroupSlot(dense(known.unwrap_or_else(|| {
            self.groups.push(name.into());
            self.groups.len() - 1
        })))
    }
}

fn throttle_plan(key: String, throttle: Throttle) -> ThrottlePlan {
    let Throttle { rate_per_second, burst_count } = throttle;
    ThrottlePlan { key: key.into(), rate_per_second, burst_count }
}

fn dense(index: usize) -> u32 {
    u32::try_from(index).expect("fewer than 2^32 slots")
}

#[cfg(test)]
mod tests;
