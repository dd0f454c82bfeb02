//! Addresses against a scan of everything that is configured, and against bytes of any kind.

use proptest::prelude::*;
use proptest::sample::select;

use super::tests::{domain, http, mapping, query, rule, stage};
use super::*;
use crate::model::{ApiMapping, RoutingMode, RoutingRule};

/// Segments of a path after its first slash, decoded, with where each ends.
fn segments(path: &str) -> Vec<(String, usize)> {
    let Some(rest) = path.strip_prefix('/') else { return Vec::new() };
    let mut end = 0;
    let with_end = |segment: &str| {
        end += 1 + segment.len();
        (segment.replace("%61", "a"), end)
    };
    rest.split('/').map(with_end).collect()
}

/// How many segments the base path has, if the path starts with it.
fn depth(base_path: &str, path: &[(String, usize)]) -> Option<usize> {
    let base: Vec<_> = base_path.split('/').filter(|one| !one.is_empty()).collect();
    let is_start = base.len() <= path.len() && base.iter().zip(path).all(|(a, (b, _))| a == b);
    is_start.then_some(base.len())
}

/// Where so many segments end.
fn end_of(depth: usize, path: &[(String, usize)]) -> usize {
    depth.checked_sub(1).map_or(0, |last| path[last].1)
}

struct Reference<'a> {
    stages: &'a [AddressedStage<'a>],
    domains: &'a [DeployedDomain],
    query: AddressQuery<'a>,
    version: Option<&'a str>,
    path: Vec<(String, usize)>,
}

impl<'a> Reference<'a> {
    fn find(&self) -> AddressMatch {
        let host = std::str::from_utf8(self.query.host).expect("text");
        let wild = host.split_once('.').map(|(_, rest)| format!("*.{rest}"));
        let named = |name: &str| self.domains.iter().position(|one| one.domain.name == name);
        if let Some(index) = named(host).or_else(|| named(&wild?)) {
            return self.find_in_domain(index);
        }
        let found = if let Some(id) = host.strip_suffix(".execute-api.us-east-1.x") {
            self.default_endpoint(id, 0, AddressForm::DefaultHost)
        } else if self.names(&["_aws", "execute-api"]) && self.path.len() > 2 {
            self.default_endpoint(&self.path[2].0, 3, AddressForm::Path)
        } else {
            return AddressMatch::NotOurs;
        };
        super::answer(found)
    }

    fn names(&self, wanted: &[&str]) -> bool {
        wanted
            .iter()
            .enumerate()
            .all(|(at, name)| self.path.get(at).is_some_and(|one| one.0 == *name))
    }

    fn of_api(&self, id: &str) -> Vec<&'a AddressedStage<'a>> {
        self.stages.iter().filter(|one| one.api_id == id).collect()
    }

    fn stage_at(
        &self,
        id: &str,
        at: usize,
    ) -> Result<(&'a AddressedStage<'a>, usize), AddressRefusal> {
        let all = self.of_api(id);
        // In a form by path the name may be written.
        let is_by_path = at == 3 && self.names(&["_aws", "execute-api"]);
        let is_hidden = |name: &str| name == "$default" && !is_by_path;
        let segment = self.path.get(at).filter(|(name, _)| !is_hidden(name));
        let named = segment
            .and_then(|(name, end)| Some((*all.iter().find(|one| one.stage_name == name)?, *end)));
        let default = || {
            Some((*all.iter().find(|one| one.stage_name == "$default")?, end_of(at, &self.path)))
        };
        let protocol = all.first().map(|one| one.protocol).ok_or(AddressRefusal::UnknownApi)?;
        named.or_else(default).ok_or(AddressRefusal::NoSuchStage { protocol })
    }

    fn default_endpoint(
        &self,
        id: &str,
        at: usize,
        form: AddressForm,
    ) -> Result<Address, AddressRefusal> {
        let (stage, end) = self.stage_at(id, at)?;
        if stage.endpoint_type == EndpointType::Private && !self.query.is_private_source {
            return Err(AddressRefusal::PrivateOnly);
        }
        if stage.is_default_endpoint_disabled {
            return Err(AddressRefusal::EndpointDisabled { protocol: stage.protocol });
        }
        Ok(Address { stage_index: stage.stage_index, prefix_bytes: end as u16, form })
    }

