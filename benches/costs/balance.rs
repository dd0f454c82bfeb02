//! What choosing a target costs, with the account of how the try ended: each way of balancing, for
//! groups of one, three, sixteen and 256 targets of mixed weights with every guard on.

use std::hint::black_box;
use std::net::SocketAddr;
use std::sync::Arc;

use shardgate::base::Nanos;
use shardgate::coord::{ResolvedTarget, TargetEndpoint};
use shardgate::model::{ActiveHealth, Balance, HashKey, OutlierEjection, RetryPolicy, TargetGroup};
use shardgate::upstream::{GroupState, Outcome, stable_hash};

use crate::measure::{Case, Measure};

/// Time between two requests of a shard: the group is looked at again once in a tick, as it would
/// be under this load.
const STEP_NANOS: u64 = 8_000;

pub(crate) fn cases(measure: &mut Measure) {
    let ways = [
        ("round_robin", Balance::RoundRobin),
        ("least_outstanding", Balance::LeastOutstanding),
        ("power_of_two_choices", Balance::PowerOfTwoChoices),
        ("consistent_hash", Balance::ConsistentHash(HashKey::Path)),
    ];
    for (name, balance) in ways {
        for count in [1_u32, 3, 16, 256] {
            let case = Case::new("balance", format!("{name}_{count}"));
            measure.case(case, || choosing(&balance, count));
        }
    }
}

fn choosing(balance: &Balance, count: u32) -> impl FnMut() + use<> {
    let mut state = GroupState::new(&group(balance.clone()), &targets(count), Nanos(1), 1);
    let (mut now, mut request) = (Nanos(1), 0_u64);
    move || {
        now = now.plus(Nanos(STEP_NANOS));
        request += 1;
        let hash = stable_hash(&request.to_le_bytes());
        let target = state.choose(now, black_box(hash), &[]).expect("a target");
        state.ended(black_box(target), Outcome::Answered(200), now);
    }
}

fn targets(count: u32) -> Vec<ResolvedTarget> {
    let target = |number: u32| ResolvedTarget {
        address: TargetEndpoint::Tcp(SocketAddr::from(((0x0A00_0000 + number).to_be_bytes(), 80))),
        weight: 1 + number % 3,
        target_index: number as usize,
        host: Arc::from("items.test:80"),
        health: Arc::default(),
    };
    (0..count).map(target).collect()
}

fn group(balance: Balance) -> TargetGroup {
    TargetGroup {
        name: "items".to_owned(),
        targets: Vec::new(),
        balance,
        protocol: shardgate::model::TargetProtocol::Http1,
        grpc_web: true,
        preserve_host: false,
        connect_timeout_ms: 1_000,
        idle_timeout_ms: 1_000,
        total_timeout_ms: 0,
        keepalive_timeout_ms: 1_000,
        keepalive_connections_max: 8,
        keepalive_requests_max: 0,
        outstanding_per_shard_max: 1_000,
        retry: RetryPolicy {
            attempts_max: 2,
            sends_again: true,
            budget_percent: 20,
            on_gateway_status: true,
        },
        health: Some(ActiveHealth {
            path: "/".to_owned(),
            grpc_service: None,
            interval_ms: 1_000,
            timeout_ms: 1_000,
            unhealthy_count: 2,
            healthy_count: 2,
            status_min: 200,
            status_max: 399,
        }),
        outlier: Some(OutlierEjection {
            consecutive_failures: 5,
            base_ejection_ms: 30_000,
            ejection_ms_max: 300_000,
            ejected_percent_max: 50,
        }),
        slow_start_ms: 10_000,
        dns_ttl_ms_max: 60_000,
    }
}
