//! What is in force, as JSON. The form is for people and scripts that look; the boot file is the
//! place to change it.

use std::sync::PoisonError;

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::AdminView;
use crate::control::reload::InForce;
use crate::control::sockets::shown;
use crate::model::{
    Acme, AcmeChallenge, Api, Balance, Domain, HashKey, Http2Limits, Integration, Limits, Listener,
    ListenerTls, Model, ProxyProtocol, Route, TargetAddress, TargetGroup, TargetProtocol, Throttle,
    TicketKeySource, Tls,
};
use crate::tls::{CertificateSource, OnInvalid, ShownCertificate, UpstreamTlsOptions};

/// What the admin listener offers.
pub(super) async fn index() -> Json<Value> {
    Json(json!({
        "GET /livez": "200 while every shard turns",
        "GET /readyz": "200 while requests are wanted",
        "GET /metrics": "Prometheus text; ?routes=true counts each route",
        "GET /stats": "percentiles per stage, shards, reloads",
        "GET /upstreams": "target groups and their targets: health, and how each shard sees them",
        "GET /config": "the configuration in force and its epoch",
        "POST /reload": "read the boot file again",
        "POST /drain": "answer what has begun, then end",
        "GET /backup": "everything that the management API has stored",
        "POST /restore": "replace that by a backup: all of it or nothing",
        "GET /log-level": "the level of the process log",
        "PUT /log-level": "set it: {\"level\": \"debug\"}",
    }))
}

/// The configuration in force.
pub(super) async fn config(State(view): State<AdminView>) -> Json<Value> {
    let InForce { configuration, listeners, certificates } =
        view.in_force.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Json(json!({
        "epoch": view.status.epoch(),
        "phase": view.status.phase(),
        "process": configuration.process,
        "bound": listeners,
        "certificates": certificates.iter().map(certificate).collect::<Vec<_>>(),
        "model": model(&configuration.model),
        "ordered_certificates": view.acme.states(),
    }))
}

fn certificate(one: &ShownCertificate) -> Value {
    let facts = &one.facts;
    json!({
        "domain": one.domain(),
        "upstream": one.group(),
        "file": one.file,
        "key_type": one.kind.name(),
        "names": facts.names,
        "subject": facts.subject,
        "issuer": facts.issuer,
        "serial_number": facts.serial_number,
        "not_before": facts.not_before_text(),
        "not_after": facts.not_after_text(),
    })
}

fn model(model: &Model) -> Value {
    json!({
        "throttle": model.account_throttle.as_ref().map(throttle),
        "listeners": model.listeners.iter().map(listener).collect::<Vec<_>>(),
        "limits": limits(&model.limits),
        "http2": http2(&model.limits.http2),
        "forwarding": {
            "x_forwarded": model.forwarding.x_forwarded,
            "forwarded": model.forwarding.forwarded,
            "via": model.forwarding.via,
            "request_id_header": model.forwarding.request_id_header,
        },
        "access_log": model.access_log.as_ref().map(|log| {
            json!({ "path": log.path, "format": log.format })
        }),
        "tls": tls(&model.tls),
        "upstreams": model.target_groups.iter().map(group).collect::<Vec<_>>(),
        "apis": model.apis.iter().map(api).collect::<Vec<_>>(),
    })
}