    fn find_in_domain(&self, index: usize) -> AddressMatch {
        let deployed = &self.domains[index];
        let mode = deployed.domain.routing_mode;
        let rule = deployed
            .rules
            .iter()
            .filter(|_| mode != RoutingMode::ApiMappingOnly)
            .filter(|rule| self.matches(rule))
            .min_by_key(|rule| rule.priority);
        let mapping = deployed
            .mappings
            .iter()
            .filter(|_| mode != RoutingMode::RoutingRuleOnly)
            .filter_map(|one| Some((depth(&one.base_path, &self.path)?, one)))
            .max_by_key(|(depth, _)| *depth);
        let address = match (rule, mapping) {
            (Some(rule), _) => self.follow_rule(rule),
            (None, Some((depth, mapping))) => self.follow_mapping(mapping, depth),
            (None, None) => Err(AddressRefusal::NoMapping),
        };
        let domain_index = index as u32;
        super::answer(address.map(|(address, base_path_bytes)| {
            let rule_index = rule.map(|rule| rule.priority as u32);
            let form = AddressForm::Domain { domain_index, base_path_bytes, rule_index };
            Address { form, ..address }
        }))
    }

    fn matches(&self, rule: &RoutingRule) -> bool {
        let is_path = rule.base_path.as_ref().is_none_or(|base| depth(base, &self.path).is_some());
        let has_value = |one: &crate::model::HeaderCondition| {
            self.version.is_some_and(|value| one.value.matches(value.as_bytes()))
        };
        is_path && rule.headers.iter().all(has_value)
    }

    fn follow_rule(&self, rule: &RoutingRule) -> Result<(Address, u16), AddressRefusal> {
        let base = rule.base_path.as_deref().unwrap_or_default();
        let end = end_of(depth(base, &self.path).unwrap_or(0), &self.path);
        let stages = self.of_api(&rule.api_id);
        let stage = stages.iter().find(|one| one.stage_name == rule.stage_name);
        let stage = stage.ok_or(AddressRefusal::NoMapping)?;
        let stripped = if rule.is_base_path_stripped { end } else { 0 };
        self.reach(stage, stripped, end)
    }

    fn follow_mapping(
        &self,
        mapping: &ApiMapping,
        depth: usize,
    ) -> Result<(Address, u16), AddressRefusal> {
        let end = end_of(depth, &self.path);
        let stages = self.of_api(&mapping.api_id);
        let Some(name) = &mapping.stage_name else {
            let found = self.stage_at(&mapping.api_id, depth);
            let (stage, stage_end) = found.map_err(|error| match error {
                AddressRefusal::UnknownApi => AddressRefusal::NoMapping,
                other => other,
            })?;
            return self.reach(stage, stage_end, end);
        };
        let stage = stages.iter().find(|one| one.stage_name == *name);
        self.reach(stage.ok_or(AddressRefusal::NoMapping)?, end, end)
    }

    fn reach(
        &self,
        stage: &AddressedStage<'_>,
        prefix: usize,
        base_path: usize,
    ) -> Result<(Address, u16), AddressRefusal> {
        if stage.endpoint_type == EndpointType::Private && !self.query.is_private_source {
            return Err(AddressRefusal::PrivateOnly);
        }
        let form = AddressForm::Path; // the caller knows
        let address = Address { stage_index: stage.stage_index, prefix_bytes: prefix as u16, form };
        Ok((address, base_path as u16))
    }
}

/// The place of a rule among all rules is that of a scan only where there is one domain; so rules
/// are told apart by their priority, which is their id too.
fn with_priority(table: &Addresses, found: AddressMatch) -> AddressMatch {
    let AddressMatch::Found(Address {
        form: AddressForm::Domain { domain_index, base_path_bytes, rule_index: Some(rule) },
        ..
    }) = found
    else {
        return found;
    };
    let AddressMatch::Found(address) = found else { return found };
    let rule_index = table.rule_id(rule).and_then(|id| id.parse().ok());
    let form = AddressForm::Domain { domain_index, base_path_bytes, rule_index };
    AddressMatch::Found(Address { form, ..address })
}

const STAGES: [&str; 3] = ["prod", "a", "$default"];
const HOSTS: [&str; 6] =
    ["d.t", "e.t", "a.b.t", "x.execute-api.us-east-1.x", "z.execute-api.us-east-1.x", "h"];
const PATHS: [&str; 6] = ["", "a", "a/b", "b", "a/a/a", "prod"];

