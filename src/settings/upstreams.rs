//! Builds the target groups.

use std::fmt;

use toml::de::DeValue;

use super::diagnostics::{Mistake, Span};
use super::keys::{RawHealth, RawOutlier, RawRetry, RawTarget, RawUpstream};
use super::reading::{Field, Node, Reading};
use super::table::{Bound, Shape, Value};
use super::unique::Unique;
use super::values::choice;
use crate::model::{
    ActiveHealth, Balance, HashKey, OutlierEjection, RetryPolicy, Target, TargetAddress,
    TargetGroup, TargetProtocol,
};

/// A target as it is written: an address, or a table with a weight.
#[derive(Debug)]
pub(super) struct TargetEntry(Target);

impl Value for TargetEntry {
    fn shape(bound: Option<Bound>) -> Shape {
        Shape::OneOf(vec![TargetAddress::shape(bound), RawTarget::shape(bound)])
    }

    fn read(node: Node<'_>, reading: &mut Reading<'_>) -> Option<Self> {
        let (address, weight) = match node.value {
            DeValue::String(_) => (TargetAddress::read(node, reading)?, 1),
            DeValue::Table(_) => {
                let raw = RawTarget::read(node, reading)?;
                (raw.address?.value, raw.weight.value)
            }
            _ => {
                node.wrong_type(&Self::shape(None), reading);
                return None;
            }
        };
        Some(Self(Target { address, weight }))
    }
}

/// The name of a way to choose a target.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum BalanceName {
    RoundRobin,
    LeastOutstanding,
    PowerOfTwoChoices,
    ConsistentHash,
}

choice!(BalanceName {
    "round_robin" => BalanceName::RoundRobin,
    "least_outstanding" => BalanceName::LeastOutstanding,
    "power_of_two_choices" => BalanceName::PowerOfTwoChoices,
    "consistent_hash" => BalanceName::ConsistentHash,
});

impl BalanceName {
    fn balance(self, key: HashKey) -> Balance {
        match self {
            Self::RoundRobin => Balance::RoundRobin,
            Self::LeastOutstanding => Balance::LeastOutstanding,
            Self::PowerOfTwoChoices => Balance::PowerOfTwoChoices,
            Self::ConsistentHash => Balance::ConsistentHash(key),
        }
    }
}

/// An address as messages show it.
struct Shown(TargetAddress);

impl fmt::Display for Shown {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            TargetAddress::Socket(address) => address.fmt(out),
            TargetAddress::Name { host, port } => write!(out, "{host}:{port}"),
            TargetAddress::Unix(path) => write!(out, "unix:{}", path.display()),
        }
    }
}

