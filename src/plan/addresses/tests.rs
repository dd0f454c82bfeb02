//! Addresses by example: the guide's tables, every form, every refusal.

use super::*;
use crate::model::{
    ApiMapping, DomainName, HeaderCondition, HeaderGlob, MutualTlsAuthentication, RoutingMode,
    RoutingRule,
};

pub(super) fn stage<'a>(
    api_id: &'a str,
    stage_name: &'a str,
    stage_index: u32,
) -> AddressedStage<'a> {
    AddressedStage {
        region: "us-east-1",
        api_id,
        protocol: ApiProtocol::Rest,
        stage_name,
        stage_index,
        is_default_endpoint_disabled: false,
        endpoint_type: EndpointType::Regional,
        access_mode: EndpointAccessMode::Basic,
    }
}

pub(super) fn http<'a>(
    api_id: &'a str,
    stage_name: &'a str,
    stage_index: u32,
) -> AddressedStage<'a> {
    AddressedStage { protocol: ApiProtocol::Http, ..stage(api_id, stage_name, stage_index) }
}

pub(super) fn domain(name: &str, routing_mode: RoutingMode) -> DeployedDomain {
    DeployedDomain {
        region: "us-east-1".into(),
        domain: DomainName {
            name: name.into(),
            endpoint_types: vec![EndpointType::Regional],
            routing_mode,
            access_mode: EndpointAccessMode::Basic,
            security_policy: "TLS_1_2".into(),
            certificate_arn: None,
            mutual_tls: None,
        },
        mappings: Vec::new(),
        rules: Vec::new(),
        is_closed: false,
    }
}

pub(super) fn mapping(base_path: &str, api_id: &str, stage_name: Option<&str>) -> ApiMapping {
    ApiMapping {
        id: format!("m-{base_path}"),
        base_path: base_path.into(),
        api_id: api_id.into(),
        stage_name: stage_name.map(str::to_owned),
    }
}

pub(super) fn rule(
    id: &str,
    priority: u64,
    headers: &[(&str, &str)],
    base_path: Option<&str>,
    api_id: &str,
) -> RoutingRule {
    let condition = |(name, glob): &(&str, &str)| HeaderCondition {
        name: name.to_ascii_lowercase(),
        value: HeaderGlob::parse(glob),
    };
    RoutingRule {
        id: id.into(),
        priority,
        headers: headers.iter().map(condition).collect(),
        base_path: base_path.map(str::to_owned),
        api_id: api_id.into(),
        stage_name: "prod".into(),
        is_base_path_stripped: false,
    }
}

