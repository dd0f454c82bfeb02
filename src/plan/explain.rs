//! Says which API, stage and route a request goes to, for the `routes` command.

use std::fmt;

use super::{Explanation, HostMatch, IntegrationPlan, Plan, StagePlan};
use crate::base::Method;
use crate::proto::uri::{PathForm, normalise_path};

/// Where a request goes, step by step.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct PlanExplanation {
    /// The request's host.
    pub host: String,
    /// The configured host that takes it.
    pub host_pattern: Option<String>,
    /// What the path is looked up as.
    pub lookup: PathLookup,
    /// The stage, where there is one for the path.
    pub stage: Option<StageExplanation>,
}

/// What the gateway makes of a path before it looks for a route (`proto::uri::normalise_path`).
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum PathLookup {
    /// The path is normal as it is.
    AsReceived,
    /// It is looked up, and forwarded, as this.
    Rewritten(String),
    /// It means different things to different readers: 400.
    Refused,
}

/// What a stage does with a request.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StageExplanation {
    /// Index in [`Plan::stages`].
    pub stage_index: u32,
    /// The API's id.
    pub api_id: String,
    /// The stage's name.
    pub stage_name: String,
    /// The part of the path that is base path and stage name.
    pub prefix: String,
    /// Which route takes the rest.
    pub route: Explanation,
    /// What answers, in a few words.
    pub integration: Option<String>,
}

impl Plan {
    /// Where a request goes and why. `host` may have a port; `path` has no query.
    #[must_use]
    pub fn explain(&self, host: &[u8], method: Method, path: &[u8]) -> PlanExplanation {
        let mut normal_path = Vec::new();
        let (path, lookup) = match normalise_path(path, &mut normal_path) {
            PathForm::AsReceived => (path, PathLookup::AsReceived),
            PathForm::Rewritten => {
                let text = normal_path.escape_ascii().to_string();
                (&*normal_path, PathLookup::Rewritten(text))
            }
            PathForm::Refused => (path, PathLookup::Refused),
        };
        let stage = match self.hosts.find(host, path) {
            HostMatch::Found { stage_index, prefix_bytes } if lookup != PathLookup::Refused => {
                let (prefix, rest) = path.split_at_checked(prefix_bytes.into()).unwrap_or_default();
                self.explain_stage(stage_index, method, prefix, rest)
            }
            HostMatch::Found { .. } | HostMatch::NoHost | HostMatch::NoPath => None,
        };
        PlanExplanation {
            host: host.escape_ascii().to_string(),
            host_pattern: self.hosts.pattern(host),
            lookup,
            stage,
        }
    }

    fn explain_stage(
        &self,
        stage_index: u32,
        method: Method,
        prefix: &[u8],
        rest: &[u8],
    ) -> Option<StageExplanation> {
        let stage = self.stages.get(stage_index as usize)?;
        let rest = if rest.is_empty() { b"/" } else { rest };
        let route = stage.router.explain(method, rest);
        let taken = route.route.and_then(|index| stage.routes.get(index as usize));
        Some(StageExplanation {
            stage_index,
            api_id: stage.labels.api_id.as_ref().into(),
            stage_name: stage.labels.stage_name.as_ref().into(),
            prefix: prefix.escape_ascii().to_string(),
            integration: taken.map(|taken| stage.integration_text(&taken.integration)),
            route,
        })
    }
}

impl StagePlan {
    /// What answers, in a few words.
    #[must_use]
    pub fn integration_text(&self, integration: &IntegrationPlan) -> String {
        match integration {
            IntegrationPlan::Proxy(proxy) => {
                let group = self.groups.get(proxy.group.0 as usize);
                format!("target group `{}`", group.map_or("?", |group| group))
            }
            IntegrationPlan::Mock(mock) => format!("a fixed answer, status {}", mock.status),
            IntegrationPlan::Redirect(redirect) => {
                format!("a redirect, status {}", redirect.status)
            }
            IntegrationPlan::Method(_) => "a method of a REST API".into(),
            IntegrationPlan::HttpRoute(_) => "a route of an HTTP API".into(),
        }
    }
}

impl fmt::Display for PlanExplanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.lookup {
            PathLookup::AsReceived => {}
            PathLookup::Rewritten(path) => writeln!(out, "the path is taken as `{path}`")?,
            PathLookup::Refused => {
                return writeln!(
                    out,
                    "the path means different things to different readers: 400 Bad Request"
                );
            }
        }
        match &self.host_pattern {
            None => {
                return writeln!(
                    out,
                    "no API answers to host `{}`: 421 Misdirected Request",
                    self.host
                );
            }
            Some(pattern) => writeln!(out, "host `{}` is taken by `{pattern}`", self.host)?,
        }
        match &self.stage {
            None => {
                writeln!(out, "no base path and stage of this host fit the path: 404 Not Found")
            }
            Some(stage) => stage.fmt(out),
        }
    }
}

impl fmt::Display for StageExplanation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "API `{}`, stage `{}`", self.api_id, self.stage_name)?;
        match self.prefix.as_str() {
            "" => writeln!(out)?,
            prefix => writeln!(out, "; `{prefix}` is stripped")?,
        }
        self.route.fmt(out)?;
        match &self.integration {
            Some(integration) => writeln!(out, "answered by {integration}"),
            None => Ok(()),
        }
    }
}
