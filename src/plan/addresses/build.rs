//! Builds the addresses from stages and domains.

use std::collections::HashMap;

use super::domains::{DomainEntry, Domains, RuleEntry};
use super::endpoints::{ApiEntry, Endpoints, StageEntry, Target};
use super::{AddressProblem, AddressedStage, Addresses};
use crate::model::{
    ApiMapping, DeployedDomain, EndpointAccessMode, EndpointType, RoutingMode, RoutingRule,
};
use crate::plan::base_paths::{BasePathTree, BasePathsBuilder, dense};
use crate::tls::NameTable;

/// Builds the table; what leads nowhere is told.
pub(super) fn build(
    stages: &[AddressedStage<'_>],
    domains: &[DeployedDomain],
) -> (Addresses, Vec<AddressProblem>) {
    let mut problems = Vec::new();
    let endpoints = build_endpoints(stages, &mut problems);
    let mut builder = DomainsBuilder::new(&endpoints, problems);
    for domain in domains {
        builder.add(domain);
    }
    let (domains, problems) = builder.finish();
    (Addresses { endpoints, domains }, problems)
}

fn build_endpoints(stages: &[AddressedStage<'_>], problems: &mut Vec<AddressProblem>) -> Endpoints {
    let mut sorted: Vec<_> = stages.iter().collect();
    sorted.sort_by_key(|stage| (stage.api_id, stage.region, stage.stage_name));
    sorted.dedup_by_key(|stage| (stage.api_id, stage.region, stage.stage_name));
    let mut ids = HashMap::<Box<[u8]>, u32, _>::default();
    let mut apis = Vec::<ApiEntry>::new();
    for of_api in sorted.chunk_by(|one, two| (one.api_id, one.region) == (two.api_id, two.region)) {
        let [first, ..] = of_api else { continue };
        let start = apis.last().map_or(0, |api| api.stages.end);
        let default = of_api.iter().position(|stage| stage.stage_name == "$default");
        let index = dense(apis.len());
        // Sorted by id, so the API before is the only one that may have the same.
        if let Some(before) = ids.get(first.api_id.as_bytes()) {
            problems.push(same_id(first, &apis[*before as usize].region));
            apis[index as usize - 1].next = Some(index);
        } else {
            ids.insert(first.api_id.as_bytes().into(), index);
        }
        apis.push(ApiEntry {
            region: first.region.into(),
            protocol: first.protocol,
            stages: start..start + dense(of_api.len()),
            default_stage: default.map(|place| start + dense(place)),
            next: None,
        });
    }
    let stages = sorted.into_iter().map(stage_entry).collect();
    Endpoints { ids, apis: apis.into(), stages }
}

fn stage_entry(stage: &AddressedStage<'_>) -> StageEntry {
    StageEntry {
        name: stage.stage_name.into(),
        stage_index: stage.stage_index,
        is_disabled: stage.is_default_endpoint_disabled,
        is_private: stage.endpoint_type == EndpointType::Private,
        is_strict: stage.access_mode == EndpointAccessMode::Strict,
    }
}

fn same_id(stage: &AddressedStage<'_>, other_region: &str) -> AddressProblem {
    let AddressedStage { api_id, region, .. } = stage;
    let message = format!(
        "the API {api_id} of {region} cannot be addressed by path: {other_region} has one of the same id"
    );
    AddressProblem { domain_index: None, message }
}

struct DomainsBuilder<'a> {
    endpoints: &'a Endpoints,
    problems: Vec<AddressProblem>,
    names: NameTable<u32>,
    entries: Vec<DomainEntry>,
    rules: Vec<RuleEntry>,
    mappings: Vec<Target>,
    base_paths: BasePathsBuilder,
}

impl<'a> DomainsBuilder<'a> {
    fn new(endpoints: &'a Endpoints, problems: Vec<AddressProblem>) -> Self {
        Self {
            endpoints,
            problems,
            names: NameTable::default(),
            entries: Vec::new(),
            rules: Vec::new(),
            mappings: Vec::new(),
            base_paths: BasePathsBuilder::default(),
        }
    }

    fn add(&mut self, deployed: &DeployedDomain) {
        let DeployedDomain { region, domain, mappings, rules, is_closed } = deployed;
        let index = dense(self.entries.len());
        if self.names.insert(&domain.name, index).is_err() {
            let name = &domain.name;
            self.record(format!("{name} of {region} is not served: another region has the name"));
        }
        let mut tree = BasePathTree::default();
        if domain.routing_mode != RoutingMode::RoutingRuleOnly {
            for mapping in mappings {
                self.add_mapping(deployed, mapping, &mut tree);
            }
        }
        let rules_start = dense(self.rules.len());
        if domain.routing_mode != RoutingMode::ApiMappingOnly {
            let mut sorted: Vec<_> = rules.iter().collect();
            sorted.sort_by_key(|rule| rule.priority);
            for rule in sorted {
                self.add_rule(deployed, rule);
            }
        }
        let root = self.base_paths.add(tree);
        self.entries.push(DomainEntry {
            name: domain.name.as_str().into(),
            mode: domain.routing_mode,
            is_private: domain.is_private(),
            is_strict: domain.access_mode == EndpointAccessMode::Strict,
            is_mutual: domain.mutual_tls.is_some(),
            is_closed: *is_closed,
            rules: rules_start..dense(self.rules.len()),
            root,
        });
    }

    fn add_mapping(
        &mut self,
        deployed: &DeployedDomain,
        mapping: &ApiMapping,
        tree: &mut BasePathTree,
    ) {
        let target = self.target(&deployed.region, &mapping.api_id, mapping.stage_name.as_deref());
        let place = if mapping.base_path.is_empty() { "(none)" } else { &mapping.base_path };
        if target == Target::Nothing {
            let stage = mapping.stage_name.as_deref().unwrap_or("any");
            self.record(format!(
                "{}, base path {place}: API {} has no deployed stage {stage}",
                deployed.domain.name, mapping.api_id
            ));
        }
        let segments = mapping.base_path.split('/').filter(|segment| !segment.is_empty());
        let mount = tree.mount(segments);
        if mount.is_some() {
            self.record(format!("{}: base path {place} is mapped twice", deployed.domain.name));
            return;
        }
        *mount = Some(dense(self.mappings.len()));
        self.mappings.push(target);
    }

    fn add_rule(&mut self, deployed: &DeployedDomain, rule: &RoutingRule) {
        let target = self.target(&deployed.region, &rule.api_id, Some(&rule.stage_name));
        if target == Target::Nothing {
            self.record(format!(
                "{}, rule {}: API {} has no deployed stage {}",
                deployed.domain.name, rule.id, rule.api_id, rule.stage_name
            ));
        }
        self.rules.push(RuleEntry {
            id: rule.id.as_str().into(),
            headers: rule.headers.as_slice().into(),
            base_path: rule.base_path.as_deref().map(Box::from),
            is_base_path_stripped: rule.is_base_path_stripped,
            target,
        });
    }

    fn target(&self, region: &str, api_id: &str, stage_name: Option<&str>) -> Target {
        let Some(api) = self.endpoints.api(api_id.as_bytes(), Some(region.as_bytes())) else {
            return Target::Nothing;
        };
        match stage_name {
            None => Target::Named(api),
            Some(name) => {
                self.endpoints.stage_named(api, name).map_or(Target::Nothing, Target::Stage)
            }
        }
    }

    /// Tells of the domain that is being added.
    fn record(&mut self, message: String) {
        let domain_index = Some(dense(self.entries.len()));
        self.problems.push(AddressProblem { domain_index, message });
    }

    fn finish(self) -> (Domains, Vec<AddressProblem>) {
        let domains = Domains {
            names: self.names,
            entries: self.entries.into(),
            rules: self.rules.into(),
            mappings: self.mappings.into(),
            base_paths: self.base_paths.finish(),
        };
        (domains, self.problems)
    }
}