pub(super) fn table(stages: &[AddressedStage<'_>], domains: &[DeployedDomain]) -> Addresses {
    let (table, problems) = Addresses::compile(stages, domains);
    assert_eq!(problems, []);
    table
}

pub(super) fn query<'a>(host: &'a str, path: &'a str) -> AddressQuery<'a> {
    AddressQuery {
        host: host.as_bytes(),
        path: path.as_bytes(),
        is_private_source: false,
        handshake: HandshakeName::Plain,
        is_mutual_tls: false,
    }
}

fn find(table: &Addresses, host: &str, path: &str) -> AddressMatch {
    table.find(&query(host, path), |_| None)
}

fn find_with(
    table: &Addresses,
    query: &AddressQuery<'_>,
    headers: &[(&str, &'static str)],
) -> AddressMatch {
    table.find(query, |name| {
        let is_it = |(own, _): &&(&str, &str)| own.eq_ignore_ascii_case(name);
        headers.iter().find(is_it).map(|(_, value)| value.as_bytes())
    })
}

fn found(stage_index: u32, prefix_bytes: u16, form: AddressForm) -> AddressMatch {
    AddressMatch::Found(Address { stage_index, prefix_bytes, form })
}

fn by_host(stage_index: u32, prefix_bytes: u16) -> AddressMatch {
    found(stage_index, prefix_bytes, AddressForm::DefaultHost)
}

fn by_path(stage_index: u32, prefix_bytes: u16) -> AddressMatch {
    found(stage_index, prefix_bytes, AddressForm::Path)
}

fn by_mapping(stage_index: u32, base_path_bytes: u16) -> AddressMatch {
    let form = AddressForm::Domain { domain_index: 0, base_path_bytes, rule_index: None };
    found(stage_index, base_path_bytes, form)
}

fn refused(refusal: AddressRefusal) -> AddressMatch {
    AddressMatch::Refused(refusal)
}

fn no_such_stage(protocol: ApiProtocol) -> AddressMatch {
    refused(AddressRefusal::NoSuchStage { protocol })
}

fn stage_of(found: AddressMatch) -> Option<u32> {
    match found {
        AddressMatch::Found(address) => Some(address.stage_index),
        _ => None,
    }
}

const HOST: &str = "a1b2c3.execute-api.us-east-1.amazonaws.com";

#[test]
fn where_nothing_is_deployed_no_api_is_known() {
    let empty = Addresses::default();
    for (host, path) in [(HOST, "/prod"), ("h", "/_aws/execute-api/a/b")] {
        let expected = AddressMatch::Refused(AddressRefusal::UnknownApi);
        assert_eq!(find(&empty, host, path), expected);
    }
    assert_eq!(find(&empty, "", ""), AddressMatch::NotOurs);
}

#[test]
fn the_default_endpoint_names_api_region_and_stage() {
    let table = table(&[stage("a1b2c3", "prod", 7), stage("a1b2c3", "test", 8)], &[]);
    assert_eq!(find(&table, HOST, "/prod/items/1"), by_host(7, 5));
    assert_eq!(find(&table, HOST, "/test"), by_host(8, 5));
    assert_eq!(find(&table, HOST, "/%74est/"), by_host(8, 7));
    let upper = HOST.to_ascii_uppercase();
    for host in [format!("{HOST}:8443"), format!("{HOST}."), upper] {
        assert_eq!(find(&table, &host, "/prod"), by_host(7, 5), "{host}");
    }
    for rest in ["us-east-1.api.aws", "us-east-1", "localhost", "localhost.example.cloud", "x-1"] {
        let host = format!("a1b2c3.execute-api.{rest}");
        assert_eq!(find(&table, &host, "/prod"), by_host(7, 5), "{host}");
    }
    for path in ["/", "", "/production", "/PROD", "//prod", "/pro", "*"] {
        assert_eq!(find(&table, HOST, path), no_such_stage(ApiProtocol::Rest), "{path}");
    }
}

#[test]
fn an_endpoint_of_another_api_or_region_is_unknown() {
    let table = table(&[stage("a1b2c3", "prod", 0)], &[]);
    for host in [
        "zzz.execute-api.us-east-1.amazonaws.com",
        "a1b2c3.execute-api.eu-west-1.amazonaws.com",
        ".execute-api.us-east-1.amazonaws.com",
    ] {
        assert_eq!(find(&table, host, "/prod"), refused(AddressRefusal::UnknownApi), "{host}");
    }
    for host in [
        "a1b2c3.execute-api",
        "a1b2c3.execute-api.",
        "a1b2c3.other.us-east-1",
        "execute-api.us-east-1",
    ] {
        assert_eq!(find(&table, host, "/prod"), AddressMatch::NotOurs, "{host}");
    }
}

#[test]
fn http_apis_have_a_stage_without_a_name_in_the_path() {
    let table =
        table(&[http("a1b2c3", "$default", 1), http("a1b2c3", "v2", 2), http("b", "v1", 3)], &[]);
    assert_eq!(find(&table, HOST, "/v2/items"), by_host(2, 3));
    assert_eq!(find(&table, HOST, "/items"), by_host(1, 0));
    assert_eq!(find(&table, HOST, "/"), by_host(1, 0));
    assert_eq!(find(&table, HOST, "/$default/x"), by_host(1, 0), "a name, but not in URLs");
    let other = "b.execute-api.us-east-1.amazonaws.com";
    assert_eq!(find(&table, other, "/v2"), no_such_stage(ApiProtocol::Http));
}

#[test]
fn machines_without_dns_name_the_api_in_the_path() {
    let stages = [stage("a", "prod", 0), http("b", "$default", 1), http("b", "v2", 2)];
    let table = table(&stages, &[]);
    let find = |path: &str| find(&table, "127.0.0.1:4566", path);
    assert_eq!(find("/_aws/execute-api/a/prod/items"), by_path(0, 24));
    assert_eq!(find("/_aws/execute-api/a/prod"), by_path(0, 24));
    assert_eq!(find("/_aws/execute-api/b/v2/items"), by_path(2, 22));
    assert_eq!(find("/_aws/execute-api/b/items"), by_path(1, 19));
    assert_eq!(find("/_aws/execute-api/b"), by_path(1, 19));
    assert_eq!(find("/_aws/execute-api/b/$default/items"), by_path(1, 28));
    assert_eq!(find("/_aws/execute-api/b/%24default"), by_path(1, 30));
    assert_eq!(find("/_aws/execute-api/a"), no_such_stage(ApiProtocol::Rest));
    assert_eq!(find("/_aws/execute-api/a/$default"), no_such_stage(ApiProtocol::Rest));
    assert_eq!(find("/restapis/a/prod/_user_request_/items"), by_path(0, 31));
    assert_eq!(find("/restapis/a/prod/_user_request_"), by_path(0, 31));
    assert_eq!(find("/restapis/b/$default/_user_request_/"), by_path(1, 35));
    assert_eq!(find("/restapis/b/items/_user_request_/"), no_such_stage(ApiProtocol::Http));
    assert_eq!(find("/restapis/z/prod/_user_request_/"), refused(AddressRefusal::UnknownApi));
    for other in [
        "/restapis/a/prod",
        "/restapis/a/prod/items",
        "/restapis",
        "/_aws/execute-api",
        "/_aws/execute-api/",
        "/",
    ] {
        assert_eq!(find(other), AddressMatch::NotOurs, "{other}");
    }
}

#[test]
fn a_closed_default_endpoint_is_closed_in_all_its_forms() {
    let closed =
        AddressedStage { is_default_endpoint_disabled: true, ..stage("a1b2c3", "prod", 0) };
    let mut own = domain("api.example.com", RoutingMode::ApiMappingOnly);
    own.mappings = vec![mapping("", "a1b2c3", Some("prod"))];
    let table = table(&[closed], &[own]);
    let refusal = refused(AddressRefusal::EndpointDisabled { protocol: ApiProtocol::Rest });
    assert_eq!(find(&table, HOST, "/prod"), refusal);
    assert_eq!(find(&table, "h", "/_aws/execute-api/a1b2c3/prod"), refusal);
    assert_eq!(find(&table, "h", "/restapis/a1b2c3/prod/_user_request_/"), refusal);
    assert_eq!(find(&table, "api.example.com", "/prod"), by_mapping(0, 0));
}

#[test]
fn private_apis_are_for_private_sources_in_all_forms() {
    let private =
        AddressedStage { endpoint_type: EndpointType::Private, ..stage("a1b2c3", "prod", 0) };
    let mut own = domain("api.example.com", RoutingMode::ApiMappingOnly);
    own.mappings = vec![mapping("", "a1b2c3", Some("prod"))];
    let table = table(&[private, stage("b", "prod", 1)], &[own]);
    let endpoint = "a1b2c3-vpce-0a1b.execute-api.us-east-1.amazonaws.com";
    for (host, path) in [
        (HOST, "/prod"),
        (endpoint, "/prod"),
        ("h", "/_aws/execute-api/a1b2c3/prod"),
        ("h", "/restapis/a1b2c3/prod/_user_request_/"),
        ("api.example.com", "/"),
    ] {
        let public = query(host, path);
        assert_eq!(find_with(&table, &public, &[]), refused(AddressRefusal::PrivateOnly), "{host}");
        let private = AddressQuery { is_private_source: true, ..public };
        assert_eq!(stage_of(find_with(&table, &private, &[])), Some(0), "{host}");
    }
    let other = "b-vpce-0a1b.execute-api.us-east-1.amazonaws.com";
    let other = AddressQuery { is_private_source: true, ..query(other, "/prod") };
    let unknown = refused(AddressRefusal::UnknownApi);
    assert_eq!(find_with(&table, &other, &[]), unknown, "no private API");
}

#[test]
fn the_host_of_an_endpoint_leaves_the_api_to_a_header() {
    let private =
        AddressedStage { endpoint_type: EndpointType::Private, ..stage("a1b2c3", "prod", 0) };
    let table = table(&[private], &[]);
    let host = "vpce-0a1b-xyz.execute-api.us-east-1.vpce.amazonaws.com";
    let query = AddressQuery { is_private_source: true, ..query(host, "/prod/x") };
    assert_eq!(find_with(&table, &query, &[("X-Apigw-Api-Id", "a1b2c3")]), by_host(0, 5));
    for headers in [&[][..], &[("x-apigw-api-id", "zzz")]] {
        assert_eq!(find_with(&table, &query, headers), refused(AddressRefusal::UnknownApi));
    }
}

/// The table of "Working with API mappings for REST APIs".
#[test]
fn the_mapping_with_the_longest_path_is_chosen() {
    let stages = [
        stage("api1", "s", 1),
        stage("api2", "s", 2),
        stage("api3", "s", 3),
        stage("api4", "s", 4),
    ];
    let mut own = domain("api.example.com", RoutingMode::ApiMappingOnly);
    own.mappings = vec![
        mapping("", "api1", Some("s")),
        mapping("orders/v1/items", "api2", Some("s")),
        mapping("orders/v2/items", "api3", Some("s")),
        mapping("orders/v2/items/categories", "api4", Some("s")),
    ];
    let table = table(&stages, &[own]);
    for (path, stage_index, base_path_bytes) in [
        ("/orders/v1/items", 2, 16),
        ("/orders/v2/items", 3, 16),
        ("/orders/v1/items/123", 2, 16),
        ("/orders/v2/items/categories/5", 4, 27),
        ("/customers", 1, 0),
        // Whole segments, in this letter case.
        ("/orders/v1/items2", 1, 0),
        ("/Orders/v1/items", 1, 0),
        ("/orders/v2/items/categories5", 3, 16),
        ("/orders", 1, 0),
        ("/", 1, 0),
    ] {
        let expected = by_mapping(stage_index, base_path_bytes);
        assert_eq!(find(&table, "API.example.com:443", path), expected, "{path}");
    }
    assert_eq!(table.domain_name(0), Some("api.example.com"));
    assert_eq!(find(&table, "other.example.com", "/customers"), AddressMatch::NotOurs);
}

#[test]
fn a_mapping_without_stage_leaves_it_to_the_path() {
    let mut own = domain("api.example.com", RoutingMode::ApiMappingOnly);
    own.mappings = vec![mapping("shop", "a", None)];
    let table = table(&[stage("a", "prod", 0)], &[own]);
    let form = AddressForm::Domain { domain_index: 0, base_path_bytes: 5, rule_index: None };
    assert_eq!(find(&table, "api.example.com", "/shop/prod/x"), found(0, 10, form));
    assert_eq!(find(&table, "api.example.com", "/shop/test"), no_such_stage(ApiProtocol::Rest));
    assert_eq!(find(&table, "api.example.com", "/x"), refused(AddressRefusal::NoMapping));
}

/// The first example of "Examples of how API Gateway evaluates routing rules".
#[test]
fn rules_alone_are_asked_by_priority() {
    let stages = [stage("api1", "prod", 1), stage("api2", "prod", 2), stage("api3", "prod", 3)];
    let mut own = domain("petstore.example.com", RoutingMode::RoutingRuleOnly);
    let pets = [("Accept", "image/webp"), ("Pet", "Dog-*")];
    own.rules = vec![
        rule("efg456", 100, &[], None, "api3"),
        rule("zzz000", 50, &pets, Some("PetStoreShopper"), "api2"),
        rule("abc123", 10, &[("Hello", "World")], None, "api1"),
    ];
    own.mappings = vec![mapping("", "api3", Some("prod"))];
    let table = table(&stages, &[own]);
    let find = |path: &str, headers: &[(&str, &'static str)]| match find_with(
        &table,
        &query("petstore.example.com", path),
        headers,
    ) {
        AddressMatch::Found(Address {
            stage_index,
            prefix_bytes: 0,
            form: AddressForm::Domain { rule_index: Some(rule), base_path_bytes, .. },
        }) => (stage_index, table.rule_id(rule), base_path_bytes),
        other => panic!("{other:?}"),
    };
    let (dog, webp) = (("Pet", "Dog-Bella"), ("accept", "image/webp"));
    assert_eq!(find("/", &[("hello", "World")]), (1, Some("abc123"), 0));
    assert_eq!(find("/PetStoreShopper", &[("Hello", "World"), dog, webp]), (1, Some("abc123"), 0));
    assert_eq!(find("/PetStoreShopper", &[dog, webp]), (2, Some("zzz000"), 16));
    assert_eq!(find("/PetStoreShopper/cats", &[dog, webp]), (2, Some("zzz000"), 16));
    assert_eq!(find("/PetStoreShopper", &[dog]), (3, Some("efg456"), 0));
    assert_eq!(find("/petstoreshopper", &[dog, webp]), (3, Some("efg456"), 0));
    assert_eq!(find("/", &[("Hello", "world")]), (3, Some("efg456"), 0), "letter case counts");
}

/// As in its second example: rules, and mappings for what is left.
#[test]
fn mappings_take_what_no_rule_takes_if_the_mode_says_so() {
    let stages = [stage("api1", "prod", 1), stage("api2", "prod", 2), stage("api3", "prod", 3)];
    let make = |mode| {
        let mut own = domain("petstore.example.com", mode);
        own.rules = vec![
            RoutingRule {
                is_base_path_stripped: true,
                ..rule("first", 1, &[], Some("PetStoreShopper"), "api1")
            },
            rule("second", 5, &[("x-version", "beta*")], Some("PetStoreShopper/v2"), "api2"),
        ];
        own.mappings = vec![
            mapping("PetStoreShopper", "api2", Some("prod")),
            mapping("", "api3", Some("prod")),
        ];
        table(&stages, &[own])
    };
    let host = "petstore.example.com";
    let both = make(RoutingMode::RoutingRuleThenApiMapping);
    let form = AddressForm::Domain { domain_index: 0, base_path_bytes: 16, rule_index: Some(0) };
    assert_eq!(find(&both, host, "/PetStoreShopper/dogs"), found(1, 16, form), "stripped");
    assert_eq!(find(&both, host, "/PetStore"), by_mapping(3, 0));
    let mappings = make(RoutingMode::ApiMappingOnly);
    assert_eq!(find(&mappings, host, "/PetStoreShopper/dogs"), by_mapping(2, 16));
    let rules = make(RoutingMode::RoutingRuleOnly);
    assert_eq!(find(&rules, host, "/PetStore"), refused(AddressRefusal::NoMapping));
    assert_eq!(find(&rules, host, "/PetStoreShopper"), found(1, 16, form));
}

#[test]
fn what_leads_to_no_deployed_stage_breaks_nothing_else() {
    let mut own = domain("api.example.com", RoutingMode::RoutingRuleThenApiMapping);
    own.mappings = vec![
        mapping("", "a", Some("prod")),
        mapping("gone", "a", Some("test")),
        mapping("gone/api", "zzz", None),
    ];
    own.rules = vec![rule("r", 1, &[("x", "y")], None, "zzz")];
    let (table, problems) = Addresses::compile(&[stage("a", "prod", 0)], &[own]);
    let texts: Vec<_> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(
        texts,
        [
            "api.example.com, base path gone: API a has no deployed stage test",
            "api.example.com, base path gone/api: API zzz has no deployed stage any",
            "api.example.com, rule r: API zzz has no deployed stage prod",
        ]
    );
    assert!(problems.iter().all(|problem| problem.domain_index == Some(0)));
    assert_eq!(find(&table, "api.example.com", "/x"), by_mapping(0, 0));
    for path in ["/gone", "/gone/x", "/gone/api/prod"] {
        let found = find(&table, "api.example.com", path);
        assert_eq!(found, refused(AddressRefusal::NoMapping), "{path}: the choice is final");
    }
    let query = query("api.example.com", "/x");
    let found = find_with(&table, &query, &[("X", "y")]);
    assert_eq!(found, refused(AddressRefusal::NoMapping));
}

#[test]
fn names_and_ids_of_two_regions_belong_to_the_first() {
    let elsewhere = AddressedStage { region: "eu-west-1", ..stage("a1b2c3", "prod", 9) };
    let mut first = domain("api.example.com", RoutingMode::ApiMappingOnly);
    first.mappings = vec![mapping("", "a1b2c3", Some("prod"))];
    let second = DeployedDomain { region: "eu-west-1".into(), ..first.clone() };
    let stages = [stage("a1b2c3", "prod", 0), elsewhere];
    let (table, problems) = Addresses::compile(&stages, &[first, second]);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert_eq!(find(&table, "api.example.com", "/"), by_mapping(0, 0));
    assert_eq!(find(&table, HOST, "/prod"), by_host(0, 5));
    assert_eq!(find(&table, "a1b2c3.execute-api.eu-west-1.x", "/prod"), by_host(9, 5));
    assert_eq!(
        find(&table, "h", "/_aws/execute-api/a1b2c3/prod"),
        by_path(9, 29),
        "eu-west-1 sorts first"
    );
}

#[test]
fn a_wildcard_stands_for_one_label_and_yields_to_the_exact_name() {
    let make = |name: &str, stage: &str| {
        let mut own = domain(name, RoutingMode::ApiMappingOnly);
        own.mappings = vec![mapping("", "a1b2c3", Some(stage))];
        own
    };
    let stages = [stage("a1b2c3", "exact", 0), stage("a1b2c3", "wild", 1)];
    let domains = [make("*.example.com", "wild"), make("api.example.com", "exact")];
    let table = table(&stages, &domains);
    assert_eq!(stage_of(find(&table, "API.example.com", "/")), Some(0));
    assert_eq!(stage_of(find(&table, "www.example.com.:1", "/")), Some(1));
    for host in ["example.com", "a.b.example.com", ".example.com", "badexample.com"] {
        assert_eq!(find(&table, host, "/"), AddressMatch::NotOurs, "{host}");
    }
    let endpoint = "a1b2c3.execute-api.us-east-1.example.com";
    assert_eq!(find(&table, endpoint, "/wild"), by_host(1, 5), "below a wildcard's domain");
}

#[test]
fn strict_access_compares_the_names_of_handshake_and_request() {
    let strict =
        AddressedStage { access_mode: EndpointAccessMode::Strict, ..stage("a1b2c3", "prod", 0) };
    let mut own = domain("*.example.com", RoutingMode::ApiMappingOnly);
    own.domain.access_mode = EndpointAccessMode::Strict;
    own.mappings = vec![mapping("", "a1b2c3", Some("prod"))];
    let table = table(&[strict], &[own]);
    for (host, path) in [("API.example.com:443", "/x"), (HOST, "/prod")] {
        let found = |handshake| {
            let query = AddressQuery { handshake, ..query(host, path) };
            stage_of(table.find(&query, |_| None))
        };
        let name = host.split(':').next().expect("a name").to_ascii_lowercase();
        assert_eq!(found(HandshakeName::Plain), Some(0));
        assert_eq!(found(HandshakeName::Named(name.as_bytes())), Some(0));
        assert_eq!(found(HandshakeName::Unnamed), None);
        assert_eq!(found(HandshakeName::Named(b"www.example.com")), None);
    }
    let query = AddressQuery { handshake: HandshakeName::Unnamed, ..query("a.example.com", "/") };
    assert_eq!(find_with(&table, &query, &[]), refused(AddressRefusal::OtherName));
}

#[test]
fn a_domain_with_mutual_tls_is_never_reached_without() {
    let make = |is_closed| {
        let mut own = domain("api.example.com", RoutingMode::ApiMappingOnly);
        own.domain.mutual_tls = Some(MutualTlsAuthentication {
            truststore_uri: "s3://bucket/key".into(),
            truststore_version: None,
        });
        own.mappings = vec![mapping("", "a", Some("prod"))];
        table(&[stage("a", "prod", 0)], &[DeployedDomain { is_closed, ..own }])
    };
    let refusal = refused(AddressRefusal::ClientCertificateRequired);
    let handshake = HandshakeName::Named(b"api.example.com");
    for (is_closed, is_mutual_tls) in [(false, false), (false, true), (true, true)] {
        let query = AddressQuery { handshake, is_mutual_tls, ..query("api.example.com", "/x") };
        let found = find_with(&make(is_closed), &query, &[]);
        let is_reached = is_mutual_tls && !is_closed;
        assert_eq!(found, if is_reached { by_mapping(0, 0) } else { refusal });
    }
}

#[test]
fn a_private_domain_is_for_private_sources() {
    let mut own = domain("api.example.com", RoutingMode::ApiMappingOnly);
    own.domain.endpoint_types = vec![EndpointType::Private];
    let table = table(&[stage("a", "prod", 0)], &[own]);
    let query = query("api.example.com", "/ping");
    assert_eq!(find_with(&table, &query, &[]), refused(AddressRefusal::PrivateOnly));
    let query = AddressQuery { is_private_source: true, ..query };
    assert_eq!(find_with(&table, &query, &[]), AddressMatch::Health { domain_index: 0 });
}

#[test]
fn health_paths_of_custom_domains_are_reserved() {
    let mut own = domain("api.example.com", RoutingMode::ApiMappingOnly);
    own.mappings = vec![mapping("", "a", Some("ping")), mapping("sub", "a", Some("ping"))];
    let table = table(&[stage("a", "ping", 0)], &[own]);
    for path in ["/ping", "/sping"] {
        let found = find(&table, "api.example.com", path);
        assert_eq!(found, AddressMatch::Health { domain_index: 0 });
    }
    assert_eq!(find(&table, "api.example.com", "/sub/ping"), by_mapping(0, 4));
    assert_eq!(find(&table, "a.execute-api.us-east-1.x", "/ping"), by_host(0, 5));
}

#[test]
fn prefixes_over_65535_bytes_match_nothing() {
    let long = "x".repeat(65_534);
    let table = table(&[stage("a", &long, 0)], &[]);
    let host = "a.execute-api.localhost";
    assert_eq!(find(&table, host, &format!("/{long}")), by_host(0, 65_535));
    let encoded = format!("/{}", long.replacen('x', "%78", 1));
    assert_eq!(find(&table, host, &encoded), refused(AddressRefusal::NoMapping));
}
