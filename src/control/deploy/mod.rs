//! What is deployed through the management API, as plans have it.
//!
//! Owns what was compiled of every stage and is still the same: a change compiles its own stage and
//! makes the table of addresses anew, and all else goes on. Knows nothing of shards: `reload` takes
//! [`Deployments::plans`] into the next epoch. The rule that a newcomer would break: nothing that is
//! stored may keep the gateway from starting or another stage from being served, so whatever is
//! wrong is told and left out.

mod origins;
mod stage;
mod trial;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use self::origins::Origins;
use self::stage::{Stage, StageCompiler};
pub(crate) use self::trial::InvocationPlan;
use super::deployed_domains::{LastCertificates, deployed_domains};
use super::management::{
    Change, DeployedStore, DomainChange, ManagementOptions, StageChange, StoredDomain,
};
use crate::model::{DeployedDomain, Domain, Limits, Model, Tls};
use crate::plan::deployed::CanarySplit;
use crate::plan::{AddressedStage, Addresses, DeployedPlans};
use crate::tls::Clock;

/// Everything that is deployed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Deployments {
    source: Option<Source>,
    stages: BTreeMap<StageChange, Stage>,
    domains: BTreeMap<DomainChange, StoredDomain>,
    /// Where domains lead.
    addresses: Vec<DeployedDomain>,
    /// How TLS serves them.
    tls: Vec<Domain>,
    certificates: LastCertificates,
    origins: Origins,
    plans: DeployedPlans,
}

/// Where it all comes from.
#[derive(Clone, Debug)]
struct Source {
    store: DeployedStore,
    options: ManagementOptions,
}

/// What of the boot file stages are compiled with.
#[derive(Clone, Debug)]
pub(crate) struct BootFacts {
    pub(crate) limits: Limits,
    /// The names of its target groups.
    pub(crate) groups: BTreeSet<String>,
    /// How many stages it has: those that are deployed are counted on from there.
    pub(crate) stages_count: usize,
}

impl BootFacts {
    /// Those of a boot file.
    pub(crate) fn of(model: &Model) -> Self {
        Self {
            limits: model.limits.clone(),
            groups: model.target_groups.iter().map(|group| group.name.clone()).collect(),
            stages_count: model.apis.len(),
        }
    }
}

impl Deployments {
    /// What is in `store`, as `options` have it. Nothing is read yet.
    pub(crate) fn new(store: DeployedStore, options: ManagementOptions) -> Self {
        Self { source: Some(Source { store, options }), ..Self::default() }
    }

    /// Takes over what a boot file that was read again binds ARNs and URIs to. All else of its
    /// `[management]` needs a new start.
    pub(crate) fn rebind(&mut self, options: &ManagementOptions) {
        let Some(source) = &mut self.source else { return };
        let options = options.clone();
        source.options.certificates = options.certificates;
        source.options.trust_stores = options.trust_stores;
        source.options.vpc_links = options.vpc_links;
        source.options.functions = options.functions;
        source.options.canary_is_sticky = options.canary_is_sticky;
    }

    /// What the next epoch has of it.
    pub(crate) fn plans(&self) -> &DeployedPlans {
        &self.plans
    }

    /// Reads everything, and compiles every stage. Blocks.
    pub(crate) fn load_all(&mut self, boot: &BootFacts) {
        let Some(source) = &self.source else { return };
        let changes = source.store.stages().and_then(|stages| {
            let domains = source.store.domains()?.into_iter().map(Change::Domain);
            Ok(stages.into_iter().map(Change::Stage).chain(domains).collect::<Vec<_>>())
        });
        match changes {
            Ok(changes) => {
                self.stages.clear();
                self.domains.clear();
                self.apply(&changes, boot);
            }
            Err(error) => {
                tracing::error!(%error, "the store cannot be read, and nothing of it is served")
            }
        }
    }