fn any_stages() -> impl Strategy<Value = Vec<AddressedStage<'static>>> {
    let one = (select(vec!["x", "y", "z"]), select(&STAGES[..]), any::<[bool; 2]>());
    proptest::collection::vec(one, 0..8).prop_map(|places| {
        let mut stages = Vec::<AddressedStage<'_>>::new();
        for (id, name, [is_private, is_disabled]) in places {
            let own = if id == "z" { http } else { stage };
            let own = own(id, name, stages.len() as u32);
            if stages.iter().any(|one| (one.api_id, one.stage_name) == (id, name)) {
                continue;
            }
            let endpoint_type = if is_private { EndpointType::Private } else { own.endpoint_type };
            stages.push(AddressedStage {
                is_default_endpoint_disabled: is_disabled,
                endpoint_type,
                ..own
            });
        }
        stages
    })
}

fn any_domain(name: &'static str) -> impl Strategy<Value = DeployedDomain> {
    let modes = vec![
        RoutingMode::ApiMappingOnly,
        RoutingMode::RoutingRuleThenApiMapping,
        RoutingMode::RoutingRuleOnly,
    ];
    let api = || select(vec!["x", "y", "z", "gone"]);
    let mappings = proptest::collection::btree_map(
        select(&PATHS[..]),
        (api(), proptest::option::of(select(&STAGES[..]))),
        0..4,
    );
    let rule_of = (
        proptest::option::of(select(vec!["v1", "v*", "*1", "*v*"])),
        proptest::option::of(select(&PATHS[..])),
        api(),
        any::<bool>(),
    );
    let rules = proptest::collection::btree_map(1..1_000_u64, rule_of, 0..4);
    (select(modes), mappings, rules).prop_map(move |(mode, mappings, rules)| {
        let mut own = domain(name, mode);
        let mapping_of = |(path, (api, stage))| mapping(path, api, stage);
        own.mappings = mappings.into_iter().map(mapping_of).collect();
        for (priority, (glob, path, api, is_base_path_stripped)) in rules.into_iter().rev() {
            let headers: Vec<_> = glob.iter().map(|glob| ("version", *glob)).collect();
            let id = priority.to_string();
            let own_rule = rule(&id, priority, &headers, path, api);
            own.rules.push(RoutingRule { is_base_path_stripped, ..own_rule });
        }
        own
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_table_finds_what_a_scan_finds(
        stages in any_stages(),
        domains in (any_domain("d.t"), any_domain("*.t")),
        requests in proptest::collection::vec(
            (
                select(&HOSTS[..]),
                "(/_aws/execute-api/(x|y|z))?(/(a|b|prod|%61|\\$default|)){0,4}",
                any::<bool>(),
                proptest::option::of(select(vec!["v1", "v2", "1"])),
            ),
            8,
        ),
    ) {
        let domains = [domains.0, domains.1];
        let (table, _) = Addresses::compile(&stages, &domains);
        for (host, path, is_private_source, version) in &requests {
            let query = AddressQuery { is_private_source: *is_private_source, ..query(host, path) };
            let value = version.as_deref().map(str::as_bytes);
            let found = table.find(&query, |name| value.filter(|_| name == "version"));
            let scan = Reference {
                stages: &stages,
                domains: &domains,
                query,
                version: version.as_deref(),
                path: segments(path),
            };
            prop_assert_eq!(with_priority(&table, found), scan.find(), "{} {}", host, path);
        }
    }

    #[test]
    fn no_bytes_make_it_panic(
        host in proptest::collection::vec(any::<u8>(), 0..300),
        suffix in select(vec!["", ".execute-api.us-east-1.x", ".t"]),
        start in select(vec!["", "/restapis/", "/_aws/execute-api/"]),
        path in proptest::collection::vec(any::<u8>(), 0..300),
        value in proptest::collection::vec(any::<u8>(), 0..30),
        stages in any_stages(),
        own in any_domain("*.t"),
    ) {
        let host = [&host, suffix.as_bytes()].concat();
        let path = [start.as_bytes(), &path].concat();
        let (table, _) = Addresses::compile(&stages, &[own]);
        let query = AddressQuery {
            host: &host,
            path: &path,
            is_private_source: true,
            handshake: HandshakeName::Named(&host),
            is_mutual_tls: true,
        };
        if let AddressMatch::Found(address) = table.find(&query, |_| Some(&value)) {
            prop_assert!(usize::from(address.prefix_bytes) <= path.len());
        }
    }
}
