//! Builds the listeners, the bounds and what is forwarded.

use std::net::{IpAddr, Ipv4Addr};

use super::diagnostics::{Mistake, Span};
use super::keys::{
    RawAccessLog, RawAdmin, RawForwarding, RawHttp2, RawLimits, RawListener, RawThrottle,
    RawTimeouts,
};
use super::reading::{Field, Reading};
use super::unique::Unique;
use crate::model::{
    AccessLog, Forwarding, Http2Limits, Limits, Listener, ListenerAddress, ProxyProtocol, Throttle,
};
use crate::proto::http2::FrameLimits;

/// Builds the listeners, with the places of their addresses. A listener without name or address is left out; that was recorded.
pub(super) fn build_listeners(
    raw: Vec<Field<RawListener>>,
    admin: Option<&Field<RawAdmin>>,
    reading: &mut Reading<'_>,
) -> (Vec<Listener>, Vec<Span>) {
    let (mut names, mut addresses) = (Unique::new("listener"), Addresses::default());
    if let Some(admin) = admin {
        addresses.add(&admin.value.address, false, reading);
    }
    let (mut listeners, mut spans) = (Vec::new(), Vec::new());
    for Field { value: raw, .. } in raw {
        if let Some(name) = &raw.name {
            names.add(name.value.0.clone(), name.span, reading);
        }
        if let Some(address) = &raw.address {
            addresses.add(address, raw.dual_stack.value, reading);
            check_listener(&raw, address, reading);
        }
        let (Some(name), Some(address)) = (raw.name, raw.address) else { continue };
        let is_unix = matches!(address.value, ListenerAddress::Unix(_));
        spans.push(address.span);
        listeners.push(Listener {
            name: name.value.0,
            address: address.value,
            dual_stack: raw.dual_stack.value,
            reuse_port: raw.reuse_port.value && !is_unix,
            backlog: raw.backlog.value,
            proxy_protocol: raw.proxy_protocol.value,
            http2_prior_knowledge: raw.http2_prior_knowledge.value,
            trusted_proxies: raw.trusted_proxies.value.into_iter().map(|one| one.value).collect(),
            is_private: raw.private.value,
            private_networks: raw.private_networks.value.into_iter().map(|one| one.value).collect(),
        });
    }
    (listeners, spans)
}

fn check_listener(raw: &RawListener, address: &Field<ListenerAddress>, reading: &mut Reading<'_>) {
    let is_unix = matches!(address.value, ListenerAddress::Unix(_));
    let ip = match &address.value {
        ListenerAddress::Tcp(address) => Some(address.ip()),
        ListenerAddress::Unix(_) => None,
    };
    if raw.dual_stack.value && !ip.is_some_and(|ip| ip.is_ipv6() && ip.is_unspecified()) {
        let message = "`dual_stack` has a meaning only on the address [::]";
        let mistake = Mistake::new(raw.dual_stack.span, message).label("no second family here");
        reading.record(mistake.related(address.span, "the address"));
    }
    if is_unix && raw.reuse_port.value && raw.reuse_port.is_written {
        let message = "a unix socket cannot be bound by each shard";
        let mistake = Mistake::new(raw.reuse_port.span, message).label("leave it out");
        reading.record(mistake.related(address.span, "the address"));
    }
    if let Some(network) = raw.private_networks.value.first().filter(|_| raw.private.value) {
        let message = "`private` lets every client of the listener reach private APIs";
        let mistake = Mistake::new(network.span, message).label("these are among them");
        reading.record(
            mistake.related(raw.private.span, "every client").help("leave one of them out"),
        );
    }
    let is_required = raw.proxy_protocol.value == ProxyProtocol::Required;
    if is_required && raw.trusted_proxies.value.is_empty() && !is_unix {
        let message = "`proxy_protocol` is required, but `trusted_proxies` names no peer whose \
            header is believed";
        let help = "add the load balancer's addresses: `trusted_proxies = [\"10.0.0.0/8\"]`";
        reading.record(Mistake::new(raw.proxy_protocol.span, message).help(help));
    }
}

/// Finds two listeners on one address.
#[derive(Default)]
struct Addresses {
    places: Vec<(ListenerAddress, bool, Span)>,
}

impl Addresses {
    fn add(
        &mut self,
        address: &Field<ListenerAddress>,
        dual_stack: bool,
        reading: &mut Reading<'_>,
    ) {
        let is_taken = |(other, other_dual, _): &&(ListenerAddress, bool, Span)| {
            overlap(other, *other_dual, &address.value)
                || overlap(&address.value, dual_stack, other)
        };
        if let Some(&(_, _, first)) = self.places.iter().find(is_taken) {
            let message = "two listeners are on the same address";
            let mistake = Mistake::new(address.span, message).label("the second");
            reading.record(mistake.related(first, "the first"));
        }
        self.places.push((address.value.clone(), dual_stack, address.span));
    }
}