fn tls(tls: &Tls) -> Value {
    let domain = |domain: &Domain| {
        let options = &domain.options;
        json!({
            "names": options.names,
            "security_policy": options.policy.name,
            "protocols": options.alpn.iter().map(|one| {
                String::from_utf8_lossy(one.wire_name()).into_owned()
            }).collect::<Vec<_>>(),
            "files": options.paths(),
            "acme": matches!(options.certificates, CertificateSource::Acme(_)),
            "on_invalid": options.mutual_tls.as_ref().map(|mutual| match mutual.on_invalid {
                OnInvalid::Refuse => "refuse",
                OnInvalid::Forbid => "403",
            }),
            "certificate_header": domain.certificate_headers.certificate,
            "subject_header": domain.certificate_headers.subject,
        })
    };
    let listener = |(name, one): (&String, &ListenerTls)| {
        let default = one.default_domain.and_then(|index| tls.domains.get(index));
        let shown = json!({
            "default_domain": default.and_then(|domain| domain.options.names.first()),
            "handshake_timeout_ms": one.handshake_timeout_ms,
        });
        (name.clone(), shown)
    };
    let upstream = |(name, one): (&String, &UpstreamTlsOptions)| {
        let shown = json!({
            "server_name": one.server_name,
            "security_policy": one.policy.name,
            "insecure_skip_verification": one.insecure_skip_verification,
        });
        (name.clone(), shown)
    };
    json!({
        "domains": tls.domains.iter().map(domain).collect::<Vec<_>>(),
        "listeners": tls.listeners.iter().map(listener).collect::<serde_json::Map<_, _>>(),
        "redirects": tls.redirects,
        "upstreams": tls.upstreams.iter().map(upstream).collect::<serde_json::Map<_, _>>(),
        "ticket_key_file": match &tls.ticket_keys {
            TicketKeySource::Random => None,
            TicketKeySource::File(path) => Some(path),
        },
        "ticket_rotation_ms": tls.ticket_rotation_ms,
        "expiry_warning_days": tls.expiry_warning_days,
        "acme": tls.acme.as_ref().map(acme),
    })
}

fn acme(acme: &Acme) -> Value {
    json!({
        "directory_url": acme.directory_url,
        "contacts": acme.contacts,
        "account_key_file": acme.account_file,
        "folder": acme.folder,
        "challenge": match acme.challenge {
            AcmeChallenge::Http01 => "http-01",
            AcmeChallenge::TlsAlpn01 => "tls-alpn-01",
            AcmeChallenge::Dns01(_) => "dns-01",
        },
        "renew_before_days": acme.renew_before_days,
    })
}

fn throttle(throttle: &Throttle) -> Value {
    json!({ "rate_per_second": throttle.rate_per_second, "burst_count": throttle.burst_count })
}

fn listener(listener: &Listener) -> Value {
    json!({
        "name": listener.name,
        "address": shown(&listener.address),
        "dual_stack": listener.dual_stack,
        "reuse_port": listener.reuse_port,
        "backlog": listener.backlog,
        "proxy_protocol": match listener.proxy_protocol {
            ProxyProtocol::Off => "off",
            ProxyProtocol::Required => "required",
        },
        "http2_prior_knowledge": listener.http2_prior_knowledge,
        "trusted_proxies":
            listener.trusted_proxies.iter().map(|one| format!("{one}")).collect::<Vec<_>>(),
        "private": listener.is_private,
        "private_networks":
            listener.private_networks.iter().map(|one| format!("{one}")).collect::<Vec<_>>(),
    })
}

fn limits(limits: &Limits) -> Value {
    json!({
        "request_line_bytes_max": limits.request_line_bytes_max,
        "head_bytes_max": limits.head_bytes_max,
        "headers_count_max": limits.headers_count_max,
        "body_bytes_max": limits.body_bytes_max,
        "connections_per_shard_max": limits.connections_per_shard_max,
        "requests_per_connection_max": limits.requests_per_connection_max,
        "requests_per_connection_per_second_max": limits.requests_per_connection_per_second_max,
        "head_timeout_ms": limits.head_timeout_ms,
        "body_timeout_ms": limits.body_timeout_ms,
        "write_timeout_ms": limits.write_timeout_ms,
        "idle_timeout_ms": limits.idle_timeout_ms,
        "tunnel_idle_timeout_ms": limits.tunnel_idle_timeout_ms,
        "stream_idle_timeout_ms": limits.stream_idle_timeout_ms,
        "edge_stream_idle_timeout_ms": limits.edge_stream_idle_timeout_ms,
    })
}

fn http2(limits: &Http2Limits) -> Value {
    let frames = &limits.frames;
    json!({
        "streams_per_connection_max": limits.streams_per_connection_max,
        "stream_window_bytes": limits.stream_window_bytes,
        "connection_window_bytes": limits.connection_window_bytes,
        "resets_per_second_max": frames.resets_per_second_max,
        "control_frames_per_second_max": frames.control_frames_per_second_max,
        "continuation_frames_max": frames.continuation_frames_max,
        "window_updates_per_second_max": frames.window_updates_per_second_max,
        "tiny_data_frames_per_second_max": frames.tiny_data_frames_per_second_max,
    })
}