impl PartialEq for Shown {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl Eq for Shown {}

impl std::hash::Hash for Shown {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

/// Builds the target groups, with the places of their names. A group without a name is left out; that was recorded.
pub(super) fn build_upstreams(
    raw: Vec<Field<RawUpstream>>,
    reading: &mut Reading<'_>,
) -> (Vec<TargetGroup>, Vec<Span>) {
    let mut names = Unique::new("upstream");
    let mut groups = Vec::new();
    let mut spans = Vec::new();
    for Field { value: raw, .. } in raw {
        if let Some(name) = &raw.name {
            names.add(name.value.0.clone(), name.span, reading);
        }
        let span = raw.name.as_ref().map(|name| name.span);
        if let (Some(group), Some(span)) = (build_upstream(raw, reading), span) {
            groups.push(group);
            spans.push(span);
        }
    }
    (groups, spans)
}

fn build_upstream(raw: RawUpstream, reading: &mut Reading<'_>) -> Option<TargetGroup> {
    let targets = raw.targets.as_ref().map_or(&[][..], |targets| &targets.value.0);
    let mut seen = Unique::new("target");
    for target in targets {
        seen.add(Shown(target.value.0.address.clone()), target.span, reading);
    }
    let protocol = raw.protocol.value;
    let health = raw.health.map(|field| build_health(field.value, protocol, reading));
    let outlier = raw.outlier.map(|field| build_outlier(&field.value, reading));
    Some(TargetGroup {
        name: raw.name?.value.0,
        targets: raw.targets?.value.0.into_iter().map(|target| target.value.0).collect(),
        balance: raw.balance.value.balance(raw.hash_key.value),
        protocol,
        grpc_web: raw.grpc_web.value,
        preserve_host: raw.preserve_host.value,
        connect_timeout_ms: raw.connect_timeout_ms.value,
        idle_timeout_ms: raw.idle_timeout_ms.value,
        total_timeout_ms: raw.total_timeout_ms.value,
        keepalive_timeout_ms: raw.keepalive_timeout_ms.value,
        keepalive_connections_max: raw.keepalive_connections_max.value,
        keepalive_requests_max: raw.keepalive_requests_max.value,
        outstanding_per_shard_max: raw.outstanding_per_shard_max.value,
        retry: build_retry(&raw.retry.value),
        health,
        outlier,
        slow_start_ms: raw.slow_start_ms.value,
        dns_ttl_ms_max: raw.dns_ttl_ms_max.value,
    })
}

fn build_retry(raw: &RawRetry) -> RetryPolicy {
    RetryPolicy {
        sends_again: true,
        attempts_max: raw.attempts_max.value,
        budget_percent: raw.budget_percent.value,
        on_gateway_status: raw.on_gateway_status.value,
    }
}

fn build_health(
    raw: RawHealth,
    protocol: TargetProtocol,
    reading: &mut Reading<'_>,
) -> ActiveHealth {
    if let Some(service) = &raw.grpc_service
        && protocol != TargetProtocol::Http2
    {
        let message = "`grpc_service` needs targets that speak HTTP/2";
        let mistake = Mistake::new(service.span, message).label("gRPC's own check");
        reading.record(mistake.help("add `protocol = \"h2\"` to the [[upstream]]"));
    }
    check_order("timeout_ms", &raw.timeout_ms, "interval_ms", &raw.interval_ms, reading);
    check_order("status_min", &raw.status_min, "status_max", &raw.status_max, reading);
    ActiveHealth {
        path: raw.path.value.0,
        grpc_service: raw.grpc_service.map(|service| service.value.0),
        interval_ms: raw.interval_ms.value,
        timeout_ms: raw.timeout_ms.value,
        unhealthy_count: raw.unhealthy_count.value,
        healthy_count: raw.healthy_count.value,
        status_min: raw.status_min.value,
        status_max: raw.status_max.value,
    }
}

fn build_outlier(raw: &RawOutlier, reading: &mut Reading<'_>) -> OutlierEjection {
    let (base, most) = (&raw.base_ejection_ms, &raw.ejection_ms_max);
    check_order("base_ejection_ms", base, "ejection_ms_max", most, reading);
    OutlierEjection {
        consecutive_failures: raw.consecutive_failures.value,
        base_ejection_ms: base.value,
        ejection_ms_max: most.value,
        ejected_percent_max: raw.ejected_percent_max.value,
    }
}

/// Records when the value of `low` is above that of `high`; points at what the file has of them.
pub(super) fn check_order<T: PartialOrd + fmt::Display>(
    low_name: &str,
    low: &Field<T>,
    high_name: &str,
    high: &Field<T>,
    reading: &mut Reading<'_>,
) {
    if low.value <= high.value {
        return;
    }
    let message =
        format!("`{low_name}` is {}, above `{high_name}`, which is {}", low.value, high.value);
    let (first, second) = if low.is_written { (low, high) } else { (high, low) };
    let mut mistake = Mistake::new(first.span, message).label("raise or lower one");
    if second.is_written {
        mistake = mistake.related(second.span, "the other");
    }
    reading.record(mistake);
}
