//! What finding the stage of a request allocates: nothing, by any form, whatever the answer.

#[expect(dead_code, unreachable_pub, reason = "tests of shards use all of it")]
#[path = "in_process/counting.rs"]
mod counting;

use counting::{Counting, allocations};
use shardgate::model::{
    ApiMapping, ApiProtocol, DeployedDomain, DomainName, EndpointAccessMode, EndpointType,
    HeaderCondition, HeaderGlob, RoutingMode, RoutingRule,
};
use shardgate::plan::{AddressMatch, AddressQuery, AddressedStage, Addresses, HandshakeName};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// One test, so that nothing else allocates in this process meanwhile.
#[test]
fn finding_a_stage_allocates_nothing() {
    let ids: Vec<String> = (0..1_000).map(|index| format!("api{index:07}")).collect();
    let stages: Vec<_> = (0..).zip(&ids).map(|(index, id)| stage(id, index)).collect();
    let (table, problems) = Addresses::compile(&stages, &[domain(&ids)]);
    assert_eq!(problems, []);
    for (host, path, is_found) in [
        ("API0000500.execute-api.us-east-1.amazonaws.com:443", "/prod/pets", true),
        ("api0000500-vpce-1.execute-api.us-east-1.x", "/prod", false),
        ("vpce-1.execute-api.us-east-1.x", "/prod", false),
        ("api0000500.execute-api.us-east-1.x", "/test", false),
        ("WWW.Example.com.", "/orders/v1/x", true),
        ("www.example.com", "/%6frders/v1/x", true),
        ("www.example.com", "/rules", true),
        ("www.example.com", "/none", false),
        ("h", "/_aws/execute-api/api0000500/prod/x", true),
        ("h", "/restapis/api0000500/prod/_user_request_/x", true),
        ("h", "/x", false),
    ] {
        let query = AddressQuery {
            host: host.as_bytes(),
            path: path.as_bytes(),
            is_private_source: true,
            handshake: HandshakeName::Named(host.as_bytes()),
            is_mutual_tls: false,
        };
        let (before, _) = allocations();
        let found = table.find(&query, |name| (name == "version").then_some(&b"v1"[..]));
        let (after, _) = allocations();
        assert_eq!(after, before, "{host} {path}");
        assert_eq!(matches!(found, AddressMatch::Found(_)), is_found, "{host} {path}: {found:?}");
    }
}

fn stage(api_id: &str, stage_index: u32) -> AddressedStage<'_> {
    AddressedStage {
        region: "us-east-1",
        api_id,
        protocol: ApiProtocol::Rest,
        stage_name: "prod",
        stage_index,
        is_default_endpoint_disabled: false,
        endpoint_type: EndpointType::Regional,
        access_mode: EndpointAccessMode::Basic,
    }
}

fn domain(ids: &[String]) -> DeployedDomain {
    DeployedDomain {
        region: "us-east-1".into(),
        domain: DomainName {
            name: "*.example.com".into(),
            endpoint_types: vec![EndpointType::Regional],
            routing_mode: RoutingMode::RoutingRuleThenApiMapping,
            access_mode: EndpointAccessMode::Basic,
            security_policy: "TLS_1_2".into(),
            certificate_arn: None,
            mutual_tls: None,
        },
        mappings: vec![ApiMapping {
            id: "m".into(),
            base_path: "orders/v1".into(),
            api_id: ids[0].clone(),
            stage_name: Some("prod".into()),
        }],
        rules: vec![RoutingRule {
            id: "r".into(),
            priority: 1,
            headers: vec![HeaderCondition {
                name: "version".into(),
                value: HeaderGlob::parse("*1*"),
            }],
            base_path: Some("rules".into()),
            api_id: ids[1].clone(),
            stage_name: "prod".into(),
            is_base_path_stripped: true,
        }],
        is_closed: false,
    }
}