fn group(group: &TargetGroup) -> Value {
    let targets = group.targets.iter().map(|target| {
        let address = match &target.address {
            TargetAddress::Socket(address) => address.to_string(),
            TargetAddress::Name { host, port } => format!("{host}:{port}"),
            TargetAddress::Unix(path) => format!("unix:{}", path.display()),
        };
        json!({ "address": address, "weight": target.weight })
    });
    json!({
        "name": group.name,
        "targets": targets.collect::<Vec<_>>(),
        "balance": balance(&group.balance),
        "protocol": match group.protocol {
            TargetProtocol::Http1 => "http/1.1",
            TargetProtocol::Http2 => "h2",
        },
        "grpc_web": group.grpc_web,
        "preserve_host": group.preserve_host,
        "connect_timeout_ms": group.connect_timeout_ms,
        "idle_timeout_ms": group.idle_timeout_ms,
        "total_timeout_ms": group.total_timeout_ms,
        "keepalive_timeout_ms": group.keepalive_timeout_ms,
        "keepalive_connections_max": group.keepalive_connections_max,
        "keepalive_requests_max": group.keepalive_requests_max,
        "outstanding_per_shard_max": group.outstanding_per_shard_max,
        "slow_start_ms": group.slow_start_ms,
        "dns_ttl_ms_max": group.dns_ttl_ms_max,
        "retry": {
            "attempts_max": group.retry.attempts_max,
            "budget_percent": group.retry.budget_percent,
            "on_gateway_status": group.retry.on_gateway_status,
        },
        "health": group.health.as_ref().map(|health| json!({
            "path": health.path,
            "grpc_service": health.grpc_service,
            "interval_ms": health.interval_ms,
            "timeout_ms": health.timeout_ms,
            "unhealthy_count": health.unhealthy_count,
            "healthy_count": health.healthy_count,
            "status_min": health.status_min,
            "status_max": health.status_max,
        })),
        "outlier": group.outlier.as_ref().map(|outlier| json!({
            "consecutive_failures": outlier.consecutive_failures,
            "base_ejection_ms": outlier.base_ejection_ms,
            "ejection_ms_max": outlier.ejection_ms_max,
            "ejected_percent_max": outlier.ejected_percent_max,
        })),
    })
}

fn balance(balance: &Balance) -> Value {
    match balance {
        Balance::RoundRobin => json!("round_robin"),
        Balance::LeastOutstanding => json!("least_outstanding"),
        Balance::PowerOfTwoChoices => json!("power_of_two_choices"),
        Balance::ConsistentHash(key) => {
            let key = match key {
                HashKey::SourceIp => "source_ip".to_owned(),
                HashKey::Path => "path".to_owned(),
                HashKey::Header(name) => format!("header:{name}"),
            };
            json!({ "consistent_hash": key })
        }
    }
}

fn api(api: &Api) -> Value {
    json!({
        "id": api.id,
        "name": api.name,
        "hosts": api.hosts,
        "base_path": api.base_path,
        "stage": api.stage.name,
        "throttle": api.stage.throttle.as_ref().map(throttle),
        "routes": api.stage.routes.iter().map(route).collect::<Vec<_>>(),
    })
}

fn route(route: &Route) -> Value {
    json!({
        "key": route.key.to_string(),
        "integration": integration(&route.integration),
        "throttle": route.throttle.as_ref().map(throttle),
        "body_bytes_max": route.body_bytes_max,
    })
}

fn integration(integration: &Integration) -> Value {
    match integration {
        Integration::Proxy(proxy) => json!({
            "type": "proxy",
            "upstream": proxy.group,
            "path": proxy.path,
            "host": proxy.host,
            "timeout_ms": proxy.timeout_ms,
        }),
        Integration::Mock(mock) => json!({
            "type": "mock",
            "status": mock.status,
            "headers": mock.headers,
            "body": String::from_utf8_lossy(&mock.body),
        }),
        Integration::Redirect(redirect) => json!({
            "type": "redirect",
            "status": redirect.status,
            "location": redirect.location,
        }),
    }
}