    /// Reads what changed, and compiles the stages among it. Blocks.
    pub(crate) fn apply(&mut self, changes: &[Change], boot: &BootFacts) {
        let Some(source) = self.source.clone() else { return };
        let compiler = StageCompiler { store: &source.store, options: &source.options, boot };
        for change in changes {
            match change {
                Change::Stage(change) => self.compile(change, &compiler),
                Change::Api(change) => {
                    let stages = self.stages.keys().filter(|stage| change.is_of(stage));
                    for stage in stages.cloned().collect::<Vec<_>>() {
                        self.compile(&stage, &compiler);
                    }
                }
                Change::Function(change) => {
                    let names_it = |(key, stage): &(&StageChange, &Stage)| stage.names(change, key);
                    let stages = self.stages.iter().filter(names_it).map(|(key, _)| key.clone());
                    for stage in stages.collect::<Vec<_>>() {
                        self.compile(&stage, &compiler);
                    }
                }
                Change::Domain(change) => match source.store.load_domain(change) {
                    Ok(Some(domain)) => drop(self.domains.insert(change.clone(), domain)),
                    Ok(None) => drop(self.domains.remove(change)),
                    Err(error) => tracing::error!(?change, %error, "a domain cannot be read"),
                },
            }
        }
    }

    /// Whether the change is one of what is served: a function that no stage names is none.
    pub(crate) fn concerns(&self, change: &Change) -> bool {
        match change {
            Change::Function(function) => {
                self.stages.iter().any(|(key, stage)| stage.names(function, key))
            }
            Change::Stage(_) | Change::Api(_) | Change::Domain(_) => true,
        }
    }

    fn compile(&mut self, change: &StageChange, compiler: &StageCompiler<'_>) {
        match compiler.compile(change) {
            Ok(Some(stage)) => drop(self.stages.insert(change.clone(), stage)),
            Ok(None) => drop(self.stages.remove(change)),
            Err(reason) => {
                // What it served before, if anything, goes on.
                let StageChange { region, api_id, stage_name, .. } = change;
                tracing::error!(region, api_id, stage_name, reason, "a stage is not deployed");
            }
        }
    }

    /// The files that domains may be served from.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.source.as_ref().map(|source| source.options.paths()).unwrap_or_default()
    }

    /// The domains that TLS answers for.
    pub(crate) fn tls_domains(&self) -> &[Domain] {
        &self.tls
    }

    /// Makes the domains anew, with the certificates that there are now; what is wrong is told. Reads
    /// files. Whether TLS serves them otherwise than before.
    pub(crate) fn load_domains(&mut self, boot: &Tls) -> bool {
        let Some(source) = &self.source else { return false };
        let stored: Vec<_> = self.domains.values().cloned().collect();
        let (options, last) = (&source.options, &mut self.certificates);
        let deployed = deployed_domains(&stored, options, boot, last, &Clock::system());
        for problem in &deployed.problems {
            tracing::warn!("{problem}");
        }
        self.addresses = deployed.addresses;
        let before = std::mem::replace(&mut self.tls, deployed.tls);
        before != self.tls
    }

    /// Makes what the next epoch has of it all.
    pub(crate) fn assemble(&mut self, boot: &BootFacts) {
        let mut plans = DeployedPlans::default();
        let mut addressed = Vec::new();
        let is_sticky = self.source.as_ref().is_some_and(|one| one.options.canary_is_sticky);
        for (key, stage) in &self.stages {
            let index = boot.stages_count + plans.stages.len();
            plans.stages.push(Arc::clone(&stage.plan));
            addressed.push(AddressedStage {
                region: &key.region,
                api_id: &key.api_id,
                protocol: stage.protocol,
                stage_name: &key.stage_name,
                stage_index: u32::try_from(index).unwrap_or(u32::MAX),
                is_default_endpoint_disabled: stage.is_default_endpoint_disabled,
                endpoint_type: stage.endpoint_type,
                access_mode: stage.access_mode,
            });
            let Some((percent, canary)) = &stage.canary else {
                plans.canaries.push(None);
                continue;
            };
            let canary_index = u32::try_from(index + 1).unwrap_or(u32::MAX);
            plans.canaries.push(Some(CanarySplit::new(*percent, canary_index, is_sticky)));
            plans.stages.push(Arc::clone(canary));
            plans.canaries.push(None);
        }
        let (addresses, problems) = Addresses::compile(&addressed, &self.addresses);
        for problem in problems {
            tracing::warn!("{problem}");
        }
        plans.addresses = self.source.as_ref().map(|_| Arc::new(addresses));
        let needed = self
            .stages
            .iter()
            .flat_map(|(key, stage)| stage.origins.iter().map(|origin| (&*key.region, origin)));
        let store = self.source.as_ref().map(|source| &source.store);
        self.origins.follow(needed, store);
        plans.groups = self.origins.groups();
        plans.upstreams = self.origins.upstreams();
        self.plans = plans;
    }
}
