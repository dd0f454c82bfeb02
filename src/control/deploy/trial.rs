//! A method of a REST API that is called before it is deployed, as a plan of its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::origins::Origins;
use super::stage::StageCompiler;
use super::{BootFacts, Deployments};
use crate::control::management::Invocation;
use crate::model::{ApiProtocol, EndpointAccessMode, EndpointType};
use crate::plan::{AddressedStage, Addresses, Plan};

/// What serves an invocation.
#[derive(Debug)]
pub(crate) struct InvocationPlan {
    pub(crate) plan: Plan,
    /// How its endpoint is reached: `http` or `https`.
    pub(crate) scheme: &'static str,
}

impl Deployments {
    /// Compiles what `invocation` calls; `base` is the plan of the boot file, which has the limits and
    /// the target groups of VPC links. Blocks. The error says what cannot be served.
    pub(crate) fn plan_of(
        &self,
        invocation: &Invocation,
        base: &Plan,
        boot: &BootFacts,
    ) -> Result<InvocationPlan, String> {
        let source = self.source.as_ref().ok_or("there is no store")?;
        let compiler = StageCompiler { store: &source.store, options: &source.options, boot };
        let stage = compiler.of_invocation(invocation)?;
        let addressed = AddressedStage {
            region: &invocation.region,
            api_id: &invocation.api_id,
            protocol: ApiProtocol::Rest,
            stage_name: &stage.plan.labels.stage_name,
            stage_index: 0,
            is_default_endpoint_disabled: false,
            endpoint_type: EndpointType::Regional,
            access_mode: EndpointAccessMode::Basic,
        };
        let (addresses, _) = Addresses::compile(&[addressed], &[]);
        let mut origins = Origins::default();
        let needed = stage.origins.iter().map(|origin| (&*invocation.region, origin));
        origins.follow(needed, Some(&source.store));
        let is_named = |name: &str| stage.plan.groups.iter().any(|group| **group == *name);
        let of_boot = base.groups.iter().filter(|group| is_named(&group.name)).cloned();
        let groups = of_boot.chain(origins.groups()).collect();
        let of_boot = base.tls.upstreams.iter().filter(|(name, _)| is_named(name));
        let of_boot = of_boot.map(|(name, tls)| (name.clone(), Arc::clone(tls)));
        let upstreams: BTreeMap<_, _> = of_boot.chain(origins.upstreams()).collect();
        let scheme = if upstreams.is_empty() { "http" } else { "https" };
        let plan = base.of_one_stage(stage.plan, addresses, groups, upstreams);
        Ok(InvocationPlan { plan, scheme })
    }
}