/// Whether a socket on `one` takes what belongs to `other`. The kernel chooses another port for
/// each socket on port 0.
fn overlap(one: &ListenerAddress, dual_stack: bool, other: &ListenerAddress) -> bool {
    match (one, other) {
        (ListenerAddress::Tcp(one), ListenerAddress::Tcp(other)) => {
            let is_any_v4 = other.ip() == IpAddr::V4(Ipv4Addr::UNSPECIFIED);
            let is_any_v6 = one.ip().is_ipv6() && one.ip().is_unspecified();
            let is_same_ip = one.ip() == other.ip() || (dual_stack && is_any_v6 && is_any_v4);
            one.port() == other.port() && one.port() != 0 && is_same_ip
        }
        (one, other) => one == other,
    }
}

/// Builds the bounds on clients from the tables that they stand in.
pub(super) fn build_limits(
    limits: &Field<RawLimits>,
    http2: &RawHttp2,
    timeouts: &Field<RawTimeouts>,
    reading: &mut Reading<'_>,
) -> Limits {
    let (limits, timeouts) = (&limits.value, &timeouts.value);
    if limits.request_line_bytes_max.value > limits.head_bytes_max.value {
        let message = format!(
            "`request_line_bytes_max` is {}, but the request line is part of the head, of which \
             `head_bytes_max` is {}",
            limits.request_line_bytes_max.value, limits.head_bytes_max.value
        );
        let (first, second) = (&limits.request_line_bytes_max, &limits.head_bytes_max);
        let written = if first.is_written { first } else { second };
        let mut mistake = Mistake::new(written.span, message).label("raise or lower one");
        if first.is_written && second.is_written {
            mistake = mistake.related(second.span, "the head's bound");
        }
        reading.record(mistake);
    }
    Limits {
        request_line_bytes_max: limits.request_line_bytes_max.value,
        head_bytes_max: limits.head_bytes_max.value,
        headers_count_max: limits.headers_count_max.value,
        body_bytes_max: limits.body_bytes_max.value,
        connections_per_shard_max: limits.connections_per_shard_max.value,
        requests_per_connection_max: limits.requests_per_connection_max.value,
        requests_per_connection_per_second_max: limits.requests_per_connection_per_second_max.value,
        head_timeout_ms: timeouts.head_timeout_ms.value,
        body_timeout_ms: timeouts.body_timeout_ms.value,
        write_timeout_ms: timeouts.write_timeout_ms.value,
        idle_timeout_ms: timeouts.idle_timeout_ms.value,
        tunnel_idle_timeout_ms: timeouts.tunnel_idle_timeout_ms.value,
        stream_idle_timeout_ms: timeouts.stream_idle_timeout_ms.value,
        edge_stream_idle_timeout_ms: timeouts.edge_stream_idle_timeout_ms.value,
        http2: build_http2(http2),
    }
}

fn build_http2(raw: &RawHttp2) -> Http2Limits {
    Http2Limits {
        streams_per_connection_max: raw.streams_per_connection_max.value,
        stream_window_bytes: raw.stream_window_bytes.value,
        connection_window_bytes: raw.connection_window_bytes.value,
        frames: FrameLimits {
            resets_per_second_max: raw.resets_per_second_max.value,
            control_frames_per_second_max: raw.control_frames_per_second_max.value,
            continuation_frames_max: raw.continuation_frames_max.value,
            window_updates_per_second_max: raw.window_updates_per_second_max.value,
            tiny_data_frames_per_second_max: raw.tiny_data_frames_per_second_max.value,
        },
    }
}

/// Builds what targets are told.
pub(super) fn build_forwarding(raw: RawForwarding) -> Forwarding {
    Forwarding {
        x_forwarded: raw.x_forwarded.value,
        forwarded: raw.forwarded.value,
        via: raw.via.map(|via| via.value.0),
        request_id_header: raw.request_id_header.value.0,
    }
}

/// Builds a token bucket's setting. One without rate or burst is left out; that was recorded.
pub(super) fn build_throttle(raw: Option<Field<RawThrottle>>) -> Option<Throttle> {
    let raw = raw?.value;
    let (rate, burst) = (raw.rate_per_second?, raw.burst_count?);
    Some(Throttle { rate_per_second: rate.value, burst_count: burst.value })
}

/// Builds the access log.
pub(super) fn build_access_log(raw: RawAccessLog) -> AccessLog {
    let path = raw.path.value.0.to_string_lossy().into_owned();
    AccessLog { path, format: raw.format.value.0 }
}
